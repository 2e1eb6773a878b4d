/* SPDX-License-Identifier: Apache-2.0 */
/* monitor/engine/native.c: the engine on Gyre's core: guest memory, virtual processors, events, time. Nearly every function is one call. */
#include "monitor/engine/native.h"
#include "lib/format.h"
#include "lib/native.h"
#include "lib/string.h"

struct native native;

static uint64_t ram_bytes(void)
{
	return native.start->memory + native.start->extra;
}

/* ---- start ---- */

/* One file after the other, each from a page on. */
static int file_map(const struct gyre_start_file *from, struct engine_file *file, uint64_t *at)
{
	file->name = native.start->text + from->name;
	file->arguments = native.start->text + from->arguments;
	file->bytes = from->bytes;
	file->data = NULL;
	if (from->memory == 0)
		return 0;
	uint64_t pages = (from->bytes + 4095) / 4096;
	if (*at < NATIVE_RAM && pages * 4096 > NATIVE_RAM - *at)
		*at = NATIVE_FILES_HIGH;
	long error = memory_map_all(0, from->memory, 0, *at, pages, GYRE_RIGHT_READ);
	file->data = (const uint8_t *)*at;
	*at += pages * 4096;
	return (int)error;
}

int engine_files(void)
{
	struct engine_vm *vm = native.vm_given;
	uint64_t at = NATIVE_FILES;
	if (native.files_mapped)
		return 0;
	native.files_mapped = 1;
	int error = file_map(&native.start->kernel, &vm->kernel, &at);
	vm->initrds = native.start->initrds;
	for (uint32_t i = 0; error == 0 && i < vm->initrds; i++)
		error = file_map(&native.start->initrd[i], &vm->initrd[i], &at);
	return error;
}

static void vm_fill(struct engine_vm *vm)
{
	const struct gyre_start *start = native.start;
	vm->name = start->name;
	vm->memory = start->memory;
	vm->ram = (uint8_t *)NATIVE_RAM;
	vm->cpus = start->cpus;
	vm->level = start->level;
	vm->flags = start->vm_flags;
	vm->append = start->text + start->append;
	vm->tsc_khz = native.machine.tsc_khz;
	vm->physical_bits = native.machine.physical_bits;
	vm->apic_timer_khz = 0; /* the core counts it by the TSC, at any rate */
	if ((start->vm_flags & GYRE_VM_RECREATE) != 0) {
		vm->recreation = (struct gyre_recreation *)GYRE_RECREATION_ADDRESS;
		vm->recreate_first = start->recreate_first;
		vm->recreate_every = start->recreate_every;
		vm->recreate_seed = start->recreate_seed;
	}
}

int native_init(const struct gyre_start *start, struct engine_vm *vm, const char **what)
{
	native.start = start;
	native.channel = (struct gyre_channel *)GYRE_CHANNEL_ADDRESS;
	channel_init();
	*what = "the machine's figures cannot be had";
	long error = machine_info(&native.machine);
	if (error < 0)
		return (int)error;
	call_by_interrupt = (native.machine.features & GYRE_FEATURE_CALL_BY_INTERRUPT) != 0;
	*what = "its virtual machine cannot be made";
	long handle = vm_create(0);
	if (handle < 0)
		return (int)handle;
	native.vm = (handle_t)handle;
	*what = "its memory cannot be mapped";
	error = memory_map_all(0, start->ram, 0, NATIVE_RAM, ram_bytes() / 4096, GYRE_RIGHT_READ | GYRE_RIGHT_WRITE);
	if (error < 0)
		return (int)error;
	native.vm_given = vm;
	*what = "its files cannot be mapped";
	/* One that goes on from a saved state needs them for a reset only. */
	if ((start->flags & GYRE_START_SAVED) == 0 && (error = engine_files()) < 0)
		return (int)error;
	vm_fill(vm);
	if ((start->flags & GYRE_START_SEEDED) != 0)
		random_mix(&native.random, start->seed, sizeof(start->seed));
	console_init();
	return 0;
}

/* ---- guest-physical memory ---- */

_Static_assert(
	ENGINE_READ == GYRE_RIGHT_READ && ENGINE_WRITE == GYRE_RIGHT_WRITE && ENGINE_EXEC == GYRE_RIGHT_EXEC, "");

