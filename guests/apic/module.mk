# SPDX-License-Identifier: Apache-2.0
# The guest that tries its local APIC; it starts as the bench does.
GUESTS += $(B)/guests/apic.elf
$(B)/guests/apic.elf: guests/bench/start.S guests/apic/apic.c guests/bench/bench.ld | $(INSTALLED)
	$(call say,GUEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(BENCH_GUEST_CFLAGS) -static -nostdlib -Wl,--build-id=none,-z,noexecstack,--no-warn-rwx-segments -T guests/bench/bench.ld -o $@.64 \
		guests/bench/start.S guests/apic/apic.c
	$(Q)objcopy -O elf32-i386 $@.64 $@
