/* SPDX-License-Identifier: Apache-2.0 */
/* monitor/machine/entry_check.c: the rules of the controls and the host's state, and what a broken rule is in words. The guest's are in entry_check_guest.c. */
#include "lib/format.h"
#include "lib/string.h"
#include "monitor/machine/entry_check_inside.h"

/* ---- names ---- */

#define FIELD_NUMBER(name, number, words) number,
#define FIELD_WORDS(name, number, words)  words,
#define RULE_AREA(name, area, words)	  ENTRY_AREA_##area,
#define RULE_WORDS(name, area, words)	  words,
static const uint32_t field_number[] = {ENTRY_FIELDS(FIELD_NUMBER)};
static const char *const field_words[] = {ENTRY_FIELDS(FIELD_WORDS)};
static const uint8_t rule_area[] = {ENTRY_RULES(RULE_AREA)};
static const char *const rule_words[] = {ENTRY_RULES(RULE_WORDS)};

enum entry_area entry_area(enum entry_rule rule)
{
	return rule_area[rule];
}

uint32_t entry_number(enum entry_field field)
{
	return field_number[field];
}

void entry_fault_words(const struct entry_fault *fault, char *text, size_t bytes)
{
	static const char *const whose[] = {"Gyre's fault, ", "Gyre's fault, ", "", ""};
	char bits[40] = "";
	if (fault->bits != 0 && fault->bits != fault->value)
		gyre_snprintf(bits, sizeof(bits), " (bits 0x%llx)", (unsigned long long)fault->bits);
	gyre_snprintf(text, bytes, "%s%s is 0x%llx%s: %s", whose[rule_area[fault->rule]], field_words[fault->field],
		(unsigned long long)fault->value, bits, rule_words[fault->rule]);
}

static uint64_t dump_value(const struct gyre_dump *dump, enum entry_field field)
{
	for (uint32_t i = 0; i < dump->count && i < GYRE_DUMP_FIELDS; i++)
		if (dump->field[i].field == field_number[field])
			return dump->field[i].value;
	return 0;
}

/* SDM vol. 3, "VM-Entry Failures During or After Loading Guest State" and "VM Instruction Error Numbers". */
void entry_failure_words(const struct gyre_dump *dump, uint64_t reason, uint64_t error, char *text, size_t bytes)
{
	const unsigned long long qualification = dump_value(dump, ENTRY_FIELD_QUALIFICATION);
	const char *more = "";
	switch ((uint32_t)reason) {
	case 0:
		gyre_snprintf(text, bytes, "the processor refuses %s (error %llu)",
			error == 7   ? "its controls"
			: error == 8 ? "the host's state"
				     : "the entry",
			(unsigned long long)error);
		return;
	case 0x80000021:
		if (qualification == 2)
			more = ", its PDPTEs";
		else if (qualification == 3)
			more = ", an NMI while STI blocks";
		else if (qualification == 4)
			more = ", its VMCS link pointer";
		gyre_snprintf(text, bytes, "the processor refuses the guest's state%s (exit reason 33)", more);
		return;
	case 0x80000022:
		gyre_snprintf(text, bytes, "entry %llu of the VM-entry MSR-load area cannot be loaded (exit reason 34)",
			qualification);
		return;
	case 0x80000029: gyre_snprintf(text, bytes, "a machine check came during the entry (exit reason 41)"); return;
	case 49: gyre_snprintf(text, bytes, "its nested page tables are wrong (exit reason 49)"); return;
	}
	gyre_snprintf(text, bytes, "it left the processor for a reason that Gyre does not know (exit reason %u)",
		(uint32_t)reason & 0xffff);
}

/* ---- a broken rule ---- */

static void fault_add(struct entry_verdict *verdict, const struct entry_fault *fault)
{
	verdict->areas |= 1u << rule_area[fault->rule];
	if (verdict->faults < ENTRY_FAULTS)
		verdict->fault[verdict->faults] = *fault;
	verdict->faults++;
}

