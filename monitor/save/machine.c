/* SPDX-License-Identifier: Apache-2.0 */
/* monitor/save/machine.c: see machine.h. All sections but those of devices, whose fields are in their own files. */
#include "monitor/save/machine.h"
#include "monitor/machine/machine.h"
#include "monitor/save/processor.h"
#include "gyre/errors.h"
#include "lib/format.h"
#include "lib/string.h"

#define VM_VERSION	1u
#define TIME_VERSION	1u
#define MSR_VERSION	1u
#define CONSOLE_VERSION 1u
#define DEVICE_BYTES	8192u

/* What the VM was made of: a state is restored into the same. */
struct saved_vm {
	uint64_t memory, tsc_khz;
	uint32_t cpus, level, physical_bits, apic_timer_khz;
	uint8_t test_device;
};

struct saved_time {
	uint64_t machine, wall; /* machine time, and nanoseconds since 1970, at the same moment */
};

struct saved_machine {
	uint64_t started, pv_system, pv_wall;
	uint32_t request, request_code, quick_resets, lines;
	uint8_t halt_told;
};

/* Everything as it is in the stream: filled in first, then used. */
static struct saved {
	struct save_stream stream;
	struct saved_vm vm;
	struct saved_time time;
	struct saved_machine machine;
	struct saved_processor processor;
	struct msr_state msr;
	struct engine_console console;
	uint8_t device[DEVICE_BYTES];
} saved;

/* ---- fields ---- */

static void vm_fields(struct save *save, void *data)
{
	struct saved_vm *vm = data;
	save_u64(save, &vm->memory);
	save_u64(save, &vm->tsc_khz);
	save_u32(save, &vm->cpus);
	save_u32(save, &vm->level);
	save_u32(save, &vm->physical_bits);
	save_u32(save, &vm->apic_timer_khz);
	save_u8(save, &vm->test_device);
}

static void time_fields(struct save *save, void *data)
{
	struct saved_time *time = data;
	save_u64(save, &time->machine);
	save_u64(save, &time->wall);
}

static void machine_fields(struct save *save, void *data)
{
	struct saved_machine *machine = data;
	save_u64(save, &machine->started);
	save_u64(save, &machine->pv_system);
	save_u64(save, &machine->pv_wall);
	save_u32(save, &machine->request);
	save_u32(save, &machine->request_code);
	save_u32(save, &machine->quick_resets);
	save_u32(save, &machine->lines);
	save_u8(save, &machine->halt_told);
}

static void console_fields(struct save *save, void *data)
{
	struct engine_console *console = data;
	save_u8(save, &console->refused);
	save_u32(save, &console->count);
	if (console->count > ENGINE_WAITING_BYTES)
		console->count = 0, save->failed = 1;
	save_bytes(save, console->waiting, console->count);
}

/* ---- sections ---- */

/* One pass over all sections: out is where they are written, or NULL. */
static int section(
	struct save *out, const char *name, uint32_t version, void (*fields)(struct save *, void *), void *data)
{
	struct save in;
	if (out != NULL) {
		save_section(out, name, version);
		fields(out, data);
		return 0;
	}
	int error = save_take(&saved.stream, name, version, &in);
	if (error < 0)
		return error;
	fields(&in, data);
	return save_close(&saved.stream, name, &in);
}

static int first_sections(struct save *out)
{
	int error = section(out, "vm", VM_VERSION, vm_fields, &saved.vm);
	if (error == 0)
		error = section(out, "time", TIME_VERSION, time_fields, &saved.time);
	if (error == 0)
		error = section(out, "processor0", PROCESSOR_VERSION, processor_fields, &saved.processor);
	if (error == 0)
		error = section(out, "apic0", APIC_VERSION, apic_fields, &saved.processor);
	if (error == 0)
		error = section(out, "fpu0", FPU_VERSION, fpu_fields, &saved.processor);
	if (error == 0)
		error = section(out, "machine", MACHINE_VERSION, machine_fields, &saved.machine);
	return error == 0 ? section(out, "msr", MSR_VERSION, msr_fields, &saved.msr) : error;
}

/* A device's state in saved.device[]; NULL: no room for it, which a unit test would see. */
static void *device_copy(const struct machine *machine, unsigned index)
{
	size_t at = 0;
	for (unsigned i = 0; i < index; i++)
		at += (machine->device[i].ops->state_bytes + 7) & ~7ull;
	return at + machine->device[index].ops->state_bytes <= DEVICE_BYTES ? saved.device + at : NULL;
}

static int device_sections(struct save *out, const struct machine *machine)
{
	int error = 0;
	for (unsigned i = 0; error == 0 && i < machine->devices; i++) {
		const struct device_ops *ops = machine->device[i].ops;
		void *copy = device_copy(machine, i);
		if (copy == NULL)
			return -GYRE_ENOMEM;
		if (out != NULL)
			device_save(&machine->device[i], copy);
		else
			memset(copy, 0, ops->state_bytes);
		error = section(out, ops->name, ops->version, ops->fields, copy);
	}
	return error;
}

/* ---- saving ---- */

static struct saved_vm vm_of(const struct machine *machine)
{
	const struct gyre_vcpu_policy *policy = &machine->level.policy;
	return (struct saved_vm){machine->vm->memory, machine->clock.khz, machine->vm->cpus, machine->vm->level,
		policy->physical_bits, policy->apic_timer_khz, (machine->vm->flags & GYRE_VM_TEST_DEVICE) != 0};
}

