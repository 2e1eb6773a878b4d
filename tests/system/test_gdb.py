# SPDX-License-Identifier: Apache-2.0
"""--gdb: Debian's gdb on a guest's kernel, through its monitor; and what else comes to the port. What a debugger changed is judged by what the guest then
says of itself."""

import re
import socket
import subprocess
import time

import pytest

from conftest import ROOT, is_bochs

pytestmark = pytest.mark.both_vendors


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Debugged:
    """A machine whose first VM can be debugged."""

    def __init__(self, gyre, tmp_path, *words):
        self.port = free_port()
        self.errors = tmp_path / "stderr"
        self.output = tmp_path / "stdout"
        seconds = 60 * gyre.patience
        command = [gyre.program, *gyre.words("--timeout", seconds, "--gdb", self.port, *words)]
        with open(self.output, "wb") as output, open(self.errors, "wb") as errors:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, cwd=ROOT)
        self.patience = gyre.patience
        self.until(lambda: b"a debugger may come" in self.errors.read_bytes())

    def until(self, true, seconds=60):
        end = time.monotonic() + seconds * self.patience
        while not true():
            assert self.process.poll() is None and time.monotonic() < end, self.said() + self.errors.read_text(errors="replace")
            time.sleep(0.05)

    def said(self):
        return self.output.read_text(errors="replace").replace("\r", "")

    def gdb(self, symbols, *commands):
        """What gdb says to these commands."""
        words = ["gdb", "-q", "-nx", "-batch", "-ex", "set remotetimeout 60", "-ex", "set pagination off", "-ex", "set confirm off"]
        for command in [f"target remote 127.0.0.1:{self.port}", *commands]:
            words += ["-ex", command]
        done = subprocess.run([*words, *symbols], capture_output=True, text=True, errors="replace", timeout=60 * self.patience, check=False)
        return done.stdout + done.stderr

    def end(self):
        return self.process.wait(60 * self.patience)

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)


@pytest.fixture
def debugged(gyre, tmp_path):
    started = []

    def start(*words):
        started.append(Debugged(gyre, tmp_path, *words))
        return started[-1]

    yield start
    for one in started:
        one.close()


