/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guests/hostile/code.c: random code in every mode and ring, in the sandbox. Around it stand INT3s, so that it ends soon wherever it goes.
 *
 * OUT with an immediate port is left out (it could end the VM), and so is what the command line forbids; other ports come from DX.
 */
#include "guests/hostile/hostile.h"

extern uint64_t box_pae[4];
extern uint32_t box_32[1024];
extern char low_begin[], low_end[], low_stubs[], low_regs[];

/* ---- bytes ---- */
static const struct {
	uint8_t length;
	char text[11];
} texts[] = {{3, "\x0f\x01\xd8"}, {3, "\x0f\x01\xd9"}, {3, "\x0f\x01\xda"}, {3, "\x0f\x01\xdb"}, {3, "\x0f\x01\xdc"},
	{3, "\x0f\x01\xdd"}, {3, "\x0f\x01\xde"}, {3, "\x0f\x01\xdf"}, {3, "\x0f\x01\xc1"}, {3, "\x0f\x01\xc2"},
	{3, "\x0f\x01\xc3"}, {3, "\x0f\x01\xc4"}, {3, "\x0f\x01\xc8"}, {3, "\x0f\x01\xc9"}, {3, "\x0f\x01\xd0"},
	{3, "\x0f\x01\xd1"}, {3, "\x0f\x01\xf8"}, {3, "\x0f\x01\xf9"}, {3, "\x0f\x01\xfd"}, {2, "\x0f\x08"},
	{2, "\x0f\x09"}, {2, "\x0f\x31"}, {2, "\x0f\x32"}, {2, "\x0f\x33"}, {2, "\x0f\x34"}, {2, "\x0f\x35"},
	{2, "\x0f\x37"}, {2, "\x0f\xaa"}, {2, "\x0f\xa2"}, {2, "\x0f\x05"}, {2, "\x0f\x07"}, {2, "\x0f\x06"},
	{3, "\x0f\x20\xc2"}, {3, "\x0f\x20\xe2"}, {3, "\x0f\x22\xd2"}, {3, "\x0f\x21\xf2"}, {2, "\xcd\x80"},
	{2, "\xcd\xff"}, {1, "\xce"}, {1, "\xf1"}, {2, "\xfb\xf4"}, {1, "\xed"}, {1, "\xef"}, {1, "\x6c"}, {1, "\x6f"},
	{2, "\xf3\x6d"}, {2, "\xf3\x6e"}, {2, "\xf3\xa4"}, {2, "\xf3\xab"}, {3, "\x0f\x01\xe2"}, {2, "\xf3\x90"},
	{2, "\x8e\xd8"}, {2, "\x8e\xe0"}, {2, "\x8e\xd2"}, {3, "\x0f\xc7\xf0"}, {3, "\x0f\xc7\xf8"},
	{5, "\x66\x0f\x38\x82\x01"}, {3, "\xf0\x0f\xa2"}, {11, "\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66"},
	{4, "\xf3\x0f\xa7\xc0"}, {3, "\x0f\x01\x10"}, {3, "\x0f\x01\x18"}, {3, "\x0f\x00\xd8"}, {3, "\x0f\x00\xd0"},
	{3, "\x0f\x01\xf0"}, {3, "\x0f\xae\x08"}, {3, "\x0f\xae\x28"}, {3, "\x0f\xc7\x08"}, {1, "\xcf"},
	{2, "\x48\xcf"}, {1, "\xcb"}, {3, "\x0f\xb2\x06"}, {2, "\xff\x2e"}, {2, "\xff\x1e"}, {1, "\x9d"}, {1, "\x62"},
	{1, "\xc5"}, {1, "\xc4"}, {2, "\x0f\x0b"}, {2, "\x0f\xff"}};

static void filter(uint8_t *code, unsigned bytes)
{
	for (unsigned i = 0; i + 1 < bytes; i++) {
		if ((code[i] & 0xfe) == 0xe6)
			code[i] ^= 0x06; /* LOOPNE, LOOPE */
		if (code[i] == 0x0f && code[i + 1] == 0x23 && without.breakpoints)
			code[i + 1] = 0x21;
		if (code[i] == 0x0f && code[i + 1] == 0x22 && without.cr)
			code[i + 1] = 0x20;
		if (code[i] == 0x0f && code[i + 1] == 0x34 && without.sysenter)
			code[i + 1] = 0x35;
		if (code[i] == 0x0f && code[i + 1] == 0x00 && without.ltr)
			code[i + 1] = 0x01;
	}
}