void entry_bits(struct entry_checker *c, enum entry_rule rule, enum entry_field field, uint64_t wrong)
{
	const struct entry_fault fault = {rule, field, c->value[field], wrong};
	if (wrong != 0)
		fault_add(c->verdict, &fault);
}

void entry_must(struct entry_checker *c, enum entry_rule rule, enum entry_field field, int holds)
{
	const struct entry_fault fault = {rule, field, c->value[field], 0};
	if (!holds)
		fault_add(c->verdict, &fault);
}

/* ---- VM-execution controls ---- */

/* Low half: bits that must be 1; high half: bits that may be 1. */
static uint64_t not_allowed(
	const struct entry_checker *c, enum entry_limit limit, enum entry_limit true_limit, uint64_t value)
{
	const uint64_t allowed = c->limit[(c->limit[LIMIT_BASIC] >> 55 & 1) != 0 ? true_limit : limit];
	return (value & ~(allowed >> 32)) | (~value & (uint32_t)allowed);
}

static void check_page(struct entry_checker *c, enum entry_field field)
{
	entry_bits(c, ENTRY_RULE_PAGE_ALIGNED, field, c->value[field] & 0xfff);
	entry_bits(c, ENTRY_RULE_PHYSICAL, field, entry_beyond(c, c->value[field]));
}

static void check_allowed(struct entry_checker *c)
{
	BITS(ALLOWED, PIN, not_allowed(c, LIMIT_PIN, LIMIT_TRUE_PIN, c->pin));
	BITS(ALLOWED, PROC, not_allowed(c, LIMIT_PROC, LIMIT_TRUE_PROC, c->proc));
	BITS(ALLOWED, PROC2, not_allowed(c, LIMIT_PROC2, LIMIT_PROC2, c->proc2));
	BITS(ALLOWED, EXIT, not_allowed(c, LIMIT_EXIT, LIMIT_TRUE_EXIT, c->exit));
	BITS(ALLOWED, ENTRY, not_allowed(c, LIMIT_ENTRY, LIMIT_TRUE_ENTRY, c->entry));
	if ((c->proc2 & PROC2_FUNCTIONS) != 0)
		BITS(ALLOWED, VM_FUNCTIONS, VALUE(VM_FUNCTIONS) & ~c->limit[LIMIT_FUNCTIONS]);
}

static void check_apic(struct entry_checker *c)
{
	if ((c->proc & PROC_TPR_SHADOW) != 0) {
		check_page(c, ENTRY_FIELD_VIRTUAL_APIC);
		if ((c->proc2 & PROC2_DELIVERY) == 0)
			BITS(TPR_THRESHOLD, TPR_THRESHOLD, VALUE(TPR_THRESHOLD) & ~0xfull);
	} else {
		BITS(NEEDS_TPR_SHADOW, PROC2, c->proc2 & (PROC2_X2APIC | PROC2_APIC_REGS | PROC2_DELIVERY));
	}
	if ((c->proc2 & PROC2_APIC_ACCESS) != 0) {
		check_page(c, ENTRY_FIELD_APIC_ACCESS);
		BITS(X2APIC_OR_ACCESSES, PROC2, c->proc2 & PROC2_X2APIC);
	}
	MUST(DELIVERY, PIN, (c->proc2 & PROC2_DELIVERY) == 0 || (c->pin & PIN_INTERRUPT) != 0);
	if ((c->pin & PIN_POSTED) == 0)
		return;
	MUST(POSTED_DELIVERY, PROC2, (c->proc2 & PROC2_DELIVERY) != 0);
	MUST(POSTED_ACKNOWLEDGE, EXIT, (c->exit & EXIT_ACKNOWLEDGE) != 0);
	BITS(POSTED_VECTOR, POSTED_VECTOR, VALUE(POSTED_VECTOR) & ~0xffull);
	BITS(POSTED_ALIGNED, POSTED_DESCRIPTOR, VALUE(POSTED_DESCRIPTOR) & 0x3f);
	BITS(PHYSICAL, POSTED_DESCRIPTOR, entry_beyond(c, VALUE(POSTED_DESCRIPTOR)));
}

