# SPDX-License-Identifier: Apache-2.0
"""What only the machine itself can refuse: it says so in one message that names the thing, with the right exit code."""

import binascii
import re
import struct

import pexpect
import pytest
from conftest import is_bochs, vendor

pytestmark = pytest.mark.both_vendors
WITHOUT_VIRTUALIZATION = {"amd": "EPYC,-svm", "intel": "p4_prescott_celeron_336"}
DISABLED = {"amd": "svm=off", "intel": "vmx=off"}
FAILED, NOT_FOUND, LACKS, CORE = 4, 6, 12, 18


@pytest.fixture
def kernel(build):
    return build / "guests/testkernel.elf"


@pytest.fixture
def boot(gyre, kernel):
    def run(*options, kernel=kernel, vm=(), memory="32M"):
        words = ["--vm", "small", "--kernel", kernel, "--append", "exit 3", "--memory", memory, "--test-device", *vm]
        return gyre.emulate(*options, *words, seconds=60)

    return run


def refused(result, status, *words):
    assert result.returncode == status, result.stderr
    assert result.stdout == ""
    for word in words:
        assert re.search(word, result.stderr, re.I), result.stderr


# ---- the machine ----


def test_a_processor_without_virtualization(boot, machine):
    refused(boot("--cpu-model", WITHOUT_VIRTUALIZATION[vendor(machine)]), LACKS, "virtualization")


def test_virtualization_disabled_by_the_firmware(boot, machine):
    """No emulator has such a firmware: the option has the core take the way that VM_CR.SVMDIS or a locked IA32_FEATURE_CONTROL would."""
    refused(boot("--core-option", DISABLED[vendor(machine)]), LACKS, "disabled by the firmware", "enable it")


def test_a_processor_that_refuses_its_own_revision(gyre, kernel):
    """VMXON with another VMCS revision than IA32_VMX_BASIC names is refused, whoever is wrong."""
    words = ["--core-option", "vmcs-revision=off", "--vm", "small", "--kernel", kernel, "--memory", "32M"]
    refused(gyre.emulate(*words, machine="intel", seconds=60), LACKS, "revision", "contradicts itself|refuses")


def test_real_mode_without_unrestricted_guest(gyre, kernel):
    """What needs no real mode runs (test_bochs has the models); what turns to it ends, and is told why."""
    words = ["--core-option", "unrestricted=off", "--vm", "small", "--kernel", kernel, "--append", "real", "--memory", "32M"]
    result = gyre.emulate(*words, machine="intel", seconds=60)
    assert result.returncode == 16 and "back from real mode" not in result.stdout
    assert re.search("real mode.*unrestricted guest", result.stderr), result.stderr


def test_a_processor_without_nested_paging(gyre, kernel, machine):
    words = ["--vm", "small", "--kernel", kernel, "--memory", "32M"]
    refused(gyre.emulate(*words, machine=f"{vendor(machine)}-shadow", seconds=60), LACKS, "nested paging")


@pytest.mark.qemu_only("each model of Bochs that has nested paging reaches the level")
def test_a_level_that_the_processor_does_not_reach(boot):
    refused(boot("--cpu-model", "EPYC,+svm,+npt,-sse4.2"), LACKS, "portable-1")


@pytest.mark.parametrize("memory", ["16M", "24M", "40M"])
def test_a_machine_with_too_little_memory(boot, memory):
    refused(boot("--host-memory", memory), LACKS, "memory")


def test_a_vm_larger_than_the_machine(boot):
    refused(boot("--host-memory", "256M", memory="512M"), LACKS, "small", "memory")


# ---- files ----


def test_an_initrd_larger_than_memory(boot, tmp_path):
    (tmp_path / "initrd").write_bytes(bytes(40 << 20))
    refused(boot("--host-memory", "512M", vm=["--initrd", tmp_path / "initrd"]), LACKS, "small", "memory")


