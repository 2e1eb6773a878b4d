# SPDX-License-Identifier: Apache-2.0
# The guest that tries its local APIC; it starts as the bench does.
GUESTS += $(B)/guests/apic.elf
$(B)/guests/apic.elf: guests/apic/apic.c $(BENCH_START_NEEDS) | $(INSTALLED)
	$(call say,GUEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(BENCH_GUEST_CFLAGS) -static -nostdlib -Wl,--build-id=none,-z,noexecstack,--no-warn-rwx-segments -T guests/bench/bench.ld -o $@.64 \
		$(BENCH_START) guests/apic/apic.c
	$(Q)objcopy -O elf32-i386 $@.64 $@
