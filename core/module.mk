# SPDX-License-Identifier: Apache-2.0
# The core's sources are found by the top Makefile; here is what is generated.

# The library of processes, as far as the core needs it: compiled into it, and counted with it (tools/build/size.py).
CORE_SRCS += lib/format.c lib/string.c

# Debian's package is unpacked, not installed.
CORE_FONT := $(B)/debs/console-setup-linux/usr/share/consolefonts/Lat15-VGA16.psf.gz
CORE_SRCS += core/x86/font.c
$(GEN)/core/x86/font.c: tools/build/font.py $(B)/debs/console-setup-linux.stamp | $(INSTALLED)
	$(call say,GEN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(PYTHON) tools/build/font.py $(CORE_FONT) $@

# No frame pointer on the way into a guest and out of it: each exit begins on an empty stack, so a backtrace has nothing to follow.
$(foreach f,core/virt/run.c core/virt/vlapic_regs.c core/virt/svm/exit.c core/virt/svm/run.c core/virt/svm/page.c core/virt/vmx/exit.c core/virt/vmx/run.c,$(eval CFLAGS_$(f) := -fomit-frame-pointer))

# A core that checks itself (machine_check), counts calls and measures how long interrupts are off (tests/core): make TEST_CORE=1 B=...
ifeq ($(TEST_CORE),1)
CORE_CFLAGS += -DGYRE_TEST_CORE
CORE_SRCS += $(call sources,tests/core)
endif
