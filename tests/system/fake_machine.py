#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A machine that is none: stands in QEMU's place (GYRE_QEMU) or Bochs's (GYRE_BOCHS) and does what the script in FAKE_SCRIPT says, at the other end of
the two serial ports. So the command's side of consoles, frames and ends is tested in milliseconds, wrong machines included."""

import os
import pathlib
import re
import socket
import struct
import sys
import time

LOG, CONSOLE, EXIT, MACHINE_END, PANIC, TRACE, COUNTERS, READY, QUIT = range(1, 10)
MACHINE = 0xFF


def on_the_line(data):
    """As bytes behind a frame's first one go over the line (include/gyre/frame.h)."""
    return data.replace(b"\xf6", b"\xf6\x76").replace(b"\xf5", b"\xf6\x75")


class Machine:
    def __init__(self, argv):
        self.argv, self.sequence, self.settings = argv, 0, ""
        if "-f" in argv:  # Bochs: the ports are where its configuration says
            self.settings = pathlib.Path(argv[argv.index("-f") + 1]).read_text()
            if "FAKE_ALONE" in os.environ:
                return
            self.com1, self.com2 = (socket.create_connection(("127.0.0.1", int(n))) for n in re.findall(r"dev=127.0.0.1:(\d+)", self.settings))
        else:
            numbers = re.findall(r"socket,id=com\d,fd=(\d+)", " ".join(argv))
            self.com1, self.com2 = (socket.socket(fileno=int(number)) for number in numbers)
        for port in (self.com1, self.com2):
            port.setblocking(True)

    def header(self, kind, vm, length):
        head = struct.pack("<BBBBHB", 0xF5, 0x47, kind, vm, length, self.sequence & 255)
        self.sequence += 1
        check = 0
        for byte in head:
            check ^= byte
        return head[:1] + on_the_line(head[1:] + bytes([check]))

    def frame(self, kind, vm=MACHINE, data=b""):
        data = data.encode() if isinstance(data, str) else data
        self.com2.sendall(self.header(kind, vm, len(data)) + on_the_line(data))

    def words(self, *parts):
        """On the emulator's own output: texts as they are, and frames, each as a tuple."""
        for part in parts:
            if isinstance(part, tuple):
                kind, vm, data = part
                data = data.encode() if isinstance(data, str) else data
                part = self.header(kind, vm, len(data)) + on_the_line(data)
            sys.stdout.buffer.write(part.encode() if isinstance(part, str) else part)
        sys.stdout.buffer.flush()

    def prompt(self, number, state="0x00000000"):
        """As Bochs's debugger stops: what it is told, and the answer to what it is asked."""
        told = []
        while not told or told[-1] not in ("c", ""):
            self.words("Next at t=0\n(0) [0x0000fffffff0] f000:fff0 (unk. ctxt): jmpf 0xf000:e05b ; ea5be000f0\n", f"<bochs:{number}> ")
            told.append(sys.stdin.readline().strip())
            self.words(told[-1] + "\n")
            if told[-1].startswith("show"):
                self.words(f"show param name: <cpu0.activity_state>\nactivity_state = {state}\n")
            number += 1
        return told

    def say(self, text):
        self.com1.sendall(text.encode() if isinstance(text, str) else text)

    def log(self, text, vm=MACHINE):
        self.frame(LOG, vm, text)

    def ready(self):
        self.frame(READY)

    def end_vm(self, vm, code, text="", reason=0):
        self.frame(EXIT, vm, struct.pack("<iI112s", code, reason, text.encode()))

    def end(self, code=0):
        self.frame(MACHINE_END, data=struct.pack("<i", code))
        sys.exit(0)

    def line(self):
        """What the person typed on the first console, up to a return."""
        text = b""
        while not text.endswith((b"\r", b"\n")):
            byte = self.com1.recv(1)
            if not byte:
                break
            text += byte
        return text

    def receive_frame(self):
        """kind, vm, data of the next frame from the command."""
        head = self.receive(8)
        _, _, kind, vm, length = struct.unpack("<BBBBH", head[:6])
        return kind, vm, self.receive(length)

    def receive(self, count):
        """So many bytes of a frame, as they were before they went on the line."""
        data = b""
        while len(data) < count:
            byte = self.com2.recv(1)
            if not byte:
                break
            data += bytes([self.com2.recv(1)[0] ^ 0x80]) if byte == b"\xf6" else byte
        return data


def main():
    names = {**globals(), "m": Machine(sys.argv), "time": time, "os": os}
    exec(compile(os.environ["FAKE_SCRIPT"], "FAKE_SCRIPT", "exec"), names)  # pylint: disable=exec-used


main()
