/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_vmx_capability.c: what core/virt/vmx makes of a processor's capability MSRs: of kinds that there are, of ones that lack something, and of
 * ones that contradict themselves. SDM vol. 3, appendix "VMX Capability Reporting Facility". And what follows from a processor's model.
 */
/* unit-sources: core/virt/vmx/capability.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/virt/barriers.h"
#include "core/virt/vmx/vmx.h"

/* ---- kinds of processors ---- */
#define FIXED .cr0_fixed0 = 0x80000021, .cr0_fixed1 = 0xffffffff, .cr4_fixed0 = 0x2000
/* Those that say by the "true" registers what need not be 1. */
#define TRUE_CONTROLS                                                                                                  \
	.pin = 0x7f00000016, .controls = 0xfff9fffe04006172, .exit = 0x7fffff00036dfb, .entry = 0xffff000011fb

static const struct vmx_msrs haswell = {.basic = 0x00da040000000012,
	TRUE_CONTROLS,
	.controls2 = 0x00007cff00000000,
	.misc = 0x300481e5,
	.ept_vpid = 0x00000f0106334141,
	FIXED,
	.cr4_fixed1 = 0x1767ff};
/* With all that virtualizes a local APIC, and the log of modified pages. */
static const struct vmx_msrs skylake_x = {.basic = 0x00da040000000004,
	TRUE_CONTROLS,
	.controls2 = 0x0237ffff00000000,
	.misc = 0x7004c1e7,
	.ept_vpid = 0x00000f0106734141,
	FIXED,
	.cr4_fixed1 = 0x3767ff};
/* No accessed and dirty flags, no 1 GiB, no INVPCID. */
static const struct vmx_msrs arrandale = {.basic = 0x00da04000000000f,
	.pin = 0x7f00000016,
	.controls = 0xf7f9fffe04006172,
	.controls2 = 0x000004ff00000000,
	.exit = 0x7fffff00036dfb,
	.entry = 0xffff000011fb,
	.misc = 0x000401e5,
	.ept_vpid = 0x00000f0106114141,
	FIXED,
	.cr4_fixed1 = 0x67ff};
/* Nehalem: no "unrestricted guest". */
static const struct vmx_msrs lynnfield = {.basic = 0x00da04000000000e,
	.pin = 0x7f00000016,
	.controls = 0xf7f9fffe04006172,
	.controls2 = 0x0000006f00000000,
	.exit = 0x7fffff00036dfb,
	.entry = 0xffff000011fb,
	.misc = 0x000401e5,
	.ept_vpid = 0x00000f0106114141,
	FIXED,
	.cr4_fixed1 = 0x27ff};
/* Neither EPT nor the "true" registers. */
static const struct vmx_msrs penryn = {.basic = 0x005a08000000000d,
	.pin = 0x3f00000016,
	.controls = 0xf7f9fffe0401e172,
	.controls2 = 0x0000004100000000,
	.exit = 0x3ffff00036dff,
	.entry = 0x3fff000011ff,
	.misc = 0x403c0,
	FIXED,
	.cr4_fixed1 = 0x27ff};

static struct vmx_features features;
static const char *what;

static enum vmx_capability ask(const struct vmx_msrs *msrs, uint32_t off)
{
	features = (struct vmx_features){0};
	return vmx_capability(msrs, off, &features, &what);
}

#define SET(msr, bits)	 ((msr) |= (bits))
#define ALLOW(msr, bits) ((msr) |= (uint64_t)(bits) << 32)
#define FORBID(msr, bits)                                                                                              \
	do {                                                                                                           \
		(msr) &= ~((uint64_t)(bits) << 32);                                                                    \
		(msr) &= ~(uint64_t)(bits);                                                                            \
	} while (0)

/* What must hold of any choice: what must be 1 is 1, and nothing is 1 that may not be. */
static void obeys(const struct vmx_msrs *m)
{
	const struct {
		uint64_t msr;
		uint32_t chosen, later; /* `later`: ENTRY_LONG_MODE follows the guest */
	} controls[] = {{m->pin, features.pin, 0}, {m->controls, features.controls, 0},
		{m->controls2, features.controls2, 0}, {m->exit, features.exit_controls, 0},
		{m->entry, features.entry_controls, ENTRY_LONG_MODE}};
	for (unsigned i = 0; i < sizeof(controls) / sizeof(controls[0]); i++) {
		uint32_t must = (uint32_t)controls[i].msr, may = (uint32_t)(controls[i].msr >> 32);
		assert_int_equal(must & ~(controls[i].chosen | controls[i].later), 0);
		assert_int_equal(controls[i].chosen & ~may, 0);
	}
	assert_int_equal(features.cr4_fixed0 & ~m->cr4_fixed1, 0);
	assert_int_not_equal(features.cr4_fixed0 & CR4_MCE, 0);
}

