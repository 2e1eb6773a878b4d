# SPDX-License-Identifier: Apache-2.0
"""The oracle of the hostile tests is real: it finds nothing where nothing is wrong, and it finds each of the faults that a core for tests can have planted
(tests/core/plant.c, --core-option plant=NAME), or a root that does not clear memory, for the right reason."""

import copy
import re

import pytest
from conftest import Gyre
from oracle import GAP_US, VICTIM_WELL, Oracle, check_us, in_roots_place, judge_replies

BEATS = 40
END = r"replies: \d+ looked at.*\n|[Pp]anic"
# What the planted fault is found by: the point of the adversary's list, and words.
PLANTS = {
    "handle": r"b: \d+ handles are known to their objects, there are \d+",
    "leak": r"b: \d+ frames are paid for, \d+ are in use",
    "owner": r"b: some of \d+ frames from \w+ on have two owners",
    "interrupts": r"e: interrupts were off for \d+ ticks",
    "constant": r"d: the core's code or constants are not what they were",
    "code": r"d: the core's code or constants are not what they were",
    "stop": r"f: the core stopped",
}
REPLIES = {
    "reply": r"g: process_info.*: bytes of the reply that were not written is 1, not 0",
    "word": r"g: machine_info: r9 is",
    "page": r"g: vcpu_create: behind the run page: the first byte that is not 0",
}


def neighbour(build):
    """A VM that comes and goes while the victim runs, with all that belongs to it."""
    return ["--vm", "neighbour", "--kernel", build / "guests/testkernel.elf", "--append", "exit 0", "--memory", "16M", "--test-device"]


@pytest.fixture(scope="module")
def quiet(build, machine, checked_core, tmp_path_factory):
    """A run in which nothing is wrong."""
    oracle = Oracle(Gyre(build, machine), build, checked_core, tmp_path_factory.mktemp("quiet") / "lib")
    return oracle.run(*neighbour(build), beats=BEATS)


@pytest.mark.both_vendors
def test_where_nothing_is_wrong_it_finds_nothing(quiet):
    Oracle.check(quiet)
    assert quiet.returncode == VICTIM_WELL, quiet.stderr


@pytest.mark.both_vendors
def test_it_finds_a_victim_that_was_kept_waiting(quiet):
    """By its own words, made worse: no core of ours keeps one waiting for 50 ms."""
    late = re.search(r"at most (\d+) us late", quiet.stdout)
    assert late, quiet.stderr
    waiting = copy.copy(quiet)
    worse = int(late.group(1)) + GAP_US + int(check_us(quiet.stderr)) + 1
    waiting.stdout = quiet.stdout.replace(late.group(), f"at most {worse} us late")
    assert any(re.match(r"a: the victim's heart was \d+ us late", line) for line in Oracle.judge(waiting))
    assert not Oracle.judge(waiting, counted=False)


@pytest.mark.parametrize("fault", PLANTS)
def test_it_finds_what_is_planted_in_the_core(gyre, build, checked_core, tmp_path, fault):
    oracle = Oracle(gyre, build, checked_core, tmp_path / "lib")
    result = oracle.run(*neighbour(build), beats=BEATS, core_options=[f"plant={fault}"])
    found = oracle.judge(result)
    assert any(re.search(PLANTS[fault], line) for line in found), (found, result.stderr)


def test_it_finds_memory_that_was_not_cleared(gyre, build, checked_core, tmp_path):
    oracle = Oracle(gyre, build, checked_core, tmp_path / "lib", root="root-unscrubbed.elf")
    found = oracle.judge(oracle.run(beats=BEATS))
    assert any(line.startswith("a: the victim is not well: victim: its memory was not clean") for line in found), found


def test_a_core_that_does_not_check_itself_does_not_pass(gyre, build, tmp_path):
    oracle = Oracle(gyre, build, build / "gyre-core.elf", tmp_path / "lib")
    found = oracle.judge(oracle.run(beats=20))
    assert {line[0] for line in found} == {"b", "e"}, found


# ---- replies ----


@pytest.mark.both_vendors
def test_replies_hold_nothing_but_what_was_meant(build, machine, checked_core, tmp_path):
    log = in_roots_place(machine, checked_core, build / "test-replies.elf", tmp_path, END, "dirty=on")
    assert not judge_replies(log), log
    assert int(re.search(r"replies: (\d+) looked at", log).group(1)) > 2000, log


def test_it_finds_what_is_planted_in_replies(build, checked_core, tmp_path):
    options = f"dirty=on plant={','.join(REPLIES)}"
    log = in_roots_place("amd", checked_core, build / "test-replies.elf", tmp_path, END, options)
    found = judge_replies(log)
    for fault, words in REPLIES.items():
        assert any(re.search(words, line) for line in found), (fault, log)
