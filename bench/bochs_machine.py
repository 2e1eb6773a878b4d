# SPDX-License-Identifier: Apache-2.0
"""bench/bochs_machine.py: an emulated Intel machine whose instructions are counted: Bochs, one CPU, through its debugger. A tick is an instruction
while the processor executes (an iteration of REP counts as one). While it is halted ticks go by as well, ten at a time, so each halt is stepped over and
its length taken out."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading

import guest_kernel

MODEL = "corei7_skylake_x"
# Instructions in a second of the machine's time, about what Bochs does in a second of ours.
SPEED = 100_000_000
SETTINGS = """
display_library: rfb, options="timeout=0"
log: {folder}/{name}.log
info: action=ignore
error: action=ignore
panic: action=fatal
clock: sync=none
cpu: model={model}, count=1, ips={speed}, reset_on_triple_fault=0, ignore_bad_msrs={lenient}
memory: guest={memory}, host={memory}
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/seabios/vgabios-stdvga.bin
ata0-master: type=cdrom, path={iso}, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev={folder}/{name}.console
"""
PROMPT = re.compile(rb"<bochs:\d+> $")
# At a breakpoint it tells the address, and after a step the selector and the offset; not so in a guest of AMD's, whose tables it can't walk.
STOPPED = re.compile(r"(?:Breakpoint \d+, 0x([0-9a-f]+) in .*\s+)?Next at t=(\d+)\s+\(0\)(?: \[0x[0-9a-f]+\] [0-9a-f]+:([0-9a-f]+))?")


class Bochs:
    """LENIENT: registers that the model lacks read as 0. Debian's kernel itself needs that: it reads some before it has an IDT."""

    def __init__(self, iso, folder, name, memory, lenient=False, seconds=600, model=None, speed=SPEED):
        self.folder, self.name = pathlib.Path(folder), name
        values = {"folder": folder, "name": name, "model": model or MODEL, "speed": speed, "lenient": int(lenient), "memory": memory, "iso": iso}
        settings = self.folder / f"{name}.bochs"
        settings.write_text(SETTINGS.format(**values))
        words = ["bochs-bin", "-q", "-f", str(settings)]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        self.read, self.said = bytearray(), ""
        self.timer = threading.Timer(seconds, self.kill)
        self.timer.start()
        self.wait_for_prompt()

    def kill(self):
        self.timer.cancel()
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def close(self):
        self.kill()
        self.process.wait()

    def wait_for_prompt(self):
        # What a trace says is long: only its end is looked at, and none of it copied.
        while not PROMPT.search(self.read[-32:]):
            part = self.process.stdout.read1(1 << 16)
            if not part:
                break
            self.read += part
        said, self.read = self.read.decode(errors="replace"), bytearray()
        self.said = (self.said + said)[-4000:]
        return said

    def command(self, words):
        """What the debugger says to it; at the machine's end, its last words."""
        try:
            self.process.stdin.write(words.encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return ""
        return self.wait_for_prompt()

    def go(self, words="c"):
        """(ticks, RIP) where it stopped, or None: it has ended."""
        stop = STOPPED.search(self.command(words))
        return (int(stop[2]), int(stop[1] or stop[3] or "0", 16)) if stop else None

    def in_vmx(self):
        found = re.search(r"CR4=0x([0-9a-f]+)", self.command("creg"))
        return bool(found and int(found[1], 16) & 1 << 13)

    def console(self):
        """What it wrote to COM1. There is no file where it wrote nothing."""
        file = self.folder / f"{self.name}.console"
        return file.read_text(errors="replace") if file.exists() else ""

    def ended_well(self):
        return "soft power off" in self.said


def check():
    for program, package in (("bochs-bin", "bochs"), ("grub-mkrescue", "grub-common"), ("xorriso", "xorriso")):
        if not shutil.which(program):
            sys.exit(f"bench: {program} is missing: install the Debian package {package}")


def grub_iso(out, kernel, initrd, append):
    """A boot medium of one Linux, small, since GRUB reads it through the BIOS."""
    tree = pathlib.Path(out).with_suffix(".tree")
    shutil.rmtree(tree, ignore_errors=True)
    (tree / "boot/grub").mkdir(parents=True)
    shutil.copy(kernel, tree / "boot/vmlinuz")
    shutil.copy(initrd, tree / "boot/initrd")
    (tree / "boot/grub/grub.cfg").write_text(f"linux /boot/vmlinuz {append}\ninitrd /boot/initrd\nboot\n")
    words = ["grub-mkrescue", "-d", "/usr/lib/grub/i386-pc", "-o", str(out), "--locales=", "--fonts=", "--themes=", "--install-modules=linux normal iso9660"]
    result = subprocess.run([*words, str(tree)], capture_output=True, text=True, check=False)
    shutil.rmtree(tree)
    if result.returncode:
        sys.exit(f"bench: grub-mkrescue failed:\n{result.stderr}")


def run(iso, folder, name, memory, lenient=False, seconds=600):
    """What the machine says on COM1 until it switches itself off."""
    machine = Bochs(iso, folder, name, memory, lenient, seconds)
    try:
        while machine.go():
            pass
        if not machine.ended_well():
            sys.exit(f"bench: {name} on Bochs did not switch off:\n{machine.said[-1500:]}\n{machine.console()[-1500:]}")
        return machine.console()
    finally:
        machine.close()


def between(iso, folder, name, first_at, last_at, idle, memory=256, lenient=False, guest=False, seconds=900):
    """Instructions from the first time at one of FIRST_AT to the last time at LAST_AT, halted time at the addresses of IDLE taken out; and what was
    taken out. GUEST: both ends are meant in VMX operation. The machine must switch itself off."""
    first = last = None
    halted = halted_at_end = 0
    machine = Bochs(iso, folder, name, memory, lenient, seconds)
    try:
        for address in (*first_at, last_at, *idle):
            machine.command(f"lb {address:#x}")
        while stop := machine.go():
            ticks, address = stop
            if address in idle:
                # One step halts, the next one ends in the first instruction after the interrupt.
                asleep, awake = machine.go("s"), machine.go("s")
                if not awake:
                    break
                halted += max(0, awake[0] - asleep[0] - 1) if first is not None else 0
            elif machine.in_vmx() == guest:
                if address == last_at:
                    last, halted_at_end = ticks, halted
                elif first is None:
                    first, halted = ticks, 0
        if first is None or last is None or not machine.ended_well():
            sys.exit(f"bench: {name} on Bochs: the stretch was not seen whole:\n{machine.said[-1500:]}\n{machine.console()[-1500:]}")
        return last - first - halted_at_end, halted_at_end
    finally:
        machine.close()


def boot(iso, folder, name, memory, kernel, idle=frozenset(), **words):
    """The same from the entry point of KERNEL to its power-off write. IDLE: where others than it halt."""
    entry, power_off, own_idle = guest_kernel.points(kernel)
    return between(iso, folder, name, entry, power_off, own_idle | idle, memory, **words)
