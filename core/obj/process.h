/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/obj/process.h: a process: an address space, a handle table, a quota, I/O ports; and what it owns.
 */
#ifndef CORE_OBJ_PROCESS_H
#define CORE_OBJ_PROCESS_H

#include "core/mem/aspace.h"
#include "core/obj/handle.h"

#define PROCESS_DEPTH 8 /* processes that create processes that create ... */

struct process {
	struct object object; /* owner: its creator; NULL for root */
	uint32_t number;      /* for people */
	uint32_t depth;
	struct aspace aspace;
	struct handle_table handles;
	struct quota quota;
	struct spinlock objects_lock;
	struct list objects; /* object.owned of what it pays for */
	uint32_t object_count;
	uint32_t thread_count;
	struct list children; /* in_creator of the processes that it created */
	struct list in_creator;
	uint8_t *ioports;  /* bitmap of TSS_IOPORT_BYTES, or NULL: none */
	struct list ports; /* struct ioports.in_process */
};

HANDLE_FIND(handle_process, process, GYRE_OBJECT_PROCESS)

#define PROCESS_FRAMES_MIN 8 /* of quota: less can't even hold its tables */
int process_create(struct process *creator, uint64_t quota_frames, struct process **out);
/* Root, which nobody created: `process` is static memory. */
int process_init_root(struct process *process, uint64_t quota_frames);
int process_end(struct object *object, unsigned int *budget);

/* Whether it is the other, or was created by it, or by one that was ... */
bool process_is_below(const struct process *process, const struct process *above);

/* core/sched/switch.c: the core's half of new page tables; and the flush of a process's. */
void process_aspace_prepare(struct process *process);
extern const struct aspace_ops process_aspace_ops;

/*
 * core/obj/root.c. Once, when everything else is set up (frame pool, timer, interrupts): makes root, of the boot module "root", gives it the machine, and
 * leaves for it. Panics with a message when there is no usable module.
 */
struct boot_info;
_Noreturn void root_start(struct cpu *cpu, const struct boot_info *boot);

extern struct process *root_process;
extern struct quota
	home_quota; /* the core's: its page tables and stacks, and the tree of root's RAM, where pages that come home must find a place */
#define POOL_RESERVE 8 /* frames that nobody's quota has: room for a search for frames in a row */

#endif
