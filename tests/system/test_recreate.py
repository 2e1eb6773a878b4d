# SPDX-License-Identifier: Apache-2.0
"""Saved state: a VM goes on in one new monitor after the other, from a stream, and its guest does not notice. Seeds are printed; GYRE_RECREATE_SEED gives one,
GYRE_RECREATE_FIRST how many of the first exits are taken, all in a row (`make recreate` and `make soak`: 20,000)."""

import hashlib
import os
import random
import re

import pytest

from test_debian import BAD, command

from conftest import PROMPT, ended, is_bochs

pytestmark = pytest.mark.both_vendors
FIRST = os.environ.get("GYRE_RECREATE_FIRST")
# Bochs needs some thirty milliseconds of real time for what takes QEMU one.
QUICK = {"first": 2000, "every": 50}
SLOW = {"first": 150, "every": 60}
WORK = (
    "i=0; while [ $i -lt 12 ]; do seq $((i*1000)) $((i*1000+2000)) | sha256sum; i=$((i+1)); done;"
    "cat /proc/cpuinfo | grep -v MHz | sha256sum; cat /proc/ioports | sha256sum; find /sys/devices/system -type f | wc -l;"
)


@pytest.fixture
def spec(machine):
    """--test-recreate's value."""
    seed = os.environ.get("GYRE_RECREATE_SEED") or str(random.SystemRandom().randrange(1 << 30))
    values = dict(SLOW if is_bochs(machine) else QUICK)
    if FIRST:
        values["first"] = int(FIRST)
    print(f"GYRE_RECREATE_SEED={seed}")
    return f"first:{values['first']},every:{values['every']},seed:{seed}"


def numbers(i):
    """What the guest makes a checksum of."""
    return "".join(f"{n}\n" for n in range(i * 1000, i * 1000 + 2001)).encode()


def counts(stderr):
    """Recreations, exits, microseconds for each: what the monitor says at its end."""
    found = re.search(r"recreated (\d+) times in (\d+) exits, (\d+) us each", stderr)
    assert found, stderr
    return tuple(map(int, found.groups()))


