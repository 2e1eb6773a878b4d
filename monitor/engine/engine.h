/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/engine/engine.h: all that a monitor asks of its host. The same monitor runs as a process on Gyre's core (native*.c), on Linux
 * (linux*.c) and in unit tests (fake.c); nothing outside this folder knows on which. One engine is linked into a program.
 *
 * Start          The host's own main() fills in a struct engine_vm and calls monitor_main(), which does not return (or debug_main() of
 *                monitor/debug, for a VM under a debugger). The host calls nothing else of the monitor: it is one loop around engine_run(), on one thread.
 * Memory         The host maps the VM's RAM into the monitor in one piece; the machine decides where in the guest's address space it lies, and
 *                asks for that by engine_map().
 * Waking         Input, room for output, the timer and doorbells make a run in progress (or the next one) return GYRE_EXIT_KICK, and end a
 *                halt; engine_events() then says which it was. An event is only a hint: looking once too often does no harm.
 * Errors         negative GYRE_E codes.
 */
#ifndef MONITOR_ENGINE_ENGINE_H
#define MONITOR_ENGINE_ENGINE_H

#include <stddef.h>
#include <stdint.h>
#include "gyre/channel.h"
#include "gyre/config.h"
#include "gyre/vcpu.h"

/* A file as it came, read-only, kept for the life of the VM: a reset loads it again. bytes 0 and data NULL: there is none. */
struct engine_file {
	const char *name; /* as the user gave it, for messages and Multiboot command lines; never NULL */
	const uint8_t *data;
	uint64_t bytes;
	const char *arguments; /* of an initrd or module; never NULL */
};

/* What the host gives the monitor. Constant from the call of monitor_main on. */
struct engine_vm {
	const char *name;
	uint64_t memory; /* bytes of RAM, a multiple of 2 MiB, at least 2 MiB */
	uint8_t *
		ram; /* all of it, zeroed at the start; 2 MiB aligned in the host's physical memory where that is possible */
	uint32_t cpus;
	uint32_t level; /* enum gyre_level */
	uint32_t flags; /* GYRE_VM_ */
	uint32_t initrds;
	struct engine_file kernel;
	const char *append; /* the kernel's command line, never NULL */
	struct engine_file initrd[GYRE_CONFIG_INITRDS];
	uint64_t tsc_khz;	/* rate of engine_tsc() */
	uint32_t physical_bits; /* of the host's processor */
	uint32_t
		apic_timer_khz; /* rate of the undivided local APIC timer that the host offers; 0: the monitor chooses */
	/* GYRE_VM_RECREATE: what outlives this process, with the state that it starts from if bytes is not 0; else NULL. */
	struct gyre_recreation *recreation;
	uint32_t recreate_first, recreate_every, recreate_seed; /* as in struct gyre_config_vm */
};

/* A virtual processor. The pages are shared with whoever runs it: include/gyre/vcpu.h. */
struct engine_vcpu {
	struct gyre_vcpu_page *page;
	struct gyre_vcpu_state *state; /* a page: behind it lies struct gyre_dump */
	uint8_t *fpu;		       /* 4 KiB: XSAVE form, legacy region first */
	const struct gyre_vcpu_counters *counters;
	uint32_t apic_id;
	uint32_t handle; /* the engine's own */
};

/* ---- the monitor, for the host ---- */
void monitor_main(const struct engine_vm *vm) __attribute__((noreturn));

/* ---- guest-physical memory ----
 * host lies in engine_vm.ram or in what engine_memory() gave. All addresses and sizes are multiples of 4 KiB. Mapping over a mapping is
 * -GYRE_EEXIST. Unmapping a hole is no error. A write to what is mapped without ENGINE_WRITE is GYRE_EXIT_MEMORY.
 */
#define ENGINE_READ  0x1u
#define ENGINE_WRITE 0x2u
#define ENGINE_EXEC  0x4u
#define ENGINE_RAM   (ENGINE_READ | ENGINE_WRITE | ENGINE_EXEC)
#define ENGINE_ROM   (ENGINE_READ | ENGINE_EXEC)
int engine_map(uint64_t gpa, uint64_t bytes, uint8_t *host, uint32_t rights);
int engine_unmap(uint64_t gpa, uint64_t bytes);
/* The dirty log: which pages of RAM were written (include/gyre/calls.h, vm_dirty_log and vm_dirty_take, have the particulars). Both work
 * in bounded pieces inside and return when all is done. engine_dirty_take: one bit a page, bitmap NULL throws the answer away; the pages' number. */
int engine_dirty_log(int on);
int engine_dirty_take(uint64_t gpa, uint64_t pages, uint64_t *bitmap);
/* More memory that can be mapped into the guest (ROMs, RAM of devices): zeroed, page aligned, never given back. NULL: none left. */
uint8_t *engine_memory(uint64_t bytes);

/* ---- virtual processors ---- */
int engine_vcpu_create(struct engine_vcpu *vcpu, uint32_t apic_id);
/* Before the first run. cpuid is sorted by (leaf, subleaf). The engine sets tsc_khz and apic_timer_khz right if they are 0. */
int engine_vcpu_policy(struct engine_vcpu *vcpu, const struct gyre_vcpu_policy *policy,
	const struct gyre_cpuid_entry *cpuid, uint32_t entries);
