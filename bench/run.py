#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""bench/run.py: measures, prints the table, writes build/bench.json.

  run.py --build FOLDER gyre     Gyre's rows
  run.py --build FOLDER peers    the same with Debian's KVM and QEMU beside them, measured in the same run on the same emulated machine

Exits are measured by guests/bench under -icount, where one TSC tick is one instruction; a boot is counted by bench/plugin/count.c, in which
a halted CPU counts nothing. Peers' values are measured, never quoted. A row: name, machine, value, unit, peer, bound."""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import peer_kvm  # noqa: E402

# name, what a person reads, the guest's row under Gyre, the guest's row under the peer, bound
EXITS = [
    ("cpuid", "CPUID, without NRIP save", "cpuid", "cpuid", 200),
    ("hypercall", "hypercall that does nothing", "hypercall", "hypercall", 180),
    ("doorbell", "port write to a doorbell (peer: PIC mask)", "doorbell", "port_write_pic", 250),
    ("port-read", "port read answered by a device model", "port_read_device", "port_read_device", 300),
    ("pm-timer-read", "PM timer read", "pm_timer_read", "pm_timer_read", None),
    ("mmio-read", "MMIO read, decoded (peer: HPET)", "mmio_read_ioapic", "mmio_read_hpet", 800),
    ("msr-read", "MSR read (APIC base)", "msr_read_apic_base", "msr_read_apic_base", None),
    ("self-ipi-x2apic", "self IPI with its EOI, x2APIC", "self_ipi_x2apic", "self_ipi_x2apic", 800),
    ("self-ipi-xapic", "self IPI with its EOI, xAPIC", "self_ipi_xapic", "self_ipi_xapic", 2400),
    ("dirty-fault", "write fault of the dirty log", "dirty_fault", None, 700),
    ("missing-page", "missing page mapped by the monitor", "missing_page", None, 1500),
]
BOOT_APPEND = "console=ttyS0 quiet gyre.exec=poweroff"


def run(command, what):
    """The command's standard output; its end is told if it failed."""
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=900)
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


