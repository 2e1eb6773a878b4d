#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tools/build/check_files.py: each source file names its licence first and has at most 800 lines."""

import sys

import tree

LONGEST = 800
SUFFIXES = (".c", ".h", ".S", ".py", ".sh", ".mk", ".asl", ".ld")


def main():
    found = 0
    for path in tree.files(*SUFFIXES):
        lines = path.read_text(encoding="utf-8").splitlines()
        if not any("SPDX-License-Identifier: Apache-2.0" in line for line in lines[:3]):
            print(f"{path}: does not begin with its licence")
            found += 1
        if len(lines) > LONGEST:
            print(f"{path}: {len(lines)} lines, {LONGEST} at most")
            found += 1
    return 1 if found else 0


sys.exit(main())
