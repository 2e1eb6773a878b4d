/* SPDX-License-Identifier: Apache-2.0 */
/* monitor/machine/failed.c: see failed.h. The rules are in entry_check*.c. */
#include "monitor/machine/entry_check.h"
#include "monitor/machine/failed.h"

int failed_words(struct engine_vcpu *vcpu, char *text, size_t bytes)
{
	struct gyre_dump *dump = (struct gyre_dump *)((uint8_t *)vcpu->state + GYRE_DUMP_OFFSET);
	struct entry_processor processor;
	struct entry_verdict verdict;
	char line[240];
	const int dumped = dump->kind == GYRE_DUMP_INTEL;
	entry_processor(&processor, engine_cpuid);
	if (dumped) {
		entry_check(dump, &processor, &verdict);
		entry_failure_words(dump, vcpu->page->d0, line, sizeof(line));
		engine_log(line);
		dump->kind = GYRE_DUMP_NONE;
	} else if (engine_state_get(vcpu, GYRE_STATE_ALL) == 0) {
		entry_check_state(vcpu->state, vcpu->page->event, &processor, &verdict);
	} else {
		return 0;
	}
	for (uint32_t i = 0; i < verdict.faults && i < ENTRY_FAULTS; i++) {
		entry_fault_words(&verdict.fault[i], line, sizeof(line));
		engine_log(line);
	}
	if (verdict.faults > 0)
		entry_fault_words(&verdict.fault[0], text, bytes);
	else if (dumped)
		entry_failure_words(dump, vcpu->page->d0, text, bytes);
	return verdict.faults > 0 || dumped;
}
