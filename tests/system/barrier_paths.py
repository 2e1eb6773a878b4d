# SPDX-License-Identifier: Apache-2.0
"""The ways from a guest to whatever comes next, as sequences of instructions that were executed: which of the core's instructions matter (points_of), and what
must stand between them for a processor that needs a set of barriers (judge). The letters:

  V an entry into a guest          E where its exit arrives           U a return to ring 3             P a process's page tables are loaded
  G a guest comes to the processor O a guest's state leaves it        S the exit was not answered at once   C the slow way of an exit
  I IBPB   R one of the 32 calls that fill the return stack   F LFENCE behind them   W VERW   L flush of the L1 data cache"""

import collections
import re
import subprocess

# core/virt/barriers.h
RSB, EXIT_IBPB, VERW, USER_IBPB, SWITCH_IBPB, L1D, CALL_IBPB = 1, 2, 4, 8, 0x10, 0x20, 0x40
NAMES = {RSB: "RSB", EXIT_IBPB: "IBPB", VERW: "VERW", USER_IBPB: "IBPB", SWITCH_IBPB: "IBPB", L1D: "L1D", CALL_IBPB: "IBPB"}
IBPB_MSR, L1D_MSR = "<barriers+0x4>", "<barriers+0x10>"
ENTRIES = {"vmrun", "vmresume", "vmlaunch"}
FUNCTIONS = {"vcpu_unload": "O", "load": "G", "svm_left": "S", "vmx_left": "S", "left_slow": "C"}
CALLS = 32


def disassembly(core):
    """(function, address, instruction) of the core's code; local labels of its assembly count as functions."""
    listing = subprocess.run(["objdump", "-d", "--no-show-raw-insn", core], capture_output=True, text=True, check=True).stdout
    function = ""
    for line in listing.splitlines():
        if match := re.match(r"[0-9a-f]+ <(.+)>:", line):
            function = match[1]
        elif match := re.match(r"\s*([0-9a-f]+):\t(.*)", line):
            yield function, int(match[1], 16), match[2]


def letter_of(function, address, text, before):
    """BEFORE: the instructions in front of it."""
    name, *rest = text.split(None, 1)
    if name in ENTRIES:
        return "V"
    if name == "verw":
        return "W"
    if name == "sysretq" or (name.startswith("iret") and function != "return_in_core"):
        return "U"
    if name == "mov" and text.endswith(",%cr3") and function != "process_flush":
        return "P"
    if name == "lfence" and function.startswith(("svm_enter", "vmx_exit_point")):
        return "F"
    if name == "call" and rest[0].startswith(f"{address + 6:x} "):
        return "R"
    if name == "wrmsr":
        loads = [what for what in before if IBPB_MSR in what or L1D_MSR in what]
        return None if not loads else "I" if IBPB_MSR in loads[-1] else "L"
    return None


def points_of(core):
    """[(address, letter)], in the order in which they count where an address has two."""
    points, before, last, entered = [], collections.deque(maxlen=6), "", False
    for function, address, text in disassembly(core):
        if function != last:
            before.clear()
            if letter := FUNCTIONS.get(function.split(".")[0]):
                points.append((address, letter))
        # SVM's exit arrives behind the entry, VT-x's at a point of its own.
        if entered or (function != last and function.startswith("vmx_exit_point")):
            points.append((address, "E"))
        if letter := letter_of(function, address, text, before):
            points.append((address, letter))
        before.append(text)
        last, entered = function, text.startswith("vmrun")
    return points


# "(0).[tick] [physical] selector:offset (context): instruction ; bytes"
TOLD = re.compile(r"^\(0\)\.\[\d+\] \[0x[0-9a-f]+\] [0-9a-f]{4}:([0-9a-f]+) ", re.M)


def letters_of(said, points):
    """What Bochs's debugger told of instructions, as the plugin would write it down: a guest's are not looked at."""
    letters, trace, in_guest = collections.defaultdict(str), [], False
    for address, letter in points:
        letters[address] += letter
    for address in TOLD.findall(said):
        for letter in letters.get(int(address, 16), ""):
            if in_guest and letter != "E":
                continue
            in_guest = letter == "V" if letter in "EV" else in_guest
            trace.append(letter)
    return "".join(trace)


# ---- what must stand on each way ----

Segment = collections.namedtuple("Segment", "begin, between, end")


def segments(trace):
    """From each exit (E) or ring 3 (U) to the next entry (V) or ring 3; what the machine does before its first entry is left out."""
    trace = trace[trace.index("V") :]
    for match in re.finditer(r"(?<=([EU]))([^EUV]*)([UV])", trace):
        yield Segment(match[1], match[2], match[3])


class Judge:
    """Walks a trace: `seen` counts the ways that were taken, `wrong` what was missing on them, by way and barrier."""

    def __init__(self, needed):
        self.needed, self.trained = needed, False
        self.seen, self.wrong = collections.Counter(), collections.Counter()

    def want(self, barrier, there, way):
        if self.needed & barrier and not there:
            self.wrong[f"{way}: no {NAMES[barrier]}"] += 1

    def after_exit(self, between):
        """At once, before anything that a guest could have guided: nothing that has a letter comes first."""
        first = re.match(r"I?", between).end()
        self.want(EXIT_IBPB, between.startswith("I"), "an exit")
        self.want(RSB, between[first:].startswith("R" * CALLS + "F"), "an exit")
        slow = between.find("C")
        if slow >= 0:
            self.seen["the slow way of an exit"] += 1
            self.want(CALL_IBPB, between[slow + 1 : slow + 2] == "I", "the slow way of an exit")

    def to_guest(self, segment):
        self.want(VERW, segment.between.endswith("W"), "an entry")
        # A quick answer has touched nothing of others'.
        if segment.begin == "U" or "S" in segment.between:
            self.want(L1D, "L" in segment.between[segment.between.rfind("S") + 1 :], "an entry after more than a quick answer")
        self.seen["from a guest into it again" if segment.begin == "E" else "from its monitor into a guest"] += 1

    def to_others(self, segment):
        """Other page tables, or another guest's state: what this guest and its monitor have trained ends before."""
        leaving = False
        for letter in segment.between:
            leaving = leaving or letter == "O"
            if letter == "I" and leaving:
                self.trained = False
            elif letter in "PG":
                way = "another process" if letter == "P" else "another guest"
                self.seen[way] += leaving
                self.want(SWITCH_IBPB, not self.trained, way)

    def segment(self, segment):
        self.trained = self.trained or segment.begin == "E"
        if segment.begin == "E":
            self.after_exit(segment.between)
        self.to_others(segment)
        if segment.end == "V":
            self.to_guest(segment)
        elif segment.begin == "E" and "P" not in segment.between:
            self.seen["from a guest to its monitor"] += 1
            self.want(USER_IBPB, "I" in segment.between, "its monitor")
        self.trained = self.trained or segment.end == "V"


WAYS = ("from a guest into it again", "from its monitor into a guest", "from a guest to its monitor", "another process", "another guest")


def judge(trace, needed, ways=WAYS):
    """{what is missing: how often}. Fails where a way was not taken often enough to say anything."""
    found = Judge(needed)
    for segment in segments(trace):
        found.segment(segment)
    for way in ways:
        assert found.seen[way] >= 3, f"{way}: {found.seen}"
    return dict(found.wrong)
