# SPDX-License-Identifier: Apache-2.0
"""What must hold whatever an attacker does: one oracle for all hostile tests (docs/testing.md, "The oracle").

  oracle = Oracle(gyre, build, checked_core, folder)      a folder with a core that checks itself; other programs may be put in the monitor's place
  result = oracle.run(*words)                             boots a victim and what the words describe
  oracle.check(result)                                    fails with what does not hold; judge(result) gives the list

Its points, in the adversary's order: (a) a victim VM sees no change and no gap of more than 50 ms of the machine's clock; (b) the core's invariants hold;
(c) all counts return; (d) code and constants are what they were; (e) interrupts were never off for more than 20,000 instructions; (f) the core has not
stopped; (g) replies hold nothing but what was meant is judge_replies(), of what tests/native/replies.c says in root's place."""

import re
import shutil
import subprocess

import bochs
import pexpect
from conftest import is_bochs

VICTIM_WELL = 3  # 2 * 1 + 1
GAP_US = 50_000
OFF_AT_MOST = 20_000
BEATS = 100


def victim(build, beats=BEATS, name="victim", append=""):
    """The words that describe a victim."""
    text = f"beats={beats} {append}".strip()
    return ["--vm", name, "--kernel", build / "guests/victim.elf", "--append", text, "--memory", "32M", "--test-device"]


def options(machine):
    """Those of a machine whose clock counts instructions, and of a core that checks itself."""
    words = [] if is_bochs(machine) else ["--icount"]
    for option in ("accounts=on", "dirty=on", f"off-limit={OFF_AT_MOST}"):
        words += ["--core-option", option]
    return words


def folder_with(build, core, folder, root="root.elf", monitor="monitor.elf"):
    """What --lib-dir is to name."""
    folder.mkdir(exist_ok=True)
    shutil.copy(core, folder / "gyre-core.elf")
    shutil.copy(build / root, folder / "root.elf")
    shutil.copy(build / monitor, folder / "monitor.elf")
    return folder


def check_us(text):
    """What the core's look at its own books takes of the machine's time at most: nobody else does it."""
    khz = re.search(r"core: TSC ([0-9.]+) MHz", text)
    ticks = [int(n) for n in re.findall(r"looked at its books \d+ times, which took at most (\d+) ticks", text)]
    return max(ticks) / float(khz.group(1)) if khz and ticks else 0


def judge_victim(text, counted=True):
    """(a)"""
    well = re.search(r"victim: all is well, (\d+) beats, at most (\d+) us late", text)
    if not well:
        said = re.search(r"victim: (?!beat).*", text)
        return [f"a: the victim is not well: {said.group() if said else 'it says nothing'}"]
    late = int(well.group(2)) - check_us(text)
    return [f"a: the victim's heart was {late:.0f} us late"] if counted and late > GAP_US else []


def judge_core(text, timed=True):
    """(b), (d), (e), (f), by what the core says of itself. TIMED: it was told off-limit=N."""
    found = []
    for line in re.findall(r"core: error: check: (.*)", text):
        kind = "d" if "code or constants" in line else "e" if line.startswith("interrupts were off") else "b"
        found.append(f"{kind}: {line}")
    if "invariants do not hold" in text and not found:
        found.append("b: the core's invariants do not hold")
    if not re.search(r"test core: looked at its books \d+ times", text):
        found.append("b: the core has not looked at its books: it is none for tests, or accounts=on is missing")
    if timed and not re.search(r"test core: interrupts were off for \d+ ticks", text):
        found.append("e: it was not measured how long interrupts are off")
    if re.search(r"core: panic|the core stopped", text, re.I):
        found.append("f: the core stopped")
    return found


def judge_accounts(text):
    """(c)"""
    accounts = re.findall(r"accounts (before|after): (.*)", text)
    if [when for when, _ in accounts] != ["before", "after"]:
        return ["c: there are no accounts"]
    before, after = accounts[0][1], accounts[1][1]
    return [] if before == after else [f"c: before: {before}; after: {after}"]


def judge_replies(text):
    """(g): the log of tests/native/replies.c."""
    found = [f"g: {line}" for line in re.findall(r"replies: WRONG (.*)", text)]
    if not re.search(r"replies: \d+ looked at, 0 wrong", text) and not found:
        found.append("g: the replies were not looked at")
    return found


def in_roots_place(machine, core, program, folder, until, options="", seconds=120):
    """Boots a core with a program in root's place, and gives what the machine's serial port said up to UNTIL, under a clock that counts instructions."""
    boot = folder / "iso/boot"
    (boot / "grub").mkdir(parents=True)
    shutil.copy(core, boot / "core")
    shutil.copy(program, boot / "root")
    (boot / "grub/grub.cfg").write_text(f"set timeout=0\nmultiboot2 /boot/core {options}\nmodule2 /boot/root root\nboot\n")
    iso = folder / "image.iso"
    words = ["grub-mkrescue", "-o", iso, "--locales=", "--fonts=", "--themes=", "--install-modules=multiboot2 normal iso9660", folder / "iso"]
    subprocess.run(words, check=True, capture_output=True)
    if is_bochs(machine):
        bochs.needed()
        return bochs.run(iso, folder, "corei7_haswell_4770" if machine == "intel" else machine, 4 * seconds, until=until)
    words = ["qemu-system-x86_64", "-nodefaults", "-machine", "q35", "-accel", "tcg", "-cpu", "EPYC,+svm,+npt", "-m", "256"]
    words += ["-display", "none", "-serial", "stdio", "-no-reboot", "-icount", "shift=0,sleep=off", "-cdrom", str(iso)]
    child = pexpect.spawn(words[0], words[1:], timeout=seconds, encoding="utf-8", codec_errors="replace", dimensions=(50, 300))
    child.expect(until)
    said = child.before + child.after
    child.close(force=True)
    return said.replace("\r", "")


class Oracle:
    def __init__(self, gyre, build, core, folder, **programs):
        self.gyre, self.build = gyre, build
        self.folder = folder_with(build, core, folder, **programs)

    def run(self, *words, beats=BEATS, seconds=60, victim_first=True, core_options=()):
        """The victim decides the exit status, unless another VM is to be named first."""
        told = ["--lib-dir", self.folder, *options(self.gyre.machine), "--no-reboot"]
        for option in core_options:
            told += ["--core-option", option]
        own = victim(self.build, beats)
        return self.gyre.emulate(*told, *(own if victim_first else words), *(words if victim_first else own), seconds=seconds)

    @staticmethod
    def judge(result, counted=True):
        """What does not hold. COUNTED: the machine's clock counts instructions, else a late heart is only told."""
        text = result.stdout + result.stderr
        found = judge_victim(text, counted) + judge_core(text) + judge_accounts(text)
        if result.returncode == 18 and not any(line.startswith("f") for line in found):
            found.append("f: the core stopped")
        return found

    @staticmethod
    def check(result, **how):
        found = Oracle.judge(result, **how)
        assert not found, "\n".join([*found, result.stdout[-2000:], result.stderr[-6000:]])
