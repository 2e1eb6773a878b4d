# SPDX-License-Identifier: Apache-2.0
"""bench/peer_kvm.py: the peer: Debian's kernel with KVM and Debian's QEMU, as the first level on the same emulated machine, running the
same guests: on QEMU for AMD, on Bochs for Intel. Its initramfs holds busybox, the KVM modules, QEMU with its libraries and ROMs, the guests, and
peer_memory, a monitor of its own for what QEMU can't be asked to do."""

import os
import pathlib
import subprocess
import sys

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent), str(pathlib.Path(__file__).resolve().parents[1] / "guests" / "debian")]
import bochs_machine  # noqa: E402
import guest_kernel  # noqa: E402
import initramfs  # noqa: E402

QEMU = "/usr/bin/qemu-system-x86_64"
ROMS = ["bios-256k.bin", "kvmvapic.bin", "linuxboot.bin", "linuxboot_dma.bin", "multiboot.bin", "multiboot_dma.bin", "pvh.bin"]
MODULES = ["kvm-amd", "kvm-intel"]
# /bin/mark executes the counting plugin's marker instruction: the stretch measured begins at QEMU's start in the first level. Page-modification logging
# takes the dirty log's faults away, so the module is loaded a second time without it.
INIT = """#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
module=kvm-amd
grep -q vmx /proc/cpuinfo && module=kvm-intel
for m in $(cat /modules/$module.order); do insmod /modules/$m.ko || echo "peer: no $m"; done
echo "peer: $(uname -r) kvm $(ls /dev/kvm)"
qemu="/usr/bin/qemu-system-x86_64 -accel kvm -cpu host -M pc -nodefaults -display none -serial stdio -no-reboot"
qemu="$qemu -device isa-debug-exit,iobase=0xf4,iosize=4 -L /roms"
read -r cmdline </proc/cmdline
# The guest's addresses stay where the first level's are told to stay.
case $cmdline in *nokaslr*) guest=nokaslr ;; esac
case $cmdline in
*peer=bench*)
	$qemu -m 256 -kernel /guests/bench.elf </dev/null
	if [ $module = kvm-intel ]; then
		/bin/peer_memory pml_
		rmmod kvm_intel
		insmod /modules/kvm-intel.ko pml=0
	fi
	/bin/peer_memory ;;
*peer=boot*) /bin/mark; $qemu -m 256 -kernel /guests/vmlinuz -initrd /guests/initramfs.cpio.gz \\
	-append "console=ttyS0 quiet panic=-1 $guest gyre.exec=poweroff" </dev/null; /bin/mark ;;
esac
echo "peer: status $?"
poweroff -f
"""
# A program of one marker and an exit: the plugin prints what was executed before it.
MARK_SOURCE = """
	.globl _start
_start:	.byte 0x0f, 0x1f, 0x84, 0x00, 'G', 'Y', 'R', 'E'
	mov $60, %eax
	xor %edi, %edi
	syscall
"""


def libraries(program):
    """The shared libraries that PROGRAM needs, with their paths."""
    listed = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    return sorted({word for line in listed.splitlines() for word in line.split() if word.startswith("/")})


def rom(name):
    for folder in ("/usr/share/qemu", "/usr/share/seabios", "/usr/lib/ipxe/qemu", "/usr/share/qemu-efi"):
        path = pathlib.Path(folder) / name
        if path.exists():
            return path
    return None


def add_tree(archive, path, content, seen):
    parts = path.strip("/").split("/")
    for depth in range(1, len(parts)):
        folder = "/".join(parts[:depth])
        if folder not in seen:
            seen.add(folder)
            archive.folder(folder)
    if path not in seen:
        seen.add(path)
        archive.file(path.strip("/"), content, 0o755)


