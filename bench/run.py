#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""bench/run.py: measures, prints the table, writes build/bench.json.

  run.py --build FOLDER gyre     Gyre's rows, with the peers' as bench/peers.json has them from the last time that they were measured
  run.py --build FOLDER peers    Debian's KVM and QEMU measured too, on the same emulated machines; theirs also go to FOLDER/peers.json

Both machines count instructions: AMD's is QEMU with -icount, where one TSC tick is one instruction, Intel's is Bochs, where that is always so.
Exits are measured by guests/bench. A boot is counted by bench/plugin/count.c on QEMU and by bench/bochs_machine.py on Bochs; idle time is in
neither. A row of bench.json: name, machine, value, unit, peer, bound."""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bochs_machine  # noqa: E402
import peer_kvm  # noqa: E402

AMD, INTEL = "amd", "intel"
STORED_PEERS = pathlib.Path(__file__).with_name("peers.json")


@dataclass
class Figure:
    """NAME is stable. MINE and THEIRS: the row that guests/bench prints under Gyre and under the peer, one for both machines or one each."""

    name: str
    title: str
    unit: str = "instructions"
    bound: dict = field(default_factory=dict)
    mine: object = None
    theirs: object = None


def bounds(amd=None, intel=None):
    return {AMD: amd, INTEL: intel}


def on(row, machine):
    return row[machine] if isinstance(row, dict) else row


def opcode(own):
    """The row of the hypercall's opcode: the machine's own, or the other vendor's."""
    rows = ["hypercall_vmmcall", "hypercall_vmcall"]
    return dict(zip((AMD, INTEL), rows if own else rows[::-1]))


EXITS = [
    Figure("cpuid", "CPUID (AMD: without NRIP save)", bound=bounds(200, 120), mine="cpuid", theirs="cpuid"),
    Figure("hypercall", "hypercall that does nothing", bound=bounds(180, 150), mine=opcode(True), theirs=opcode(True)),
    Figure("hypercall-foreign", "  by the other vendor's opcode", bound=bounds(None, 400), mine=opcode(False), theirs=opcode(False)),
    Figure("doorbell", "port write to a doorbell (peer: PIC mask)", bound=bounds(250, 250), mine="doorbell", theirs="port_write_pic"),
    Figure("port-read", "port read answered by a device model", bound=bounds(300, 300), mine="port_read_device", theirs="port_read_device"),
    Figure("pm-timer-read", "PM timer read", mine="pm_timer_read", theirs="pm_timer_read"),
    Figure("mmio-read", "MMIO read, decoded (peer: HPET)", bound=bounds(800), mine="mmio_read_ioapic", theirs="mmio_read_hpet"),
    Figure("msr-read", "MSR read (APIC base)", mine="msr_read_apic_base", theirs="msr_read_apic_base"),
    Figure("self-ipi-x2apic", "self IPI with its EOI, x2APIC", bound=bounds(800, 800), mine="self_ipi_x2apic", theirs="self_ipi_x2apic"),
    Figure("self-ipi-xapic", "self IPI with its EOI, xAPIC", bound=bounds(2400, 2400), mine="self_ipi_xapic", theirs="self_ipi_xapic"),
    Figure("dirty-fault", "write fault of the dirty log", bound=bounds(700, 700), mine="dirty_fault", theirs="dirty_fault"),
    Figure("missing-page", "missing page mapped by the monitor", bound=bounds(1500, 1500), mine="missing_page", theirs="missing_page"),
]
INTEL_EXITS = [
    Figure("self-ipi-apicv-exits", "exits of a self IPI, x2APIC, with APICv", "count", bounds(None, 0)),
    Figure("self-ipi-apicv", "  its instructions, the handler's own too", mine="self_ipi_x2apic"),
    Figure("dirty-fault-pml", "write faults where the processor logs (PML)", "count", bounds(None, 0)),
    Figure("first-write-pml", "  first write to a page there", mine="dirty_fault", theirs="pml_dirty_fault"),
]
OTHERS = [
    Figure("ipc", "call and reply between two processes", bound=bounds(400)),
    Figure("boot-host", "boot to power-off: host part", "million", bounds(5)),
    Figure("boot-guest", "boot to power-off: guest part", "million"),
    Figure("boot-total", "boot to power-off: sum", "million"),
    Figure("boot-bare", "  the same bare, no peer in it", "million"),
    Figure("boot-ratio", "boot: sum against the bare machine", "ratio", bounds(0.90, 1.00)),
    Figure("boot-entries", "boot: entries into the guest", "count"),
    Figure("vm-memory", "memory of a VM beside its RAM", "MiB", bounds(2, 2)),
    Figure("gyre-memory", "memory of Gyre with one VM, 1 GiB machine", "MiB", bounds(8, 8)),
    Figure("boot-images", "  kept boot images", "MiB"),
]
# Beside a hostile VM against alone; what was preempted is in neither.
NEIGHBOUR_BOUND, TURNS = 1.03, 10
# What ends QEMU itself is left out (docs/testing.md).
HOSTILE = "seed=1 steps=700 without=breakpoints,cr,ltr,sysenter"
BOOT_APPEND = "console=ttyS0 quiet gyre.exec=poweroff"
MILLION, MIB = 1e6, 1 << 20
IPI_ROUNDS = (500, 1500)
# The host's own timer: of no exit that the guest makes.
OF_THE_HOST = {"CORE_INTERRUPT", "CORE_PREEMPT"}


