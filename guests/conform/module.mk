# SPDX-License-Identifier: Apache-2.0
# The test kernels of our own, in a folder that `make test-kernels DIR=` can be given: 64-bit code as a PVH ELF of 64 bits and as a Multiboot ELF of 32, and
# one of 32-bit code for what long mode has not.
CONFORM := $(B)/guests/conform
GUESTS += $(CONFORM)/conform-pvh.elf $(CONFORM)/conform.elf $(CONFORM)/unittests.cfg
CONFORM_SRCS := $(wildcard guests/conform/*.c) $(GUEST_WORDS)
CONFORM_NEEDS := guests/conform/start.S $(CONFORM_SRCS) guests/conform/conform.h guests/conform/layout.h guests/conform/conform.ld guests/conform/module.mk $(GUEST_HEADERS)
CONFORM_LINK = $(CC) $(BENCH_GUEST_CFLAGS) -I. -static -nostdlib -Wl,--build-id=none,-z,noexecstack,--no-warn-rwx-segments -T guests/conform/conform.ld
$(CONFORM)/conform-pvh.elf: $(CONFORM_NEEDS) | $(INSTALLED)
	$(call say,GUEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CONFORM_LINK) -o $@ guests/conform/start.S $(CONFORM_SRCS)
$(CONFORM)/conform.elf: $(CONFORM_NEEDS) | $(INSTALLED)
	$(call say,GUEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CONFORM_LINK) -DCONFORM_MULTIBOOT -o $(B)/guests/conform64 guests/conform/start.S $(CONFORM_SRCS)
	$(Q)objcopy -O elf32-i386 $(B)/guests/conform64 $@
$(CONFORM)/unittests.cfg: guests/conform/unittests.cfg
	$(Q)mkdir -p $(@D)
	$(Q)cp $< $@
