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
