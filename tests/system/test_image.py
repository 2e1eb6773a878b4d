# SPDX-License-Identifier: Apache-2.0
"""What is in the ISO of `gyre image`: the core, its boot modules, the table of VMs as include/gyre/config.h has it, a GRUB for both
firmwares. The parts of Gyre are stand-ins here: what boots is tested elsewhere."""

import binascii
import os
import pathlib
import signal
import struct
import subprocess
import time

import pytest

HEADER = struct.Struct("<IIIIIIIIQI5I")
VM = struct.Struct("<32sQIIIIIII16III8I4x")


@pytest.fixture
def parts(tmp_path):
    """A folder with what the image is made of."""
    folder = tmp_path / "parts"
    folder.mkdir()
    for name in ("gyre-core.elf", "root.elf", "monitor.elf", "console.elf", "kernel", "initrd"):
        (folder / name).write_bytes(f"this is {name}".encode() * 100)
    return folder


def unpack(iso, folder):
    subprocess.run(["xorriso", "-osirrox", "on", "-indev", iso, "-extract", "/", folder], check=True, capture_output=True)
    subprocess.run(["chmod", "-R", "u+w", folder], check=True)
    return folder / "boot"


def text_at(table, text, offset):
    start = text + offset
    return table[start : table.index(b"\0", start)].decode()


def test_image(gyre, parts, tmp_path):
    iso = tmp_path / "gyre.iso"
    vms = ["--vm", "a", "--kernel", parts / "kernel", "--append", "quiet x=y", "--initrd", f"{parts}/initrd mod one"]
    vms += ["--memory", "64M", "--test-device", "--vm", "b", "--kernel", parts / "kernel", "--level", "host"]
    result = gyre.run("image", "-o", iso, "--no-reboot", "--core-option", "npt=off", "--lib-dir", parts, *vms)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    boot = unpack(iso, tmp_path / "out")

    same = [(name, name) for name in ("gyre-core.elf", "root.elf", "monitor.elf", "console.elf")]
    for name, source in same + [("file0", "kernel"), ("file1", "initrd")]:
        assert (boot / "gyre" / name).read_bytes() == (parts / source).read_bytes()
    assert not (boot / "gyre/file2").exists()
    script = (boot / "grub/grub.cfg").read_text()
    assert "multiboot2 /boot/gyre/gyre-core.elf npt=off;" in script
    for line in ("root.elf root", "monitor.elf monitor", "console.elf console", "config config", "file0 file0", "file1 file1"):
        assert f"module2 /boot/gyre/{line};" in script
    assert "serial" not in script and "set timeout=0" in script

    table = (boot / "gyre/config").read_bytes()
    magic, version, total, crc, count, text, text_bytes, flags, wall_clock, entropy, *reserved = HEADER.unpack_from(table)
    assert (magic, version, total, count) == (0x46435947, 2, len(table), 2)
    assert binascii.crc32(table[:12] + bytes(4) + table[16:]) == crc
    assert (flags, wall_clock, entropy, any(reserved)) == (2, 0, 256, False)
    assert text + text_bytes == total and table[text] == 0 and table[text + text_bytes - entropy - 1] == 0
    assert len(set(table[-entropy:])) > 64
    first, second = (VM.unpack_from(table, HEADER.size + i * VM.size) for i in range(2))
    assert first[0].rstrip(b"\0") == b"a" and second[0].rstrip(b"\0") == b"b"
    assert first[1:5] == (64 << 20, 1, 1, 1 | 2) and second[1:5] == (256 << 20, 1, 2, 2)
    assert first[5] == 0 and second[5] == 0
    assert text_at(table, text, first[6]) == "quiet x=y" and second[6] == 0
    assert text_at(table, text, first[7]) == str(parts / "kernel")
    assert first[8] == 1 and first[9] == 1 and text_at(table, text, first[10]) == f"{parts}/initrd mod one"
    assert second[8] == 0 and first[25:27] == (0xFFFFFFFF, 0xFFFFFFFF)


def test_image_boots_under_both_firmwares_by_its_boot_records(gyre, parts, tmp_path):
    iso = tmp_path / "gyre.iso"
    (parts / "console.elf").unlink()  # one VM does without
    assert gyre.run("image", "-o", iso, "--lib-dir", parts, "--vm", "a", "--kernel", parts / "kernel").returncode == 0
    report = subprocess.run(["xorriso", "-indev", iso, "-report_el_torito", "plain"], capture_output=True, text=True, check=True).stdout
    assert "BIOS" in report and "UEFI" in report
    assert iso.stat().st_size < 8 << 20


def test_no_image_is_left_when_it_fails(gyre, parts, tmp_path):
    (parts / "monitor.elf").unlink()
    iso = tmp_path / "gyre.iso"
    result = gyre.run("image", "-o", iso, "--lib-dir", parts, "--vm", "a", "--kernel", parts / "kernel")
    assert result.returncode == 6 and "monitor.elf" in result.stderr
    assert not list(tmp_path.glob("gyre.iso*"))


def test_two_at_once_make_one_whole_image(gyre, parts, tmp_path):
    words = [gyre.program, "image", "-o", tmp_path / "x.iso", "--lib-dir", parts, "--vm", "a", "--kernel", parts / "kernel"]
    makers = [subprocess.Popen(list(map(str, words)), stdin=subprocess.DEVNULL) for _ in range(2)]
    assert [maker.wait(60) for maker in makers] == [0, 0]
    assert (unpack(tmp_path / "x.iso", tmp_path / "out") / "gyre/file0").read_bytes() == (parts / "kernel").read_bytes()
    assert [path.name for path in tmp_path.glob("x.iso*")] == ["x.iso"]


def fake_program(folder, name, text):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_what_grub_says_is_shown(gyre, parts, tmp_path, monkeypatch):
    tools = tmp_path / "tools"
    tools.mkdir()
    fake_program(tools, "grub-mkrescue", "echo the disk is on fire >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    result = gyre.run("image", "-o", tmp_path / "x.iso", "--lib-dir", parts, "--vm", "a", "--kernel", parts / "kernel")
    assert result.returncode == 4 and "the disk is on fire" in result.stderr


def test_a_signal_leaves_nothing_behind(gyre, parts, tmp_path, monkeypatch):
    tools, temporary = tmp_path / "tools", tmp_path / "temporary"
    tools.mkdir()
    temporary.mkdir()
    fake_program(tools, "grub-mkrescue", "sleep 60 & echo $! >$TMPDIR/../pid; wait")
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setenv("TMPDIR", str(temporary))
    words = [gyre.program, "image", "-o", tmp_path / "x.iso", "--lib-dir", parts, "--vm", "a", "--kernel", parts / "kernel"]
    with subprocess.Popen(list(map(str, words)), stdin=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 10
        while not (tmp_path / "pid").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert list(temporary.iterdir())
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == -signal.SIGTERM
    assert not list(temporary.iterdir())
    child = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 10
    while pathlib.Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        if " Z " in pathlib.Path(f"/proc/{child}/stat").read_text():
            break
        time.sleep(0.01)
    assert not pathlib.Path(f"/proc/{child}").exists() or " Z " in pathlib.Path(f"/proc/{child}/stat").read_text()
