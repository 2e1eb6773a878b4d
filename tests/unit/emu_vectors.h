/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/emu_vectors.h: instructions made from the decoder's table.
 *
 * Each line of the table that an opcode leads to is a path: the opcode with what its groups ask of ModRM and prefixes. For a path,
 * vector_make gives an instruction with random prefixes, operands and registers whose memory operands lie where host_init has memory:
 * mostly good, sometimes across a page, on a page without rights or none, or not canonical.
 */
#ifndef TESTS_UNIT_EMU_VECTORS_H
#define TESTS_UNIT_EMU_VECTORS_H

#include "monitor/emu/table.h"
#include "tests/unit/emu_host.h"

struct path {
	uint8_t map, opcode;
	int8_t reg, mod, rm, prefix; /* -1: any; mod: 0 memory, 1 register; prefix: 0 none, 1 66, 2 F3, 3 F2 */
	bool vex;
	uint32_t flags; /* of the line and the groups above it */
	const struct emu_opcode *line;
};

struct vector {
	uint8_t code[16];
	struct host_state state;
	struct emu_insn insn;
	enum emu_decoded decoded;
	bool stepped;	      /* by TF; else by a breakpoint behind the instruction */
	uint32_t code_offset; /* from HOST_BASE */
	uint64_t operand;     /* linear address of the ModRM operand, if there is one */
};

#define PATHS_MAX 1600
/* All paths to lines with semantics. */
unsigned paths_make(struct path paths[PATHS_MAX]);
void path_name(const struct path *path, char name[64]);

extern unsigned vectors_config; /* EMU_CONFIG_, as this machine's processor is */
uint64_t vectors_random(void);
uint64_t vectors_operand(void); /* an interesting number */

/* A selector that a program can or cannot load. */
uint16_t vectors_selector(void);
uint16_t vectors_far_selector(const struct vector *vector, enum emu_mode mode);

/* False: this try did not give an instruction of the path. */
bool vector_make(struct vector *vector, const struct path *path, enum emu_mode mode);

/* Segment state by selector, as host_init and the kernel have it. */
struct emu_segment vector_segment(uint16_t selector, bool is64, unsigned number);

#endif
