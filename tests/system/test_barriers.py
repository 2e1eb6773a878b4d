# SPDX-License-Identifier: Apache-2.0
"""A59: barriers against speculation stand on every way out of a guest. An emulator leaks nothing, so what is shown is that the barriers that a processor model
needs (core/virt/barriers.h) were executed in their places: on AMD by a QEMU plugin, on Intel by the instructions that Bochs's debugger tells."""

import re
import subprocess
import sys

import bochs
import pytest
from barrier_paths import L1D, NAMES, RSB, SWITCH_IBPB, USER_IBPB, VERW, judge, letters_of, points_of
from conftest import ROOT
from oracle import folder_with, victim

sys.path.insert(0, str(ROOT / "bench"))
import bochs_machine  # noqa: E402

# What Bochs's debugger is to tell of, from the first entry on; and how long a second is: the turns of VMs are short then.
STEPS, BOCHS_SPEED = 350_000, 1_500_000
# What ends QEMU itself is left out (docs/testing.md).
HOSTILE = "seed=1 steps=100 without=breakpoints,cr,ltr,sysenter"
LETTERS = {"RSB": "R", "VERW": "W", "L1D": "L", "IBPB": "I"}

# Heaviest; a processor whose monitor is guarded at its return alone; one whose core is guarded at each exit.
MODELS = ("heaviest", "10.4", "17.31")


def vms(build):
    """Two that halt, beat and speak, and one that tries everything: all ways are taken."""
    hostile = ["--vm", "hostile", "--kernel", build / "guests/hostile.elf", "--append", HOSTILE, "--memory", "32M", "--test-device"]
    return [*victim(build, 20), *victim(build, 20, "second", "quiet"), *hostile]


def trace_of(gyre, build, folder, barriers, core=None, options=()):
    """(the letters, the set that the core says it has)."""
    core = core or build / "gyre-core.elf"
    lib = folder_with(build, core, folder / "lib")
    (folder / "points").write_text("".join(f"{address:x} {letter}\n" for address, letter in points_of(core)))
    words = ["--lib-dir", lib, "--core-option", f"barriers={barriers}", *options, "--no-reboot", *vms(build)]
    plugin = f"{build / 'bench/path.so'},points={folder / 'points'},out={folder / 'trace'}"
    result = gyre.emulate(*words, "--", "-plugin", plugin, seconds=60)
    assert "victim: all is well" in result.stdout, result.stderr
    trace = (folder / "trace").read_text()
    assert not trace.endswith("!"), "the trace is cut"
    return trace, int(re.search(r"core: barriers: 0x([0-9a-f]+)", result.stderr).group(1), 16)


@pytest.mark.parametrize("model", MODELS)
def test_each_way_out_of_a_guest_has_its_barriers(gyre, build, tmp_path, model):
    trace, needed = trace_of(gyre, build, tmp_path, model)
    assert needed & RSB and needed & SWITCH_IBPB and (needed & VERW or model != "heaviest")
    assert not judge(trace, needed)


def bochs_trace(build, folder, barriers):
    """The same of an Intel machine: the letters, and the set."""
    iso, core = folder / "image.iso", build / "gyre-core.elf"
    words = [build / "gyre", "image", "-o", iso, "--no-reboot", "--core-option", f"barriers={barriers}", "--core-option", "apicv=off"]
    subprocess.run([str(word) for word in [*words, *vms(build)]], check=True, cwd=ROOT)
    listing = subprocess.run(["nm", core], capture_output=True, text=True, check=True).stdout
    first = re.search(r"([0-9a-f]+) T vmx_enter_first", listing).group(1)
    machine = bochs_machine.Bochs(iso, folder, "path", 512, model="corei7_haswell_4770", speed=BOCHS_SPEED)
    try:
        machine.command(f"lb 0x{first}")
        assert machine.go(), machine.said
        machine.command("d 1")
        machine.command("trace on")
        said = machine.command(f"s {STEPS}")
        return letters_of(said, points_of(core)), int(re.search(r"barriers: 0x([0-9a-f]+)", machine.console()).group(1), 16)
    finally:
        machine.close()


def test_each_way_out_of_a_guest_has_its_barriers_on_intel(build, tmp_path):
    bochs.needed()
    trace, needed = bochs_trace(build, tmp_path, "heaviest")
    assert needed & RSB and needed & SWITCH_IBPB and needed & VERW and needed & L1D
    assert not judge(trace, needed)
    # And each of them is missed where it is not.
    for barrier, name in NAMES.items():
        if needed & barrier:
            assert any(what.endswith(f"no {name}") for what in judge(trace.replace(LETTERS[name], ""), barrier)), name


def test_without_barriers_each_is_missed(gyre, build, tmp_path):
    trace, needed = trace_of(gyre, build, tmp_path, "none")
    assert needed == 0
    wrong = judge(trace, RSB | VERW | USER_IBPB | SWITCH_IBPB)
    assert {"an exit: no RSB", "an entry: no VERW", "its monitor: no IBPB", "another process: no IBPB", "another guest: no IBPB"} <= wrong.keys()


def test_one_that_is_taken_away_is_missed(gyre, build, checked_core, tmp_path):
    """Planted: none where another process comes after a guest."""
    trace, needed = trace_of(gyre, build, tmp_path, "heaviest", checked_core, ["--core-option", "plant=switch"])
    wrong = judge(trace, needed)
    assert "another process: no IBPB" in wrong and not any(what.startswith(("an exit", "its monitor", "an entry")) for what in wrong), wrong
