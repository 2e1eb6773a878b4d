# SPDX-License-Identifier: Apache-2.0
"""The benches run: what they measure is not judged here, but that there is something to measure is."""

import sys

from conftest import ROOT

sys.path.insert(0, str(ROOT / "bench"))
import peer_kvm  # noqa: E402
import run as bench  # noqa: E402


def test_the_guest_prints_each_row(gyre, build):
    result = gyre.emulate("--vm", "bench", "--kernel", build / "guests/bench.elf", "--memory", "64M", "--test-device")
    rows = bench.guest_rows(result.stdout)
    assert {mine for _, _, mine, _, _ in bench.EXITS} <= rows.keys()
    assert all(value > 0 for value in rows.values())


def test_the_peer_image_has_its_parts(build, tmp_path):
    image = tmp_path / "peer.cpio"
    peer_kvm.build(build, image)
    content = image.read_bytes()
    for part in ("init", "bin/busybox", "modules/kvm-amd.ko", "usr/bin/qemu-system-x86_64", "roms/bios-256k.bin", "guests/bench.elf"):
        assert part.encode() + b"\0" in content, part
