/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/machine/entry_check.h: why a processor did not enter a guest, in words: which field of its control block breaks which rule of the manual.
 *
 *   Given      what the core dumped of the control block (struct gyre_dump), or the neutral state where there is no dump
 *   Gives      every rule that is broken, in the manual's order; a state that breaks none would have been entered
 *   Leaves out what only memory shows: the task priority in the virtual-APIC page, PDPTEs without EPT, what the link pointer points to (the processor's own
 *              word for it is passed on), MSR areas' content
 *   Tests      test_entry_check.c; tests/entry, which compares it with a processor
 */
#ifndef MONITOR_MACHINE_ENTRY_CHECK_H
#define MONITOR_MACHINE_ENTRY_CHECK_H

#include <stddef.h>
#include "gyre/vcpu.h"
#include "monitor/machine/entry_rules.h"

#define ENTRY_FIELD_ENUM(name, number, words) ENTRY_FIELD_##name,
enum entry_field { ENTRY_FIELDS(ENTRY_FIELD_ENUM) ENTRY_FIELD_COUNT };
#define ENTRY_RULE_ENUM(name, area, words) ENTRY_RULE_##name,
enum entry_rule { ENTRY_RULES(ENTRY_RULE_ENUM) ENTRY_RULE_COUNT };
enum entry_area { ENTRY_AREA_CONTROLS, ENTRY_AREA_HOST, ENTRY_AREA_GUEST, ENTRY_AREA_RUN };

/* What CPUID says, and rules depend on. */
struct entry_processor {
	uint32_t physical_bits, linear_bits;
	uint64_t efer, debugctl, performance; /* bits that can be set in MSRs */
	uint64_t cr4;			      /* AMD's alone */
	int long_mode, sgx, rtm;
};

struct entry_fault {
	enum entry_rule rule;
	enum entry_field field;
	uint64_t value, bits; /* of the field; those that are wrong, or 0 where the value as a whole is */
};

#define ENTRY_FAULTS 16u
struct entry_verdict {
	uint32_t faults; /* all of them; the first ENTRY_FAULTS are kept */
	uint32_t areas;	 /* bit n: a rule of area n is broken */
	struct entry_fault fault[ENTRY_FAULTS];
};

void entry_processor(
	struct entry_processor *processor, void (*cpuid)(uint32_t leaf, uint32_t subleaf, uint32_t out[4]));
void entry_check(const struct gyre_dump *dump, const struct entry_processor *processor, struct entry_verdict *verdict);
void entry_check_state(const struct gyre_vcpu_state *state, uint32_t event, const struct entry_processor *processor,
	struct entry_verdict *verdict);

enum entry_area entry_area(enum entry_rule rule);
uint32_t entry_number(enum entry_field field); /* as the processor numbers it */
/* One line: field, value, rule. */
void entry_fault_words(const struct entry_fault *fault, char *text, size_t bytes);
/* What the processor itself said: reason and error are the page's d0 and d2. */
void entry_failure_words(const struct gyre_dump *dump, uint64_t reason, uint64_t error, char *text, size_t bytes);
static inline int entry_failed(uint64_t reason)
{
	return reason == 0 || (reason >> 31 & 1) != 0; /* else it was in the guest */
}
static inline int entry_msrs_failed(uint64_t reason)
{
	return (uint32_t)reason == 0x80000022; /* by what an entry of its list has */
}

#endif
