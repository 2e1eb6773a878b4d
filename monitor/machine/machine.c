/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/machine/machine.c: builds the PC, starts and resets it, ends it.
 */
#include "monitor/machine/machine.h"
#include "monitor/machine/failed.h"
#include "monitor/dev/acpi/tables.h"
#include "monitor/save/machine.h"
#include "monitor/save/recreate.h"
#include "gyre/errors.h"
#include "lib/format.h"
#include "lib/string.h"

#define APIC_TIMER_KHZ	   1000000u /* of the undivided timer, where the host leaves the choice */
#define TEST_DOORBELL_PORT 0xe8
#define COM1		   0x3f8

static void refuse(uint32_t status, const char *text) __attribute__((noreturn));
static void refuse(uint32_t status, const char *text)
{
	engine_end(GYRE_END_REFUSED, status, text);
}

/* ---- what devices ask for ---- */

void machine_request(void *context, enum machine_request request, uint32_t code)
{
	struct machine *machine = context;
	if (machine->request != MACHINE_RUN)
		return; /* the first one counts */
	machine->request = request;
	machine->request_code = code;
}

static void extint_set(void *context, unsigned number, int level)
{
	struct machine *machine = context;
	(void)number;
	machine->vcpu.page->extint_line = (uint32_t)level;
}

static void drop_page(void *context, uint64_t gpa)
{
	struct machine *machine = context;
	if (machine_ram(machine, gpa, 4096))
		engine_unmap(gpa, 4096); /* mapped again when it is touched */
}

static void dirty_log(void *context, uint32_t value)
{
	struct machine *machine = context;
	if (value != 2) {
		engine_dirty_log(value != 0);
		return;
	}
	for (unsigned i = 0; i < machine->memory.ranges; i++)
		engine_dirty_take(machine->memory.range[i].gpa, machine->memory.range[i].bytes / 4096, NULL);
}

/* ---- building ---- */

static void add_device(struct machine *machine, struct device device)
{
	if (!device.ops->fields)
		refuse(GYRE_STATUS_FAILED, "a device of it has no saved form");
	if (machine->devices < MACHINE_DEVICES)
		machine->device[machine->devices++] = device;
}

static void build_test_device(struct machine *machine, const struct control *control)
{
	const struct testdev_host host = {{lines_set, &machine->lines, 0}, *control, drop_page, dirty_log, machine,
		machine->vm->memory, machine->vm->cpus};
	testdev_init(&machine->testdev, &machine->bus, &host);
	add_device(machine, testdev_device(&machine->testdev));
	uint8_t *ram = engine_memory(TESTDEV_RAM_BYTES);
	if (!ram || engine_map(TESTDEV_RAM, TESTDEV_RAM_BYTES, ram, ENGINE_RAM) < 0)
		refuse(GYRE_STATUS_LACKS, "too little memory for the test device's RAM: give the machine more");
	machine->device_ram = (struct memory_range){TESTDEV_RAM, TESTDEV_RAM_BYTES, ram};
	engine_doorbell(TEST_DOORBELL_PORT, 4, ~0ull, ENGINE_DOORBELL_UNHEARD);
}

static void build_devices(struct machine *machine)
{
	struct bus *bus = &machine->bus;
	struct clock *clock = &machine->clock;
	const struct control control = {machine_request, machine};
	const struct uart_host console = {engine_console_write, engine_console_read};
	const struct line out = {extint_set, machine, 0};
	struct line irq[16];
	for (unsigned i = 0; i < 16; i++)
		irq[i] = (struct line){lines_set, &machine->lines, i};
	machine->lines = (struct lines){&machine->pic, &machine->ioapic, 0};
	bus_init(bus);
	/* The I/O APIC's page is looked at first. */
	ioapic_init(&machine->ioapic, bus);
	pic_init(&machine->pic, bus, &out);
	pit_init(&machine->pit, bus, clock, &irq[0]);
	rtc_init(&machine->rtc, bus, clock, &irq[8]);
	rtc_memory(&machine->rtc, machine->memory.below_4g, machine->memory.above_4g, machine->vm->cpus);
	uart16550_init(&machine->uart, bus, COM1, &console, &irq[4]);
	pci_init(&machine->pci, bus);
	pci_add_chipset(&machine->pci);
	acpi_pm_init(&machine->pm, bus, clock, &irq[ACPI_SCI], &control);
	i8042_init(&machine->kbc, bus, &irq[1], &irq[12], &control);
	add_device(machine, ioapic_device(&machine->ioapic));
	add_device(machine, pic_device(&machine->pic));
	add_device(machine, pit_device(&machine->pit));
	add_device(machine, rtc_device(&machine->rtc));
	add_device(machine, uart16550_device(&machine->uart));
	add_device(machine, pci_device(&machine->pci));
	add_device(machine, acpi_pm_device(&machine->pm));
	add_device(machine, i8042_device(&machine->kbc));
	if (machine->vm->flags & GYRE_VM_TEST_DEVICE)
		build_test_device(machine, &control);
}

