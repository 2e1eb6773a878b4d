#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tools/build/symbols.py CORE.elf OUT.S: the table from which the core names functions in a backtrace.

core_symbol_table[] holds pairs of 32-bit numbers: a function's offset from core_image_start, ascending, and that of its name
in core_symbol_names. The last pair's offset is above all."""

import subprocess
import sys


def functions(elf):
    base, found = None, {}
    for line in subprocess.check_output(["nm", "-n", elf], text=True).splitlines():
        fields = line.split()
        if len(fields) != 3:
            continue
        address, kind, name = int(fields[0], 16), fields[1], fields[2]
        if name == "core_image_start":
            base = address
        elif kind in "tTwW" and not name.startswith("."):
            # Several names of one address: the first that nm gives will do, it sorts them.
            found.setdefault(address, name)
    if base is None:
        sys.exit(f"{elf}: no symbol core_image_start (the linker script defines it)")
    # The boot code is linked where it is loaded, below the base, and is gone when a backtrace is printed.
    return [(address - base, name) for address, name in sorted(found.items()) if 0 <= address - base < 1 << 32]


def main():
    table = functions(sys.argv[1])
    names, position = [], 0
    lines = [".section .rodata.symbols, \"a\"", ".balign 8", ".globl core_symbol_table", "core_symbol_table:"]
    for offset, name in table:
        lines.append(f"\t.long {offset:#x}, {position}")
        names.append(name)
        position += len(name) + 1
    lines.append("\t.long 0xffffffff, 0")
    lines += [".globl core_symbol_names", "core_symbol_names:"] + [f'\t.asciz "{name}"' for name in names]
    lines += [".section .note.GNU-stack, \"\", @progbits", ""]
    with open(sys.argv[2], "w", encoding="ascii") as out:
        out.write("\n".join(lines))


main()
