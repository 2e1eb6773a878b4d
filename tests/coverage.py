#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tests/coverage.py --build FOLDER [--gate] [--missing] [--unit]: what fuzz_core reaches of the core's logic by programs of fixed seeds, alone and together
with the unit tests: of each folder and file the lines and branches, of each call how often it was made and what came of it.
--gate: fails below 100 % of the calls and 90 % of the branches, fuzz_core alone. --missing: names each branch that was not reached."""

import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import time

BRANCHES_AT_LEAST = 90.0
PROGRAMS, BYTES = 1500, 4096

# The logic that calls reach: all of these four folders but what EXCLUDED names.
FOLDERS = ("core/mem", "core/obj", "core/sched", "core/virt")
EXCLUDED = {
    "core/obj/elf.c": "root's image, at boot: test_core_elf",
    "core/obj/elf.h": "root's image, at boot: test_core_elf",
    "core/obj/root.c": "boot: makes the first process, and ends in a panic where it can't",
    "core/sched/switch.c": "made of instructions that only the core may use; run by every system test",
    "core/virt/answer.c": "a guest's doing, not a call: test_msr, test_svm, test_vmx, the hostile guest",
    "core/virt/barriers.c": "boot: which barriers this processor needs",
    "core/virt/barriers.h": "instructions that only the core may use",
    "core/virt/fetch.c": "a guest's doing, not a call: test_fetch",
    "core/virt/fetch.h": "a guest's doing, not a call: test_fetch",
    "core/virt/fpu.c": "made of instructions that only the core may use; run by every system test",
    "core/virt/hypercall.c": "a guest's doing, not a call: test_msr",
    "core/virt/msr.c": "a guest's doing, but for state_valid(): test_msr",
    "core/virt/vendors.c": "boot: which vendor's virtualization is there",
    "core/virt/vlapic.c": "a guest's doing, but for its state: test_vlapic",
    "core/virt/vlapic.h": "a guest's doing: test_vlapic",
    "core/virt/vlapic_bus.c": "a guest's doing, but for vm_interrupt: test_vlapic",
    "core/virt/vlapic_regs.c": "a guest's doing: test_vlapic",
    "core/virt/vlapic_timer.c": "a guest's doing: test_vlapic_timer",
    "core/virt/inject.c": "a guest's doing, but for inject_check(): test_inject",
    "core/virt/asid.h": "a vendor's: test_svm_asid",
    "core/virt/cpuid_table.h": "a guest's doing: test_msr",
}

# Branches that no program of calls can take: file, words of the line, why.
UNREACHABLE = []


def tool(name):
    return f"{name}-14"


def sources():
    """The files that count, and those that don't and why."""
    found = [str(p) for f in FOLDERS for p in sorted(pathlib.Path(f).glob("*.[ch]"))]
    unknown = set(EXCLUDED) - set(found)
    if unknown:
        sys.exit(f"coverage: these are not there any more: {unknown}")
    return [f for f in found if f not in EXCLUDED]


def run(program, words, profile):
    environment = {**os.environ, "LLVM_PROFILE_FILE": str(profile)}
    return subprocess.run([str(program), *words], env=environment, capture_output=True, text=True, errors="replace", timeout=600)


