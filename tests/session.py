#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tests/session.py COMMAND...: plays a short session in the Debian guest that COMMAND boots, as a person at its console would, and shows
it: a long one where COMMAND has several VMs, switching among their consoles while the last of them, which is hostile, does what it likes. Ends
with 0, or says what failed and ends with 1. `make run` without a terminal is this."""

import hashlib
import re
import sys
import time

import pexpect

PROMPT = "guest# "
BOOT_SECONDS = 400
# The guest's clock against this machine's, over SECONDS: beyond what a busy machine explains, the guest's clock is wrong.
SECONDS = 5
SUM = hashlib.md5("".join(f"{i}\n" for i in range(1, 2001)).encode()).hexdigest()
TOLERANCE = 0.10


class Failed(Exception):
    pass


class Session:
    def __init__(self, command):
        self.command = command
        # A terminal of its own: the command finds what a person's would be. A wide one, so that nothing wraps.
        self.child = pexpect.spawn(
            command[0], command[1:], timeout=30, encoding="utf-8", codec_errors="replace", dimensions=(50, 200)
        )
        self.child.logfile_read = sys.stdout

    def expect(self, pattern, seconds, what):
        try:
            self.child.expect(pattern, timeout=seconds)
        except pexpect.TIMEOUT:
            raise Failed(f"{what}: nothing within {seconds} s") from None
        except pexpect.EOF:
            self.child.close()
            raise Failed(f"{what}: the machine ended first, exit status {self.child.exitstatus}") from None
        return self.child.match

    def run(self, line, seconds=30):
        """What the guest's shell prints for LINE."""
        self.child.send(line + "\r")
        # The echo first. LINE and the prompt fit in 80 columns, where the shell would break it.
        self.expect(re.escape(line), 10, f"echo of `{line}`")
        self.expect("\r\n(.*?)" + PROMPT, seconds, f"`{line}`")
        return self.child.match.group(1)


def clock(session):
    """One line a second by the guest's clock; each stamped by ours as it comes."""
    # Short: the guest's shell breaks a line at 80 columns.
    line = f"for i in $(seq 0 {SECONDS}); do cut -d' ' -f1 /proc/uptime; sleep 1; done"
    session.child.send(line + "\r")
    session.expect(re.escape(line), 10, "echo of the timing loop")
    guest, here = [], []
    for _ in range(SECONDS + 1):
        match = session.expect(r"(\d+\.\d+)\r+\n", 10, "timing loop")
        guest.append(float(match.group(1)))
        here.append(time.monotonic())
    session.expect(PROMPT, 10, "end of the timing loop")
    return guest[-1] - guest[0], here[-1] - here[0]


def play(session):
    started = time.monotonic()
    session.expect("Gyre guest: Debian kernel", BOOT_SECONDS, "boot of the guest")
    session.expect(PROMPT, 30, "the guest's prompt")
    booted = time.monotonic() - started

    if "Linux" not in session.run("uname -a"):
        raise Failed("`uname -a` does not say Linux")
    cpu = session.run("grep -m 3 -E 'vendor_id|model name|^flags' /proc/cpuinfo")
    if "model name" not in cpu or not re.search(r"flags.*\bhypervisor\b", cpu):
        raise Failed("/proc/cpuinfo has no model name, or no flag `hypervisor`")
    guest, here = clock(session)
    # A machine on Bochs makes up for what it fell behind at the boot: its clock may go faster for a while.
    if "intel" not in session.command and abs(guest / here - 1) > TOLERANCE:
        raise Failed(f"the guest's clock went {guest:.2f} s while {here:.2f} s passed here")
    session.child.send("poweroff\r")
    session.expect(pexpect.EOF, 30, "power-off")
    session.child.close()
    if session.child.exitstatus != 0:
        raise Failed(f"after power-off the exit status is {session.child.exitstatus}, signal {session.child.signalstatus}")
    return booted, guest, here


def show(session, names, number, state="running"):
    """Switches to a VM's console. What was said there before comes again."""
    session.child.send(f"\x1d{number}")
    session.expect(f"gyre: this is {names[number - 1]}, {number} of {len(names)}, {state}", 30, f"the switch to VM {number}")


def play_many(session, names):
    started, debians = time.monotonic(), range(1, len(names))
    # All boot at once; each is as slow as they are many.
    for number in debians:
        show(session, names, number)
        session.expect("Gyre guest: Debian kernel", BOOT_SECONDS * len(names), f"boot of {names[number - 1]}")
        session.expect(PROMPT, 60, f"the prompt of {names[number - 1]}")
        if "Linux" not in session.run("uname -a", 60):
            raise Failed(f"`uname -a` in {names[number - 1]} does not say Linux")
        session.run(f"me={names[number - 1]}", 60)
    booted = time.monotonic() - started
    show(session, names, len(names), "(running|ended)")
    session.expect("hostile: ", 120, "the hostile guest's words")
    # Each is still the one that it was, and computes rightly.
    for number in reversed(debians):
        show(session, names, number)
        session.expect(PROMPT, 60, f"the prompt of {names[number - 1]}")
        sum_there = session.run("echo $me $(seq 1 2000 | md5sum)", 120)
        if f"{names[number - 1]} {SUM}" not in sum_there:
            raise Failed(f"{names[number - 1]} does not compute rightly: {sum_there}")
    for number in debians:
        show(session, names, number)
        session.expect(PROMPT, 60, f"the prompt of {names[number - 1]}")
        session.child.send("poweroff\r")
        session.expect(f"{names[number - 1]}: exit code 0", 60, f"power-off of {names[number - 1]}")
    # The hostile one has no end.
    session.child.send("\x1dq")
    session.expect(pexpect.EOF, 60, "the end of the machine")
    session.child.close()
    if session.child.exitstatus != 0:
        raise Failed(f"after Ctrl-] q the exit status is {session.child.exitstatus}, signal {session.child.signalstatus}")
    return booted


def main():
    command = sys.argv[1:]
    names = [command[i + 1] for i, word in enumerate(command) if word == "--vm"]
    session = Session(command)
    try:
        if len(names) > 1:
            booted = play_many(session, names)
        else:
            booted, guest, here = play(session)
    except Failed as failure:
        session.child.close(force=True)
        print(f"\nsession: FAILED: {failure}")
        return 1
    if len(names) > 1:
        print(f"\nsession: {len(names) - 1} guests at their prompts after {booted:.1f} s, beside a hostile one; each answered, all powered off")
    else:
        print(f"\nsession: prompt after {booted:.1f} s; the guest's clock went {guest:.2f} s while {here:.2f} s passed here; powered off")
    return 0


sys.exit(main())
