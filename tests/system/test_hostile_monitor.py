# SPDX-License-Identifier: Apache-2.0
"""A monitor that attacks the core with random calls, threads, processes and guests (A01, A10, A33, A57, A58), beside a victim that watches its memory
and the clock. The core is a test build: root has it check its invariants while this goes on. GYRE_HOSTILE_ROUNDS and GYRE_HOSTILE_SEED ask for more."""

import os
import pathlib
import re
import subprocess
import time

import pytest
from oracle import folder_with, judge_core

ROUNDS = int(os.environ.get("GYRE_HOSTILE_ROUNDS", "400"))
SEED = int(os.environ.get("GYRE_HOSTILE_SEED", "1"))
pytestmark = pytest.mark.both_vendors
ENDED, MONITOR_FAILED = 7, 4  # 2 * 3 + 1, and what a crash of the monitor gives

# What a monitor can't have: pages of its own to move; the machine's authority, which is root's alone. thread_exit gives no result.
NEVER_SUCCEED = {"memory_move", "interrupt_create", "ioports_create", "ioports_grant", "machine_check", "thread_exit"}
HEADER = (pathlib.Path(__file__).resolve().parents[2] / "include/gyre/calls.h").read_text()
CALLS = re.findall(r"^\tC\((\w+), \d+\)", HEADER, re.M)


@pytest.fixture(scope="module")
def folder(build, checked_core, tmp_path_factory):
    """Gyre with a core that checks itself and the attacker in the monitor's place."""
    return folder_with(build, checked_core, tmp_path_factory.mktemp("hostile"), monitor="hostile.elf")


def attack(gyre, build, folder, append, expected, beats=100, gap=2000, more=()):
    words = ["--lib-dir", folder, "--core-option", "accounts=on", *more]
    for name, text in (("hostile", append), ("victim", f"victim beats={beats} gap={gap}")):
        words += ["--vm", name, "--kernel", build / "guests/testkernel.elf", "--append", text, "--memory", "32M"]
    seconds = 60 + ROUNDS // 5
    result = gyre.emulate(*words, seconds=seconds)
    assert result.returncode == expected, result.stderr[-8000:]
    assert "victim: all is well" in result.stderr, result.stderr[-8000:]
    wrong = judge_core(result.stderr, timed=False)
    assert not wrong, (wrong, result.stderr[-8000:])
    before, after = re.findall(r"accounts \w+: (.*)", result.stderr)
    assert before == after
    return result


def calls_made(said):
    """{name: (made, good, different results)}"""
    lines = re.findall(r"hostile: call (\w+) made (\d+) times, (\d+) good, (\d+) different", said)
    return {name: tuple(map(int, numbers)) for name, *numbers in lines}


def rounds_of(gyre, rounds):
    """Bochs's processor does little in the milliseconds of a round."""
    return f"rounds={rounds} ms=24" if gyre.patience > 1 else f"rounds={rounds}"


def test_the_core_and_others_survive_an_attack(gyre, build, folder):
    """Every call of the header is made, and has succeeded, as far as a monitor can have it succeed."""
    result = attack(gyre, build, folder, f"seed={SEED} all {rounds_of(gyre, ROUNDS)}", ENDED)
    calls, runs = re.search(r"hostile: (\d+) calls, (\d+) runs of guests", result.stderr).groups()
    assert int(calls) > 20 * ROUNDS and int(runs) > ROUNDS
    made = calls_made(result.stderr)
    assert set(made) == set(CALLS), set(made) ^ set(CALLS)
    assert [name for name, (times, _, _) in made.items() if times == 0] == []
    # One of these may seem to: the threads write into each other's registers, that of a result too.
    assert {name for name, (_, good, _) in made.items() if good == 0} <= NEVER_SUCCEED
    for name, (times, good, results) in sorted(made.items()):
        print(f"{name:20} {times:7} times, {good:7} good, {results:2} different results")


@pytest.mark.qemu_only("under --icount time is what the machine has executed")
def test_an_attack_keeps_the_victim_waiting_for_50_ms_at_most(gyre, build, folder):
    result = attack(gyre, build, folder, f"seed={SEED + 1000} rounds={ROUNDS // 8}", ENDED, beats=60, gap=50, more=("--icount",))
    # A tick is an instruction.
    assert 0 < int(re.search(r"off for at most (\d+) ticks", result.stderr).group(1)) <= 20000


def test_a_monitor_that_ends_in_the_middle_of_it_leaves_nothing(gyre, build, folder):
    attack(gyre, build, folder, f"seed={SEED + 2000} rounds={ROUNDS // 3} end=fault", MONITOR_FAILED)


def test_a_monitor_that_goes_without_a_word_ends_its_vm(gyre, build, folder):
    """Its first thread just exits; others of its own are left behind and attack on."""
    result = attack(gyre, build, folder, "rounds=0 end=exit", MONITOR_FAILED)
    assert "hostile: its monitor went without a word" in result.stderr


def test_a_flood_of_log_lines_keeps_no_other_vm_waiting(gyre, build, folder):
    """Nobody reads what the command says meanwhile, so nothing more leaves the machine."""
    words = [gyre.program, *gyre.words("--lib-dir", folder, seconds=60)]
    for name, text in (("hostile", "rounds=0 flood"), ("victim", "victim beats=400")):
        words += ["--vm", name, "--kernel", build / "guests/testkernel.elf", "--append", text, "--memory", "32M"]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with subprocess.Popen(words, cwd=build, **pipes) as process:
        time.sleep(12)
        said = process.communicate(timeout=90)[1].decode(errors="replace")
    assert "a flood of lines" in said
    late = re.search(r"victim: 400 beats, at most (\d+) ms late", said)
    assert late and int(late.group(1)) < 1000, said[-2000:]


def test_guests_of_a_few_instructions_end_as_they_should(gyre, build, folder):
    """Traps, steps, shadows, and what a guest leaves in the processor for its monitor: tests/hostile/exact.c says which one did not."""
    attack(gyre, build, folder, "rounds=0 exact", ENDED)


@pytest.mark.qemu_only("timers of a microsecond, which is 30 instructions on Bochs: the machine does nothing else")
def test_nothing_is_written_to_what_has_ended(gyre, build, folder):
    """A timer of a vcpu that was half gone counted in a page that had become another's page table."""
    attack(gyre, build, folder, "rounds=0 timers", ENDED)
