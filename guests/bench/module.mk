# SPDX-License-Identifier: Apache-2.0
# The guest that measures exits: 64-bit code in a 32-bit ELF, which is what Multiboot loaders take.
GUESTS += $(B)/guests/bench.elf
BENCH_GUEST_CFLAGS := -I. -std=gnu17 -O2 -ffreestanding -fno-pic -mgeneral-regs-only -mno-red-zone -fno-stack-protector -fcf-protection=none \
	-fno-asynchronous-unwind-tables $(WARNINGS)
$(B)/guests/bench.elf: guests/bench/bench.c $(BENCH_START_NEEDS) | $(INSTALLED)
	$(call say,GUEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(BENCH_GUEST_CFLAGS) -static -nostdlib -Wl,--build-id=none,-z,noexecstack,--no-warn-rwx-segments -T guests/bench/bench.ld -o $@.64 \
		guests/bench/start.S guests/bench/bench.c $(GUEST_WORDS)
	$(Q)objcopy -O elf32-i386 $@.64 $@
