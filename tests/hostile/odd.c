/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/hostile/odd.c: threads that begin, return and fault where no program would (A01: CVE-2012-0217 and its relatives), and instructions that no
 * process may use.
 */
#include "lib/string.h"
#include "tests/hostile/hostile.h"

/* The last page that can be mapped: SYSCALL at its end returns to the first address behind it. */
#define LAST_PAGE (GYRE_USER_END - 4096)
#define CODE_PAGE 0x3000ull /* in RAM, not where guests' code is made */
#define CODE_COPY (ARENA_ADDRESS - 0x10000)

static const char *const instructions[] = {
	"\x66\x8c\xd0\x8e\xd8\x8e\xc0\x8e\xe0\x8e\xe8\x0f\x05", /* selectors loaded, then a call */
	"\xb8\x33\x00\x00\x00\x8e\xe8\x0f\x05", "\x31\xc0\x8e\xd0\x0f\x05", "\x31\xc0\x8e\xe8\x8e\xe0\x0f\x05",
	"\x0f\x21\xf8", "\x0f\x23\xf8", "\x0f\x20\xc0", "\x0f\x22\xc0", "\x0f\x32", "\x0f\x30", "\xfa", "\xfb", "\xf4",
	"\xec", "\xee", "\xf3\x6e", "\xcd\x03", "\xcc", "\xf1", "\xcd\x80", "\xcd\x20", "\xcd\x02", "\xcd\x08",
	"\xd9\xee", "\x0f\x58\xc0", "\x0f\x77", "\x9b\xdb\xe3", "\xdf\xe0", "\x0f\xae\x07", "\x0f\x01\xd0",
	"\x0f\x01\xd1", "\x0f\x01\xd8", "\x0f\x01\xd9", "\x0f\x01\xdc", "\x0f\x01\xdd", "\x0f\x01\xc1", "\x0f\x34",
	"\x0f\x35", "\x0f\x07", "\x48\xcf", "\xcf", "\x48\xcb", "\xca\x08\x00", "\x0f\x01\xf8", "\x0f\x01\xf9",
	"\x0f\x01\x10", "\x0f\x00\xd0", "\x0f\x09", "\x0f\x33", "\x0f\xc7\xf0", "\xf3\x0f\xae\xd0", "\xf3\x0f\xae\xd8",
	"\xf3\x48\x0f\xae\xd8", "\xff\xe0", "\xff\xe4", "\x0f\xb9",
	"\x9c\x81\x0c\x24\x00\x75\x04\x00\x9d\x0f\x05\x90\x90", /* TF, NT, IOPL and AC, then a call */
	"\x9c\x81\x0c\x24\x00\x01\x00\x00\x9d\x90\x90", "\x16\x17\x0f\x05",
	"\x9c\x81\x0c\x24\x00\x01\x00\x00\x9d\x8e\xd1\x0f\x05", /* TF held back by MOV SS, then a call */
	"\xeb\xfe"};
#define INSTRUCTIONS (sizeof(instructions) / sizeof(instructions[0]))

/* One of them at the end of the page or at its start, behind it a loop of calls that change nothing. */
static uint64_t code_make(struct worker *w)
{
	uint8_t *page = (uint8_t *)RAM_ADDRESS + CODE_PAGE;
	uint64_t which = random_below(w, INSTRUCTIONS);
	const char *text = instructions[which];
	/* Two of them have zeros in them. */
	size_t length = text[0] == '\x9c' || text[0] == '\xb8' ? 13 : strlen(text);
	memset(page, 0x90, 4096);
	memcpy(page, text, length);
	page[length] = 0xb8; /* MOV EAX, thread_yield */
	page[length + 1] = GYRE_CALL_thread_yield;
	memset(page + length + 2, 0, 3);
	memcpy(page + length + 5, "\x0f\x05\xeb\xf7", 4);
	memcpy(page + 4094, "\x0f\x05", 2);
	return random_below(w, 3) == 0 ? 4094 : 0;
}

void random_odd_thread(struct worker *w, handle_t process)
{
	struct gyre_thread_registers registers;
	const uint64_t base = random_below(w, 2) == 0 ? LAST_PAGE : CODE_COPY;
	memory_map(process, hostile.start->ram, CODE_PAGE / 4096, base, 1, GYRE_RIGHT_READ | GYRE_RIGHT_EXEC);
	uint64_t entry = base + code_make(w);
	uint64_t stack = random_below(w, 2) == 0 ? RAM_ADDRESS + 0x7000 : random_odd(w);
	long handle = thread_create(process, random_below(w, 6) == 0 ? random_odd(w) : entry, stack, random_odd(w),
		random_fault_handle(w), random_below(w, 4) == 0);
	if (handle < 0)
		return;
	handle_t thread = (handle_t)handle;
	handle_keep(w, GYRE_OBJECT_THREAD, thread);
	if (thread_registers(thread, 0, &registers) == 0) {
		for (uint64_t n = random_below(w, 4); n > 0; n--)
			((uint64_t *)&registers)[random_below(w, sizeof(registers) / 8)] = random_odd(w);
		if (random_below(w, 2) == 0)
			registers.rip = entry;
		/* A call of whatever these registers say could close the handle by which this program ends. */
		if (registers.gpr[0] < GYRE_CALL_COUNT)
			registers.gpr[0] = GYRE_CALL_thread_yield;
		thread_registers(thread, 1, &registers);
	}
	thread_start(thread);
	for (uint64_t n = random_below(w, 4); n > 0; n--)
		thread_yield();
	if (random_below(w, 3) == 0) {
		thread_stop(thread);
		thread_registers(thread, 0, &registers);
		registers.rip = random_odd(w);
		registers.rflags = random_next(w);
		registers.gpr[0] = GYRE_CALL_thread_yield;
		thread_registers(thread, 1, &registers);
		thread_start(thread);
		thread_yield();
	}
	if (random_below(w, 16) != 0)
		object_destroy(thread);
	w->calls += 8;
}
