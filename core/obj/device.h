/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/obj/device.h: the machine's interrupts and I/O ports as objects, and the authority to make them.
 */
#ifndef CORE_OBJ_DEVICE_H
#define CORE_OBJ_DEVICE_H

#include "core/obj/event.h"
#include "core/obj/process.h"

struct machine {
	struct object object;
};
HANDLE_FIND(handle_machine, machine, GYRE_OBJECT_MACHINE)

struct interrupt {
	struct object object;
	struct event_source source;
	int line; /* irq.h */
};
HANDLE_FIND(handle_interrupt, interrupt, GYRE_OBJECT_INTERRUPT)

#define IOPORTS_GRANTS 64 /* in one process */
struct ioports {
	struct object object;
	uint32_t first, count;
	struct process *process; /* whose threads may use them; NULL: nobody's yet */
	struct list in_process;	 /* in process->ports */
};
HANDLE_FIND(handle_ioports, ioports, GYRE_OBJECT_IOPORTS)

int interrupt_create(struct process *owner, uint64_t gsi, uint64_t flags, struct interrupt **out);
int interrupt_bind(struct interrupt *interrupt, struct event *event, uint64_t bit);
int interrupt_ack(struct interrupt *interrupt); /* -GYRE_ENOENT: not bound, so it stays masked */
int interrupt_end(struct object *object, unsigned int *budget);
int ioports_create(struct process *owner, uint64_t first, uint64_t count, struct ioports **out);
int ioports_grant(struct cpu *cpu, struct process *process, struct ioports *ioports);
/* The process is NULL again. */
void ioports_ungrant(struct cpu *cpu, struct ioports *ioports);
int ioports_end(struct object *object, unsigned int *budget);

#endif
