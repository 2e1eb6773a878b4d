/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/machine/foreign.c: what the level's vendor has and the machine's has not. A processor of Intel's takes SYSCALL in 64-bit mode only; AMD's, whose name
 * portable-1 bears, in compatibility mode too, where it enters 64-bit mode at CSTAR (APM vol. 3, "SYSCALL"): 32-bit programs of a 64-bit system call it so. There it
 * arrives as #UD, which is done here or given to the guest.
 */
#include "monitor/machine/machine.h"

#define EFER_SCE      1u
#define RFLAGS_ALWAYS 2ull
#define RFLAGS_RF     (1ull << 16)
#define CODE_64	      0xa9bu /* of ring 0, as SYSCALL sets them whatever their descriptors say */
#define DATA	      0xc93u

/* Two bytes at CS:RIP, outside 64-bit mode. What cannot be fetched is no SYSCALL. */
static int at_syscall(struct machine *machine)
{
	static const uint8_t wanted[2] = {0x0f, 0x05};
	const struct gyre_vcpu_page *page = machine->vcpu.page;
	struct emu *emu = &machine->emu;
	emulator_load(machine);
	for (unsigned i = 0; i < 2; i++) {
		uint64_t linear = (uint32_t)(page->cs_base + (uint32_t)(page->rip + i)), gpa;
		if (emu_walk(emu, linear, EMU_ACCESS_FETCH | (emu->cpu.cpl == 3 ? EMU_ACCESS_USER : 0), &gpa) !=
			EMU_DONE)
			return 0;
		const uint8_t *host = machine_ram(machine, gpa, 1);
		if (!host || *(const volatile uint8_t *)host != wanted[i])
			return 0;
	}
	return 1;
}

static int syscall_32(struct machine *machine)
{
	struct gyre_vcpu_page *page = machine->vcpu.page;
	struct gyre_vcpu_state *state = machine->vcpu.state;
	if ((page->mode & (GYRE_MODE_LMA | GYRE_MODE_CS_L)) != GYRE_MODE_LMA ||
		!(machine->level.policy.flags & GYRE_POLICY_UNDEFINED_EXIT) || !at_syscall(machine))
		return 0;
	if (engine_state_get(&machine->vcpu, GYRE_STATE_SEGMENTS | GYRE_STATE_CONTROL | GYRE_STATE_MSRS) < 0 ||
		!(state->efer & EFER_SCE))
		return 0;
	uint16_t selector = (uint16_t)(state->star >> 32);
	state->segment[GYRE_CS] = (struct gyre_segment){selector & 0xfffc, CODE_64, 0xffffffff, 0};
	state->segment[GYRE_SS] = (struct gyre_segment){(uint16_t)(selector + 8), DATA, 0xffffffff, 0};
	if (engine_state_set(&machine->vcpu, GYRE_STATE_SEGMENTS) < 0)
		return 0;
	page->gpr[GYRE_RCX] = (uint32_t)(page->rip + 2);
	page->gpr[GYRE_R11] = page->rflags & ~RFLAGS_RF;
	page->rip = state->cstar;
	page->rflags = (page->rflags & ~state->sfmask & ~RFLAGS_RF) | RFLAGS_ALWAYS;
	page->entry_flags |= GYRE_ENTRY_COMPLETED;
	return 1;
}

void undefined_exit(struct machine *machine)
{
	if (!syscall_32(machine))
		processor_inject(machine, 6, -1);
}
