# SPDX-License-Identifier: Apache-2.0
"""What the machine has is forced off, one at a time, and the guests see no difference. What QEMU has not is on Bochs (test_bochs.py) and in unit
tests with a model (test_svm.c, test_svm_asid.c)."""

import re

import pytest
from conftest import vendor

pytestmark = pytest.mark.both_vendors
OPTIONS = {
    "amd": ["npt-1g=off", "npt-2m=off"],
    "intel": ["ept-1g=off", "ept-2m=off", "ept-ad=off", "vpid=off", "apicv=on", "xsave=off"],
}


def bench(gyre, build, *words):
    result = gyre.emulate(*words, "--vm", "bench", "--kernel", build / "guests/bench.elf", "--memory", "96M", "--test-device")
    assert result.returncode == 1, result.stderr
    assert "bench-done" in result.stdout and "bench-exception" not in result.stdout
    assert "bench-check interrupts 2004" in result.stdout
    return result


@pytest.mark.parametrize("option", ["barriers=none", "barriers=heaviest", "barriers=6.9e", "smap=off", "umip=off"])
def test_a_core_option_changes_nothing_for_a_guest(gyre, build, option):
    bench(gyre, build, "--core-option", option)


def test_the_vendors_own_options_change_nothing_for_a_guest(gyre, build, machine):
    """QEMU's processor has no more; Bochs's models, test_bochs.py."""
    for option in OPTIONS[vendor(machine)]:
        bench(gyre, build, "--core-option", option)


@pytest.mark.qemu_only("no model of Bochs has it")
def test_virtual_gif_is_seen_and_can_be_forced_off(gyre, build):
    model = ["--cpu-model", "EPYC,+svm,+npt,+vgif"]
    with_it = re.search(r"AMD-V, features (0x[0-9a-f]+)", bench(gyre, build, *model).stderr)
    without = re.search(r"AMD-V, features (0x[0-9a-f]+)", bench(gyre, build, *model, "--core-option", "vgif=off").stderr)
    assert int(with_it.group(1), 16) & 0x10 and not int(without.group(1), 16) & 0x10


@pytest.mark.qemu_only("a machine on Bochs has 2 GiB at most; test_bochs.py has a guest of more than one on icelake")
def test_a_guest_larger_than_a_large_page_of_1_gib(gyre, build):
    """Its memory is found whole by the test kernel, with pages of 1 GiB and without."""
    for option in ("npt-1g=on", "npt-1g=off"):
        result = gyre.emulate("--core-option", option, *gyre.debian('gyre.exec="grep MemTotal /proc/meminfo"', memory="2304M"))
        assert result.returncode == 0, result.stderr
        assert int(re.search(r"MemTotal: +(\d+) kB", result.stdout).group(1)) > 2200000
