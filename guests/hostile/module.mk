# SPDX-License-Identifier: Apache-2.0
# A guest that tries every interface of its machine: a 32-bit Multiboot ELF.
GUESTS += $(B)/guests/hostile.elf
HOSTILE_GUEST_CFLAGS := -std=gnu17 -O2 -m32 -march=i686 -ffreestanding -fno-pic -mgeneral-regs-only -fno-stack-protector -fcf-protection=none \
	-fno-asynchronous-unwind-tables $(WARNINGS)
$(B)/guests/hostile.elf: guests/hostile/start.S guests/hostile/hostile.c guests/tests/kernel.ld | $(INSTALLED)
	$(call say,GUEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(HOSTILE_GUEST_CFLAGS) -static -nostdlib -Wl,--build-id=none,-z,noexecstack,--no-warn-rwx-segments -T guests/tests/kernel.ld -o $@ \
		guests/hostile/start.S guests/hostile/hostile.c
