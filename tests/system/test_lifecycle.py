# SPDX-License-Identifier: Apache-2.0
"""VMs that start and end while others run, in every way and at random moments (A57): everything comes back; root starts again what shall be started again, and
does what is asked for from outside."""

import json
import os
import random
import re
import subprocess
import tempfile
import time

import pytest
from conftest import is_bochs
from oracle import OFF_AT_MOST, folder_with, judge_core

pytestmark = pytest.mark.both_vendors
OFF, USAGE, FAILED, NOT_FOUND, STATE, LACKS, TIMEOUT, CRASHED = 0, 2, 4, 6, 8, 12, 14, 16
ACCOUNTS = ["--core-option", "accounts=on"]


@pytest.fixture
def kernel(build):
    return build / "guests/testkernel.elf"


def vm(name, kernel, what, *more, memory="4M"):
    return ["--vm", name, "--kernel", str(kernel), "--append", what, "--memory", memory, "--test-device", *more]


def before_and_after(stderr):
    lines = re.findall(r"^root: accounts (before|after): (.*)", stderr, re.M)
    assert [when for when, _ in lines] == ["before", "after"], stderr
    return [figures for _, figures in lines]


# ---- everything comes back ----

WAYS = ("exit 3", "triple", "spin", "halt", "flood 20", "echo", "power-key", "unmapped")


def churn(gyre, kernel, starts, seed, *options, seconds=120):
    """Where instructions are counted, a seed gives the same run each time; a moment is worth more there than on Bochs, whose time goes by its own count."""
    words = [word for i, what in enumerate(WAYS) for word in vm(f"vm{i}", kernel, what)]
    options = [*ACCOUNTS, "--core-option", f"churn={starts}", "--core-option", f"seed={seed}", "--no-reboot", *options]
    result = gyre.emulate(*options, *words, seconds=seconds)
    line = re.search(
        r"churn: (\d+) starts with seed=(\d+): (\d+) ended by themselves, (\d+) killed, (\d+) monitors crashed, (\d+) refused; "
        r"accounts compared (\d+) times, (\d+) differed",
        result.stderr,
    )
    assert line, result.stderr[-3000:]
    print(line.group(0))
    return result, dict(zip(("starts", "seed", "ended", "killed", "crashed", "refused", "compared", "differed"), map(int, line.groups())))


