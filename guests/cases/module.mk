# SPDX-License-Identifier: Apache-2.0
# The adversary's cases, written out, on the hostile guest's own small system.
GUESTS += $(B)/guests/cases.elf
CASES_SOURCES := guests/hostile/start.S guests/hostile/modes.S guests/hostile/machine.c guests/cases/cases.c guests/cases/keys.c guests/cases/same.c guests/common/words.c
$(B)/guests/cases.elf: $(CASES_SOURCES) guests/cases/cases.h guests/hostile/hostile.h guests/hostile/layout.h guests/hostile/hostile.ld $(GUEST_HEADERS) | $(INSTALLED)
	$(call say,GUEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(HOSTILE_GUEST_CFLAGS) -static -nostdlib -Wl,--build-id=none,-z,noexecstack,--no-warn-rwx-segments -T guests/hostile/hostile.ld -o $@.64 \
		$(CASES_SOURCES)
	$(Q)objcopy -O elf32-i386 $@.64 $@
