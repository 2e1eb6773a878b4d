/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/core_machine.c: see core_machine.h. */
#include "tests/fuzz/core_machine.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/sched/endpoint.h"
#include "core/virt/barriers.h"
#include "core/virt/fpu.h"
#include "core/virt/virt.h"
#include "core/x86/cpu_features.h"
#include "core/x86/entry.h"
#include "core/x86/irq.h"
#include "core/x86/log.h"
#include "core/x86/msr.h"
#include "core/x86/timer.h"
#include "core/x86/trap.h"

struct machine_state machine;
struct cpu *cpus[CPU_MAX];
struct cpu *unit_cpu;
uint64_t unit_tsc;
uint32_t cpu_count, tsc_khz = 1000000, lapic_timer_khz = 1000000;
struct cpu_features cpu_features = {.physical_bits = 40, .xsave = true, .xcr0_supported = 7};
struct barriers barriers;
struct quota home_quota;
char core_image_start[1], core_image_end[1];
static struct process root;
static struct cpu processor;

_Noreturn void machine_fail(int line, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fprintf(stderr, "fuzz_core: line %d, step %u: ", line, machine.steps);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	abort();
}

/* ---- what the core says ---- */

void log_info(const char *format, ...)
{
	(void)format;
}
void log_warn(const char *format, ...)
{
	(void)format;
}
void log_error(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
}
void log_registers(const struct regs *regs)
{
	(void)regs;
}
_Noreturn void panic_regs(const struct regs *regs, const char *format, ...)
{
	(void)regs;
	machine_fail(__LINE__, "the core would stop: %s", format);
}
_Noreturn void panic(const char *format, ...)
{
	machine_fail(__LINE__, "the core would stop: %s", format);
}
const char *trap_name(uint64_t vector)
{
	(void)vector;
	return "trap";
}

/* ---- the processor ---- */

/* One translation of a process: whatever was unmapped since has been flushed. */
static struct held held;

static void process_flush(struct aspace *aspace, uint64_t first_page, uint64_t pages)
{
	if (held.aspace == aspace && held.page - first_page < pages)
		held.aspace = NULL;
}
const struct aspace_ops process_aspace_ops = {
	.flush = process_flush, .write_execute = false, .first_page = 0x10, .end_page = USER_END >> PAGE_SHIFT};

void held_take(struct held *one, struct aspace *aspace, uint64_t page)
{
	unsigned int level;
	uint64_t leaf = pagetable_walk(&aspace->table, page, &level);
	one->aspace = leaf == 0 ? NULL : aspace;
	one->page = page;
	one->leaf = pagetable_frame(&aspace->table, leaf, level, page) << PAGE_SHIFT |
		    (leaf & aspace->table.format->write);
}

/* It maps what the tables map now, and gives no right that they don't. */
void held_check(const struct held *one)
{
	struct held now;
	if (one->aspace == NULL)
		return;
	held_take(&now, one->aspace, one->page);
	EXPECT(now.aspace != NULL && (now.leaf >> PAGE_SHIFT) == (one->leaf >> PAGE_SHIFT) &&
			(one->leaf & ~now.leaf) == 0,
		"page %lx: the processor holds 0x%lx, the tables have 0x%lx", (unsigned long)one->page,
		(unsigned long)one->leaf, (unsigned long)now.leaf);
}

void process_aspace_prepare(struct process *process)
{
	(void)process;
}
void thread_switch_to(struct cpu *cpu, struct thread *next)
{
	if (cpu->process != next->process)
		virt_leave(cpu);
	else if (byte() % 4u == 0)
		virt_disturbed(cpu);
	cpu_set_regs(cpu, &next->regs);
	cpu->thread = next;
	cpu->process = next->process;
}
void switch_bases(const struct thread *thread)
{
	(void)thread;
}
void switch_ports_changed(struct cpu *cpu, struct process *process, const uint8_t *bitmap)
{
	(void)cpu, (void)process, (void)bitmap;
}
void timer_arm(struct cpu *cpu, uint64_t deadline)
{
	cpu->timer_deadline = deadline;
}
uint64_t tsc_from_ns(uint64_t ns)
{
	return ns;
}
void lapic_ipi(uint32_t apic_id, uint32_t vector)
{
	machine_fail(__LINE__, "there is no processor %u for vector %u", apic_id, vector);
}
int msr_write_safe(uint32_t msr, uint64_t value)
{
	(void)msr, (void)value;
	return 0;
}
void core_enter(struct cpu *cpu)
{
	(void)cpu;
	longjmp(machine.leave, 1);
}