def test_a_thousand_starts_and_random_ends_leave_nothing(gyre, kernel):
    """GYRE_CHURN_STARTS and GYRE_CHURN_SEED: make soak's."""
    starts = int(os.environ.get("GYRE_CHURN_STARTS", 100 if is_bochs(gyre.machine) else 1000))
    seed = int(os.environ.get("GYRE_CHURN_SEED", random.SystemRandom().randrange(1 << 30)))
    print(f"GYRE_CHURN_SEED={seed} GYRE_CHURN_STARTS={starts}")
    moments = [] if is_bochs(gyre.machine) else ["--core-option", "moments=10"]
    result, figures = churn(gyre, kernel, starts, seed, "--icount", *moments, seconds=120 + starts // 5)
    assert (figures["starts"], figures["seed"], figures["differed"]) == (starts, seed, 0), result.stderr[-5000:]
    assert figures["compared"] == starts
    assert figures["ended"] + figures["killed"] + figures["crashed"] + figures["refused"] == starts
    for way in ("ended", "killed", "crashed", "refused"):
        assert figures[way] >= starts // 200, (way, figures)
    before, after = before_and_after(result.stderr)
    assert before == after


@pytest.mark.qemu_only("the checks take Bochs's processor long")
def test_a_core_that_checks_itself_finds_nothing_wrong(gyre, build, kernel, checked_core, tmp_path):
    folder = folder_with(build, checked_core, tmp_path / "lib")
    seed = random.SystemRandom().randrange(1 << 30)
    result, figures = churn(gyre, kernel, 150, seed, "--icount", "--core-option", f"off-limit={OFF_AT_MOST}", "--lib-dir", folder)
    assert figures["differed"] == 0 and not judge_core(result.stderr), result.stderr[-5000:]


def test_what_does_not_come_back_is_seen(gyre, kernel):
    """Each is seen once; where it has kept a frame of small objects alone, that is seen when no VM is left."""
    result, figures = churn(gyre, kernel, 40, 5, "--core-option", "leak=20")
    lost = re.findall(r"accounts differ after vm\d has ended with \d others there: pages free 0, frames (\d), objects (\d), handles (\d);", result.stderr)
    assert figures["differed"] == len(lost) and [line[1:] for line in lost if line[1] != "0"] == [("1", "1"), ("1", "1")], result.stderr[-3000:]
    before, after = before_and_after(result.stderr)
    assert before != after


# ---- many small VMs ----


def test_twelve_small_vms_run_at_once(gyre, kernel):
    """Each waits until all are there, then one after the other is asked to power off: with the pool that the machine gets by itself."""
    with Machine(gyre, *[word for i in range(12) for word in vm(f"vm{i}", kernel, "power-key", memory="8M")]) as machine:
        machine.wait_for(lambda vms: all(vm["state"] == "running" for vm in vms.values()) and len(vms) == 12)
        for i in range(12):
            if i:
                machine.heard(f"vm{i}: test kernel: ")
            assert machine.control("stop", f"vm{i}").returncode == OFF
        assert machine.end() == OFF
    before, after = before_and_after(machine.stderr)
    assert before == after


@pytest.mark.qemu_only("the machine on Bochs has not so much memory")
def test_nine_vms_of_128m_run_at_once(gyre, kernel):
    words = [word for i in range(9) for word in vm(f"vm{i}", kernel, f"exit {i}", memory="128M")]
    result = gyre.emulate(*ACCOUNTS, *words, seconds=60)
    assert result.returncode == 1, result.stderr
    assert all(f"vm{i}: test kernel" in result.stderr for i in range(1, 9)), result.stderr


def test_a_pool_that_is_too_small_is_said(gyre, kernel):
    words = [word for i in range(20) for word in vm(f"vm{i}", kernel, "spin" if i < 19 else "exit 1")]
    with Machine(gyre, "--core-option", "pool=4M", *words) as machine:
        vms = machine.wait_for(lambda vms: any(vm["code"] == LACKS for vm in vms.values()))
        reason = next(vm["reason"] for vm in vms.values() if vm["code"] == LACKS)
        assert re.search(r"it needs \d+ KiB of the core's pool, \d+ are left: larger by --core-option pool=\d+M, or fewer VMs", reason)
        assert vms["vm0"]["state"] == "running"


# ---- restarts ----


def test_restarts_have_rule_limit_and_rate(gyre, kernel):
    started = time.monotonic()
    words = [
        *vm("one", kernel, "exit 5", "--restart", "on-failure"),  # the guest's own code is no failure
        *vm("two", kernel, "triple", "--restart", "on-failure", "--restart-limit", "2"),
        *vm("three", kernel, "exit 0", "--restart", "always", "--restart-limit", "1"),
        *vm("four", kernel, "triple"),
    ]
    result = gyre.emulate(*ACCOUNTS, "--no-reboot", *words, seconds=60)
    assert result.returncode == 11, result.stderr
    for name, starts in (("two", 3), ("three", 2), ("four", 1)):
        assert len(re.findall(rf"^{name}: test kernel", result.stderr, re.M)) == starts, result.stderr
    assert "root: two is started again (2 of 2)" in result.stderr
    assert "root: two is not started again: it was 2 times, which is its limit" in result.stderr
    assert "root: one is started again" not in result.stderr
    if not is_bochs(gyre.machine):
        assert time.monotonic() - started > 2  # not more than once a second
    before, after = before_and_after(result.stderr)
    assert before == after


def test_the_first_vm_is_started_again_on_its_own_line(gyre, kernel):
    """Its last end gives the exit code, and COM1 is its console each time."""
    result = gyre.emulate(*ACCOUNTS, "--no-reboot", *vm("one", kernel, "triple", "--restart", "always", "--restart-limit", "2"), seconds=60)
    assert result.returncode == CRASHED, result.stderr
    assert result.stdout.count("test kernel: ") == 3, result.stdout


def test_each_life_of_a_vm_has_its_counters(gyre, kernel, tmp_path):
    words = [*vm("one", kernel, "exit 3"), *vm("two", kernel, "triple", "--restart", "on-failure", "--restart-limit", "1")]
    result = gyre.emulate("--no-reboot", "--counters", tmp_path / "counters", *words, seconds=60)
    assert result.returncode == 7, result.stderr
    figures = json.loads((tmp_path / "counters").read_text())
    assert sorted(vcpu["vm"] for vcpu in figures["vcpus"]) == ["one", "two", "two"]
    assert all(sum(vcpu["exits"].values()) > 10 for vcpu in figures["vcpus"])


# ---- what is asked for from outside ----


class Machine:
    """A machine with a control socket, in the background."""

    def __init__(self, gyre, *words):
        self.gyre, self.socket, self.stderr = gyre, None, ""
        self.words = words

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.socket = f"{self.folder.name}/socket"
        self.errors = open(f"{self.folder.name}/errors", "w+", errors="replace")  # pylint: disable=consider-using-with
        words = self.gyre.words("--control", self.socket, *ACCOUNTS, *self.words, seconds=100)
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            [self.gyre.program, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.errors, cwd=self.folder.name
        )
        self.until(lambda: os.path.exists(self.socket))
        return self

    def until(self, true, seconds=60):
        deadline = time.monotonic() + seconds * self.gyre.patience
        while not true():
            assert time.monotonic() < deadline and self.process.poll() is None, self.heard()
            time.sleep(0.1)

    def heard(self, text=""):
        """What it has said, once it has said that."""
        if text:
            self.until(lambda: text in self.heard())
        with open(f"{self.folder.name}/errors", errors="replace") as errors:
            return errors.read()

    def control(self, *words):
        return self.gyre.run("control", self.socket, *words, seconds=60 * self.gyre.patience)

    def ask(self, *words):
        result = self.control(*words, "--json")
        answer = json.loads(result.stdout)
        assert answer["code"] == result.returncode
        return answer

    def list(self):
        return {vm["name"]: vm for vm in self.ask("list")["vms"]}

    def wait_for(self, true):
        self.until(lambda: true(self.list()))
        return self.list()

    def end(self, seconds=60):
        self.process.communicate(timeout=seconds * self.gyre.patience)
        self.stderr = self.heard()
        return self.process.returncode

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.communicate()
        self.errors.close()
        if not self.stderr:
            self.stderr = self.heard()
        self.folder.cleanup()


def described(path, text):
    path.write_text(text)
    return str(path)


def test_vms_start_stop_and_are_killed_while_others_run(gyre, kernel, tmp_path):
    late = described(tmp_path / "late.yaml", f"kernel: {kernel}\nappend: power-key\nmemory: 4M\nstart: false\ntest_device: true\n")
    words = [*vm("keep", kernel, "spin"), *vm("key", kernel, "power-key"), *vm("exit", kernel, "exit 3"), late]
    with Machine(gyre, *words) as machine:
        assert os.stat(machine.socket).st_mode & 0o777 == 0o600
        vms = machine.wait_for(lambda vms: vms["exit"]["state"] == "ended")
        assert {name: vm["state"] for name, vm in vms.items()} == {"keep": "running", "key": "running", "exit": "ended", "late": "new"}
        assert (vms["exit"]["code"], vms["exit"]["starts"], vms["keep"]["code"]) == (7, 1, None)
        rest = machine.ask("accounts")["accounts"]
        assert rest["running"] == 2 and rest["differed"] == 0
        # What was never started, what runs, what has ended.
        assert machine.control("start", "late").returncode == OFF
        assert machine.control("start", "late").returncode == STATE
        machine.heard("late: test kernel: ")
        assert machine.control("stop", "late").returncode == OFF
        assert machine.control("kill", "late").returncode == STATE
        vms = machine.list()
        assert (vms["late"]["state"], vms["late"]["code"], vms["late"]["reason"]) == ("ended", OFF, "")
        assert machine.control("start", "exit").returncode == OFF
        machine.wait_for(lambda vms: vms["exit"]["state"] == "ended" and vms["exit"]["starts"] == 2)
        assert machine.control("start", "late").returncode == OFF
        assert machine.control("kill", "late").returncode == OFF
        vms = machine.list()
        assert (vms["late"]["state"], vms["late"]["code"], vms["late"]["reason"]) == ("ended", STATE, "killed")
        # Of all that came and went, nothing is held.
        now = machine.ask("accounts")["accounts"]
        assert now["compared"] > rest["compared"]
        assert {key: now[key] for key in now if key not in ("compared", "frames", "root_frames")} == {
            key: rest[key] for key in rest if key not in ("compared", "frames", "root_frames")
        }
        # A guest that does not listen runs on.
        answer = machine.control("stop", "keep", "--timeout", "1")
        assert answer.returncode == TIMEOUT and "keep has not powered off within 1 seconds, and runs on" in answer.stderr
        assert machine.list()["keep"]["state"] == "stopping"
        assert machine.control("stop", "nobody").returncode == NOT_FOUND
        assert machine.control("stop", "key").returncode == OFF
        assert machine.control("kill", "keep").returncode == OFF
        # The last one has ended; the code is the first one's.
        assert machine.end() == STATE
        assert not os.path.exists(machine.socket)
    before, after = before_and_after(machine.stderr)
    assert before == after
    assert "accounts differ" not in machine.stderr


def test_a_machine_with_nothing_to_start_waits_to_be_asked(gyre, kernel, tmp_path):
    late = described(tmp_path / "late.yaml", f"kernel: {kernel}\nappend: exit 4\nmemory: 4M\nstart: false\ntest_device: true\n")
    with Machine(gyre, late) as machine:
        machine.wait_for(lambda vms: vms["late"]["state"] == "new")
        time.sleep(1)
        assert machine.control("stop", "late").returncode == STATE
        assert machine.control("start", "late").returncode == OFF
        assert machine.end() == 9
    result = gyre.emulate(late, seconds=60)
    assert result.returncode == OFF
    assert "no VM is to be started, and nobody can ask for one" in result.stderr


def test_stopping_ends_restarts(gyre, kernel):
    words = [*vm("keep", kernel, "spin"), *vm("again", kernel, "triple", "--restart", "always", "--restart-limit", "0")]
    with Machine(gyre, "--no-reboot", *words) as machine:
        machine.wait_for(lambda vms: vms["again"]["restarts"] >= 1)
        answer = machine.control("kill", "again")
        assert answer.returncode in (OFF, STATE), answer.stderr
        machine.wait_for(lambda vms: vms["again"]["state"] == "ended")
        starts = machine.list()["again"]["starts"]
        time.sleep(2)
        assert machine.list()["again"]["starts"] == starts
        assert machine.control("kill", "keep").returncode == OFF
        assert machine.end() == STATE
