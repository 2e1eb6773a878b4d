/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_svm_events.c: what core/virt/svm has a guest's processor deliver, and when, against a model of the processor. */
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
		VMCB->v_irq_ = svm_model_cache.v_irq_ = 0;
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
		svm_model_cache_of = NULL;
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
	VMCB->v_tpr_ = svm_model_cache.v_tpr_ = 6;
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
	VMCB->dr6_ = svm_model_cache.dr6_ = 0xffff4ff0;
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

/* By the monitor: RIP is moved for it. */
static void inject_int_80(void)
{
	vcpu_event_set(VCPU, GYRE_EVENT_VALID | GYRE_EVENT_SOFTWARE | 0x80, 0);
	VCPU->event_length = 2;
	at(0x1000, 0);
	svm_events(V);
	assert_int_equal(VMCB->rip, 0x1002);
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
		VMCB->cr0_ |= CR0_PE; /* in real mode there are no error codes */
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
	/* A monitor's INT n. */
	inject_int_80();
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
	inject_int_80();
	svm_fill(VCPU);
	assert_int_equal(VCPU->page->rip, 0x1000);
	assert_int_equal(VCPU->page->event, GYRE_EVENT_VALID | GYRE_EVENT_SOFTWARE | 0x80);
	assert_int_equal(VCPU->page->event_length, 2);
}

/* ---- the rest ---- */
static void outside_of_long_mode_nothing_is_offered(void **state)
{
	(void)state;
	vmcb_set_efer(VMCB, VMCB->efer_ & ~EFER_LMA);
	VMCB->rflags = 0x202;
	vlapic_post(&VCPU->lapic, 0x40, false);
	assert_int_equal(svm_events(V), VCPU_AGAIN);
	assert_true((VMCB->v_irq_ & 1) == 0);
	assert_int_equal(to_deliver(), GYRE_EVENT_VALID | 0x40);
}

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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, svm_model_set_up, virt_tear_down)
#define OFFERED(name)                                                                                                  \
	{                                                                                                              \
#name " offered", name, svm_model_set_up_offered, virt_tear_down, NULL                                 \
	}
	const struct CMUnitTest tests[] = {
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
		OFFERED(outside_of_long_mode_nothing_is_offered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
