/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/machine/msr.c: a table of what each MSR holds and which bits of it may be written; the rest is #GP, as on a processor without it.
 *
 * MTRRs are stored and read back consistently (SDM vol. 3, "Memory Type Range Registers") and have no effect: guest RAM is write-back.
 *
 * Of a processor of Intel's, what kernels read without having looked at CPUID has a value: MISC_ENABLE (before they have an IDT), the microcode's revision,
 * the platform id. What belongs to features that the level hides (FEATURE_CONTROL, PLATFORM_INFO, ARCH_CAPABILITIES, counters, thermal, power) is a fault.
 */
#include "monitor/machine/machine.h"
#include "lib/string.h"

#define MTRR_CAP	  0xfe
#define MTRR_BASE_0	  0x200
#define MTRR_FIX64K	  0x250
#define MTRR_FIX16K	  0x258
#define MTRR_FIX4K	  0x268
#define MTRR_DEFAULT	  0x2ff
#define MISC_ENABLE	  0x1a0
#define MISC_ENABLE_RESET (1 | 1ull << 11 | 1ull << 12) /* fast strings; no BTS, no PEBS */
#define SYSCFG		  0xc0010010u
#define HWCR		  0xc0010015u
#define HWCR_TSC_FREQ	  (1ull << 24) /* the TSC counts at the P0 rate: an invariant one does */
#define HWCR_WRITABLE	  (HWCR_TSC_FREQ | 1ull << 18 | 1ull << 8 | 1ull << 6 | 1ull << 3)
#define NB_CFG		  0xc001001fu
#define DE_CFG		  0xc0011029u
#define EFER_LME	  (1ull << 8)
#define EFER_LMA	  (1ull << 10)

/* Which of the eleven fixed-range registers, or -1. */
static int fixed_index(uint32_t index)
{
	if (index == MTRR_FIX64K)
		return 0;
	if (index == MTRR_FIX16K || index == MTRR_FIX16K + 1)
		return (int)(index - MTRR_FIX16K + 1);
	if (index >= MTRR_FIX4K && index < MTRR_FIX4K + 8)
		return (int)(index - MTRR_FIX4K + 3);
	return -1;
}

/* Memory types: 0 UC, 1 WC, 4 WT, 5 WP, 6 WB. */
static int type_exists(uint8_t type)
{
	return type < 7 && (0x73u >> type & 1);
}

static int fixed_valid(uint64_t value)
{
	for (int i = 0; i < 8; i++)
		if (!type_exists((uint8_t)(value >> 8 * i)))
			return 0;
	return 1;
}

static int is_intel(const struct machine *machine)
{
	return machine->level.cpuid[0].ebx == 0x756e6547; /* "Genu" */
}

/* Those that are part of the processor's own state: read and written there. */
#define STATE(name) offsetof(struct gyre_vcpu_state, name)
static const struct {
	uint32_t index, group;
	size_t offset;
} of_state[] = {
	{0xc0000080, GYRE_STATE_CONTROL, STATE(efer)},
	{0xc0000081, GYRE_STATE_MSRS, STATE(star)},
	{0xc0000082, GYRE_STATE_MSRS, STATE(lstar)},
	{0xc0000083, GYRE_STATE_MSRS, STATE(cstar)},
	{0xc0000084, GYRE_STATE_MSRS, STATE(sfmask)},
	{0x1d9, GYRE_STATE_MSRS, STATE(debugctl)},
	{0x277, GYRE_STATE_MSRS, STATE(pat)},
};

/* Its value within the state as it is now; NULL: not one of them, or the core refuses. *group: which it belongs to. */
static uint64_t *state_msr(struct machine *machine, uint32_t index, uint32_t *group)
{
	for (unsigned i = 0; i < sizeof of_state / sizeof of_state[0]; i++) {
		if (of_state[i].index != index)
			continue;
		*group = of_state[i].group;
		if (engine_state_get(&machine->vcpu, *group) < 0)
			return NULL;
		return (uint64_t *)((char *)machine->vcpu.state + of_state[i].offset);
	}
	return NULL;
}

