# SPDX-License-Identifier: Apache-2.0
"""What a folder of test kernels asks for: which files are kernels, and with which arguments, processor, memory and time each is run.

A folder may have a `unittests.cfg` as kvm-unit-tests have it ([name], file, smp, extra_params, arch, timeout, groups, accel, check); a kernel may have a file
NAME.args with such lines (`append`, `memory`, `module`, `level`, `expect` too). All other kernels in the folder are run as they are."""

import dataclasses
import pathlib
import re
import shlex
import time

MULTIBOOT_MAGIC = 0x1BADB002
# What -cpu may name: features of the level portable-1, of a processor that may have them (level host), and what no VM has.
PORTABLE = set("fpu tsc msr pae apic x2apic tsc-deadline tsc_deadline sep mtrr pge mca pat sse sse2 ssse3 sse4.1 sse4.2 popcnt cx16 syscall nx rdtscp lm".split())
HOST = set("smep smap umip fsgsbase xsave avx avx2 bmi1 bmi2 erms rdseed rdrand la57".split()) - {"la57"}
NEVER = {
    "svm": "nested virtualization",
    "vmx": "nested virtualization",
    "pcid": "PCID",
    "invpcid": "INVPCID",
    "pku": "protection keys",
    "pks": "protection keys",
    "la57": "5-level paging",
}
PORTABLE_MODELS = {"qemu64", "kvm64", "Opteron_G1", "Opteron_G2", "Opteron_G3", "Opteron_G4", "EPYC", "IvyBridge", "Nehalem", "SandyBridge"}
HOST_MODELS = {"max", "host", "base"}
HARMLESS = {"-enable-kvm", "-nographic", "-no-reboot", "-nodefaults", "-S"}
HARMLESS_WITH_VALUE = {"-vnc", "-serial", "-display", "-net", "-name", "-machine", "-M", "-accel"}


@dataclasses.dataclass
class Run:
    """One run of one kernel. skipped: why it is not run."""

    name: str
    file: pathlib.Path
    append: str = ""
    memory: str = "128M"
    level: str = "portable-1"
    vendor: str = ""
    smp: int = 1
    timeout: int = 0
    modules: list = dataclasses.field(default_factory=list)
    expect: str = ""
    groups: list = dataclasses.field(default_factory=list)
    machine: str = ""
    icount: bool = False
    skipped: str = ""

    def skip(self, why):
        self.skipped = self.skipped or why


def is_kernel(path):
    """An ELF executable for x86, or what has a Multiboot header where one is looked for."""
    try:
        with open(path, "rb") as file:
            head = file.read(8192)
    except OSError:
        return False
    if head[:4] == b"\x7fELF" and len(head) >= 20:
        return int.from_bytes(head[16:18], "little") == 2 and int.from_bytes(head[18:20], "little") in (3, 62)
    return has_header(head)


def has_header(head):
    """Multiboot's: aligned, in the first 8 KiB, its sum 0."""
    words = [int.from_bytes(head[at : at + 4], "little") for at in range(0, len(head) - 11, 4)]
    return any(words[i] == MULTIBOOT_MAGIC and sum(words[i : i + 3]) % 2**32 == 0 for i in range(len(words) - 2))


def is_multiboot(path):
    return has_header(path.read_bytes()[:8192])


def seconds(text):
    """A duration: 30, 30s, 2m."""
    match = re.fullmatch(r"(\d+)([smh]?)", text.strip())
    return int(match.group(1)) * {"": 1, "s": 1, "m": 60, "h": 3600}[match.group(2)] if match else 0


def size(text):
    """-m of QEMU: MiB unless it says otherwise; `size=` before it."""
    match = re.fullmatch(r"(?:size=)?(\d+)([kKmMgG]?)[bB]?(?:,.*)?", text)
    if not match:
        return None
    return match.group(1) + (match.group(2).upper() or "M")


def processor(run, text):
    """-cpu MODEL,+FEATURE,-FEATURE,KEY=VALUE."""
    model, *words = text.split(",")
    if model in HOST_MODELS:
        run.level = "host"
    elif model not in PORTABLE_MODELS:
        run.skip(f"it wants the processor {model}")
    for word in words:
        key, _, value = word.partition("=")
        name = key.lstrip("+-").lower()
        if key == "vendor":
            run.vendor = value
        elif key.startswith("-") or value in ("off", "no") or name == "migratable":
            continue  # to be without it: what Gyre has not, it has not
        elif name.startswith(("hv-", "hv_")):
            run.skip("it wants Hyper-V's interfaces, which Gyre has not")
        elif name in ("phys-bits", "host-phys-bits"):
            run.skip("it wants an address width of its own; a level has its own")
        elif name in NEVER:
            run.skip(f"it wants {NEVER[name]}, which no level has")
        elif name in HOST:
            run.level = "host"
        elif name not in PORTABLE:
            run.skip(f"it wants the processor feature {name}")


