/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/entry/cases.h: states that break one rule of an entry each, and states at the edge that break none, as changes to the control block of a guest that
 * can be entered. The unit test of the checker runs through them on a made-up processor, tests/entry/main.c on a real or emulated one.
 */
#ifndef TESTS_ENTRY_CASES_H
#define TESTS_ENTRY_CASES_H

#include "monitor/machine/entry_check.h"

enum entry_mode { REAL, PROTECTED, PAE, LONG, V86, ENTRY_MODES };

enum entry_how {
	CHANGE_NONE,
	CHANGE_SET,  /* to the value */
	CHANGE_ON,   /* these bits */
	CHANGE_OFF,  /* these bits */
	CHANGE_FAR,  /* the lowest bit above the physical addresses, too */
	CHANGE_TOP,  /* to the end of the physical addresses less the value */
	CHANGE_SAME, /* to the value of another field */
};

struct entry_change {
	uint16_t field; /* enum entry_field */
	uint8_t how;
	uint64_t value;
};

#define ENTRY_CHANGES  6u
#define ENTRY_EDGE     0xffffu /* as a rule: none is broken */
/* as a rule: none that the control block shows is broken, yet the processor fails with exit reason 34 */
#define ENTRY_MSR_LOAD 0xfffeu
struct entry_case {
	uint8_t mode;
	uint16_t rule, field; /* field: that the checker is to name */
	struct entry_change change[ENTRY_CHANGES];
};

extern const struct entry_case entry_cases[];
extern const unsigned entry_case_count;

/* Of a change: what the field becomes. same: the value of the field that change->value names, for CHANGE_SAME. */
uint64_t entry_changed(const struct entry_change *change, uint64_t old, uint64_t same, uint32_t physical_bits);

#endif
