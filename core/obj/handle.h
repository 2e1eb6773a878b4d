/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/obj/handle.h: the numbers by which processes name objects.
 *
 * A process's table is an array of frames of 128 entries, the first of which is the frame's own header: so it finds its process, and number 0 is
 * never a handle. A frame without handles goes back to the quota.
 */
#ifndef CORE_OBJ_HANDLE_H
#define CORE_OBJ_HANDLE_H

#include "core/obj/object.h"

#define HANDLE_FRAMES	 32
#define HANDLE_PER_FRAME 128

struct handle {
	struct object *object; /* NULL: free */
	struct list link;      /* in object->handles */
	uint32_t badge;
	uint32_t rights; /* GYRE_RIGHT_ */
};
struct handle_frame_header {
	struct object *never; /* NULL where a handle has its object */
	struct process *process;
	struct handle_frame_header *next_deferred;
	uint32_t index; /* of the frame in the table */
	uint32_t used;
};
_Static_assert(sizeof(struct handle) == 32 && sizeof(struct handle_frame_header) == 32, "128 in a frame");

struct handle_table {
	struct spinlock lock;
	uint32_t count;
	uint32_t full; /* bit per frame: no room in it */
	uint32_t hint; /* number after the one given last */
	struct handle *frame[HANDLE_FRAMES];
};

/* The entry of a number; NULL: none. A frame's header has NULL where the others have their object. */
static inline struct handle *handle_entry(const struct handle_table *table, uint64_t number)
{
	if (number >= HANDLE_FRAMES * HANDLE_PER_FRAME)
		return NULL;
	struct handle *frame = table->frame[number / HANDLE_PER_FRAME];
	if (frame == NULL)
		return NULL;
	struct handle *entry = &frame[number % HANDLE_PER_FRAME];
	return entry->object == NULL ? NULL : entry;
}

/*
 * A number of the process's table, of an object that lives, of this type (GYRE_OBJECT_NONE: of any), with all of these rights. 0, -GYRE_EHANDLE or
 * -GYRE_EACCES. What was found stays readable until the call ends.
 */
static inline int handle_find(const struct handle_table *table, uint64_t number, enum gyre_object_type type,
	uint32_t rights, struct handle **handle)
{
	struct handle *entry = handle_entry(table, number);
	if (entry == NULL || (type != GYRE_OBJECT_NONE && entry->object->type != type) || !object_alive(entry->object))
		return -GYRE_EHANDLE;
	*handle = entry;
	return (entry->rights & rights) == rights ? 0 : -GYRE_EACCES;
}

/* A new handle: its number, or -GYRE_ENOMEM; -GYRE_EHANDLE when the object is dying. */
int64_t handle_create(struct process *process, struct object *object, uint32_t rights, uint32_t badge);
/* Forgets an entry. */
void handle_remove(struct handle *handle);
uint32_t handle_number(const struct handle *handle);
/* Closes handles of a table that ends: true when all are gone. */
bool handle_table_end(struct process *process, unsigned int *budget);

/* The object that an argument of a call names, or NULL (core/obj/call.h). struct T must have its struct object as member `object`. */
struct call;
struct handle *call_handle(struct call *call, uint64_t number, enum gyre_object_type type, uint32_t rights);
#define HANDLE_FIND(name, struct_name, object_type)                                                                    \
	static inline struct struct_name *name(struct call *call, uint64_t number, uint32_t rights)                    \
	{                                                                                                              \
		struct handle *handle = call_handle(call, number, object_type, rights);                                \
		return handle == NULL ? NULL : container_of(handle->object, struct struct_name, object);               \
	}

#endif
