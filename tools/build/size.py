#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tools/build/size.py [--check]: lines of code by folder, and the core's total against its bound. A line counts if something is left
of it without comments and blanks. What core/module.mk takes from lib/ counts as the core's. --check prints the core's alone and ends with 1 where it exceeds the bound."""

import collections
import pathlib
import re
import sys

CORE_BOUND = 15000
FOLDERS = ["core", "include", "lib", "monitor", "services", "tools", "guests", "bench", "tests"]
SUFFIXES = {".c", ".h", ".S", ".asl", ".ld", ".py", ".sh", ".mk"}
# Comments, and the literals in which what looks like one is none.
TOKENS = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|/\*.*?\*/|//[^\n]*', re.DOTALL)


def without_comments(text):
    return TOKENS.sub(lambda m: "\n" * m.group().count("\n") if m.group().startswith("/") else m.group(), text)


def lines_of_code(path):
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix in {".py", ".sh", ".mk"}:
        return sum(1 for line in text.splitlines() if line.strip() and not line.strip().startswith("#"))
    return sum(1 for line in without_comments(text).splitlines() if line.strip())


def core_library():
    """The files of lib/ that are compiled into the core, and their headers."""
    sources = re.findall(r"\blib/\w+\.c\b", pathlib.Path("core/module.mk").read_text(encoding="utf-8"))
    return {path for source in sources for path in (pathlib.Path(source), pathlib.Path(source).with_suffix(".h"))}


def count():
    in_core = core_library()
    sizes = collections.Counter()
    for top in FOLDERS:
        for path in pathlib.Path(top).rglob("*"):
            if path.suffix in SUFFIXES and path.is_file() and "__pycache__" not in path.parts:
                sizes["core/../lib" if path in in_core else str(path.parent)] += lines_of_code(path)
    return sizes


def main():
    sizes = count()
    core = sum(lines for folder, lines in sizes.items() if pathlib.Path(folder).parts[0] == "core")
    if "--check" not in sys.argv:
        for top in FOLDERS:
            inside = {f: n for f, n in sorted(sizes.items()) if pathlib.Path(f).parts[0] == top}
            for folder, lines in inside.items():
                print(f"{lines:8,}  {folder}/")
            if len(inside) > 1:
                print(f"{sum(inside.values()):8,}  {top}/ in all")
        print(f"{sum(sizes.values()):8,}  everything")
    print(f"{core:8,}  lines of code in the core, of {CORE_BOUND:,} at most")
    return 1 if core >= CORE_BOUND else 0


if __name__ == "__main__":
    sys.exit(main())
