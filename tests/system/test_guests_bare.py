# SPDX-License-Identifier: Apache-2.0
"""The Debian guest on QEMU alone, without Gyre: when this fails, the guest is at fault."""

import subprocess


def boot(build, append, initrd="initramfs.cpio.gz"):
    words = ["qemu-system-x86_64", "-M", "pc", "-cpu", "EPYC", "-m", "256", "-nographic", "-no-reboot", "-net", "none"]
    words += ["-kernel", str(build / "guests/vmlinuz"), "-initrd", str(build / "guests" / initrd)]
    words += ["-append", f"console=ttyS0 quiet {append}"]
    return subprocess.run(
        words, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=120, check=True
    ).stdout


def test_a_command_runs_and_the_guest_powers_off(build):
    output = boot(build, 'gyre.exec="echo one-$((1 + 1)); (exit 3)"')
    assert "Gyre guest: Debian kernel 6.1." in output
    assert "one-2" in output
    assert "Gyre guest: exit status 3" in output
    assert "Power down" in output


def test_the_quick_way_off_says_nothing_of_its_own(build):
    output = boot(build, "gyre.exec=poweroff")
    assert "Power down" in output
    assert "Gyre guest" not in output


def test_modules_load_in_order(build):
    output = boot(build, 'gyre.modules=virtio_blk,virtio_net,nonsense gyre.exec="lsmod"', "initramfs-modules.cpio.gz")
    assert "virtio_net" in output and "virtio_blk" in output
    assert "no module nonsense" in output
    assert "does not load" not in output
