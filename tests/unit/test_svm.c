/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_svm.c: core/virt/svm against a model of the processor, which does what no emulator here does: it keeps what the clean bits let it keep
 * (a field that changed under a clean bit is found), it keeps translations by ASID (one that should have been flushed is found), and it refuses to run
 * what VMRUN refuses. APM vol. 2, "VMCB State Caching", "TLB Control", "Canonicalization and Consistency Checks".
 */
/* unit-sources: tests/unit/virt_fixture.c tests/unit/virt_memory.c */
/* unit-sources: core/virt/svm/events.c core/virt/svm/exit.c core/virt/svm/page.c */
/* unit-sources: core/virt/svm/slow.c core/virt/svm/state.c core/virt/svm/vmcb.c core/virt/inject.c core/virt/msr.c core/virt/hypercall.c */
/* unit-sources: core/virt/cpuid_table.c core/virt/fetch.c core/virt/trace.c core/virt/answer.c */
/* unit-sources: core/virt/vlapic.c core/virt/vlapic_regs.c core/virt/vlapic_bus.c core/virt/vlapic_timer.c */
#include "tests/unit/virt_fixture.h"
#include "core/virt/barriers.h"
#include "core/x86/log.h"
#include "core/x86/msr.h"
#include "core/x86/trap.h"
#include "gyre/errors.h"

/* ---- what the sources under test call in the core ---- */
static bool doorbell_rings, page_is_logged, page_is_there;
static unsigned warnings, machine_checks;

int msr_write_safe(uint32_t msr, uint64_t value)
{
	(void)msr, (void)value;
	return 0;
}

int msr_read_safe(uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = 0;
	return -1;
}

bool vm_doorbell(struct cpu *cpu, struct vm *vm, uint16_t port, unsigned int size, uint32_t value)
{
	(void)cpu, (void)vm, (void)port, (void)size, (void)value;
	return doorbell_rings;
}

bool aspace_dirty_fault(struct aspace *aspace, uint64_t page)
{
	(void)aspace, (void)page;
	return page_is_logged;
}

bool aspace_lookup(struct aspace *aspace, uint64_t page, uint64_t *frame, bool *writable)
{
	(void)aspace;
	*frame = page;
	*writable = true;
	return page_is_there;
}

void log_warn(const char *format, ...)
{
	(void)format;
	warnings++;
}

void machine_check(const struct regs *regs)
{
	(void)regs;
	machine_checks++;
}

/* ---- the processor ---- */
#define FIELD(bit, field)                                                                                              \
	{                                                                                                              \
		bit, offsetof(struct vmcb, field), sizeof(((struct vmcb *)0)->field), #field                           \
	}
static const struct {
	uint32_t bit;
	size_t offset, bytes;
	const char *name;
} cached_fields[] = {
	FIELD(0, intercept_cr_read_),
	FIELD(0, intercept_cr_write_),
	FIELD(0, intercept_dr_read_),
	FIELD(0, intercept_dr_write_),
	FIELD(0, intercept_exceptions_),
	FIELD(0, intercept_misc1_),
	FIELD(0, intercept_misc2_),
	FIELD(0, intercept_misc3_),
	FIELD(0, pause_threshold_),
	FIELD(0, pause_count_),
	FIELD(0, tsc_offset_),
	FIELD(1, iopm_),
	FIELD(1, msrpm_),
	FIELD(2, asid_),
	FIELD(3, v_tpr_),
	FIELD(3, v_irq_),
	FIELD(3, v_control_),
	FIELD(3, v_vector_),
	FIELD(3, v_masking_),
	FIELD(3, v_vector_),
	FIELD(4, nested_control_),
	FIELD(4, nested_cr3_),
	FIELD(4, pat_),
	FIELD(5, cr0_),
	FIELD(5, cr3_),
	FIELD(5, cr4_),
	FIELD(5, efer_),
	FIELD(6, dr6_),
	FIELD(6, dr7_),
	FIELD(7, gdtr_),
	FIELD(7, idtr_),
	FIELD(8, es_),
	FIELD(8, cs_),
	FIELD(8, ss_),
	FIELD(8, ds_),
	FIELD(8, cpl_),
	FIELD(9, cr2_),
	FIELD(10, debugctl_),
	FIELD(10, virt_ext_),
};
#define CACHED_FIELDS (sizeof(cached_fields) / sizeof(cached_fields[0]))

