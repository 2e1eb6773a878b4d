# SPDX-License-Identifier: Apache-2.0
"""Consoles of several VMs on one terminal, switched by hand: by the command, at the other end of an emulated machine's frames, and by the console
service, on a machine that has COM1 alone. test_session.py and test_console.c have the details."""

import re
import shutil

import pexpect
import pytest
from conftest import PROMPT, ROOT, ended
from test_root import file_offset

NAME = "test kernel: "
# It goes on for as long as the test does; what it leaves out ends QEMU itself.
HOSTILE = "seed=3 steps=1000000000 without=breakpoints,cr,ltr,sysenter"
VENDOR_FREE = "on Bochs, test_switching_among_small_guests does it: three boots of Debian take minutes there"


def small(gyre, name, what):
    return ["--vm", name, "--kernel", gyre.build / "guests/testkernel.elf", "--append", what, "--memory", "32M", "--test-device"]


def show(child, number, name, state="running"):
    child.send(f"\x1d{number}")
    child.expect_exact(f"gyre: this is {name}, {number} of ")
    child.expect_exact(state)
    child.expect(r"keys\x1b\[0m\r+\n")


def expect_all(child, *texts):
    """In any order."""
    left = list(texts)
    while left:
        left.pop(child.expect_exact(left))


def shell(child, line):
    """What a guest's shell prints for a line."""
    child.send(line + "\r")
    child.expect_exact(line)
    child.expect(r"\n(.*?)" + re.escape(PROMPT))
    return child.match.group(1)


# ---- by the command ----


@pytest.mark.both_vendors
def test_switching_among_small_guests(gyre):
    child = gyre.spawn(*small(gyre, "first", "echo"), *small(gyre, "second", "echo"), *small(gyre, "third", "exit 3"))
    expect_all(child, NAME, "third: exit code 7")
    show(child, 2, "second")
    child.expect_exact(NAME)
    child.send("from here\r")
    child.expect_exact('heard "from here"')
    show(child, 3, "third", "ended")
    child.expect_exact(NAME)
    show(child, 2, "second")
    child.expect_exact(NAME)
    child.expect_exact('heard "from here"')
    child.send("exit 4\r")
    child.expect_exact("second: exit code 9")
    show(child, 1, "first")
    child.send("exit 6\r")
    ended(child, 13)


@pytest.mark.qemu_only(VENDOR_FREE)
def test_switching_among_debian_guests_beside_a_hostile_one(gyre):
    guests = gyre.build / "guests"
    names = ("red", "green", "blue")
    words = []
    for name in names:
        words += ["--vm", name, *gyre.debian("quiet", memory="128M")[2:]]
    words += ["--vm", "hostile", "--kernel", guests / "hostile.elf", "--append", HOSTILE, "--memory", "32M", "--test-device"]
    child = gyre.spawn(*words, seconds=120)
    for number, name in enumerate(names, 1):
        if number > 1:
            show(child, number, name)
        child.expect_exact("Gyre guest: Debian kernel")
        child.expect_exact(PROMPT)
        assert name in shell(child, f"echo this-is-$((1000+{number}))-{name}")
    for number, name in enumerate(names, 1):
        show(child, number, name)
        # What was said before is there again.
        child.expect_exact(f"this-is-{1000 + number}-{name}")
        child.expect_exact(PROMPT)
    # Words that ask a terminal for answers, from a guest that is not shown: they wait until it is asked what it said.
    assert shell(child, "(sleep 2; printf '\\033[6n\\033[c\\033]11;?\\007hid''den') &") == ""
    show(child, 1, "red")
    child.expect_exact(PROMPT)
    assert "5" in shell(child, "sleep 4; echo $((2+3))")
    assert "hidden" not in child.before and "\x1b[c" not in child.before
    show(child, 3, "blue")
    child.expect_exact("hidden")
    assert "\x1b[6n" not in child.before and "\x1b[c" not in child.before and "\x1b]" not in child.before
    # Looking back, while the guest goes on.
    shell(child, "seq 1000 1200")
    child.send("\x1d[")
    child.expect_exact("blue, looking back")
    child.send("/this-is\r")
    child.expect_exact("this-is-1003-blue")
    child.send("q")
    child.expect_exact("1200\r")
    child.expect_exact(PROMPT)
    for number, name in reversed(list(enumerate(names, 1))):
        if number < 3:
            show(child, number, name)
            child.expect_exact(PROMPT)
        child.send("poweroff\r")
        if number > 1:
            child.expect_exact(f"{name}: ")
    # The hostile one may run yet.
    if child.expect([pexpect.EOF, "red: "]) == 1:
        child.send("\x1dq")
        child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