static void check_ept(struct entry_checker *c)
{
	const uint64_t eptp = VALUE(EPTP), has = c->limit[LIMIT_EPT_VPID], type = eptp & 7, walk = eptp >> 3 & 7;
	uint64_t reserved = entry_beyond(c, eptp) | (eptp & 0xf00);
	if ((c->proc2 & PROC2_EPT) == 0) {
		BITS(NEEDS_EPT, PROC2,
			c->proc2 & (PROC2_UNRESTRICTED | PROC2_PML | PROC2_MODE_EXECUTE | PROC2_SUBPAGE | PROC2_TRACE));
		if ((c->proc2 & PROC2_FUNCTIONS) != 0)
			BITS(NEEDS_EPT, VM_FUNCTIONS, VALUE(VM_FUNCTIONS) & 1);
		return;
	}
	MUST(EPT_TYPE, EPTP, (type == 0 && (has >> 8 & 1) != 0) || (type == 6 && (has >> 14 & 1) != 0));
	MUST(EPT_WALK, EPTP, (walk == 3 && (has >> 6 & 1) != 0) || (walk == 4 && (has >> 7 & 1) != 0));
	BITS(EPT_DIRTY, EPTP, (has >> 21 & 1) != 0 ? 0 : eptp & 0x40);
	if ((has >> 23 & 1) == 0)
		reserved |= eptp & 0x80;
	BITS(EPT_RESERVED, EPTP, reserved);
}

static void check_execution(struct entry_checker *c)
{
	MUST(CR3_TARGETS, CR3_TARGETS, VALUE(CR3_TARGETS) <= (c->limit[LIMIT_MISC] >> 16 & 0x1ff));
	if ((c->proc & PROC_IO_BITMAPS) != 0) {
		check_page(c, ENTRY_FIELD_IO_BITMAP_A);
		check_page(c, ENTRY_FIELD_IO_BITMAP_B);
	}
	if ((c->proc & PROC_MSR_BITMAPS) != 0)
		check_page(c, ENTRY_FIELD_MSR_BITMAP);
	check_apic(c);
	MUST(VIRTUAL_NMIS, PIN, (c->pin & (PIN_NMI | PIN_VIRTUAL_NMI)) != PIN_VIRTUAL_NMI);
	MUST(NMI_WINDOW, PROC, (c->proc & PROC_NMI_WINDOW) == 0 || (c->pin & PIN_VIRTUAL_NMI) != 0);
	if ((c->proc2 & PROC2_VPID) != 0)
		MUST(VPID_ZERO, VPID, VALUE(VPID) != 0);
	check_ept(c);
	if ((c->proc2 & PROC2_PML) != 0)
		check_page(c, ENTRY_FIELD_PML_ADDRESS);
	if ((c->proc2 & PROC2_FUNCTIONS) != 0 && (VALUE(VM_FUNCTIONS) & 1) != 0)
		check_page(c, ENTRY_FIELD_EPTP_LIST);
	if ((c->proc2 & PROC2_SHADOWING) != 0) {
		check_page(c, ENTRY_FIELD_VMREAD_BITMAP);
		check_page(c, ENTRY_FIELD_VMWRITE_BITMAP);
	}
	if ((c->proc2 & PROC2_VE) != 0)
		check_page(c, ENTRY_FIELD_VE_INFORMATION);
	if ((c->proc2 & PROC2_TSC_SCALING) != 0)
		MUST(TSC_MULTIPLIER, TSC_MULTIPLIER, VALUE(TSC_MULTIPLIER) != 0);
}

/* ---- VM-exit and VM-entry controls ---- */

static void check_area(struct entry_checker *c, enum entry_field address, enum entry_field count)
{
	const uint64_t at = c->value[address], entries = c->value[count];
	if (entries == 0)
		return;
	entry_bits(c, ENTRY_RULE_AREA_ALIGNED, address, at & 0xf);
	entry_bits(c, ENTRY_RULE_PHYSICAL, address, entry_beyond(c, at));
	if (entry_beyond(c, at) == 0)
		entry_must(c, ENTRY_RULE_AREA_END, count, entry_beyond(c, at + entries * 16 - 1) == 0);
}

