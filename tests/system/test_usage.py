# SPDX-License-Identifier: Apache-2.0
"""What the command refuses before anything boots, with which exit code, and that its words name the thing and what to do."""

import json

import pytest

USAGE, FAILED, NOT_FOUND, LACKS = 2, 4, 6, 12


@pytest.fixture
def kernel(tmp_path):
    path = tmp_path / "kernel"
    path.write_bytes(b"a kernel, for all that the command knows")
    return path


def refused(result, status, *words):
    """The code, one message, nothing on standard output."""
    assert (result.returncode, result.stdout) == (status, ""), result.stderr
    assert all(line.startswith("gyre: ") for line in result.stderr.splitlines())
    for word in words:
        assert word in result.stderr
    return True


def test_help_and_version(gyre):
    for words in (["--help"], ["emulate", "--help"], ["image", "-h"], ["show", "--help"], ["trace", "--help"], ["control", "--help"]):
        result = gyre.run(*words)
        assert result.returncode == 0 and result.stdout.startswith("usage: gyre") and result.stderr == ""
    assert gyre.run("--version").stdout.startswith("gyre ")


@pytest.mark.parametrize(
    "words, says",
    [
        ([], "--help"),
        (["emulat"], "did you mean emulate"),
        (["run", "x.yaml"], "this version of Gyre has not got it yet"),
        (["emulate"], "--machine amd"),
        (["emulate", "--machine", "linux"], "has not got it yet"),
        (["emulate", "--machine", "vax"], "no such machine"),
        (["emulate", "--machine"], "needs a value"),
        (["emulate", "--machine", "amd"], "name a VM"),
        (["emulate", "--machine", "amd", "--kernel", "K"], "write --vm NAME before it"),
        (["emulate", "--machine", "amd", "--vm", "a"], "no kernel"),
        (["emulate", "--machine", "amd", "--kernle", "K"], "did you mean --kernel"),
        (["emulate", "--machine", "amd", "--xyzzy"], "unknown option --xyzzy"),
        (["emulate", "--no-reboot=yes"], "takes no value"),
        (["emulate", "--host-cpus", "2"], "one CPU only"),
        (["emulate", "--host-cpus", "two"], "number of CPUs"),
        (["emulate", "--gdb", "0"], "write the number of a TCP port"),
        (["emulate", "--machine", "amd", "--gdb-run", "--vm", "a", "--kernel", "/dev/null"], "needs --gdb PORT"),
        (["emulate", "--cpu-model", ""], "name a processor"),
        (["emulate", "--timeout", "soon"], "number of seconds"),
        (["emulate", "--timeout", "0"], "number of seconds"),
        (["emulate", "--host-memory", "512"], "no unit"),
        (["emulate", "--machine-firmware", "coreboot"], "bios or uefi"),
        (["emulate", "--core-option", "barriers"], "KEY=VALUE"),
        (["emulate", "--core-option", "a=b; halt"], "KEY=VALUE"),
        (["image", "--vm", "a", "--kernel", "K"], "-o FILE.iso"),
        (["image", "-o", "x.iso", "--", "-m", "1"], "behind --"),
        (["trace"], "name the file"),
        (["show"], "name a description"),
    ],
)
def test_usage(gyre, kernel, words, says):
    refused(gyre.run(*[str(kernel) if word == "K" else word for word in words]), USAGE, says)


@pytest.mark.parametrize(
    "words, says",
    [
        (["--vm", "Web"], "a-z, 0-9 and -"),
        (["--vm", "-web"], "a-z, 0-9 and -"),
        (["--vm", "x" * 32], "a-z, 0-9 and -"),
        (["--vm", ""], "a-z, 0-9 and -"),
        (["--vm", "root"], "Gyre's own messages"),
        (["--vm", "a", "--memory", "256"], "no unit"),
        (["--vm", "a", "--memory", "256MB"], "unit that is unknown"),
        (["--vm", "a", "--memory", "256m"], "unit that is unknown"),
        (["--vm", "a", "--memory", "1.5G"], "write 1536M"),
        (["--vm", "a", "--memory", "-1G"], "is no size"),
        (["--vm", "a", "--memory", "3M"], "multiple of 2M"),
        (["--vm", "a", "--memory", "0M"], "multiple of 2M"),
        (["--vm", "a", "--memory", "99999999999999T"], "larger than any machine"),
        (["--vm", "a", "--memory", "2T"], "more than the 256G"),
        (["--vm", "a", "--cpus", "2"], "one CPU only"),
        (["--vm", "a", "--cpus", "0"], "no number of CPUs"),
        (["--vm", "a", "--cpus", "many"], "no number of CPUs"),
        (["--vm", "a", "--level", "portable-2"], "no level portable-2"),
        (["--vm", "a", "--level", "skylake"], "no CPU level"),
        (["--vm", "a", "--restart", "sometimes"], "never, on-failure or always"),
        (["--vm", "a", "--restart-limit", "-1"], "no number of restarts"),
        (["--vm", "a", "--firmware", "bios"], "has not got it yet"),
        (["--vm", "a", "--disk", "d.img"], "has not got it yet"),
        (["--vm", "a", "--cdrom", "c.iso"], "has not got it yet"),
        (["--vm", "a", "--memory", "64M", "--memory", "64M"], "given twice"),
        (["--vm", "a", "--append", "x" * 5000], "longer than"),
        (["--vm", "a", "--append", "one\ntwo"], "control character"),
        (["--vm", "a", "--kernel", "K", "--vm", "a", "--kernel", "K"], "another VM has the name a"),
        (["--vm", "a", "--kernel", ""], "name is missing"),
    ],
)
def test_wrong_inline_vm(gyre, kernel, words, says):
    refused(gyre.run("show", *[str(kernel) if word == "K" else word for word in words]), USAGE, says)


