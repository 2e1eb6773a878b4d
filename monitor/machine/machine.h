/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/machine/machine.h: one VM: its memory, its processor, its devices, and the loop that runs it.
 *
 * Everything is on one thread. What a device asks for (power-off, reset) is noted, and done when the exit that asked has been answered.
 */
#ifndef MONITOR_MACHINE_MACHINE_H
#define MONITOR_MACHINE_MACHINE_H

#include <stdint.h>
#include "monitor/boot/boot.h"
#include "monitor/dev/acpi_pm.h"
#include "monitor/dev/device.h"
#include "monitor/dev/i8042.h"
#include "monitor/dev/ioapic.h"
#include "monitor/dev/pci.h"
#include "monitor/dev/pic8259.h"
#include "monitor/dev/pit8254.h"
#include "monitor/dev/rtc.h"
#include "monitor/dev/testdev.h"
#include "monitor/dev/uart16550.h"
#include "monitor/emu/emu.h"
#include "monitor/engine/engine.h"
#include "monitor/machine/bus.h"
#include "monitor/machine/clock.h"
#include "monitor/machine/level.h"
#include "monitor/machine/lines.h"
#include "monitor/machine/memory.h"
#include "monitor/machine/msr.h"
#include "monitor/machine/pvclock.h"

#define MACHINE_DEVICES	  16
#define MACHINE_APIC_PAGE 0xfee00000ull
#define MACHINE_RESETS_TOLD                                                                                            \
	8 /* triple faults in a row, each before the guest ran for a second, that the log is told of */

/* What the monitor keeps for the guest's processor beside the core's state. */
struct machine_cpu {
	uint64_t pv_system, pv_wall; /* the two paravirtual clock MSRs */
};

/* An instruction that was seen at a device before: memory_fast.c. */
#define FAST_SLOTS 16u /* a power of two */
#define FAST_BYTES 16u
#define FAST_EMPTY 0xffffffffu /* no mode word */
struct fast_mov {
	uint32_t length, reg, write, immediate, value;
};
struct fast_slot {
	uint64_t rip, cr3, cr4;
	uint32_t mode; /* FAST_EMPTY: none */
	struct fast_mov mov;
	const uint64_t *entry[4]; /* the page-table entries that lead to it, and what they held */
	uint64_t value[4];
	const uint64_t *code; /* where it is, at any alignment, and what was there */
	uint64_t bytes[FAST_BYTES / 8];
};

/* TRAP: #BP, or INT n, at RIP. CRASH: the guest's end is next, and it is as it was. END: with the value of the command's exit. */
enum machine_debug { MACHINE_DEBUG_TRAP, MACHINE_DEBUG_CRASH, MACHINE_DEBUG_END };

struct machine {
	const struct engine_vm *vm;
	struct engine_vcpu vcpu;
	/* what a guest can change */
	struct machine_cpu cpu;
	struct msr_state msr;
	struct pic8259 pic;
	struct pit8254 pit;
	struct ioapic ioapic;
	struct rtc rtc;
	struct uart16550 uart;
	struct pci pci;
	struct acpi_pm pm;
	struct i8042 kbc;
	struct testdev testdev;
	struct device device[MACHINE_DEVICES];
	unsigned devices;
	/* wiring */
	struct lines lines;
	struct clock clock;
	struct memory memory;
	struct memory_range device_ram; /* of the test device */
	struct level level;
	struct bus bus;
	struct boot boot;
	/* a request, done after the exit: enum machine_request */
	uint32_t request, request_code;
	/* the emulator's run at the moment */
	struct emu emu;
	struct fast_slot fast[FAST_SLOTS];
	uint64_t emu_apic; /* gpa of a local APIC access that is to be done on entry, or 0 */
	int emu_apic_known;
	uint32_t emu_apic_value;
	/* triple faults */
	unsigned quick_resets;
	uint64_t started; /* machine time of the last start */
	int halt_told;
	/* monitor/debug wants to know; NULL: there is no debugger. From inside of machine_step(). */
	void (*debug)(struct machine *machine, enum machine_debug what, uint32_t code);
};

/* Builds the machine and starts the kernel; ends the VM where that cannot be. */
void machine_start(struct machine *machine, const struct engine_vm *vm);
/* One run of the guest and the answer to its exit. */
void machine_step(struct machine *machine);
/* The second half of it. */
void machine_answer(struct machine *machine, int exit);
/* Devices as after power-on, the kernel loaded anew, the processor at its entry. */
void machine_reset(struct machine *machine);

void machine_request(void *machine, enum machine_request request, uint32_t code);
void machine_crash(struct machine *machine, const char *what) __attribute__((noreturn));
void machine_events(struct machine *machine);
void machine_take_events(struct machine *machine, uint64_t events); /* ENGINE_EVENT_ */

/* RAM of any kind, the test device's too; NULL: a device, or nothing. */
static inline uint8_t *machine_ram(struct machine *machine, uint64_t gpa, uint64_t bytes)
{
	uint8_t *host = memory_at(&machine->memory, gpa, bytes);
	uint64_t offset = gpa - machine->device_ram.gpa;
	if (!host && offset < machine->device_ram.bytes && bytes <= machine->device_ram.bytes - offset)
		host = machine->device_ram.host + offset;
	return host;
}

/* ---- processor.c: its state at the start ---- */
int processor_start(struct machine *machine);
/* An exception for the guest on its next entry. error < 0: without an error code. */
void processor_inject(struct machine *machine, unsigned vector, int64_t error);
/* foreign.c: #UD, which may be an instruction of the level's vendor. */
void undefined_exit(struct machine *machine);

/* ---- memory_exit.c: exits that need the emulator; memory_fast.c: those that hardly do ---- */
void memory_exit(struct machine *machine);
/* 1: done. 0: nothing has changed, the emulator has to look at it. */
int memory_fast(struct machine *machine);
/* EFER as the mode word has it. */
#define EMULATOR_EFER(mode) (((mode)&GYRE_MODE_LMA ? 0x501ull : 0) | ((mode)&GYRE_MODE_NXE ? 0x800ull : 0))
void emulator_init(struct machine *machine);
/* The length of the instruction at RIP, 0: it cannot be fetched. */
unsigned emulator_length(struct machine *machine);
/* Executes the instruction at RIP in software. emulate_try: EMU_DONE; EMU_EXCEPTION: it is pending; of anything else nothing has been done. */
void emulate(struct machine *machine);
enum emu_result emulate_try(struct machine *machine);
/* The page's state to the emulator, and groups that it changed back to the processor: 0, or negative where they are not possible. */
void emulator_load(struct machine *machine);
int emulator_store_groups(struct machine *machine);

/* ---- task.c: GYRE_EXIT_TASK_SWITCH ---- */
void task_exit(struct machine *machine);

#endif
