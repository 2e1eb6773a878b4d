# SPDX-License-Identifier: Apache-2.0
"""A guest's local APIC: what the guest sees of it is the same whoever runs it, the processor or the core; and where the processor does, a self IPI
takes no exit."""

import json
import re

import pytest

SECONDS = 240  # takes 5 to 15; other tests run beside it
VIRTUAL_APIC, VIRTUAL_TPR = 0x1000, 0x2000  # include/gyre/boot.h
HASWELL, SKYLAKE, CNL = "corei7_haswell_4770", "corei7_skylake_x", "corei3_cnl"


def features(output):
    return int(re.search(r"hardware virtualization: VT-x, features 0x([0-9a-f]+)", output).group(1), 16) & (VIRTUAL_APIC | VIRTUAL_TPR)


@pytest.mark.parametrize(
    "words, seen",
    [
        (["amd"], None),
        (["amd", "--icount"], None),
        (["intel", "--core-option", "apicv=on"], VIRTUAL_APIC | VIRTUAL_TPR),
        (["intel"], VIRTUAL_TPR),
        (["intel", "--core-option", "tpr-shadow=off"], 0),
        (["intel", "--cpu-model", CNL, "--core-option", "apicv=on"], VIRTUAL_TPR),
        (["intel", "--cpu-model", SKYLAKE, "--core-option", "apicv=on"], VIRTUAL_APIC | VIRTUAL_TPR),
    ],
    ids=lambda value: "-".join(word.strip("-") for word in value if word != "--core-option" and word != "--cpu-model") if isinstance(value, list) else "",
)
def test_no_guest_can_tell_who_runs_its_local_apic(gyre, build, words, seen):
    # What the emulators can't bear: guests/apic/apic.c.
    append, cases = ("-", 106) if seen is None else ("~", 106) if seen & VIRTUAL_APIC else ("all", 114)
    vm = ["--vm", "apic", "--kernel", build / "guests/apic.elf", "--append", append, "--memory", "64M", "--test-device"]
    result = gyre.run("emulate", "--machine", *words, *vm, seconds=SECONDS)
    assert "apic done" in result.stdout and "wrong" not in result.stdout, result.stdout
    assert result.stdout.count(": ok") == cases
    if seen is not None:
        assert features(result.stderr) == seen


def self_ipis(gyre, build, folder, rounds, *words):
    """The exits of a run with so many self IPIs, and what it said."""
    counters = folder / "counters.json"
    vm = ["--vm", "bench", "--kernel", build / "guests/bench.elf", "--append", f"x2apic-ipi={rounds}", "--memory", "64M", "--test-device"]
    result = gyre.run("emulate", "--machine", "intel", *words, "--counters", counters, *vm, seconds=SECONDS)
    assert "bench-check interrupts" in result.stdout, result.stdout
    return json.loads(counters.read_text())["vcpus"][0]["exits"], result.stderr


@pytest.mark.parametrize(
    "words, exits",
    [(["--cpu-model", HASWELL], 0), (["--cpu-model", SKYLAKE], 0), (["--cpu-model", CNL], 2), ([], 2)],
    ids=["haswell", "skylake", "cnl", "off"],
)
def test_a_self_ipi_and_its_eoi_take_no_exit(gyre, build, tmp_path, words, exits):
    words = [*words, "--core-option", "apicv=on"] if words else words
    few, output = self_ipis(gyre, build, tmp_path, 100, *words)
    many, _ = self_ipis(gyre, build, tmp_path, 1100, *words)
    assert bool(features(output) & VIRTUAL_APIC) == (exits == 0)
    assert many["CORE_MSR_WRITE"] - few["CORE_MSR_WRITE"] == 1000 * exits
    assert sum(many.values()) - sum(few.values()) < 1000 * exits + 1000
