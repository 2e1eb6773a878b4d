/* SPDX-License-Identifier: Apache-2.0 */
/* core/virt/barriers.c: the choice of barriers at start. */
#include "core/virt/barriers.h"
#include "core/boot/boot.h"
#include "core/x86/cpu_features.h"
#include "core/x86/log.h"
#include "core/x86/msr.h"
#include "core/x86/regs.h"
#include "lib/string.h"

#define MSR_FLUSH_CMD  0x10b
/* Written in their place, where a barrier is only to be counted: what they hold, as far as the core uses it. */
#define MSR_STAND_IN   MSR_PAT
#define STAND_IN_VALUE ((uint32_t)CORE_PAT)

SEALED struct barriers barriers = {.selector = SELECTOR_CORE_DATA};

/* APM vol. 3, CPUID Fn8000_0008_EBX; SDM vol. 2, CPUID leaf 7. */
static bool processor_has_ibpb(void)
{
	return (cpuid(0x80000000, 0).eax >= 0x80000008 && (cpuid(0x80000008, 0).ebx & 1u << 12) != 0) ||
	       (cpuid(0, 0).eax >= 7 && (cpuid(7, 0).edx & 1u << 26) != 0);
}

/* These want a register that the processor may not have. Forced, another one is written in its place. */
static void missing(uint32_t bits, bool there, uint32_t *msr)
{
	if (there || (barriers.set & bits) == 0)
		return;
	if (barriers.forced) {
		*msr = MSR_STAND_IN;
		barriers.value = STAND_IN_VALUE;
		return;
	}
	barriers.set &= ~bits;
	/* An emulated processor guesses nothing. */
	if (!cpu_features.hypervisor)
		log_warn("this processor needs barriers 0x%x and has no register for them: its microcode is old, "
			 "guests can leak",
			bits);
}

static uint32_t hexadecimal(const char **text)
{
	uint32_t value = 0;
	for (;; (*text)++) {
		char c = **text;
		if (c >= '0' && c <= '9')
			value = value << 4 | (uint32_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value << 4 | (uint32_t)(c - 'a' + 10);
		else
			return value;
	}
}

void barriers_init(uint32_t (*of_model)(uint32_t family, uint32_t model), uint32_t heaviest)
{
	const char *option = core_option("barriers");
	barriers.set = of_model(cpu_features.family, cpu_features.model);
	barriers.forced = option != NULL;
	if (option != NULL && strcmp(option, "heaviest") == 0) {
		barriers.set = heaviest;
	} else if (option != NULL && strcmp(option, "none") == 0) {
		barriers.set = 0;
		log_warn("barriers against speculation are off: guests can read what they should not");
	} else if (option != NULL) {
		uint32_t family = hexadecimal(&option);
		if (*option == '.')
			option++;
		barriers.set = of_model(family, hexadecimal(&option));
		if (*option != 0)
			log_warn("barriers=%s: FAMILY.MODEL are two hexadecimal numbers", core_option("barriers"));
	}
	barriers.msr = MSR_PRED_CMD;
	barriers.l1d_msr = MSR_FLUSH_CMD;
	barriers.value = 1; /* IBPB, and L1D_FLUSH */
	missing(BARRIER_EXIT_IBPB | BARRIER_CALL_IBPB | BARRIER_USER_IBPB | BARRIER_SWITCH_IBPB, processor_has_ibpb(),
		&barriers.msr);
	missing(BARRIER_ENTRY_L1D, cpuid(0, 0).eax >= 7 && (cpuid(7, 0).edx & 1u << 28) != 0, &barriers.l1d_msr);
	barriers.l1d = (barriers.set & BARRIER_ENTRY_L1D) != 0;
	barriers.before_user = (barriers.set & (BARRIER_USER_IBPB | BARRIER_EXIT_IBPB)) == BARRIER_USER_IBPB;
	barriers.at_entry = (barriers.set & (BARRIER_EXIT_RSB | BARRIER_EXIT_IBPB | BARRIER_ENTRY_VERW)) != 0;
	log_info("barriers: 0x%x%s", barriers.set, barriers.forced ? " (forced)" : "");
}
