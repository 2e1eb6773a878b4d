/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/mem/aspace.c: mapping memory objects, and the records that let a revocation find what was mapped.
 */
#include "core/mem/aspace.h"
#include "core/mem/memory.h"
#include "gyre/calls.h"

#define UNMAP_STEPS (GYRE_MAP_ENTRIES + 64)

int aspace_init(
	struct aspace *aspace, const struct pagetable_format *format, const struct aspace_ops *ops, struct quota *quota)
{
	*aspace = (struct aspace){.ops = ops};
	list_init(&aspace->records);
	return pagetable_init(&aspace->table, format, quota);
}

/* ---- records ---- */

static void record_free(struct aspace *aspace, struct mapping *record)
{
	list_remove(&record->in_aspace);
	list_remove(&record->in_memory);
	aspace->record_count--;
	slab_free(aspace->table.quota, record, sizeof(*record));
}

/* The record that this request goes to when something of it has been mapped: one that it continues, or a new one without pages. NULL: no memory. */
static struct mapping *record_for(
	struct memory_locked forest, struct aspace_locked locked, const struct map_request *request)
{
	(void)forest;
	struct aspace *aspace = locked.aspace;
	LIST_EACH (struct mapping, record, &aspace->records, in_aspace) {
		if (record->memory == request->memory &&
			record->first_page - record->offset == request->page - request->offset &&
			record->first_page <= request->page + request->pages &&
			request->page <= record->first_page + record->pages) {
			if (aspace->records.next != &record->in_aspace)
				list_move_front(&aspace->records, &record->in_aspace);
			return record;
		}
	}
	struct mapping *record = aspace->record_count < ASPACE_RECORDS
					 ? slab_alloc(aspace->table.quota, sizeof(*record))
					 : NULL;
	if (record == NULL)
		return NULL;
	record->aspace = aspace;
	record->first_page = request->page;
	record->offset = request->offset;
	list_push_front(&aspace->records, &record->in_aspace);
	aspace->record_count++;
	record->memory = request->memory;
	list_push_front(&request->memory->mappings, &record->in_memory);
	return record;
}

static void record_extend(struct mapping *record, const struct map_request *request, uint64_t pages)
{
	uint64_t end = record->first_page + record->pages, mapped = request->page + pages;
	if (request->page < record->first_page) {
		record->first_page = request->page;
		record->offset = request->offset;
	}
	record->pages = (mapped > end ? mapped : end) - record->first_page;
}

/* Nothing is mapped any more in [page, end): records shrink where that is at their ends. Those that are too many for one call stay, as supersets. */
static void records_trim(struct aspace_locked locked, uint64_t page, uint64_t end)
{
	struct aspace *aspace = locked.aspace;
	unsigned int most = 64;
	struct list *next;
	for (struct list *link = aspace->records.next; link != &aspace->records && most > 0; link = next) {
		struct mapping *record = container_of(link, struct mapping, in_aspace);
		uint64_t record_end = record->first_page + record->pages;
		next = link->next;
		if (page <= record->first_page && end >= record_end) {
			record_free(aspace, record);
			most--;
		} else if (page <= record->first_page && end > record->first_page) {
			record->offset += end - record->first_page;
			record->pages = record_end - end;
			record->first_page = end;
		} else if (page < record_end && end >= record_end) {
			record->pages = page - record->first_page;
		}
	}
}

/* ---- the calls ---- */

static int request_check(const struct aspace *aspace, const struct map_request *request)
{
	const struct aspace_ops *ops = aspace->ops;
	uint64_t rights = request->rights;
	if ((rights & ~(uint64_t)(GYRE_RIGHT_READ | GYRE_RIGHT_WRITE | GYRE_RIGHT_EXEC)) != 0 ||
		(rights & GYRE_RIGHT_READ) == 0 || request->page < ops->first_page ||
		!range_inside(request->page, request->pages, ops->end_page))
		return -GYRE_EINVAL;
	if ((rights & GYRE_RIGHT_WRITE) != 0 && (rights & GYRE_RIGHT_EXEC) != 0 && !ops->write_execute)
		return -GYRE_EINVAL;
	return 0;
}

static int source_check(struct memory_locked forest, const struct map_request *request)
{
	const struct memory *memory = request->memory;
	if (!object_alive(&memory->object))
		return -GYRE_EHANDLE;
	if (!range_inside(request->offset, request->pages, memory->pages))
		return -GYRE_EINVAL;
	if ((request->rights & ~memory->rights) != 0)
		return -GYRE_EACCES;
	return memory_is_busy(forest, memory, request->offset, request->pages) ? -GYRE_EBUSY : 0;
}

static int64_t map_pages(struct memory_locked forest, struct aspace_locked locked, const struct map_request *request)
{
	struct aspace *aspace = locked.aspace;
	bool logging = aspace->dirty != DIRTY_OFF && aspace->dirty != DIRTY_ENDING;
	unsigned int entries = GYRE_MAP_ENTRIES;
	uint64_t done = 0;
	while (done < request->pages && entries > 0) {
		uint32_t rights = (uint32_t)request->rights;
		struct pagetable_map map = {.page = request->page + done, .entries = entries};
		map.cache = (enum memory_cache)request->memory->cache;
		map.max_level = aspace->dirty == DIRTY_OFF ? 2 : 0;
		map.pages = memory_frames(
			forest, request->memory, request->offset + done, request->pages - done, &map.frame, &rights);
		if (map.frame == PAGETABLE_NO_FRAME)
			return done > 0 ? (int64_t)done : -GYRE_ENOENT;
		map.rights = rights;
		map.extra = logging && (rights & GYRE_RIGHT_WRITE) != 0 ? PAGETABLE_LOGGED : 0;
		int64_t n = pagetable_map(&aspace->table, &map);
		if (n <= 0)
			return done > 0 || n == 0 ? (int64_t)done : n;
		done += (uint64_t)n;
		entries = map.entries > 12 ? map.entries - 12 : 0; /* looking the run up */
	}
	return (int64_t)done;
}