def table_figures():
    """All rows in the table's order, a row for the barriers' share behind each of the common exits."""
    for figure in EXITS:
        yield figure
        yield Figure(f"{figure.name}-barriers", "  of it, barriers")
    yield from INTEL_EXITS
    yield from OTHERS
    for figure in EXITS:
        yield Figure(f"{figure.name}-with-hostile", f"beside a hostile VM: {figure.name}", "ratio", bounds(NEIGHBOUR_BOUND, NEIGHBOUR_BOUND))


def run(command, what, seconds=900):
    """The command's standard output; its end is told if it failed."""
    try:
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        sys.exit(f"bench: {what} did not end within {seconds} s (the command: {' '.join(command)})")
    if result.returncode not in (0, 1):
        tail = "\n".join((result.stdout + result.stderr).splitlines()[-15:])
        sys.exit(f"bench: {what} ended with {result.returncode}:\n{tail}\n(the command: {' '.join(command)})")
    return result.stdout


def guest_rows(output):
    return {name: float(value) for name, value in re.findall(r"^bench (\S+) ([0-9.]+)\r?$", output, re.M)}


def marks(path):
    """The plugin's lines: a list of (host, guest, vmruns), the last is the machine's end."""
    with open(path) as lines:
        return [tuple(int(n) for n in re.search(r"host (\d+) guest (\d+) vmruns (\d+)", line).groups()) for line in lines]


def difference(first, last):
    return tuple(b - a for a, b in zip(first, last))


def say(words):
    print(f"bench: {words}", file=sys.stderr, flush=True)


def core_options(*options):
    return [word for option in options for word in ("--core-option", option)]


