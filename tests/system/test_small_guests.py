# SPDX-License-Identifier: Apache-2.0
"""Gyre with a small kernel of our own (guests/tests/kernel.c): exit codes, resets, crashes, consoles. A boot takes a second or two on QEMU, three or more
on Bochs."""

import json
import re
import subprocess
import time

import pytest
from conftest import ended

NAME = "test kernel: "
pytestmark = pytest.mark.both_vendors


@pytest.fixture
def kernel(build):
    return build / "guests/testkernel.elf"


@pytest.fixture
def boot(gyre, kernel):
    """boot("exit 3", options) with the test device, in 32 MiB."""

    def run(what, *options, vm=(), seconds=60, **more):
        words = ["--vm", "small", "--kernel", kernel, "--append", what, "--memory", "32M", "--test-device", *vm]
        return gyre.emulate(*options, *words, seconds=seconds, **more)

    return run


@pytest.mark.parametrize("value", [0, 21, 200])
def test_debug_exit_gives_the_code(boot, kernel, value):
    result = boot(f"exit {value}")
    assert result.returncode == (2 * value + 1) & 255, result.stderr
    assert re.fullmatch(rf'{NAME}"{re.escape(str(kernel))} exit {value}", upper memory \d+ KiB\n', result.stdout)
    assert int(re.search(r"memory (\d+)", result.stdout).group(1)) >= 30 * 1024


def test_without_the_test_device_there_is_no_exit_port(gyre, kernel):
    words = ["--vm", "small", "--kernel", kernel, "--append", "exit 3", "--memory", "32M"]
    result = gyre.emulate(*words, seconds=5)
    assert result.returncode == 14 and "there is no debug-exit port" in result.stdout


def test_triple_fault(boot):
    result = boot("triple", "--no-reboot")
    assert result.returncode == 16 and result.stdout.count(NAME) == 1
    assert re.search("triple.fault", result.stderr)


@pytest.mark.parametrize("what", ["triple", "reset-kbd", "reset-cf9"])
def test_a_reset_starts_the_vm_again(gyre, kernel, what):
    child = gyre.spawn("--vm", "small", "--kernel", kernel, "--append", what, "--memory", "32M", "--test-device")
    for _ in range(5):
        child.expect_exact(NAME)
    child.send("\x1dq")
    ended(child)


@pytest.mark.parametrize("what", ["reset-kbd", "reset-cf9"])
def test_no_reboot(boot, what):
    result = boot(what, "--no-reboot")
    assert result.returncode == 0 and result.stdout.count(NAME) == 1, result.stderr


def test_a_jump_to_unmapped_memory(boot):
    result = boot("unmapped", "--no-reboot")
    assert result.returncode == 16, result.stderr
    assert "d0000000" in result.stderr


@pytest.mark.parametrize("what", ["spin", "halt"])
def test_time_out(gyre, boot, what):
    started = time.monotonic()
    result = boot(what, seconds=4)
    assert result.returncode == 14 and NAME in result.stdout
    assert time.monotonic() - started < 15 + 4 * gyre.patience


def test_modules_arrive_with_their_arguments(boot, tmp_path):
    (tmp_path / "first").write_text("first module's content")
    (tmp_path / "second").write_text("2nd")
    words = ["--initrd", f"{tmp_path}/first one  two", "--initrd", tmp_path / "second"]
    result = boot("modules", vm=words)
    assert result.returncode == 1, result.stderr
    assert f'module "{tmp_path}/first one  two" 22 bytes: first module\'s c\n' in result.stdout
    assert re.search(rf'module "{tmp_path}/second ?" 3 bytes: 2nd\n', result.stdout)
    assert "not on a page" not in result.stdout


def test_what_the_guest_sees_of_its_processor(boot):
    result = boot("cpuid")
    assert result.returncode == 1, result.stderr
    assert "KVMKVMKVM" in result.stdout or "Gyre" in result.stdout
    assert "AuthenticAMD" in result.stdout


def test_no_byte_of_a_long_output_is_lost(boot):
    result = boot("flood 64")
    assert result.returncode == 1
    line = "0123456789abcdef" * 4
    assert result.stdout.split("\n", 1)[1] == (line[:-1] + "\n") * 1024


def test_typed_lines_arrive(gyre, kernel):
    words = ["--vm", "small", "--kernel", str(kernel), "--append", "echo", "--memory", "32M", "--test-device"]
    child = gyre.spawn(*words)
    child.expect_exact(NAME)
    child.expect("KiB\n")
    for line in ("hello", "x" * 60, "Ctrl-C is \x03"):
        child.send(line + "\r")
        child.expect_exact(f'heard "{line}"\n')
    child.send("exit 4\r")
    child.wait()
    child.close()
    assert child.exitstatus == 9


