# SPDX-License-Identifier: Apache-2.0
"""The socket of gyre emulate --control against clients that are slow, flood, or send rubbish, and against a machine that answers rubbish. The machine is a fake
one, with two VMs, so each takes a moment."""

import contextlib
import json
import os
import socket
import stat
import subprocess
import time

import pytest

USAGE, FAILED, NOT_FOUND, STATE, LACKS, TIMEOUT = 2, 4, 6, 8, 12, 14
LIST, START, STOP, KILL, ACCOUNTS = range(1, 6)

# Answers as root does; then an end when the second VM is killed.
ROOT = """
CONTROL = 12
def reply(id, what, code=0, more=0, count=0, text='', data=b''):
    m.frame(CONTROL, MACHINE, struct.pack('<IIiIII112s', id, what, code, more, count, 0, text.encode()) + data)
def vm(name, state=1, text='', code=0):
    return struct.pack('<32sIiIIIIQ112s', name.encode(), state, code, 0, 1, 0, 40, 4 << 20, text.encode())
m.ready(); m.log('up\\n')
while True:
    kind, number, data = m.receive_frame()
    if kind != CONTROL:
        continue
    id, what = struct.unpack('<II', data)
    answer(id, what, number)
"""
GOOD = """
def answer(id, what, number):
    if what == 1:
        reply(id, 1, more=1, count=1, data=vm('one'))
        reply(id, 1, count=1, data=vm('two', 5, 'because\\x1b[2J', 16))
    elif what == 5:
        reply(id, 5, count=1, data=struct.pack('<8QII', *range(8), 2, 0))
    else:
        reply(id, what)
        if what in (3, 4):
            m.end_vm(number, 8, 'killed', 7)
        if what == 4 and number == 1:
            m.end()
"""


@contextlib.contextmanager
def machine(fake, script, *words):
    """The socket of a machine that runs the script."""
    path = str(fake.folder / "socket")
    errors = open(fake.folder / "errors", "w")  # pylint: disable=consider-using-with
    with errors, fake.popen(script + ROOT, "--control", path, *words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors) as process:
        try:
            deadline = time.monotonic() + 20
            while "up" not in (fake.folder / "errors").read_text():
                assert time.monotonic() < deadline and process.poll() is None
                time.sleep(0.02)
            yield path, process
        finally:
            process.terminate()
            process.wait(20)


class Client:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.settimeout(20)
        self.file = self.socket.makefile("rb")

    def send(self, line):
        self.socket.sendall(line.encode() if isinstance(line, str) else line)

    def line(self):
        return json.loads(self.file.readline())

    def ask(self, line):
        self.send(line + "\n")
        return self.line()


def test_the_socket_is_the_users_alone_and_goes_with_the_machine(fake, gyre):
    with machine(fake, GOOD) as (path, process):
        about = os.stat(path)
        assert stat.S_ISSOCK(about.st_mode) and stat.S_IMODE(about.st_mode) == 0o600
        second = gyre.run(*fake.words, "--control", path, *fake.vms)
        assert second.returncode == STATE and "in use" in second.stderr
        assert os.path.exists(path)
        assert gyre.run("control", path, "kill", "two").returncode == 0
        assert process.wait(20) == 0
        assert not os.path.exists(path)
    # One that a killed command left behind is no hindrance; what is no socket stays.
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(path)
    assert gyre.run("control", path, "list").returncode == STATE
    with machine(fake, GOOD):
        assert gyre.run("control", path, "list").returncode == 0
    with open(path, "w", encoding="ascii") as file:
        file.write("mine")
    assert gyre.run(*fake.words, "--control", path, *fake.vms).returncode == STATE
    with open(path, encoding="ascii") as file:
        assert file.read() == "mine"


def test_requests_and_answers(fake, gyre):
    with machine(fake, GOOD) as (path, _):
        client = Client(path)
        answer = client.ask('{"id": "x", "command": "list"}')
        assert answer["id"] == "x" and answer["code"] == 0
        assert [(vm["name"], vm["state"], vm["code"]) for vm in answer["vms"]] == [("one", "running", None), ("two", "ended", 16)]
        assert answer["vms"][1]["reason"] == "because?[2J"
        assert client.ask('{"command": "accounts"}')["accounts"]["differed"] == 7
        # Several in one piece are answered in their order, whatever is wrong with them.
        client.send('{"id":1,"command":"start","vm":"one"}\n{"id":2,"command":"stop","vm":"none"}\n{"id":3,"command":"stop","vm":"one"}\n')
        assert [(answer["id"], answer["code"]) for answer in (client.line(), client.line(), client.line())] == [(1, 0), (2, NOT_FOUND), (3, 0)]
        wrong = [
            "rubbish", "[1]", '"list"', "", "{}", '{"command":1}', '{"command":"destroy"}', '{"command":"list","vm":"one"}', '{"command":"start"}',
            '{"command":"start","vm":1}', '{"command":"stop","vm":"one","timeout":0}', '{"command":"stop","vm":"one","timeout":"long"}',
            '{"command":"stop","vm":"one","timeout":1e300}', '{"command":"list","more":1}', '{"command":"list","command":"list"}', '{"id":[],"command":"list"}',
            '{"command":"list"} x', "[" * 4000,
        ]  # fmt: skip
        for line in wrong:
            answer = client.ask(line)
            assert answer["code"] == USAGE and answer["text"], line
        client.send(b'{"command":"\xff\x00"}\n')
        assert client.line()["code"] == USAGE
        listed = gyre.run("control", path, "list")
        assert listed.returncode == 0 and [line.split()[:2] for line in listed.stdout.splitlines()[1:]] == [["one", "running"], ["two", "ended"]]