/* What the core does not check by itself. APM vol. 2, "Extended Feature Enable Register (EFER)": LMA is what it is, LME is fixed while there is paging. */
static int state_msr_write(struct machine *machine, uint64_t *place, uint32_t group, uint64_t value)
{
	const struct gyre_vcpu_state *state = machine->vcpu.state;
	if (group == GYRE_STATE_CONTROL) {
		value = (value & ~EFER_LMA) | (*place & EFER_LMA);
		if ((value & ~machine->level.policy.efer_allowed) || ((value ^ *place) & EFER_LME && state->cr0 >> 31))
			return -1;
	}
	*place = value;
	return engine_state_set(&machine->vcpu, group) < 0 ? -1 : 0;
}

int msr_read(struct machine *machine, uint32_t index, uint64_t *value)
{
	uint32_t group;
	const uint64_t *place = state_msr(machine, index, &group);
	if (place) {
		*value = *place;
		return 0;
	}
	const struct msr_state *msr = &machine->msr;
	int fixed = fixed_index(index);
	if (fixed >= 0) {
		*value = msr->mtrr_fixed[fixed];
		return 0;
	}
	if (index - MTRR_BASE_0 < 2 * MSR_VARIABLE_MTRRS) {
		*value = msr->mtrr_variable[index - MTRR_BASE_0];
		return 0;
	}
	switch (index) {
	case MTRR_CAP: *value = MSR_VARIABLE_MTRRS | 1u << 8 | 1u << 10; return 0; /* fixed ranges, write combining */
	case MTRR_DEFAULT: *value = msr->mtrr_default; return 0;
	case 0x8b: *value = is_intel(machine) ? 1ull << 32 : 0x01000065; return 0; /* the microcode's revision */
	case 0x17: *value = 0; return 0;  /* platform id: no microcode to load */
	case 0x179: *value = 0; return 0; /* no banks of machine check */
	case 0x17a: *value = msr->mcg_status; return 0;
	case 0x00:
	case 0x01: *value = 0; return 0; /* P5 machine check */
	case MSR_PV_CLOCK: *value = machine->cpu.pv_system; return 0;
	case MSR_PV_WALL_CLOCK: *value = machine->cpu.pv_wall; return 0;
	default: break;
	}
	if (is_intel(machine)) {
		if (index != MISC_ENABLE)
			return -1;
		*value = msr->misc_enable; /* read before a kernel has an IDT */
		return 0;
	}
	switch (index) {
	case HWCR: *value = msr->hwcr; return 0;
	case SYSCFG:
	case NB_CFG: *value = 0; return 0;
	case DE_CFG: *value = 2; return 0; /* LFENCE serializes */
	default: return -1;
	}
}

static int mtrr_write(const struct machine *machine, struct msr_state *msr, uint32_t index, uint64_t value)
{
	uint64_t width = (1ull << machine->level.policy.physical_bits) - 1;
	int fixed = fixed_index(index);
	if (fixed >= 0) {
		if (!fixed_valid(value))
			return -1;
		msr->mtrr_fixed[fixed] = value;
		return 0;
	}
	if (index == MTRR_DEFAULT) {
		if ((value & ~0xcffull) || !type_exists((uint8_t)value))
			return -1;
		msr->mtrr_default = value;
		return 0;
	}
	/* Bases have a type in their low byte, masks the valid bit 11. */
	uint64_t low = index & 1 ? 0x800 : 0xff;
	if ((value & ~(width & ~0xfffull) & ~low) || (!(index & 1) && !type_exists((uint8_t)value)))
		return -1;
	msr->mtrr_variable[index - MTRR_BASE_0] = value;
	return 0;
}

