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
#include "lib/string.h"

/* What is counted over all processes, to be compared with the totals. */
struct sums {
	uint64_t frames_given, frames_used, objects, handles, named, pages;
	unsigned int faults;
};

#define DEADLINES_MOST 10000 /* so many are looked at */

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

/* How many of these pages a record says to be mapped to these frames, from the first on. */
static uint64_t explained(const struct explain *explain, uint64_t page, uint64_t frame, uint64_t pages)
{
	for (struct list *link = explain->aspace->records.next; link != &explain->aspace->records; link = link->next) {
		struct mapping *record = container_of(link, struct mapping, in_aspace);
		uint32_t rights = 0;
		uint64_t found, most = record->first_page + record->pages - page;
		if (page < record->first_page || page >= record->first_page + record->pages)
			continue;
		uint64_t n = memory_frames(explain->forest, record->memory,
			record->offset + (page - record->first_page), most < pages ? most : pages, &found, &rights);
		if (found == frame)
			return n;
	}
	return 0;
}

static bool leaf_explained(void *context, uint64_t page, uint64_t frame, uint64_t pages)
{
	for (uint64_t done = 0, n; done < pages; done += n) {
		n = explained(context, page + done, frame + done, pages - done);
		if (n == 0) {
			log_error("check: page %lx maps frame %lx, and no record says why",
				(unsigned long)(page + done), (unsigned long)(frame + done));
			return false;
		}
	}
	return true;
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

/* ---- memory: a page has one owner ---- */

#define OWNED_FRAMES (1ul << 20) /* of 4 GiB; what lies above is not looked at */
static uint64_t owned[OWNED_FRAMES / 64];
static uint64_t owned_words; /* of the map, in use */

/* Notes the frames of a run: true when none of them was noted. */
static bool own(uint64_t frame, uint64_t pages)
{
	bool first = true;
	uint64_t end = frame + pages < OWNED_FRAMES ? frame + pages : OWNED_FRAMES;
	while (frame < end) {
		uint64_t bits = 64 - frame % 64 < end - frame ? 64 - frame % 64 : end - frame;
		uint64_t mask = (bits == 64 ? ~0ul : (1ul << bits) - 1) << frame % 64, *word = &owned[frame / 64];
		first = first && (*word & mask) == 0;
		*word |= mask;
		frame += bits;
	}
	if (owned_words < (end + 63) / 64)
		owned_words = (end + 63) / 64;
	return first;
}

static void check_memory(struct sums *sums, struct memory *memory)
{
	if (memory->origin != NULL || memory->fixed)
		return;
	uint64_t offset = 0;
	unsigned int level, budget = ~0u;
	while (tree_next(&memory->tree, &offset, &level, &budget)) {
		struct tree_run run;
		tree_find(&memory->tree, offset, &run);
		if (run.kind == TREE_RUN) {
			sums->pages += run.pages;
			CHECK(sums, own(run.frame, run.pages), "some of %lu frames from %lx on have two owners",
				(unsigned long)run.pages, (unsigned long)run.frame);
			CHECK(sums, !memory->core || frame_in_pool(hpa(run.frame << PAGE_SHIFT)),
				"frame %lx is not the core's", (unsigned long)run.frame);
			CHECK(sums, memory != memory_ram || run.frame == offset, "frame %lx is not where it is at home",
				(unsigned long)run.frame);
		}
		offset += run.pages;
	}
}

/* ---- processes ---- */

/* The handles that an object knows of: those that go with it. */
static void count_named(struct sums *sums, const struct object *object)
{
	for (const struct list *link = object->handles.next; link != &object->handles; link = link->next) {
		const struct handle *handle = container_of(link, struct handle, link);
		if (!link_ok(link) || handle->object != object || sums->named > handles_live) {
			CHECK(sums, false, "handles of an object of type %u are broken", object->type);
			return;
		}
		sums->named++;
	}
}

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
		count_named(sums, object);
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

/* Each is later than the one above it, and known to be set here. The rank bounds the way down to the right; to the left there may be all of them. */
static void check_deadlines(struct sums *sums, struct cpu *cpu)
{
	struct deadline *node = cpu->sched.deadlines, *parent = NULL;
	for (unsigned int steps = 0; node != NULL; steps++) {
		CHECK(sums,
			node->cpu == cpu && node->parent == parent && (parent == NULL || parent->tsc <= node->tsc) &&
				(node->right == NULL || (node->left != NULL && node->left->rank >= node->right->rank)),
			"the deadline at %lu is not where it belongs", (unsigned long)node->tsc);
		if (sums->faults != 0 || steps > DEADLINES_MOST)
			return;
		if (node->left != NULL) {
			parent = node;
			node = node->left;
			continue;
		}
		/* Nothing below it: up, as long as that is the right side, and over. */
		while (parent != NULL && (parent->right == node || parent->right == NULL)) {
			node = parent;
			parent = parent->parent;
		}
		node = parent != NULL ? parent->right : NULL;
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
	memset(owned, 0, owned_words * sizeof(owned[0]));
	owned_words = 0;
	for (struct process *process = root_process; process != NULL; process = process_next(process))
		check_process(&sums, process);
	count_named(&sums, &root_process->object);
	check_queues(&sums, cpu);
	check_deadlines(&sums, cpu);
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
	CHECK(&sums, sums.named == handles_live, "%lu handles are known to their objects, there are %lu",
		(unsigned long)sums.named, (unsigned long)handles_live);
	if (ram_pages == 0)
		ram_pages = sums.pages;
	CHECK(&sums, sums.pages == ram_pages, "%lu pages of RAM have an owner, there were %lu",
		(unsigned long)sums.pages, (unsigned long)ram_pages);
	return sums.faults == 0 ? 0 : -GYRE_EIO;
}