static int has_error_code(uint32_t vector)
{
	/* #CP, 21, only where the processor has it, which says so by not caring: IA32_VMX_BASIC bit 56. */
	return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;
}

static void check_event(struct entry_checker *c)
{
	const uint32_t event = (uint32_t)VALUE(EVENT), type = EVENT_TYPE(event), vector = event & 0xff;
	const uint64_t length = VALUE(EVENT_LENGTH);
	if ((event & EVENT_VALID) == 0)
		return;
	const uint64_t proc_limit = c->limit[(c->limit[LIMIT_BASIC] >> 55 & 1) != 0 ? LIMIT_TRUE_PROC : LIMIT_PROC];
	MUST(EVENT_TYPE, EVENT, type != 1 && (type != EVENT_OTHER || (proc_limit >> 32 & PROC_MTF) != 0));
	MUST(EVENT_VECTOR, EVENT,
		type == EVENT_NMI	  ? vector == 2
		: type == EVENT_EXCEPTION ? vector < 32
		: type == EVENT_OTHER	  ? vector == 0
					  : 1);
	const int may = type == EVENT_EXCEPTION &&
			((c->proc2 & PROC2_UNRESTRICTED) == 0 || (VALUE(GUEST_CR0) & CR0_PE) != 0);
	const int any = (c->limit[LIMIT_BASIC] >> 56 & 1) != 0, has = (event & EVENT_ERROR) != 0;
	MUST(EVENT_HAS_ERROR, EVENT, !has || (may && (any || has_error_code(vector))));
	MUST(EVENT_LACKS_ERROR, EVENT, has || !may || any || !has_error_code(vector));
	BITS(EVENT_RESERVED, EVENT, event & 0x7ffff000u);
	if (has)
		BITS(EVENT_ERROR, EVENT_ERROR, VALUE(EVENT_ERROR) & ~0xffffull);
	if (type >= EVENT_SOFTWARE && type <= EVENT_SOFT_EXCEPTION)
		MUST(EVENT_LENGTH, EVENT_LENGTH,
			length <= 15 && (length != 0 || (c->limit[LIMIT_MISC] >> 30 & 1) != 0));
}

static void check_transitions(struct entry_checker *c)
{
	MUST(SAVE_TIMER, EXIT, (c->pin & PIN_TIMER) != 0 || (c->exit & EXIT_SAVE_TIMER) == 0);
	check_area(c, ENTRY_FIELD_EXIT_STORE, ENTRY_FIELD_EXIT_STORE_COUNT);
	check_area(c, ENTRY_FIELD_EXIT_LOAD, ENTRY_FIELD_EXIT_LOAD_COUNT);
	check_event(c);
	check_area(c, ENTRY_FIELD_ENTRY_LOAD, ENTRY_FIELD_ENTRY_LOAD_COUNT);
	BITS(ENTRY_SMM, ENTRY, c->entry & (ENTRY_SMM | ENTRY_DUAL));
}

/* ---- the host's state. The core runs in IA-32e mode ---- */

static void host_canonical(struct entry_checker *c, enum entry_field field)
{
	entry_must(c, ENTRY_RULE_HOST_CANONICAL, field, entry_canonical(c, c->value[field]));
}

