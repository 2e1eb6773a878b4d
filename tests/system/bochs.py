# SPDX-License-Identifier: Apache-2.0
"""Runs an ISO on Bochs: the only machines here with NRIP save, flush by ASID and the pause filter (model `ryzen`), and Intel's. One CPU; an
instruction takes one tick of the TSC, so figures are the same on every run. docs/testing.md says what Bochs gets wrong."""

import pathlib
import shutil
import subprocess

import pytest

BIOS = pathlib.Path("/usr/share/bochs/BIOS-bochs-latest")
VGA_BIOS = pathlib.Path("/usr/share/seabios/vgabios-stdvga.bin")  # GRUB's loader hangs with Bochs's own
# Instructions in a second of the machine's time: a character takes 8,700 of them at the serial port.
SPEED = 100_000_000
# Power-off is a panic to Bochs, and its only way to end. The processor's own panic is a triple fault; a guest's becomes an exit if it goes on.
SETTINGS = """
display_library: rfb, options="timeout=0"
log: {folder}/log
info: action=ignore
error: action=ignore
panic: action=fatal, cpu0=report
clock: sync=none
cpu: model={model}, count=1, ips={speed}, reset_on_triple_fault=0, ignore_bad_msrs=0
memory: guest={memory}, host={memory}
romimage: file={bios}
vgaromimage: file={vga_bios}
ata0-master: type=cdrom, path={iso}, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev={folder}/console
"""


def needed():
    """Skips the test where Bochs is not installed."""
    if not shutil.which("bochs-bin"):
        pytest.skip("bochs-bin is missing: install the Debian packages bochs and bochs-term")
    for file, package in ((BIOS, "bochsbios"), (VGA_BIOS, "seabios")):
        if not file.exists():
            pytest.skip(f"{file} is missing: install the Debian package {package}")


def run(iso, folder, model, seconds, memory=512):
    """What the machine said on COM1 until it switched itself off; fails if it did not."""
    values = {"folder": folder, "model": model, "speed": SPEED, "memory": memory, "bios": BIOS, "vga_bios": VGA_BIOS, "iso": iso}
    (folder / "settings").write_text(SETTINGS.format(**values))
    (folder / "commands").write_text("c\n")
    with open(folder / "output", "wb") as output:
        words = ["bochs-bin", "-q", "-f", folder / "settings", "-rc", folder / "commands"]
        machine = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT)
        try:
            # The debugger stops at each triple fault, and goes on by these. Its input must not end, or it does.
            machine.stdin.write(b"c\n" * 8)
            machine.stdin.flush()
            machine.wait(seconds)
            ended = True
        except subprocess.TimeoutExpired:
            ended = False
        finally:
            machine.kill()
            machine.wait()
            machine.stdin.close()
    console = (folder / "console").read_text(errors="replace")
    assert ended, f"still running after {seconds} s:\n{console}"
    assert "soft power off" in (folder / "output").read_text(errors="replace"), f"no power-off:\n{console}"
    return console