class Machine:
    """What is measured on one machine: `values` Gyre's and `peers` the peer's, by the name of the figure."""

    def __init__(self, build, work):
        self.build, self.work = build, work
        self.gyre = os.path.join(build, "gyre")
        self.guests = os.path.join(build, "guests")
        self.plugin = os.path.join(build, "bench", "count.so")
        self.values, self.peers = {}, {}
        self.counters = None

    def emulate(self, what, vm, options=(), qemu=()):
        words = [self.gyre, "emulate", "--machine", self.name, *self.model, "--timeout", "600"]
        return run([*words, *options, *vm, *(["--", *qemu] if qemu else [])], what)

    def exits(self, *options, append=None, beside=()):
        """The bench guest's rows and the counters of its run, BESIDE other VMs."""
        vm = ["--vm", "bench", "--kernel", f"{self.guests}/bench.elf", "--memory", "256M", "--test-device"]
        vm += ["--append", append] if append else []
        counters = os.path.join(self.work, "counters.json")
        words = [*self.exit_options, "--host-memory", "1G", *core_options(*options), "--counters", counters]
        output = self.emulate("the exit bench", [*vm, *beside], words)
        if "bench-exception" in output:
            sys.exit(f"bench: the guest met an exception:\n{output}")
        with open(counters) as file:
            return guest_rows(output), json.load(file)

    def debian(self, append=BOOT_APPEND):
        vm = ["--vm", "debian", "--kernel", f"{self.guests}/vmlinuz", "--initrd", f"{self.guests}/initramfs.cpio.gz"]
        return [*vm, "--append", append, "--memory", "256M"]

    def measure_exits(self):
        say(f"{self.name}: exits, with the heaviest model's barriers and without")
        heavy, counters = self.exits("barriers=heaviest", "measure=ipc", *self.without)
        none, _ = self.exits("barriers=none", *self.without)
        for figure in EXITS:
            row = on(figure.mine, self.name)
            if row not in heavy:
                sys.exit(f"bench: the guest printed no row {row}")
            self.values[figure.name] = heavy[row]
            # Without barriers an exit to the monitor may go another, longer way: then there is no such share.
            if heavy[row] > none[row]:
                self.values[f"{figure.name}-barriers"] = round(heavy[row] - none[row], 2)
        self.measure_neighbour(heavy)
        core = counters["core"]
        if core.get("ipc"):
            self.values["ipc"] = core["ipc"]
        for name, key in (("vm-memory", "vm_bytes"), ("gyre-memory", "gyre_bytes"), ("boot-images", "image_bytes")):
            self.values[name] = round(core[key] / MIB, 2)

    def measure_neighbour(self, alone):
        """The same with a VM that tries everything, all the time."""
        say(f"{self.name}: exits beside a hostile VM")
        hostile = ["--vm", "hostile", "--kernel", f"{self.guests}/hostile.elf", "--append", HOSTILE, "--memory", "32M", "--test-device"]
        rows, counters = self.exits("barriers=heaviest", "measure=ipc", *self.without, append=f"spread={self.spread}", beside=hostile)
        turns = sum(counters["vcpus"][0]["exits"][kind] for kind in OF_THE_HOST)
        if turns < TURNS:
            sys.exit(f"bench: the exit bench was preempted {turns} times beside the hostile VM: that says nothing")
        for figure in EXITS:
            row = on(figure.mine, self.name)
            self.values[f"{figure.name}-with-hostile"] = round(rows[row] / alone[row], 3)

    def measure_peer_exits(self):
        say(f"{self.name}: the same guest under KVM")
        rows = guest_rows(self.peer_exits())
        for figure in (*EXITS, *(INTEL_EXITS if self.name == INTEL else [])):
            if figure.theirs:
                self.peers[figure.name] = rows[on(figure.theirs, self.name)]