static int64_t map_locked(struct memory_locked forest, struct aspace_locked locked, const struct map_request *request)
{
	struct mapping *record = record_for(forest, locked, request);
	if (record == NULL)
		return -GYRE_ENOMEM;
	int64_t done = map_pages(forest, locked, request);
	if (done > 0)
		record_extend(record, request, (uint64_t)done);
	else if (record->pages == 0)
		record_free(locked.aspace, record);
	return done;
}

int64_t aspace_map(struct aspace *aspace, const struct map_request *request)
{
	int64_t result = request_check(aspace, request);
	if (result < 0)
		return result;
	struct memory_locked forest = memory_lock();
	result = source_check(forest, request);
	if (result == 0) {
		struct aspace_locked locked = aspace_lock(aspace);
		result = aspace->ending ? -GYRE_EHANDLE : map_locked(forest, locked, request);
		aspace_unlock(&locked);
	}
	memory_unlock(&forest);
	return result;
}

/* Flushes what was unmapped of these pages, and only then lets the emptied tables go. */
static void unmap_finish(struct aspace *aspace, struct pagetable_unmap *unmap, uint64_t page, uint64_t pages)
{
	if (unmap->whole)
		aspace->ops->flush(aspace, 0, PAGETABLE_PAGES);
	else if (unmap->changed)
		aspace->ops->flush(aspace, page, pages);
	pagetable_free(&aspace->table, unmap->freed);
}

int64_t aspace_unmap(struct aspace *aspace, uint64_t page, uint64_t pages)
{
	const struct aspace_ops *ops = aspace->ops;
	if (page < ops->first_page || !range_inside(page, pages, ops->end_page))
		return -GYRE_EINVAL;
	struct pagetable_unmap unmap = {.budget = UNMAP_STEPS};
	struct memory_locked forest = memory_lock();
	struct aspace_locked locked = aspace_lock(aspace);
	int64_t done = pagetable_unmap(&aspace->table, page, pages, &unmap);
	if (done > 0) {
		unmap_finish(aspace, &unmap, page, (uint64_t)done);
		records_trim(locked, page, page + (uint64_t)done);
	}
	aspace_unlock(&locked);
	memory_unlock(&forest);
	return done;
}

/* ---- revocation ---- */

int mapping_clear(
	struct memory_locked forest, struct mapping *record, uint64_t page, uint64_t end, unsigned int *budget)
{
	struct aspace *aspace = record->aspace;
	struct pagetable_unmap unmap = {.only = true, .must = true, .budget = *budget};
	struct aspace_locked locked = aspace_lock(aspace);
	bool all = page == record->first_page && end == record->first_page + record->pages;
	uint64_t first = record->cursor > page ? record->cursor : page;
	page = first;
	while (page < end && budget_take(&unmap.budget, FRAMES_STEPS)) {
		uint32_t rights = 0;
		uint64_t frame, offset = record->offset + (page - record->first_page);
		uint64_t n = memory_frames(forest, record->memory, offset, end - page, &frame, &rights);
		unmap.frame = frame - page;
		page += frame == PAGETABLE_NO_FRAME ? n : (uint64_t)pagetable_unmap(&aspace->table, page, n, &unmap);
	}
	unmap_finish(aspace, &unmap, first, page - first);
	*budget = unmap.budget;
	record->cursor = page;
	if (page >= end && all)
		record_free(aspace, record);
	aspace_unlock(&locked);
	return page < end ? -GYRE_EAGAIN : 0;
}

bool aspace_end(struct aspace *aspace, unsigned int *budget)
{
	struct memory_locked forest = memory_lock();
	struct aspace_locked locked = aspace_lock(aspace);
	if (!aspace->ending) {
		aspace->ending = true;
		aspace->cursor = 0;
	}
	while (*budget > 0 && !list_empty(&aspace->records)) {
		record_free(aspace, list_first(&aspace->records, struct mapping, in_aspace));
		budget_take(budget, 4);
	}
	if (*budget > 0 && aspace->table.tables > 0) {
		struct pagetable_unmap unmap = {.budget = *budget};
		uint64_t page = aspace->cursor, end = aspace->ops->end_page;
		aspace->cursor += (uint64_t)pagetable_unmap(&aspace->table, page, end - page, &unmap);
		unmap_finish(aspace, &unmap, page, aspace->cursor - page);
		*budget = unmap.budget;
		if (aspace->cursor == end)
			pagetable_end(&aspace->table);
	}
	bool ended = aspace->table.tables == 0 && list_empty(&aspace->records);
	aspace_unlock(&locked);
	memory_unlock(&forest);
	return ended;
}

/* ---- looking ---- */

bool aspace_lookup(struct aspace *aspace, uint64_t page, uint64_t *frame, bool *writable)
{
	unsigned int level;
	struct aspace_locked locked = aspace_lock(aspace);
	uint64_t leaf = pagetable_walk(&aspace->table, page, &level);
	if (leaf != 0) {
		*frame = pagetable_frame(&aspace->table, leaf, level, page);
		*writable = (leaf & aspace->table.format->write) != 0;
	}
	aspace_unlock(&locked);
	return leaf != 0;
}