def build(build_folder, out):
    guests, packages = pathlib.Path(build_folder) / "guests", pathlib.Path(build_folder) / "debs"
    kernel = packages / "kernel"
    archive, seen = initramfs.Archive(), set()
    for name in ("bin", "dev", "proc", "sys", "tmp", "modules"):
        archive.folder(name)
        seen.add(name)
    archive.character_device("dev/console", 5, 1)
    archive.file("bin/busybox", (packages / "busybox-static/bin/busybox").read_bytes(), 0o755)
    archive.link("bin/sh", "busybox")
    archive.file("init", INIT.encode(), 0o755)
    mark = pathlib.Path(out).with_suffix(".mark")
    subprocess.run(["gcc", "-nostdlib", "-static", "-x", "assembler", "-", "-o", mark], input=MARK_SOURCE, text=True, check=True)
    archive.file("bin/mark", mark.read_bytes(), 0o755)
    modules = {path.stem: path for path in kernel.glob("lib/modules/*/kernel/**/*.ko")}
    for name in MODULES:
        order = initramfs.needed(modules, name, [])
        archive.file(f"modules/{name}.order", "\n".join(order).encode() + b"\n")
        for module in order:
            add_tree(archive, f"/modules/{module}.ko", modules[module].read_bytes(), seen)
    memory = pathlib.Path(out).with_suffix(".memory")
    source = pathlib.Path(__file__).with_name("peer_memory.c")
    subprocess.run(["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-static", "-s", "-o", memory, source], check=True)
    archive.file("bin/peer_memory", memory.read_bytes(), 0o755)
    add_tree(archive, QEMU, pathlib.Path(QEMU).read_bytes(), seen)
    for library in libraries(QEMU):
        add_tree(archive, library, pathlib.Path(library).read_bytes(), seen)
    for name in ROMS:
        path = rom(name)
        if path:
            add_tree(archive, f"/roms/{name}", path.read_bytes(), seen)
    for name in ("bench.elf", "vmlinuz", "initramfs.cpio.gz"):
        add_tree(archive, f"/guests/{name}", (guests / name).read_bytes(), seen)
    archive.add("TRAILER!!!", 0)
    pathlib.Path(out).write_bytes(archive.bytes)


def image(build_folder):
    """The first level's initramfs, made again when a part of it has changed."""
    out = os.path.join(build_folder, "bench", "peer-kvm.cpio")
    parts = [__file__, str(pathlib.Path(__file__).with_name("peer_memory.c"))]
    parts += [os.path.join(build_folder, "guests", name) for name in ("bench.elf", "vmlinuz", "initramfs.cpio.gz")]
    if not os.path.exists(out) or os.path.getmtime(out) < max(map(os.path.getmtime, parts)):
        os.makedirs(os.path.dirname(out), exist_ok=True)
        build(build_folder, out)
    return out


def command(build_folder, what, icount, plugin=None):
    """The AMD machine with the peer on it; WHAT is bench or boot."""
    line = [QEMU, "-accel", "tcg", "-cpu", "EPYC,+svm,+npt", "-M", "q35", "-m", "2048", "-display", "none", "-nodefaults", "-no-reboot",
            "-serial", "stdio", "-kernel", os.path.join(build_folder, "guests", "vmlinuz"), "-initrd", image(build_folder),
            "-append", f"console=ttyS0 quiet mitigations=auto peer={what}"]
    if icount:
        line += ["-icount", "shift=0,sleep=off"]
    if plugin:
        line += ["-plugin", plugin]
    return line


def iso(build_folder, what):
    """The same for the Intel machine: a boot medium. GRUB takes 28 instructions for a byte of it, the kernel two for unpacking one."""
    out = os.path.join(build_folder, "bench", f"peer-{what}.iso")
    kernel, packed = os.path.join(build_folder, "guests", "vmlinuz"), pathlib.Path(out).with_suffix(".lz4")
    packed.write_bytes(guest_kernel.lz4_pack(pathlib.Path(image(build_folder)).read_bytes()))
    bochs_machine.grub_iso(out, kernel, packed, f"console=ttyS0 quiet nokaslr mitigations=auto peer={what}")
    return out
