# SPDX-License-Identifier: Apache-2.0
"""bench/guest_kernel.py: the places in Debian's kernel where a stretch of its boot begins and ends and where it idles, as addresses for
breakpoints. The kernel has no symbols, so they are found by their bytes; each pattern must stand there once, or the bench says so. The addresses hold
with `nokaslr`."""

import ctypes
import pathlib
import re
import struct
import sys

TEXT_BASE = 0xFFFFFFFF81000000
# startup_64 of the bzImage, where a loader's jump ends up: at the preferred address, or at 1 MiB by QEMU's own loader.
ENTRY = {0x1000200, 0x100200}
# acpi_os_write_port()'s 16-bit write: the last one switches the machine off.
POWER_OFF = (re.compile(rb"\x89\xf0\x89\xfa(\x66\xef)\x31\xc0"), "the ACPI port write")
# default_idle() behind its VERW with STI and without, and both forms of MWAIT.
IDLE = [
    (re.compile(rb"\x0f\x00\x2d....\xfb(\xf4)\xe9", re.S), "STI; HLT"),
    (re.compile(rb"\x0f\x00\x2d....(\xf4)\xe9", re.S), "HLT"),
    (re.compile(rb"\x48\x89\xc8\xfb(\x0f\x01\xc9)"), "STI; MWAIT"),
    (re.compile(rb"\x89\xf0\x89\xf9(\x0f\x01\xc9)"), "MWAIT"),
]
LZ4_LEGACY, LZ4_BLOCK = bytes.fromhex("02214c18"), 8 << 20


def lz4_unpack(packed):
    """LZ4's legacy frame: blocks of at most 8 MiB, each behind its length. The library is apt's own, so it is there."""
    library, parts, at = ctypes.CDLL("liblz4.so.1"), [], len(LZ4_LEGACY)
    out = ctypes.create_string_buffer(LZ4_BLOCK)
    # The kernel's build adds the unpacked size behind the last block: four bytes that no block follows.
    while at + 4 < len(packed):
        length = struct.unpack_from("<I", packed, at)[0]
        got = library.LZ4_decompress_safe(packed[at + 4 : at + 4 + length], out, length, LZ4_BLOCK)
        if got < 0:
            sys.exit("bench: the kernel's LZ4 data is damaged")
        parts.append(out.raw[:got])
        at += 4 + length
    return b"".join(parts)


def lz4_pack(content):
    """The same the other way round, for an initramfs."""
    library, parts = ctypes.CDLL("liblz4.so.1"), [LZ4_LEGACY]
    room = library.LZ4_compressBound(LZ4_BLOCK)
    out = ctypes.create_string_buffer(room)
    for at in range(0, len(content), LZ4_BLOCK):
        block = bytes(content[at : at + LZ4_BLOCK])
        got = library.LZ4_compress_default(block, out, len(block), room)
        parts += [struct.pack("<I", got), out.raw[:got]]
    return b"".join(parts)


def kernel_text(path):
    """The kernel's first segment, its code, out of the bzImage (Documentation/arch/x86/boot.rst)."""
    image = pathlib.Path(path).read_bytes()
    setup_sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    payload = image[(setup_sectors + 1) * 512 + offset :][:length]
    if payload[:4] != LZ4_LEGACY:
        sys.exit(f"bench: {path} is not packed by LZ4, as Debian's is: bench/guest_kernel.py reads nothing else")
    elf = lz4_unpack(payload)
    headers, count = struct.unpack_from("<Q", elf, 32)[0], struct.unpack_from("<H", elf, 56)[0]
    for i in range(count):
        kind, _, at, virtual, _, size, _, _ = struct.unpack_from("<IIQQQQQQ", elf, headers + 56 * i)
        if kind == 1 and virtual == TEXT_BASE:
            return elf[at : at + size]
    sys.exit(f"bench: {path} has no segment at {TEXT_BASE:#x}")


def points(path):
    """(entry addresses, the power-off write, idle instructions)."""
    text = kernel_text(path)

    def find(pattern, what):
        found = [TEXT_BASE + match.start(1) for match in pattern.finditer(text)]
        if len(found) != 1:
            sys.exit(f"bench: {what} stands at {len(found)} places of {path}, not at one")
        return found[0]

    return set(ENTRY), find(*POWER_OFF), {find(*idle) for idle in IDLE}
