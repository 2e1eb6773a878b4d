/* SPDX-License-Identifier: Apache-2.0 */
/* No kernel image, however it lies, makes a loader touch what is not the guest's: case A60. */
/* unit-sources: monitor/boot/boot.c monitor/boot/firmware.c monitor/boot/linux.c monitor/boot/multiboot.c monitor/boot/pvh.c monitor/boot/elf.c */
/* unit-sources: monitor/machine/memory.c monitor/engine/fake.c monitor/save/stream.c lib/crc32.c lib/format.c lib/string.c lib/string_more.c */
#include <stdlib.h>
#include <string.h>
#include "monitor/boot/boot.h"
#include "monitor/engine/fake.h"

#define RAM (4u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static uint8_t *ram;
	struct memory memory;
	if (!ram)
		ram = calloc(1, RAM);
	fake_reset();
	struct engine_vm vm = {.name = "vm", .memory = RAM, .ram = ram, .cpus = 1, .append = "a b", .initrds = 1};
	/* The last byte says how long the initrd is, which is part of the file. */
	uint64_t initrd = bytes ? data[bytes - 1] : 0;
	vm.kernel = (struct engine_file){"kernel", data, bytes, ""};
	vm.initrd[0] = (struct engine_file){"initrd", data, initrd < bytes ? initrd : bytes, "arguments"};
	if (memory_layout(&memory, ram, RAM, 39) < 0)
		abort();
	struct boot boot = {.vm = &vm, .memory = &memory};
	if (boot_load(&boot) < 0 ? !boot.text[0] || (boot.status != 4 && boot.status != 12)
				 : !memory_at(&memory, boot.rip, 1))
		abort();
	return 0;
}
