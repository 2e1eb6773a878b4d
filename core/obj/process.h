/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/obj/process.h: a process: an address space, a handle table, a quota, I/O ports; and what it owns.
 */
#ifndef CORE_OBJ_PROCESS_H
#define CORE_OBJ_PROCESS_H

#include "core/mem/aspace.h"
#include "core/mem/slab.h"
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
	struct list threads;	 /* thread.in_process: those that run in it, whoever paid */
	uint8_t *ioports;	 /* bitmap of TSS_IOPORT_BYTES, or NULL: none */
	struct list port_grants; /* struct ioports_grant */
};

HANDLE_FIND(handle_process_object, process, GYRE_OBJECT_PROCESS)
/* 0 means the caller itself. */
int process_or_self(struct process *caller, uint64_t number, uint32_t rights, struct process **process);

struct process *process_create(struct process *creator, uint64_t quota_frames, int *error);
int process_end(struct object *object, unsigned int *budget);

extern struct process *root_process;

#endif
