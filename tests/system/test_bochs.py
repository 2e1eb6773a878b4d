# SPDX-License-Identifier: Apache-2.0
"""Gyre on Bochs: the features of AMD-V that QEMU has not, each in use and forced off; and a processor on which this version does not run."""

import re

import bochs
import pytest

NAME = "test kernel: "
SECONDS = 100  # takes 3; other tests run beside it
DEBIAN_SECONDS = 240  # takes 20
NEXT_RIP, FLUSH_BY_TAG, PAUSE_FILTER = 0x01, 0x04, 0x20  # include/gyre/boot.h
RYZEN = NEXT_RIP | FLUSH_BY_TAG | PAUSE_FILTER


@pytest.fixture
def boot(gyre, tmp_path):
    """Makes an image of these VMs and runs it."""
    bochs.needed()

    def run(*words, model="ryzen", seconds=SECONDS):
        iso = tmp_path / "gyre.iso"
        result = gyre.run("image", "-o", iso, "--no-reboot", *words)
        assert result.returncode == 0, result.stderr
        return bochs.run(iso, tmp_path, model, seconds)

    return run


@pytest.fixture
def small(build):
    return lambda what: ["--vm", "small", "--kernel", build / "guests/testkernel.elf", "--append", what, "--memory", "32M", "--test-device"]


@pytest.fixture
def bench(boot, build):
    def run(*options):
        console = boot(*options, "--vm", "bench", "--kernel", build / "guests/bench.elf", "--memory", "128M", "--test-device")
        assert "bench-done" in console and "bench-exception" not in console, console
        assert "bench-check interrupts 2004" in console
        assert "root: bench has ended with 1:" in console
        return features(console), {name: float(value) for name, value in re.findall(r"^bench (\w+) ([\d.]+)", console, re.M)}

    return run


def features(console):
    return int(re.search(r"hardware virtualization: AMD-V, features 0x([0-9a-f]+)", console).group(1), 16)


def test_a_guest_on_ryzen(boot, small):
    console = boot(*small("exit 3"))
    assert features(console) == RYZEN
    assert NAME in console
    assert "root: small has ended with 7:" in console


def test_a_triple_fault_is_the_guests_own(boot, small):
    assert "root: small has ended with 16: the guest triple-faulted" in boot(*small("triple"))


def test_each_feature_in_use_and_forced_off(bench):
    seen, with_all = bench()
    assert seen == RYZEN
    for option, bit in (("nrip", NEXT_RIP), ("flush-by-asid", FLUSH_BY_TAG), ("pause-filter", PAUSE_FILTER)):
        seen, without = bench("--core-option", f"{option}=off")
        assert seen == RYZEN & ~bit
        assert without.keys() == with_all.keys()
        # The length of an instruction costs nothing where the processor tells it, which it always does with ports. A tick of the host's timer
        # is in some of the figures.
        for row in ("cpuid", "hypercall_vmmcall", "msr_read_apic_base"):
            assert (without[row] > with_all[row] + 10) == (option == "nrip"), row
        assert abs(without["port_read_device"] - with_all["port_read_device"]) < 2


def test_all_barriers_where_the_processor_has_not_their_registers(bench):
    bench("--core-option", "barriers=heaviest")


def test_debian_with_all_that_the_processor_has(boot, gyre):
    """XSETBV and its exit, which QEMU never makes."""
    command = "gyre.exec=\"dmesg | grep 'Enabled xstate features'\""
    console = boot(*gyre.debian(f"quiet {command}"), "--level", "host", seconds=DEBIAN_SECONDS)
    assert "Enabled xstate features 0x7" in console
    assert "Gyre guest: exit status 0" in console
    assert "root: debian has ended with 0:" in console


def test_intel_is_refused(boot, small):
    console = boot(*small("exit 3"), model="corei7_haswell_4770")
    assert NAME not in console
    assert re.search(r"root: small has ended with 12: .*runs on AMD-V only.*Intel VT-x", console)