static void choose_level(struct machine *machine)
{
	const struct engine_vm *vm = machine->vm;
	char missing[160], text[240];
	struct level_request request = {vm->level, vm->cpus, vm->tsc_khz,
		vm->apic_timer_khz ? vm->apic_timer_khz : APIC_TIMER_KHZ, vm->physical_bits, engine_cpuid};
	if (vm->cpus != 1)
		refuse(GYRE_STATUS_USAGE, "this version gives a VM one processor: leave --cpus out");
	if (level_make(&machine->level, &request, missing, sizeof missing) < 0) {
		gyre_snprintf(text, sizeof text,
			"the level portable-1 needs a processor with %s: use another, or --level host", missing);
		refuse(GYRE_STATUS_LACKS, text);
	}
	machine->level.policy.tsc_offset = (int64_t)machine->clock.offset;
	machine->level.policy.identity_table = MEMORY_IDENTITY;
	if (vm->flags & GYRE_VM_DEBUG) {
		machine->level.policy.flags |= GYRE_POLICY_EXCEPTION_EXIT;
		machine->level.policy.exception_bitmap |= 1u << 3; /* #BP */
	}
}

static void build_processor(struct machine *machine)
{
	if (engine_vcpu_create(&machine->vcpu, 0) < 0)
		refuse(GYRE_STATUS_LACKS, "no virtual processor can be made: too little memory is left");
	if (machine->vcpu.page->abi != GYRE_VCPU_ABI)
		refuse(GYRE_STATUS_FAILED, "the monitor and the core are not of the same version: build both anew");
	if (engine_vcpu_policy(&machine->vcpu, &machine->level.policy, machine->level.cpuid, machine->level.entries) <
		0)
		refuse(GYRE_STATUS_FAILED, "the core does not take the processor's level");
}

/* ---- start, reset, end ---- */

static void load(struct machine *machine)
{
	machine->boot.vm = machine->vm;
	machine->boot.memory = &machine->memory;
	machine->boot.rsdp = acpi_write(&machine->memory, machine->vm->cpus);
	memory_identity(&machine->memory);
	if (engine_files() < 0)
		refuse(GYRE_STATUS_LACKS, "its files cannot be mapped: too little memory is left for page tables");
	if (boot_load(&machine->boot) < 0)
		refuse(machine->boot.status, machine->boot.text);
	msr_reset(machine);
	if (processor_start(machine) < 0)
		refuse(GYRE_STATUS_FAILED, "the core does not take the processor's first state");
	machine->started = clock_now(&machine->clock);
}

/* A new monitor for a VM that ran before (GYRE_VM_RECREATE). */
static int is_restored(const struct engine_vm *vm)
{
	return vm->recreation && vm->recreation->bytes;
}

/* How far the guest's TSC is before the machine's clock, which goes on. */
static int64_t restore_begin(struct machine *machine)
{
	const struct gyre_recreation *from = machine->vm->recreation;
	const char *why;
	int64_t tsc_ahead = 0;
	if (is_restored(machine->vm) && machine_restore_begin(machine, from->stream,
						from->bytes < sizeof from->stream ? from->bytes : sizeof from->stream,
						from->clock_offset, &tsc_ahead, &why) < 0)
		refuse(GYRE_STATUS_FAILED, why);
	return tsc_ahead;
}

