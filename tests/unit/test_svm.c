/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_svm.c: core/virt/svm against a model of the processor: clean bits, exits, the state. Events: test_svm_events.c; translations by ASID:
 * test_svm_asid.c.
 */
/* unit-sources: tests/unit/svm_model.c tests/unit/virt_fixture.c tests/unit/virt_memory.c */
/* unit-sources: core/virt/svm/events.c core/virt/svm/exit.c core/virt/svm/page.c */
/* unit-sources: core/virt/svm/slow.c core/virt/svm/state.c core/virt/svm/vmcb.c core/virt/inject.c core/virt/msr.c core/virt/hypercall.c */
/* unit-sources: core/virt/cpuid_table.c core/virt/fetch.c core/virt/trace.c core/virt/answer.c */
/* unit-sources: core/virt/vlapic.c core/virt/vlapic_regs.c core/virt/vlapic_bus.c core/virt/vlapic_timer.c */
#include "tests/unit/svm_model.h"
#include "core/virt/barriers.h"
#include "core/x86/msr.h"
#include "core/x86/trap.h"
#include "gyre/errors.h"

/* ---- clean bits ---- */
static void the_model_finds_what_it_is_for(void **state)
{
	(void)state;
	run_to(SVM_EXIT_INTR, 0, 0);
	for (unsigned i = 0; i < SVM_MODEL_FIELDS; i++) {
		VMCB->clean = VMCB_CLEAN_ALL;
		((uint8_t *)VMCB)[svm_model_fields[i].offset] ^= 1;
		assert_string_equal(clean_bits_lie(VMCB), svm_model_fields[i].name);
	}
}

static void each_setter_marks_its_field(void **state)
{
	static const struct vmcb_segment segment = {1, 2, 3, 4};
	(void)state;
#define SETS(field, value)                                                                                             \
	do {                                                                                                           \
		clean_bits_lie(VMCB);                                                                                  \
		VMCB->clean = VMCB_CLEAN_ALL;                                                                          \
		vmcb_set_##field(VMCB, value);                                                                         \
		assert_null(clean_bits_lie(VMCB));                                                                     \
		assert_int_not_equal(VMCB->clean, VMCB_CLEAN_ALL);                                                     \
		assert_int_equal(__builtin_popcount(VMCB_CLEAN_ALL & ~VMCB->clean), 1);                                \
	} while (0)
	SETS(intercept_cr_write, 0x1234);
	SETS(intercept_dr_read, 0x1234);
	SETS(intercept_dr_write, 0x1234);
	SETS(intercept_exceptions, 0x12345);
	SETS(intercept_misc1, 0x12345);
	SETS(intercept_misc2, 0x12345);
	SETS(intercept_misc3, 0x12345);
	SETS(pause_threshold, 0x1234);
	SETS(pause_count, 0x1234);
	SETS(tsc_offset, 0x12345);
	SETS(iopm, 0x12345);
	SETS(msrpm, 0x12345);
	SETS(asid, 77);
	SETS(v_tpr, 7);
	SETS(v_irq, 1);
	SETS(v_control, 7);
	SETS(v_vector, 0x33);
	SETS(v_masking, 3);
	SETS(nested_control, 3);
	SETS(nested_cr3, 0x12345);
	SETS(pat, 0x12345);
	SETS(cr0, 0x12345);
	SETS(cr3, 0x12345);
	SETS(cr4, 0x12345);
	SETS(efer, 0x12345);
	SETS(dr6, 0x12345);
	SETS(dr7, 0x12345);
	SETS(gdtr, segment);
	SETS(idtr, segment);
	SETS(es, segment);
	SETS(cs, segment);
	SETS(ss, segment);
	SETS(ds, segment);
	SETS(cpl, 3);
	SETS(cr2, 0x12345);
}

static uint64_t word(void)
{
	return (uint64_t)rand() << 42 ^ (uint64_t)rand() << 21 ^ (uint64_t)rand();
}

