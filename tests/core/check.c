/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/core/check.c: what must be true of the core's own books at any time between two calls.
 */
#include "tests/core/check.h"
#include "core/mem/memory.h"
#include "core/obj/process.h"
#include "core/sched/sched.h"
#include "core/virt/vm.h"
#include "core/x86/log.h"

/* What is counted over all processes, to be compared with the totals. */
struct sums {
	uint64_t frames_given, frames_used, objects, handles, pages;
	unsigned int faults;
};

#define CHECK(sums, condition, ...)                                                                                    \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			log_error("check: " __VA_ARGS__);                                                              \
			(sums)->faults++;                                                                              \
		}                                                                                                      \
	} while (0)

/* Processes in the order of a walk that goes down first. */
struct process *process_next(struct process *process)
{
	if (!list_empty(&process->children))
		return container_of(process->children.next, struct process, in_creator);
	for (;;) {
		struct process *creator = process->object.owner;
		if (creator == NULL)
			return NULL;
		if (process->in_creator.next != &creator->children)
			return container_of(process->in_creator.next, struct process, in_creator);
		process = creator;
	}
}

static bool link_ok(const struct list *link)
{
	return link->next->prev == link && link->prev->next == link;
}

/* ---- address spaces: every page that is mapped is explained by a record ---- */

struct explain {
	struct memory_locked forest;
	struct aspace *aspace;
};

static bool leaf_explained(void *context, uint64_t page, uint64_t frame, uint64_t pages)
{
	struct explain *explain = context;
	for (struct list *link = explain->aspace->records.next; link != &explain->aspace->records; link = link->next) {
		struct mapping *record = container_of(link, struct mapping, in_aspace);
		uint32_t rights = 0;
		uint64_t found;
		if (page < record->first_page || page + pages > record->first_page + record->pages)
			continue;
		uint64_t n = memory_frames(explain->forest, record->memory,
			record->offset + (page - record->first_page), pages, &found, &rights);
		if (found == frame && n == pages)
			return true;
		/* A large page can span more runs than are joined in one look: its first page has to do. */
		if (found == frame && pages > 1)
			return true;
	}
	log_error("check: page %lx maps frame %lx, and no record says why", (unsigned long)page, (unsigned long)frame);
	return false;
}

static void check_aspace(struct sums *sums, struct aspace *aspace, uint64_t limit)
{
	struct explain explain = {memory_lock(), aspace};
	unsigned int records = 0;
	for (struct list *link = aspace->records.next; link != &aspace->records; link = link->next, records++)
		CHECK(sums, link_ok(link), "a record's links are broken");
	CHECK(sums, records == aspace->record_count && records <= ASPACE_RECORDS, "%u records, counted as %u", records,
		aspace->record_count);
	if (!aspace->ending && aspace->table.tables > 0) {
		int64_t tables = pagetable_check(&aspace->table, limit, leaf_explained, &explain);
		CHECK(sums, tables == (int64_t)aspace->table.tables, "page tables: %ld found, %lu counted",
			(long)tables, (unsigned long)aspace->table.tables);
	}
	memory_unlock(&explain.forest);
}

/* ---- memory: a page that somebody owns is not at home ---- */

static void check_memory(struct sums *sums, struct memory *memory)
{
	if (memory->origin != NULL || memory->fixed)
		return;
	uint64_t offset = 0;
	unsigned int level, budget = ~0u;
	while (tree_next(&memory->tree, &offset, &level, &budget)) {
		struct tree_run run, home;
		tree_find(&memory->tree, offset, &run);
		if (run.kind == TREE_RUN) {
			sums->pages += run.pages;
			for (uint64_t page = 0; memory != memory_ram && page < run.pages; page += home.pages) {
				tree_find(&memory_ram->tree, run.frame + page, &home);
				CHECK(sums, home.kind == TREE_EMPTY, "frame %lx has two owners",
					(unsigned long)(run.frame + page));
			}
		}
		offset += run.pages;
	}
}

/* ---- processes ---- */

static void check_handles(struct sums *sums, struct process *process)
{
	uint32_t handles = 0;
	for (uint32_t index = 0; index < HANDLE_FRAMES; index++) {
		struct handle *entries = process->handles.frame[index];
		uint32_t used = 0;
		for (uint32_t slot = 1; entries != NULL && slot < HANDLE_PER_FRAME; slot++) {
			if (entries[slot].object == NULL)
				continue;
			used++;
			CHECK(sums, link_ok(&entries[slot].link), "handle %u of process %u: links are broken",
				handle_number(&entries[slot]), process->number);
			CHECK(sums, entries[slot].object->state != OBJECT_DEAD,
				"handle %u of process %u: object is gone", handle_number(&entries[slot]),
				process->number);
		}
		if (entries != NULL)
			CHECK(sums, ((struct handle_frame_header *)entries)->used == used && used > 0,
				"a frame of handles is counted wrong");
		handles += used;
	}
	CHECK(sums, handles == process->handles.count, "process %u: %u handles, counted as %u", process->number,
		handles, process->handles.count);
	sums->handles += handles;
}

