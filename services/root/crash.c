/* SPDX-License-Identifier: Apache-2.0 */
/*
 * services/root/crash.c: a monitor's crash: what the fault was, its registers, and who called whom.
 *
 * Trust   The registers and the stack are those of a process that may be its guest's by now. The stack is read from the monitor's image, which root keeps
 *         and the process can't take away; an address outside it ends the list, and so does a frame that does not lie above the one before.
 *         What is printed are numbers.
 */
#include "services/root/root.h"
#include "services/root/output.h"
#include "services/root/vm.h"
#include "lib/format.h"

#define CALLERS	  16u
#define GPR_RBP	  5
#define LINE_MOST 320u

/* A frame: the caller's RBP and the address it returns to, each fetched once. 0: it does not lie in the image. */
static int frame_read(const struct vm *vm, uint64_t address, uint64_t *up, uint64_t *from)
{
	uint64_t bytes = vm->image_pages * 4096, offset = address - vm->image_address;
	if (address % 8 != 0 || address < vm->image_address || offset > bytes - 16)
		return 0;
	const volatile uint64_t *frame = (const volatile uint64_t *)(WINDOW_IMAGE + offset);
	*up = frame[0];
	*from = frame[1];
	return 1;
}

static void callers_report(const struct vm *vm)
{
	char line[LINE_MOST];
	size_t length = 0;
	uint64_t frame = vm->report.registers.gpr[GPR_RBP], up, from;
	if (vm->image_pages == 0 ||
		memory_map_all(0, vm->own, IMAGE_OFFSET, WINDOW_IMAGE, vm->image_pages, GYRE_RIGHT_READ) < 0)
		return;
	line[0] = 0;
	for (uint32_t i = 0; i < CALLERS && frame_read(vm, frame, &up, &from) && from != 0; i++) {
		length += gyre_snprintf(line + length, sizeof(line) - length, " %lx", (unsigned long)from);
		if (up <= frame)
			break;
		frame = up;
	}
	memory_unmap_all(0, WINDOW_IMAGE, vm->image_pages);
	if (length > 0)
		root_log("%s: called from%s (addr2line -fpe monitor.elf says where that is)", vm->entry->name, line);
}

void crash_report(const struct vm *vm, char *text, size_t bytes)
{
	static const char *const names[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10",
		"r11", "r12", "r13", "r14", "r15"};
	const struct vm_report *report = &vm->report;
	gyre_snprintf(text, bytes, "its monitor crashed: trap %u, error %lx, address %lx, at %lx",
		(unsigned)report->trap, (unsigned long)report->error, (unsigned long)report->address,
		(unsigned long)report->rip);
	root_log("%s: %s", vm->entry->name, text);
	for (int i = 0; i < 16; i += 4)
		root_log("%s: %s %016lx %s %016lx %s %016lx %s %016lx", vm->entry->name, names[i],
			report->registers.gpr[i], names[i + 1], report->registers.gpr[i + 1], names[i + 2],
			report->registers.gpr[i + 2], names[i + 3], report->registers.gpr[i + 3]);
	callers_report(vm);
}