static void random_state_set(void)
{
	struct gyre_vcpu_state *state = VCPU->state;
	uint32_t groups = GYRE_STATE_SEGMENTS | GYRE_STATE_CONTROL | GYRE_STATE_MSRS;
	svm_state_get(VCPU, groups);
	switch (rand() % 6) {
	case 0: state->segment[rand() % GYRE_SEGMENTS].base = (uint64_t)((int64_t)word() >> 17); break;
	case 1: state->segment[GYRE_SS + rand() % (GYRE_SEGMENTS - GYRE_SS)].attributes = word() & 0x1fff; break;
	case 2: state->cr0 = word() & 0xffffffff; break;
	case 3: state->cr4 = word() & 0x3fffff; break;
	case 4: state->efer = word() & 0xfff; break;
	case 5: state->cr3 = word() >> rand() % 40; break;
	}
	if (state_valid(&VCPU->policy, state, groups))
		svm_state_set(VCPU, state, groups);
}

/* A guest's life, thrown together: whatever comes, the next VMRUN is a legal one and no clean bit lies. */
static void no_exit_leaves_a_stale_field_or_an_illegal_state(void **state)
{
	uint32_t next = VCPU_AGAIN;
	(void)state;
	srand(4);
	for (unsigned round = 0; round < 300000; round++) {
		uint64_t *gpr = VCPU->page->gpr;
		uint64_t code = SVM_EXIT_INTR, info_1 = 0, info_2 = 0;
		at(0x1000 + (uint64_t)rand() % 4096, 2);
		VMCB->rflags = 2 | ((uint64_t)rand() & 0x10300);
		VMCB->interrupt_shadow = rand() % 4 == 0;
		for (int i = 0; i < 4; i++)
			gpr[i] = word();
		VMCB->rax = word();
		switch (rand() % 16) {
		case 0: code = SVM_EXIT_CPUID; break;
		case 1:
			code = SVM_EXIT_MSR;
			info_1 = (uint64_t)rand() & 1;
			gpr[GYRE_RCX] = 0x800 + (uint64_t)rand() % 0x40;
			gpr[GYRE_RDX] = 0;
			VMCB->rax &= 0xff;
			break;
		case 2:
			code = SVM_EXIT_MSR;
			info_1 = 1;
			gpr[GYRE_RCX] = (uint64_t[]){0xc0000080, 0x277, 0x1d9, 0x10, 0x3b, 0x6e0, 0x1b}[rand() % 7];
			break;
		case 3: code = SVM_EXIT_HLT; break;
		case 4: code = SVM_EXIT_VINTR; break;
		case 5: code = SVM_EXIT_VMMCALL; break;
		case 6:
			code = SVM_EXIT_IO;
			info_1 = word();
			break;
		case 7:
			code = SVM_EXIT_NPF;
			info_1 = word() & 0x1f;
			info_2 = word() >> 24;
			break;
		case 8: code = SVM_EXIT_EXCEPTION + (uint64_t[]){1, 6, 17, 18}[rand() % 4]; break;
		case 9: code = SVM_EXIT_IRET; break;
		case 10: vlapic_post(&VCPU->lapic, (uint32_t)rand() & 0xff, rand() & 1); break;
		case 11: vlapic_signal(&VCPU->lapic, VLAPIC_SIGNAL_NMI); break;
		case 12: random_state_set(); break;
		case 13:
			VMCB->v_tpr_ = (uint8_t)rand() & 15;
			svm_model_cache.v_tpr_ = VMCB->v_tpr_;
			break; /* the guest's CR8 */
		case 14: vcpu_exception(VCPU, (uint32_t[]){0, 1, 6, 16}[rand() % 4]); break;
		case 15: vlapic_eoi(&VCPU->lapic); break;
		}
		next = run_to(code, info_1, info_2);
		if (next == SVM_SLOW)
			next = svm_exit_slow(V);
		/* What the loop does before it enters again. */
		for (int i = 0; i < 4 && (VCPU->hazard & VCPU_HAZARD_EVENTS) != 0; i++)
			svm_events(V);
		if ((VCPU->hazard & VCPU_HAZARD_FLUSH) != 0)
			svm_flush_now(V);
		VCPU->activity = VCPU_RUNNING;
	}
}

