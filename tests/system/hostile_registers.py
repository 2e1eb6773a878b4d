# SPDX-License-Identifier: Apache-2.0
"""Which device registers there are: every place in monitor/ that puts one on the bus, with what stands there. A place that this table does not know fails
test_hostile_guest.py: whoever adds a device adds a line, and sees to it that the sweeps of guests/hostile reach it."""

import pathlib
import re

SOURCES = pathlib.Path(__file__).resolve().parents[2] / "monitor"
CALL = re.compile(r"\b(bus_ports|bus_mmio|engine_doorbell)\(\s*(?:bus, |&machine->bus, )?([^,;]*(?:, [^,;]*)?)[,)]")


def ports(*ranges):
    return {port for first, count in ranges for port in range(first, first + count)}


# (file, call, its first arguments): the ports, or the name of a set of memory-mapped registers that the guest tells of.
TABLE = {
    ("dev/pic8259.c", "bus_ports", "0x20, 2"): ports((0x20, 2)),
    ("dev/pic8259.c", "bus_ports", "0xa0, 2"): ports((0xA0, 2)),
    ("dev/pic8259.c", "bus_ports", "0x4d0, 2"): ports((0x4D0, 2)),
    ("dev/pit8254.c", "bus_ports", "0x40, 4"): ports((0x40, 4)),
    ("dev/pit8254.c", "bus_ports", "0x61, 1"): ports((0x61, 1)),
    ("dev/rtc.c", "bus_ports", "0x70, 2"): ports((0x70, 2)),
    ("dev/uart16550.c", "bus_ports", "base, 8"): ports((0x3F8, 8)),
    ("dev/pci.c", "bus_ports", "0xcf8, 1"): ports((0xCF8, 1)),
    ("dev/pci.c", "bus_ports", "0xcfc, 4"): ports((0xCFC, 4)),
    ("dev/acpi_pm.c", "bus_ports", "ACPI_PM1_EVENT, 8"): ports((0x600, 8)),
    ("dev/acpi_pm.c", "bus_ports", "ACPI_PM_TIMER, 4"): ports((0x608, 4)),
    ("dev/i8042.c", "bus_ports", "0x60, 1"): ports((0x60, 1)),
    ("dev/i8042.c", "bus_ports", "0x64, 1"): ports((0x64, 1)),
    ("dev/i8042.c", "bus_ports", "0x92, 1"): ports((0x92, 1)),
    ("dev/i8042.c", "bus_ports", "0xcf9, 1"): ports((0xCF9, 1)),
    ("dev/testdev.c", "bus_ports", "DEBUG_EXIT, 4"): set(),  # the end of the guest; the last step writes it
    ("dev/testdev.c", "bus_ports", "SCRATCH, 4"): ports((0xE0, 4)),
    ("dev/testdev.c", "bus_ports", "REMAP, 1"): ports((0xE4, 1)),
    ("dev/testdev.c", "bus_ports", "DEBUG_TEXT, 1"): ports((0xE9, 1)),
    ("dev/testdev.c", "bus_ports", "DIRTY_LOG, 1"): ports((0xEC, 1)),
    ("dev/testdev.c", "bus_ports", "LINES, LINE_COUNT"): ports((0x2000, 24)),
    ("dev/testdev.c", "bus_ports", "FW_SELECT, 2"): ports((0x510, 2)),
    ("dev/ioapic.c", "bus_mmio", "&(struct mmio_region){IOAPIC_BASE, 0x1000"): "ioapic",
    ("machine/machine.c", "engine_doorbell", "TEST_DOORBELL_PORT, 4"): ports((0xE8, 1)),
}


def registered():
    """What the sources put on the bus."""
    found = set()
    for source in sorted(SOURCES.rglob("*.c")):
        name = str(source.relative_to(SOURCES))
        if name.startswith("engine/") or name == "machine/bus.c":
            continue
        for call, arguments in CALL.findall(source.read_text()):
            found.add((name, call, re.sub(r"\s+", " ", arguments)))
    return found


def all_ports():
    return set().union(*(what for what in TABLE.values() if isinstance(what, set)))
