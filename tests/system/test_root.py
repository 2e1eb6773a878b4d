# SPDX-License-Identifier: Apache-2.0
"""Root on whole machines: a monitor that crashes takes its own VM along and nothing else, everything comes back when VMs end, and the consoles that
go through root."""

import re
import struct
import subprocess

import pytest
from oracle import folder_with

NAME = "test kernel: "
pytestmark = pytest.mark.both_vendors
FAILED = 4


@pytest.fixture
def kernel(build):
    return build / "guests/testkernel.elf"


def vm(name, kernel, what):
    return ["--vm", name, "--kernel", str(kernel), "--append", what, "--memory", "32M", "--test-device"]


def file_offset(elf, symbol):
    """Where a symbol's bytes lie in a static ELF64 file."""
    names = subprocess.run(["nm", elf], capture_output=True, text=True, check=True).stdout
    address = int(re.search(rf"^([0-9a-f]+) . {symbol}$", names, re.M).group(1), 16)
    data = elf.read_bytes()
    first, count = struct.unpack_from("<Q", data, 32)[0], struct.unpack_from("<H", data, 56)[0]
    for i in range(count):
        _, _, offset, virtual, _, in_file, _, _ = struct.unpack_from("<IIQQQQQQ", data, first + i * 56)
        if virtual <= address < virtual + in_file:
            return offset + address - virtual
    raise AssertionError(f"{symbol} is in no segment")


def accounts(stderr):
    lines = re.findall(r"accounts (\w+): (.*)", stderr)
    assert [when for when, _ in lines] == ["before", "after"], stderr
    return [figures for _, figures in lines]


@pytest.fixture
def crashing(build, tmp_path):
    """A folder with Gyre, whose monitor runs into an undefined instruction when its guest ends the VM."""
    folder = folder_with(build, build / "gyre-core.elf", tmp_path / "lib")
    monitor = folder / "monitor.elf"
    data, offset = bytearray(monitor.read_bytes()), file_offset(monitor, "engine_end")
    data[offset : offset + 2] = b"\x0f\x0b"
    monitor.write_bytes(bytes(data))
    return folder


def test_a_monitor_that_crashes_is_reported_and_nothing_is_left(gyre, kernel, crashing):
    result = gyre.emulate("--lib-dir", crashing, "--core-option", "accounts=on", *vm("small", kernel, "exit 3"), seconds=60)
    assert result.returncode == FAILED, result.stderr
    assert NAME in result.stdout
    assert re.search(r"^small: .*monitor crashed: trap 6,", result.stderr, re.M)
    assert len(re.findall(r"\b(rax|rbx|rsp|r15) [0-9a-f]{16}", result.stderr)) == 4
    # Who called whom, from the newest on: the end of the VM was asked for by what runs the machine.
    callers = re.search(r"^root: small: called from((?: [0-9a-f]+)+) ", result.stderr, re.M).group(1).split()
    names = subprocess.run(["addr2line", "-fe", crashing / "monitor.elf", *callers], capture_output=True, text=True, check=True).stdout.split()[::2]
    assert names[0] == "answer_request" and "native_main" in names, names
    before, after = accounts(result.stderr)
    assert before == after
    assert "accounts differ" not in result.stderr


def test_everything_comes_back_when_vms_end(gyre, kernel):
    words = vm("first", kernel, "exit 5") + vm("second", kernel, "exit 6") + vm("third", kernel, "triple")
    result = gyre.emulate("--core-option", "accounts=on", "--no-reboot", *words, seconds=60)
    assert result.returncode == 11, result.stderr
    before, after = accounts(result.stderr)
    assert before == after


def test_a_second_vm_has_a_console_both_ways(gyre, kernel):
    child = gyre.spawn(*vm("first", kernel, "echo"), *vm("second", kernel, "echo"))
    child.expect_exact(NAME)
    child.send("\x1d2")
    child.expect_exact("gyre: this is second")
    child.expect_exact(NAME)
    for line in ("hello", "y" * 60):
        child.send(line + "\r")
        child.expect_exact(f'heard "{line}"')
    child.send("exit 4\r")
    child.expect("\nsecond: ")
    child.send("\x1d1")
    child.send("exit 6\r")
    child.wait()
    child.close()
    assert child.exitstatus == 13


def test_a_call_between_processes_is_measured(gyre, kernel, tmp_path):
    words = ["--core-option", "measure=ipc", "--counters", tmp_path / "counters"]
    result = gyre.emulate("--icount", *words, *vm("small", kernel, "exit 3"), seconds=60)
    assert result.returncode == 7, result.stderr
    ticks = int(re.search(r"call and reply between two processes take (\d+) ticks", result.stderr).group(1))
    assert 50 < ticks < 2000
    assert f'"ipc": {ticks}' in (tmp_path / "counters").read_text()


@pytest.mark.qemu_only("shares of time are exact where instructions are counted")
def test_a_monitor_that_storms_root_takes_no_others_time(gyre, build, kernel, tmp_path):
    """A51: it wakes root without end and has always something for it to carry (tests/hostile); another monitor counts how far it comes, as beside a peaceful one."""
    folder = folder_with(build, build / "gyre-core.elf", tmp_path / "lib", monitor="hostile.elf")
    rounds = []
    for other in ("worker", "storm"):
        words = [*vm("one", kernel, "worker ms=200"), *vm("two", kernel, f"{other} ms=200")]
        result = gyre.emulate("--icount", "--lib-dir", folder, *words, seconds=60)
        assert result.returncode == 7, result.stderr
        rounds.append(int(re.search(r"\[1\] worker: (\d+) rounds", result.stderr).group(1)))
    print(rounds)
    assert rounds[1] > 0.9 * rounds[0], rounds


@pytest.mark.qemu_only("the machine's clock counts instructions")
def test_a_large_vm_that_starts_keeps_nobody_waiting(gyre, build, kernel, tmp_path):
    """Its 1 GiB are cleared while another VM runs (tests/hostile: victim), whose timer is never late by 50 ms."""
    folder = folder_with(build, build / "gyre-core.elf", tmp_path / "lib", monitor="hostile.elf")
    large = ["--vm", "large", "--kernel", str(kernel), "--append", "worker ms=1", "--memory", "1G", "--restart", "always", "--restart-limit", "1"]
    words = ["--icount", "--core-option", "accounts=on", "--lib-dir", folder]
    result = gyre.emulate(*words, *vm("small", kernel, "victim beats=130 gap=50"), *large, seconds=90)
    assert result.returncode == 7, result.stderr
    assert "small: all is well" in result.stderr and "large is started again" in result.stderr, result.stderr
    before, after = accounts(result.stderr)
    assert before == after and "accounts differ" not in result.stderr
