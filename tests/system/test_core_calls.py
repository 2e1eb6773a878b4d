# SPDX-License-Identifier: Apache-2.0
"""The core's calls, made by a program in root's place on a core that checks its own books: as they are meant, and as an attacker makes them
(A01, A36, A45, A57, A58). Under --icount, so that a tick is an instruction."""

import re
import shutil
import subprocess

import bochs
import pexpect
import pytest
from conftest import is_bochs

pytestmark = pytest.mark.both_vendors
END = r"calls:.*\n|[Pp]anic"
OFF_AT_MOST = 20000


@pytest.fixture(scope="module")
def log(build, machine, checked_core, tmp_path_factory):
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
    if is_bochs(machine):
        bochs.needed()
        return bochs.run(iso, folder, "corei7_haswell_4770" if machine == "intel" else machine, 400, until=END)
    words = ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "EPYC,+svm,+npt", "-m", "256", "-display", "none", "-serial", "stdio", "-no-reboot"]
    words += ["-icount", "shift=0,sleep=off", "-cdrom", str(iso)]
    child = pexpect.spawn(words[0], words[1:], timeout=240, encoding="utf-8", codec_errors="replace", dimensions=(50, 300))
    child.expect(END)
    said = child.before + child.after
    child.close(force=True)
    return said.replace("\r", "")


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
