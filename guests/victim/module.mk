# SPDX-License-Identifier: Apache-2.0
# The guest that the oracle of the hostile tests asks; it starts as the bench does.
GUESTS += $(B)/guests/victim.elf
$(B)/guests/victim.elf: guests/victim/handler.S guests/victim/victim.c $(BENCH_START_NEEDS) | $(INSTALLED)
	$(call say,GUEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(BENCH_GUEST_CFLAGS) -static -nostdlib -Wl,--build-id=none,-z,noexecstack,--no-warn-rwx-segments -T guests/bench/bench.ld -o $@.64 \
		$(BENCH_START) guests/victim/handler.S guests/victim/victim.c
	$(Q)objcopy -O elf32-i386 $@.64 $@