static struct vmcb cache;
static const struct vmcb *cache_of;
static const char *stale; /* the name of a field that changed under its clean bit */

static void check_clean_bits(const struct vmcb *vmcb)
{
	stale = NULL;
	if (cache_of == vmcb)
		for (unsigned i = 0; i < CACHED_FIELDS; i++)
			if ((vmcb->clean >> cached_fields[i].bit & 1) != 0 &&
				memcmp((const char *)vmcb + cached_fields[i].offset,
					(const char *)&cache + cached_fields[i].offset, cached_fields[i].bytes) != 0)
				stale = cached_fields[i].name;
	cache = *vmcb;
	cache_of = vmcb;
}

static const char *refusal(const struct vmcb *vmcb)
{
	bool lme = (vmcb->efer_ & 0x100) != 0, pg = (vmcb->cr0_ & 0x80000000) != 0, pae = (vmcb->cr4_ & 0x20) != 0;
	uint64_t event = vmcb->event_inject;
	if ((vmcb->efer_ & EFER_SVME) == 0)
		return "EFER.SVME clear";
	if ((vmcb->cr0_ & 0x60000000) == 0x20000000 || vmcb->cr0_ >> 32 != 0)
		return "CR0";
	if (vmcb->dr6_ >> 32 != 0 || vmcb->dr7_ >> 32 != 0)
		return "DR6, DR7";
	if ((vmcb->efer_ & ~0x5d01ull) != 0)
		return "EFER";
	if (lme && pg && (!pae || (vmcb->cr0_ & 1) == 0))
		return "long mode without PAE or PE";
	if (lme && pg && pae && (vmcb->cs_.attributes & 0x600) == 0x600)
		return "CS.L and CS.D";
	if ((vmcb->intercept_misc2_ & VMCB_I2_VMRUN) == 0)
		return "VMRUN not intercepted";
	if (vmcb->asid_ == 0)
		return "ASID 0";
	if ((event & GYRE_EVENT_VALID) != 0 &&
		(GYRE_EVENT_TYPE(event) == 1 || GYRE_EVENT_TYPE(event) > 4 ||
			(GYRE_EVENT_TYPE(event) == 3 && ((event & 0xff) > 31 || (event & 0xff) == 2))))
		return "EVENTINJ";
	return NULL;
}

static uint64_t interrupted_event; /* what the next exit comes in the middle of */

/* One VMRUN: the exit that the caller wants, as the processor reports it. What svm_exit() makes of it. */
static uint32_t run_to(uint64_t code, uint64_t info_1, uint64_t info_2)
{
	struct vmcb *vmcb = virt->v.vmcb;
	const char *why;
	check_clean_bits(vmcb);
	if (stale != NULL)
		fail_msg("%s changed under a clean bit", stale);
	if ((why = refusal(vmcb)) != NULL)
		fail_msg("the processor refuses to run: %s", why);
	vmcb->exit_int_info = interrupted_event;
	interrupted_event = 0;
	if (vmcb->next_rip <= vmcb->rip)
		vmcb->next_rip = vmcb->rip + 3;
	vmcb->exit_code = code;
	vmcb->exit_info_1 = info_1;
	vmcb->exit_info_2 = info_2;
	return svm_exit(&virt->v);
}

static int set_up(void **state)
{
	int result = virt_set_up(state);
	cache_of = NULL;
	doorbell_rings = page_is_logged = page_is_there = false;
	svm_features.nrip = true;
	svm_features.errata = 0;
	vcpu_hazard_set(&virt->v.vcpu, VCPU_HAZARD_FLUSH);
	svm_flush_now(&virt->v);
	return result;
}

/* A processor that interrupts are not injected into, but offered. */
static int set_up_offered(void **state)
{
	const int result = set_up(state);
	svm_features.errata |= SVM_ERRATUM_TWICE;
	return result;
}

