/* SPDX-License-Identifier: Apache-2.0 */
/* monitor/machine/failed.c: see failed.h. The rules are in entry_check*.c. */
#include "monitor/machine/entry_check.h"
#include "monitor/machine/failed.h"

/* What the core dumped. The first line is the processor's own. */
static void judge(const struct gyre_dump *dump, const struct gyre_vcpu_page *page, struct entry_verdict *verdict)
{
	struct entry_processor processor;
	entry_processor(&processor, engine_cpuid);
	*verdict = (struct entry_verdict){0};
	if (dump->kind != GYRE_DUMP_INTEL)
		entry_check_state((const struct gyre_vcpu_state *)((const uint8_t *)dump - GYRE_DUMP_OFFSET),
			page->event, &processor, verdict);
	else if (entry_failed(page->d0))
		entry_check(dump, &processor, verdict);
}

int failed_words(struct engine_vcpu *vcpu, char *text, size_t bytes)
{
	struct gyre_dump *dump = (struct gyre_dump *)((uint8_t *)vcpu->state + GYRE_DUMP_OFFSET);
	const struct gyre_vcpu_page *page = vcpu->page;
	const int dumped = dump->kind == GYRE_DUMP_INTEL;
	struct entry_verdict verdict;
	char line[240];
	if (!dumped && engine_state_get(vcpu, GYRE_STATE_ALL) != 0)
		return 0;
	judge(dump, page, &verdict);
	if (dumped) {
		entry_failure_words(dump, page->d0, page->d2, text, bytes);
		engine_log(text);
	}
	for (uint32_t i = 0; i < verdict.faults && i < ENTRY_FAULTS; i++) {
		entry_fault_words(&verdict.fault[i], line, sizeof(line));
		engine_log(line);
	}
	if (verdict.faults > 0)
		entry_fault_words(&verdict.fault[0], text, bytes);
	else if (dumped && entry_failed(page->d0) && !entry_msrs_failed(page->d0))
		engine_log("no field breaks a rule of the manual: left is what memory has, or a rule of this processor "
			   "alone");
	dump->kind = GYRE_DUMP_NONE;
	return dumped || verdict.faults > 0;
}