static void processors_that_there_are(void **state)
{
	(void)state;
	assert_int_equal(ask(&haswell, 0), VMX_CAN);
	obeys(&haswell);
	assert_int_equal(features.revision, 0x12);
	assert_int_equal(features.timer_shift, 5);
	assert_true(features.unrestricted && features.vpid && features.ept_ad && features.ept_2m && features.ept_1g);
	assert_true(features.invept_single && features.invvpid_single && !features.pml && !features.apicv);
	/* What is on only at times is off; CR8 needs no exits where the processor has a TPR shadow. */
	assert_int_equal(
		features.controls & (CONTROL_INTERRUPT_WINDOW | CONTROL_NMI_WINDOW | CONTROL_RDTSC | CONTROL_CR3_LOAD |
					    CONTROL_CR3_STORE | CONTROL_CR8_LOAD | CONTROL_CR8_STORE),
		0);
	assert_int_not_equal(features.controls & CONTROL_TPR_SHADOW, 0);
	assert_int_not_equal(features.exit_controls & EXIT_SAVE_TIMER, 0);

	assert_int_equal(ask(&skylake_x, 0), VMX_CAN);
	obeys(&skylake_x);
	assert_true(features.pml && features.apicv && features.timer_shift == 7);
	/* On for the one guest that wants it, later. */
	assert_int_equal(features.controls2 & (VMX_APICV | CONTROL2_APIC_ACCESS), 0);

	assert_int_equal(ask(&arrandale, 0), VMX_CAN);
	obeys(&arrandale);
	assert_true(features.unrestricted && features.ept_2m && !features.ept_1g && !features.ept_ad && !features.pml);

	assert_int_equal(ask(&lynnfield, 0), VMX_CAN);
	obeys(&lynnfield);
	assert_true(!features.unrestricted && features.vpid);

	assert_int_equal(ask(&penryn, 0), VMX_LACKS_EPT);
}

/* Without the "true" registers, and with exits of CR3 that can't be turned off. */
static void registers_that_are_not_true(void **state)
{
	struct vmx_msrs m = haswell;
	(void)state;
	m.controls = 0xfff9fffe0401e172;
	m.exit = 0x7fffff00036dff;
	m.entry = 0xffff000011ff;
	assert_int_equal(ask(&m, 0), VMX_CAN);
	obeys(&m);
	assert_int_equal(
		features.controls & (CONTROL_CR3_LOAD | CONTROL_CR3_STORE), CONTROL_CR3_LOAD | CONTROL_CR3_STORE);
}

static void each_control_that_is_needed(void **state)
{
	static const uint32_t pin[] = {PIN_EXTERNAL_INTERRUPT, PIN_NMI, PIN_VIRTUAL_NMI},
			      controls[] = {CONTROL_INTERRUPT_WINDOW, CONTROL_TSC_OFFSET, CONTROL_HLT, CONTROL_MWAIT,
				      CONTROL_RDPMC, CONTROL_RDTSC, CONTROL_CR8_LOAD, CONTROL_CR8_STORE,
				      CONTROL_NMI_WINDOW, CONTROL_MOV_DR, CONTROL_IO, CONTROL_MSR_BITMAP,
				      CONTROL_MONITOR},
			      exit[] = {EXIT_SAVE_DEBUG, EXIT_HOST_64, EXIT_LOAD_PAT, EXIT_LOAD_EFER},
			      entry[] = {ENTRY_LOAD_DEBUG, ENTRY_LONG_MODE, ENTRY_LOAD_PAT, ENTRY_LOAD_EFER};
	(void)state;
#define EACH(field)                                                                                                    \
	for (unsigned i = 0; i < sizeof(field) / sizeof(field[0]); i++) {                                              \
		struct vmx_msrs m = haswell;                                                                           \
		FORBID(m.field, field[i]);                                                                             \
		assert_int_equal(ask(&m, 0), VMX_LACKS);                                                               \
		assert_non_null(what);                                                                                 \
	}
	EACH(pin)
	EACH(controls)
	EACH(exit)
	EACH(entry)
#undef EACH
	struct vmx_msrs m = haswell;
	FORBID(m.controls, CONTROL_SECONDARY);
	assert_int_equal(ask(&m, 0), VMX_LACKS_EPT);
	m = haswell;
	FORBID(m.controls2, CONTROL2_EPT);
	assert_int_equal(ask(&m, 0), VMX_LACKS_EPT);
}