def test_debian_works_and_says_the_same(gyre, spec):
    # On Bochs the whole log is tens of thousands of exits: there the guest looks for what is bad (the log has the words as part of its command line).
    words = BAD.replace("\\b", "")
    log = f"dmesg | grep -vi 'command line' | grep -E '{words}'; true" if is_bochs(gyre.machine) else "dmesg"
    clock = f"date +%s; cut -d. -f1 /proc/uptime; sleep 3; date +%s; cut -d. -f1 /proc/uptime; {log}"
    memory = "96M" if is_bochs(gyre.machine) else "256M"
    # Twenty thousand take a quarter of an hour of the clock there, in which the guest does little: its watchdogs would be right to say so.
    slow = "nosoftlockup rcupdate.rcu_cpu_stall_suppress=1" if is_bochs(gyre.machine) and int(FIRST or 0) > QUICK["first"] else ""
    debian = gyre.debian(f'quiet {slow} gyre.exec="{WORK}{clock}"', memory=memory)
    words = ["--icount", "--core-option", "accounts=on"]
    seconds = 240 + (int(FIRST) // 20 if FIRST else 0)
    with_it = gyre.emulate(*words, "--test-recreate", spec, *debian, seconds=seconds)
    assert with_it.returncode == 0, with_it.stderr
    recreations, exits, each = counts(with_it.stderr)
    print(f"{recreations} recreations in {exits} exits, {each} us of the machine's time each")
    first = int(re.match(r"first:(\d+)", spec).group(1))
    assert recreations >= min(first, exits - 1)
    log = with_it.stdout
    assert re.findall(r"^([0-9a-f]{64})  -", log, re.M)[:12] == [hashlib.sha256(numbers(i)).hexdigest() for i in range(12)]
    if not is_bochs(gyre.machine):
        # The same words as of a machine that is left alone, up to what shows the time. (A boot takes half a minute on Bochs.)
        without = gyre.emulate(*words, *debian, seconds=180)
        assert without.returncode == 0, without.stderr
        said, wanted = (re.split(r"^\d{9,}\r?\n", run.stdout, maxsplit=1, flags=re.M)[0] for run in (with_it, without))
        assert said == wanted and said.count("  -") == 14
    assert "Gyre guest: exit status 0" in log
    assert not re.findall(rf"^.*(?:{BAD}).*$", log, re.M)
    start, up, end, later = map(int, re.search(r"^(\d{9,})\r?\n(\d+)\r?\n(\d{9,})\r?\n(\d+)\r?\n", log, re.M).groups())
    assert 3 <= end - start <= 5 and 3 <= later - up <= 5 and abs((end - start) - (later - up)) <= 1
    # Everything came back.
    before, after = re.findall(r"accounts (?:before|after): (.*)", with_it.stderr)
    assert before == after and "accounts differ" not in with_it.stderr


@pytest.mark.qemu_only("on Bochs the guest's log takes minutes; the streams are the same")
def test_a_person_at_the_shell_beside_another_vm(gyre, build):
    """Typed input that is on its way, and a neighbour that is left alone."""
    other = ["--vm", "other", "--kernel", str(build / "guests/testkernel.elf"), "--append", "flood 16", "--memory", "32M", "--test-device"]
    words = ["--test-recreate", "first:300,every:3,seed:5", "--core-option", "accounts=on"]
    child = gyre.spawn(*words, *gyre.debian("quiet"), *other, seconds=120)
    child.expect("Gyre guest: Debian kernel")
    child.expect_exact(PROMPT)
    for i in range(6):
        text = f"{i}" + "abcdefghijklmnopqrstuvwxyz0123456789"
        assert text in command(child, f"echo {text}")
    # Before it runs, the shell itself would read the Ctrl-C as a byte.
    child.send("echo be''gun; sleep 1000\r")
    child.expect_exact("begun")
    child.send("\x03")
    child.expect_exact(PROMPT)
    child.send("poweroff\r")
    child.expect(r"recreated (\d+) times in (\d+) exits")
    assert int(child.match.group(1)) > 500
    child.expect(r"accounts after")
    ended(child)


def verdicts(text):
    """All but those about timers, which wall time decides on a loaded computer."""
    lines = re.sub(r"^\w+: apic: .*\n(?:  .*\n)*|^SUMMARY.*", "", text, flags=re.M)
    assert lines.count("PASS: ") > 200
    return lines


@pytest.mark.qemu_only("test_kernels.py runs it there without")
def test_a_kernel_that_looks_at_everything(gyre, build):
    """Exceptions, segments, MSRs, system calls, a single-stepping guest: one recreation at each exit, and the same verdicts."""
    words = ["--vm", "conform", "--kernel", str(build / "guests/conform/conform.elf"), "--memory", "32M", "--test-device"]
    without = gyre.emulate(*words, seconds=60)
    assert re.search(r"^SUMMARY: \d+ tests", without.stdout, re.M), without.stderr
    with_it = gyre.emulate("--test-recreate", f"first:{FIRST or 4000},every:40,seed:9", *words, seconds=120 + int(FIRST or 0) // 100)
    assert verdicts(with_it.stdout) == verdicts(without.stdout) and with_it.returncode % 2 == 1, with_it.stderr
    assert counts(with_it.stderr)[0] > 4000


@pytest.mark.qemu_only("nothing here boots")
@pytest.mark.parametrize("spec", ["first", "first:x", "every:-1", "seed:1,often:2", ""])
def test_what_is_no_spec_is_refused(gyre, build, spec):
    result = gyre.emulate("--test-recreate", spec, "--vm", "small", "--kernel", build / "guests/testkernel.elf", seconds=10)
    assert result.returncode == 2 and "first:N, every:N, seed:N" in result.stderr


@pytest.mark.qemu_only("nothing here boots")
def test_it_is_of_emulated_machines_alone(gyre, build, tmp_path):
    words = ["--vm", "small", "--kernel", build / "guests/testkernel.elf"]
    assert gyre.run("image", "-o", tmp_path / "x.iso", "--test-recreate", "first:1", *words).returncode == 2