static void add_quota(struct sums *sums, const struct process *process)
{
	sums->frames_given += process->quota.given;
	sums->frames_used += quota_used(&process->quota);
}

static void check_process(struct sums *sums, struct process *process)
{
	uint32_t objects = 0, threads = 0;
	add_quota(sums, process);
	CHECK(sums, process->quota.free <= process->quota.given, "process %u: its quota is overdrawn", process->number);
	for (struct list *link = process->objects.next; link != &process->objects; link = link->next, objects++) {
		struct object *object = container_of(link, struct object, owned);
		CHECK(sums, link_ok(link) && object->owner == process && object->state != OBJECT_DEAD,
			"process %u: an object of type %u is broken", process->number, object->type);
		threads += object->type == GYRE_OBJECT_THREAD;
		if (object->type == GYRE_OBJECT_MEMORY)
			check_memory(sums, container_of(object, struct memory, object));
		/* One that has ended but for its handles is nobody's child any more. */
		if (object->type == GYRE_OBJECT_PROCESS &&
			list_empty(&container_of(object, struct process, object)->in_creator))
			add_quota(sums, container_of(object, struct process, object));
		if (object->type == GYRE_OBJECT_VM)
			check_aspace(sums, &container_of(object, struct vm, object)->aspace, 1ul << 36);
	}
	CHECK(sums, objects == process->object_count, "process %u: %u objects, counted as %u", process->number, objects,
		process->object_count);
	CHECK(sums, threads == process->thread_count, "process %u: %u threads, counted as %u", process->number, threads,
		process->thread_count);
	sums->objects += objects;
	check_handles(sums, process);
	check_aspace(sums, &process->aspace, USER_END >> PAGE_SHIFT);
}

static void check_queues(struct sums *sums, struct cpu *cpu)
{
	struct sched_cpu *sched = &cpu->sched;
	for (unsigned int priority = 0; priority < SCHED_PRIORITIES; priority++) {
		struct list *queue = &sched->queue[priority];
		CHECK(sums, list_empty(queue) == ((sched->ready >> priority & 1) == 0), "run queue %u is marked wrong",
			priority);
		for (struct list *link = queue->next; link != queue; link = link->next) {
			struct sched_context *context = container_of(link, struct sched_context, link);
			CHECK(sums,
				link_ok(link) && context->queued_at == priority &&
					context->top->state == THREAD_RUNNING && context->top->context == context,
				"a context in run queue %u does not belong there", priority);
		}
	}
}

static uint64_t ram_pages; /* at the first check, and ever after */

void check_reset(void)
{
	ram_pages = 0;
}

int check_invariants(struct cpu *cpu)
{
	struct sums sums = {0};
	for (struct process *process = root_process; process != NULL; process = process_next(process))
		check_process(&sums, process);
	check_queues(&sums, cpu);
	uint64_t used = frame_pool_total() - frame_pool_free();
	CHECK(&sums, sums.frames_given + home_quota.given + POOL_RESERVE == frame_pool_total(),
		"quotas: %lu frames given, the pool has %lu", (unsigned long)sums.frames_given,
		(unsigned long)frame_pool_total());
	CHECK(&sums, sums.frames_used + quota_used(&home_quota) == used, "%lu frames are paid for, %lu are in use",
		(unsigned long)(sums.frames_used + quota_used(&home_quota)), (unsigned long)used);
	CHECK(&sums, sums.objects == objects_live, "%lu objects, counted as %lu", (unsigned long)sums.objects,
		(unsigned long)objects_live);
	CHECK(&sums, sums.handles == handles_live, "%lu handles, counted as %lu", (unsigned long)sums.handles,
		(unsigned long)handles_live);
	if (ram_pages == 0)
		ram_pages = sums.pages;
	CHECK(&sums, sums.pages == ram_pages, "%lu pages of RAM have an owner, there were %lu",
		(unsigned long)sums.pages, (unsigned long)ram_pages);
	return sums.faults == 0 ? 0 : -GYRE_EIO;
}
