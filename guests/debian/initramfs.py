#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""guests/debian/initramfs.py: the Debian guest's initramfs, a gzipped cpio archive ("newc", as the kernel's
Documentation/driver-api/early-userspace/buffer-format.rst has it). Written here, not by cpio, so that device nodes need no root and
equal inputs make equal bytes."""

import argparse
import gzip
import pathlib
import stat

# What the guests may load; the modules that these need come along.
MODULES = ["virtio_pci", "virtio_mmio", "virtio_blk", "virtio_net", "virtio_console", "virtio_balloon", "virtio-rng"]


class Archive:
    def __init__(self):
        self.bytes, self.inode = bytearray(), 0

    def add(self, name, mode, content=b"", device=(0, 0)):
        self.inode += 1
        encoded = name.encode() + b"\0"
        fields = [self.inode, mode, 0, 0, 2 if stat.S_ISDIR(mode) else 1, 0, len(content), 0, 0, *device, len(encoded), 0]
        self.bytes += b"070701" + b"".join(b"%08x" % field for field in fields) + encoded
        self.bytes += bytes(-len(self.bytes) % 4) + content
        self.bytes += bytes(-len(self.bytes) % 4)

    def folder(self, name):
        self.add(name, stat.S_IFDIR | 0o755)

    def file(self, name, content, mode=0o644):
        self.add(name, stat.S_IFREG | mode, content)

    def link(self, name, target):
        self.add(name, stat.S_IFLNK | 0o777, target.encode())

    def character_device(self, name, major, minor):
        self.add(name, stat.S_IFCHR | 0o600, device=(major, minor))

    def write(self, path):
        self.add("TRAILER!!!", 0)
        with open(path, "wb") as out, gzip.GzipFile("", "wb", 9, out, mtime=0) as packed:
            packed.write(self.bytes)


def needed(modules, name, order):
    """The modules that NAME needs, each before what needs it, and NAME. The .modinfo section has them as depends=a,b."""
    content = modules[name].read_bytes()
    start = content.find(b"\0depends=")
    depends = content[start + 9 : content.find(b"\0", start + 9)].decode() if start >= 0 else ""
    for other in filter(None, depends.split(",")):
        # A name's dash and underscore are one to the kernel; files have either. What is built in has no file.
        key = other if other in modules else other.replace("_", "-")
        if key in modules and key not in order:
            needed(modules, key, order)
    order.append(name)
    return order


def add_modules(archive, kernel):
    modules = {path.stem: path for path in pathlib.Path(kernel).glob("lib/modules/*/kernel/**/*.ko")}
    lines, wanted = [], []
    archive.folder("lib")
    archive.folder("lib/modules")
    for name in MODULES:
        order = needed(modules, name, [])
        lines.append(f"{name}: {' '.join(order)}\n")
        wanted += [module for module in order if module not in wanted]
    for name in wanted:
        archive.file(f"lib/modules/{name}.ko", modules[name].read_bytes())
    archive.file("lib/modules/order", "".join(lines).encode())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--busybox", required=True)
    parser.add_argument("--init", required=True)
    parser.add_argument("--modules", help="the unpacked kernel package, whose modules go in")
    parser.add_argument("--out", required=True)
    args = parser.parse_args()

    archive = Archive()
    for name in ("bin", "dev", "proc", "root", "sys", "tmp"):
        archive.folder(name)
    # The kernel opens it for process 1, before anything is mounted.
    archive.character_device("dev/console", 5, 1)
    archive.file("bin/busybox", pathlib.Path(args.busybox).read_bytes(), 0o755)
    archive.link("bin/sh", "busybox")
    archive.file("init", pathlib.Path(args.init).read_bytes(), 0o755)
    if args.modules:
        add_modules(archive, args.modules)
    archive.write(args.out)


if __name__ == "__main__":
    main()
