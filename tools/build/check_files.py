#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tools/build/check_files.py: each source file names its licence first and has at most 800 lines."""

import pathlib
import subprocess
import sys

LONGEST = 800
SUFFIXES = {".c", ".h", ".S", ".py", ".sh", ".mk", ".asl", ".ld"}


def main():
    listed = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard"], text=True).splitlines()
    found = 0
    for path in map(pathlib.Path, listed):
        if path.suffix not in SUFFIXES or not path.is_file():
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        if not any("SPDX-License-Identifier: Apache-2.0" in line for line in lines[:3]):
            print(f"{path}: does not begin with its licence")
            found += 1
        if len(lines) > LONGEST:
            print(f"{path}: {len(lines)} lines, {LONGEST} at most")
            found += 1
    return 1 if found else 0


sys.exit(main())