def test_kernels_that_are_none(gyre, boot, machine, tmp_path, build):
    vmlinuz = (build / "guests/vmlinuz").read_bytes()
    elf = (build / "guests/testkernel.elf").read_bytes()
    lying_setup = bytearray(vmlinuz)
    lying_setup[0x1F1] = 0xFF
    lying_size = bytearray(vmlinuz)
    struct.pack_into("<I", lying_size, 0x260, 0xF0000000)
    lying_segment = bytearray(elf)
    program_headers = struct.unpack_from("<I", elf, 28)[0]
    struct.pack_into("<I", lying_segment, program_headers + 16, 0x7FFFFFFF)
    no_header = elf.replace(struct.pack("<I", 0x1BADB002), bytes(4))
    cases = {
        "text": b"#!/bin/sh\necho this is no kernel\n" * 100,
        "zeros": bytes(8192),
        "short": vmlinuz[:2000],
        "cut": vmlinuz[:100000],
        "setup": bytes(lying_setup[: 64 * 1024]),
        "size": bytes(lying_size),
        "segment": bytes(lying_segment),
        "header": no_header,
        "cut-elf": elf[:60],
    }
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
    if is_bochs(machine):
        # All in one boot: only the first one's code is seen.
        words = [word for name in cases for word in ("--vm", name, "--kernel", tmp_path / name, "--memory", "128M")]
        result = gyre.emulate(*words, seconds=60)
        assert result.returncode == FAILED and result.stdout == "", result.stderr
        assert all(f"{name}: {name}: " in result.stderr for name in cases), result.stderr
        return
    for name in cases:
        path = tmp_path / name
        result = boot(kernel=path, memory="256M")
        assert result.returncode == FAILED and result.stdout == "", (name, result.stderr)
        assert f"small: {name}: " in result.stderr, (name, result.stderr)


# ---- Gyre's own modules ----


@pytest.fixture
def parts(build, tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    for name in ("gyre-core.elf", "root.elf", "monitor.elf"):
        (folder / name).write_bytes((build / name).read_bytes())
    return folder


def change(path, offset, content):
    data = bytearray(path.read_bytes())
    data[offset : offset + len(content)] = content
    path.write_bytes(bytes(data))


def test_a_monitor_that_is_damaged(boot, parts):
    (parts / "monitor.elf").write_bytes((parts / "monitor.elf").read_bytes()[:5000])
    refused(boot("--lib-dir", parts), FAILED, "monitor")
    (parts / "monitor.elf").write_text("no program at all")
    refused(boot("--lib-dir", parts), FAILED, "monitor")


def test_a_root_that_is_damaged(boot, parts):
    original = (parts / "root.elf").read_bytes()
    (parts / "root.elf").write_bytes(original[:3000])
    refused(boot("--lib-dir", parts), CORE, "root")
    (parts / "root.elf").write_text("no program at all")
    refused(boot("--lib-dir", parts), CORE, "root")


def iso_says(gyre, iso, pattern):
    """Boots the image without the command beside it, and waits for words on COM1. A core that stops does not switch the machine off."""
    qemu = ["-M", "q35", "-cpu", "EPYC,+svm,+npt", "-m", "512", "-display", "none", "-no-reboot", "-net", "none", "-serial", "stdio"]
    child = pexpect.spawn(
        "qemu-system-x86_64", [*qemu, "-cdrom", str(iso)], timeout=60, encoding="utf-8", codec_errors="replace", dimensions=(50, 300)
    )
    gyre.children.append(child)
    child.expect(pattern)


@pytest.fixture
def iso(gyre, kernel, tmp_path):
    path = tmp_path / "gyre.iso"
    words = ["--vm", "small", "--kernel", kernel, "--append", "exit 3", "--memory", "32M", "--test-device"]
    assert gyre.run("image", "-o", path, *words).returncode == 0
    return path


@pytest.mark.qemu_only("a change of one byte in an image, which is read before any processor matters")
def test_a_description_that_is_damaged(gyre, iso):
    data = iso.read_bytes()
    table = data.index(struct.pack("<II", 0x46435947, 2))
    name = data.index(b"small\0", table)
    change(iso, name, b"smell")
    iso_says(gyre, iso, "description is corrupt: its checksum")
    # The checksum is right, the content is not.
    total = struct.unpack_from("<I", data, table + 8)[0]
    changed = bytearray(data[table : table + total])
    changed[name - table : name - table + 5] = b"SMALL"
    changed[12:16] = bytes(4)
    changed[12:16] = struct.pack("<I", binascii.crc32(changed))
    change(iso, table, changed)
    iso_says(gyre, iso, "is not made of a-z, 0-9 and -")


@pytest.mark.qemu_only("a change of one byte in an image, which is read before any processor matters")
@pytest.mark.parametrize("module", ["root", "monitor", "config", "file0"])
def test_a_missing_module(gyre, iso, module):
    data = iso.read_bytes()
    file = {"config": "config", "file0": "file0"}.get(module, f"{module}.elf")
    command = f"module2 /boot/gyre/{file} {module};".encode()
    assert command in data
    change(iso, data.index(command), b"set x=1".ljust(len(command) - 1) + b";")
    iso_says(gyre, iso, rf"(?i)\b{module}\b[^\n]*(missing|not there|no such)|no boot module[^\n]*\b{module}\b")