/* ---- instructions ---- */
static void an_answered_instruction_is_over(void **state)
{
	(void)state;
	at(0x1000, 2);
	VMCB->interrupt_shadow = 1;
	VMCB->rflags |= RFLAGS_RF;
	assert_int_equal(run_to(SVM_EXIT_CPUID, 0, 0), VCPU_AGAIN);
	assert_int_equal(VMCB->rip, 0x1002);
	assert_int_equal(VMCB->interrupt_shadow, 0);
	assert_int_equal(VMCB->rflags & RFLAGS_RF, 0);
	/* Single stepping goes on: a trap after it. */
	VMCB->rflags |= RFLAGS_TF;
	assert_int_equal(run_to(SVM_EXIT_CPUID, 0, 0), VCPU_AGAIN);
	assert_int_equal(VMCB->event_inject, GYRE_EVENT_VALID | 3 << 8 | 1);
	assert_int_equal(VMCB->dr6_ & 1u << 14, 1u << 14);
	VMCB->rflags &= ~(uint64_t)RFLAGS_TF;
	/* Outside 64-bit code RIP has 32 bits. */
	vmcb_set_cs(VMCB, (struct vmcb_segment){8, 0xc9b, 0xffffffff, 0});
	at(0xfffffffe, 2);
	assert_int_equal(run_to(SVM_EXIT_CPUID, 0, 0), VCPU_AGAIN);
	assert_int_equal(VMCB->rip, 0);
}

static void an_unknown_length_is_the_monitors(void **state)
{
	(void)state;
	svm_features.nrip = false; /* and there is no window to fetch through */
	at(0x1000, 0);
	VMCB->rax = 0x1234;
	assert_int_equal(run_to(SVM_EXIT_CPUID, 0, 0), VCPU_MONITOR);
	assert_int_equal(VCPU->exit_kind, GYRE_EXIT_INSTRUCTION);
	assert_int_equal(VCPU->page->d0, GYRE_INSTRUCTION_SKIP);
	assert_int_equal(VMCB->rip, 0x1000);
	assert_int_equal(VMCB->rax, 0); /* it is done, all the same */
	VCPU->page->gpr[GYRE_RCX] = 0x12345678;
	assert_int_equal(run_to(SVM_EXIT_MSR, 0, 0), VCPU_MONITOR);
	assert_int_equal(VCPU->exit_kind, GYRE_EXIT_MSR);
	assert_int_equal(VCPU->page->instruction_length, 0);
}

static void ports_and_memory(void **state)
{
	(void)state;
	at(0x1000, 2);
	VMCB->rax = 0xdeadbeef;
	assert_int_equal(run_to(SVM_EXIT_IO, 0x3f8 << 16 | 1 << 4, 0x1001), SVM_PORT);
	assert_int_equal(run_to(SVM_EXIT_IO, 0x1f0 << 16 | 2 << 4 | 0xd, 0x1003), VCPU_MONITOR);
	assert_int_equal(GYRE_IO_PORT(VCPU->page->d0), 0x1f0);
	assert_int_equal(VCPU->page->d0 & 0xffff, 2 << 4 | GYRE_IO_IN | GYRE_IO_STRING | GYRE_IO_REP);
	assert_int_equal(VCPU->page->d2, 0x1003);
	virt->vm.doorbell_count = 1;
	doorbell_rings = true;
	assert_int_equal(run_to(SVM_EXIT_IO, 0x3f8 << 16 | 4 << 4, 0x1001), VCPU_AGAIN);
	assert_int_equal(VMCB->rip, 0x1001);
	assert_int_equal(run_to(SVM_EXIT_IO, 0x3f8 << 16 | 4 << 4 | 1, 0x1002), SVM_PORT); /* a read rings nothing */
	page_is_logged = true;
	assert_int_equal(run_to(SVM_EXIT_NPF, 7, 0x5000), VCPU_AGAIN);
	assert_int_equal(VMCB->rip, 0x1001);
	page_is_logged = false;
	assert_int_equal(run_to(SVM_EXIT_NPF, 7, 0x5123), VCPU_MONITOR);
	assert_int_equal(VCPU->page->d0, 0x5123);
	assert_int_equal(VCPU->page->d1, GYRE_ACCESS_WRITE | GYRE_ACCESS_PRESENT);
	assert_int_equal(run_to(SVM_EXIT_NPF, 0x14 | SVM_NPF_WALK, 0x5123), VCPU_MONITOR);
	assert_int_equal(VCPU->page->d1, GYRE_ACCESS_EXECUTE | GYRE_ACCESS_WALK);
	/* A fault without a cause is an old entry of the TLB: the second time it is flushed, and it does not go on for ever. */
	page_is_there = true;
	uint64_t flushes = VCPU->counters->tlb_flushes;
	assert_int_equal(run_to(SVM_EXIT_NPF, 7, 0x6000), VCPU_AGAIN);
	assert_int_equal(VCPU->counters->tlb_flushes, flushes);
	assert_int_equal(run_to(SVM_EXIT_NPF, 7, 0x6000), VCPU_AGAIN);
	assert_int_equal(VCPU->counters->tlb_flushes, flushes + 1);
	assert_int_equal(run_to(SVM_EXIT_NPF, 7, 0x6000), VCPU_AGAIN);
	assert_int_equal(run_to(SVM_EXIT_NPF, 7, 0x6000), VCPU_MONITOR);
}

