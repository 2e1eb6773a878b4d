/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/obj/device.c: interrupts and I/O ports.
 */
#include "core/obj/device.h"
#include "core/sched/sched.h"
#include "core/x86/irq.h"
#include "lib/string.h"

/* ---- interrupts ---- */

int interrupt_create(struct process *owner, uint64_t line, uint64_t flags, struct interrupt **out)
{
	bool isa = flags == GYRE_INTERRUPT_ISA;
	if ((!isa && (flags & ~(uint64_t)(GYRE_INTERRUPT_LEVEL | GYRE_INTERRUPT_LOW)) != 0) ||
		line > (isa ? 15 : UINT32_MAX))
		return -GYRE_EINVAL;
	struct irq_mode mode = {(uint32_t)line, flags & GYRE_INTERRUPT_LEVEL, flags & GYRE_INTERRUPT_LOW};
	if (isa)
		mode = irq_isa_mode((uint32_t)line);
	struct interrupt *interrupt = OBJECT_CREATE(owner, GYRE_OBJECT_INTERRUPT, interrupt);
	if (interrupt == NULL)
		return -GYRE_ENOMEM;
	int number = irq_claim(mode, &interrupt->source);
	if (number < 0) {
		object_discard(&interrupt->object);
		return number;
	}
	interrupt->line = number;
	*out = interrupt;
	return 0;
}

int interrupt_bind(struct interrupt *interrupt, struct event *event, uint64_t bit)
{
	if (interrupt->source.event != NULL)
		return -GYRE_EBUSY;
	int error = event_source_bind(&interrupt->source, event, bit, false);
	if (error == 0)
		irq_ack(interrupt->line);
	return error;
}

int interrupt_ack(struct interrupt *interrupt)
{
	if (interrupt->source.event == NULL)
		return -GYRE_ENOENT;
	irq_ack(interrupt->line);
	return 0;
}

int interrupt_end(struct object *object, unsigned int *budget)
{
	struct interrupt *interrupt = container_of(object, struct interrupt, object);
	(void)budget;
	irq_release(interrupt->line);
	event_source_unbind(&interrupt->source);
	return 0;
}

/* ---- ports ---- */

int ioports_create(struct process *owner, uint64_t first, uint64_t count, struct ioports **out)
{
	if (!range_inside(first, count, 0x10000))
		return -GYRE_EINVAL;
	/* The PICs are the core's own, which keeps them masked. */
	if (ranges_meet(first, count, 0x20, 2) || ranges_meet(first, count, 0xa0, 2))
		return -GYRE_EPERM;
	struct ioports *ioports = OBJECT_CREATE(owner, GYRE_OBJECT_IOPORTS, ioports);
	if (ioports == NULL)
		return -GYRE_ENOMEM;
	ioports->first = (uint32_t)first;
	ioports->count = (uint32_t)count;
	*out = ioports;
	return 0;
}

/* Bit 1 forbids a port. */
static void bitmap_fill(uint8_t *bitmap, uint32_t first, uint32_t count, bool allow)
{
	while (count > 0) {
		uint32_t bit = first % 64, bits = count < 64 - bit ? count : 64 - bit;
		uint64_t *word = (uint64_t *)bitmap + first / 64, mask = ~0ul >> (64 - bits) << bit;
		*word = allow ? *word & ~mask : *word | mask;
		first += bits;
		count -= bits;
	}
}

static int grant_check(const struct process *process, const struct ioports *ioports)
{
	unsigned int granted = 0;
	LIST_EACH (const struct ioports, other, &process->ports, in_process) {
		if (ranges_meet(ioports->first, ioports->count, other->first, other->count))
			return -GYRE_EEXIST;
		granted++;
	}
	return ioports->process != NULL ? -GYRE_EBUSY : granted >= IOPORTS_GRANTS ? -GYRE_ENOMEM : 0;
}

int ioports_grant(struct cpu *cpu, struct process *process, struct ioports *ioports)
{
	int error = grant_check(process, ioports);
	if (error < 0)
		return error;
	if (process->ioports == NULL) {
		process->ioports = slab_alloc(&process->quota, TSS_IOPORT_BYTES);
		if (process->ioports == NULL)
			return -GYRE_ENOMEM;
		memset(process->ioports, 0xff, TSS_IOPORT_BYTES);
	}
	ioports->process = process;
	list_push_back(&process->ports, &ioports->in_process);
	bitmap_fill(process->ioports, ioports->first, ioports->count, true);
	switch_ports_changed(cpu, process, process->ioports);
	return 0;
}

void ioports_ungrant(struct cpu *cpu, struct ioports *ioports)
{
	struct process *process = ioports->process;
	uint8_t *bitmap = process->ioports;
	bool last = process->ports.next->next == &process->ports;
	bitmap_fill(bitmap, ioports->first, ioports->count, false);
	list_remove(&ioports->in_process);
	ioports->process = NULL;
	if (last)
		process->ioports = NULL;
	switch_ports_changed(cpu, process, bitmap);
	if (last)
		slab_free(&process->quota, bitmap, TSS_IOPORT_BYTES);
}

int ioports_end(struct object *object, unsigned int *budget)
{
	struct ioports *ioports = container_of(object, struct ioports, object);
	if (!budget_take(budget, 20))
		return -GYRE_EAGAIN;
	if (ioports->process != NULL)
		ioports_ungrant(cpu_current(), ioports);
	return 0;
}
