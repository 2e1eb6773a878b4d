# SPDX-License-Identifier: Apache-2.0
"""Runs an ISO on Bochs: the only machines here with NRIP save, flush by ASID and the pause filter (model `ryzen`), and Intel's. One CPU; an
instruction takes one tick of the TSC, so figures are the same on every run. docs/testing.md says what Bochs gets wrong."""

import pathlib
import re
import shutil
import subprocess
import threading
import time

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
        pytest.skip("bochs-bin is missing: install the Debian package bochs")
    for file, package in ((BIOS, "bochsbios"), (VGA_BIOS, "seabios")):
        if not file.exists():
            pytest.skip(f"{file} is missing: install the Debian package {package}")


def go_on(machine):
    """The debugger stops at the start and at each triple fault, and goes on by these. Its input must not end, or it does."""
    try:
        while True:
            machine.stdin.write(b"c\n")
            machine.stdin.flush()
    except (OSError, ValueError):
        pass


def run(iso, folder, model, seconds, memory=512, until=None):
    """What the machine said on COM1 until it switched itself off; fails if it did not. Or until a pattern came."""
    values = {"folder": folder, "model": model, "speed": SPEED, "memory": memory, "bios": BIOS, "vga_bios": VGA_BIOS, "iso": iso}
    (folder / "settings").write_text(SETTINGS.format(**values))
    with open(folder / "output", "wb") as output:
        words = ["bochs-bin", "-q", "-f", folder / "settings"]
        machine = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT)
    threading.Thread(target=go_on, args=[machine], daemon=True).start()
    console, end, found = folder / "console", time.monotonic() + seconds, False
    while machine.poll() is None and not found and time.monotonic() < end:
        time.sleep(0.1)
        found = bool(until) and console.exists() and re.search(until, console.read_text(errors="replace"), re.M)
    ended = machine.poll() is not None
    machine.kill()
    machine.wait()
    text = console.read_text(errors="replace")
    assert ended or found, f"still running after {seconds} s:\n{text}"
    assert found or "soft power off" in (folder / "output").read_text(errors="replace"), f"no power-off:\n{text}"
    return text
