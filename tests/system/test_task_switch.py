# SPDX-License-Identifier: Apache-2.0
"""Task switches by hardware: the test kernel says the same on Gyre as alone on the same machine. On Bochs they are exits that the monitor answers, on
both vendors; QEMU does not know their intercept and does them itself. docs/testing.md says where each emulator departs from the manuals."""

import re
import subprocess

import bochs
import pytest

HASWELL, LYNNFIELD = "corei7_haswell_4770", "corei5_lynnfield_750"  # the second without unrestricted guest
ON_BOCHS = [("ryzen", "tasks"), ("ryzen", "tasks-pae"), (HASWELL, "tasks-paging"), (HASWELL, "tasks-pae"), (LYNNFIELD, "tasks")]
MODULES = "multiboot normal iso9660 configfile part_msdos"
SECONDS = 120  # takes 4; other tests run beside it


def lines(output):
    found = re.findall(r"^tasks: .*$", output, re.M)
    assert found and found[-1] == "tasks: done", output
    return found


def alone_on_bochs(kernel, folder, model, kind):
    """The kernel without Gyre, started by GRUB."""
    (folder / "root/boot/grub").mkdir(parents=True)
    (folder / "root/boot/kernel").write_bytes(kernel.read_bytes())
    (folder / "root/boot/grub/grub.cfg").write_text(f"set timeout=0\nmultiboot /boot/kernel kernel {kind}\nboot\n")
    iso = folder / "bare.iso"
    words = ["grub-mkrescue", "-o", iso, "-d", "/usr/lib/grub/i386-pc", "--locales=", "--fonts=", "--themes="]
    words += [f"--install-modules={MODULES}", folder / "root"]
    subprocess.run(words, check=True, capture_output=True, timeout=60)
    return lines(bochs.run(iso, folder, model, SECONDS))


def without_pages(found):
    """Bochs, as an AMD processor, enters a guest with the CR2 that the host had: an injected page fault has lost its address."""
    return [re.sub(r" page [0-9a-f]+", "", line) for line in found]


@pytest.mark.parametrize(("model", "kind"), ON_BOCHS)
def test_the_same_as_without_gyre(gyre, build, tmp_path, model, kind):
    bochs.needed()
    kernel = build / "guests/testkernel.elf"
    alone = alone_on_bochs(kernel, tmp_path, model, kind)
    iso = tmp_path / "gyre.iso"
    words = ["--vm", "small", "--kernel", kernel, "--append", kind, "--memory", "32M", "--test-device"]
    result = gyre.run("image", "-o", iso, "--no-reboot", *words)
    assert result.returncode == 0, result.stderr
    guest = lines(bochs.run(iso, tmp_path, model, SECONDS))
    if model == "ryzen":
        alone, guest = without_pages(alone), without_pages(guest)
    assert guest == alone
    assert not any("NO FAULT" in line or "registers lost" in line for line in guest)


@pytest.mark.parametrize("kind", ["tasks", "tasks-paging"])
def test_a_guest_on_qemu_switches_tasks_too(gyre, build, kind):
    kernel = build / "guests/testkernel.elf"
    words = ["qemu-system-x86_64", "-M", "pc", "-cpu", "EPYC", "-m", "64", "-nographic", "-no-reboot", "-net", "none"]
    words += ["-kernel", str(kernel), "-append", kind, "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
    bare = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    assert bare.returncode == 1, bare.stderr
    guest = ["--vm", "small", "--kernel", kernel, "--append", kind, "--memory", "32M", "--test-device"]
    result = gyre.emulate(*guest, seconds=60)
    assert result.returncode == 1, result.stderr
    # QEMU's last line comes without its end. Alone it takes an NMI only where a block of its translated code ends; and under Gyre, which steps over the
    # IRET that lets the next one in, the task that it leaves itself is saved with the step's TF.
    mine, its = ([line for line in output.splitlines() if re.match("tasks: (?!NMI)", line)] for output in (result.stdout, bare.stdout))
    assert mine == its and mine[-1] == "tasks: done"
