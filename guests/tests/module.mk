# SPDX-License-Identifier: Apache-2.0
# The small kernel of the system tests: a 32-bit Multiboot ELF.
GUESTS += $(B)/guests/testkernel.elf
TEST_GUEST_CFLAGS := -I. -std=gnu17 -O2 -m32 -march=i686 -ffreestanding -fno-pic -mgeneral-regs-only -fno-stack-protector -fcf-protection=none \
	-fno-asynchronous-unwind-tables $(WARNINGS)
$(B)/guests/testkernel.elf: guests/tests/start.S guests/tests/kernel.c guests/tests/task.c guests/tests/task_cases.c guests/tests/kernel.h guests/tests/task.h \
		guests/tests/kernel.ld $(GUEST_WORDS) $(GUEST_HEADERS) | $(INSTALLED)
	$(call say,GUEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(TEST_GUEST_CFLAGS) -static -nostdlib -Wl,--build-id=none,-z,noexecstack,--no-warn-rwx-segments -T guests/tests/kernel.ld -o $@ \
		guests/tests/start.S guests/tests/kernel.c guests/tests/task.c guests/tests/task_cases.c $(GUEST_WORDS)
