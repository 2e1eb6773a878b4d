# SPDX-License-Identifier: Apache-2.0
"""The command beside its machine: consoles, frames, ends and exit codes, the person's terminal. The machine is fake_machine.py, so that it can
also be slow, silent or wrong."""

import json
import os
import pathlib
import re
import signal
import struct
import subprocess
import termios
import time

import pexpect
import pytest
from conftest import ended


def test_consoles_and_logs_go_where_they_belong(fake):
    result = fake.run(
        r"""
m.log("core: hello\nhalf a ")
m.log("line\n")
m.log("root: mine\n")
m.log("monitor's word\n", vm=1)
m.ready()
m.say("first console \x1b[1m\r\n\xff".encode("latin-1"))
m.frame(CONSOLE, 1, "second \x1b[31mcon")
m.frame(CONSOLE, 1, "sole\r\nha\u010d\x1b]2;title\x07e\x9b6nk\x07 ".encode() + b"\xc4 \xe0\x82\x9b6n\r\nno end")
m.log("triple fault at a place with a long name\n", vm=1)
m.end_vm(1, 16, "triple fault at", 3)
m.end_vm(0, 0, "powered off")
m.end(0)
"""
    )
    assert result.returncode == 0
    assert result.stdout == "first console \x1b[1m\n�"
    lines = result.stderr.splitlines()
    expected = ["core: hello", "core: half a line", "root: mine", "two: monitor's word", "two: second console", "two: ha\u010de?6nk  ?6n"]
    assert lines == expected + ["two: triple fault at a place with a long name", "two: no end", "one: powered off"]


@pytest.mark.parametrize(
    "script, status, says",
    [
        ("m.end_vm(0, 7); m.end(4)", 7, ""),
        ("m.end_vm(0, 0, 'powered off'); m.end_vm(1, 7); m.end(4)", 0, "one: powered off"),
        ("m.end_vm(1, 7); m.end(12)", 12, ""),
        ("m.log('SVM is off\\n'); m.end(12)", 12, "core: SVM is off"),
        ("m.end_vm(0, 0); m.frame(PANIC, data='assertion\\nat x'); time.sleep(60)", 18, "core: assertion\ncore: at x"),
        ("m.frame(PANIC, data='this machine has too little memory: x'); time.sleep(60)", 12, "--host-memory"),
        ("m.log('last words\\n'); sys.exit(0)", 18, "last words"),
        ("m.com2.sendall(b'error: out of memory.\\n'); sys.exit(0)", 12, "too little memory"),
        ("m.com2.sendall(b'error: file not found.\\n'); sys.exit(0)", 4, "file not found"),
        ("sys.exit(0)", 4, "before Gyre's core said a word"),
        ("print('no such device', file=sys.stderr); sys.exit(1)", 4, "no such device"),
        ("print('qemu: unable to find CPU model foo'); sys.exit(1)", 2, "unable to find CPU model"),
        ("print('cannot set up guest memory'); sys.exit(1)", 12, "memory"),
        ("os.abort()", 4, "signal 6"),
        ("m.com2.sendall(b'\\xf5\\x47' + bytes(100) + b'\\xf5'); m.end_vm(0, 9); m.end()", 9, ""),
        ("m.frame(77, 3, 'later'); m.frame(EXIT, 9, 'x'); m.frame(CONSOLE, 99, 'x'); m.end_vm(0, 9); m.end()", 9, "makes no sense"),
        ("m.frame(MACHINE_END, data='x'); sys.exit(0)", 0, ""),
        ("m.ready(); m.sequence += 3; m.end_vm(0, 9); m.end()", 9, "frames are missing"),
    ],
)
def test_ends(fake, script, status, says):
    result = fake.run(script)
    assert result.returncode == status, result.stderr
    assert says in result.stderr
    assert result.stdout == ""


def test_a_panic_in_the_middle_of_a_frame_is_seen(fake):
    result = fake.run(
        "m.log('x\\n'); m.com2.sendall(m.header(LOG, 255, 4000) + b'begun'); m.frame(PANIC, data='it broke'); time.sleep(60)", seconds=30
    )
    assert result.returncode == 18 and "core: it broke" in result.stderr


