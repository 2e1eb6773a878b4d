# SPDX-License-Identifier: Apache-2.0
# The guest that is debugged; it starts as the bench does. debug.elf.64 is the file with the symbols.
GUESTS += $(B)/guests/debug.elf
$(B)/guests/debug.elf: guests/debug/debug.c $(BENCH_START_NEEDS) | $(INSTALLED)
	$(call say,GUEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(BENCH_GUEST_CFLAGS) -g -O1 -fno-omit-frame-pointer -static -nostdlib -Wl,--build-id=none,-z,noexecstack,--no-warn-rwx-segments \
		-T guests/bench/bench.ld -o $@.64 $(BENCH_START) guests/debug/debug.c
	$(Q)objcopy -O elf32-i386 $@.64 $@