static void code_make(uint8_t *at, unsigned most)
{
	uint8_t *code = at, *end = at + most - 16;
	unsigned pieces = 1 + below(8);
	memory_set(at - (below(4) ? 0 : 256), 0xcc, most);
	while (pieces-- && code < end) {
		for (unsigned n = below(3); n > 0 && below(2); n--)
			*code++ = (uint8_t) "\x66\x67\xf2\xf3\x2e\x3e\x64\xf0\x48\x41"[below(10)];
		if (below(2)) {
			unsigned which = below(COUNT(texts));
			memory_copy(code, texts[which].text, texts[which].length);
			code += texts[which].length;
		} else {
			if (below(3) == 0)
				*code++ = 0x0f;
			for (unsigned n = 2 + below(6); n > 0; n--)
				*code++ = (uint8_t)random32();
		}
	}
	filter(at, most);
	code[0] = 0x0f;
	code[1] = 0x0b;
}

/* ---- registers ---- */
static uint32_t code_port(void)
{
	static const uint16_t ports[] = {0x3f8, 0x3fa, 0x3fd, 0x3f9, 0x60, 0x80, 0x21, 0xa1, 0xe0, 0xe2, 0xcfc, 0xcf8,
		0x5000, 0xe9, 0x608, 0x4d0, 0x510};
	return ports[below(COUNT(ports))] | (below(2) ? 0 : random32() << 16);
}

static void registers_make(bool offsets)
{
	for (unsigned i = 0; i < 16; i++)
		enter_regs[i] = below(3) == 0 ? odd() : offsets ? below(below(2) ? 0x100000 : 0x10000) : odd_address();
	enter_regs[1] &= below(4) ? 0xff : ~0ull; /* counts are small, mostly */
	enter_regs[2] = code_port();
}

static void tss_free(void)
{
	descriptors_reset(); /* none is busy */
}

static uint64_t flags(void)
{
	return 2 | (random32() & 0x240cd5) | (below(8) == 0 && !without.tf ? 0x100 : 0) | (below(4) == 0 ? 0x4000 : 0);
}

/* ---- 64-bit and compatibility mode ---- */
static void enter_at(uint64_t rip, uint32_t code, uint32_t stack, bool offsets)
{
	registers_make(offsets);
	enter_frame[0] = rip;
	enter_frame[1] = code;
	enter_frame[2] = flags();
	enter_frame[3] = SANDBOX + SANDBOX_STACK - 8 * below(16);
	enter_frame[4] = stack;
	count(enter_long());
}

static uint8_t *code_place(void)
{
	uint32_t at = 0x1000 + below(4096);
	if (below(4) == 0)
		at = 0x1ff0 + below(16); /* over a page's end */
	return (uint8_t *)(uint64_t)(SANDBOX + at);
}

void op_code_ring0(void)
{
	for (unsigned i = 0; i < 4; i++) {
		uint8_t *at = code_place();
		code_make(at, 300);
		enter_at((uint64_t)at, SEL_CODE64, SEL_DATA, false);
	}
}

void op_code_ring3(void)
{
	for (unsigned i = 0; i < 4; i++) {
		uint8_t *at = code_place();
		code_make(at, 300);
		enter_at((uint64_t)at, SEL_CODE64_3 | 3, SEL_DATA_3 | 3, false);
	}
}

void op_code_compat(void)
{
	static const uint16_t codes[] = {SEL_CODE32, SEL_CODE32_3 | 3, SEL_BOX_CODE32, SEL_BOX_CODE32_3 | 3,
		SEL_BOX_CODE16, SEL_BOX_CODE16_3 | 3};
	for (unsigned i = 0; i < 4; i++) {
		uint8_t *at = code_place();
		unsigned which = below(COUNT(codes));
		bool box = which >= 2;
		code_make(at, 300);
		enter_at((uint64_t)at - (box ? SANDBOX : 0), codes[which],
			codes[which] & 3 ? (box ? SEL_BOX_DATA_3 : SEL_DATA_3) | 3
			: box		 ? SEL_BOX_DATA
					 : SEL_DATA,
			box);
	}
}

