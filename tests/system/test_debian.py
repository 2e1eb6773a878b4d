# SPDX-License-Identifier: Apache-2.0
"""Debian's stock cloud kernel on Gyre: to a shell that a person types into, with a clean kernel log, from the command and from the image."""

import ctypes
import re
import subprocess

import pexpect
import pytest

from conftest import PROMPT, ROOT, ended

pytestmark = pytest.mark.both_vendors
VENDOR_FREE = "nothing here depends on the processor, and a boot takes half a minute on Bochs"
# What a kernel says when its machine is not right.
BAD = r"BUG|WARNING|[Uu]nhandled|clocksource.*unstable|Call Trace|\bOops\b|probe .*failed|failed with error|soft lockup|invalid opcode"


def command(child, line):
    """What the guest's shell prints for a line."""
    child.send(line + "\r")
    child.expect_exact(line)
    child.expect(r"\r\n(.*?)" + re.escape(PROMPT))
    return child.match.group(1)


def play(child, seconds):
    child.expect("Gyre guest: Debian kernel", timeout=seconds)
    child.expect_exact(PROMPT)
    assert "Linux gyre-guest 6.1." in command(child, "uname -a")
    cpuinfo = command(child, "cat /proc/cpuinfo")
    assert "AuthenticAMD" in cpuinfo and re.search(r"^flags\s.*\bhypervisor\b", cpuinfo, re.M)
    assert int(command(child, "grep -c processor /proc/cpuinfo")) == 1
    assert 200_000 < int(re.search(r"MemTotal:\s+(\d+)", command(child, "grep MemTotal /proc/meminfo")).group(1)) < 262_144
    # With an invariant TSC the kernel reads that itself; the paravirtual clock stands by.
    clocks = command(child, "cat /sys/devices/system/clocksource/*/*able_clocksource")
    assert {"tsc", "kvm-clock"} <= set(clocks.split())
    assert command(child, "cat /sys/devices/system/clocksource/*/current_clocksource").strip() == "tsc"
    # Ctrl-C is the guest's: of what runs in its shell, which itself reads it as a byte before.
    child.send("echo be''gun; sleep 1000\r")
    child.expect_exact("begun")
    child.send("\x03")
    child.expect_exact(PROMPT)
    child.send("poweroff\r")


def test_a_person_at_the_shell(gyre):
    child = gyre.spawn(*gyre.debian("quiet"), seconds=60)
    play(child, 90 * gyre.patience)
    ended(child)


@pytest.mark.qemu_only("the command is not there: on Bochs, test_bochs.py does it")
@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_the_image_on_a_machine_without_the_command(gyre, tmp_path, firmware):
    iso = tmp_path / "gyre.iso"
    assert gyre.run("image", "-o", iso, *gyre.debian("quiet")).returncode == 0
    words = ["-M", "q35", "-cpu", "EPYC,+svm,+npt", "-m", "768", "-display", "none", "-no-reboot", "-net", "none", "-cdrom", str(iso)]
    words += ["-chardev", "stdio,id=com1,signal=off", "-serial", "chardev:com1"]
    words += (["-bios", "/usr/share/ovmf/OVMF.fd"] if firmware == "uefi" else [])
    child = pexpect.spawn("qemu-system-x86_64", words, timeout=60, encoding="utf-8", codec_errors="replace", cwd=str(ROOT))
    gyre.children.append(child)
    play(child, 120)
    ended(child)


def test_the_kernel_log_is_clean_and_the_clock_keeps_time(gyre):
    """Under --icount time is what the machine counts, whatever else this computer does."""
    script = "dmesg; cat /proc/interrupts; date +%s; cut -d. -f1 /proc/uptime; sleep 3; date +%s; cut -d. -f1 /proc/uptime"
    result = gyre.emulate("--icount", *gyre.debian(f'gyre.exec="{script}"'), seconds=180)
    assert result.returncode == 0, result.stderr
    log = result.stdout
    assert "Linux version 6.1." in log and "Gyre guest: exit status 0" in log
    assert not re.findall(rf"^.*(?:{BAD}).*$", log, re.M)
    assert "Hypervisor detected: KVM" in log
    first, up, second, later = map(int, re.search(r"^(\d{9,})\r?\n(\d+)\r?\n(\d{9,})\r?\n(\d+)\r?\n", log, re.M).groups())
    assert 3 <= second - first <= 4 and 3 <= later - up <= 4


@pytest.mark.qemu_only(VENDOR_FREE)
def test_reboot_and_no_reboot(gyre):
    debian = gyre.debian('quiet gyre.exec="echo up; reboot -f"')
    result = gyre.emulate("--no-reboot", *debian, seconds=120)
    assert result.returncode == 0 and result.stdout.count("Gyre guest: Debian kernel") == 1, result.stderr
    child = gyre.spawn(*debian, seconds=60)
    for _ in range(2):
        child.expect("Gyre guest: Debian kernel", timeout=90)
    child.send("\x1dq")
    ended(child)


def unpack_lz4(packed):
    """The legacy format: a magic number, then blocks of at most 8 MiB with their packed sizes. Debian's own packages need the library."""
    library, block, out = ctypes.CDLL("liblz4.so.1"), ctypes.create_string_buffer(8 << 20), b""
    assert packed[:4] == bytes.fromhex("02214c18")
    at = 4
    while at + 4 <= len(packed):
        size = int.from_bytes(packed[at : at + 4], "little")
        done = library.LZ4_decompress_safe(packed[at + 4 : at + 4 + size], block, size, len(block))
        assert done > 0
        out += block.raw[:done]
        at += 4 + size
    return out


@pytest.mark.qemu_only(VENDOR_FREE)
def test_the_elf_inside_the_bzimage_boots_by_pvh(gyre, build, tmp_path):
    image = (build / "guests/vmlinuz").read_bytes()
    # The kernel's Documentation/x86/boot.rst: setup_sects, payload_offset, payload_length. The last four bytes are the unpacked size.
    start = (image[0x1F1] + 1) * 512 + int.from_bytes(image[0x248:0x24C], "little")
    vmlinux = unpack_lz4(image[start : start + int.from_bytes(image[0x24C:0x250], "little") - 4])
    assert vmlinux.startswith(b"\x7fELF")
    (tmp_path / "vmlinux").write_bytes(vmlinux)
    words = ["--vm", "debian", "--kernel", tmp_path / "vmlinux", "--append", 'console=ttyS0 quiet gyre.exec="uname -a"', "--memory", "256M"]
    result = gyre.emulate(*words, "--initrd", build / "guests/initramfs.cpio.gz", seconds=120)
    assert result.returncode == 0, result.stderr
    assert "Linux gyre-guest 6.1." in result.stdout and "Gyre guest: exit status 0" in result.stdout


@pytest.mark.qemu_only(VENDOR_FREE)
def test_input_that_is_no_terminal(gyre):
    words = [gyre.program, *gyre.words(*gyre.debian("quiet"), seconds=120)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as process:
        heard = b""
        while PROMPT.encode() not in heard:
            byte = process.stdout.read(1)
            assert byte, heard
            heard += byte
        process.stdin.write(b"echo $((40 + 2)); poweroff\n")
        process.stdin.close()
        assert b"42" in process.stdout.read()
        assert process.wait(60) == 0