/* Runs the guest until an exit: enum gyre_exit, or a negative code. The hot path: it should be the host's call and nothing else. */
#ifdef GYRE_NATIVE
#include "lib/vcpu_run.h"
static inline int engine_run(struct engine_vcpu *vcpu)
{
	return (int)vcpu_run(vcpu->handle);
}
#else
int engine_run(struct engine_vcpu *vcpu);
#endif
int engine_state_get(struct engine_vcpu *vcpu, uint32_t groups);
int engine_state_set(struct engine_vcpu *vcpu, uint32_t groups);
#define ENGINE_KICK_EXIT 0x1u
#define ENGINE_KICK_NMI	 0x2u
int engine_kick(struct engine_vcpu *vcpu, uint32_t flags);
/* The host processor's CPUID, for levels: eax, ebx, ecx, edx. */
void engine_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
/* A record of each exit in the trace pages (GYRE_VM_TRACE). -GYRE_ENOTSUP where the host has none. The engine empties the ring: see
 * engine_trace_drain(), called on GYRE_EXIT_LOG_FULL and before the end. */
int engine_trace(struct engine_vcpu *vcpu, int on);
void engine_trace_drain(struct engine_vcpu *vcpu);

/* ---- interrupts and doorbells ---- */
int engine_msi(uint64_t address, uint32_t data);
/* A guest's OUT of size bytes to port (with value match; ~0: any) becomes the event ENGINE_EVENT_DOORBELL(bell), bell < ENGINE_DOORBELLS;
 * the guest runs on. bell < 0 removes it. */
#define ENGINE_DOORBELLS 32
#define ENGINE_DOORBELL_UNHEARD                                                                                        \
	ENGINE_DOORBELLS /* as a bell: the event is signalled, and nobody waits for it (measurements) */
int engine_doorbell(uint16_t port, uint32_t size, uint64_t match, int bell);

/* ---- events ---- */
#define ENGINE_EVENT_TIMER (1ull << 0) /* the deadline of engine_timer has passed */
#define ENGINE_EVENT_INPUT (1ull << 1) /* engine_console_read may have something */
#define ENGINE_EVENT_OUTPUT                                                                                            \
	(1ull << 2) /* engine_console_write may take something again, after it took less than was offered */
#define ENGINE_EVENT_POWER_KEY	 (1ull << 3) /* someone asks the guest to power off */
#define ENGINE_EVENT_DEBUG	 (1ull << 4) /* engine_debug_read may have something */
#define ENGINE_EVENT_DOORBELL(n) (1ull << (32 + (n)))
/* What has come since the last call, or 0; wait: sleeps until there is something (the guest is halted for good, or stopped). */
uint64_t engine_events(int wait);

/* ---- time ---- */
/* The host's TSC: never goes back, runs at engine_vm.tsc_khz. */
uint64_t engine_tsc(void);
/* Nanoseconds since 1970-01-01 00:00 UTC, now. */
uint64_t engine_wall_clock(void);
/* The one timer: ENGINE_EVENT_TIMER when engine_tsc() reaches deadline (at once if it has); 0 disarms. */
void engine_timer(uint64_t deadline);

/* ---- console, log, entropy, end ---- */
/* The first serial port. How many bytes were taken: less than asked when there is no room, then ENGINE_EVENT_OUTPUT follows. The engine may
 * collect bytes, and sends what it has when the guest halts or waits, after a few milliseconds, and before the end. */
size_t engine_console_write(const uint8_t *data, size_t bytes);
size_t engine_console_read(uint8_t *data, size_t bytes);
/* The debugger's line (GYRE_VM_DEBUG): what has come, at most that many bytes; and all of these bytes to it, waiting where it must. */
size_t engine_debug_read(uint8_t *data, size_t bytes);
void engine_debug_write(const uint8_t *data, size_t bytes);
/* One line for people, without the newline; bounded to 240 bytes by the engine. */
void engine_log(const char *line);
/* The guest's first instruction is next. An emulator that counts instructions sees a marker here and at engine_end (bench/plugin/count.c). */
void engine_mark(void);
/* Random bytes: how many were given. */
size_t engine_random(void *data, size_t bytes);
/* The files are in memory from here on, as struct engine_vm has them: called before a kernel is loaded, which a restored machine may never do. */
int engine_files(void);
/* What the engine itself holds of the VM: bytes of the console that are on their way out. */
#define ENGINE_WAITING_BYTES 2048u
struct engine_console {
	uint8_t refused; /* 1: the guest offered more than was taken, and waits for ENGINE_EVENT_OUTPUT */
	uint32_t count;	 /* at most ENGINE_WAITING_BYTES */
	uint8_t waiting[ENGINE_WAITING_BYTES];
};
void engine_console_get(struct engine_console *console);
void engine_console_set(const struct engine_console *console);
/* Only with engine_vm.recreation, which has the state: this process ends, and a new one goes on from there. */
void engine_recreate(void) __attribute__((noreturn));
/* The VM has ended. reason: enum gyre_end_reason; code: of a debug exit the guest's value, of GYRE_END_REFUSED the command's exit code
 * (GYRE_STATUS_); text: one line for people, or "". */
void engine_end(uint32_t reason, uint32_t code, const char *text) __attribute__((noreturn));

#endif
