# SPDX-License-Identifier: Apache-2.0
"""What the system tests share: where the build is, the command, and machines that it boots. Each test gives its machine a time-out, and
a machine that a test leaves behind is ended.

A test with the mark both_vendors runs on each machine of GYRE_TEST_MACHINES (left out: amd,intel): a name of `gyre emulate --machine`, or a model of Bochs's. The
mark qemu_only(reason) takes a test of a marked module out of that; with bochs_only(reason) Bochs's AMD processor stands in for QEMU's. Other tests run on amd, or boot nothing."""

import fcntl
import os
import pathlib
import shlex
import signal
import subprocess

import pexpect
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROMPT = "guest# "
MACHINES = os.environ.get("GYRE_TEST_MACHINES", "amd,intel").split(",")
# Bochs runs at a tenth of QEMU's speed, and its firmware and GRUB take two seconds.
BOCHS_PATIENCE = 4


def pytest_configure(config):
    config.addinivalue_line("markers", "both_vendors: runs on an AMD machine and on an Intel machine")
    config.addinivalue_line("markers", "qemu_only(reason): runs on an AMD machine on QEMU only")
    config.addinivalue_line("markers", "bochs_only(reason): runs on both vendors' processors as Bochs has them")


def pytest_generate_tests(metafunc):
    node = metafunc.definition
    if "machine" in metafunc.fixturenames and node.get_closest_marker("both_vendors") and not node.get_closest_marker("qemu_only"):
        stand_in = {"amd": "ryzen"} if node.get_closest_marker("bochs_only") else {}
        metafunc.parametrize("machine", [stand_in.get(name, name) for name in MACHINES], indirect=True, scope="module")


def pytest_collection_modifyitems(items):
    """A module's tests on one machine share a worker, and so what is made once for them."""
    for item in items:
        machine = getattr(item, "callspec", None) and item.callspec.params.get("machine", "")
        item.add_marker(pytest.mark.xdist_group(f"{item.module.__name__}-{machine or ''}"))


@pytest.fixture(scope="module")
def machine(request):
    """The machine that the test runs on."""
    return getattr(request, "param", "amd")


def is_bochs(machine):
    return not machine.startswith("amd")


def vendor(machine):
    return "amd" if machine.startswith("amd") or machine == "ryzen" else "intel"


def machine_words(machine):
    """The words by which the command is told."""
    if machine.split("-")[0] in ("amd", "intel"):
        return ["--machine", machine]
    return ["--machine", vendor(machine), "--cpu-model", machine]


@pytest.fixture(scope="session")
def build():
    """The build folder, absolute: make sets it."""
    return pathlib.Path(os.environ.get("GYRE_BUILD", ROOT / "build")).resolve()


@pytest.fixture(scope="session")
def checked_core(build):
    """A core that checks itself (TEST_CORE=1). Several processes of pytest may ask at once: one builds, the others wait for it."""
    folder = build / "checked"
    folder.mkdir(parents=True, exist_ok=True)
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        words = ["make", "-C", ROOT, f"B={folder}", "DEPS=no", "TEST_CORE=1", "core"]
        subprocess.run(words, env=environment, check=True, capture_output=True)
    return folder / "gyre-core.elf"


def ended(child, status=0):
    """Waits for the end of a command that has a terminal, and for its exit status."""
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == status, (child.exitstatus, child.signalstatus)


