/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guests/cases/same.c: case A22's second oracle: random instructions with an operand in memory, done by the processor on a page of ones, and by Gyre's emulator
 * where nobody answers, which reads as ones. Registers, flags and faults must be the same. The processor is QEMU's or Bochs's: neither is Gyre's.
 */
#include "guests/cases/cases.h"

#define CODE	  (SANDBOX + 0x50000)
#define SAVED	  ((uint64_t *)(SANDBOX + 0x51000))
#define ONES	  (SANDBOX + 0x60000)
#define ROUNDS	  1500
#define ALL_FLAGS 0x8d5

static uint64_t stream = 0x1234567;

static uint32_t random_below(uint32_t limit)
{
	stream ^= stream << 13;
	stream ^= stream >> 7;
	stream ^= stream << 17;
	return (uint32_t)((stream >> 32) * limit >> 32);
}

/* An opcode with a ModRM byte; flags that it leaves undefined; extension of the opcode, or -1: any register. */
static const struct {
	uint8_t map, opcode;
	int8_t reg;
	uint16_t undefined;
} kinds[] = {{0, 0x02, -1, 0}, {0, 0x03, -1, 0}, {0, 0x0b, -1, 0x10}, {0, 0x13, -1, 0}, {0, 0x1b, -1, 0},
	{0, 0x23, -1, 0x10}, {0, 0x2b, -1, 0}, {0, 0x33, -1, 0x10}, {0, 0x3b, -1, 0}, {0, 0x39, -1, 0},
	{0, 0x38, -1, 0}, {0, 0x8a, -1, 0}, {0, 0x8b, -1, 0}, {0, 0x63, -1, 0}, {0, 0x85, -1, 0x10},
	{0, 0x84, -1, 0x10}, {0, 0x01, -1, 0}, {0, 0x29, -1, 0}, {0, 0x21, -1, 0x10}, {0, 0x09, -1, 0x10},
	{0, 0x11, -1, 0}, {0, 0x19, -1, 0}, {0, 0x31, -1, 0x10}, {0, 0x86, -1, 0}, {0, 0x87, -1, 0}, {0, 0x89, -1, 0},
	{0, 0x88, -1, 0}, {0, 0xff, 0, 0}, {0, 0xff, 1, 0}, {0, 0xfe, 0, 0}, {0, 0xfe, 1, 0}, {0, 0xf7, 2, 0},
	{0, 0xf7, 3, 0}, {0, 0xf7, 4, 0xd4}, {0, 0xf7, 5, 0xd4}, {0, 0xd1, 4, 0x10}, {0, 0xd1, 5, 0x10},
	{0, 0xd1, 7, 0x10}, {0, 0xd1, 0, 0}, {0, 0xd1, 1, 0}, {0, 0xd1, 2, 0}, {0, 0xd1, 3, 0}, {1, 0xb6, -1, 0},
	{1, 0xb7, -1, 0}, {1, 0xbe, -1, 0}, {1, 0xbf, -1, 0}, {1, 0xaf, -1, 0xd4}, {1, 0x44, -1, 0}, {1, 0x4c, -1, 0},
	{1, 0x94, 0, 0}, {1, 0x92, 0, 0}, {1, 0xb1, -1, 0}, {1, 0xc1, -1, 0}, {1, 0xa3, -1, 0x894},
	{1, 0xab, -1, 0x894}, {1, 0xb3, -1, 0x894}};

static unsigned instruction_make(uint8_t *to, uint16_t *undefined)
{
	unsigned which = random_below(COUNT(kinds)), n = 0;
	uint8_t reg = (uint8_t)(kinds[which].reg >= 0 ? kinds[which].reg : (int)random_below(8));
	if (reg == 3 || reg == 4 || (reg == 7 && kinds[which].reg < 0))
		reg = kinds[which].reg >= 0 ? reg : 6; /* the base, a part of it, and the stack stay */
	if (random_below(3) == 0)
		to[n++] = 0x66;
	if (random_below(3) == 0)
		to[n++] = (uint8_t)(0x40 | random_below(2) << 3 | (kinds[which].reg < 0 ? random_below(2) << 2 : 0));
	if (kinds[which].map)
		to[n++] = 0x0f;
	to[n++] = kinds[which].opcode;
	to[n++] = (uint8_t)(0x43 | reg << 3); /* [rbx + 8 bits] */
	to[n++] = (uint8_t)random_below(64);
	*undefined = kinds[which].undefined;
	return n;
}

/* Flags from RBP, the instruction, then all registers and flags to SAVED. */
static uint32_t once(const uint8_t *instruction, unsigned length, const uint64_t *registers, uint64_t base)
{
	uint8_t *at = (uint8_t *)(uint64_t)CODE;
	memory_set((void *)(uint64_t)(ONES - 0x100), 0xff, 0x300);
	memory_set(SAVED, 0, 160);
	*at++ = 0x55, *at++ = 0x9d; /* push %rbp; popf */
	memory_copy(at, instruction, length);
	at += length;
	*at++ = 0x9c; /* pushf; pop SAVED[16] */
	*at++ = 0x8f, *at++ = 0x04, *at++ = 0x25;
	*(uint32_t *)(void *)at = (uint32_t)(uint64_t)(SAVED + 16);
	at += 4;
	for (uint32_t i = 0; i < 16; i++) {
		*at++ = (uint8_t)(i < 8 ? 0x48 : 0x4c), *at++ = 0x89, *at++ = (uint8_t)(0x04 | (i & 7) << 3),
		*at++ = 0x25;
		*(uint32_t *)(void *)at = (uint32_t)(uint64_t)(SAVED + i);
		at += 4;
	}
	at[0] = 0x0f, at[1] = 0x0b;
	for (unsigned i = 0; i < 16; i++)
		enter_regs[i] = registers[i];
	enter_regs[3] = base;
	return run_at(CODE, 3);
}

void same_as_the_processor(void)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint8_t instruction[16];
		uint64_t registers[16], first[17];
		uint16_t undefined;
		unsigned length = instruction_make(instruction, &undefined);
		for (unsigned i = 0; i < 16; i++) {
			random_below(1);
			registers[i] = random_below(2) ? stream : random_below(2) ? ~0ull : random_below(4);
		}
		/* BT and its like reach as far as the register says. */
		if (instruction[length - 3] == 0xa3 || instruction[length - 3] == 0xab ||
			instruction[length - 3] == 0xb3)
			for (unsigned i = 0; i < 16; i++)
				registers[i] &= 0xff;
		registers[5] = 2 | (stream >> 20 & ALL_FLAGS);
		uint32_t native = once(instruction, length, registers, ONES);
		memory_copy(first, SAVED, sizeof(first));
		uint32_t emulated = once(instruction, length, registers, HOLE + 0x1000);
		bool same = native == emulated;
		for (unsigned i = 0; i < 16 && same; i++)
			same = i == 3 || first[i] == SAVED[i];
		same = same && ((first[16] ^ SAVED[16]) & ALL_FLAGS & ~undefined) == 0;
		if (same)
			continue;
		say("A22:");
		for (unsigned i = 0; i < length; i++) {
			say(" ");
			say_hex(instruction[i], 16);
		}
		say(" native ");
		say_hex(native, 16);
		say(" emulated ");
		say_hex(emulated, 16);
		for (unsigned i = 0; i < 17; i++)
			if (first[i] != SAVED[i] && i != 3) {
				say(" ");
				say_number(i);
				say(":");
				say_hex(first[i], 16);
				say("/");
				say_hex(SAVED[i], 16);
			}
		say("\n");
		must(false, round + 10000);
		return;
	}
}
