#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tools/build/check_fpu.py BUILD: the core and the processes that run without FPU contain no instruction that touches the FPU's or the
vector registers: they hold a guest's state. Functions of the files that switch that state (core/x86/fpu*, core/virt/fpu*) may."""

import pathlib
import re
import subprocess
import sys

PROGRAMS = ["gyre-core.elf", "root.elf", "monitor.elf", "console.elf"]
SWITCHERS = ["core/core/x86/fpu*.o", "core/core/virt/fpu*.o"]
PREFIX = re.compile(r"(?:(?:rex(?:\.\w+)?|data16|addr32|lock|repn?z?|bnd|notrack|xacquire|xrelease|[c-g]s|ss)\s+)*")
REGISTERS = re.compile(r"%(?:[xyz]mm\d|mm\d|st\b|k[0-7]\b)")
# Those that name no register. All x87 mnemonics begin with f, and no others do. XGETBV and XSETBV touch no such state.
MNEMONICS = re.compile(r"(?:f\w+|xsave\w*|xrstor\w*|emms|v?(?:ld|st)mxcsr|vzero\w+|wait)\b")
FUNCTION = re.compile(r"^[0-9a-f]+ <(.+)>:$")
INSTRUCTION = re.compile(r"^ *([0-9a-f]+):\t(.*)$")


def allowed_functions(build):
    names = set()
    for pattern in SWITCHERS:
        for path in build.glob(pattern):
            for line in subprocess.check_output(["nm", "--defined-only", path], text=True).splitlines():
                names.add(line.split()[-1])
    return names


def offences(program, allowed):
    function = "?"
    text = subprocess.check_output(["objdump", "-d", "--no-show-raw-insn", program], text=True)
    for line in text.splitlines():
        if match := FUNCTION.match(line):
            # GCC splits functions: x.cold, x.part.0 and x.constprop.0 are x's.
            function = match.group(1).split(".")[0]
        elif (match := INSTRUCTION.match(line)) and function not in allowed:
            address, instruction = match.groups()
            # What follows # is a comment of objdump's.
            instruction = instruction.split("#")[0].split("<")[0]
            if REGISTERS.search(instruction) or MNEMONICS.match(instruction, PREFIX.match(instruction).end()):
                yield f"{program}: {function} at {address}: {instruction.strip()}"


def main():
    build, found = pathlib.Path(sys.argv[1]), 0
    allowed = allowed_functions(build)
    for name in PROGRAMS:
        if not (build / name).exists():
            print(f"{build / name} has not been built")
            found += 1
            continue
        for offence in offences(build / name, allowed if name == "gyre-core.elf" else set()):
            print(offence)
            found += 1
    return 1 if found else 0


sys.exit(main())