/* ---- FPU states: core/virt/fpu.c is made of instructions that only the core may use ---- */

#define XCR0_AT 4032

void fpu_state_reset(void *state)
{
	memset(state, 0, PAGE_SIZE);
	*(uint64_t *)((char *)state + XCR0_AT) = 1;
}
void fpu_enter(struct cpu *cpu, void *state)
{
	cpu->fpu_owner = state;
}
void fpu_leave_slow(struct cpu *cpu)
{
	if (cpu->fpu_owner != NULL)
		((uint8_t *)cpu->fpu_owner)[0]++; /* it is written to: it must still be there */
	cpu->fpu_owner = NULL;
}
void fpu_forget(struct cpu *cpu, void *state)
{
	if (state != NULL && cpu->fpu_owner == state)
		cpu->fpu_owner = NULL;
}
uint64_t fpu_xcr0_supported(void)
{
	return 7;
}
void fpu_state_get(const void *state, void *page, uint64_t xcr0_allowed)
{
	(void)xcr0_allowed;
	memcpy(page, state, PAGE_SIZE);
}
int fpu_state_set(void *state, const void *page, uint64_t xcr0_allowed)
{
	(void)xcr0_allowed;
	if (((const uint8_t *)page)[512] > 7)
		return -GYRE_EINVAL;
	memcpy(state, page, XCR0_AT);
	return 0;
}
uint64_t fpu_state_xcr0(const void *state)
{
	return *(const uint64_t *)((const char *)state + XCR0_AT);
}
bool fpu_state_xcr0_set(void *state, uint64_t xcr0, uint64_t allowed)
{
	(void)allowed;
	*(uint64_t *)((char *)state + XCR0_AT) = xcr0;
	return true;
}

/* ---- interrupt lines ---- */

static struct {
	struct event_source *source;
	bool open;
} lines[24];

struct irq_mode irq_isa_mode(uint32_t isa)
{
	return (struct irq_mode){.gsi = isa == 0 ? 2 : isa};
}
int irq_claim(struct irq_mode mode, struct event_source *source)
{
	if (mode.gsi >= 24)
		return -GYRE_ENODEV;
	if (lines[mode.gsi].source != NULL)
		return -GYRE_EBUSY;
	lines[mode.gsi].source = source;
	lines[mode.gsi].open = false;
	return (int)mode.gsi;
}
void irq_release(int number)
{
	lines[number].source = NULL;
}
void irq_ack(int number)
{
	lines[number].open = true;
}
void machine_line(unsigned int number)
{
	if (number >= 24 || lines[number].source == NULL || !lines[number].open)
		return;
	lines[number].open = false;
	event_source_signal(&processor, lines[number].source);
}

/* ---- processes' memory ---- */

/* Of the two ends one is the core's, and that is on its stack. */
int guarded_copy(void *to, const void *from, size_t bytes)
{
	const char here = 0;
	bool reads = (uint64_t)to - (uint64_t)&here < 0x100000;
	uint64_t at = (reads ? (uint64_t)from : (uint64_t)to) - WINDOW_AT;
	if (at >= WINDOW_BYTES || bytes > (reads ? WINDOW_BYTES : WINDOW_WRITE) - at)
		return -GYRE_EFAULT;
	memcpy(reads ? to : machine.window + at, reads ? (const void *)(machine.window + at) : from, bytes);
	return 0;
}
int guarded_load64(uint64_t *value, const uint64_t *from)
{
	return guarded_copy(value, from, sizeof(*value));
}

