#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tools/build/font.py FONT.psf.gz OUT.c: the screen font of the core, from a PC Screen Font file of 8 by 16 pixels.

The file's Unicode table says which glyph shows which character; the C table that comes out is indexed by Latin-1 code."""

import gzip
import struct
import sys

HEIGHT = 16


def psf1(data):
    mode, height = data[2], data[3]
    count = 512 if mode & 1 else 256
    glyphs = [data[4 + i * height : 4 + (i + 1) * height] for i in range(count)]
    table = {}
    if mode & 6:
        words = struct.iter_unpack("<H", data[4 + count * height :])
        glyph, in_sequence = 0, False
        for (word,) in words:
            if word == 0xFFFF:
                glyph, in_sequence = glyph + 1, False
            elif word == 0xFFFE:
                in_sequence = True
            elif not in_sequence:
                table.setdefault(word, glyph)
    else:
        table = {i: i for i in range(256)}
    return height, glyphs, table


def psf2(data):
    header, flags, count, size, height, width = struct.unpack_from("<6I", data, 8)
    if width != 8:
        sys.exit(f"{sys.argv[1]}: glyphs are {width} pixels wide, not 8")
    glyphs = [data[header + i * size : header + (i + 1) * size] for i in range(count)]
    table = {}
    if flags & 1:
        for glyph, entry in enumerate(data[header + count * size :].split(b"\xff")[:count]):
            for character in entry.split(b"\xfe")[0].decode("utf-8", "replace"):
                table.setdefault(ord(character), glyph)
    else:
        table = {i: i for i in range(256)}
    return height, glyphs, table


def main():
    source, target = sys.argv[1:]
    data = gzip.open(source).read() if source.endswith(".gz") else open(source, "rb").read()
    if data[:2] == b"\x36\x04":
        height, glyphs, table = psf1(data)
    elif data[:4] == b"\x72\xb5\x4a\x86":
        height, glyphs, table = psf2(data)
    else:
        sys.exit(f"{source}: not a PC Screen Font")
    if height != HEIGHT:
        sys.exit(f"{source}: glyphs are {height} pixels high, not {HEIGHT}")
    unknown = glyphs[table.get(ord("?"), 0)]
    with open(target, "w", encoding="ascii") as out:
        out.write(f'/* Made by tools/build/font.py from {source.rsplit("/", 1)[-1]} */\n#include "core/x86/log.h"\n\n')
        out.write("const uint8_t console_font[256][16] = {\n")
        for code in range(256):
            blank = code == 0x20 or code < 0x20 or 0x7F <= code < 0xA0
            glyph = bytes(HEIGHT) if blank else glyphs[table[code]] if code in table else unknown
            out.write("\t{" + ", ".join(f"0x{byte:02x}" for byte in glyph) + "},\n")
        out.write("};\n")


main()
