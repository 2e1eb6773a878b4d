/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/trace.c: a record of each exit, in the pages behind the run page. include/gyre/trace.h has the form. The monitor only reads them.
 */
#include "core/virt/vcpu.h"
#include "core/x86/timer.h"
#include "gyre/trace.h"
#include "lib/string.h"

static struct gyre_trace_record *record_at(struct gyre_trace_header *ring, uint64_t count)
{
	return (struct gyre_trace_record *)(ring + 1) + count % ring->capacity;
}

void trace_exit(struct vcpu *vcpu, uint32_t vendor_code, uint64_t rip, uint64_t cr3, uint64_t detail, uint64_t value)
{
	struct gyre_trace_header *ring = vcpu->trace;
	memcpy(vcpu->traced, vcpu->counters->exits, sizeof(vcpu->traced));
	*record_at(ring, ring->head) = (struct gyre_trace_record){
		.tsc = tsc_read(),
		.rip = rip,
		.kind = GYRE_EXIT_NONE,
		.vcpu = (uint16_t)vcpu->number,
		.vendor_code = vendor_code,
		.detail = detail,
		.value = value,
		.cr3 = cr3,
	};
}

/* The kind of the exit that was recorded last. False: that was the last free record. */
static bool trace_kind(struct vcpu *vcpu, uint32_t kind)
{
	struct gyre_trace_header *ring = vcpu->trace;
	record_at(ring, ring->head)->kind = (uint16_t)kind;
	__atomic_store_n(&ring->head, ring->head + 1, __ATOMIC_RELEASE);
	return ring->head - ring->tail < ring->capacity;
}

bool trace_done(struct vcpu *vcpu, uint32_t next, uint32_t port)
{
	uint32_t kind = GYRE_EXIT_CORE_INTERRUPT;
	if (next == port)
		return trace_kind(vcpu, GYRE_EXIT_IO);
	if (next == VCPU_MONITOR)
		return trace_kind(vcpu, vcpu->exit_kind);
	/* Of several that have counted, the first is the exit's own. An instruction that is only undone or skipped has counted nothing. */
	while (kind < GYRE_EXIT_KINDS && vcpu->counters->exits[kind] == vcpu->traced[kind])
		kind++;
	return trace_kind(vcpu, kind < GYRE_EXIT_KINDS ? kind : GYRE_EXIT_CORE_EXCEPTION);
}

/* Turning it on (again) takes all that is there as read. */
void trace_set(struct vcpu *vcpu, bool on)
{
	struct gyre_trace_header *ring = vcpu->trace_pages;
	if (!on) {
		vcpu->trace = NULL;
		vcpu_hazard_clear(vcpu, VCPU_HAZARD_TRACE);
		return;
	}
	if (ring->magic != GYRE_TRACE_MAGIC) {
		ring->magic = GYRE_TRACE_MAGIC;
		ring->record_bytes = sizeof(struct gyre_trace_record);
		ring->capacity = (GYRE_VCPU_TRACE_PAGES * 4096 - sizeof(*ring)) / sizeof(struct gyre_trace_record);
		ring->reserved = 0;
		ring->head = 0;
	}
	ring->tail = ring->head;
	vcpu->trace = ring;
	vcpu_hazard_set(vcpu, VCPU_HAZARD_TRACE);
}