/* Where the core may read the guest's instructions. What is unmapped later stays a window: the core reads what lies there, not what is mapped. */
static void window_add(uint64_t gpa, uint64_t bytes, uint64_t address)
{
	for (unsigned i = 0; i < GYRE_RAM_WINDOWS; i++) {
		struct gyre_ram_window *window = &native.window[i];
		if (window->bytes > 0 && gpa >= window->gpa && gpa + bytes <= window->gpa + window->bytes)
			return; /* mapped again */
		if (window->bytes == 0) {
			*window = (struct gyre_ram_window){gpa, bytes, address};
			return;
		}
	}
}

int engine_map(uint64_t gpa, uint64_t bytes, uint8_t *host, uint32_t rights)
{
	uint64_t offset = (uintptr_t)host - NATIVE_RAM;
	if (((gpa | bytes | offset) & 4095) != 0 || offset > ram_bytes() || bytes > ram_bytes() - offset)
		return -GYRE_EINVAL;
	long error = vm_map_all(native.vm, native.start->ram, offset / 4096, gpa / 4096, bytes / 4096, rights);
	if (error == 0 && offset < native.start->memory)
		window_add(gpa, bytes, (uintptr_t)host);
	return (int)error;
}

int engine_unmap(uint64_t gpa, uint64_t bytes)
{
	return (int)vm_unmap_all(native.vm, gpa / 4096, bytes / 4096);
}

int engine_dirty_log(int on)
{
	return (int)vm_dirty_log(native.vm, on);
}

int engine_dirty_take(uint64_t gpa, uint64_t pages, uint64_t *bitmap)
{
	static uint64_t unwanted[GYRE_DIRTY_PAGES / 64];
	int dirty = 0;
	for (uint64_t done = 0; done < pages; done += GYRE_DIRTY_PAGES) {
		uint64_t part = pages - done < GYRE_DIRTY_PAGES ? pages - done : GYRE_DIRTY_PAGES;
		long result = vm_dirty_take(
			native.vm, gpa / 4096 + done, part, bitmap != NULL ? bitmap + done / 64 : unwanted);
		if (result == -GYRE_EAGAIN)
			done -= GYRE_DIRTY_PAGES; /* the same again */
		else if (result < 0)
			return (int)result;
		else
			dirty += (int)result;
	}
	return dirty;
}

uint8_t *engine_memory(uint64_t bytes)
{
	uint64_t left = native.start->extra - native.extra_used;
	if (bytes > left || (bytes & 4095) != 0)
		return NULL;
	uint8_t *memory = (uint8_t *)NATIVE_RAM + native.start->memory + native.extra_used;
	native.extra_used += bytes;
	return memory;
}

/* ---- virtual processors ---- */

int engine_vcpu_create(struct engine_vcpu *vcpu, uint32_t apic_id)
{
	if (native.vcpus == NATIVE_VCPUS)
		return -GYRE_ENOMEM;
	uint8_t *pages = (uint8_t *)NATIVE_VCPU_ADDRESS + native.vcpus * GYRE_VCPU_PAGES * 4096ull;
	long handle = vcpu_create(native.vm, apic_id, pages);
	if (handle < 0)
		return (int)handle;
	long error = vcpu_kick_on((handle_t)handle, native.start->event);
	/* What came before (input, typed while the machine booted) has kicked nobody. */
	if (error >= 0)
		error = vcpu_kick((handle_t)handle, GYRE_KICK_EXIT);
	if (error < 0)
		return (int)error;
	*vcpu = (struct engine_vcpu){
		.page = (void *)(pages + GYRE_VCPU_PAGE_RUN * 4096),
		.state = (void *)(pages + GYRE_VCPU_PAGE_STATE * 4096),
		.fpu = pages + GYRE_VCPU_PAGE_FPU * 4096,
		.counters = (void *)(pages + GYRE_VCPU_PAGE_COUNTERS * 4096),
		.apic_id = apic_id,
		.handle = (uint32_t)handle,
	};
	native.counters[native.vcpus++] = vcpu->counters;
	return 0;
}

