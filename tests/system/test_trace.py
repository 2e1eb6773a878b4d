# SPDX-License-Identifier: Apache-2.0
"""--trace with several VMs: every exit of all of them. What a guest wrote to its serial port, byte by byte, is what it said; and the trace counts what the core
counts."""

import collections
import json

import pytest

pytestmark = pytest.mark.both_vendors
# Exits of the processor that are of one kind each. Others are none of its own (a kick), or count as two (an EOI by an MSR).
PLAIN = ["IO", "MEMORY", "MSR", "CONTROL", "HYPERCALL", "TASK_SWITCH", "CORE_CPUID", "CORE_MSR_READ", "CORE_HYPERCALL"]


def test_every_exit_of_all_vms_by_time(gyre, build, tmp_path):
    trace, counters = tmp_path / "trace", tmp_path / "counters"
    words = ["--trace", trace, "--counters", counters]
    for name, kernel, what in [("one", "debug", "-"), ("two", "testkernel", "cpuid"), ("three", "testkernel", "exit 9")]:
        words += ["--vm", name, "--kernel", build / f"guests/{kernel}.elf", "--append", what, "--memory", "16M", "--test-device"]
    result = gyre.emulate(*words)
    assert result.returncode == 43, result.stderr
    records = [json.loads(line) for line in gyre.run("trace", "--json", trace).stdout.splitlines()]
    assert [record["tsc"] for record in records] == sorted(record["tsc"] for record in records)
    said = {name: "" for name in ("one", "two", "three")}
    counts = collections.Counter()
    for record in records:
        counts[record["vm"], record["kind"]] += 1
        if record["kind"] == "IO" and record["detail"] == 0x3F8:
            said[record["vm"]] += chr(record["value"] & 255)
    assert said["one"] == result.stdout
    for name in ("two", "three"):
        lines = [line[len(name) + 2 :] for line in result.stderr.splitlines() if line.startswith(f"{name}: test kernel: ")]
        assert said[name].splitlines()[0] == lines[0]
    for vcpu in json.loads(counters.read_text())["vcpus"]:
        assert {kind: counts[vcpu["vm"], kind] for kind in PLAIN} == {kind: vcpu["exits"][kind] for kind in PLAIN}
    # They ran beside each other, and so do their records.
    changes = sum(a["vm"] != b["vm"] for a, b in zip(records, records[1:]))
    assert changes > 2 and {vm for vm, _ in counts} == {"one", "two", "three"}
