/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/core_fixture.c: see core_fixture.h. */
#include "tests/unit/core_fixture.h"
#include <stdio.h>
#include "core/obj/device.h"
#include "core/virt/fpu.h"
#include "core/virt/vcpu.h"
#include "core/virt/virt.h"
#include "core/x86/irq.h"
#include "core/x86/log.h"
#include "core/x86/timer.h"
#include "core/x86/trap.h"

struct core_fixture core;
char *frame_test_pool;
struct cpu *cpus[CPU_MAX];
struct cpu *unit_cpu;
uint64_t unit_tsc;
uint32_t cpu_count = 1;
struct quota home_quota;
static struct process root;
static struct cpu processor;
static void *pool_memory;

/* ---- what touches the processor ---- */

static void flush(struct aspace *aspace, uint64_t first_page, uint64_t pages)
{
	(void)aspace;
	(void)first_page;
	(void)pages;
	core.flushes++;
}
const struct aspace_ops process_aspace_ops = {
	.flush = flush, .write_execute = false, .first_page = 0x10, .end_page = USER_END >> PAGE_SHIFT};
const struct aspace_ops virt_aspace_ops = {
	.flush = flush, .write_execute = true, .first_page = 0, .end_page = 1ul << 36};
const struct pagetable_format *virt_nested_format = &pagetable_process;

void process_aspace_prepare(struct process *process)
{
	(void)process;
}

void thread_switch_to(struct cpu *cpu, struct thread *next)
{
	cpu->thread = next;
	core.switches++;
}

void switch_ports_changed(struct cpu *cpu, struct process *process, const uint8_t *bitmap)
{
	(void)cpu;
	(void)process;
	(void)bitmap;
}

void timer_arm(struct cpu *cpu, uint64_t deadline)
{
	cpu->timer_deadline = deadline;
	core.timer_armed = deadline;
}
uint64_t tsc_from_ns(uint64_t ns)
{
	return ns;
}

void log_info(const char *format, ...)
{
	(void)format;
	core.log_lines++;
}
void log_warn(const char *format, ...)
{
	(void)format;
	core.log_lines++;
}
void log_error(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	core.log_lines++;
}
void log_registers(const struct regs *regs)
{
	(void)regs;
}

_Noreturn void panic_regs(const struct regs *regs, const char *format, ...)
{
	(void)regs;
	fprintf(stderr, "the core would stop: %s\n", format);
	abort();
}

void panic(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	abort();
}
const char *trap_name(uint64_t vector)
{
	(void)vector;
	return "trap";
}

/* ---- virtualization ---- */

int vlapic_bus_message(struct vlapic_bus *bus, uint64_t address, uint32_t data)
{
	(void)bus;
	(void)address;
	(void)data;
	core.messages++;
	return 0;
}
void vcpu_kick(struct vcpu *vcpu)
{
	(void)vcpu;
	core.kicks++;
}
void vcpu_abandon(struct vcpu *vcpu, struct thread *thread)
{
	(void)vcpu;
	thread->vcpu = NULL;
}
int vcpu_end(struct object *object, unsigned int *budget)
{
	(void)object;
	(void)budget;
	return 0;
}
void fpu_state_reset(void *state)
{
	(void)state;
}
void fpu_forget(struct cpu *cpu, void *state)
{
	(void)cpu;
	(void)state;
}

/* ---- interrupts ---- */

static struct event_source *gsi_source[32];
struct irq_mode irq_isa_mode(uint32_t isa)
{
	return (struct irq_mode){.gsi = isa == 0 ? 2 : isa};
}
int irq_claim(struct irq_mode mode, struct event_source *source)
{
	if (mode.gsi >= 32)
		return -GYRE_ENODEV;
	if (gsi_source[mode.gsi] != NULL)
		return -GYRE_EBUSY;
	gsi_source[mode.gsi] = source;
	return (int)mode.gsi;
}
void irq_release(int number)
{
	gsi_source[number] = NULL;
}
void irq_ack(int number)
{
	(void)number;
}

/* As call.c has them. */
const struct object_type object_types[GYRE_OBJECT_TYPES] = {
	[GYRE_OBJECT_MEMORY] = {.end = memory_end},
	[GYRE_OBJECT_PROCESS] = {.end = process_end},
	[GYRE_OBJECT_THREAD] = {.end = thread_end},
	[GYRE_OBJECT_ENDPOINT] = {.end = endpoint_end},
	[GYRE_OBJECT_EVENT] = {.end = event_end},
	[GYRE_OBJECT_INTERRUPT] = {.end = interrupt_end},
	[GYRE_OBJECT_IOPORTS] = {.end = ioports_end},
	[GYRE_OBJECT_VM] = {.end = vm_end},
	[GYRE_OBJECT_VCPU] = {.end = vcpu_end},
};

/* ---- set-up ---- */