class Amd(Machine):
    """QEMU. Its processor lacks NRIP save; other emulated ones have it, and it is off here for the bound's sake."""

    name, model = AMD, ()
    exit_options = ("--icount",)
    without = ("nrip=off",)
    # A fifth of a millisecond of the machine's clock, a fiftieth of a VM's turn.
    spread = 200_000

    def boot(self):
        """Host and guest instructions from the VM's first instruction to its end, where the monitor executes the marker."""
        out = os.path.join(self.work, "boot.txt")
        options = ["--icount", *core_options("barriers=heaviest")]
        self.emulate("the boot", self.debian(), options, ["-plugin", f"{self.plugin},out={out}"])
        return difference(*marks(out)[:2])

    def boot_bare(self):
        out = os.path.join(self.work, "bare.txt")
        run([peer_kvm.QEMU, "-accel", "tcg", "-cpu", "EPYC,-svm", "-M", "pc", "-m", "256", "-display", "none",
             "-serial", "stdio", "-no-reboot", "-kernel", f"{self.guests}/vmlinuz", "-initrd", f"{self.guests}/initramfs.cpio.gz",
             "-append", BOOT_APPEND, "-icount", "shift=0,sleep=off", "-plugin", f"{self.plugin},out={out}"], "the bare boot")
        return marks(out)[-1][0]

    def peer_exits(self):
        return run(peer_kvm.command(self.build, "bench", True), "KVM's exit bench")

    def peer_boot(self):
        """KVM's guest panics there once in some dozens of boots (a double fault at SYSRET): such a run is no figure, and is made again."""
        out = os.path.join(self.work, "peer.txt")
        for _ in range(3):
            said = run(peer_kvm.command(self.build, "boot", True, f"{self.plugin},out={out}"), "KVM's boot")
            # The guest's end and the first level's own.
            if said.count("reboot: Power down") == 2:
                return difference(*marks(out)[:2])
        sys.exit(f"bench: KVM's guest did not get to its end in three boots:\n{said[-1500:]}")

    def boot_values(self, into, counts, bare):
        host, guest, entries = counts
        into["boot-host"], into["boot-guest"] = round(host / MILLION, 2), round(guest / MILLION, 1)
        into["boot-total"] = round((host + guest) / MILLION, 1)
        into["boot-ratio"] = round((host + guest) / bare, 3)
        into["boot-entries"] = entries

    def measure(self, peers):
        self.measure_exits()
        say("amd: the boot of Debian's kernel, on Gyre and bare")
        boot, bare = self.boot(), self.boot_bare()
        self.boot_values(self.values, boot, bare)
        self.values["boot-bare"] = round(bare / MILLION, 1)
        if peers:
            self.measure_peer_exits()
            self.boot_values(self.peers, self.peer_boot(), bare)


class Intel(Machine):
    """Bochs. What skylake_x has beyond the bounds' processor is measured apart: page-modification logging and APIC virtualization."""

    name, model = INTEL, ("--cpu-model", bochs_machine.MODEL)
    exit_options = ()
    without = ("pml=off", "apicv=off")
    spread = 6_000
    # The kernel's addresses are breakpoints, on Gyre and bare alike.
    append = f"{BOOT_APPEND} nokaslr"

    def measure_with_all(self):
        say("intel: with page-modification logging and APIC virtualization")
        rows, counters = self.exits("barriers=heaviest", "apicv=on")
        self.values["dirty-fault-pml"] = counters["vcpus"][0]["exits"]["CORE_DIRTY"]
        for figure in INTEL_EXITS:
            if figure.mine:
                self.values[figure.name] = rows[figure.mine]
        few, many = (self.ipi_exits(rounds) for rounds in IPI_ROUNDS)
        self.values["self-ipi-apicv-exits"] = round((many - few) / (IPI_ROUNDS[1] - IPI_ROUNDS[0]), 3)

    def ipi_exits(self, rounds):
        _, counters = self.exits("barriers=heaviest", "apicv=on", append=f"x2apic-ipi={rounds}")
        # Its lines are printed by port accesses, and their number depends on the digits.
        return sum(count for kind, count in counters["vcpus"][0]["exits"].items() if kind not in OF_THE_HOST | {"IO"})

    def boot(self):
        iso = os.path.join(self.work, "gyre.iso")
        words = [self.gyre, "image", "-o", iso, "--no-reboot", *core_options("barriers=heaviest", "apicv=off")]
        run([*words, *self.debian(self.append)], "gyre image")
        halts = symbol_halts(os.path.join(self.build, "gyre-core.elf"))
        return bochs_machine.boot(iso, self.work, "gyre", 512, f"{self.guests}/vmlinuz", halts, guest=True)[0]

    def boot_bare(self):
        iso = os.path.join(self.work, "bare.iso")
        bochs_machine.grub_iso(iso, f"{self.guests}/vmlinuz", f"{self.guests}/initramfs.cpio.gz", self.append)
        return bochs_machine.boot(iso, self.work, "bare", 256, f"{self.guests}/vmlinuz", lenient=True)[0]

    def peer_exits(self):
        return bochs_machine.run(peer_kvm.iso(self.build, "bench"), self.work, "peer-bench", 1024, lenient=True)

    def peer_boot(self):
        iso = peer_kvm.iso(self.build, "boot")
        return bochs_machine.boot(iso, self.work, "peer-boot", 1024, f"{self.guests}/vmlinuz", lenient=True, guest=True)[0]

    def measure(self, peers):
        bochs_machine.check()
        self.measure_exits()
        self.measure_with_all()
        say("intel: the boot of Debian's kernel, on Gyre and bare")
        bare = self.boot_bare()
        self.values["boot-bare"] = round(bare / MILLION, 1)
        measured = [(self.values, self.boot())]
        if peers:
            self.measure_peer_exits()
            measured.append((self.peers, self.peer_boot()))
        for into, total in measured:
            into["boot-total"], into["boot-ratio"] = round(total / MILLION, 1), round(total / bare, 3)