def test_a_list_without_an_end_is_refused(fake):
    script = """
def answer(id, what, number):
    for _ in range(100):
        reply(id, 1, more=1, count=1, data=vm('one'))
"""
    with machine(fake, script) as (path, _):
        answer = Client(path).ask('{"command": "list"}')
        assert answer["code"] == FAILED and "makes no sense" in answer["text"]


@pytest.mark.parametrize(
    "words, status, says",
    [
        ([], USAGE, "name the socket"),
        (["list"], USAGE, "name the socket"),
        (["S", "lst"], USAGE, "did you mean list"),
        (["S", "start"], USAGE, "start which VM"),
        (["S", "list", "one"], USAGE, "takes no VM"),
        (["S", "kill", "one", "two"], USAGE, "one word too many"),
        (["S", "stop", "one", "--timeout", "never"], USAGE, "number of seconds"),
        (["none", "list"], NOT_FOUND, "No such file"),
        (["x" * 200, "list"], USAGE, "bytes at most"),
    ],
)
def test_the_command_checks_its_words(gyre, tmp_path, words, status, says):
    result = gyre.run("control", *[str(tmp_path / word) if word in ("S", "none") else word for word in words])
    assert result.returncode == status and says in result.stderr and not result.stdout, result.stderr


def was_closed(client):
    """By the other side, at whose end what it said before may still be read."""
    with contextlib.suppress(ConnectionError):
        while client.socket.recv(65536):
            pass
    return True


def test_clients_that_are_slow_flood_or_write_without_end_harm_nobody(fake):
    with machine(fake, GOOD) as (path, process):
        good = Client(path)
        slow = Client(path)
        slow.send('{"comm')
        endless = Client(path)
        with contextlib.suppress(ConnectionError):
            endless.send(b"x" * 100000)
        assert endless.line()["text"] == "the line is too long"
        assert was_closed(endless)
        # It asks and asks, and reads nothing: it waits for itself.
        flood = Client(path)
        flood.socket.setblocking(False)
        sent = 0
        with pytest.raises(BlockingIOError):
            while sent < 100_000_000:
                sent += flood.socket.send(b'{"command":"list"}\n' * 100)
        assert sent > 0
        for _ in range(20):
            assert good.ask('{"command": "list"}')["code"] == 0
        slow.send('and": "accounts"}\n')
        assert slow.line()["code"] == 0
        # More clients than places: whoever was silent for longest goes, who works stays.
        crowd = []
        for _ in range(40):
            crowd.append(Client(path))
            assert good.ask('{"command": "list"}')["code"] == 0
        assert crowd[-1].ask('{"command": "list"}')["code"] == 0
        assert was_closed(slow) and was_closed(crowd[0])
        # Who goes away in the middle of a request is forgotten.
        for _ in range(40):
            leaver = Client(path)
            leaver.send('{"command": "list"}\n{"command": "list"}\n')
            leaver.socket.close()
            leaver.file.close()
        assert good.ask('{"command": "list"}')["code"] == 0
        with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
            kib = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
        assert kib < 50000


def test_a_guest_that_does_not_react_costs_its_client_the_time(fake, gyre):
    script = "def answer(id, what, number):\n    reply(id, what)\n"
    with machine(fake, script) as (path, _):
        result = gyre.run("control", path, "stop", "one", "--timeout", "0.5")
        assert result.returncode == TIMEOUT and "runs on" in result.stderr
        waiting = Client(path)
        waiting.send('{"command": "stop", "vm": "two"}\n')
        time.sleep(0.3)
    assert waiting.line() == {"code": STATE, "text": "the machine has ended"}


def test_what_root_refuses_is_passed_on(fake, gyre):
    script = "def answer(id, what, number):\n    reply(id, what, code=12, text='too little\\x07 memory')\n"
    with machine(fake, script) as (path, _):
        result = gyre.run("control", path, "start", "two")
        assert result.returncode == LACKS and "two: too little? memory" in result.stderr
        result = gyre.run("control", path, "start", "two", "--json")
        assert result.returncode == LACKS and json.loads(result.stdout) == {"code": LACKS, "text": "two: too little? memory"}


def test_a_machine_that_answers_rubbish_is_not_believed(fake):
    """Wrong sizes, counts, numbers; then the right answer."""
    script = """
def answer(id, what, number):
    m.frame(CONTROL, MACHINE, b'')
    m.frame(CONTROL, MACHINE, b'x' * 4096)
    reply(id + 1, what); reply(id, what ^ 1); reply(id, what, count=0xffffffff)
    if what == 1:
        reply(id, what, count=3, data=vm('short')); reply(id, what, count=1, data=vm('long') + b'x')
        reply(id, what, count=1, data=vm('\\x1b' * 32, 99, 'y' * 112))
    else:
        reply(id, what, count=2); m.end_vm(200, 0); reply(id, what, text='z' * 112)
"""
    with machine(fake, script) as (path, _):
        client = Client(path)
        answer = client.ask('{"command": "list"}')
        assert answer["vms"] == [
            {"name": "?" * 32, "state": "unknown", "starts": 1, "restarts": 0, "memory": 4 << 20, "frames": 40, "code": None, "reason": None}
        ]
        assert client.ask('{"command": "kill", "vm": "one"}')["text"] == "one: " + "z" * 112
