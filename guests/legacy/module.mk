# SPDX-License-Identifier: Apache-2.0
# The test kernel of 32-bit code, beside the 64-bit one: guests/conform.
GUESTS += $(B)/guests/conform/legacy.elf
$(B)/guests/conform/legacy.elf: guests/legacy/start.S guests/legacy/legacy.c $(GUEST_WORDS) $(GUEST_HEADERS) guests/tests/kernel.ld guests/legacy/module.mk | $(INSTALLED)
	$(call say,GUEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(TEST_GUEST_CFLAGS) -static -nostdlib -Wl,--build-id=none,-z,noexecstack,--no-warn-rwx-segments -T guests/tests/kernel.ld -o $@ \
		guests/legacy/start.S guests/legacy/legacy.c $(GUEST_WORDS)