/* EPT is used with four levels, write-back tables, and INVEPT of some type. */
static void each_part_of_ept(void **state)
{
	static const uint64_t missing[] = {1ull << 6, 1ull << 14, 1ull << 20, 3ull << 25};
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct vmx_msrs m = haswell;
		m.ept_vpid &= ~missing[i];
		assert_int_equal(ask(&m, 0), VMX_LACKS_EPT);
	}
	for (unsigned type = 25; type <= 26; type++) {
		struct vmx_msrs m = haswell;
		m.ept_vpid &= ~(1ull << type);
		assert_int_equal(ask(&m, 0), VMX_CAN);
		assert_int_equal(features.invept_single, type == 26);
	}
	/* Page sizes: 1 GiB alone is no use. */
	struct vmx_msrs m = haswell;
	m.ept_vpid &= ~(1ull << 17);
	assert_int_equal(ask(&m, 0), VMX_CAN);
	assert_true(features.ept_2m && !features.ept_1g);
	m.ept_vpid = (haswell.ept_vpid & ~(1ull << 16));
	assert_int_equal(ask(&m, 0), VMX_CAN);
	assert_true(!features.ept_2m && !features.ept_1g);
	/* The log of modified pages wants the dirty flags. */
	m = skylake_x;
	m.ept_vpid &= ~(1ull << 21);
	assert_int_equal(ask(&m, 0), VMX_CAN);
	assert_true(!features.ept_ad && !features.pml);
}

static void vpids_want_a_way_to_invalidate_them(void **state)
{
	static const struct {
		uint64_t missing;
		bool vpid, single;
	} cases[] = {{1ull << 32, false, false}, {3ull << 41, false, false}, {1ull << 41, true, false},
		{1ull << 42, true, true}};
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct vmx_msrs m = haswell;
		m.ept_vpid &= ~cases[i].missing;
		assert_int_equal(ask(&m, 0), VMX_CAN);
		assert_int_equal(features.vpid, cases[i].vpid);
		if (cases[i].vpid)
			assert_int_equal(features.invvpid_single, cases[i].single);
	}
}

static void contradictions(void **state)
{
	(void)state;
	/* A control that must be 1 and may not be. */
#define EACH(field, result)                                                                                            \
	for (unsigned bit = 0; bit < 32; bit++) {                                                                      \
		struct vmx_msrs m = haswell;                                                                           \
		FORBID(m.field, 1u << bit);                                                                            \
		SET(m.field, 1ull << bit);                                                                             \
		enum vmx_capability is = ask(&m, 0);                                                                   \
		assert_true(is == VMX_CONTRADICTS || is == (result));                                                  \
	}
	EACH(pin, VMX_CONTRADICTS)
	EACH(controls, VMX_LACKS_EPT) /* the one by which there are secondary controls */
	EACH(controls2, VMX_LACKS_EPT)
	EACH(exit, VMX_CONTRADICTS)
	EACH(entry, VMX_CONTRADICTS)
#undef EACH
	/* Bits of CR0 and CR4 that must be 1 and may not be. */
	struct vmx_msrs m;
	for (unsigned bit = 0; bit < 64; bit++) {
		m = haswell;
		m.cr0_fixed0 |= 1ull << bit;
		m.cr0_fixed1 &= ~(1ull << bit);
		assert_int_equal(ask(&m, 0), VMX_CONTRADICTS);
		m = haswell;
		m.cr4_fixed0 |= 1ull << bit;
		m.cr4_fixed1 &= ~(1ull << bit);
		assert_int_equal(ask(&m, 0), VMX_CONTRADICTS);
	}
	/* What the core itself has on in VMX operation: PG, WP, NE, PE; VMXE, PGE, MCE, PAE. */
	static const unsigned cr0[] = {31, 16, 5, 0}, cr4[] = {13, 7, 6, 5};
	for (unsigned i = 0; i < 4; i++) {
		m = haswell;
		m.cr0_fixed0 = 0;
		m.cr0_fixed1 &= ~(1ull << cr0[i]);
		assert_int_equal(ask(&m, 0), VMX_CONTRADICTS);
		m = haswell;
		m.cr4_fixed0 = 0;
		m.cr4_fixed1 &= ~(1ull << cr4[i]);
		assert_int_equal(ask(&m, 0), VMX_CONTRADICTS);
	}
	/* BASIC: bit 31, a region of no bytes or of more than a page, memory that is not write-back. */
	static const uint64_t basic[] = {
		0x00da040080000012, 0x00da000000000012, 0x00da100100000012, 0x00c2040000000012};
	for (unsigned i = 0; i < 4; i++) {
		m = haswell;
		m.basic = basic[i];
		assert_int_equal(ask(&m, 0), VMX_CONTRADICTS);
		assert_string_equal(what, "IA32_VMX_BASIC");
	}
	m.basic = 0x00da100000000012; /* a whole page is one */
	assert_int_equal(ask(&m, 0), VMX_CAN);
}

