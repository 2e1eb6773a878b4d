/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/fpu.c: see fpu.h. APM vol. 2, "x87, SSE and AVX State", "XSAVE/XRSTOR Instructions"; SDM vol. 1, "Managing State Using the XSAVE Feature Set".
 *
 * While nobody's state is loaded, and while a thread's is, XCR0 has all that a state can hold. A guest's XCR0 is put in after its registers and read back
 * before they are saved: not every processor tells when a guest changes it.
 */
#include "core/virt/fpu.h"
#include "core/virt/msr.h"
#include "core/x86/cpu.h"
#include "core/x86/cpu_features.h"
#include "core/x86/log.h"
#include "gyre/errors.h"
#include "lib/string.h"

#define FPU_FRAME     4096
#define META_OFFSET   4032 /* behind the largest area */
#define LEGACY_BYTES  512
#define HEADER_OFFSET 512
#define FCW_RESET     0x37f
#define MXCSR_RESET   0x1f80u
#define MXCSR_AT      24
#define MXCSR_MASK_AT 28
#define XCR0_X87_SSE  3ul

struct xsave_header {
	uint64_t xstate_bv, xcomp_bv, reserved[6];
};

SEALED static uint64_t xcr0_all = XCR0_X87_SSE; /* at most what fits in a state */
SEALED static uint32_t mxcsr_mask = 0xffbf;
SEALED static uint8_t clean_state[FPU_FRAME] __attribute__((aligned(64)));

/* XCR0, behind the XSAVE area of a state. */
static uint64_t *xcr0_of(const void *state)
{
	return (uint64_t *)((char *)state + META_OFFSET);
}

uint64_t fpu_xcr0_supported(void)
{
	return cpu_features.xsave ? xcr0_all : 0;
}

/* A frame that is zeroed already. */
void fpu_state_reset(void *state)
{
	*(uint16_t *)state = FCW_RESET;
	*(uint32_t *)((char *)state + MXCSR_AT) = MXCSR_RESET;
	*xcr0_of(state) = 1;
}

/* With CR0.TS clear. */
static void restore(const void *state)
{
	uint32_t low = (uint32_t)xcr0_all, high = (uint32_t)(xcr0_all >> 32);
	if (cpu_features.xsave)
		__asm__ volatile("xrstor64 (%0)" : : "r"(state), "a"(low), "d"(high) : "memory");
	else
		__asm__ volatile("fxrstor64 (%0)" : : "r"(state) : "memory");
}

static void save(void *state)
{
	uint32_t low = (uint32_t)xcr0_all, high = (uint32_t)(xcr0_all >> 32);
	if (cpu_features.xsave)
		__asm__ volatile("xsave64 (%0)" : : "r"(state), "a"(low), "d"(high) : "memory");
	else
		__asm__ volatile("fxsave64 (%0)" : : "r"(state) : "memory");
}

/*
 * On some processors FXSAVE and FXRSTOR leave the pointers to the last instruction and its operand as they are while no exception is pending (APM vol. 2,
 * "FXSAVE and FXRSTOR Instructions"; CVE-2006-1056): they would show one guest the addresses of another. A load makes them the core's.
 */
static void clear_pointers(void)
{
	static const uint32_t zero;
	__asm__ volatile("fnclex; emms; fildl %0" : : "m"(zero));
}

static void clear(void)
{
	clear_pointers();
	restore(clean_state);
}

static void measure_xsave(void)
{
	/* A state is one frame; what is beyond (tile registers) nobody gets. */
	static const uint64_t candidates[] = {0x2ff, 0xff, 0x7, XCR0_X87_SSE};
	for (unsigned i = 0; i < sizeof(candidates) / sizeof(candidates[0]); i++) {
		uint64_t xcr0 = candidates[i] & cpu_features.xcr0_supported;
		if (!xcr0_valid(xcr0, xcr0) || (xcr0 & 2) == 0)
			continue;
		xcr_write(0, xcr0);
		if (cpuid(0xd, 0).ebx <= META_OFFSET) {
			xcr0_all = xcr0;
			return;
		}
	}
	xcr_write(0, XCR0_X87_SSE);
}