def symbol_halts(core):
    """Where the core's code halts the processor: HLT in the disassembly."""
    listing = subprocess.run(["objdump", "-d", core], capture_output=True, text=True, check=True).stdout
    return {int(match[1], 16) for match in re.finditer(r"^\s*([0-9a-f]+):\s+f4\s+hlt", listing, re.M)}


def cell(value, width):
    return f"{'' if value is None else format(value, ','):>{width}}"


def table(rows):
    by_key = {(row["name"], row["machine"]): row for row in rows}
    missed = []
    print(f"{'':44} {'AMD, QEMU':>11} {'bound':>6} {'KVM':>9}   {'Intel, Bochs':>12} {'bound':>6} {'KVM':>9}")
    for figure in table_figures():
        cells = []
        for machine, width in ((AMD, 11), (INTEL, 12)):
            row = by_key.get((figure.name, machine), {})
            value, bound = row.get("value"), row.get("bound")
            late = value is not None and bound is not None and value > bound
            missed += [f"{figure.name} ({machine})"] if late else []
            cells.append(f"{cell(value, width)} {cell(bound, 6)}{'!' if late else ' '}{cell(row.get('peer'), 9)}")
        if any(part.strip() for part in cells):
            print(f"{figure.title:44} {'  '.join(cells)}  {figure.unit}")
    print(f"{len(missed)} figures over their bound{': ' + ', '.join(missed) if missed else ''}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--machine", choices=[AMD, INTEL, "both"], default="both")
    parser.add_argument("what", choices=["gyre", "peers"])
    args = parser.parse_args()
    build = os.path.abspath(args.build)
    stored = json.loads(STORED_PEERS.read_text())
    peers = {machine: dict(stored[machine]) for machine in (AMD, INTEL)}
    rows, failed = [], []
    with tempfile.TemporaryDirectory(prefix="gyre-bench-") as work:
        for kind in (Amd, Intel):
            if args.machine not in (kind.name, "both"):
                continue
            machine = kind(build, work)
            try:
                machine.measure(args.what == "peers")
            except SystemExit as failure:
                # The other machine's figures, and those that are there, are still worth having.
                failed.append(str(failure))
            peers[kind.name].update(machine.peers)
            for figure in table_figures():
                if figure.name in machine.values:
                    values = {"value": machine.values[figure.name], "unit": figure.unit}
                    rows.append({"name": figure.name, "machine": kind.name, **values, "peer": peers[kind.name].get(figure.name),
                                 "bound": figure.bound.get(kind.name)})
    if args.what == "peers":
        pathlib.Path(build, "peers.json").write_text(json.dumps({**stored, **peers}, indent=1) + "\n")
    pathlib.Path(build, "bench.json").write_text(json.dumps(rows, indent=1) + "\n")
    table(rows)
    sys.exit("\n".join(failed) if failed else 0)


if __name__ == "__main__":
    main()