def signals_as_in_a_terminal():
    """For a child: a test run in the background has SIGINT or SIGHUP ignored, which children inherit."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


class Gyre:
    """The command, build/gyre, and the machine that it shall boot Gyre on unless a test says otherwise."""

    def __init__(self, build, machine="amd"):
        self.build, self.machine, self.children = build, machine, []
        self.program = str(build / "gyre")

    @property
    def patience(self):
        return BOCHS_PATIENCE if is_bochs(self.machine) else 1

    def debian(self, append="", memory="256M", initrd="initramfs.cpio.gz"):
        """The arguments that describe the Debian guest."""
        guests = self.build / "guests"
        words = ["--vm", "debian", "--kernel", str(guests / "vmlinuz"), "--append", f"console=ttyS0 {append}".strip()]
        return words + ["--initrd", str(guests / initrd), "--memory", memory]

    def run(self, *args, seconds=60, stdin=subprocess.DEVNULL):
        """Runs the command to its end, with no terminal: returncode, stdout and stderr as text."""
        words = [self.program, *map(str, args)]
        return subprocess.run(
            words, stdin=stdin, capture_output=True, timeout=seconds, text=True, errors="replace", cwd=ROOT, check=False
        )

    def words(self, *args, machine=None, seconds=None):
        """What `gyre emulate` is told, seconds being those that an AMD machine needs."""
        timeout = ["--timeout", seconds * min(self.patience, 4 if seconds >= 30 else 2)] if seconds else []
        return [str(word) for word in ["emulate", *machine_words(machine or self.machine), *timeout, *args]]

    def emulate(self, *args, machine=None, seconds=120):
        """Boots Gyre and waits for the end, as run() does. The command's own time-out is shorter than the test's; a short one is meant to be met."""
        return self.run(*self.words(*args, machine=machine, seconds=seconds), seconds=seconds * self.patience + 30)

    def spawn(self, *args, machine=None, seconds=60):
        """Boots Gyre with a terminal that the test types into (pexpect)."""
        child = pexpect.spawn(
            self.program,
            self.words(*args, machine=machine),
            timeout=seconds * self.patience,
            encoding="utf-8",
            codec_errors="replace",
            dimensions=(50, 200),
            cwd=str(ROOT),
        )
        self.children.append(child)
        return child

    def close(self):
        for child in self.children:
            child.close(force=True)
        self.children.clear()


@pytest.fixture
def gyre(build, machine):
    command = Gyre(build, machine)
    yield command
    command.close()


@pytest.fixture
def fake(gyre, tmp_path, monkeypatch):
    """fake(script, words) runs `gyre emulate` with two VMs on a machine that does what the script says."""
    for name in ("gyre-core.elf", "root.elf", "monitor.elf", "kernel"):
        (tmp_path / name).write_bytes(b"something")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    machine = pathlib.Path(__file__).with_name("fake_machine.py")
    monkeypatch.setenv("GYRE_QEMU", str(machine))
    monkeypatch.setenv("GYRE_BOCHS", str(machine))

    class Fake:
        folder = tmp_path
        words = ["emulate", "--machine", "amd", "--lib-dir", str(tmp_path)]
        vms = ["--vm", "one", "--kernel", str(tmp_path / "kernel"), "--vm", "two", "--kernel", str(tmp_path / "kernel")]

        def run(self, script, *words, **options):
            monkeypatch.setenv("FAKE_SCRIPT", script)
            result = gyre.run(*self.words, *words, *self.vms, **options)
            assert not list(temporary.iterdir())
            return result

        def popen(self, script, *words, **options):
            monkeypatch.setenv("FAKE_SCRIPT", script)
            words = [gyre.program, *self.words, *words, *self.vms]
            return subprocess.Popen(words, preexec_fn=signals_as_in_a_terminal, **options)

        def spawn(self, script, *words):
            monkeypatch.setenv("FAKE_SCRIPT", script)
            child = pexpect.spawn(gyre.program, [*self.words, *words, *self.vms], timeout=20, encoding="utf-8")
            gyre.children.append(child)
            return child

        def shell(self, script, line, *words):
            """The line in a shell, whose terminal outlives the command; GYRE in it is the command."""
            monkeypatch.setenv("FAKE_SCRIPT", script)
            command = shlex.join(map(str, [gyre.program, *self.words, *words, *self.vms]))
            child = pexpect.spawn("/bin/sh", ["-c", line.replace("GYRE", command)], timeout=20, encoding="utf-8")
            gyre.children.append(child)
            return child

    return Fake()