static int save_all(struct machine *machine, struct save *save)
{
	saved.vm = vm_of(machine);
	int error = processor_get(machine, &saved.processor);
	if (error < 0)
		return error;
	saved.time.machine = clock_now(&machine->clock);
	saved.time.wall = engine_wall_clock();
	saved.machine = (struct saved_machine){machine->started, machine->cpu.pv_system, machine->cpu.pv_wall,
		machine->request, machine->request_code, machine->quick_resets, machine->lines.level,
		machine->halt_told != 0};
	saved.msr = machine->msr;
	first_sections(save);
	engine_console_get(&saved.console);
	if ((error = device_sections(save, machine)) < 0)
		return error;
	return section(save, "console", CONSOLE_VERSION, console_fields, &saved.console);
}

size_t machine_save(struct machine *machine, void *buffer, size_t bytes)
{
	struct save save;
	save_begin(&save, buffer, bytes);
	return save_all(machine, &save) < 0 ? 0 : save_end(&save);
}

size_t machine_save_quick(struct machine *machine, void *buffer, size_t bytes)
{
	struct save save;
	save_begin(&save, buffer, bytes);
	return save_all(machine, &save) < 0 ? 0 : save_end_quick(&save);
}

/* ---- restoring ---- */

static int wrong(const char **why, const char *what)
{
	*why = what;
	return -GYRE_EPROTO;
}

int machine_restore_begin(struct machine *machine, const void *data, size_t bytes, uint64_t host_offset,
	int64_t *tsc_ahead, const char **why)
{
	*why = saved.stream.why;
	int error = save_open(&saved.stream, data, bytes);
	if (error == 0)
		error = first_sections(NULL);
	if (error < 0)
		return error;
	if (saved.time.machine >> 62 != 0)
		return wrong(why, "the saved state's time cannot be");
	*tsc_ahead = saved.processor.tsc_ahead;
	machine->clock.offset = host_offset != 0 ? host_offset : saved.time.machine - engine_tsc();
	return 0;
}

static const char *vm_differs(const struct saved_vm *was, const struct saved_vm *is)
{
	if (was->memory != is->memory)
		return "the saved state is of a VM with another amount of memory";
	if (was->cpus != is->cpus)
		return "the saved state is of a VM with another number of processors";
	if (was->level != is->level || was->physical_bits != is->physical_bits ||
		was->apic_timer_khz != is->apic_timer_khz)
		return "the saved state is of a VM with another CPU level";
	if (was->tsc_khz != is->tsc_khz)
		return "the saved state is of a machine whose TSC has another rate";
	if (was->test_device != is->test_device)
		return "the saved state is of a VM with other devices (--test-device)";
	return NULL;
}

/* All of it, with nothing changed. */
static int check(struct machine *machine, const char **why)
{
	struct saved_vm is = vm_of(machine);
	if ((*why = vm_differs(&saved.vm, &is)) != NULL)
		return -GYRE_EPROTO;
	*why = saved.stream.why;
	int error = device_sections(NULL, machine);
	for (unsigned i = 0; error == 0 && i < machine->devices; i++)
		if ((error = machine->device[i].ops->check(device_copy(machine, i))) < 0)
			gyre_snprintf(saved.stream.why, sizeof(saved.stream.why),
				"section %s of the saved state says what cannot be", machine->device[i].ops->name);
	if (error == 0)
		error = section(NULL, "console", CONSOLE_VERSION, console_fields, &saved.console);
	if (error == 0)
		error = save_all_taken(&saved.stream);
	if (error < 0)
		return error;
	if (saved.machine.request > MACHINE_DEBUG_EXIT || saved.machine.lines >> IOAPIC_PINS != 0 ||
		saved.machine.halt_told > 1)
		return wrong(why, "section machine of the saved state says what cannot be");
	if (saved.console.refused > 1)
		return wrong(why, "section console of the saved state says what cannot be");
	if (!msr_valid(machine, &saved.msr))
		return wrong(why, "section msr of the saved state says what cannot be");
	return 0;
}

int machine_restore(struct machine *machine, const char **why)
{
	int error = check(machine, why);
	if (error < 0)
		return error;
	if (processor_set(machine, &saved.processor) < 0)
		return wrong(why, "the core does not take the saved state of the processor");
	machine->msr = saved.msr;
	machine->started = saved.machine.started;
	machine->cpu = (struct machine_cpu){saved.machine.pv_system, saved.machine.pv_wall};
	machine->request = saved.machine.request;
	machine->request_code = saved.machine.request_code;
	machine->quick_resets = saved.machine.quick_resets;
	machine->halt_told = saved.machine.halt_told;
	machine->lines.level = saved.machine.lines;
	for (unsigned i = 0; i < machine->devices; i++)
		memcpy(machine->device[i].state, device_copy(machine, i), machine->device[i].ops->state_bytes);
	engine_console_set(&saved.console);
	return 0;
}

void machine_resume(struct machine *machine)
{
	for (unsigned i = 0; i < machine->devices; i++)
		machine->device[i].ops->resume(machine->device[i].self, clock_now(&machine->clock));
}
