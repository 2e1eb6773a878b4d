/* SPDX-License-Identifier: Apache-2.0 */
/* monitor/machine/entry_check_inside.h: what the parts of the entry checker share. */
#ifndef MONITOR_MACHINE_ENTRY_CHECK_INSIDE_H
#define MONITOR_MACHINE_ENTRY_CHECK_INSIDE_H

#include "monitor/machine/entry_check.h"

/* SDM vol. 3, "VM-Execution Control Fields", "VM-Exit Control Fields", "VM-Entry Control Fields". */
#define PIN_INTERRUPT	   0x01u
#define PIN_NMI		   0x08u
#define PIN_VIRTUAL_NMI	   0x20u
#define PIN_TIMER	   0x40u
#define PIN_POSTED	   0x80u
#define PROC_TPR_SHADOW	   0x00200000u
#define PROC_NMI_WINDOW	   0x00400000u
#define PROC_IO_BITMAPS	   0x02000000u
#define PROC_MTF	   0x08000000u
#define PROC_MSR_BITMAPS   0x10000000u
#define PROC_SECONDARY	   0x80000000u
#define PROC2_APIC_ACCESS  0x00000001u
#define PROC2_EPT	   0x00000002u
#define PROC2_X2APIC	   0x00000010u
#define PROC2_VPID	   0x00000020u
#define PROC2_UNRESTRICTED 0x00000080u
#define PROC2_APIC_REGS	   0x00000100u
#define PROC2_DELIVERY	   0x00000200u
#define PROC2_FUNCTIONS	   0x00002000u
#define PROC2_SHADOWING	   0x00004000u
#define PROC2_PML	   0x00020000u
#define PROC2_VE	   0x00040000u
#define PROC2_MODE_EXECUTE 0x00400000u
#define PROC2_SUBPAGE	   0x00800000u
#define PROC2_TRACE	   0x01000000u
#define PROC2_TSC_SCALING  0x02000000u
#define EXIT_HOST_64	   0x00000200u
#define EXIT_PERF	   0x00001000u
#define EXIT_ACKNOWLEDGE   0x00008000u
#define EXIT_PAT	   0x00080000u
#define EXIT_EFER	   0x00200000u
#define EXIT_SAVE_TIMER	   0x00400000u
#define EXIT_CET	   0x10000000u
#define EXIT_PKRS	   0x20000000u
#define ENTRY_DEBUG	   0x00000004u
#define ENTRY_LONG	   0x00000200u
#define ENTRY_SMM	   0x00000400u
#define ENTRY_DUAL	   0x00000800u
#define ENTRY_PERF	   0x00002000u
#define ENTRY_PAT	   0x00004000u
#define ENTRY_EFER	   0x00008000u
#define ENTRY_BNDCFGS	   0x00010000u
#define ENTRY_CET	   0x00100000u
#define ENTRY_PKRS	   0x00400000u

#define EVENT_VALID	     0x80000000u
#define EVENT_ERROR	     0x800u
#define EVENT_TYPE(event)    ((uint32_t)(event) >> 8 & 7)
#define EVENT_INTERRUPT	     0u
#define EVENT_NMI	     2u
#define EVENT_EXCEPTION	     3u
#define EVENT_SOFTWARE	     4u
#define EVENT_SOFT_EXCEPTION 6u
#define EVENT_OTHER	     7u

#define CR0_PE	  0x1ull
#define CR0_WP	  0x10000ull
#define CR0_NW	  0x20000000ull
#define CR0_CD	  0x40000000ull
#define CR0_PG	  0x80000000ull
#define CR4_PAE	  0x20ull
#define CR4_PCIDE 0x20000ull
#define CR4_CET	  0x800000ull
#define EFER_LME  0x100ull
#define EFER_LMA  0x400ull
#define RFLAGS_TF 0x100ull
#define RFLAGS_IF 0x200ull
#define RFLAGS_VM 0x20000ull

/* limit[]: MSR 0x480 + n. SDM vol. 3, appendix "VMX Capability Reporting Facility". */
enum entry_limit {
	LIMIT_BASIC,
	LIMIT_PIN,
	LIMIT_PROC,
	LIMIT_EXIT,
	LIMIT_ENTRY,
	LIMIT_MISC,
	LIMIT_CR0_FIXED0,
	LIMIT_CR0_FIXED1,
	LIMIT_CR4_FIXED0,
	LIMIT_CR4_FIXED1,
	LIMIT_ENUM,
	LIMIT_PROC2,
	LIMIT_EPT_VPID,
	LIMIT_TRUE_PIN,
	LIMIT_TRUE_PROC,
	LIMIT_TRUE_EXIT,
	LIMIT_TRUE_ENTRY,
	LIMIT_FUNCTIONS,
};

struct entry_checker {
	const struct entry_processor *processor;
	const uint64_t *limit;
	struct entry_verdict *verdict;
	uint64_t value[ENTRY_FIELD_COUNT]; /* 0 where the processor has no such field */
	uint32_t pin, proc, proc2, exit, entry;
};

/* The bits that must not be there, or must: none of them, or the rule is broken. */
void entry_bits(struct entry_checker *c, enum entry_rule rule, enum entry_field field, uint64_t wrong);
void entry_must(struct entry_checker *c, enum entry_rule rule, enum entry_field field, int holds);
#define BITS(rule, field, wrong) entry_bits(c, ENTRY_RULE_##rule, ENTRY_FIELD_##field, wrong)
#define MUST(rule, field, holds) entry_must(c, ENTRY_RULE_##rule, ENTRY_FIELD_##field, holds)
#define VALUE(field)		 (c->value[ENTRY_FIELD_##field])

void entry_check_guest(struct entry_checker *c);

static inline uint64_t entry_beyond(const struct entry_checker *c, uint64_t address)
{
	return address & ~0ull << c->processor->physical_bits;
}

static inline int entry_canonical(const struct entry_checker *c, uint64_t address)
{
	unsigned unused = 64 - c->processor->linear_bits;
	return (uint64_t)((int64_t)(address << unused) >> unused) == address;
}

/* SDM vol. 3, "IA32_PAT MSR": what is no type. */
static inline uint64_t entry_pat_wrong(uint64_t pat)
{
	uint64_t wrong = 0;
	for (unsigned i = 0; i < 64; i += 8) {
		uint64_t type = pat >> i & 0xff;
		if (type > 7 || type == 2 || type == 3)
			wrong |= 0xffull << i;
	}
	return wrong;
}

#endif
