# SPDX-License-Identifier: Apache-2.0
"""The checks of the build find what they are for, and the build says what it lacks."""

import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def python(script, *args, cwd):
    words = ["/usr/bin/python3", "-B", str(ROOT / script), *map(str, args)]
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_vendors_name_outside_its_folder_is_found(tmp_path):
    write(tmp_path / "core/virt/exit.c", "/* The VMCB in a comment is no use of it. */\nint a = SVM_EXIT_NPF;\n")
    write(tmp_path / "core/virt/svm/exit.c", "int b = SVM_EXIT_NPF;\n")
    write(tmp_path / "core/virt/vendors.c", "extern int svm_vcpu_ops, vmx_other;\n")
    result = python("tools/build/check_vendor.py", cwd=tmp_path)
    assert result.returncode == 1
    assert result.stdout.splitlines() == [
        "core/virt/exit.c:2: SVM_EXIT_NPF belongs to a vendor's folder",
        "core/virt/vendors.c:1: vmx_other belongs to a vendor's folder",
    ]


@pytest.mark.parametrize(
    "instruction, found",
    [
        ("movaps %xmm1, %xmm2", True),
        ("vmovdqu (%rax), %ymm3", True),
        ("fxsave64 (%rax)", True),
        ("fldz", True),
        ("emms", True),
        ("xsaveopt (%rdi)", True),
        ("vzeroupper", True),
        ("xgetbv; xsetbv; vmrun; vmmcall; rep movsb; fs lodsb; verr %ax", False),
    ],
)
def test_an_fpu_instruction_is_found(tmp_path, instruction, found):
    code = f".globl _start\n.type _start, @function\n_start: {instruction}\n"
    for name in ("gyre-core.elf", "root.elf", "monitor.elf", "console.elf"):
        write(tmp_path / "a.S", code if name == "root.elf" else "_start: ret\n")
        subprocess.run(["gcc", "-nostdlib", "-static", "-o", tmp_path / name, tmp_path / "a.S"], check=True)
    result = python("tools/build/check_fpu.py", tmp_path, cwd=ROOT)
    assert (result.returncode, "root.elf: _start" in result.stdout) == (int(found), found), result.stdout


def test_only_lines_of_code_count_and_the_core_is_bounded(tmp_path):
    write(tmp_path / "core/a.c", '/* one\n * two */\n\nchar *s = "/* not a comment";\n// three\nint x; /* four */\n')
    write(tmp_path / "core/module.mk", "# what the core links of lib is counted as the core's\n")
    result = python("tools/build/size.py", "--check", cwd=tmp_path)
    assert result.returncode == 0
    assert result.stdout.split()[0] == "2"
    write(tmp_path / "core/b.c", "int y;\n" * 15000)
    assert python("tools/build/size.py", "--check", cwd=tmp_path).returncode == 1


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become somebody else")
def test_who_may_not_install_is_told_what_to_install(tmp_path):
    shutil.copy(ROOT / "tools/build/deps.sh", tmp_path)
    write(tmp_path / "packages", "gcc\ngyre-no-such-package  # not there\n")
    for path in (tmp_path, *tmp_path.parents):
        if path.stat().st_uid == os.getuid() and path != pathlib.Path("/"):
            path.chmod(path.stat().st_mode | 0o055)
        if path.name.startswith("pytest-of-"):
            break
    words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "./deps.sh", "packages"]
    result = subprocess.run(
        words, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 1
    assert "apt-get install --no-install-recommends gyre-no-such-package" in result.stderr