/* Control registers, and the MSRs that the VMCB holds, are the monitor's: it has them as state. */
static void control_registers(void **state)
{
	static const struct {
		uint64_t code;
		uint32_t kind;
	} exits[] = {{SVM_EXIT_CR0_SELECTIVE, 0}, {SVM_EXIT_CR4_WRITE, 4}, {SVM_EXIT_CR8_WRITE, 8},
		{SVM_EXIT_XSETBV, GYRE_CONTROL_XSETBV}};
	static const uint32_t msrs[] = {0xc0000080, 0x1d9, 0x277};
	(void)state;
	for (unsigned i = 0; i < sizeof(exits) / sizeof(exits[0]); i++) {
		at(0x1000, 3);
		assert_int_equal(run_to(exits[i].code, SVM_CR_MOV | GYRE_RBX, 0), SVM_SLOW);
		assert_int_equal(svm_exit_slow(V), VCPU_MONITOR);
		assert_int_equal(VCPU->exit_kind, GYRE_EXIT_CONTROL);
		assert_int_equal(VCPU->page->d0, exits[i].kind);
		assert_int_equal(VMCB->rip, 0x1000);
	}
	for (unsigned i = 0; i < 2 * sizeof(msrs) / sizeof(msrs[0]); i++) {
		at(0x1000, 2);
		VCPU->page->gpr[GYRE_RCX] = msrs[i / 2];
		assert_int_equal(run_to(SVM_EXIT_MSR, i % 2, 0), VCPU_MONITOR);
		assert_int_equal(VCPU->exit_kind, GYRE_EXIT_MSR);
		assert_int_equal(VCPU->page->d1, msrs[i / 2]);
	}
}

static void what_no_level_has_is_undefined(void **state)
{
	static const uint16_t codes[] = {SVM_EXIT_VMRUN, SVM_EXIT_VMLOAD, SVM_EXIT_VMSAVE, SVM_EXIT_STGI, SVM_EXIT_CLGI,
		SVM_EXIT_SKINIT, SVM_EXIT_INVLPGA, SVM_EXIT_MONITOR, SVM_EXIT_MWAIT, SVM_EXIT_RDPRU, SVM_EXIT_RSM};
	(void)state;
	for (unsigned i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		at(0x1000, 3);
		assert_int_equal(run_to(codes[i], 0, 0), SVM_SLOW);
		assert_int_equal(svm_exit_slow(V), VCPU_AGAIN);
		assert_int_equal(svm_events(V), VCPU_AGAIN);
		assert_int_equal(VMCB->event_inject, GYRE_EVENT_VALID | 3 << 8 | 6);
		assert_int_equal(VMCB->rip, 0x1000);
	}
	assert_int_equal(run_to(0xffffffffull, 0, 0), SVM_SLOW); /* as one emulator has VMEXIT_INVALID */
	assert_int_equal(svm_exit_slow(V), VCPU_MONITOR);
	assert_int_equal(VCPU->exit_kind, GYRE_EXIT_FAILED);
	assert_int_equal(run_to(UINT64_MAX, 0, 0), SVM_SLOW);
	assert_int_equal(svm_exit_slow(V), VCPU_MONITOR);
	assert_int_equal(VCPU->exit_kind, GYRE_EXIT_FAILED);
	assert_int_equal(run_to(0x3ff, 0, 0), SVM_SLOW);
	assert_int_equal(svm_exit_slow(V), VCPU_MONITOR);
	assert_int_equal(VCPU->page->d1, GYRE_FAILED_CORE);
}

