# SPDX-License-Identifier: Apache-2.0
"""The files of the tree, for the checks: what git tracks or would; without git, all but hidden and build folders."""

import pathlib
import subprocess


def files(*suffixes):
    # The tree may belong to another user than the one who builds it, as in a container.
    command = ["git", "-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        listed = [str(p) for p in pathlib.Path(".").rglob("*") if not p.parts[0].startswith((".", "build"))]
    paths = [pathlib.Path(name) for name in sorted(set(listed))]
    return [path for path in paths if path.suffix in suffixes and path.is_file()]
