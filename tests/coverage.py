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

# Branches that no program of calls takes on this machine: file, words of the line, why. They count as not reached.
ONE = "one processor runs: it takes another one, in the middle of this"
FOUND = "a handle finds living objects only: it takes another processor that ends it just then"
POOL = "the pool is one of 16 MiB that nobody leaves in pieces: test_mem_pagetable"
BOOT = "at boot, or with numbers that only the core's own code gives"
UNREACHABLE = [
    ("core/mem/aspace.c", "!object_alive(&memory->object)", FOUND),
    ("core/mem/aspace.c", "n == 0", "pagetable_map() is never asked for no pages"),
    ("core/mem/aspace.c", "aspace->ending", "an address space ends with its process or VM, which no handle finds then"),
    ("core/mem/aspace.c", "leaf != 0", "aspace_lookup() is for the unit tests"),
    ("core/mem/dirty.c", "aspace->ending", "a VM that ends is found by no handle"),
    ("core/mem/dirty.c", "entry_present(format, *path.at[0])", "a leaf with the bit of the log is there"),
    ("core/mem/dirty.c", "pages > GYRE_DIRTY_PAGES", "the call has checked it"),
    ("core/mem/dirty.c", "format->max_leaf < 1", "where there are no large pages no table is full of one by chance"),
    ("core/mem/frame.c", "level < LEVELS", POOL),
    ("core/mem/frame.c", "frames < most", POOL),
    ("core/mem/frame.c", "frame.value >= pool.base", "an assertion"),
    ("core/mem/frame.c", "!__atomic_compare_exchange_n(", ONE),
    ("core/mem/frame.c", "top < pool.words[2]", "quotas are never more than the pool"),
    ("core/mem/frame.c", "pool.level[2][top] == 0", POOL),
    ("core/mem/frame.c", "count == 64", "no object is so large"),
    ("core/mem/frame.c", "pool.words[0] < RUN_SCAN", POOL),
    ("core/mem/frame.c", "scan > 0", POOL),
    ("core/mem/frame.c", "pool.run_hint >= pool.words[0]", POOL),
    ("core/mem/frame.c", "found ? count : 0", POOL),
    ("core/mem/frame.c", "!found", POOL),
    ("core/mem/memory.c", "pages <= MEMORY_CORE_MAX", BOOT),
    ("core/mem/memory.c", "level > memory->tree.level", BOOT),
    ("core/mem/memory.c", "offset >= memory->pages", "who maps has checked it"),
    ("core/mem/memory.c", "most > memory->pages - offset", "who maps has checked it"),
    ("core/mem/memory.c", "(rights & ~MEMORY_RIGHTS) != 0", "the call has checked it"),
    ("core/mem/memory.c", "!object_alive(&origin->object)", FOUND),
    ("core/mem/memory_change.c", "!object_alive(", FOUND),
    ("core/mem/memory_change.c", "->cache != source->cache", "all memory that anybody may move or replace is RAM as yet"),
    ("core/mem/memory_end.c", "object_alive(&memory->object)", FOUND),
    ("core/mem/memory_tree.c", "level < 4", "the largest object has four levels"),
    ("core/mem/pagetable.c", "level < TOP", "no leaf is so large"),
    ("core/mem/slab.c", "bytes > (size_t)FRAME_RUN_MAX", "no object is so large"),
    ("core/obj/call_process.c", "caller->essential", "root's end stops the machine: test_root"),
    ("core/obj/call_vm.c", "user_copy_to(ARG4(call), bitmap", ONE),
    ("core/obj/event.c", "event->waiter == thread", "a thread that waits is its event's waiter"),
    ("core/obj/event.c", "!object_alive(&event->object)", FOUND),
    ("core/obj/handle.c", "!object_alive(object)", FOUND),
    ("core/obj/handle.c", "!object_alive(&process->object)", FOUND),
    ("core/obj/handle.c", "slot < HANDLE_PER_FRAME", "a frame goes when its last handle does, before the loop ends"),
    ("core/obj/object.c", "end == NULL", "the machine's, which never ends"),
    ("core/sched/endpoint.c", "i < 32", "contexts that wait for each other in a row of 32"),
    ("core/sched/endpoint.c", "handler == NULL", "the queue of one that is gone is emptied before the call's end"),
    ("core/sched/endpoint_end.c", "queue->handler != NULL", "work is done before another thread can serve"),
    ("core/sched/sched.c", "thread->context != NULL", "who blocks has a context"),
    ("core/sched/sched.c", "thread->state == THREAD_STOPPED ||", "who is woken waits"),
    ("core/sched/sched.c", "context->period == 0", "the deadline goes with the period"),
    ("core/sched/sched.c", "cpu->sched.current != NULL", "somebody makes the call"),
    ("core/sched/thread.c", "!list_empty(&thread->queue_link)", "work is done before another thread can start it"),
    ("core/sched/thread.c", "thread->essential", "root's end stops the machine: test_root"),
    ("core/virt/cpuid_table.c", "count > GYRE_CPUID_ENTRIES", "the call has checked it"),
    ("core/virt/left.h", "cpu->sched.special", "what follows is assembly: every system test"),
    ("core/virt/run.c", "entry->object == &vcpu->object", ONE),
    ("core/virt/run.c", "!object_alive(&vcpu->object)", ONE),
    ("core/virt/run.c", "cpu->hazard == 0", "what follows is assembly: every system test"),
    ("core/virt/run.c", "__atomic_load_n(&vcpu->hazard", ONE),
    ("core/virt/trace.c", "next == port", "a vendor's own number"),
    ("core/virt/trace.c", "kind < GYRE_EXIT_KINDS", "an instruction that has counted nothing: test_svm, test_vmx"),
    ("core/virt/vcpu.c", "vcpu->cpu != cpu_current()", ONE),
    ("core/virt/vcpu.c", "i < vm->bus.count", "a vcpu is on its VM's bus"),
    ("core/virt/vcpu.c", "vcpu_ops == NULL", "without virtualization there is no VM to make one for"),
    ("core/virt/vcpu.c", "cpu->fpu_owner != vcpu->fpu", "who loads finds another's state"),
    ("core/virt/vcpu.h", "__atomic_load_n(&vcpu->in_guest", ONE),
    ("core/virt/vlapic_state.c", "APIC_TIMER_DEADLINE", "a timer in another mode is not armed by the count"),
    ("core/virt/vm.c", "vcpu->cpu == cpu", ONE),
    ("core/virt/vm.c", "__atomic_load_n(&", ONE),
]


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
    """Each with its reason, where it has one; and which reasons no line of the sources has any more."""
    for name, words, _ in UNREACHABLE:
        if words not in pathlib.Path(name).read_text():
            print(f"coverage: no line of {name} has {words}")
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
