/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/obj/object.h: what all of the core's objects have in common, and how they live and die.
 *
 * An object is paid by the process that owns it and dies at the latest with it. Destroying it is done in pieces: it is marked (no handle finds it any
 * more, except to go on destroying), its type's `end` takes it apart, then its handles are cleared, then it is freed. Memory of an object that a
 * call may still look at is freed when the call ends (object_free_deferred), so an object that a call has found stays readable until then.
 */
#ifndef CORE_OBJ_OBJECT_H
#define CORE_OBJ_OBJECT_H

#include "core/obj/list.h"
#include "core/x86/spinlock.h"
#include "gyre/errors.h"
#include "gyre/rights.h"
#include <stdint.h>

struct process;
struct quota;
struct cpu;

/* ENDED: only its handles are left. */
enum object_state { OBJECT_ALIVE, OBJECT_DYING, OBJECT_ENDED, OBJECT_DEAD };

struct object {
	uint8_t type;	      /* enum gyre_object_type */
	uint8_t state;	      /* enum object_state */
	uint16_t offset;      /* of this header in what was allocated */
	uint32_t bytes;	      /* of the whole object, as it was allocated */
	struct spinlock lock; /* of the object where its type says so */
	uint32_t quick; /* a handle's number that its user found good; 0 again when any of the object's handles goes */
	struct process *owner; /* who pays */
	struct list owned;     /* in owner->objects */
	struct list handles;   /* struct handle.link */
};

/* Takes an object apart: 0 when done, and then it is not called again; -GYRE_EAGAIN when the budget is used up. Counts *budget down, about one per 20 instructions. */
typedef int (*object_end)(struct object *object, unsigned int *budget);
struct object_type {
	object_end end;	 /* NULL: there is nothing to it */
	uint32_t rights; /* of the handle that who makes one gets */
};
extern const struct object_type object_types[GYRE_OBJECT_TYPES];

/* Steps of one call. What looks again at what earlier calls have done asserts that it gets on all the same: handle.c, memory_end.c, dirty.c. */
#define OBJECT_BUDGET 160
#define OBJECT_STEPS  30 /* what the end of an object costs that has nothing in it */

/* Zeroed memory with its header filled in, owned and paid by that process; NULL: quota exhausted, or the process is dying. */
void *object_create_at(struct process *owner, enum gyre_object_type type, uint32_t bytes, uint16_t offset);
#define OBJECT_CREATE(owner, type, struct_name)                                                                        \
	((struct struct_name *)object_create_at(                                                                       \
		owner, type, sizeof(struct struct_name), offsetof(struct struct_name, object)))
/* For one that was never shown to anybody: undoes object_create. */
void object_discard(struct object *object);
/*
 * Ends an object: 0: gone; -GYRE_EAGAIN: call again; -GYRE_ENOMEM: memory's pages find no place at home now, call again later. The handle by which the
 * caller found it, if any, is the last to be cleared.
 */
struct handle;
int object_destroy(struct object *object, struct handle *keep, unsigned int *budget);
/* Its two halves, for ends that take others along: no handle finds it any more; its handles are cleared and it is freed when the call ends. */
void object_mark_dying(struct object *object);
int object_finish(struct object *object, struct handle *keep, unsigned int *budget);
static inline bool object_alive(const struct object *object)
{
	return __atomic_load_n(&object->state, __ATOMIC_ACQUIRE) == OBJECT_ALIVE;
}

/* The end of a call, or of a pass through the idle loop: what nobody can look at any more is freed. */
void objects_free_deferred(struct cpu *cpu);

extern uint64_t objects_live, handles_live; /* of all processes, for machine_info */

#endif
