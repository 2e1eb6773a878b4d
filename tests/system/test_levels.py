# SPDX-License-Identifier: Apache-2.0
"""CPU levels on Intel's processors. Their tables are unit-tested (test_level.c) with CPUID as Bochs's models have it; here Debian looks at one."""

import bochs

SECONDS = 300  # takes 40; other tests run beside it


def test_debian_finds_nothing_wrong_with_the_level_host(gyre, tmp_path):
    bochs.needed()
    iso = tmp_path / "gyre.iso"
    command = "dmesg -r | grep '^<[0-3]>'; grep -m1 'model name' /proc/cpuinfo; grep -m1 flags /proc/cpuinfo"
    words = [*gyre.debian(f'quiet gyre.exec="{command}"'), "--level", "host"]
    result = gyre.run("image", "-o", iso, "--no-reboot", *words)
    assert result.returncode == 0, result.stderr
    console = bochs.run(iso, tmp_path, "corei7_haswell_4770", SECONDS)
    said = console.split("Gyre guest: Debian kernel", 1)[1].split("Gyre guest: exit status 0")[0].splitlines()[1:]
    assert len(said) == 2, console  # no error, and the two lines that were asked for
    assert "Intel(R) Core(TM) i7-4770" in said[0]
    flags = said[1].split()
    assert {"avx2", "xsave", "fsgsbase", "smep", "x2apic", "tsc_deadline_timer", "hypervisor"} <= set(flags)
    assert not {"vmx", "monitor", "pcid", "xsaves", "arch_perfmon", "ept"} & set(flags)
