# SPDX-License-Identifier: Apache-2.0
"""Runs each kernel of a folder on Gyre, on one or both vendors' machines, and makes a table of their verdicts; docs/test-kernels.md says more.

A verdict is the guest's own: its debug-exit value (0 is good, 77 says that all was skipped), its lines PASS:, FAIL:, SKIP: and SUMMARY: of kvm-unit-tests, "Test
result:" of Xen's test framework, or a pattern that its .args expect. A failure that known.txt has a reason for is told with it."""

import argparse
import dataclasses
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
import plan  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
SECONDS = 60  # of an AMD machine; Bochs has four times as much
VENDORS = {"amd": "AuthenticAMD", "intel": "GenuineIntel"}
ENDS = {4: "it could not be started", 12: "the machine lacks something", 14: "out of time", 16: "the guest crashed", 18: "the core stopped"}
BEGIN, END = "<!-- table -->", "<!-- end of the table -->"


@dataclasses.dataclass
class Known:
    """A reason: for which machines, which runs, and which failing checks."""

    machine: str
    run: str
    check: str
    reason: str
    emulator: bool

    def fits(self, machine, name, check):
        names = self.machine in ("both", machine) and re.fullmatch(self.run, name)
        return bool(names and re.search(self.check, check))


def known_reasons(paths):
    """Lines `machine ; run ; check ; reason`, runs and checks as regular expressions; a reason that begins with "emulator:" is the emulated machine's."""
    reasons = []
    for path in paths:
        if not path.exists():
            continue
        for line in path.read_text().splitlines():
            if not line.strip() or line.startswith("#"):
                continue
            machine, run, check, reason = (part.strip() for part in line.split(" ; ", 3))
            reasons.append(Known(machine, run, check, reason, reason.startswith("emulator:")))
    return reasons


@dataclasses.dataclass
class Result:
    name: str
    machine: str
    verdict: str  # pass, known, FAILED, skipped
    why: str = ""
    passed: int = 0
    skipped: int = 0
    failed: list = dataclasses.field(default_factory=list)  # each with its reason, or ""

    def row(self):
        return {**dataclasses.asdict(self)}


def checks(output, word):
    """What lines of this kind name, each once."""
    return list(dict.fromkeys(line.strip() for line in re.findall(rf"^{word}: (.*)$", output, re.M)))


def judge(run, machine, status, output, log, reasons):
    """The verdict on a run that has ended with this status, an odd one being the guest's."""
    text = output.replace("\r", "")
    failed = checks(text, "FAIL") + checks(text, "XPASS")
    result = Result(run.name, machine, "pass", "", len(checks(text, "PASS")), len(checks(text, "SKIP")))
    xtf = re.search(r"Test result: (\w+)", text + log)
    value = (status - 1) // 2 if status is not None and status % 2 else None
    if run.expect:
        if not re.search(run.expect, text + log):
            failed.append(f"it did not say what was expected: {run.expect}")
    elif xtf:
        if xtf.group(1) == "SKIP":
            result.verdict, result.why = "skipped", "by itself"
        elif xtf.group(1) != "SUCCESS":
            failed.append(f"Test result: {xtf.group(1)}")
    elif value == 77:
        result.verdict, result.why = "skipped", "by itself: " + "; ".join(checks(text, "SKIP")[:1])
    elif value is None:
        told = re.findall(r"(?:the guest crashed at|the guest triple-faulted|the guest cannot go on|gyre:).*", log)
        what = "it powered off without a verdict" if status == 0 else ENDS.get(status, f"exit code {status}")
        failed.append(": ".join([what, *told[:1]]))
    elif value != 0 and not failed:
        failed.append(f"it ended with {value}")
    for check in failed:
        found = next((known.reason for known in reasons if known.fits(machine, run.name, check)), "")
        result.failed.append({"check": check, "reason": found})
    if result.failed:
        result.verdict = "known" if all(entry["reason"] for entry in result.failed) else "FAILED"
    return result