/* ---- legacy modes ---- */
static void paging_kind(unsigned kind)
{
	enter_real = 0;
	enter_efer = kind == 2 ? 0x800 : 0;
	enter_cr0 = kind ? CR0_HOME : CR0_HOME & 0x7fffffff;
	enter_cr3 = (uint32_t)(uint64_t)(kind == 2 ? (void *)box_pae : (void *)box_32);
	enter_cr4 = kind == 2 ? 0x620 : 0x610;
	tss_free();
}

void op_code_protected(void)
{
	for (unsigned i = 0; i < 3; i++) {
		uint8_t *at = code_place();
		bool user = below(4) != 0, small = below(3) == 0;
		uint32_t *frame = (uint32_t *)(uint64_t)(SANDBOX + (small ? 0xff00 : SANDBOX_STACK));
		uint32_t code = user	? (small ? SEL_BOX_CODE16_3 : SEL_BOX_CODE32_3) | 3
				: small ? SEL_BOX_CODE16
					: SEL_BOX_CODE32;
		code_make(at, 300);
		if (below(4) == 0) /* another task */
			memory_copy(at, below(2) ? "\xea\0\0\0\0\x98\0" : "\x9a\0\0\0\0\x98\0", 7);
		paging_kind(below(3));
		registers_make(true);
		frame[0] = (uint32_t)((uint64_t)at - SANDBOX);
		frame[1] = code;
		frame[2] = (uint32_t)flags() & ~0x4000u;
		frame[3] = SANDBOX_STACK - 0x100;
		frame[4] = SEL_BOX_DATA_3 | 3;
		enter_data = user ? SEL_BOX_DATA_3 | 3 : SEL_BOX_DATA;
		enter_stack[0] = small ? 0xff00 : SANDBOX_STACK;
		enter_stack[1] = SEL_BOX_DATA;
		count(enter_legacy());
	}
}

/* Low memory as real mode finds it: vectors that lead to stubs. */
static void low_make(void)
{
	uint32_t *vectors = NULL;
	__asm__("" : "+r"(vectors)); /* address 0, which the compiler must not know */
	memory_copy((void *)LOW_STUBS, low_begin, (size_t)(low_end - low_begin));
	for (uint32_t i = 0; i < 256; i++)
		vectors[i] = 0x10000000 | (uint32_t)(low_stubs - low_begin + i * 8);
	for (unsigned i = 0; i < 8; i++)
		((uint32_t *)(uint64_t)(LOW_STUBS + (low_regs - low_begin)))[i] = (uint32_t)enter_regs[i];
}

void op_code_v86(void)
{
	for (unsigned i = 0; i < 3; i++) {
		uint32_t *frame = (uint32_t *)(uint64_t)(SANDBOX + SANDBOX_STACK);
		code_make((uint8_t *)LOW_CODE, 300);
		paging_kind(below(3));
		registers_make(true);
		low_make();
		frame[0] = 0;
		frame[1] = LOW_CODE >> 4;
		frame[2] = 0x20002 | ((uint32_t)flags() & ~0x4000u) | below(4) << 12;
		frame[3] = 0xff00;
		frame[4] = LOW_STACK >> 4;
		frame[5] = frame[6] = LOW_DATA >> 4;
		frame[7] = frame[8] = random32() & 0xffff;
		enter_data = SEL_DATA;
		enter_stack[0] = SANDBOX + SANDBOX_STACK;
		enter_stack[1] = SEL_DATA;
		count(enter_legacy());
	}
}

void op_code_real(void)
{
	for (unsigned i = 0; i < 3; i++) {
		code_make((uint8_t *)LOW_CODE, 300);
		paging_kind(0);
		registers_make(true);
		low_make();
		enter_real = 1;
		count(enter_legacy());
	}
}

/* A store, a locked access, a jump, a push at an address, in either ring. */
void code_touch(uint64_t address)
{
	static const uint8_t ways[][4] = {{0x89, 0x08, 0xcc}, {0xf0, 0xff, 0x00, 0xcc}, {0xff, 0xe0}, {0xff, 0xd0},
		{0x50, 0xcc}, {0x48, 0xa5, 0xcc}, {0x0f, 0xc7, 0x08, 0xcc}, {0x8b, 0x08, 0xcc}};
	uint8_t *at = code_place();
	bool user = below(2);
	memory_set(at, 0xcc, 64);
	memory_copy(at, ways[below(COUNT(ways))], 4);
	for (unsigned i = 0; i < 16; i++)
		enter_regs[i] = address;
	enter_frame[0] = (uint64_t)at;
	enter_frame[1] = user ? SEL_CODE64_3 | 3 : SEL_CODE64;
	enter_frame[2] = 2;
	enter_frame[3] = below(4) ? SANDBOX + SANDBOX_STACK : address;
	enter_frame[4] = user ? SEL_DATA_3 | 3 : SEL_DATA;
	count(enter_long());
}