void machine_start(struct machine *machine, const struct engine_vm *vm)
{
	const char *why;
	memset(machine, 0, sizeof *machine);
	machine->vm = vm;
	if (vm->tsc_khz < 1000 || vm->tsc_khz > UINT32_MAX)
		refuse(GYRE_STATUS_LACKS, "the machine's TSC has no rate that can be used");
	clock_init(&machine->clock, vm->tsc_khz);
	int64_t tsc_ahead = restore_begin(machine);
	choose_level(machine);
	/* Modulo 2^64, as the TSC is. */
	machine->level.policy.tsc_offset = (int64_t)(machine->clock.offset + (uint64_t)tsc_ahead);
	if (memory_layout(&machine->memory, vm->ram, vm->memory, machine->level.policy.physical_bits) < 0)
		refuse(GYRE_STATUS_LACKS,
			"the VM's memory is no multiple of 2 MiB, or more than its address width: see --memory");
	if (memory_map_all(&machine->memory) < 0)
		refuse(GYRE_STATUS_LACKS, "the VM's memory cannot be mapped: too little is left for page tables");
	build_processor(machine); /* after the memory: the engine tells the core where code can be read */
	build_devices(machine);
	emulator_init(machine);
	if ((vm->flags & GYRE_VM_TRACE) && engine_trace(&machine->vcpu, 1) < 0)
		engine_log("this host records no trace");
	if (!is_restored(vm))
		load(machine);
	else if (recreate_restore(machine, &why) < 0)
		refuse(GYRE_STATUS_FAILED, why);
}

void machine_reset(struct machine *machine)
{
	for (unsigned i = 0; i < machine->devices; i++)
		machine->device[i].ops->reset(machine->device[i].self);
	load(machine);
}

/* The last line is seen, however slow the other end is. */
static void flush_console(struct machine *machine)
{
	uart16550_poll(&machine->uart);
	while (machine->uart.state.transmit.count) {
		engine_events(1);
		uart16550_poll(&machine->uart);
	}
	if (machine->vm->flags & GYRE_VM_TRACE)
		engine_trace_drain(&machine->vcpu);
}

static void log_registers(struct machine *machine)
{
	const struct gyre_vcpu_page *page = machine->vcpu.page;
	char line[240];
	gyre_snprintf(line, sizeof line, "exit %u d0 %016llx d1 %016llx d2 %016llx rip %016llx rflags %08llx mode %05x",
		page->exit, (unsigned long long)page->d0, (unsigned long long)page->d1, (unsigned long long)page->d2,
		(unsigned long long)page->rip, (unsigned long long)page->rflags, page->mode);
	engine_log(line);
	static const char names[16][4] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10",
		"r11", "r12", "r13", "r14", "r15"};
	for (unsigned i = 0; i < 16; i += 4) {
		size_t used = 0;
		for (unsigned j = i; j < i + 4; j++)
			used += gyre_snprintf(line + used, sizeof line - used, "%s%s %016llx", j > i ? " " : "",
				names[j], (unsigned long long)page->gpr[j]);
		engine_log(line);
	}
	gyre_snprintf(line, sizeof line, "cr0 %08llx cr2 %016llx cr3 %016llx cr4 %08llx event %08x",
		(unsigned long long)page->cr0, (unsigned long long)page->cr2, (unsigned long long)page->cr3,
		(unsigned long long)page->cr4, page->event);
	engine_log(line);
}

static void debug_tell(struct machine *machine, enum machine_debug what, uint32_t code)
{
	if (machine->debug)
		machine->debug(machine, what, code);
}

void machine_crash(struct machine *machine, const char *what)
{
	char text[240];
	flush_console(machine);
	log_registers(machine);
	recreate_report(machine);
	debug_tell(machine, MACHINE_DEBUG_CRASH, 0);
	debug_tell(machine, MACHINE_DEBUG_END, GYRE_STATUS_CRASHED);
	gyre_snprintf(text, sizeof text, "the guest crashed at rip 0x%llx: %s",
		(unsigned long long)machine->vcpu.page->rip, what);
	engine_end(GYRE_END_CRASHED, 0, text);
}