class Bench:
    def __init__(self, build):
        self.build, self.rows = build, []
        self.gyre = os.path.join(build, "gyre")
        self.guests = os.path.join(build, "guests")
        self.plugin = os.path.join(build, "bench", "count.so")
        self.work = tempfile.mkdtemp(prefix="gyre-bench-")

    def row(self, name, title, value, unit, peer=None, bound=None):
        self.rows.append({"name": name, "machine": "amd", "value": value, "unit": unit, "peer": peer, "bound": bound, "title": title})

    def emulate(self, what, vm, options=(), qemu=()):
        return run([self.gyre, "emulate", "--machine", "amd", "--timeout", "600", *options, *vm, *(["--", *qemu] if qemu else [])], what)

    def exits(self, barriers):
        vm = ["--vm", "bench", "--kernel", f"{self.guests}/bench.elf", "--memory", "256M", "--test-device"]
        counters = os.path.join(self.work, f"counters-{barriers}.json")
        output = self.emulate(
            "the exit bench", vm, ["--icount", "--host-memory", "1G", "--core-option", f"barriers={barriers}", "--core-option", "nrip=off", "--core-option", "measure=ipc", "--counters", counters]
        )
        with open(counters) as file:
            return guest_rows(output), json.load(file)

    def boot(self):
        """Host and guest instructions from the VM's first instruction to its end, where the monitor executes the marker."""
        out = os.path.join(self.work, "boot.txt")
        vm = ["--vm", "debian", "--kernel", f"{self.guests}/vmlinuz", "--initrd", f"{self.guests}/initramfs.cpio.gz"]
        vm += ["--append", BOOT_APPEND, "--memory", "256M"]
        self.emulate("the boot", vm, ["--icount", "--core-option", "barriers=heaviest"], ["-plugin", f"{self.plugin},out={out}"])
        first, last = marks(out)[:2]
        return last[0] - first[0], last[1] - first[1], last[2] - first[2]

    def boot_bare(self):
        out = os.path.join(self.work, "bare.txt")
        run([peer_kvm.QEMU, "-accel", "tcg", "-cpu", "EPYC,-svm", "-M", "pc", "-m", "256", "-display", "none",
             "-serial", "stdio", "-no-reboot", "-kernel", f"{self.guests}/vmlinuz", "-initrd", f"{self.guests}/initramfs.cpio.gz",
             "-append", BOOT_APPEND, "-icount", "shift=0,sleep=off", "-plugin", f"{self.plugin},out={out}"], "the bare boot")
        return marks(out)[-1][0]

    def peer_exits(self):
        return guest_rows(run(peer_kvm.command(self.build, "bench", True), "KVM's exit bench"))

    def peer_boot(self):
        out = os.path.join(self.work, "peer.txt")
        run(peer_kvm.command(self.build, "boot", True, f"{self.plugin},out={out}"), "KVM's boot")
        first, last = marks(out)[:2]
        return last[0] - first[0], last[1] - first[1], last[2] - first[2]

    def measure(self, peers):
        print("bench: exits, with the heaviest model's barriers and without", file=sys.stderr)
        heavy, counters = self.exits("heaviest")
        none, _ = self.exits("none")
        peer = {}
        if peers:
            print("bench: the same guest under KVM", file=sys.stderr)
            peer = self.peer_exits()
        for name, title, mine, theirs, bound in EXITS:
            if mine not in heavy:
                sys.exit(f"bench: the guest printed no row {mine}")
            self.row(name, title, heavy[mine], "instructions", peer.get(theirs), bound)
            self.row(f"{name}-barriers", "  of it, barriers", round(heavy[mine] - none[mine], 2), "instructions")
        core = counters["core"]
        if "ipc" in core:
            self.row("ipc", "call and reply between two processes", core["ipc"], "instructions", None, 400)
        print("bench: the boot of Debian's kernel, on Gyre and bare", file=sys.stderr)
        host, guest, entries = self.boot()
        bare = self.boot_bare()
        peer_boot = self.peer_boot() if peers else None
        million = 1e6
        self.row("boot-host", "boot to power-off: host part", round(host / million, 2), "million", peer_boot and round(peer_boot[0] / million, 1), 5)
        self.row("boot-guest", "boot to power-off: guest part", round(guest / million, 1), "million", peer_boot and round(peer_boot[1] / million, 1))
        self.row("boot-ratio", "boot: sum against the bare pc machine", round((host + guest) / bare, 3), "ratio",
                 peer_boot and round((peer_boot[0] + peer_boot[1]) / bare, 3), 0.90)
        self.row("boot-entries", "boot: entries into the guest", entries, "count", peer_boot and peer_boot[2])
        mib = 1 << 20
        self.row("vm-memory", "memory of a VM beside its RAM", round(core["vm_bytes"] / mib, 2), "MiB", None, 2)
        self.row("gyre-memory", "memory of Gyre with one VM, 1 GiB machine", round(core["gyre_bytes"] / mib, 2), "MiB", None, 8)
        self.row("boot-images", "  kept boot images", round(core["image_bytes"] / mib, 2), "MiB")

    def table(self):
        print(f"{'':44} {'Gyre':>12} {'peer':>12} {'ratio':>7} {'bound':>8}")
        missed = []
        for row in self.rows:
            peer, bound, value = row["peer"], row["bound"], row["value"]
            ratio = f"{value / peer:.3f}" if peer else ""
            late = bound is not None and value > bound
            missed += [row["name"]] if late else []
            cells = f"{row['title']:44} {value:>12,} {'' if peer is None else format(peer, ','):>12} {ratio:>7} {'' if bound is None else bound:>8}"
            print(f"{cells} {row['unit']}{'  OVER THE BOUND' if late else ''}")
        print(f"{len(missed)} rows over their bound{': ' + ', '.join(missed) if missed else ''}")
        with open(os.path.join(self.build, "bench.json"), "w") as out:
            json.dump([{key: row[key] for key in ("name", "machine", "value", "unit", "peer", "bound")} for row in self.rows], out, indent=1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("what", choices=["gyre", "peers"])
    args = parser.parse_args()
    bench = Bench(args.build)
    bench.measure(args.what == "peers")
    bench.table()


if __name__ == "__main__":
    main()