void window_reset(void)
{
	static const struct gyre_cpuid_entry cpuid[] = {{0, 0, 0, 0xd, 0x68747541, 0x444d4163, 0x69746e65, 0},
		{1, 0, GYRE_CPUID_APIC_ID | GYRE_CPUID_OSXSAVE, 0x600f20, 0x10800, 0x9200201, 0x78bfbff, 0},
		{7, 0, GYRE_CPUID_SUBLEAF | GYRE_CPUID_OSXSAVE, 0, 2, 0, 1u << 26, 0},
		{0xb, 0, GYRE_CPUID_SUBLEAF | GYRE_CPUID_APIC_ID, 0, 1, 0x100, 0, 0},
		{0xd, 0, GYRE_CPUID_SUBLEAF | GYRE_CPUID_XCR0, 7, 0x240, 0x340, 0, 0},
		{0xd, 2, GYRE_CPUID_SUBLEAF, 0x100, 0x240, 0, 0, 0},
		{0x80000001, 0, 0, 0x600f20, 0, 0x165, 0x2fd3fbff, 0}, {0x80000008, 0, 0, 0x3028, 0x100d000, 0, 0, 0},
		{0x8000001e, 0, GYRE_CPUID_APIC_ID, 0, 0, 0, 0, 0}};
	const struct gyre_vcpu_policy policy = {.abi = GYRE_VCPU_ABI,
		.cr0_allowed = 0xe005003f,
		.cr4_allowed = 0x3706ff,
		.efer_allowed = 0xd01,
		.xcr0_allowed = 7,
		.physical_bits = 40,
		.apic_timer_khz = 1000000,
		.tsc_khz = tsc_khz,
		.ram[0] = {0, 0x200000, 0x40000000}};
	const struct gyre_thread_registers registers = {.rip = 0x400000, .rflags = 0x202, .fs_base = 0x1000};
	memset(machine.window, 0, sizeof(machine.window));
	memcpy(machine.window + WINDOW_POLICY, &policy, sizeof(policy));
	memcpy(machine.window + WINDOW_CPUID, cpuid, sizeof(cpuid));
	memcpy(machine.window + WINDOW_THREAD, &registers, sizeof(registers));
	memcpy(machine.window + WINDOW_GENERAL, "a line of text\t\x1b\x7f\r\n", 20);
}

/* ---- leaving the core, and time ---- */

static void settle(void)
{
	while (processor.hazard != 0 || processor.thread == NULL) {
		uint32_t due = processor.hazard;
		processor.hazard = 0;
		if ((due & HAZARD_WORK) != 0)
			endpoint_work(&processor);
		if ((due & HAZARD_FREE) != 0)
			objects_free_deferred(&processor);
		if ((due & HAZARD_RESCHEDULE) != 0 || processor.thread == NULL) {
			struct thread *next = sched_choose(&processor);
			processor.thread = next;
			if (next != NULL)
				thread_switch_to(&processor, next);
			else if (processor.hazard == 0)
				return; /* idle */
		}
	}
	const struct thread *thread = processor.thread;
	EXPECT(thread->state == THREAD_RUNNING && thread->context == processor.sched.current &&
			thread->context->top == thread,
		"who runs (state %u) is not who was chosen", thread->state);
}

void machine_leave(void)
{
	(void)setjmp(machine.leave);
	settle();
	if (processor.thread != NULL && processor.thread->vcpu != NULL)
		vcpu_enter(&processor, processor.thread->vcpu); /* comes back by core_enter() */
	held_check(&held);
	if (processor.thread != NULL)
		held_take(&held, &processor.thread->process->aspace, 0x40000 + byte() % 64u * 8u);
}

void machine_time(uint64_t ticks)
{
	unit_tsc += ticks;
	while (processor.sched.deadlines != NULL && processor.sched.deadlines->tsc <= unit_tsc)
		deadline_interrupt(&processor);
}

void check_now(void)
{
	EXPECT(check_invariants(&processor) == 0, "the books are wrong");
}

/* ---- the beginning ---- */

struct thread *thread_spawn(struct process *process, unsigned int priority)
{
	struct thread_start start = {.entry = 0x400000, .stack = 0x500000, .priority = priority};
	struct object *fault = byte() % 2u == 0 ? NULL : object_pick(process, GYRE_OBJECT_ENDPOINT);
	if (fault != NULL && object_alive(fault))
		start.fault = container_of(fault, struct endpoint, object);
	start.flags = byte() % 8u == 0 ? GYRE_THREAD_FPU : 0;
	struct thread *thread;
	if (thread_create(process, &start, &thread) < 0)
		return NULL;
	handle_create(process, &thread->object, object_types[GYRE_OBJECT_THREAD].rights, 0);
	thread_start(&processor, thread);
	return thread;
}