def ended(words, seconds, folder, name):
    """Runs a command with its output in files: status (None: out of time), standard output, standard error."""
    out, err = folder / f"{name}.log", folder / f"{name}.err"
    with open(out, "wb") as output, open(err, "wb") as errors:
        try:
            status = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, timeout=seconds, check=False).returncode
        except subprocess.TimeoutExpired:
            status = None
    return status, out.read_text(errors="replace"), err.read_text(errors="replace")


def module_file(run, word):
    file, _, arguments = word.partition(" ")
    path = pathlib.Path(file)
    return f"{path if path.is_absolute() else run.file.parent / path} {arguments}".strip()


def on_gyre(run, machine, build, folder, seconds):
    words = [str(build / "gyre"), "emulate", "--machine", machine, "--no-reboot", "--timeout", str(seconds)]
    words += ["--vm", "kernel", "--kernel", str(run.file), "--memory", run.memory, "--level", run.level, "--test-device"]
    if run.icount and machine == "amd":
        words.insert(2, "--icount")
    if run.append:
        words += ["--append", run.append]
    for module in run.modules:
        words += ["--initrd", module_file(run, module)]
    return ended(words, seconds + 30, folder, f"{run.name}-{machine}")


def on_qemu(run, folder, seconds):
    """The kernel without Gyre on the AMD machine's own emulator."""
    words = ["qemu-system-x86_64", "-M", "pc", "-cpu", "EPYC", "-m", run.memory.rstrip("M"), "-nographic", "-no-reboot", "-net", "none"]
    words += ["-kernel", str(run.file), "-append", run.append, "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
    return ended(words, seconds, folder, f"{run.name}-bare-amd")


def on_bochs(run, folder, seconds):
    """And on the Intel machine's, started by GRUB; Multiboot alone goes there."""
    import bochs

    with tempfile.TemporaryDirectory() as temporary:
        root = pathlib.Path(temporary)
        (root / "root/boot/grub").mkdir(parents=True)
        shutil.copy(run.file, root / "root/boot/kernel")
        (root / "root/boot/grub/grub.cfg").write_text(f"set timeout=0\nmultiboot /boot/kernel kernel {run.append}\nboot\n")
        words = ["grub-mkrescue", "-o", root / "bare.iso", "-d", "/usr/lib/grub/i386-pc", "--locales=", "--fonts=", "--themes="]
        words += ["--install-modules=multiboot normal iso9660 configfile part_msdos", root / "root"]
        subprocess.run(words, check=True, capture_output=True, timeout=60)
        text = bochs.run(root / "bare.iso", root, "corei7_haswell_4770", seconds, until=r"^SUMMARY.*$")
    (folder / f"{run.name}-bare-intel.log").write_text(text)
    return 1, text, ""


def bare(run, machine, folder, seconds):
    """The checks that fail without Gyre, too; None: it does not start there."""
    if run.modules or run.level != "portable-1" or not plan.is_multiboot(run.file):
        return None
    status, output, _ = on_qemu(run, folder, seconds) if machine == "amd" else on_bochs(run, folder, seconds)
    return None if status is None else set(checks(output.replace("\r", ""), "FAIL"))


def one(run, machine, args, reasons):
    if not run.skipped and run.vendor not in ("", "AuthenticAMD" if run.level == "portable-1" else VENDORS[machine]):
        if run.vendor == VENDORS[machine]:
            run = dataclasses.replace(run, level="host")
        else:
            run = dataclasses.replace(run, skipped=f"it wants the vendor {run.vendor}; a VM has AuthenticAMD's or the machine's")
    if run.machine not in ("", machine):
        run = dataclasses.replace(run, skipped=f"it is for {run.machine}")
    if run.skipped:
        return Result(run.name, machine, "skipped", run.skipped)
    seconds = (run.timeout or args.seconds) * (4 if machine == "intel" else 1)
    folder = args.build / "test-kernels"
    status, output, log = on_gyre(run, machine, args.build, folder, seconds)
    result = judge(run, machine, status, output, log, reasons)
    if args.bare and result.failed:
        without = bare(run, machine, folder, seconds)
        for entry in result.failed:
            entry["bare"] = without is not None and entry["check"] in without
    return result


def cell(text):
    return text.replace("|", "\\|").replace("\n", " ")


def markdown(results):
    """The table, then what failed, each with its reason."""
    machines = sorted({result.machine for result in results})
    names = list(dict.fromkeys(result.name for result in results))
    by = {(result.name, result.machine): result for result in results}
    lines = ["| kernel | " + " | ".join(machines) + " |", "|---" * (len(machines) + 1) + "|"]
    for name in names:
        cells = []
        for machine in machines:
            result = by[name, machine]
            text = {"skipped": f"skipped: {result.why}"}.get(result.verdict, result.verdict)
            if result.passed or result.failed:
                text += f" ({result.passed} passed, {len(result.failed)} failed, {result.skipped} skipped)"
            cells.append(cell(text))
        lines.append(f"| {cell(name)} | " + " | ".join(cells) + " |")
    failures = {}
    for result in results:
        for entry in result.failed:
            key = (entry["check"], entry["reason"] or "**no reason is known**")
            failures.setdefault(key, []).append(f"{result.name} on {result.machine}")
    if failures:
        lines += ["", "| failed | where | reason |", "|---|---|---|"]
        lines += [f"| {cell(check)} | {cell(', '.join(where))} | {cell(reason)} |" for (check, reason), where in failures.items()]
    return "\n".join(lines) + "\n"


def documented(text, table):
    """The document with the table in its place."""
    return re.sub(f"{BEGIN}.*?{END}", lambda _: f"{BEGIN}\n{table}{END}", text, flags=re.S)


def say(result):
    where = f"{result.name} ({result.machine})"
    print(f"{result.verdict:8} {where}" + (f": {result.why}" if result.why else ""), flush=True)
    for entry in result.failed:
        also = ", and so does the bare machine" if entry.get("bare") else ""
        print(f"         FAIL: {entry['check']}: {entry['reason'] or 'no reason is known'}{also}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True, type=pathlib.Path)
    parser.add_argument("--dir", required=True, type=pathlib.Path)
    parser.add_argument("--machine", default="both", choices=["amd", "intel", "both"])
    parser.add_argument("--seconds", default=SECONDS, type=int, help="for a kernel that says nothing of its own")
    parser.add_argument("--group", action="append", default=[], help="run these of the groups that are not run by default")
    parser.add_argument("--only", default="", help="a regular expression of names")
    parser.add_argument("--bare", action="store_true", help="run what failed without Gyre, too")
    parser.add_argument("--doc", type=pathlib.Path, help="put the table into this document")
    args = parser.parse_args()
    if not args.dir.is_dir():
        print(f"{args.dir}: no such folder (make test-kernels DIR=FOLDER)", file=sys.stderr)
        return 6
    (args.build / "test-kernels").mkdir(parents=True, exist_ok=True)
    reasons = known_reasons([HERE / "known.txt", args.dir / "known.txt"])
    runs = [run for run in plan.plan(args.dir, args.group) if re.search(args.only, run.name)]
    if not runs:
        print(f"{args.dir}: no kernel there (an ELF for x86 or a file with a Multiboot header)", file=sys.stderr)
        return 4
    results = []
    for machine in ["amd", "intel"] if args.machine == "both" else [args.machine]:
        for run in runs:
            results.append(one(run, machine, args, reasons))
            say(results[-1])
    table = markdown(results)
    (args.build / "test-kernels/table.md").write_text(table)
    (args.build / "test-kernels/table.json").write_text(json.dumps([result.row() for result in results], indent=1) + "\n")
    if args.doc:
        args.doc.write_text(documented(args.doc.read_text(), table))
    count = {verdict: sum(result.verdict == verdict for result in results) for verdict in ("pass", "known", "FAILED", "skipped")}
    print(", ".join(f"{number} {verdict}" for verdict, number in count.items()) + f"; the table: {args.build}/test-kernels/table.md")
    return 1 if count["FAILED"] else 0


if __name__ == "__main__":
    sys.exit(main())
