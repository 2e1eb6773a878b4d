/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/obj/list.h: lists, and what is common to all that goes through something in pieces.
 *
 * Doubly linked circular lists whose links are part of what they link. An element that is in no list points at itself, so that
 * removing it twice does no harm.
 */
#ifndef CORE_OBJ_LIST_H
#define CORE_OBJ_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct list {
	struct list *next, *prev;
};

#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

static inline void list_init(struct list *list)
{
	list->next = list;
	list->prev = list;
}

static inline bool list_empty(const struct list *list)
{
	return list->next == list;
}

static inline void list_insert(struct list *link, struct list *before, struct list *after)
{
	link->prev = before;
	link->next = after;
	before->next = link;
	after->prev = link;
}

static inline void list_push_front(struct list *list, struct list *link)
{
	list_insert(link, list, list->next);
}

static inline void list_push_back(struct list *list, struct list *link)
{
	list_insert(link, list->prev, list);
}

static inline void list_remove(struct list *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	list_init(link);
}

static inline void list_move_front(struct list *list, struct list *link)
{
	list_remove(link);
	list_push_front(list, link);
}

static inline void list_move_back(struct list *list, struct list *link)
{
	list_remove(link);
	list_push_back(list, link);
}

#define list_first(list, type, member) container_of((list)->next, type, member)

/* for (each struct type *item of a list): the list does not change meanwhile. */
#define LIST_EACH(type, item, list, member)                                                                            \
	for (type *item = list_first(list, type, member); &item->member != (list);                                     \
		item = list_first(&item->member, type, member))

/* Whether [first, first + count) is not empty and lies in [0, end), whatever the numbers are. */
static inline bool range_inside(uint64_t first, uint64_t count, uint64_t end)
{
	return count > 0 && first < end && count <= end - first;
}

static inline bool ranges_meet(uint64_t a, uint64_t a_count, uint64_t b, uint64_t b_count)
{
	return a < b + b_count && b < a + a_count;
}

/* Steps of a call, of about 20 instructions each. False: so many are not left, and now none is. */
static inline bool budget_take(unsigned int *budget, unsigned int steps)
{
	bool enough = *budget >= steps;
	*budget = enough ? *budget - steps : 0;
	return enough;
}

#endif