static void give(struct process *process, struct object *object)
{
	if (object != NULL)
		handle_create(process, object, object_types[object->type].rights, 0);
}

void process_populate(struct process *process, unsigned int pages)
{
	struct memory *memory = memory_create(process, 0x80000);
	struct endpoint *endpoint = endpoint_create(process);
	struct event *event = event_create(process);
	uint64_t from = process == &root ? RAM_LARGE : 0x1200 + process->number % 8 * 0x800;
	for (uint64_t done = 0; memory != NULL && done < pages;) {
		int64_t n = memory_move(memory, done, memory_ram, from + done, pages - done);
		if (n <= 0)
			break;
		done += (uint64_t)n;
	}
	give(process, memory == NULL ? NULL : &memory->object);
	give(process, endpoint == NULL ? NULL : &endpoint->object);
	give(process, event == NULL ? NULL : &event->object);
	give(process, &process->object);
	/* By these they speak to each other. */
	for (uint64_t number = 1; number < 16; number++) {
		struct handle *handle = handle_entry(&root.handles, number);
		if (process == &root || handle == NULL)
			continue;
		if (handle->object->type == GYRE_OBJECT_ENDPOINT || handle->object->type == GYRE_OBJECT_EVENT)
			handle_create(process, handle->object, handle->rights,
				handle->object->type == GYRE_OBJECT_ENDPOINT ? process->number : 0);
	}
}

/* What root may look at and nobody may change; and a device's registers, of which there are none yet. */
static void root_others(void)
{
	struct memory *firmware = memory_create(&root, 16), *device = memory_create(&root, 16);
	EXPECT(memory_add(firmware, 0, 0x100, 8) && memory_add(device, 0, 0xfe000, 16), "no firmware");
	firmware->fixed = device->fixed = true;
	firmware->rights = GYRE_RIGHT_READ;
	device->cache = byte() % 2u == 0 ? MEMORY_UNCACHED : MEMORY_WRITE_COMBINING;
	handle_create(&root, &firmware->object, GYRE_RIGHT_READ | GYRE_RIGHT_COPY, 0);
	give(&root, &device->object);
}

static void root_make(void)
{
	struct machine *authority;
	struct memory *ram;
	memset(&root, 0, sizeof(root));
	EXPECT(process_init_root(&root, frame_pool_free() - home_quota.given - POOL_RESERVE) == 0, "no root");
	ram = memory_create(&root, RAM_LARGE + RAM_LARGE_N);
	ram->tree.quota = &home_quota;
	ram->home = true;
	EXPECT(memory_add(ram, RAM_FIRST, RAM_FIRST, RAM_PAGES) &&
			memory_add(ram, RAM_FIRST_2, RAM_FIRST_2, RAM_PAGES_2) &&
			memory_add(ram, RAM_LARGE, RAM_LARGE, RAM_LARGE_N),
		"no RAM");
	memory_ram = ram;
	authority = OBJECT_CREATE(&root, GYRE_OBJECT_MACHINE, machine);
	give(&root, &root.object);
	give(&root, &ram->object);
	give(&root, &authority->object);
	root_others();
}

void machine_begin(void)
{
	/* As core/obj/root.c has it. */
	const uint64_t home = 16 + 2 * 3 + (RAM_PAGES + RAM_PAGES_2 + RAM_LARGE_N) / 512 / 2;
	memset(&processor, 0, sizeof(processor));
	memset(lines, 0, sizeof(lines));
	memset(&held, 0, sizeof(held));
	objects_live = handles_live = 0;
	unit_cpu = machine.cpu = cpus[0] = &processor;
	unit_tsc = 1000000;
	machine.steps = machine.calls = 0;
	processor.timer_deadline = DEADLINE_NEVER;
	processor.sched.since = unit_tsc;
	sched_init(&processor);
	pool_reset();
	window_reset();
	quota_init(&home_quota, home);
	machine.root = &root;
	root_make();
	cpu_count = 1 + byte() % 2u; /* of which one does something */
	pagetable_process.max_leaf = 1 + byte() % 2u;
	guest_reset(byte());
	machine.objects = objects_live;
	machine.handles = handles_live;
	machine.frames = frame_pool_free();
	check_reset();
	check_now();
	process_populate(&root, 0x40000);
	thread_spawn(&root, 32);
	processor.hazard = HAZARD_RESCHEDULE;
}