int engine_vcpu_policy(struct engine_vcpu *vcpu, const struct gyre_vcpu_policy *policy,
	const struct gyre_cpuid_entry *cpuid, uint32_t entries)
{
	struct gyre_vcpu_policy whole = *policy;
	if (whole.tsc_khz == 0)
		whole.tsc_khz = (uint32_t)native.machine.tsc_khz;
	if (whole.apic_timer_khz == 0)
		whole.apic_timer_khz = native.machine.apic_timer_khz;
	memcpy(whole.ram, native.window, sizeof(whole.ram));
	long error = vcpu_policy(vcpu->handle, &whole, cpuid, entries);
	if (error < 0) {
		char text[80];
		gyre_snprintf(text, sizeof(text), "the core refuses the processor's policy (error %ld)", error);
		engine_log(text);
	}
	return (int)error;
}

int engine_state_get(struct engine_vcpu *vcpu, uint32_t groups)
{
	return (int)vcpu_state_get(vcpu->handle, groups);
}

int engine_state_set(struct engine_vcpu *vcpu, uint32_t groups)
{
	return (int)vcpu_state_set(vcpu->handle, groups);
}

_Static_assert(ENGINE_KICK_EXIT == GYRE_KICK_EXIT, "passed on as it comes");
_Static_assert(ENGINE_KICK_NMI == GYRE_KICK_NMI, "passed on as it comes");

int engine_kick(struct engine_vcpu *vcpu, uint32_t flags)
{
	return (int)vcpu_kick(vcpu->handle, flags);
}

void engine_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	__asm__ volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3]) : "a"(leaf), "c"(subleaf));
}

/* ---- interrupts, doorbells, events ---- */

int engine_msi(uint64_t address, uint32_t data)
{
	return (int)vm_interrupt(native.vm, address, data);
}

int engine_doorbell(uint16_t port, uint32_t size, uint64_t match, int bell)
{
	if (bell > ENGINE_DOORBELL_UNHEARD)
		return -GYRE_EINVAL;
	if (bell == ENGINE_DOORBELL_UNHEARD) {
		long event = event_create();
		return event < 0 ? (int)event : (int)vm_doorbell(native.vm, port, size, match, (handle_t)event, 0);
	}
	if (bell < 0)
		return (int)vm_doorbell(native.vm, port, size, match, 0, 0);
	return (int)vm_doorbell(
		native.vm, port, size, match, native.start->event, NATIVE_BIT_DOORBELL + (uint32_t)bell);
}

_Static_assert(ENGINE_EVENT_TIMER >> NATIVE_BIT_TIMER == 1, "passed on as it comes");
_Static_assert(ENGINE_EVENT_DOORBELL(0) == 1ull << NATIVE_BIT_DOORBELL, "passed on as they come");
#define PASSED_ON (ENGINE_EVENT_TIMER | 0xffffffffull << NATIVE_BIT_DOORBELL)

uint64_t engine_events(int wait)
{
	uint64_t bits, events;
	do {
		if (event_wait(native.start->event, wait ? GYRE_FOREVER : 0, &bits) < 0)
			bits = 0;
		events = (bits & PASSED_ON) | console_events(bits);
		if ((bits & 1ull << GYRE_CHANNEL_POWER_KEY) != 0)
			events |= ENGINE_EVENT_POWER_KEY;
		if ((bits & 1ull << GYRE_CHANNEL_DEBUG) != 0)
			events |= ENGINE_EVENT_DEBUG;
	} while (wait && events == 0);
	return events;
}

/* ---- time ---- */

uint64_t engine_tsc(void)
{
	uint32_t low, high;
	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

uint64_t engine_wall_clock(void)
{
	uint64_t ticks = engine_tsc() - native.start->wall_tsc, hz = native.machine.tsc_khz * 1000;
	/* A product below 2^64: hz is below 18.4e9. */
	return native.start->wall_nanoseconds + ticks / hz * 1000000000 + ticks % hz * 1000000000 / hz;
}

void engine_timer(uint64_t deadline)
{
	event_timer(native.start->event, NATIVE_BIT_TIMER, deadline);
}

/* ---- entropy ---- */

size_t engine_random(void *data, size_t bytes)
{
	uint64_t word;
	int fresh = random_processor(&word);
	if (!fresh && (native.start->flags & GYRE_START_SEEDED) == 0)
		return 0; /* nothing here is random */
	if (fresh)
		random_mix(&native.random, &word, sizeof(word));
	word = engine_tsc();
	random_mix(&native.random, &word, sizeof(word));
	random_bytes(&native.random, data, bytes);
	return bytes;
}