void fpu_init(struct cpu *cpu)
{
	static uint8_t area[LEGACY_BYTES] __attribute__((aligned(64)));
	uint32_t mask;
	if (cpu_features.xsave) {
		cr4_write(cr4_read() | CR4_OSXSAVE);
		measure_xsave();
	}
	cpu_ts_clear();
	__asm__ volatile("fninit; fxsave64 %0" : "=m"(area));
	memcpy(&mask, area + MXCSR_MASK_AT, sizeof(mask));
	if (mask != 0)
		mxcsr_mask = mask;
	fpu_state_reset(clean_state);
	clear();
	cpu_ts_set();
	cpu->fpu_owner = NULL;
}

static void save_owner(struct cpu *cpu)
{
	void *state = cpu->fpu_owner;
	if (cpu_features.xsave) {
		*xcr0_of(state) = xcr_read(0);
		if (*xcr0_of(state) != xcr0_all)
			xcr_write(0, xcr0_all);
	}
	save(state);
	cpu->fpu_owner = NULL;
}

void fpu_enter(struct cpu *cpu, void *state)
{
	cpu_ts_clear();
	if (cpu->fpu_owner == state)
		return;
	if (cpu->fpu_owner != NULL)
		save_owner(cpu);
	clear_pointers();
	restore(state);
	if (cpu_features.xsave && *xcr0_of(state) != xcr0_all)
		xcr_write(0, *xcr0_of(state));
	cpu->fpu_owner = state;
}

void fpu_leave_slow(struct cpu *cpu)
{
	if (cpu->fpu_owner == NULL)
		return;
	cpu_ts_clear();
	save_owner(cpu);
	clear();
	cpu_ts_set();
}

void fpu_forget(struct cpu *cpu, void *state)
{
	if (state != NULL && cpu->fpu_owner == state)
		fpu_leave_slow(cpu);
}

void fpu_state_get(const void *state, void *page, uint64_t xcr0_allowed)
{
	struct xsave_header *header = (struct xsave_header *)((char *)page + HEADER_OFFSET);
	memcpy(page, state, META_OFFSET);
	memset((char *)page + META_OFFSET, 0, FPU_FRAME - META_OFFSET);
	/* A processor may say of parts that they are in use which the guest can't have used: set would refuse them. */
	header->xstate_bv = cpu_features.xsave ? header->xstate_bv & xcr0_allowed : XCR0_X87_SSE;
}

/* What XRSTOR checks, in its standard form: APM vol. 4, XRSTOR. */
int fpu_state_set(void *state, const void *page, uint64_t xcr0_allowed)
{
	struct xsave_header header;
	uint32_t mxcsr;
	/* The page may change meanwhile: what is checked is a copy, and the copy is what is used. */
	memcpy(&header, (const char *)page + HEADER_OFFSET, sizeof(header));
	memcpy(&mxcsr, (const char *)page + MXCSR_AT, sizeof(mxcsr));
	if ((header.xstate_bv & ~(xcr0_allowed & xcr0_all)) != 0 || header.xcomp_bv != 0 || (mxcsr & ~mxcsr_mask) != 0)
		return -GYRE_EINVAL;
	for (int i = 0; i < 6; i++)
		if (header.reserved[i] != 0)
			return -GYRE_EINVAL;
	memcpy(state, page, META_OFFSET);
	memcpy((char *)state + HEADER_OFFSET, &header, sizeof(header));
	memcpy((char *)state + MXCSR_AT, &mxcsr, sizeof(mxcsr));
	return 0;
}

uint64_t fpu_state_xcr0(const void *state)
{
	return *xcr0_of(state);
}

bool fpu_state_xcr0_set(void *state, uint64_t xcr0, uint64_t allowed)
{
	if (!xcr0_valid(xcr0, allowed & xcr0_all))
		return false;
	*xcr0_of(state) = xcr0;
	return true;
}