def run_programs(fuzz, folder, programs, jobs):
    """The counts of all parts, added: {call: [made, {result: times}]}."""
    calls = collections.OrderedDict()
    each = -(-programs // jobs)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        parts = [pool.submit(run, fuzz, (str(i * each), str(each), str(BYTES)), folder / f"fuzz-{i}.profraw") for i in range(jobs)]
    for part in parts:
        done = part.result()
        lines = re.findall(r"^call (\S+|\(no call\)) +(\d+) times, +\d+ results: ([^ ].*?)(?: +NEVER REACHED)?$", done.stdout, re.M)
        if done.returncode not in (0, 1) or not lines:
            sys.exit(f"coverage: a program failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
        for name, made, results in lines:
            call = calls.setdefault(name, [0, collections.Counter()])
            call[0] += int(made)
            for result in results.split(", "):
                times, what = result.split(" ", 1)
                call[1][what] += int(times)
    return calls


def merge(profiles, out):
    subprocess.run([tool("llvm-profdata"), "merge", "-sparse", "-o", str(out), *map(str, profiles)], check=True)


def export(binaries, profile, wanted):
    """{file: ({line: times}, {branch: [times true, times false]})}"""
    words = [tool("llvm-cov"), "export", "-format=text", f"-instr-profile={profile}", str(binaries[0])]
    for binary in binaries[1:]:
        words += ["-object", str(binary)]
    data = json.loads(subprocess.run([*words, *wanted], check=True, capture_output=True, text=True).stdout)["data"][0]
    result = {}
    for file in data["files"]:
        name = os.path.relpath(file["filename"])
        branches = {}
        for branch in file["branches"]:
            taken = branches.setdefault(tuple(branch[:4]), [0, 0])
            taken[0], taken[1] = taken[0] + branch[4], taken[1] + branch[5]
        result[name] = (file["summary"]["lines"], branches)
    return result


def print_table(title, measured, files):
    """Of each file and folder; the branches' share of all together."""
    print(f"\n{title}\n  {'':34} {'lines':>13} {'':>7} {'branches':>13}")
    total = [0, 0, 0, 0]
    for folder in FOLDERS:
        rows, sums = [], [0, 0, 0, 0]
        for name in (f for f in files if f.startswith(folder + "/") and f in measured):
            lines, branches = measured[name]
            taken = sum(bool(true) + bool(false) for true, false in branches.values())
            row = [lines["covered"], lines["count"], taken, 2 * len(branches)]
            rows.append((name, row))
            sums = [a + b for a, b in zip(sums, row)]
        total = [a + b for a, b in zip(total, sums)]
        for name, row in [*rows, (folder, sums)]:
            print_row(name if name != folder else folder + ", all", row)
    print_row("all", total)
    return share(total[2], total[3])


def share(part, whole):
    return 100.0 * part / whole if whole else 100.0


def print_row(name, row):
    print(f"  {name:34} {row[0]:6}/{row[1]:6} {share(row[0], row[1]):6.1f}% {row[2]:6}/{row[3]:6} {share(row[2], row[3]):6.1f}%")


def print_calls(calls):
    """How many calls were never reached: made, and where it can be, with success."""
    print(f"\ncalls, by {PROGRAMS} programs of {BYTES} bytes")
    missing = 0
    for name, (made, results) in calls.items():
        distinct = [f"{what} {times}" for what, times in results.items() if times]
        reached = made > 0 and (results["good"] > 0 or name in ("thread_exit", "machine_check", "(no call)"))
        missing += not reached
        print(f"  {name:20} {made:8} times, {len(distinct):2} different results: {', '.join(distinct)}{'' if reached else '   NEVER REACHED'}")
    return missing


def reason(name, text):
    return next((why for file, words, why in UNREACHABLE if file == name and words in text), None)


def print_missing(measured, files):
    print("\nbranches that were not reached")
    for name in files:
        lines = pathlib.Path(name).read_text().splitlines()
        for (line, column, end_line, end_column), taken in sorted(measured.get(name, (0, {}))[1].items()):
            text = lines[line - 1]
            words = text[column - 1:end_column - 1] if line == end_line else text[column - 1:]
            for outcome, times in zip(("true", "false"), taken):
                if times == 0:
                    print(f"  {name}:{line}: {outcome}: {words}{'  -- ' + why if (why := reason(name, text)) else ''}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True, type=pathlib.Path)
    parser.add_argument("--gate", action="store_true")
    parser.add_argument("--missing", action="store_true")
    parser.add_argument("--unit", action="store_true")
    parser.add_argument("--programs", type=int, default=PROGRAMS)
    args = parser.parse_args()
    started = time.monotonic()
    folder = args.build / "coverage"
    for old in folder.glob("*.profraw"):
        old.unlink()
    fuzz, files, jobs = folder / "bin/fuzz_core", sources(), os.cpu_count() or 1
    calls = run_programs(fuzz, folder, args.programs, jobs)
    merge(folder.glob("fuzz-*.profraw"), folder / "fuzz.profdata")
    measured = export([fuzz], folder / "fuzz.profdata", files)
    missing = print_calls(calls)
    branches = print_table("fuzz_core alone", measured, files)
    if args.missing:
        print_missing(measured, files)
    if args.unit:
        tests = [p for p in sorted((folder / "bin").glob("test_*")) if p.suffix == ""]
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            for test, done in [(t, pool.submit(run, t, (), folder / f"{t.name}.profraw")) for t in tests]:
                if done.result().returncode != 0:
                    print(f"\n{test.name} failed, which make unit says more of")
        merge(folder.glob("*.profraw"), folder / "all.profdata")
        print_table("fuzz_core and the unit tests", export([fuzz, *tests], folder / "all.profdata", files), files)
    print("\nnot counted")
    for name, why in EXCLUDED.items():
        print(f"  {name:34} {why}")
    print(f"\ncoverage: {len(calls) - 1 - missing} of {len(calls) - 1} calls, {branches:.1f} % of the branches; {time.monotonic() - started:.0f} s")
    return 1 if args.gate and (missing or branches < BRANCHES_AT_LEAST) else 0


sys.exit(main())
