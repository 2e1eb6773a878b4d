# SPDX-License-Identifier: Apache-2.0
"""A guest that tries every interface of its machine with a random byte code (A06, A08, A10, A15, A19, A21, A23, A35, A50), beside the oracle's victim. It
comes to its end: what it does to itself costs it a reset. Every device register and every kind of exit that this machine can give is reached, or the test
fails. GYRE_HOSTILE_SEED asks for another seed, GYRE_HOSTILE_STEPS for more of it; `make soak` takes new ones as long as it may."""

import json
import os
import re
import time

import pytest
from conftest import is_bochs, vendor
from hostile_registers import TABLE, all_ports, registered
from oracle import VICTIM_WELL, Oracle, folder_with, options, victim

SEED = int(os.environ.get("GYRE_HOSTILE_SEED", "0"))
STEPS = int(os.environ.get("GYRE_HOSTILE_STEPS", "700"))
SOAK_SECONDS = int(os.environ.get("GYRE_SOAK_SECONDS", "0"))
SEEDS = {"amd": (1, 7), "intel": (1, 2)}
SWEEPS = 28
pytestmark = pytest.mark.both_vendors
HOSTILE_DONE = 5
ALL = 2**64 - 1

# What the emulator below would end by, or would not enter again (docs/testing.md).
WITHOUT = {"amd": "without=breakpoints,cr,ltr,sysenter", "intel": ""}
# Kinds of exits that no guest can give here, and why.
NEVER = {
    "NONE": "no exit",
    "APIC": "no register of the local APIC needs the monitor",
    "SIPI": "for the second processor of a VM",
    "DEBUG": "with a debugger only",
    "MACHINE_CHECK": "the memory here is good",
    "FAILED": "a fault of Gyre",
    "LOG_FULL": "with a trace only: the sweeps have one",
    "CORE_EOI": "with a local APIC in hardware",
}
NEVER_ON = {
    "amd": {
        "UNDEFINED": "the level's vendor is the machine's",
        "TASK_SWITCH": "QEMU ignores the intercept",
        "CORE_PAUSE": "QEMU has no pause filter",
        "CORE_PREEMPT": "the preemption timer is Intel's",
    },
    "intel": {
        "INSTRUCTION": "each of them is either hidden, or does not leave the guest",
        "CORE_NMI": "a window for NMIs is there only while they are blocked and another comes",
    },
}
# Local APIC registers that a guest knows (SDM vol. 3, "Local APIC Register Address Map"), by their offset / 16. All 64 places are tried.
SETS = ("ioapic page", "ioapic", "cmos low", "cmos high", "apic", "x2apic")


def vm(build, name, append):
    return ["--vm", name, "--kernel", build / "guests/hostile.elf", "--append", append, "--memory", "32M", "--test-device"]


def hostile(build, machine, seed, steps):
    return vm(build, "hostile", f"seed={seed} steps={steps} {WITHOUT[vendor(machine)]}")


def emulate(gyre, machine, *words, seconds=60):
    return gyre.emulate(*([] if is_bochs(machine) else ["--icount"]), *words, seconds=seconds)


def report(output):
    """What it says at its end: {operation: counts}, registers that were read and written, ports that were both."""
    assert "hostile: done" in output, output
    names = ("steps", "tries", "faults", "stuck", "resets")
    pattern = r"hostile: (\w+) " + ", ".join(rf"(\d+) {name}" for name in names)
    operations = {name: dict(zip(names, map(int, counts))) for name, *counts in re.findall(pattern, output)}
    words = [int(word, 16) for word in re.search(r"hostile: registers (.*)", output).group(1).split()]
    ports = set()
    for first, last in re.findall(r"(\d+)-(\d+)", re.search(r"hostile: ports (.*)", output).group(1)):
        ports |= set(range(int(first), int(last) + 1))
    return operations, words, ports


def test_every_register_is_reached(gyre, build, machine, tmp_path):
    trace = tmp_path / "trace"
    result = emulate(gyre, machine, "--trace", trace, *hostile(build, machine, 1, SWEEPS))
    assert result.returncode == HOSTILE_DONE, result.stderr
    operations, words, ports = report(result.stdout)
    assert operations["sweep"]["steps"] == SWEEPS and operations["sweep"]["resets"] == 0
    assert registered() == set(TABLE), "a device that hostile_registers.py does not know"
    assert all_ports() - ports == set()
    for i, name in enumerate(SETS):
        assert words[2 * i] == words[2 * i + 1] == ALL, name
    assert words[12] == 3 and words[13] == 3 * 64  # functions on the bus, and their registers
    # Nothing of it was answered by the processor below: each port made an exit.
    listed = gyre.run("trace", "--json", trace).stdout.splitlines()
    records = [json.loads(line) for line in listed if '"IO"' in line or "DOORBELL" in line or "LOG_FULL" in line]
    assert all_ports() - {record["detail"] & 0xFFFF for record in records} - {0xE8} == set()


def one_seed(gyre, build, lib, seed, steps, counters=None):
    """Beside the oracle's victim, on a core that checks itself. What would end the hostile guest starts it again."""
    words = ["--counters", counters] if counters else []
    words += [*victim(build), *hostile(build, gyre.machine, seed, steps)]
    result = gyre.emulate("--lib-dir", lib, *options(gyre.machine), *words, seconds=120)
    assert result.returncode == VICTIM_WELL, result.stderr
    operations, _, _ = report(result.stderr)
    assert sum(counts["steps"] for counts in operations.values()) == steps
    assert "monitor crashed" not in result.stderr
    Oracle.check(result)
    return operations


@pytest.fixture
def lib(build, checked_core, tmp_path):
    return folder_with(build, checked_core, tmp_path / "lib")


def test_a_hostile_guest_harms_nobody_else(gyre, build, lib, machine, tmp_path):
    exits, tried = {}, {}
    for seed in (SEED,) if SEED else SEEDS[vendor(machine)]:
        counters = tmp_path / "counters"
        for name, counts in one_seed(gyre, build, lib, seed, STEPS, counters).items():
            tried[name] = tried.get(name, 0) + counts["steps"]
        for vcpu in json.loads(counters.read_text())["vcpus"]:
            for kind, count in vcpu["exits"].items():
                exits[kind] = exits.get(kind, 0) + count
    assert [name for name, steps in tried.items() if steps == 0] == []
    if not SEED:
        never = {**NEVER, **NEVER_ON[vendor(machine)]}
        missing = {kind for kind, count in exits.items() if count == 0}
        assert missing == never.keys(), missing ^ never.keys()
    assert exits["FAILED"] == 0


@pytest.mark.qemu_only("counts each instruction the same there, and the time with it")
def test_a_seed_repeats_itself(gyre, build):
    words = vm(build, "hostile", f"seed=5 first={SWEEPS} steps=150 {WITHOUT['amd']}")
    first, second = (gyre.emulate("--icount", *words, seconds=60) for _ in range(2))
    assert first.returncode == HOSTILE_DONE, first.stderr
    assert report(first.stdout) == report(second.stdout)


if SOAK_SECONDS:

    def test_new_seeds(gyre, build, lib):
        """make soak"""
        end, seed = time.monotonic() + SOAK_SECONDS, SEED or int(time.time())
        while time.monotonic() < end:
            print("seed", seed, flush=True)
            one_seed(gyre, build, lib, seed, 2000)
            seed += 1
