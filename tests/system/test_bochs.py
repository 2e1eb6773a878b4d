# SPDX-License-Identifier: Apache-2.0
"""Gyre on Bochs's models: what each processor has and lacks, in use and forced off. Here are AMD's features that QEMU has not, and Intel's processors
from the oldest with nested paging on."""

import re

import bochs
import pytest

NAME = "test kernel: "
SECONDS = 120  # takes 3; other tests run beside it
DEBIAN_SECONDS = 400  # takes 25
NEXT_RIP, FLUSH_BY_TAG, PAUSE_FILTER, UNRESTRICTED = 0x01, 0x04, 0x20, 0x80  # include/gyre/boot.h
RYZEN = UNRESTRICTED | NEXT_RIP | FLUSH_BY_TAG | PAUSE_FILTER
INTEL = [
    "corei5_lynnfield_750",
    "corei5_arrandale_m520",
    "corei7_sandy_bridge_2600k",
    "corei7_ivy_bridge_3770k",
    "corei7_haswell_4770",
    "broadwell_ult",
    "corei7_skylake_x",
    "corei3_cnl",
    "corei7_icelake_u",
    "tigerlake",
]


@pytest.fixture
def boot(gyre):
    """Boots these VMs on a model: the command's result."""
    bochs.needed()

    def run(*words, model="ryzen", seconds=SECONDS):
        machine = "amd" if model == "ryzen" else "intel"
        return gyre.run("emulate", "--machine", machine, "--cpu-model", model, "--no-reboot", "--timeout", seconds, *words, seconds=seconds + 30)

    return run


@pytest.fixture
def small(build):
    return lambda what: ["--vm", "small", "--kernel", build / "guests/testkernel.elf", "--append", what, "--memory", "32M", "--test-device"]


@pytest.fixture
def bench(boot, build):
    def run(*options):
        result = boot(*options, "--vm", "bench", "--kernel", build / "guests/bench.elf", "--memory", "128M", "--test-device")
        assert result.returncode == 1, result.stderr
        assert "bench-done" in result.stdout and "bench-exception" not in result.stdout
        assert "bench-check interrupts 2004" in result.stdout
        return features(result.stderr), {name: float(value) for name, value in re.findall(r"^bench (\w+) ([\d.]+)", result.stdout, re.M)}

    return run


def features(said):
    return int(re.search(r"hardware virtualization: [\w-]+, features 0x([0-9a-f]+)", said).group(1), 16)


# ---- AMD's ----


def test_a_guest_on_ryzen(boot, small):
    result = boot(*small("exit 3"))
    assert result.returncode == 7 and NAME in result.stdout, result.stderr
    assert features(result.stderr) == RYZEN


def test_a_triple_fault_is_the_guests_own(boot, small):
    """Bochs takes it for the processor's own first."""
    result = boot(*small("triple"))
    assert result.returncode == 16 and "the guest triple-faulted" in result.stderr


def test_each_feature_in_use_and_forced_off(bench):
    seen, with_all = bench()
    assert seen == RYZEN
    for option, bit in (("nrip", NEXT_RIP), ("flush-by-asid", FLUSH_BY_TAG), ("pause-filter", PAUSE_FILTER)):
        seen, without = bench("--core-option", f"{option}=off")
        assert seen == RYZEN & ~bit
        assert without.keys() == with_all.keys()
        # The length of an instruction costs nothing where the processor tells it, which it always does with ports.
        for row in ("cpuid", "hypercall_vmmcall", "msr_read_apic_base"):
            assert (without[row] > with_all[row] + 10) == (option == "nrip"), row
        assert abs(without["port_read_device"] - with_all["port_read_device"]) < 2


def test_all_barriers_where_the_processor_has_not_their_registers(bench):
    bench("--core-option", "barriers=heaviest")


def test_debian_with_all_that_ryzen_has(boot, gyre):
    """XSETBV and its exit, which QEMU never makes."""
    command = "gyre.exec=\"dmesg | grep 'Enabled xstate features'\""
    result = boot(*gyre.debian(f"quiet {command}"), "--level", "host", seconds=DEBIAN_SECONDS)
    assert result.returncode == 0, result.stderr
    assert "Enabled xstate features 0x7" in result.stdout and "Gyre guest: exit status 0" in result.stdout


# ---- Intel's ----


@pytest.mark.parametrize("model", INTEL)
def test_a_guest_on_each_processor_with_nested_paging(boot, small, model):
    result = boot(*small("exit 3"), model=model)
    assert result.returncode == 7 and NAME in result.stdout, result.stderr
    assert "hardware virtualization: VT-x" in result.stderr


def test_a_processor_without_nested_paging_is_refused(boot, small):
    result = boot(*small("exit 3"), model="core2_penryn_t9600")
    assert result.returncode == 12 and result.stdout == ""
    assert "nested paging" in result.stderr


# Haswell is the everyday machine (test_debian.py). Here: no accessed and dirty flags, no APIC virtualization, pages of 2 MiB; log of modified pages, XSAVES,
# TSC scaling; pages of 1 GiB.
@pytest.mark.parametrize(
    "model, memory", [("corei5_arrandale_m520", "256M"), ("corei7_skylake_x", "256M"), ("corei7_icelake_u", "1280M")]
)
def test_debian_on_one_processor_of_each_kind(boot, gyre, model, memory):
    words = gyre.debian('quiet gyre.exec="grep MemTotal /proc/meminfo"', memory=memory)
    result = boot(*words, "--level", "host", model=model, seconds=DEBIAN_SECONDS)
    assert result.returncode == 0, result.stderr
    assert int(re.search(r"MemTotal: +(\d+) kB", result.stdout).group(1)) > int(memory[:-1]) * 800
    assert "Gyre guest: exit status 0" in result.stdout


# ---- without the command ----


@pytest.mark.parametrize("model", ["ryzen", "corei7_haswell_4770"])
def test_the_image_on_a_machine_without_the_command(gyre, small, tmp_path, model):
    bochs.needed()
    iso = tmp_path / "gyre.iso"
    assert gyre.run("image", "-o", iso, "--no-reboot", *small("exit 3")).returncode == 0
    console = bochs.run(iso, tmp_path, model, SECONDS)
    assert NAME in console and "root: small has ended with 7:" in console