static void end(struct machine *machine, uint32_t reason, uint32_t code, const char *text) __attribute__((noreturn));
static void end(struct machine *machine, uint32_t reason, uint32_t code, const char *text)
{
	recreate_report(machine);
	flush_console(machine);
	debug_tell(machine, MACHINE_DEBUG_END, reason == GYRE_END_DEBUG_EXIT ? 2 * code + 1 : 0);
	engine_end(reason, code, text);
}

/* What a device asked for during the last exit. */
static __attribute__((noinline)) void answer_request(struct machine *machine)
{
	uint32_t request = machine->request;
	machine->request = MACHINE_RUN;
	switch (request) {
	case MACHINE_POWER_OFF: end(machine, GYRE_END_POWER_OFF, 0, "");
	case MACHINE_DEBUG_EXIT: end(machine, GYRE_END_DEBUG_EXIT, machine->request_code, "");
	case MACHINE_RESET:
		if (machine->vm->flags & GYRE_VM_NO_REBOOT)
			end(machine, GYRE_END_RESET, 0, "");
		machine->quick_resets = 0;
		machine_reset(machine);
		return;
	default: return;
	}
}

static void triple_fault(struct machine *machine)
{
	debug_tell(machine, MACHINE_DEBUG_CRASH, 0);
	if (machine->vm->flags & GYRE_VM_NO_REBOOT) {
		flush_console(machine);
		log_registers(machine);
		debug_tell(machine, MACHINE_DEBUG_END, GYRE_STATUS_CRASHED);
		engine_end(GYRE_END_TRIPLE_FAULT, 0, "the guest triple-faulted");
	}
	/* Some systems restart by it. One that does nothing else harms itself alone, and must not fill the log. */
	uint64_t ran = clock_now(&machine->clock) - machine->started;
	machine->quick_resets = ran < machine->clock.khz * 1000 ? machine->quick_resets + 1 : 0;
	if (machine->quick_resets < MACHINE_RESETS_TOLD)
		engine_log("the guest triple-faulted: it starts again");
	else if (machine->quick_resets == MACHINE_RESETS_TOLD)
		engine_log("the guest triple-faults each time that it starts; this is no longer told (--no-reboot ends "
			   "it)");
	machine_reset(machine);
}

/* ---- exits ---- */

void machine_take_events(struct machine *machine, uint64_t events)
{
	if (events & ENGINE_EVENT_TIMER)
		clock_run(&machine->clock);
	if (events & (ENGINE_EVENT_INPUT | ENGINE_EVENT_OUTPUT))
		uart16550_poll(&machine->uart);
	if (events & ENGINE_EVENT_POWER_KEY)
		acpi_pm_power_button(&machine->pm);
}

void machine_events(struct machine *machine)
{
	machine_take_events(machine, engine_events(0));
}

static inline __attribute__((always_inline)) void io_exit(struct machine *machine, struct gyre_vcpu_page *page)
{
	uint32_t flags = (uint32_t)page->d0, size = GYRE_IO_SIZE(flags);
	uint16_t port = (uint16_t)GYRE_IO_PORT(flags);
	uint64_t *rax = &page->gpr[GYRE_RAX];
	if (flags & GYRE_IO_IN) {
		uint32_t value = bus_port_read(&machine->bus, port, size);
		if (__builtin_expect(size == 1, 1))
			*(uint8_t *)rax = (uint8_t)value;
		else if (size == 2)
			*rax = (*rax & ~0xffffull) | (value & 0xffff);
		else
			*rax = value;
	} else {
		bus_port_write(&machine->bus, port, size, (uint32_t)*rax);
	}
	page->rip = page->d2;
	page->entry_flags |= GYRE_ENTRY_COMPLETED;
}

