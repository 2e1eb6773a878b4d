#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tools/build/check_vendor.py: core code outside core/virt/svm and core/virt/vmx uses none of the vendors' names, but for the one table of
each in core/virt/vendors.c. The IOMMUs' vendors have folders of their own, core/iommu."""

import pathlib
import re
import sys

from size import without_comments

NAMES = re.compile(r"\w*(?:vmcb|vmcs|VMCB|VMCS|svm_|vmx_|SVM_|VMX_)\w*")
INCLUDES = re.compile(r'#\s*include\s*"[^"]*virt/(?:svm|vmx)/[^"]*"')
VENDOR_FOLDERS = ("core/virt/svm/", "core/virt/vmx/")
ALLOWED = {"core/virt/vendors.c": {"svm_vcpu_ops", "vmx_vcpu_ops"}}


def main():
    found = 0
    for path in sorted(pathlib.Path("core").rglob("*")):
        name = path.as_posix()
        if path.suffix not in {".c", ".h", ".S"} or name.startswith(VENDOR_FOLDERS):
            continue
        code = without_comments(path.read_text(encoding="utf-8"))
        for number, line in enumerate(code.splitlines(), 1):
            bad = set(NAMES.findall(line)) - ALLOWED.get(name, set())
            if INCLUDES.search(line):
                bad.add("a vendor's header")
            for word in sorted(bad):
                print(f"{name}:{number}: {word} belongs to a vendor's folder")
                found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