/* ---- code that changes under its own feet, or under the emulator's ---- */
void op_code_changing(void)
{
	/* mov %al, 1f(%rip), again and again, beside an access that leaves the guest */
	uint8_t *at = (uint8_t *)(uint64_t)(SANDBOX + 0x2fe0 + below(32)), *code = at;
	static const uint8_t begin[] = {0xb9, 40, 0, 0, 0}, loop[] = {0x88, 0x05, 0, 0, 0, 0},
			     again[] = {0xff, 0xc9, 0x75};
	memory_set(at, 0xcc, 256);
	memory_copy(code, begin, sizeof(begin));
	code += sizeof(begin);
	uint8_t *first = code;
	memory_copy(code, loop, sizeof(loop));
	uint8_t *displacement = code + 2, *next = code + sizeof(loop);
	code = next;
	uint32_t to = below(6);
	memory_copy(displacement, &to, 4);
	static const uint8_t accesses[][4] = {{0x8b, 0x03, 0x90, 0x90}, {0x89, 0x03, 0x90, 0x90},
		{0xa4, 0x90, 0x90, 0x90}, {0x0f, 0xa2, 0x90, 0x90}, {0xed, 0x90, 0x90, 0x90}, {0x00, 0x03, 0x90, 0x90}};
	memory_copy(code, accesses[below(COUNT(accesses))], 4);
	code += 4;
	*code++ = 0xfe, *code++ = 0xc0; /* inc %al */
	memory_copy(code, again, sizeof(again));
	code += sizeof(again);
	*code = (uint8_t)(first - (code + 1));
	code++;
	code[0] = 0x0f, code[1] = 0x0b;
	registers_make(false);
	enter_regs[0] = below(2) ? 0x88 : random32() & 0xff;
	enter_regs[3] = below(2) ? APIC + 0x80 : RAM_END + 8;
	enter_regs[7] = SANDBOX + 0x8000;
	enter_frame[0] = (uint64_t)at;
	enter_frame[1] = below(2) ? SEL_CODE64 : SEL_CODE64_3 | 3;
	enter_frame[2] = 2;
	enter_frame[3] = SANDBOX + SANDBOX_STACK;
	enter_frame[4] = enter_frame[1] & 3 ? SEL_DATA_3 | 3 : SEL_DATA;
	count(enter_long());
}

/* ---- the edges between the rings: SYSCALL, SYSENTER, interrupts, far returns, to addresses that are none (A02) ---- */
void op_code_system(void)
{
	static const uint8_t ways[][4] = {{0x0f, 0x05, 0xcc}, {0x0f, 0x34, 0xcc}, {0xcd, 0x81, 0xcc},
		{0xcd, 0x80, 0xcc}, {0xcc}, {0xf1}, {0xce}, {0xcb}, {0x48, 0xcb}, {0xcf}, {0x48, 0xcf}, {0xc3},
		{0xff, 0xe0}, {0xff, 0xd3}, {0x48, 0x0f, 0x07}, {0x0f, 0x07}, {0x48, 0x0f, 0x35}, {0x0f, 0x35},
		{0xff, 0x28}, {0x9d, 0xcc}};
	for (unsigned i = 0; i < 6; i++) {
		uint8_t *at = code_place();
		uint64_t *stack = (uint64_t *)(SANDBOX + SANDBOX_STACK);
		bool user = below(2);
		memory_set(at, 0xcc, 64);
		memory_copy(at, ways[below(COUNT(ways))], 4);
		for (unsigned n = 0; n < 5; n++)
			stack[n] = n == 0 || n == 3 ? odd_address()
				   : n == 2	    ? flags()
						    : below(GDT_ENTRIES) * 8 + below(4);
		registers_make(false);
		enter_frame[0] = (uint64_t)at;
		enter_frame[1] = user ? SEL_CODE64_3 | 3 : SEL_CODE64;
		enter_frame[2] = 2;
		enter_frame[3] = (uint64_t)stack;
		enter_frame[4] = user ? SEL_DATA_3 | 3 : SEL_DATA;
		count(enter_long());
	}
}