def test_input_in_a_rush_waits_for_the_guest(gyre, kernel):
    words = gyre.words("--vm", "small", "--kernel", kernel, "--append", "echo", "--memory", "32M", "--test-device", seconds=60)
    lines = [f"line {i} of many" for i in range(300)]
    # The guest empties its receiver at its start, as kernels do: what it loses then is the first line's.
    typed = "\n" + "".join(f"{line}\n" for line in lines) + "exit 5\n"
    result = subprocess.run([gyre.program, *words], input=typed, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 11
    assert re.findall(r'heard "(.*)"', result.stdout)[-len(lines) :] == lines


def test_a_vm_from_a_description(gyre, kernel, tmp_path):
    (tmp_path / "kernel").write_bytes(kernel.read_bytes())
    (tmp_path / "module").write_text("content")
    text = "kernel: kernel\nappend: modules\nmemory: 32M\ntest_device: true\ninitrd: [{file: module, arguments: 'a  b'}]\n"
    (tmp_path / "small.yaml").write_text(text)
    result = gyre.emulate(tmp_path / "small.yaml", seconds=60)
    assert result.returncode == 1, result.stderr
    assert 'test kernel: "kernel modules"' in result.stdout and 'module "module a  b" 7 bytes: content' in result.stdout


def test_two_vms(gyre, kernel):
    words = ["--vm", "first", "--kernel", kernel, "--append", "exit 5", "--memory", "32M", "--test-device"]
    words += ["--vm", "second", "--kernel", kernel, "--append", "exit 6", "--memory", "32M", "--test-device"]
    result = gyre.emulate(*words, seconds=60)
    assert result.returncode == 11, result.stderr
    assert result.stdout.count(NAME) == 1 and "exit 5" in result.stdout
    assert re.search(rf"^second: {NAME}.*exit 6", result.stderr, re.M)


def test_the_machine_runs_until_all_vms_have_ended(gyre, kernel):
    words = ["--vm", "first", "--kernel", kernel, "--append", "exit 5", "--memory", "32M", "--test-device"]
    words += ["--vm", "second", "--kernel", kernel, "--append", "spin", "--memory", "32M", "--test-device"]
    result = gyre.emulate(*words, seconds=6)
    assert result.returncode == 14 and "exit 5" in result.stdout, result.stderr


def test_a_guest_that_keeps_interrupts_off_keeps_nobody_waiting(gyre, kernel, tmp_path):
    """On Bochs no interrupt of the host makes it leave, so there it is the processor's own limit that does."""
    words = ["--counters", tmp_path / "counters", "--vm", "spinner", "--kernel", kernel, "--append", "spin", "--memory", "32M", "--test-device"]
    words += ["--vm", "other", "--kernel", kernel, "--append", "echo", "--memory", "32M", "--test-device"]
    result = gyre.emulate(*words, seconds=8)
    assert result.returncode == 14, result.stderr
    assert re.search(r"^other: test kernel: .* upper memory 31744 KiB$", result.stderr, re.M), result.stderr


def test_real_mode_and_back(boot):
    result = boot("real")
    assert result.returncode == 1 and "back from real mode" in result.stdout, result.stderr


def test_trace_has_the_exits(gyre, boot, tmp_path):
    assert boot("exit 3", "--trace", tmp_path / "trace", "--counters", tmp_path / "counters").returncode == 7
    lines = gyre.run("trace", tmp_path / "trace").stdout.splitlines()
    text = [line for line in lines if re.search(r"small/0 IO .* detail 3f8 ", line)]
    assert len(text) > 30
    assert re.search(r"small/0 IO .* detail f4 value 3 ", lines[-1])


def test_the_same_under_icount_twice(boot, tmp_path):
    first = boot("flood 1", "--icount", "--counters", tmp_path / "first")
    second = boot("flood 1", "--icount", "--counters", tmp_path / "second")
    assert first.returncode == second.returncode == 1 and first.stdout == second.stdout
    counters = [json.loads((tmp_path / name).read_text())["vcpus"] for name in ("first", "second")]
    assert counters[0] == counters[1] and counters[0][0]["exits"]["IO"] > 2000


@pytest.mark.qemu_only("the command is not there: on Bochs, test_bochs.py does it")
@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_the_image_boots_by_itself(gyre, build, kernel, tmp_path, firmware):
    iso = tmp_path / "gyre.iso"
    words = ["--vm", "small", "--kernel", kernel, "--append", "exit 3", "--memory", "32M", "--test-device"]
    assert gyre.run("image", "-o", iso, *words).returncode == 0
    qemu = ["qemu-system-x86_64", "-M", "q35", "-cpu", "EPYC,+svm,+npt", "-m", "512", "-display", "none", "-no-reboot", "-net", "none"]
    qemu += ["-serial", "stdio", "-cdrom", iso] + (["-bios", "/usr/share/ovmf/OVMF.fd"] if firmware == "uefi" else [])
    output = subprocess.run(
        qemu, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=60, check=True
    ).stdout
    assert NAME in output and "exit 3" in output