/* exit_info_1 of a MOV to a control register, with decode assists */
#define SVM_CR_MOV (1ull << 63)

#define V    (&virt->v)
#define VMCB (virt->v.vmcb)
#define VCPU (&virt->v.vcpu)

static void at(uint64_t rip, uint32_t length)
{
	VMCB->rip = rip;
	VMCB->next_rip = rip + length;
}

/* ---- clean bits ---- */
static void the_model_finds_what_it_is_for(void **state)
{
	(void)state;
	run_to(SVM_EXIT_INTR, 0, 0);
	for (unsigned i = 0; i < CACHED_FIELDS; i++) {
		VMCB->clean = VMCB_CLEAN_ALL;
		((uint8_t *)VMCB)[cached_fields[i].offset] ^= 1;
		check_clean_bits(VMCB);
		assert_string_equal(stale, cached_fields[i].name);
	}
}

static void each_setter_marks_its_field(void **state)
{
	static const struct vmcb_segment segment = {1, 2, 3, 4};
	(void)state;
#define SETS(field, value)                                                                                             \
	do {                                                                                                           \
		check_clean_bits(VMCB);                                                                                \
		VMCB->clean = VMCB_CLEAN_ALL;                                                                          \
		vmcb_set_##field(VMCB, value);                                                                         \
		check_clean_bits(VMCB);                                                                                \
		assert_null(stale);                                                                                    \
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
			cache.v_tpr_ = VMCB->v_tpr_;
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

/* ---- interrupts ---- */
/* What the processor is to deliver first, whichever way it was told. */
static uint64_t to_deliver(void)
{
	const bool offered = (VMCB->v_irq_ & 1) != 0 && (VMCB->intercept_misc1_ & VMCB_I1_VINTR) == 0;
	if ((svm_features.errata & SVM_ERRATUM_TWICE) == 0)
		assert_false(offered);
	if (!offered)
		return VMCB->event_inject;
	assert_int_equal(VMCB->event_inject, 0);
	assert_int_equal(VMCB->v_control_, 0x1f); /* whatever the TPR */
	return GYRE_EVENT_VALID | VMCB->v_vector_;
}

static void delivered(void)
{
	if ((VMCB->intercept_misc1_ & VMCB_I1_VINTR) == 0)
		VMCB->v_irq_ = cache.v_irq_ = 0;
	VMCB->event_inject = 0;
}

static void an_interrupt_waits_behind_a_window(void **state)
{
	(void)state;
	VMCB->rflags = 2;
	vlapic_post(&VCPU->lapic, 0x40, false);
	at(0x1000, 2);
	assert_int_equal(run_to(SVM_EXIT_CPUID, 0, 0), VCPU_AGAIN);
	assert_int_equal(VMCB->event_inject, 0);
	assert_true((VMCB->intercept_misc1_ & VMCB_I1_VINTR) != 0 && (VMCB->v_irq_ & 1) != 0);
	VMCB->rflags = 0x202;
	VMCB->interrupt_shadow = 1; /* STI's */
	assert_int_equal(run_to(SVM_EXIT_CPUID, 0, 0), VCPU_AGAIN);
	assert_int_equal(run_to(SVM_EXIT_VINTR, 0, 0), VCPU_AGAIN);
	assert_true((VMCB->intercept_misc1_ & VMCB_I1_VINTR) == 0);
	assert_int_equal(to_deliver(), GYRE_EVENT_VALID | 0x40);
	delivered();
	assert_int_equal(VREG(&VCPU->lapic, APIC_ISR + 0x20), 1);
}

/* The short way and the long way deliver the same. */
static void the_short_way_is_the_long_one(void **state)
{
	(void)state;
	srand(5);
	for (unsigned round = 0; round < 50000; round++) {
		uint32_t vector = 0x20 + (uint32_t)rand() % 0xe0, hazard;
		struct vlapic before;
		uint32_t registers[1024], after[1024];
		struct vmcb saved;
		uint64_t event;
		if (rand() % 3 == 0)
			vlapic_post(&VCPU->lapic, vector, false);
		if (rand() % 5 == 0)
			vlapic_eoi(&VCPU->lapic);
		VMCB->rflags = 2 | (rand() % 4 ? RFLAGS_IF : 0);
		VMCB->interrupt_shadow = rand() % 8 == 0;
		vcpu_hazard_set(VCPU, VCPU_HAZARD_EVENTS);
		before = VCPU->lapic;
		memcpy(registers, before.page, sizeof(registers));
		saved = *VMCB;
		at(0x1000, 2);
		run_to(SVM_EXIT_CPUID, 0, 0);
		event = to_deliver();
		hazard = VCPU->hazard;
		memcpy(after, before.page, sizeof(after));
		/* The same again by svm_events() alone. */
		VCPU->lapic = before;
		memcpy(before.page, registers, sizeof(registers));
		uint64_t shadow = VMCB->interrupt_shadow, rip = VMCB->rip;
		*VMCB = saved;
		VMCB->interrupt_shadow = shadow;
		VMCB->rip = rip;
		VMCB->event_inject = 0;
		VCPU->hazard = VCPU_HAZARD_EVENTS;
		svm_events(V);
		assert_int_equal(to_deliver(), event);
		delivered();
		assert_int_equal(VCPU->hazard & VCPU_HAZARD_EVENTS, hazard & VCPU_HAZARD_EVENTS);
		assert_memory_equal(before.page, after, sizeof(after));
		cache_of = NULL;
	}
}

static void task_priority_by_cr8(void **state)
{
	(void)state;
	vlapic_mmio_write(&VCPU->lapic, APIC_TPR, 0x80);
	vlapic_post(&VCPU->lapic, 0x40, false);
	at(0x1000, 2);
	assert_int_equal(run_to(SVM_EXIT_CPUID, 0, 0), VCPU_AGAIN);
	assert_int_equal(VMCB->event_inject, 0);
	assert_int_equal(VMCB->v_tpr_, 8);
	assert_true((VMCB->intercept_cr_write_ & 0x100) != 0); /* its lowering must be seen */
	run_to(SVM_EXIT_CR8_WRITE, SVM_CR_MOV | GYRE_RDI, 0);
	assert_int_equal(svm_exit_slow(V), VCPU_MONITOR);
	/* What the monitor makes of it. */
	vlapic_mmio_write(&VCPU->lapic, APIC_TPR, 0x20);
	vcpu_hazard_set(VCPU, VCPU_HAZARD_EVENTS);
	svm_events(V);
	assert_int_equal(to_deliver(), GYRE_EVENT_VALID | 0x40);
	assert_true((VMCB->intercept_cr_write_ & 0x100) == 0);
	assert_int_equal(vlapic_mmio_read(&VCPU->lapic, APIC_TPR), 0x20);
	/* Written while nothing waits, no exit: found at the next. */
	delivered();
	VMCB->v_tpr_ = cache.v_tpr_ = 6;
	vlapic_eoi(&VCPU->lapic);
	VCPU->lapic.base |= APIC_BASE_X2APIC;
	VCPU->page->gpr[GYRE_RCX] = 0x808;
	run_to(SVM_EXIT_MSR, 0, 0);
	assert_int_equal(VMCB->rax, 0x60);
}

static void an_nmi_blocks_the_next_until_iret(void **state)
{
	(void)state;
	VMCB->rflags = 2;
	vlapic_signal(&VCPU->lapic, VLAPIC_SIGNAL_NMI);
	at(0x1000, 2);
	run_to(SVM_EXIT_CPUID, 0, 0);
	assert_int_equal(VMCB->event_inject, GYRE_EVENT_VALID | 2 << 8 | 2);
	assert_true((VMCB->intercept_misc1_ & VMCB_I1_IRET) != 0);
	vlapic_signal(&VCPU->lapic, VLAPIC_SIGNAL_NMI);
	run_to(SVM_EXIT_CPUID, 0, 0);
	assert_int_equal(VMCB->event_inject, 0);
	/* IRET: it has not completed yet. One step, and then. */
	run_to(SVM_EXIT_IRET, 0, 0);
	svm_exit_slow(V);
	svm_events(V);
	assert_int_equal(VMCB->event_inject, 0);
	assert_true((VMCB->rflags & RFLAGS_TF) != 0);
	VMCB->rip = 0x5000;
	VMCB->rflags = 2;
	VMCB->dr6_ = cache.dr6_ = 0xffff4ff0;
	run_to(SVM_EXIT_EXCEPTION + 1, 0, 0);
	assert_int_equal(svm_exit_slow(V), VCPU_AGAIN);
	svm_events(V);
	assert_int_equal(VMCB->event_inject, GYRE_EVENT_VALID | 2 << 8 | 2);
	assert_int_equal(VMCB->dr6_ & 0x4000, 0);
	/* Without a second one the first exit after IRET opens NMIs. */
	run_to(SVM_EXIT_IRET, 0, 0);
	svm_exit_slow(V);
	assert_true(VCPU->nmi_blocked);
	at(0x6000, 2);
	vcpu_hazard_set(VCPU, VCPU_HAZARD_EVENTS);
	run_to(SVM_EXIT_CPUID, 0, 0);
	assert_false(VCPU->nmi_blocked);
}

static void what_was_being_delivered_is_delivered_again(void **state)
{
	static const struct {
		uint64_t info, again;
	} events[] = {
		{GYRE_EVENT_VALID | 0x55, GYRE_EVENT_VALID | 0x55},
		{GYRE_EVENT_VALID | 2 << 8 | 2, GYRE_EVENT_VALID | 2 << 8 | 2},
		{GYRE_EVENT_VALID | GYRE_EVENT_ERROR | 3 << 8 | 14 | 5ull << 32,
			GYRE_EVENT_VALID | GYRE_EVENT_ERROR | 3 << 8 | 14 | 5ull << 32},
		{GYRE_EVENT_VALID | 3 << 8 | 3, 0},    /* INT3: the instruction runs again */
		{GYRE_EVENT_VALID | 4 << 8 | 0x80, 0}, /* INT n, too */
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		VCPU->nmi_blocked = false;
		VMCB->cr0_ |= GUEST_CR0_PE; /* in real mode there are no error codes */
		page_is_logged = true;
		interrupted_event = events[i].info;
		/* The loop is left each time: the host's interrupts come in, however often this happens. */
		assert_int_equal(run_to(SVM_EXIT_NPF, 7, 0x5000), VCPU_DUE);
		assert_true(to_deliver() == events[i].again);
		delivered();
		/* To the monitor it is in the page. */
		page_is_logged = false;
		interrupted_event = events[i].info;
		assert_int_equal(run_to(SVM_EXIT_NPF, 7, 0x5000), VCPU_MONITOR);
		svm_fill(VCPU);
		assert_int_equal((VCPU->page->event & GYRE_EVENT_VALID) != 0, events[i].again != 0);
		VCPU->event = 0;
		VCPU->hazard = 0;
	}
	/* A monitor's INT n, for which RIP was moved. */
	vcpu_event_set(VCPU, GYRE_EVENT_VALID | GYRE_EVENT_SOFTWARE | 0x80, 0);
	VCPU->event_length = 2;
	at(0x1000, 0);
	svm_events(V);
	assert_int_equal(VMCB->rip, 0x1002);
	interrupted_event = VMCB->event_inject;
	page_is_logged = true;
	assert_int_equal(run_to(SVM_EXIT_NPF, 7, 0x5000), VCPU_DUE);
	assert_int_equal(VMCB->event_inject, GYRE_EVENT_VALID | 4 << 8 | 0x80);
	assert_int_equal(VMCB->rip, 0x1002);
}

/* Between the decision and the entry the processor can be called away. */
static void what_was_not_delivered_yet_is_not_lost(void **state)
{
	(void)state;
	VMCB->rflags = 0x202;
	vlapic_post(&VCPU->lapic, 0x40, false);
	assert_int_equal(svm_events(V), VCPU_AGAIN);
	assert_int_equal(to_deliver(), GYRE_EVENT_VALID | 0x40);
	/* A more urgent one comes before the entry: it waits behind the first, which the local APIC has in service. */
	vlapic_post(&VCPU->lapic, 0x80, false);
	assert_int_equal(svm_events(V), VCPU_AGAIN);
	assert_int_equal(to_deliver(), GYRE_EVENT_VALID | 0x40);
	assert_true((VMCB->intercept_misc1_ & VMCB_I1_VINTR) != 0);
	/* The monitor is asked instead of an entry: it finds the event, and the VMCB has it no more. */
	svm_fill(VCPU);
	assert_int_equal(VCPU->page->event, GYRE_EVENT_VALID | GYRE_EVENT_INTERRUPT | 0x40);
	assert_int_equal(VMCB->event_inject, 0);
	VCPU->event = 0;
	/* A software interrupt: RIP is at the instruction again. */
	vcpu_event_set(VCPU, GYRE_EVENT_VALID | GYRE_EVENT_SOFTWARE | 0x80, 0);
	VCPU->event_length = 2;
	at(0x1000, 0);
	svm_events(V);
	assert_int_equal(VMCB->rip, 0x1002);
	svm_fill(VCPU);
	assert_int_equal(VCPU->page->rip, 0x1000);
	assert_int_equal(VCPU->page->event, GYRE_EVENT_VALID | GYRE_EVENT_SOFTWARE | 0x80);
	assert_int_equal(VCPU->page->event_length, 2);
}

/* ---- the rest ---- */
/* An offer stands while exits come first, and is the monitor's to see when one goes there. */
static void what_was_offered_is_not_lost(void **state)
{
	(void)state;
	VMCB->rflags = 0x202;
	vlapic_post(&VCPU->lapic, 0x40, false);
	assert_int_equal(svm_events(V), VCPU_AGAIN);
	assert_true((VMCB->v_irq_ & 1) != 0 && VMCB->v_vector_ == 0x40);
	assert_int_equal(run_to(SVM_EXIT_INTR, 0, 0), VCPU_DUE);
	assert_int_equal(to_deliver(), GYRE_EVENT_VALID | 0x40);
	/* Another one does not take its place. */
	vlapic_post(&VCPU->lapic, 0x41, false);
	at(0x1000, 2);
	assert_int_equal(run_to(SVM_EXIT_CPUID, 0, 0), VCPU_AGAIN);
	assert_int_equal(to_deliver(), GYRE_EVENT_VALID | 0x40);
	assert_int_equal(run_to(SVM_EXIT_NPF, 7, 0x5000), VCPU_MONITOR);
	svm_fill(VCPU);
	assert_int_equal(VCPU->page->event, GYRE_EVENT_VALID | GYRE_EVENT_INTERRUPT | 0x40);
	assert_int_equal(to_deliver(), 0);
	assert_int_equal(VMCB->v_irq_ & 1, 0);
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
	assert_null(refusal(VMCB));
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
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, virt_tear_down)
#define OFFERED(name)                                                                                                  \
	{                                                                                                              \
#name " offered", name, set_up_offered, virt_tear_down, NULL                                           \
	}
	const struct CMUnitTest tests[] = {
		TEST(the_model_finds_what_it_is_for),
		TEST(each_setter_marks_its_field),
		TEST(no_exit_leaves_a_stale_field_or_an_illegal_state),
		TEST(an_answered_instruction_is_over),
		TEST(an_unknown_length_is_the_monitors),
		TEST(ports_and_memory),
		TEST(control_registers),
		TEST(what_no_level_has_is_undefined),
		TEST(an_interrupt_waits_behind_a_window),
		TEST(the_short_way_is_the_long_one),
		TEST(task_priority_by_cr8),
		TEST(an_nmi_blocks_the_next_until_iret),
		TEST(what_was_being_delivered_is_delivered_again),
		TEST(what_was_not_delivered_yet_is_not_lost),
		OFFERED(an_interrupt_waits_behind_a_window),
		OFFERED(the_short_way_is_the_long_one),
		OFFERED(task_priority_by_cr8),
		OFFERED(what_was_being_delivered_is_delivered_again),
		OFFERED(what_was_not_delivered_yet_is_not_lost),
		OFFERED(what_was_offered_is_not_lost),
		TEST(state_goes_there_and_back),
		TEST(reset_state_is_a_processors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
