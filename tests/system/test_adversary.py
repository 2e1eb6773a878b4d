# SPDX-License-Identifier: Apache-2.0
"""The adversary's cases for guests, written out: guests/cases says of each whether it held (A02, A06, A08, A10, A11, A15, A19, A21, A22, A23, A26, A34, A35), and
its loops (A04, A05, A14) run beside a victim, whose heart must go on beating, and beside a neighbour, which must get its share (A14)."""

import re

import pytest
from conftest import is_bochs
from oracle import Oracle

pytestmark = pytest.mark.both_vendors
CASES = ["A35 scrubbed", "A02", "A06", "A08", "A10", "A11", "A15", "A19", "A21", "A22", "A23", "A26", "A34", "A35"]
# A hardware breakpoint ends QEMU itself, and it knows no alignment check (docs/testing.md).
NOT_ON_QEMU = {"A06"}
LOOPS = {"s": "A14: split locks", "w": "A14: WBINVD and INVD", "p": "A14: PAUSE", "i": "A14: interrupts off", "h": "A14: HLT with interrupts off"}
BOCHS_LOOPS = {"a": "A04: #AC without an end", "d": "A05: #DB without an end"}


def cases(build, append, name="cases"):
    return ["--vm", name, "--kernel", build / "guests/cases.elf", "--append", append, "--memory", "32M", "--test-device"]


@pytest.fixture
def oracle(gyre, build, checked_core, tmp_path):
    return Oracle(gyre, build, checked_core, tmp_path / "lib")


def test_each_case_holds(oracle, build, machine):
    result = oracle.run(*cases(build, "cases" if is_bochs(machine) else "qemu"), beats=40)
    said = re.findall(r"case (A\d+(?: \w+)?): (.*)", result.stdout + result.stderr)
    expected = [case for case in CASES if is_bochs(machine) or case not in NOT_ON_QEMU]
    assert said == [(case, "ok") for case in expected], result.stderr
    oracle.check(result)


@pytest.mark.bochs_only("QEMU takes XSETBV without an exit")
def test_breakpoints_and_keys_reach_nobody(gyre, build, machine):
    """A06 on AMD, too; A11 where the level shows what the processor has, and the processor has protection keys (Intel's here). Without a victim: Bochs's AMD
    processor does not load its CR2 (docs/testing.md)."""
    model = [] if machine == "ryzen" else ["--cpu-model", "corei7_icelake_u"]
    result = gyre.emulate(*model, "--no-reboot", *cases(build, "cases"), "--level", "host", seconds=60)
    assert result.returncode == 1, result.stderr
    said = re.findall(r"case (A\d+(?: \w+)?): (.*)", result.stdout + result.stderr)
    assert said == [(case, "ok") for case in CASES], result.stderr


def loop(oracle, build, kind):
    result = oracle.run(*cases(build, f"loop={kind}"), beats=20)
    # Nothing else is said of it, that it crashed, say: it goes on until the victim has ended.
    expected = {"case A14: begins"} | ({"the guest halted with interrupts off"} if kind == "h" else set())
    assert set(re.findall(r"^cases: (.*)", result.stderr, re.M)) == expected, result.stderr
    oracle.check(result)


@pytest.mark.parametrize("kind", LOOPS)
def test_a_loop_harms_nobody(oracle, build, kind):
    loop(oracle, build, kind)


def work(gyre, build, *words):
    """The machine's ticks that a guest needs for some work of a tick or two a round, beside what the words describe: a dozen of its turns."""
    bochs = is_bochs(gyre.machine)
    clock = [] if bochs else ["--icount"]
    own = cases(build, f"work={2_000_000 if bochs else 50_000_000}", name="work")
    result = gyre.emulate(*clock, "--no-reboot", *words, *own, seconds=60)
    took = re.search(r"case A14: work took (\d+) ticks", result.stdout + result.stderr)
    assert took, result.stderr
    return int(took.group(1))


def test_a_loop_takes_no_more_than_its_share(gyre, build):
    """Two that want all of the processor have half each: 90 % of that is the least that any loop leaves to its neighbour."""
    alone = work(gyre, build)
    beside = {kind: work(gyre, build, *cases(build, f"loop={kind}")) for kind in LOOPS}
    assert beside["i"] > 1.5 * alone, (alone, beside)  # it is there, and wants all
    assert {kind: ticks for kind, ticks in beside.items() if ticks > alone * 2 / 0.9} == {}, (alone, beside)


@pytest.mark.bochs_only("a breakpoint ends QEMU, and it knows no alignment check")
@pytest.mark.parametrize("kind", BOCHS_LOOPS)
def test_a_loop_of_exceptions_harms_nobody(oracle, build, kind):
    loop(oracle, build, kind)