def test_a_frame_whose_rest_comes_late_is_no_broken_one(fake):
    """The emulator stood still in the middle of it, for as long as one likes. A guest's bytes in it must not become frames."""
    script = r"""
m.ready()
forged = m.header(PANIC, 255, 6) + b"forged"
data = on_the_line(forged * 200)
m.com2.sendall(m.header(CONSOLE, 1, len(forged) * 200) + data[:100])
time.sleep(3)
m.com2.sendall(data[100:300])
time.sleep(3)
m.com2.sendall(data[300:])
m.frame(CONSOLE, 1, b"\n")
m.end_vm(0, 0)
m.end()
"""
    result = fake.run(script, seconds=30)
    assert result.returncode == 0 and "core: forged" not in result.stderr
    assert result.stderr.count("forged") == 200


def test_a_frame_that_waits_for_our_reader_is_no_broken_one(fake):
    """Nobody takes standard error for longer than a frame may stall. A guest's bytes, in the one that was begun, must not become frames."""
    script = r"""
m.ready()
forged = m.header(PANIC, 255, 6) + b"forged"
for _ in range(1500):
    m.frame(CONSOLE, 1, forged * 200 + b"\n")
m.end_vm(0, 0)
m.end()
"""
    with fake.popen(script, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        time.sleep(3.5)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 0 and b"core: forged" not in said, said[-200:]
    assert said.count(b"forged") == 1500 * 200


def test_time_out(fake):
    started = time.monotonic()
    result = fake.run("m.log('x\\n'); m.say('begun'); time.sleep(60)", "--timeout", "0.7")
    assert (result.returncode, result.stdout) == (14, "begun")
    assert "time-out" in result.stderr and 0.7 < time.monotonic() - started < 20


def test_a_machine_that_does_not_switch_off_is(fake):
    assert fake.run("m.end_vm(0, 3); m.frame(MACHINE_END, data=bytes(4)); time.sleep(60)", seconds=30).returncode == 3


def test_firmware_that_talks_on_the_consoles_is_not_heard(fake):
    script = "m.say('BdsDxe: hello'); m.com2.sendall(b'BdsDxe: hello'); time.sleep(0.3); m.log('x\\n'); time.sleep(0.3);"
    result = fake.run(script + "m.say('the guest'); m.end_vm(0, 0); m.end()", "--machine-firmware", "uefi")
    assert (result.returncode, result.stdout) == (0, "the guest")


def test_input_waits_for_the_machine_and_its_end_changes_nothing(fake):
    script = r"""
m.com1.settimeout(0.5)
try:
    m.com1.recv(1)
    m.say("too early")
except TimeoutError:
    pass
m.com1.settimeout(20)
m.ready()
m.say(m.line())
time.sleep(0.3)
m.say(b"still here")
m.end_vm(0, 0)
m.end()
"""
    with fake.popen(script, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        output, _ = process.communicate(b"typed \x1d\x03\n", timeout=30)
    assert (process.returncode, output) == (0, b"typed \x1d\x03\nstill here")


def test_long_input_and_output_lose_nothing(fake):
    script = r"""
m.ready()
size = 300000
got = b""
while len(got) < size:
    got += m.com1.recv(65536)
m.say(got)
m.com1.shutdown(1)
m.end_vm(0, 0)
m.end()
"""
    data = bytes(range(256)) * 1200
    with fake.popen(script, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        output, _ = process.communicate(data[:300000], timeout=60)
    assert process.returncode == 0 and output == data[:300000]


def test_a_reader_that_goes_away_ends_the_machine(fake):
    script = "m.ready()\nwhile True:\n m.say('text\\n' * 1000)"
    with fake.popen(script, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.read(10)
        process.stdout.close()
        assert process.wait(20) == 4
        assert b"nobody reads standard output" in process.stderr.read()


def test_closed_streams_are_no_files(fake):
    script = "m.say('x'); m.log('x\\n'); m.end_vm(0, 5); m.end()"
    fake.shell(script, "GYRE <&- >&- 2>&-; echo code $?").expect_exact("code 5\r\n")


def telling_its_pid(fake, script):
    return f"open('{fake.folder}/pid', 'w').write(str(os.getpid())); {script}"


def process_of(fake):
    """The machine's folder in /proc."""
    return pathlib.Path("/proc") / (fake.folder / "pid").read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_end_the_machine_and_then_the_command(fake, number):
    script = telling_its_pid(fake, "m.ready(); m.say('up'); time.sleep(60)")
    with fake.popen(script, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout.read(2) == b"up"
        process.send_signal(number)
        assert process.wait(10) == -number
    assert not process_of(fake).exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_the_command_that_waits_for_its_reader(fake, number):
    """The machine has ended, and nobody takes the rest of its output."""
    script = telling_its_pid(fake, "m.ready(); m.say('x' * 200000); m.end_vm(0, 0); m.end()")
    with fake.popen(script, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout.read(1) == b"x"
        machine = process_of(fake)
        deadline = time.monotonic() + 10
        while machine.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not machine.exists() and process.poll() is None
        process.send_signal(number)
        try:
            assert process.wait(5) == -number
        finally:
            process.kill()


def test_a_command_that_is_killed_takes_its_machine_along(fake):
    script = telling_its_pid(fake, "m.ready(); m.say('up'); time.sleep(60)")
    with fake.popen(script, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout.read(2) == b"up"
        process.kill()
        process.wait(10)
    machine = process_of(fake) / "stat"
    deadline = time.monotonic() + 10
    while machine.exists() and " Z " not in machine.read_text() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not machine.exists() or " Z " in machine.read_text()


def test_trace_and_counters(fake, gyre):
    trace, counters = fake.folder / "trace", fake.folder / "counters.json"
    record = struct.pack("<QQHHIQQQ", 1000, 0x1234, 1, 0, 0x7B, 0x3F8, 0x41, 0x5000)
    figures = struct.pack("<64Q", *range(64)) + struct.pack("<8Q", *range(100, 108)) + bytes(256) + struct.pack("<8Q", *range(8))
    script = f"m.frame(TRACE, 1, bytes.fromhex('{record.hex()}') * 3); m.frame(COUNTERS, 0, bytes.fromhex('{figures.hex()}')); m.end_vm(0, 0); m.end()"
    assert fake.run(script, "--trace", trace, "--counters", counters).returncode == 0
    text = gyre.run("trace", trace).stdout.splitlines()
    assert len(text) == 3 and re.search(r"1000 two/0 IO\s.*1234 detail 3f8 value 41", text[0])
    line = gyre.run("trace", "--json", trace).stdout.splitlines()[0]
    assert json.loads(line)["kind"] == "IO" and json.loads(line)["detail"] == 0x3F8
    read = json.loads(counters.read_text())
    vcpu = read["vcpus"][0]
    assert vcpu["vm"] == "one" and vcpu["exits"]["IO"] == 1 and vcpu["exits"]["CORE_CPUID"] == 34 and vcpu["injected"] == 101
    assert read["core"]["gyre_bytes"] == 1
    trace.write_bytes(trace.read_bytes()[:-10])
    cut = gyre.run("trace", trace)
    assert cut.returncode == 4 and "in the middle of a record" in cut.stderr


# ---- on a terminal ----


def modes(child):
    return termios.tcgetattr(child.child_fd)[:4]


def test_the_terminal_is_raw_and_then_as_before(fake):
    child = fake.spawn(r"m.ready(); m.say('raw\n'); m.say(m.line()); m.log('log\n'); time.sleep(0.2); m.end_vm(0, 0); m.end()")
    child.expect_exact("raw\n")
    assert not modes(child)[3] & (termios.ICANON | termios.ECHO | termios.ISIG)
    child.send("\x03\x1a\x1d\x1d typed\r")
    child.expect_exact("\x03\x1a\x1d typed\r")
    child.expect_exact("core: log\r\n")
    ended(child)


@pytest.mark.parametrize(
    "how, script",
    [
        ("quit", "time.sleep(60)"),
        ("quit early", "time.sleep(60)"),
        ("term", "time.sleep(60)"),
        ("segv", "time.sleep(60)"),
        ("machine dies", "os.abort()"),
        ("time-out", "time.sleep(60)"),
    ],
)
def test_the_terminal_is_restored_whatever_happens(fake, how, script):
    """Under a shell, whose terminal outlives the command."""
    script = "m.say('ready'); " + ("" if how == "quit early" else "m.ready(); ") + script
    child = fake.shell(script, "stty -a; GYRE; echo code $?; stty -a; echo end", *(["--timeout", "1"] if how == "time-out" else []))
    child.expect(r"speed.*?\r\n(.*?)\r\n?ready")
    before = child.match.group(1)
    if how.startswith("quit"):
        child.send("\x1dq")
    elif how in ("term", "segv"):
        children = pathlib.Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGTERM if how == "term" else signal.SIGSEGV)
    child.expect(r"code (\d+)")
    assert int(child.match.group(1)) == {"quit": 0, "quit early": 0, "term": 143, "segv": 139, "machine dies": 4, "time-out": 14}[how]
    child.expect(r"speed.*?\r\n(.*?)\r\nend\r\n")
    assert child.match.group(1).split() == before.split()
    child.expect(pexpect.EOF)


def test_quit_asks_the_machine_first(fake):
    script = """
m.ready()
m.say('up')
kind = m.receive_frame()[0]
m.log(f'asked {kind == QUIT}\\n')
m.end_vm(0, 8)
m.end(8)
"""
    child = fake.spawn(script)
    child.expect_exact("up")
    child.send("\x1dq")
    child.expect_exact("core: asked True\r\n")
    ended(child)


def test_a_digit_shows_another_vm(fake):
    script = r"""
m.ready()
m.say("one speaks\r\n")
kind, vm, data = m.receive_frame()
m.frame(CONSOLE, 1, b"two got " + data + b"\r\n")
m.say("one behind\r\n")
time.sleep(0.3)
m.log("words about one\n", vm=0)
m.line()
m.frame(CONSOLE, 1, b"two behind\r\n")
m.log("words about two\n", vm=1)
m.log("words about all\n")
m.end_vm(1, 0, "powered off")
m.line()
m.end_vm(0, 0)
m.end()
"""
    child = fake.spawn(script)
    child.expect_exact("one speaks")
    child.send("\x1d2abc")
    child.expect_exact("gyre: this is two, 2 of 2, running")
    child.expect_exact("two got abc")
    child.send("\x1d9")
    child.expect_exact("there is no VM 9")
    assert "one behind" not in child.before and "words" not in child.before
    child.send("\x1d1x\r")
    child.expect_exact("gyre: this is one, 1 of 2, running")
    child.expect_exact("one speaks")
    child.expect_exact("one behind\r")
    child.expect_exact("one: words about one\r")
    child.expect_exact("core: words about all\r\n")
    child.expect_exact("two: powered off\r\n")
    child.send("\x1dn")
    child.expect_exact("gyre: this is two, 2 of 2, ended: powered off")
    child.expect_exact("two got abc\r")
    child.expect_exact("two behind\r")
    child.expect_exact("two: words about two\r")
    child.send("\x1dp\r")
    ended(child)


def test_one_can_look_back_in_a_console(fake):
    script = r"""
m.ready()
for i in range(300):
    m.say(f"line {i}.\r\n")
m.line()
m.say("typed\r\n")
m.line()
m.end_vm(0, 0)
m.end()
"""
    child = fake.spawn(script)
    child.expect_exact("line 299.\r\n")
    child.send("\x1d[")
    child.expect_exact("one, looking back")
    child.send("/line 123.\r")
    child.expect_exact("\x1b[2Jline 123.\r")
    child.expect_exact("line 124.\r")
    child.send("\x1b")
    child.expect_exact("gyre: this is one")
    child.expect_exact("line 299.\r")
    child.send("\r")
    child.expect_exact("typed")
    child.send("\r")
    ended(child)


def peak_kib(pid):
    return int(re.search(r"VmHWM:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1))


HOSTILE = r"\x1b[6n\x1b[c\x1bP$qm\x1b\\\x1b]11;?\x07\x05\x1b[21t\x1b[?1003h\x1b[8;1;1t hostile"


def test_a_hidden_vm_reaches_neither_the_terminal_nor_memory(fake):
    """A51: it writes without an end, without a line end, and asks the terminal for answers."""
    script = rf"""
m.ready()
m.say("one is up\r\n")
block = b"{HOSTILE}" * 100
for _ in range(20):
    for _ in range(600):
        m.frame(CONSOLE, 1, block[:4096])
    m.log(b"\x1b[6n\x1b]2;" * 400, vm=1)
m.frame(CONSOLE, 1, b"\r\nthe end of it\r\n")
m.say("one is still up\r\n")
m.line()
m.say("one heard\r\n")
m.line()
m.end_vm(0, 0)
m.end()
"""
    child = fake.spawn(script)
    child.expect_exact("one is up\r\n")
    child.expect_exact("one is still up\r\n", timeout=60)
    assert child.before == ""
    child.send("\r")
    child.expect_exact("one heard\r\n")
    assert child.before == ""
    assert peak_kib(child.pid) < 16_000
    child.send("\x1d2")
    child.expect_exact("gyre: this is two")
    child.expect_exact("\r\n")
    child.expect_exact("the end of it\r")
    assert re.fullmatch(r"[ \r\n?a-z;0-9]*", child.before), repr(child.before)
    # What the terminal answers all the same is typed into neither.
    child.send("\x1b[1;1R\x1b[?1;2c\x1d1")
    child.expect_exact("gyre: this is one")
    child.send("\r")
    ended(child)


def test_a_vm_that_is_shown_and_writes_without_an_end_can_be_left(fake):
    script = r"""
import threading
m.ready()
m.say("one is up\r\n")
def flood():
    while True:
        m.frame(CONSOLE, 1, b"flood " * 600)
threading.Thread(target=flood, daemon=True).start()
m.line()
m.end_vm(0, 0)
m.end()
"""
    child = fake.spawn(script)
    child.expect_exact("one is up\r\n")
    child.send("\x1d2")
    child.expect_exact("flood " * 50)
    # Nobody reads the terminal for a while: the machine waits, and nothing piles up.
    time.sleep(2)
    assert peak_kib(child.pid) < 16_000
    child.send("\x1d1")
    child.expect_exact("gyre: this is one")
    child.expect_exact("one is up")
    child.send("\x1dq")
    ended(child)


def test_a_switch_key_inside_an_answer_is_none_where_only_input_is_a_terminal(fake):
    """The viewed VM's bytes go to standard error, which is a terminal: what it says there on the VM's word must not switch."""
    script = r"""
m.ready()
m.frame(CONSOLE, 1, b"two\r\n")
m.log(repr(m.receive_frame()) + "\n")
m.log(repr(m.receive_frame()) + "\n")
m.end_vm(0, 0)
m.end()
"""
    child = fake.shell(script, f"GYRE >{fake.folder}/out; echo code $?")
    child.expect_exact("two: two")
    child.send("\x1d2")
    child.expect_exact("this is two")
    child.send("\x1b]l\x1d1\x1dq\x1b\\")
    child.expect_exact(repr((2, 1, b"\x1b]l\x1d1\x1dq\x1b\\")))
    child.send("\x1d1\x1d2x")
    child.expect_exact("this is one")
    child.expect_exact(repr((2, 1, b"x")))
    child.expect_exact("code 0")


@pytest.mark.parametrize("which", ["input", "output"])
def test_without_a_terminal_on_both_sides_nothing_is_repainted(fake, which):
    """Scripts see the first VM's bytes on standard output and lines with names on standard error, as without any terminal."""
    script = r"""
m.ready()
m.say("one \x1b[6n\r\n")
m.frame(CONSOLE, 1, b"two\r\n")
m.end_vm(0, 0)
m.end()
"""
    folder = fake.folder
    rest = f">{folder}/out 2>{folder}/err" if which == "input" else f"</dev/null 2>{folder}/err"
    child = fake.shell(script, f"GYRE {rest}; echo code $?")
    child.expect_exact("code 0")
    output = (folder / "out").read_bytes().decode() if which == "input" else child.before
    assert "one \x1b[6n\r" in output and "two" not in output and "gyre: this is" not in output
    assert "two: two" in (folder / "err").read_text()