# ---- on COM1 alone ----


def boot_alone(gyre, tmp_path, *words, memory="384", seconds=60):
    """An image, on a machine that has one serial port and nobody who knows frames."""
    iso = tmp_path / "gyre.iso"
    result = gyre.run("image", "-o", iso, *words)
    assert result.returncode == 0, result.stderr
    machine = ["-M", "q35", "-cpu", "EPYC,+svm,+npt", "-m", memory, "-display", "none", "-no-reboot", "-net", "none", "-cdrom", str(iso)]
    machine += ["-chardev", "stdio,id=com1,signal=off", "-serial", "chardev:com1"]
    child = pexpect.spawn("qemu-system-x86_64", machine, timeout=seconds, encoding="utf-8", codec_errors="replace", cwd=str(ROOT))
    gyre.children.append(child)
    return child


def test_the_console_service_on_com1_alone(gyre, tmp_path):
    child = boot_alone(gyre, tmp_path, *small(gyre, "first", "echo"), *small(gyre, "second", "echo"), *small(gyre, "third", "exit 3"))
    expect_all(child, NAME, "third has ended with 7")
    show(child, 2, "second")
    child.expect_exact(NAME)
    child.send("x" * 60 + "\r")
    child.expect_exact('heard "' + "x" * 60)
    # The first's monitor has a channel as others do.
    show(child, 1, "first")
    child.send("hello\x1d\x1d\r")
    child.expect_exact('heard "hello\x1d')
    show(child, 3, "third", "ended")
    child.expect_exact(NAME)
    show(child, 2, "second")
    child.expect_exact('heard "' + "x" * 60)
    child.send("\x1d[")
    child.expect_exact("second, looking back")
    # A key of four bytes, which arrive one by one; then an Esc that is no key's beginning.
    child.send("\x1b[5~")
    child.expect_exact("second, looking back")
    child.send("\x1b")
    child.expect_exact("gyre: this is second")
    child.send("\x1dq")
    child.expect_exact("the machine is off when its VMs are")
    child.send("exit 4\r")
    child.expect_exact("second has ended with 9")
    show(child, 1, "first")
    child.send("exit 6\r")
    child.expect_exact("first has ended with 13")
    ended(child)


def test_much_output_on_com1_loses_nothing(gyre, tmp_path):
    """The shown VM waits for the line, and nobody else does."""
    words = [*gyre.debian("quiet", memory="128M"), *small(gyre, "second", "echo")]
    child = boot_alone(gyre, tmp_path, *words, memory="640", seconds=120)
    child.expect_exact("Gyre guest: Debian kernel")
    child.expect_exact(PROMPT)
    numbers = shell(child, "seq 1 1500").split()
    assert numbers == [str(i) for i in range(1, 1501)]
    child.send("yes endless\r")
    child.expect(r"endless\r+\nendless")
    show(child, 2, "second")
    child.expect_exact(NAME)
    child.send("hello\r")
    child.expect_exact('heard "hello"')
    assert "endless" not in child.before
    child.send("exit 4\r")
    child.expect_exact("second has ended with 9")
    child.send("\x1d1\x03")
    child.expect_exact("gyre: this is debian")
    child.expect_exact(PROMPT)
    child.send("poweroff\r")
    ended(child)


def test_a_console_service_that_crashes_is_replaced_and_no_vm_suffers(gyre, tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    for name in ("gyre-core.elf", "root.elf", "monitor.elf", "console.elf"):
        shutil.copy(gyre.build / name, folder / name)
    service = folder / "console.elf"
    data, offset = bytearray(service.read_bytes()), file_offset(service, "look_begin")
    data[offset : offset + 2] = b"\x0f\x0b"
    service.write_bytes(bytes(data))
    words = ["--lib-dir", folder, "--core-option", "accounts=on", *small(gyre, "first", "echo"), *small(gyre, "second", "echo")]
    child = boot_alone(gyre, tmp_path, *words)
    child.expect_exact(NAME)
    for _ in range(3):
        child.send("\x1d[")
        child.expect_exact("the console service crashed: it is started again")
        child.send("hello\r")
        child.expect_exact('heard "hello"')
    child.send("\x1d2exit 4\r")
    child.expect_exact("second has ended with 9")
    child.send("\x1d1exit 4\r")
    child.expect(r"accounts after: ([^\r]*)")
    assert "accounts differ" not in child.before
    ended(child)
