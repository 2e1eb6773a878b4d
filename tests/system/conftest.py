# SPDX-License-Identifier: Apache-2.0
"""What the system tests share: where the build is, the command, and machines that it boots. Each test gives its machine a time-out, and
a machine that a test leaves behind is ended."""

import fcntl
import os
import pathlib
import signal
import subprocess

import pexpect
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROMPT = "guest# "


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


def signals_as_in_a_terminal():
    """For a child: a test run in the background has SIGINT or SIGHUP ignored, which children inherit."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


class Gyre:
    """The command, build/gyre."""

    def __init__(self, build):
        self.build, self.children = build, []
        self.program = str(build / "gyre")

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

    def emulate(self, *args, machine="amd", seconds=120):
        """Boots Gyre and waits for the end, as run() does. The command's own time-out is shorter than the test's."""
        return self.run("emulate", "--machine", machine, "--timeout", seconds, *args, seconds=seconds + 30)

    def spawn(self, *args, machine="amd", seconds=60):
        """Boots Gyre with a terminal that the test types into (pexpect)."""
        child = pexpect.spawn(
            self.program,
            ["emulate", "--machine", machine, *map(str, args)],
            timeout=seconds,
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
def gyre(build):
    command = Gyre(build)
    yield command
    command.close()


@pytest.fixture(scope="module")
def gyre_module(build):
    """The same for machines that a module's tests share."""
    command = Gyre(build)
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

    return Fake()