def modules(text):
    """-initrd 'FILE ARGUMENTS,FILE ARGUMENTS'."""
    return [part.strip() for part in text.split(",") if part.strip()]


def parameters(run, text):
    """extra_params: QEMU's arguments, as far as Gyre has what they ask for."""
    text = text.replace("`date +%s`", str(int(time.time())))
    try:
        words = iter(shlex.split(text))
    except ValueError:
        run.skip("its extra_params cannot be read")
        return
    for word in words:
        option = "-" + word.lstrip("-") if word.startswith("-") else word
        value = next(words, "") if option not in HARMLESS else ""
        if option == "-append":
            run.append = value
        elif option == "-cpu":
            processor(run, value)
        elif option == "-m":
            run.memory = size(value) or run.memory
        elif option == "-smp":
            run.smp = int(re.match(r"\d*", value.replace("cpus=", "")).group() or 1)
        elif option == "-initrd":
            run.modules += modules(value)
        elif option == "-device" and value.split(",")[0] in ("isa-debug-exit", "pc-testdev"):
            continue
        elif option in ("-machine", "-M") and ("vmport=on" in value or "q35" in value):
            run.skip(f"it wants QEMU's machine {value}")
        elif option not in HARMLESS and option not in HARMLESS_WITH_VALUE:
            run.skip(f"it wants QEMU's {option} {value}".rstrip())


def apply(run, key, value, groups):
    """One line of a section."""
    if key == "extra_params":
        parameters(run, value)
    elif key == "append":
        run.append = value
    elif key == "memory":
        run.memory = size(value) or run.memory
    elif key == "module":
        run.modules.append(value)
    elif key in ("level", "expect", "machine"):
        setattr(run, key, value)
    elif key == "icount":
        run.icount = value == "yes"
    elif key == "timeout":
        run.timeout = seconds(value)
    elif key == "smp":
        run.smp = int(value) if value.isdigit() else 1  # $MAX_SMP: as many as there are
    elif key == "groups":
        run.groups = value.split()
        if "nodefault" in run.groups and not set(run.groups) & set(groups):
            run.skip("its group is not run unless it is named")
    elif key == "accel" and value == "tcg":
        run.skip("it is for QEMU's own translation")
    elif key == "check":
        run.skip(f"it wants of its host {value}")
    # arch: the folder is built for one


def sections(text):
    """[name] and its lines `key = value`."""
    name, lines = "", []
    for line in text.splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = re.fullmatch(r"\[(.+)\]", line)
        if match:
            if name:
                yield name, lines
            name, lines = match.group(1), []
        elif "=" in line:
            key, value = line.split("=", 1)
            lines.append((key.strip(), value.strip()))
    if name or lines:
        yield name, lines


def section_run(name, lines, file, groups):
    run = Run(name, file)
    for key, value in lines:
        if key == "file":
            continue
        apply(run, key, value, groups)
    if run.smp > 1:
        run.skip(f"it wants {run.smp} processors; a VM has one")
    if not file.exists():
        run.skip(f"there is no {file.name} in the folder")
    return run


def plan(folder, groups=()):
    """All runs of a folder, in the order of its list, then of its names."""
    runs, listed = [], set()
    config = folder / "unittests.cfg"
    if config.exists():
        for name, lines in sections(config.read_text()):
            file = folder / dict(lines).get("file", name)
            listed.add(file.name)
            runs.append(section_run(name, lines, file, groups))
    for path in sorted(folder.iterdir()):
        if path.name in listed or path.name.startswith(".") or not path.is_file() or not is_kernel(path):
            continue
        arguments = path.with_name(path.name + ".args")
        text = arguments.read_text() if arguments.exists() else ""
        lines = [line for _, found in sections("[x]\n" + text) for line in found]
        if text.strip() and not lines:
            lines = [("append", text.strip())]
        runs.append(section_run(path.name, lines, path, groups))
    return runs