static void check_host_msrs(struct entry_checker *c)
{
	host_canonical(c, ENTRY_FIELD_HOST_SYSENTER_ESP);
	host_canonical(c, ENTRY_FIELD_HOST_SYSENTER_EIP);
	if ((c->exit & EXIT_PERF) != 0)
		BITS(HOST_RESERVED, HOST_PERF, VALUE(HOST_PERF) & ~c->processor->performance);
	if ((c->exit & EXIT_PAT) != 0)
		BITS(HOST_PAT, HOST_PAT, entry_pat_wrong(VALUE(HOST_PAT)));
	if ((c->exit & EXIT_EFER) != 0) {
		const uint64_t wanted = (c->exit & EXIT_HOST_64) != 0 ? EFER_LMA | EFER_LME : 0;
		BITS(HOST_RESERVED, HOST_EFER, VALUE(HOST_EFER) & ~c->processor->efer);
		BITS(HOST_LONG, HOST_EFER, (VALUE(HOST_EFER) ^ wanted) & (EFER_LMA | EFER_LME));
	}
	if ((c->exit & EXIT_CET) != 0) {
		host_canonical(c, ENTRY_FIELD_HOST_S_CET);
		host_canonical(c, ENTRY_FIELD_HOST_SSP);
		host_canonical(c, ENTRY_FIELD_HOST_SSP_TABLE);
		BITS(HOST_RESERVED, HOST_S_CET, VALUE(HOST_S_CET) & 0x3c0);
		BITS(HOST_RESERVED, HOST_SSP, VALUE(HOST_SSP) & 3);
	}
	if ((c->exit & EXIT_PKRS) != 0)
		BITS(HOST_RESERVED, HOST_PKRS, VALUE(HOST_PKRS) & ~0xffffffffull);
}

static void check_host(struct entry_checker *c)
{
	const uint64_t cr0 = VALUE(HOST_CR0), cr4 = VALUE(HOST_CR4);
	BITS(HOST_FIXED, HOST_CR0, (cr0 & ~c->limit[LIMIT_CR0_FIXED1]) | (~cr0 & c->limit[LIMIT_CR0_FIXED0]));
	BITS(HOST_FIXED, HOST_CR4, (cr4 & ~c->limit[LIMIT_CR4_FIXED1]) | (~cr4 & c->limit[LIMIT_CR4_FIXED0]));
	MUST(HOST_CET, HOST_CR4, (cr4 & CR4_CET) == 0 || (cr0 & CR0_WP) != 0);
	BITS(HOST_PHYSICAL, HOST_CR3, entry_beyond(c, VALUE(HOST_CR3)));
	check_host_msrs(c);
	for (unsigned i = 0; i <= ENTRY_FIELD_HOST_TR - ENTRY_FIELD_HOST_ES; i++)
		entry_bits(c, ENTRY_RULE_HOST_SELECTOR, ENTRY_FIELD_HOST_ES + i, c->value[ENTRY_FIELD_HOST_ES + i] & 7);
	MUST(HOST_NULL, HOST_CS, VALUE(HOST_CS) != 0);
	MUST(HOST_NULL, HOST_TR, VALUE(HOST_TR) != 0);
	for (unsigned i = ENTRY_FIELD_HOST_FS_BASE; i <= ENTRY_FIELD_HOST_IDTR_BASE; i++)
		host_canonical(c, i);
	MUST(HOST_SIZE, EXIT, (c->exit & EXIT_HOST_64) != 0);
	MUST(HOST_PAE, HOST_CR4, (cr4 & CR4_PAE) != 0);
	host_canonical(c, ENTRY_FIELD_HOST_RIP);
}

/* ---- all together ---- */

static void values_fill(struct entry_checker *c, const struct gyre_dump *dump)
{
	for (uint32_t i = 0; i < dump->count && i < GYRE_DUMP_FIELDS; i++)
		for (unsigned field = 0; field < ENTRY_FIELD_COUNT; field++)
			if (field_number[field] == dump->field[i].field)
				c->value[field] = dump->field[i].value;
	c->pin = (uint32_t)VALUE(PIN);
	c->proc = (uint32_t)VALUE(PROC);
	c->proc2 = (c->proc & PROC_SECONDARY) != 0 ? (uint32_t)VALUE(PROC2) : 0;
	c->exit = (uint32_t)VALUE(EXIT);
	c->entry = (uint32_t)VALUE(ENTRY);
}

void entry_check(const struct gyre_dump *dump, const struct entry_processor *processor, struct entry_verdict *verdict)
{
	struct entry_checker c = {.processor = processor, .limit = dump->limit, .verdict = verdict};
	memset(verdict, 0, sizeof(*verdict));
	values_fill(&c, dump);
	check_allowed(&c);
	check_execution(&c);
	check_transitions(&c);
	check_host(&c);
	entry_check_guest(&c);
}