/* ---- the end ---- */

/* False: its pages find no place at home before others are there again. */
static bool destroy(struct object *object)
{
	unsigned int times = 0;
	int result;
	do {
		unsigned int budget = OBJECT_BUDGET;
		result = object_destroy(object, NULL, &budget);
		settle();
		EXPECT(++times < 1000000, "an object of type %u does not end", object->type);
	} while (result == -GYRE_EAGAIN);
	EXPECT(result == 0 || result == -GYRE_ENOMEM, "an object of type %u ends with %d", object->type, result);
	return result == 0;
}

static bool is_first(const struct object *object)
{
	return object->type == GYRE_OBJECT_MACHINE ||
	       (object->type == GYRE_OBJECT_MEMORY &&
		       (object == &memory_ram->object ||
			       (container_of(object, struct memory, object)->fixed &&
				       container_of(object, struct memory, object)->origin == NULL &&
				       !container_of(object, struct memory, object)->core)));
}

static void forget_mappings(void)
{
	for (uint64_t page = process_aspace_ops.first_page; page < process_aspace_ops.end_page;) {
		int64_t n = aspace_unmap(&root.aspace, page, process_aspace_ops.end_page - page);
		EXPECT(n > 0, "root's pages can't be unmapped: %ld", (long)n);
		page += (uint64_t)n;
	}
}

void machine_end(void)
{
	unsigned int budget;
	machine.at = machine.end;
	settle();
	for (unsigned int waiting = 0; root.object_count > 4;) {
		struct object *object = container_of(root.objects.next, struct object, owned);
		if (is_first(object) || !destroy(object)) {
			list_move_back(&root.objects, &object->owned);
			EXPECT(++waiting < 1000, "%u objects can't end", root.object_count);
		} else {
			waiting = 0;
		}
	}
	while (!list_empty(&root.ports))
		ioports_ungrant(&processor, list_first(&root.ports, struct ioports, in_process));
	/* A call that unmaps frees some records; the others' turn comes with the next. */
	for (unsigned int i = 0; i < 2 + ASPACE_RECORDS / 64; i++)
		forget_mappings();
	for (struct list *link = root.objects.next; link != &root.objects; link = link->next) {
		struct object *object = container_of(link, struct object, owned);
		if (object->type != GYRE_OBJECT_MEMORY)
			continue;
		do
			budget = OBJECT_BUDGET;
		while (memory_revoke(container_of(object, struct memory, object), &budget) == -GYRE_EAGAIN);
	}
	for (uint64_t number = 6; number < HANDLE_FRAMES * HANDLE_PER_FRAME; number++) {
		struct handle *handle = handle_entry(&root.handles, number);
		if (handle != NULL)
			handle_remove(handle);
	}
	processor.hazard |= HAZARD_FREE;
	settle();
	check_now();
	for (unsigned int i = 0; i < 24; i++)
		EXPECT(lines[i].source == NULL, "line %u is still somebody's", i);
	EXPECT(processor.sched.deadlines == NULL || processor.sched.deadlines == &processor.sched.slice,
		"a deadline of something that has ended");
	EXPECT(objects_live == machine.objects, "%lu objects are left",
		(unsigned long)(objects_live - machine.objects));
	/* Root may have closed what it began with. */
	EXPECT(handles_live <= machine.handles, "%lu handles are left", (unsigned long)handles_live);
	EXPECT(frame_pool_free() >= machine.frames && frame_pool_free() <= machine.frames + 1,
		"%lu frames are left, there were %lu; root has %lu, and what comes home %lu",
		(unsigned long)frame_pool_free(), (unsigned long)machine.frames, (unsigned long)quota_used(&root.quota),
		(unsigned long)quota_used(&home_quota));
}
