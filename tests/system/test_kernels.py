# SPDX-License-Identifier: Apache-2.0
"""Test kernels that others wrote run on Gyre, and are judged by what they say: the runner, on both vendors, with the kernels of our own."""

import json
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/kernels"))
import plan  # noqa: E402
import runner  # noqa: E402

SECONDS = 240  # takes 5 to 20; other tests run beside it


def kernels(build, folder, machine, *words):
    """The runner's exit status, what it said and its table."""
    vendor = "amd" if machine.startswith("amd") else "intel"
    words = ["/usr/bin/python3", "-B", ROOT / "tests/kernels/runner.py", "--build", build, "--dir", folder, "--machine", vendor, *words]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=SECONDS * 4, check=False)
    table = build / "test-kernels/table.json"
    return done.returncode, done.stdout + done.stderr, json.loads(table.read_text()) if table.exists() else []


@pytest.mark.both_vendors
def test_our_own_kernels_pass_but_for_what_is_known(build, machine, tmp_path):
    """Each failure has a reason in known.txt; the number of checks cannot fall unnoticed."""
    (tmp_path / "gyre").symlink_to(build / "gyre")
    for name in ("gyre-core.elf", "root.elf", "monitor.elf"):
        (tmp_path / name).symlink_to(build / name)
    status, said, table = kernels(tmp_path, build / "guests/conform", machine)
    assert status == 0, said
    assert {row["verdict"] for row in table} <= {"pass", "known"}, said
    assert sum(row["passed"] for row in table) > 250, said


@pytest.mark.both_vendors
def test_debians_xen_boots(gyre, build, machine, tmp_path):
    """By Multiboot, as far as it can: on AMD to the user space of Debian as its PV dom0, on Intel (Bochs takes minutes for that) to what it lacks."""
    for name in ("gyre", "gyre-core.elf", "root.elf", "monitor.elf"):
        (tmp_path / name).symlink_to(build / name)
    only = "xen" if gyre.machine.startswith("amd") else "xen-alone"
    status, said, table = kernels(tmp_path, build / "guests/xen", machine, "--only", f"^{only}$")
    assert status == 0 and [row["verdict"] for row in table] == ["pass"], said


@pytest.mark.parametrize("name", ["conform", "legacy"])
def test_what_is_said_to_be_the_emulators_fails_without_gyre(build, tmp_path, name):
    """On QEMU alone: a reason that blames the emulator has to be true."""
    run = next(found for found in plan.plan(build / "guests/conform") if found.name == name)
    _, output, _ = runner.on_qemu(run, tmp_path, 60)
    assert "SUMMARY:" in output
    fails = runner.checks(output.replace("\r", ""), "FAIL")
    for known in runner.known_reasons([ROOT / "tests/kernels/known.txt"]):
        if known.machine == "amd" and known.emulator and re.fullmatch(known.run, name):
            assert any(re.search(known.check, check) for check in fails), known


CONFIG = """
# a comment
[plain]
file = k.flat
[words]
file = k.flat
smp = 1
extra_params = -append "one two" -cpu qemu64,+x2apic,-smep -m 256 -machine kernel_irqchip=split
timeout = 90s
[host]
file = k.flat
extra_params = -cpu max
[two]
file = k.flat
smp = 2
[nested]
file = k.flat
extra_params = -cpu max,+svm
[vendor]
file = k.flat
extra_params = -cpu max,vendor=GenuineIntel
[device]
file = k.flat
extra_params = -device hyperv-testdev
[seldom]
file = k.flat
groups = nodefault slow
[missing]
file = other.flat
"""


def test_the_format_of_kvm_unit_tests_is_understood(tmp_path):
    (tmp_path / "k.flat").write_bytes(b"\x7fELF" + bytes(12) + b"\x02\x00\x03\x00" + bytes(100))
    (tmp_path / "unittests.cfg").write_text(CONFIG)
    (tmp_path / "other.elf").write_bytes(b"\x7fELF" + bytes(12) + b"\x02\x00\x3e\x00" + bytes(100))
    (tmp_path / "other.elf.args").write_text("append = a b\nmemory = 32M\nmodule = file x y\n")
    (tmp_path / "text").write_text("no kernel")
    runs = {run.name: run for run in plan.plan(tmp_path)}
    assert [name for name, run in runs.items() if not run.skipped] == ["plain", "words", "host", "vendor", "other.elf"]
    assert (runs["words"].append, runs["words"].memory, runs["words"].timeout) == ("one two", "256M", 90)
    assert runs["host"].level == "host" and runs["plain"].level == "portable-1"
    assert "2 processors" in runs["two"].skipped and "nested" in runs["nested"].skipped and "hyperv" in runs["device"].skipped
    assert "group" in runs["seldom"].skipped and "no other.flat" in runs["missing"].skipped
    assert (runs["other.elf"].append, runs["other.elf"].modules) == ("a b", ["file x y"])
    assert not plan.plan(tmp_path, ["slow"])[7].skipped


@pytest.mark.parametrize(
    "status, output, log, verdict, failed",
    [
        (1, "PASS: a\nSKIP: b\nSUMMARY: 2 tests, 1 skipped\n", "", "pass", []),
        (3, "PASS: a\nFAIL: b\nSUMMARY: 2 tests, 1 unexpected failures\n", "", "FAILED", ["b"]),
        (1, "FAIL: b\n", "", "FAILED", ["b"]),
        (3, "", "", "FAILED", ["it ended with 1"]),
        (155, "SKIP: no feature\n", "", "skipped", []),
        (0, "", "", "FAILED", ["it powered off without a verdict"]),
        (14, "", "", "FAILED", ["out of time"]),
        (16, "", "k: the guest crashed at rip 0x1: why\n", "FAILED", ["the guest crashed: the guest crashed at rip 0x1: why"]),
        (0, "Test result: SUCCESS\n", "", "pass", []),
        (0, "Test result: FAILURE\n", "", "FAILED", ["Test result: FAILURE"]),
        (3, "FAIL: the known one\n", "", "known", ["the known one"]),
    ],
)
def test_verdicts(status, output, log, verdict, failed):
    reasons = [runner.Known("both", "k", "the known", "because", False)]
    result = runner.judge(plan.Run("k", pathlib.Path("k")), "amd", status, output, log, reasons)
    assert (result.verdict, [entry["check"] for entry in result.failed]) == (verdict, failed)


def test_the_document_has_a_reason_for_each_failure():
    """docs/test-kernels.md is made from a run: no row without a reason."""
    text = (ROOT / "docs/test-kernels.md").read_text()
    table = text[text.index(runner.BEGIN) : text.index(runner.END)]
    assert "| conform |" in table and "no reason is known" not in table and "FAILED" not in table