def test_files_that_are_not_there_or_not_readable(gyre, kernel, tmp_path):
    refused(gyre.run("show", "--vm", "a", "--kernel", tmp_path / "none"), NOT_FOUND, "none", "No such file")
    refused(gyre.run("show", "--vm", "a", "--kernel", kernel, "--initrd", "nowhere x=1"), NOT_FOUND, "nowhere")
    refused(gyre.run("show", tmp_path / "none.yaml"), NOT_FOUND, "none.yaml")
    refused(gyre.run("show", "--vm", "a", "--kernel", tmp_path), FAILED, "folder")
    (tmp_path / "empty").touch()
    refused(gyre.run("show", "--vm", "a", "--kernel", tmp_path / "empty"), FAILED, "is empty")
    refused(gyre.run("trace", tmp_path / "none"), NOT_FOUND, "none")
    refused(gyre.run("trace", kernel), FAILED, "no trace")
    words = ["--vm", "a", "--kernel", kernel, "--lib-dir", tmp_path]
    refused(gyre.run("image", "-o", tmp_path / "x.iso", *words), NOT_FOUND, "gyre-core.elf", "--lib-dir")
    refused(gyre.run("image", "-o", tmp_path / "no" / "x.iso", *words), NOT_FOUND)
    refused(gyre.run("image", "-o", tmp_path, *words), FAILED, "is no file")
    assert not list(tmp_path.glob("x.iso*"))


@pytest.mark.parametrize(
    "words, says",
    [
        (["amd", "--cpu-model", "corei7_haswell_4770"], ["Intel's", "--machine amd", "AMD's"]),
        (["amd", "--cpu-model", "Haswell-noTSX"], ["Intel's", "--machine amd"]),
        (["intel", "--cpu-model", "ryzen"], ["AMD's", "--machine intel", "Intel's"]),
        (["intel", "--cpu-model", "EPYC-Rome,-svm"], ["AMD's", "--machine intel"]),
        (["intel", "--cpu-model", "corei7_haswel"], ["no emulator has it", "corei7_haswell_4770", "corei7_skylake_x", "qemu-system-x86_64 -cpu help"]),
        (["amd", "--cpu-model", "threadripper"], ["no emulator has it", "ryzen"]),
        (["intel", "--machine-firmware", "uefi"], ["uefi", "BIOS only"]),
        (["amd", "--cpu-model", "ryzen", "--machine-firmware", "uefi"], ["uefi", "BIOS only"]),
        (["intel", "--host-memory", "2049M"], ["2049M", "2G", "Bochs"]),
        (["amd", "--host-memory", "1025G"], ["1025G", "1T", "QEMU"]),
    ],
)
def test_what_a_machine_has_not(gyre, kernel, words, says):
    refused(gyre.run("emulate", "--machine", *words, "--vm", "a", "--kernel", kernel), USAGE, *says)


def test_a_machine_that_no_computer_has(gyre, kernel):
    words = ["emulate", "--machine", "amd", "--vm", "a", "--kernel", kernel]
    refused(gyre.run(*words, "--memory", "256G"), LACKS, "--memory")
    refused(gyre.run(*words, "--host-memory", "8M"), LACKS, "16M")
    words[words.index("amd")] = "intel"
    refused(gyre.run(*words, "--memory", "2G"), LACKS, "--memory", "Bochs")


# ---- descriptions ----


