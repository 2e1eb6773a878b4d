# SPDX-License-Identifier: Apache-2.0
"""The command beside Bochs, where it is not as beside QEMU: the debugger that cannot be left out, frames between its words, its panics, its network. Bochs is
fake_machine.py."""

import os
import pathlib
import re
import signal
import subprocess
import time

import pytest


@pytest.fixture
def bochs(fake):
    fake.words[fake.words.index("amd")] = "intel"
    return fake


def settings(bochs, *words):
    result = bochs.run("m.log(m.settings); m.end_vm(0, 3); m.end()", *words)
    assert result.returncode == 3, result.stderr
    return [line.removeprefix("core: ") for line in result.stderr.splitlines()]


def test_its_configuration(bochs):
    lines = settings(bochs, "--cpu-model", "corei7_skylake_x", "--host-memory", "640M")
    assert "cpu: model=corei7_skylake_x, count=1, ips=30000000, reset_on_triple_fault=0, ignore_bad_msrs=0" in lines
    assert "memory: guest=640, host=640" in lines
    assert "clock: sync=none, time0=utc" in lines
    assert "clock: sync=none, time0=1767225600" in settings(bochs, "--icount")


def test_the_users_lines_are_last(bochs):
    bochs.vms = [*bochs.vms, "--", "cpu: ips=1", "e1000: enabled=0"]
    assert settings(bochs)[-2:] == ["cpu: ips=1", "e1000: enabled=0"]


def test_the_debugger_is_asked_why_it_stopped_and_told_to_go_on(bochs):
    script = "for i in range(100): m.log(' '.join(m.prompt(2 * i + 1)) + '\\n')\nm.end_vm(0, 3); m.end()"
    result = bochs.run(script)
    assert result.returncode == 3
    assert result.stderr.count('core: show "cpu0.activity_state" c\n') == 100, result.stderr


def test_a_processor_that_is_shut_down_is_the_cores_end(bochs):
    result = bochs.run("m.log('last words\\n'); m.prompt(1); m.prompt(3, '0x00000002'); time.sleep(60)", seconds=30)
    assert result.returncode == 18 and "triple fault" in result.stderr


def test_frames_come_between_its_words(bochs):
    script = r"""
m.log("core: hello\n")
m.words("some words", (LOG, 255, "root: <bochs:1> \nactivity_state = 0x00000002\n"), "<bochs:", "1> ")
assert sys.stdin.readline().startswith("show")
m.words((CONSOLE, 1, "second\r\n"), b"\xf5no frame\n", (EXIT, 0, struct.pack("<iI112s", 9, 0, b"").decode()))
sys.exit(1)
"""
    result = bochs.run(script, seconds=30)
    assert result.returncode == 9
    assert result.stderr.splitlines() == ["core: hello", "root: <bochs:1> ", "core: activity_state = 0x00000002", "two: second"]


def test_its_input_never_ends(bochs):
    script = "import select\nready = select.select([0], [], [], 1.5)[0]\nm.end_vm(0, 5 if ready else 3); m.end()"
    assert bochs.run(script).returncode == 3


END = "========\nBochs is exiting with the following message:\n%s\n========\n"


@pytest.mark.parametrize(
    "words, script, status, says",
    [
        ("[ACPI  ] ACPI control: soft power off", "m.log('x\\n')", 18, "without a reason"),
        ("[ACPI  ] ACPI control: soft power off", "m.com2.sendall(b'error: file not found.\\n')", 4, "file not found"),
        ("[CPU0  ] something odd", "m.log('x\\n')", 4, "Bochs panicked: [CPU0  ] something odd"),
        ("[ACPI  ] ACPI control: soft power off", "m.end_vm(0, 7); m.frame(MACHINE_END, data=bytes(4))", 7, ""),
        ("[      ] /proc/self/fd/9:17: directive 'x' not understood", "pass", 2, "directive 'x' not understood"),
        ("[MEM0  ] unable to allocate memory", "pass", 12, "memory"),
    ],
)
def test_ends(bochs, words, script, status, says):
    result = bochs.run(f"{script}; m.words({END % words!r}); time.sleep(0.2); sys.exit(1)")
    assert (result.returncode, result.stdout) == (status, ""), result.stderr
    assert says in result.stderr


def test_a_death_before_it_is_up(bochs, monkeypatch):
    monkeypatch.setenv("FAKE_ALONE", "yes")
    result = bochs.run("print('no such thing'); sys.exit(1)")
    assert result.returncode == 4 and "no such thing" in result.stderr
    assert bochs.run("os.abort()").returncode == 4


def test_time_out_before_it_is_up(bochs, monkeypatch):
    monkeypatch.setenv("FAKE_ALONE", "yes")
    result = bochs.run("time.sleep(60)", "--timeout", "1", seconds=20)
    assert result.returncode == 14 and "time-out" in result.stderr


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it(bochs, number, alone, monkeypatch):
    if alone:
        monkeypatch.setenv("FAKE_ALONE", "yes")
    script = f"open('{bochs.folder}/pid', 'w').write(str(os.getpid())); time.sleep(60)"
    with bochs.popen(script, stdin=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 20
        while not ((bochs.folder / "pid").exists() and (bochs.folder / "pid").read_text()) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(number)
        assert process.wait(10) == -number
    assert not pathlib.Path(f"/proc/{(bochs.folder / 'pid').read_text()}").exists()
    assert not list((bochs.folder / "temporary").iterdir())


def test_its_network_is_its_own(bochs):
    """Its display is a server for everybody; a user's lines may want the computer's network."""
    if subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode:
        if subprocess.run(["unshare", "-Un", "true"], capture_output=True, check=False).returncode:
            pytest.skip("no network namespaces here")
    here = os.readlink("/proc/self/ns/net")
    script = "m.log(os.readlink('/proc/self/ns/net') + '\\n'); m.end_vm(0, 3); m.end()"
    assert here not in bochs.run(script).stderr
    bochs.vms = [*bochs.vms, "--", "e1000: enabled=0"]
    assert here in bochs.run(script).stderr


def test_what_is_missing_is_named(bochs, monkeypatch):
    monkeypatch.setenv("GYRE_BOCHS", "/nonexistent/bochs")
    result = bochs.run("")
    assert result.returncode == 4
    assert re.search(r"bochs-bin is missing: .*bochs, bochsbios and seabios", result.stderr)