/* The instruction at RIP is done; its length is the core's or, where the processor does not tell, the decoder's. */
static void skip(struct machine *machine)
{
	struct gyre_vcpu_page *page = machine->vcpu.page;
	unsigned length = page->instruction_length;
	if (__builtin_expect(!length, 0) && !(length = emulator_length(machine)))
		return; /* it cannot be fetched any more: the guest finds out by itself */
	page->rip = page->mode & GYRE_MODE_CS_L ? page->rip + length : (uint32_t)(page->rip + length);
	page->entry_flags |= GYRE_ENTRY_COMPLETED;
}

static void msr_exit(struct machine *machine)
{
	struct gyre_vcpu_page *page = machine->vcpu.page;
	uint64_t value;
	int error;
	if (page->d0) {
		error = msr_write(machine, (uint32_t)page->d1, page->d2);
	} else {
		error = msr_read(machine, (uint32_t)page->d1, &value);
		if (error == 0) {
			page->gpr[GYRE_RAX] = (uint32_t)value;
			page->gpr[GYRE_RDX] = value >> 32;
		}
	}
	if (error < 0)
		processor_inject(machine, 13, 0);
	else
		skip(machine);
}

/* The processor has checked CR4.OSXSAVE, and on a machine CPL, but Bochs has not; the core knows which values there are. */
static void xsetbv_exit(struct machine *machine)
{
	const struct gyre_vcpu_page *page = machine->vcpu.page;
	uint64_t value = page->gpr[GYRE_RDX] << 32 | (uint32_t)page->gpr[GYRE_RAX];
	int error = page->mode >> GYRE_MODE_CPL_SHIFT & 3 || (uint32_t)page->gpr[GYRE_RCX] ||
				    !machine->level.policy.xcr0_allowed || !(value & 1)
			    ? -GYRE_EINVAL
			    : engine_state_get(&machine->vcpu, GYRE_STATE_CONTROL);
	machine->vcpu.state->xcr0 = value;
	if (error < 0 || engine_state_set(&machine->vcpu, GYRE_STATE_CONTROL) < 0)
		processor_inject(machine, 13, 0);
	else
		skip(machine);
}

static void hypercall_exit(struct machine *machine)
{
	machine->vcpu.page->gpr[GYRE_RAX] = (uint64_t)-1000; /* KVM's "no such call" */
	skip(machine);
}

static void instruction_exit(struct machine *machine)
{
	switch (machine->vcpu.page->d0) {
	case GYRE_INSTRUCTION_INVD:
	case GYRE_INSTRUCTION_WBINVD:
	case GYRE_INSTRUCTION_RDTSC:
	case GYRE_INSTRUCTION_RDTSCP:
	case GYRE_INSTRUCTION_INVLPG:
	case GYRE_INSTRUCTION_DESCRIPTOR:
	case GYRE_INSTRUCTION_IRET: emulate(machine); return;
	case GYRE_INSTRUCTION_SKIP: skip(machine); return;
	case GYRE_INSTRUCTION_FERR: /* the old way of the PC: the FPU's error is interrupt 13 */
		lines_set(&machine->lines, 13, 1);
		lines_set(&machine->lines, 13, 0);
		return;
	case GYRE_INSTRUCTION_RDPMC: processor_inject(machine, 13, 0); return; /* there are no counters */
	default: processor_inject(machine, 6, -1); return;		       /* no level has it */
	}
}

/* Halted for good, unless an event changes that: the next run waits for one. */
static void halt_exit(struct machine *machine)
{
	if (!machine->halt_told)
		engine_log("the guest halted with interrupts off");
	machine->halt_told = 1;
	machine_events(machine);
}

static void failed_exit(struct machine *machine)
{
	const struct gyre_vcpu_page *page = machine->vcpu.page;
	char why[200];
	if (failed_words(&machine->vcpu, why, sizeof why))
		machine_crash(machine, why);
	machine_crash(machine, page->d1 == GYRE_FAILED_STATE ? "its processor's state is not possible"
							     : "the core could not enter it, which is a fault of Gyre");
}

