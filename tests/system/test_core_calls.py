# SPDX-License-Identifier: Apache-2.0
"""The core's calls, made by a program in root's place on a core that checks its own books: as they are meant, and as an attacker makes them
(A01, A36, A45, A57, A58). Under --icount, so that a tick is an instruction."""

import os
import re
import shutil
import subprocess

import pytest

OFF_AT_MOST = 20000


@pytest.fixture(scope="module")
def log(build, checked_core, tmp_path_factory):
    """What the machine's serial port said until the program's last line."""
    folder = tmp_path_factory.mktemp("calls")
    boot = folder / "iso/boot"
    (boot / "grub").mkdir(parents=True)
    shutil.copy(checked_core, boot / "core")
    shutil.copy(build / "test-calls.elf", boot / "root")
    (boot / "grub/grub.cfg").write_text("set timeout=0\nmultiboot2 /boot/core\nmodule2 /boot/root root\nboot\n")
    iso = folder / "calls.iso"
    subprocess.run(["grub-mkrescue", "-o", iso, "--locales=", "--fonts=", "--themes=", "--install-modules=multiboot2 normal iso9660",
                    folder / "iso"], check=True, capture_output=True)
    machine = subprocess.Popen(["qemu-system-x86_64", "-accel", "tcg", "-cpu", "EPYC,+svm,+npt", "-m", "256", "-display", "none", "-serial",
                                "stdio", "-no-reboot", "-icount", "shift=0,sleep=off", "-cdrom", iso], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    lines = []
    try:
        timer = subprocess.Popen(["sh", "-c", f"sleep 240; kill {machine.pid}"], start_new_session=True)
        for line in machine.stdout:
            lines.append(line)
            if "calls:" in line or "panic" in line.lower():
                break
    finally:
        machine.kill()
        machine.wait()
        os.killpg(timer.pid, 15)
        timer.wait()
    return "".join(lines)


def test_every_call_does_what_the_header_says_and_the_books_are_right(log):
    assert re.search(r"calls: \d+ checks, 0 failures", log), log
    assert "check:" not in log, log


def test_interrupts_are_never_off_for_long(log):
    longest = int(re.search(r"off for at most (\d+) ticks", log).group(1))
    assert 0 < longest <= OFF_AT_MOST, log


def test_a_call_between_processes_is_short(log):
    # The checked core reads the clock four times on the way; without that it is below 350 (bench/).
    ticks = int(re.search(r"another process and its reply: (\d+) ticks", log).group(1))
    assert ticks <= 450, log