static void state_goes_there_and_back(void **state)
{
	const uint32_t groups = GYRE_STATE_SEGMENTS | GYRE_STATE_CONTROL | GYRE_STATE_MSRS | GYRE_STATE_DEBUG;
	struct gyre_vcpu_state set = {0}, *got = VCPU->state;
	(void)state;
	for (unsigned i = 0; i < GYRE_SEGMENTS; i++)
		set.segment[i] = (struct gyre_segment){(uint16_t)(8 * i), 0xc93, 0x1000 + i, 0x100000 * i};
	set.segment[GYRE_CS].attributes = 0xa9b;
	set.segment[GYRE_FS].attributes = GYRE_SEGMENT_UNUSABLE;
	set.segment[GYRE_FS].base = 0xffff888000000000;
	set.segment[GYRE_SS].attributes = 0xcf3;
	set.gdtr.base = 0xffffffff80000000;
	set.gdtr.limit = 0x7f;
	set.idtr.limit = 0xfff;
	set.cr0 = 0x80050033;
	set.cr2 = 0xdeadbeef;
	set.cr3 = 0x12345000;
	set.cr4 = 0x1006a0;
	set.cr8 = 5;
	set.efer = 0xd01;
	set.star = 0x23001000000000;
	set.lstar = 0xffffffff81800000;
	set.pat = 0x0007040600070406;
	set.kernel_gs_base = 0xffff888000000000;
	set.dr[2] = 0x1234;
	set.dr6 = 0xffff0ff0;
	set.dr7 = 0x400;
	assert_true(state_valid(&VCPU->policy, &set, groups));
	svm_state_set(VCPU, &set, groups);
	assert_int_equal(VMCB->cpl_, 3);
	assert_int_equal(VMCB->efer_, 0x1d01);
	memset(got, 0, sizeof(*got));
	svm_state_get(VCPU, groups);
	set.cr0 |= 0x10;
	assert_memory_equal(got, &set, sizeof(set));
	/* Each of these no processor can be in. */
#define REFUSED(field, value)                                                                                          \
	do {                                                                                                           \
		struct gyre_vcpu_state bad = set;                                                                      \
		bad.field = value;                                                                                     \
		assert_false(state_valid(&VCPU->policy, &bad, groups));                                                \
	} while (0)
	REFUSED(cr0, 0x80000032);
	REFUSED(cr0, 0x20000033);
	REFUSED(cr0, 0x100000033);
	REFUSED(cr0, 0x33); /* EFER.LMA without paging */
	REFUSED(cr3, 1ull << 40);
	REFUSED(cr4, 0x80);
	REFUSED(cr4, 1u << 12);
	REFUSED(cr8, 16);
	REFUSED(efer, 0x1d01);
	REFUSED(efer, 0x901);
	REFUSED(lstar, 0x0000800000000000);
	REFUSED(pat, 2);
	REFUSED(debugctl, 4);
	REFUSED(dr6, 1ull << 32);
	REFUSED(dr7, 1ull << 32);
}

static void reset_state_is_a_processors(void **state)
{
	(void)state;
	vmcb_init(VMCB, 0x8000);
	assert_null(vmrun_refusal(VMCB));
	/* Isolation: what must exit, exits. */
	assert_int_equal(VMCB->intercept_misc1_ & (VMCB_I1_INTR | VMCB_I1_NMI | VMCB_I1_IO | VMCB_I1_MSR |
							  VMCB_I1_SHUTDOWN | VMCB_I1_CPUID | VMCB_I1_INIT |
							  VMCB_I1_HLT | VMCB_I1_INVLPGA | VMCB_I1_TASK_SWITCH),
		VMCB_I1_INTR | VMCB_I1_NMI | VMCB_I1_IO | VMCB_I1_MSR | VMCB_I1_SHUTDOWN | VMCB_I1_CPUID |
			VMCB_I1_INIT | VMCB_I1_HLT | VMCB_I1_INVLPGA | VMCB_I1_TASK_SWITCH);
	assert_int_equal(VMCB->intercept_misc2_ & 0x7f, 0x7f);
	assert_int_equal(VMCB->intercept_exceptions_, 1u << 1 | 1u << 6 | 1u << 17 | 1u << 18);
	assert_int_equal(VMCB->nested_control_, 1);
	assert_int_equal(VMCB->v_masking_, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, svm_model_set_up, virt_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(the_model_finds_what_it_is_for),
		TEST(each_setter_marks_its_field),
		TEST(no_exit_leaves_a_stale_field_or_an_illegal_state),
		TEST(an_answered_instruction_is_over),
		TEST(an_unknown_length_is_the_monitors),
		TEST(ports_and_memory),
		TEST(control_registers),
		TEST(what_no_level_has_is_undefined),
		TEST(state_goes_there_and_back),
		TEST(reset_state_is_a_processors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