/* Exits that nobody answers. */
static void a_control_that_must_be_on_and_is_unknown(void **state)
{
	struct vmx_msrs m = haswell;
	(void)state;
	ALLOW(m.pin, 1u << 7);
	SET(m.pin, 1u << 7);
	assert_int_equal(ask(&m, 0), VMX_LACKS);
	m = haswell;
	SET(m.controls, 1u << 30); /* exits of PAUSE */
	assert_int_equal(ask(&m, 0), VMX_LACKS);
	m = haswell;
	SET(m.controls2, 1u << 2); /* of LGDT and its kind */
	assert_int_equal(ask(&m, 0), VMX_LACKS);
	m = haswell;
	SET(m.exit, 1u << 22); /* saved, with no preemption timer */
	FORBID(m.pin, PIN_PREEMPTION_TIMER);
	assert_int_equal(ask(&m, 0), VMX_LACKS);
	m = haswell;
	SET(m.entry, 1u << 13);
	assert_int_equal(ask(&m, 0), VMX_LACKS);
}

static void the_command_line_forces_off(void **state)
{
	(void)state;
	assert_int_equal(ask(&haswell, CONTROL2_EPT), VMX_LACKS_EPT);
	assert_int_equal(ask(&skylake_x, CONTROL2_VPID | CONTROL2_UNRESTRICTED | CONTROL2_PML | VMX_APICV), VMX_CAN);
	assert_true(!features.vpid && !features.unrestricted && !features.pml && !features.apicv);
	obeys(&skylake_x);
	/* One of its parts is enough. */
	assert_int_equal(ask(&skylake_x, CONTROL2_X2APIC), VMX_CAN);
	assert_false(features.apicv);
	/* A local APIC that the processor runs wants the TPR shadow, without which CR8 exits. */
	struct vmx_msrs m = skylake_x;
	FORBID(m.controls, CONTROL_TPR_SHADOW);
	assert_int_equal(ask(&m, 0), VMX_CAN);
	assert_false(features.apicv);
	assert_int_equal(
		features.controls & (CONTROL_CR8_LOAD | CONTROL_CR8_STORE), CONTROL_CR8_LOAD | CONTROL_CR8_STORE);
	m = haswell;
	FORBID(m.pin, PIN_PREEMPTION_TIMER);
	assert_int_equal(ask(&m, 0), VMX_CAN);
	assert_int_equal(features.exit_controls & EXIT_SAVE_TIMER, 0);
}

/* ---- by model ---- */
static void barriers_by_model(void **state)
{
	const uint32_t old = BARRIER_ENTRY_VERW | BARRIER_ENTRY_L1D | BARRIER_CALL_IBPB;
	(void)state;
	for (uint32_t family = 6; family < 0x14; family++)
		for (uint32_t model = 0; model < 0x100; model++) {
			uint32_t set = vmx_barriers_of(family, model);
			assert_int_equal(set & ~VMX_BARRIERS_HEAVIEST, 0);
			assert_int_equal(set & (BARRIER_EXIT_RSB | BARRIER_USER_IBPB | BARRIER_SWITCH_IBPB),
				BARRIER_EXIT_RSB | BARRIER_USER_IBPB | BARRIER_SWITCH_IBPB);
		}
	static const uint32_t sampled[] = {0x1a, 0x1e, 0x25, 0x2a, 0x3a, 0x3c, 0x3d, 0x4e, 0x55, 0x8e, 0x9e, 0x66};
	for (unsigned i = 0; i < sizeof(sampled) / sizeof(sampled[0]); i++) {
		assert_int_equal(vmx_barriers_of(6, sampled[i]) & old, old);
		assert_true(vmx_itlb_multihit(6, sampled[i], 0));
		assert_false(vmx_itlb_multihit(6, sampled[i], 1u << 6));
		assert_false(vmx_itlb_multihit(0xf, sampled[i], 0));
	}
	static const uint32_t stale[] = {0x6a, 0x7e, 0x8c, 0xa7};
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(vmx_barriers_of(6, stale[i]) & old, BARRIER_ENTRY_VERW);
		assert_false(vmx_itlb_multihit(6, stale[i], 0));
	}
	static const uint32_t later[] = {0x8f, 0x97, 0xcf};
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(vmx_barriers_of(6, later[i]) & old, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(processors_that_there_are),
		cmocka_unit_test(registers_that_are_not_true),
		cmocka_unit_test(each_control_that_is_needed),
		cmocka_unit_test(each_part_of_ept),
		cmocka_unit_test(vpids_want_a_way_to_invalidate_them),
		cmocka_unit_test(contradictions),
		cmocka_unit_test(a_control_that_must_be_on_and_is_unknown),
		cmocka_unit_test(the_command_line_forces_off),
		cmocka_unit_test(barriers_by_model),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
