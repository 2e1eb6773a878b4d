# SPDX-License-Identifier: Apache-2.0
# A guest that tries every interface of its machine: 64-bit code in a 32-bit Multiboot ELF.
GUESTS += $(B)/guests/hostile.elf
HOSTILE_GUEST_SOURCES := $(addprefix guests/hostile/,start.S modes.S main.c machine.c device.c apic.c cpu.c code.c) guests/common/words.c
HOSTILE_GUEST_CFLAGS := -I. -std=gnu17 -O2 -ffreestanding -fno-pic -mgeneral-regs-only -mno-red-zone -fno-stack-protector -fcf-protection=none \
	-fno-asynchronous-unwind-tables $(WARNINGS)
$(B)/guests/hostile.elf: $(HOSTILE_GUEST_SOURCES) guests/hostile/hostile.h guests/hostile/layout.h guests/hostile/hostile.ld $(GUEST_HEADERS) | $(INSTALLED)
	$(call say,GUEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(HOSTILE_GUEST_CFLAGS) -static -nostdlib -Wl,--build-id=none,-z,noexecstack,--no-warn-rwx-segments \
		-T guests/hostile/hostile.ld -o $@.64 $(HOSTILE_GUEST_SOURCES)
	$(Q)objcopy -O elf32-i386 $@.64 $@
