/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/core/plant.c: faults that are put into a core for tests on purpose, one at a time, by plant=NAME on its command line, so that the oracle can be seen
 * to find each (tests/system/test_oracle.py). The linker leads the calls of the functions below here (module.mk); without the option each goes on to the
 * real one. The faults:
 *   handle       an object ends, and root's handle of it stays           reply       the last byte of what a call copies out is not written
 *   leak         a frame is not given back                               word        a call changes a register that it has no result in
 *   owner        a page is moved, and its old owner keeps it             page        what a monitor shares with the core was not cleared
 *   interrupts   a call loops with interrupts off                        constant    a constant is overwritten
 *   code         an instruction is overwritten                           switch      no barrier where another process comes after a guest
 *   stop         the core stops
 */
#include "core/boot/boot.h"
#include "core/mem/memory.h"
#include "core/obj/call.h"
#include "core/obj/process.h"
#include "core/sched/sched.h"
#include "core/virt/barriers.h"
#include "core/virt/vcpu.h"
#include "core/x86/log.h"
#include "core/virt/virt.h"
#include "core/x86/regs.h"
#include "lib/string.h"
#include "gyre/boot.h"
#include "tests/core/plant.h"
#include "tests/core/start.h"

#define SPIN	   30000 /* rounds of one instruction and more */
#define CALL_DELAY 150	 /* calls after which a plant of theirs is due: the VMs run then */

bool plant_any; /* what is not planted is to cost nothing */

void plant_begin(void)
{
	plant_any = core_option("plant") != NULL;
}

/* One word of the option, which may have several with commas between. */
static bool is_planted(const char *name)
{
	size_t length = strlen(name);
	for (const char *word = core_option("plant"); word != NULL && *word != 0; word += *word == ',') {
		if (strncmp(word, name, length) == 0 && (word[length] == 0 || word[length] == ','))
			return true;
		while (*word != 0 && *word != ',')
			word++;
	}
	return false;
}

static inline bool planted(const char *name)
{
	return plant_any && is_planted(name);
}

/* The first time only: of whichever it is. */
static bool once(const char *name)
{
	static bool done;
	if (done || !planted(name))
		return false;
	done = true;
	log_info("test core: the fault \"%s\" is planted", name);
	return true;
}

/* ---- what is read-only, written ---- */

static uint64_t writable(void)
{
	uint64_t cr0 = cr0_read();
	cr0_write(cr0 & ~(uint64_t)CR0_WP);
	return cr0;
}

static void overwrite(const void *where)
{
	uint64_t cr0 = writable();
	*(volatile uint8_t *)where ^= 0x10;
	cr0_write(cr0);
}

static void spin(void)
{
	for (unsigned int i = 0; i < SPIN; i++)
		__asm__ volatile("" : : : "memory");
}

void plant_call(struct cpu *cpu, uint64_t number)
{
	static unsigned int calls;
	if (number == GYRE_CALL_machine_info && is_planted("word"))
		cpu->regs->r9 ^= 1;
	if (++calls < CALL_DELAY)
		return;
	if (once("interrupts"))
		spin();
	/* What nobody looks at any more: an entry of no type, and the header that the boot loader has read. */
	if (once("constant"))
		overwrite(&object_types[GYRE_OBJECT_NONE]);
	if (once("code"))
		overwrite(core_image_start);
	if (once("stop"))
		panic("it was asked to");
}

/* ---- replies ---- */

int __real_guarded_copy(void *to, const void *from, size_t bytes);
int __wrap_guarded_copy(void *to, const void *from, size_t bytes);
int __wrap_guarded_copy(void *to, const void *from, size_t bytes)
{
	bool out = (uint64_t)to < USER_END && bytes > sizeof(uint64_t);
	return __real_guarded_copy(to, from, out && planted("reply") ? bytes - 1 : bytes);
}

struct memory *__real_memory_create_core(struct process *owner, uint64_t pages);
struct memory *__wrap_memory_create_core(struct process *owner, uint64_t pages);
struct memory *__wrap_memory_create_core(struct process *owner, uint64_t pages)
{
	struct memory *memory = __real_memory_create_core(owner, pages);
	if (memory != NULL && planted("page")) {
		hpa_t page = memory_core_page(memory, 0);
		((uint64_t *)frame_virtual(page))[PAGE_SIZE / 8 - 1] = DIRTY_WORD + (page.value >> PAGE_SHIFT);
	}
	return memory;
}

/* ---- what goes, and what stays ---- */

void __real_frame_free(struct quota *quota, hpa_t frame);
void __wrap_frame_free(struct quota *quota, hpa_t frame);
void __wrap_frame_free(struct quota *quota, hpa_t frame)
{
	/* A frame of somebody's who ends. */
	if (quota != &root_process->quota && quota != &home_quota && once("leak"))
		return;
	__real_frame_free(quota, frame);
}

/* Root's handle of a thread of another's: it is not looked at again. */
static struct handle *handle_of_root(struct object *object)
{
	for (struct list *link = object->handles.next; link != &object->handles; link = link->next) {
		struct handle *handle = container_of(link, struct handle, link);
		const struct handle_frame_header *header =
			(const struct handle_frame_header *)((uint64_t)handle & ~(uint64_t)(PAGE_SIZE - 1));
		if (header->process == root_process && object->owner != root_process)
			return handle;
	}
	return NULL;
}

int __real_object_destroy(struct object *object, struct handle *keep, unsigned int *budget);
int __wrap_object_destroy(struct object *object, struct handle *keep, unsigned int *budget);
int __wrap_object_destroy(struct object *object, struct handle *keep, unsigned int *budget)
{
	if (object->type == GYRE_OBJECT_THREAD && planted("handle")) {
		struct handle *handle = handle_of_root(object);
		if (handle != NULL && handle != keep && once("handle")) {
			list_remove(&handle->link);
			list_init(&handle->link);
		}
	}
	return __real_object_destroy(object, keep, budget);
}

void __real_tree_empty(struct memory_tree *tree, uint64_t offset, unsigned int level);
void __wrap_tree_empty(struct memory_tree *tree, uint64_t offset, unsigned int level);
void __wrap_tree_empty(struct memory_tree *tree, uint64_t offset, unsigned int level)
{
	if (tree == &memory_ram->tree && level == 0 && once("owner"))
		return;
	__real_tree_empty(tree, offset, level);
}

/* ---- barriers ---- */

void __real_virt_leave(struct cpu *cpu);
void __wrap_virt_leave(struct cpu *cpu);
void __wrap_virt_leave(struct cpu *cpu)
{
	uint32_t set = barriers.set;
	if (!planted("switch"))
		return __real_virt_leave(cpu);
	uint64_t cr0 = writable();
	barriers.set &= ~(uint32_t)BARRIER_SWITCH_IBPB;
	__real_virt_leave(cpu);
	barriers.set = set;
	cr0_write(cr0);
}
