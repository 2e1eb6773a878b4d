# SPDX-License-Identifier: Apache-2.0
# The core's sources are found by the top Makefile; here is what is generated.

# Debian's package is unpacked, not installed.
CORE_FONT := $(B)/debs/console-setup-linux/usr/share/consolefonts/Lat15-VGA16.psf.gz
CORE_SRCS += core/x86/font.c
$(GEN)/core/x86/font.c: tools/build/font.py $(B)/debs/console-setup-linux.stamp | $(INSTALLED)
	$(call say,GEN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(PYTHON) tools/build/font.py $(CORE_FONT) $@

# No frame pointer where exits are answered: RBP is the guest's there, and a backtrace ends at it.
CFLAGS_core/virt/svm/exit.c := -fomit-frame-pointer