def write(folder, text, name="web.yaml"):
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text, line, says",
    [
        ("kernel: kernel\nmemroy: 256M\n", 2, 'did you mean "memory"'),
        ("kernel: kernel\nfrobnicate: 1\n", 2, "unknown key"),
        ("kernel: kernel\nmemory: 256\n", 2, "no unit"),
        ("kernel: kernel\n\nmemory: 256 MB\n", 3, "unit that is unknown"),
        ("kernel: kernel\nmemory: [1, 2]\n", 2, "takes a size"),
        ("kernel: kernel\ncpus: two\n", 2, "no number of CPUs"),
        ('kernel: kernel\ncpus: "1"\n', 2, "takes a number"),
        ("kernel: kernel\ncpus: 4\n", 2, "one CPU only"),
        ("kernel: kernel\ntest_device: yes\n", 2, "neither true nor false"),
        ('kernel: kernel\ntest_device: "true"\n', 2, "takes true or false"),
        ("kernel: kernel\nstart: no\n", 2, "neither true nor false"),
        ("kernel: kernel\nrestart_limit: many\n", 2, "no number of restarts"),
        ("kernel: kernel\nrestart: yes\n", 2, "no rule for restarts"),
        ("kernel: kernel\nname: A_B\n", 2, "a-z, 0-9 and -"),
        ("kernel: kernel\nkernel: kernel\n", 2, "given twice"),
        ("kernel:\n", 1, "takes a file's name"),
        ("kernel: kernel\ninitrd:\n  - {fiel: kernel}\n", 3, 'did you mean "file"'),
        ("kernel: kernel\ninitrd:\n  - {arguments: x}\n", 3, "file: NAME is missing"),
        ("kernel: kernel\ninitrd:\n  - [kernel]\n", 3, "takes a file's name"),
        ("kernel: kernel\ninitrd: [%s]\n" % ", ".join(["kernel"] * 9), 2, "at most 8"),
        ("kernel: kernel\nfirmware: uefi\n", 2, "has not got it yet"),
        ("kernel: kernel\ndisk: d.img\n", 2, "has not got it yet"),
        ("kernel: kernel\nlevel: haswell\n", 2, "no CPU level"),
        ("kernel: kernel\nappend: *nothing\n", 2, "no YAML"),
        ("kernel: [kernel\n", 2, "no YAML"),
        ("- kernel\n", 1, "key: value"),
        ("kernel: kernel\ninitrd: &a [*a]\n", 2, "takes a file's name"),
    ],
)
def test_wrong_description_names_its_line(gyre, kernel, tmp_path, text, line, says):
    refused(gyre.run("show", write(tmp_path, text)), USAGE, f"web.yaml:{line}: ", says)


def test_descriptions_that_are_none(gyre, kernel, tmp_path):
    refused(gyre.run("show", write(tmp_path, "")), USAGE, "is empty")
    refused(gyre.run("show", write(tmp_path, "memory: 64M\n")), USAGE, "there is no kernel")
    refused(gyre.run("show", write(tmp_path, "kernel: kernel\n---\nkernel: kernel\n")), USAGE, "second document")
    refused(gyre.run("show", write(tmp_path, "kernel: kernel\n", "Web Server.yaml")), USAGE, "name: NAME")
    refused(gyre.run("show", write(tmp_path, "kernel: nowhere\n")), NOT_FOUND, "web.yaml:1: kernel", "nowhere")
    refused(gyre.run("show", write(tmp_path, "kernel: kernel\n# " + "x" * 1100000)), USAGE, "larger than 1M")
    (tmp_path / "binary.yaml").write_bytes(bytes(range(256)) * 16)
    refused(gyre.run("show", tmp_path / "binary.yaml"), USAGE, "no YAML")


def test_show_fills_in_and_is_a_description_again(gyre, kernel, tmp_path):
    text = "kernel: kernel\nappend: console=ttyS0 # not this\ninitrd:\n  - kernel\n  - {file: kernel, arguments: a b}\nmemory: 1G\n"
    first = gyre.run("show", write(tmp_path, text), "--json")
    shown = json.loads(first.stdout)
    assert first.returncode == 0 and first.stderr == ""
    assert shown == {
        "name": "web",
        "memory": "1G",
        "cpus": 1,
        "level": "portable-1",
        "kernel": str(kernel),
        "append": "console=ttyS0",
        "initrd": [{"file": str(kernel)}, {"file": str(kernel), "arguments": "a b"}],
        "test_device": False,
        "no_reboot": False,
        "accept_leaks": False,
        "start": True,
        "restart": "never",
        "restart_limit": 10,
    }
    other = tmp_path / "elsewhere"
    other.mkdir()
    assert gyre.run("show", write(other, first.stdout, "web.json"), "--json").stdout == first.stdout
    plain = gyre.run("show", tmp_path / "web.yaml").stdout
    assert gyre.run("show", write(other, plain), "--json").stdout == first.stdout


def test_show_takes_inline_vms(gyre, kernel):
    words = ["--vm", "a", "--kernel", kernel, "--initrd", f"{kernel} one two", "--test-device", "--vm", "b", f"--kernel={kernel}"]
    shown = json.loads(gyre.run("show", "--json", *words, "--memory", "2048M", "--level", "host").stdout)
    assert [vm["name"] for vm in shown] == ["a", "b"]
    assert shown[0]["initrd"] == [{"file": str(kernel), "arguments": "one two"}] and shown[0]["test_device"]
    assert shown[1]["memory"] == "2G" and shown[1]["level"] == "host" and not shown[1]["test_device"]
