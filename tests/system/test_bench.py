# SPDX-License-Identifier: Apache-2.0
"""The benches run: what they measure is not judged here, but that there is something to measure is."""

import re
import subprocess
import sys

import bochs
from conftest import ROOT

sys.path.insert(0, str(ROOT / "bench"))
import bochs_machine  # noqa: E402
import guest_kernel  # noqa: E402
import peer_kvm  # noqa: E402
import run as bench  # noqa: E402


def test_the_guest_prints_each_row(gyre, build):
    result = gyre.emulate("--vm", "bench", "--kernel", build / "guests/bench.elf", "--memory", "128M", "--test-device")
    rows = bench.guest_rows(result.stdout)
    for figure in (*bench.EXITS, *bench.INTEL_EXITS):
        for machine in (bench.AMD, bench.INTEL):
            assert figure.mine is None or bench.on(figure.mine, machine) in rows
    assert all(value > 0 for value in rows.values())


def test_the_guest_does_nothing_but_ipis_when_told_so(gyre, build):
    words = ["--kernel", build / "guests/bench.elf", "--memory", "64M", "--test-device", "--append", "x2apic-ipi=40"]
    result = gyre.emulate("--vm", "bench", *words)
    assert bench.guest_rows(result.stdout).keys() == {"self_ipi_x2apic"}
    assert re.search(r"^bench-check interrupts 42\r?$", result.stdout, re.M)


def test_names_of_figures_are_unique_and_have_stored_peers():
    names = [figure.name for figure in bench.table_figures() if not figure.name.endswith("-barriers")]
    assert len(names) == len(set(names))
    stored = bench.json.loads(bench.STORED_PEERS.read_text())
    for machine in (bench.AMD, bench.INTEL):
        assert stored[machine].keys() <= set(names)
        assert {figure.name for figure in bench.EXITS} <= stored[machine].keys()


def test_the_kernel_has_the_places_that_a_boot_is_measured_between(build):
    entry, power_off, idle = guest_kernel.points(build / "guests/vmlinuz")
    assert len({power_off, *idle}) == 5 and min(power_off, *idle) > guest_kernel.TEXT_BASE and max(entry) < 1 << 32


def test_the_peer_image_has_its_parts(build, tmp_path):
    image = tmp_path / "peer.cpio"
    peer_kvm.build(build, image)
    content = image.read_bytes()
    parts = ["init", "bin/busybox", "bin/peer_memory", "modules/kvm-amd.ko", "modules/kvm-intel.ko", "modules/kvm-intel.order"]
    for part in (*parts, "usr/bin/qemu-system-x86_64", "roms/bios-256k.bin", "guests/bench.elf"):
        assert part.encode() + b"\0" in content, part


def test_what_bochs_executes_is_counted_and_halted_time_is_not(tmp_path):
    """A boot sector that halts until its timer has ticked four times, and switches off."""
    bochs.needed()
    # ljmp $0, $0x7c05; sti; mov $4, %cx; 1: hlt; loop 1b; mov $0xb004, %dx; mov $0x2000, %ax; out %ax, %dx
    code = bytes.fromhex("ea057c0000 fb b90400 f4 e2fd ba04b0 b80020 ef")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/sector").write_bytes(code.ljust(2048, b"\0"))
    words = ["xorriso", "-as", "mkisofs", "-quiet", "-b", "sector", "-no-emul-boot", "-boot-load-size", "4", "-o", tmp_path / "sector.iso", tmp_path / "tree"]
    subprocess.run(words, check=True, capture_output=True)
    counted, halted = bochs_machine.between(tmp_path / "sector.iso", tmp_path, "sector", {0x7C05}, 0x7C12, {0x7C09}, 32)
    # Four calls of the BIOS's timer handler on one side, four ticks of 55 ms on the other.
    assert 100 < counted < 10000
    assert 3 * 0.055 * bochs_machine.SPEED < halted < 4 * 0.055 * bochs_machine.SPEED