static void other_exit(struct machine *machine, int exit)
{
	struct gyre_vcpu_page *page = machine->vcpu.page;
	switch (exit) {
	case GYRE_EXIT_UNDEFINED: undefined_exit(machine); return;
	case GYRE_EXIT_CONTROL:
		if (page->d0 == GYRE_CONTROL_XSETBV)
			xsetbv_exit(machine);
		else
			emulate(machine);
		return;
	case GYRE_EXIT_INSTRUCTION: instruction_exit(machine); return;
	case GYRE_EXIT_TASK_SWITCH: task_exit(machine); return;
	case GYRE_EXIT_APIC:
	case GYRE_EXIT_SIPI:
	case GYRE_EXIT_NONE: return;
	case GYRE_EXIT_INIT:
		machine_request(machine, MACHINE_RESET, 0);
		return; /* the reset vector would lead into firmware: here */
	case GYRE_EXIT_TRIPLE_FAULT: triple_fault(machine); return;
	case GYRE_EXIT_LOG_FULL: engine_trace_drain(&machine->vcpu); return;
	case GYRE_EXIT_DEBUG:
		if (machine->debug)
			machine->debug(machine, MACHINE_DEBUG_TRAP, 0);
		else
			processor_inject(machine, (unsigned)page->d0 & 31, -1);
		return;
	case GYRE_EXIT_MACHINE_CHECK: machine_crash(machine, "the machine reported a hardware fault in its memory");
	case GYRE_EXIT_FAILED: failed_exit(machine); return;
	case GYRE_EXIT_HALT: halt_exit(machine); return;
	default: {
		char text[120];
		gyre_snprintf(text, sizeof text, "the guest cannot go on: its run gave %d", exit);
		log_registers(machine);
		end(machine, GYRE_END_MONITOR, 0, text);
	}
	}
}

static __attribute__((noinline)) void answer_exit(struct machine *machine, int exit)
{
	switch (exit) {
	case GYRE_EXIT_IO: emulate(machine); break; /* a string of them */
	case GYRE_EXIT_KICK: machine_events(machine); break;
	case GYRE_EXIT_EXTINT:
		machine->vcpu.page->extint_vector = pic_acknowledge(&machine->pic);
		machine->vcpu.page->entry_flags |= GYRE_ENTRY_EXTINT;
		break;
	case GYRE_EXIT_EOI: ioapic_eoi(&machine->ioapic, (uint8_t)machine->vcpu.page->d0); break;
	case GYRE_EXIT_MSR: msr_exit(machine); break;
	case GYRE_EXIT_HYPERCALL: hypercall_exit(machine); break;
	default: other_exit(machine, exit); break;
	}
}

/* The two frequent ones first; bench/ has their instruction counts. */
static inline __attribute__((always_inline)) void answer(struct machine *machine, struct gyre_vcpu_page *page, int exit)
{
	if (exit == GYRE_EXIT_IO && !(page->d0 & GYRE_IO_STRING))
		io_exit(machine, page);
	else if (exit == GYRE_EXIT_MEMORY) {
		/* From 3 to 4 GiB there are devices. */
		if (page->d0 - MEMORY_HOLE >= MEMORY_4G - MEMORY_HOLE || (page->event & GYRE_EVENT_VALID) ||
			(page->d1 & GYRE_ACCESS_WALK) || !memory_fast(machine))
			memory_exit(machine);
	} else
		answer_exit(machine, exit);
	if (__builtin_expect(machine->request != MACHINE_RUN, 0))
		answer_request(machine);
}

void machine_answer(struct machine *machine, int exit)
{
	answer(machine, machine->vcpu.page, exit);
}

void machine_step(struct machine *machine)
{
	answer(machine, machine->vcpu.page, engine_run(&machine->vcpu));
}

/* One VM a process. Its machine is at a constant address: what the loop needs of it is not loaded again after each run, which keeps no registers. */
void monitor_main(const struct engine_vm *vm)
{
	static struct machine machine;
	machine_start(&machine, vm);
	struct gyre_vcpu_page *page = machine.vcpu.page;
	if (vm->recreation)
		recreate_run(&machine);
	engine_mark();
	for (;;)
		answer(&machine, page, engine_run(&machine.vcpu));
}