class Raw:
    """The protocol by hand: what gdb itself would hide."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.rest = b""

    def send(self, text):
        data = text.encode()
        self.socket.sendall(b"$" + data + b"#%02x" % (sum(data) & 255))

    def answer(self):
        while not (match := re.search(rb"\$([^#]*)#[0-9a-f]{2}", self.rest)):
            data = self.socket.recv(4096)
            assert data, "the port was closed"
            self.rest += data
        self.rest = self.rest[match.end() :]
        self.socket.sendall(b"+")
        return match.group(1).decode("latin-1")

    def ask(self, text):
        self.send(text)
        return self.answer()

    def number(self, address):
        return int.from_bytes(bytes.fromhex(self.ask(f"m{address:x},8")), "little")

    def close(self):
        self.socket.close()


def symbols_of(path):
    words = subprocess.run(["nm", path], capture_output=True, text=True, check=True).stdout.split("\n")
    return {line.split()[2]: int(line.split()[0], 16) for line in words if len(line.split()) == 3}


@pytest.fixture
def guest(build):
    """The guest that is debugged: what to start it by, and its file with symbols."""
    words = ["--vm", "small", "--kernel", build / "guests/debug.elf", "--memory", "16M", "--test-device", "--append"]
    return words, build / "guests/debug.elf.64"


def test_break_look_step_and_change(debugged, guest):
    """Breakpoints by name, registers, single steps over all that is special, and what the debugger sets is what the guest goes on with."""
    words, symbols = guest
    names = symbols_of(symbols)
    session = debugged(*words, "-")
    step = ["stepi", "output $pc", 'echo \\n']
    said = session.gdb(
        [symbols],
        *("info registers cr0 cr3 efer cs", "break work", "continue", "backtrace", "print value", "set var value = 100"),
        *("delete", "break flags_read", "continue", "set var answer = 5", "echo three\\n", "x/4i $pc", *step * 3),
        # Through PUSHF, STI and CLI to the function's end; then each of the special ones.
        *("finish", "break specials", "continue", "echo specials\\n", "stepi 7", "x/9i $pc", *step * 4),
        *("stepi", "info symbol $pc", "x/g $rsp", "finish", "stepi", "info symbol $pc", "finish", "print breakpoints_own", "print interrupts_own"),
        *("break faults", "continue", "delete", "stepi", "info symbol $pc", "print/x $cr2", "monitor translate 400000", "monitor physical 100000 4"),
        "continue",
    )
    assert re.search(r"cr0\s+0x11\b.*cr3\s+0x0\b.*efer\s+0x0\b.*cs\s+0x10\b", said, re.S), said
    assert "Breakpoint 1, work (value=" in said and re.search(r"#0 .*\n#1 .* in bench_main .*\n#2 .* in long_mode", said), said
    assert "$1 = 1\n" in said

    def listed(text):
        return [int(address, 16) for address in re.findall(r"^(?:=>|  ) (0x[0-9a-f]+)", text, re.M)]

    def reached(text):
        return [int(address, 16) for address in re.findall(r"^\(void \(\*\)\(\)\) (0x[0-9a-f]+)", text, re.M)]

    _, three, specials = re.split("^three$|^specials$", said, flags=re.M)
    assert reached(three) == listed(three)[1:4], three
    # CPUID, MOV, RDMSR and WRMSR are a step each; the next one, INT3, leads to its handler, with the address behind it as the one to return to.
    assert reached(specials) == listed(specials)[1:5], specials
    assert re.findall(r"^(\w+) in section .text", specials, re.M) == ["on_breakpoint", "on_own", "on_page_fault"], specials
    assert f"\t0x{listed(specials)[6 - 1]:016x}\n" in specials.split("on_breakpoint in section")[1]
    assert "$3 = 1\n$4 = 1\n" in specials and "$5 = 0x400000\n" in specials and "$2 = 512\n" in said
    assert "400000 is not mapped" in said and "000000100000: 02 b0 ad 1b" in said, said
    assert "exited with code 013" in said
    assert session.end() == 11, session.said()
    assert names["work"] and session.said().splitlines() == [
        *("debug guest", "work 301", "work 7", "work 10", "flags 512", "own breakpoints 1", "own interrupts 1", "page faults 1", "answer 5")
    ]


@pytest.mark.qemu_only("what gdb is told does not depend on the processor")
def test_a_32_bit_kernel_has_32_bit_registers(debugged, build):
    kernel = build / "guests/testkernel.elf"
    session = debugged("--vm", "a", "--kernel", kernel, "--append", "exit 3", "--memory", "16M", "--test-device")
    said = session.gdb([kernel], "break kernel_main", "continue", "print $eax", "stepi", "x/i $eip", "kill")
    assert "Breakpoint 1, " in said and "$1 = 732803074" in said and "kernel_main+1" in said, said
    assert session.end() == 8


@pytest.mark.qemu_only("the monitor's part alone")
def test_a_guest_that_crashes_stops_for_the_debugger_first(debugged, build):
    kernel = build / "guests/testkernel.elf"
    session = debugged("--no-reboot", "--vm", "a", "--kernel", kernel, "--append", "triple", "--memory", "16M", "--test-device")
    said = session.gdb([kernel], "continue", "x/i $eip", "continue")
    assert "SIGSEGV" in said and re.search(r"=> 0x[0-9a-f]+ <\w+\+\d+>:", said) and "exited with code 020" in said, said
    assert session.end() == 16


def test_rubbish_harms_nobody_and_a_guest_that_is_let_go_goes_on(debugged, guest):
    """Whatever comes to the port, the guest runs; while it is stopped, nothing of a breakpoint can be seen; when the debugger goes, no breakpoint stays."""
    words, symbols = guest
    names = symbols_of(symbols)
    session = debugged("--gdb-run", *words, "+", "--vm", "other", "--kernel", words[3], "--append", "-", "--memory", "16M", "--test-device")
    session.until(lambda: "page faults 1" in session.said())
    for rubbish in [bytes(range(256)) * 8, b"$" * 500, b"$m0,ffffffffffffffff#00", b"\x03\x03+-+-", b"$" + b"a" * 2500 + b"#00"]:
        raw = Raw(session.port)
        raw.socket.sendall(rubbish)
        raw.close()
    raw = Raw(session.port)
    odd = ["m0,fffffffffffffff", "mffffffffffffff00,200", "P7fffffff=00", "Pffffffffffffffffff=0", "Z0,8000000000000000,1", "Z9,0,1", "X0,1:a", "vCont;x"]
    odd += ["qXfer:features:read:target.xml:fffffffffffff,ffffffffff", "qRcmd,7", "qRcmd," + "41" * 300, "Gzz", "M0,8:00", "H", "_", "c1x", ""]
    for packet in odd:
        raw.ask(packet)
    first = raw.number(names["rounds"])
    assert raw.number(names["rounds"]) == first, "it is stopped"
    before = raw.ask(f"m{names['count']:x},4")
    assert raw.ask(f"Z0,{names['count']:x},1") == "OK" and raw.ask(f"m{names['count']:x},4") == before
    assert raw.ask("c").startswith("T05thread:1;")
    assert raw.ask(f"m{names['count']:x},4") == before and int(raw.ask("p10")[:6][4:6], 16) == names["count"] >> 16
    # A second one is not served meanwhile; the first goes without a word, with its breakpoint in place, while the guest runs.
    raw.send("vCont;c")
    assert raw.answer().startswith("T05thread:1;")
    raw.close()
    raw = Raw(session.port)
    second = raw.number(names["rounds"])
    assert second > first + 1
    # It runs without breakpoints until it is asked to stop.
    for _ in range(100):
        raw.send("c")
        time.sleep(0.2)
        raw.socket.sendall(b"\x03")
        assert raw.answer() == "T02thread:1;"
        if raw.number(names["rounds"]) > second + 1:
            break
    assert raw.number(names["rounds"]) > second + 1
    raw.send("c")
    raw.close()
    said = session.gdb([symbols], "set var answer = 0", "detach")
    assert "detached" in said, said
    assert session.end() == 1
    assert session.said().endswith("answer 0\n")
    assert "other: answer 21" in session.errors.read_text(errors="replace")


def test_a_running_debian_is_stopped_and_well_afterwards(debugged, gyre):
    """At no particular moment. On Bochs, whose Debian takes long, its boot has to go on."""
    session = debugged("--gdb-run", *gyre.debian("earlyprintk=ttyS0 gyre.exec=sync"))
    session.until(lambda: "Linux version" in session.said(), 120)
    said = session.gdb([], "x/5i $rip", "info registers rip gs_base cr3 efer", "backtrace 4", "stepi 50", "x/i $rip", "detach")
    assert len(re.findall(r"^(?:=>|  ) 0x[0-9a-f]+:\t\w+", said, re.M)) == 6, said
    assert re.search(r"efer\s+0xd01\b", said) and re.search(r"^#1 ", said, re.M) and "detached" in said, said
    if is_bochs(gyre.machine):
        lines = session.said().count("\n")
        session.until(lambda: session.said().count("\n") > lines + 15, 120)
        return
    assert session.end() == 0
    assert "Gyre guest: exit status 0" in session.said()
    assert not re.search(r"BUG|WARNING|Oops|Call Trace|soft lockup", session.said())
