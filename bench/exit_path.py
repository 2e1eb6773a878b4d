#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""bench/exit_path.py: where the instructions of an exit go: one round of a row of guests/bench on Bochs, instruction by instruction, summed by function.

  exit_path.py --build FOLDER [--model MODEL] [--full] [--core-option KEY=VALUE]... ROW     (cpuid, port_read_device, dirty_fault, ...)"""

import argparse
import bisect
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bochs_machine  # noqa: E402

PROGRAMS = ("gyre-core.elf", "monitor.elf")
# "(0).[tick] [physical] selector:offset (context): instruction ; bytes"
TRACED = re.compile(r"^\(0\)\.\[\d+\] \[0x[0-9a-f]+\] [0-9a-f]{4}:([0-9a-f]+) \(.*?\): (.*?)\s*;", re.M)
# Rounds that are passed over first: what is warm in use is warm then.
WARM = 20


def functions(path):
    """Sorted (address, name)."""
    listing = subprocess.run(["nm", "-n", path], capture_output=True, text=True, check=True).stdout
    return [(int(line[:16], 16), line.split()[2]) for line in listing.splitlines() if re.match(r"[0-9a-f]{16} [tTwW] ", line)]


class Names:
    def __init__(self, build):
        self.programs = [(name, functions(os.path.join(build, name))) for name in PROGRAMS]

    def of(self, address):
        for program, table in self.programs:
            at = bisect.bisect_right(table, (address, "~")) - 1
            if at >= 0 and address < table[-1][0] + 4096:
                return f"{program.split('.')[0]:10} {table[at][1]}"
        return f"{'guest':10}"


def text_at(elf, address):
    headers, count = struct.unpack_from("<Q", elf, 32)[0], struct.unpack_from("<H", elf, 56)[0]
    for i in range(count):
        _, _, at, virtual, _, size, _, _ = struct.unpack_from("<IIQQQQQQ", elf, headers + 56 * i)
        if virtual <= address < virtual + size:
            start = at + address - virtual
            return elf[start : elf.index(b"\0", start)].decode(errors="replace")
    return ""


def loop_end(guest, row):
    """The jump that ends the timed loop of ROW: the last one before the second of the four RDTSC in front of the row's report."""
    listing = subprocess.run(["objdump", "-d", "--no-show-raw-insn", guest], capture_output=True, text=True, check=True).stdout
    code = [(int(m[1], 16), m[2]) for m in re.finditer(r"^\s*([0-9a-f]+):\s+(\S.*?)\s*$", listing, re.M)]
    elf = pathlib.Path(guest).read_bytes()
    reads, name = [], ""
    for i, (_, words) in enumerate(code):
        if words == "rdtsc":
            reads.append(i)
        elif found := re.match(r"mov +\$0x([0-9a-f]+),%edi", words):
            name = text_at(elf, int(found[1], 16))
        elif "<report>" in words and words.startswith(("call", "jmp")) and name == row:
            return next(address for address, what in reversed(code[: reads[-3]]) if what.startswith("j"))
    sys.exit(f"exit_path: the bench guest has no row {row}")


def trace(args, work):
    iso = os.path.join(work, "bench.iso")
    words = [f"{args.build}/gyre", "image", "-o", iso, "--no-reboot"]
    words += [word for option in args.core_option for word in ("--core-option", option)]
    words += ["--vm", "bench", "--kernel", f"{args.build}/guests/bench.elf", "--memory", "128M", "--test-device"]
    subprocess.run(words, check=True)
    bochs_machine.MODEL = args.model
    machine = bochs_machine.Bochs(iso, work, "path", 512)
    try:
        machine.command(f"lb {loop_end(f'{args.build}/guests/bench.elf.64', args.row):#x}")
        for _ in range(WARM):
            if not machine.go():
                sys.exit(f"exit_path: the guest did not get there:\n{machine.said[-1500:]}\n{machine.console()[-1500:]}")
        machine.command("trace on")
        return [(int(address, 16), what) for address, what in TRACED.findall(machine.command("c"))]
    finally:
        machine.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--model", default=bochs_machine.MODEL)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--core-option", action="append", default=[])
    parser.add_argument("row")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gyre-path-") as work:
        path = trace(args, work)
    names = Names(args.build)
    runs = []
    for address, what in path:
        name = names.of(address)
        if args.full:
            print(f"{address:16x} {name:40} {what}")
        if not runs or runs[-1][0] != name:
            runs.append([name, 0])
        runs[-1][1] += 1
    for name, count in runs:
        print(f"{count:6} {name}")
    print(f"{len(path):6} together")


if __name__ == "__main__":
    main()