static void make_ram(void)
{
	struct memory *ram = memory_create(&root, RAM_FIRST_2 + RAM_PAGES_2);
	assert_non_null(ram);
	ram->tree.quota = &home_quota;
	ram->home = true;
	assert_true(memory_add(ram, RAM_FIRST, RAM_FIRST, RAM_PAGES));
	assert_true(memory_add(ram, RAM_FIRST_2, RAM_FIRST_2, RAM_PAGES_2));
	memory_ram = ram;
}

int core_setup(void **state)
{
	(void)state;
	memset(&core, 0, sizeof(core));
	memset(&root, 0, sizeof(root));
	memset(&processor, 0, sizeof(processor));
	objects_live = handles_live = 0;
	unit_cpu = core.cpu = &processor;
	cpu_count = 1;
	unit_tsc = 1000000;
	processor.timer_deadline = DEADLINE_NEVER;
	processor.sched.since = unit_tsc;
	sched_init(&processor);
	/* The test's physical memory begins at 0x100000, so that no frame is number 0. */
	pool_memory = aligned_alloc(PAGE_SIZE, (size_t)POOL_FRAMES * PAGE_SIZE);
	frame_test_pool = (char *)pool_memory - 0x100000;
	frame_pool_init(hpa(0x100000), (size_t)POOL_FRAMES * PAGE_SIZE);
	pagetable_process.max_leaf = 2;
	quota_init(&home_quota, 128);
	assert_ok(process_init_root(&root, frame_pool_free() - 128 - POOL_RESERVE));
	core.root = &root;
	make_ram();
	core.root_thread = core_thread(&root, 32, NULL, 0);
	assert_ok(thread_start(&processor, core.root_thread));
	core_settle();
	assert_ptr_equal(processor.thread, core.root_thread);
	check_reset();
	assert_ok(check_invariants(&processor));
	return 0;
}

int core_teardown(void **state)
{
	(void)state;
	assert_ok(check_invariants(&processor));
	free(pool_memory);
	return 0;
}

void core_settle(void)
{
	while (processor.hazard != 0) {
		uint32_t due = processor.hazard;
		processor.hazard = 0;
		if ((due & HAZARD_WORK) != 0)
			endpoint_work(&processor);
		if ((due & HAZARD_FREE) != 0)
			objects_free_deferred(&processor);
		if ((due & HAZARD_RESCHEDULE) != 0) {
			struct thread *next = sched_choose(&processor);
			processor.thread = next;
		}
	}
}

void time_passes(uint64_t ticks)
{
	unit_tsc += ticks;
	while (processor.sched.deadlines != NULL && processor.sched.deadlines->tsc <= unit_tsc)
		deadline_interrupt(&processor);
	core_settle();
}

unsigned int core_destroy(struct object *object)
{
	unsigned int times = 0;
	int result;
	do {
		unsigned int budget = OBJECT_BUDGET;
		result = object_destroy(object, NULL, &budget);
		if (result == -GYRE_EAGAIN)
			assert_true(budget < OBJECT_BUDGET / 2);
		times++;
		assert_true(times < 100000);
	} while (result == -GYRE_EAGAIN);
	assert_ok(result);
	core_settle();
	return times;
}

struct process *core_process(uint64_t frames)
{
	struct process *process;
	assert_ok(process_create(&root, frames, &process));
	return process;
}

struct thread *core_thread(struct process *process, unsigned int priority, struct endpoint *fault, uint32_t badge)
{
	struct thread_start start = {
		.entry = 0x400000, .stack = 0x500000, .priority = priority, .fault = fault, .fault_badge = badge};
	struct thread *thread;
	assert_ok(thread_create(process, &start, &thread));
	return thread;
}

struct memory *core_memory(struct process *owner, uint64_t pages, uint64_t from_frame)
{
	struct memory *memory = memory_create(owner, pages);
	assert_non_null(memory);
	for (uint64_t done = 0; from_frame != 0 && done < pages;) {
		int64_t n = memory_move(memory, done, memory_ram, from_frame + done, pages - done);
		assert_true(n > 0);
		done += (uint64_t)n;
	}
	return memory;
}

int64_t core_map(struct aspace *aspace, struct memory *memory, uint64_t offset, uint64_t page, uint64_t pages,
	unsigned int rights)
{
	uint64_t done = 0;
	while (done < pages) {
		struct map_request request = {memory, offset + done, page + done, pages - done, rights};
		int64_t n = aspace_map(aspace, &request);
		if (n <= 0)
			return done > 0 ? (int64_t)done : n;
		done += (uint64_t)n;
	}
	return (int64_t)done;
}

uint64_t core_mapped(struct aspace *aspace, uint64_t page)
{
	uint64_t frame = 0;
	bool writable;
	return aspace_lookup(aspace, page, &frame, &writable) ? frame : 0;
}

uint64_t core_used(struct process *process)
{
	return quota_used(&process->quota);
}

void core_run(struct thread *thread)
{
	core.cpu->thread = thread;
}