int msr_write(struct machine *machine, uint32_t index, uint64_t value)
{
	struct msr_state *msr = &machine->msr;
	uint32_t group;
	uint64_t *place = state_msr(machine, index, &group);
	if (place)
		return state_msr_write(machine, place, group, value);
	if (fixed_index(index) >= 0 || index == MTRR_DEFAULT || index - MTRR_BASE_0 < 2 * MSR_VARIABLE_MTRRS)
		return mtrr_write(machine, msr, index, value);
	switch (index) {
	case MSR_PV_CLOCK: return pvclock_system(machine, value);
	case MSR_PV_WALL_CLOCK:
		if (pvclock_wall(machine, value) < 0)
			return -1;
		machine->cpu.pv_wall = value;
		return 0;
	case 0x8b: return 0; /* what a system does before it reads the revision */
	case 0x79: return 0; /* Intel's microcode loader: there is nothing that it could change */
	case 0x17a:
		if (value & ~7ull)
			return -1;
		msr->mcg_status = value;
		return 0;
	case 0x00:
	case 0x01: return 0;
	default: break;
	}
	if (is_intel(machine)) {
		if (index != MISC_ENABLE)
			return -1;
		/* Fast strings and "limit CPUID" may be switched; monitoring that isn't there stays unavailable. */
		msr->misc_enable = (msr->misc_enable & ~1ull) | (value & 1);
		return 0;
	}
	switch (index) {
	case HWCR:
		if (value & ~HWCR_WRITABLE)
			return -1;
		msr->hwcr = value | HWCR_TSC_FREQ;
		return 0;
	case SYSCFG: return value ? -1 : 0; /* the extended types of fixed ranges are not there */
	case NB_CFG: return 0;
	case DE_CFG: return value & ~2ull ? -1 : 0;
	default: return -1;
	}
}

void msr_reset(struct machine *machine)
{
	struct msr_state *msr = &machine->msr;
	uint64_t width = (1ull << machine->level.policy.physical_bits) - 1;
	memset(msr, 0, sizeof *msr);
	/* As firmware leaves them: write-back, but for the VGA's window and the hole below 4 GiB. */
	msr->mtrr_default = 0xc06;
	for (int i = 0; i < 11; i++)
		msr->mtrr_fixed[i] = i == 2 ? 0 : 0x0606060606060606ull;
	msr->mtrr_variable[0] = MEMORY_HOLE;
	msr->mtrr_variable[1] = (width & ~(MEMORY_4G - MEMORY_HOLE - 1)) | 0x800;
	msr->hwcr = HWCR_TSC_FREQ;
	msr->misc_enable = MISC_ENABLE_RESET;
}

/* ---- saved form ---- */

void msr_fields(struct save *save, void *data)
{
	struct msr_state *msr = data;
	save_u64(save, &msr->mtrr_default);
	for (unsigned i = 0; i < sizeof(msr->mtrr_fixed) / sizeof(msr->mtrr_fixed[0]); i++)
		save_u64(save, &msr->mtrr_fixed[i]);
	for (unsigned i = 0; i < 2 * MSR_VARIABLE_MTRRS; i++)
		save_u64(save, &msr->mtrr_variable[i]);
	save_u64(save, &msr->hwcr);
	save_u64(save, &msr->mcg_status);
	save_u64(save, &msr->misc_enable);
}

/* What a guest can have written, or msr_reset() has. */
int msr_valid(struct machine *machine, const struct msr_state *msr)
{
	struct msr_state copy = *msr;
	int error = mtrr_write(machine, &copy, MTRR_DEFAULT, msr->mtrr_default);
	for (unsigned i = 0; error == 0 && i < sizeof(msr->mtrr_fixed) / sizeof(msr->mtrr_fixed[0]); i++)
		error = fixed_valid(msr->mtrr_fixed[i]) ? 0 : -1;
	for (unsigned i = 0; error == 0 && i < 2 * MSR_VARIABLE_MTRRS; i++)
		error = mtrr_write(machine, &copy, MTRR_BASE_0 + i, msr->mtrr_variable[i]);
	return error == 0 && (msr->hwcr & ~HWCR_WRITABLE) == 0 && (msr->mcg_status & ~7ull) == 0 &&
	       (msr->misc_enable & ~1ull) == (MISC_ENABLE_RESET & ~1ull);
}
