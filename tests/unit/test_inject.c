/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_inject.c: what a guest's processor takes next, in which order, and what an exit interrupted is not lost.
 */
/* unit-sources: tests/unit/virt_fixture.c core/virt/inject.c core/virt/svm/vmcb.c */
/* unit-sources: core/virt/vlapic.c core/virt/vlapic_regs.c core/virt/vlapic_bus.c core/virt/vlapic_timer.c core/virt/fetch.c tests/unit/virt_memory.c */
#include "tests/unit/virt_fixture.h"
#include "gyre/errors.h"

static const struct inject_gate open = {true, true}, closed = {false, false}, no_interrupts = {false, true};

#define NMI	 (GYRE_EVENT_VALID | GYRE_EVENT_NMI | 2)
#define INTR(v)	 (GYRE_EVENT_VALID | GYRE_EVENT_INTERRUPT | (v))
#define FAULT(v) (GYRE_EVENT_VALID | GYRE_EVENT_EXCEPTION | (v))

static struct vcpu *vcpu(void)
{
	return &virt->v.vcpu;
}

static struct inject next(struct inject_gate gate)
{
	struct inject inject;
	assert_int_equal(inject_next(vcpu(), gate, &inject), VCPU_AGAIN);
	return inject;
}

static uint32_t exit_of(struct inject_gate gate)
{
	struct inject inject;
	assert_int_equal(inject_next(vcpu(), gate, &inject), VCPU_MONITOR);
	assert_int_equal(inject.event, 0);
	return vcpu()->exit_kind;
}

static void events_nmis_interrupts_in_this_order(void **state)
{
	(void)state;
	vlapic_post(&vcpu()->lapic, 0x40, false);
	vlapic_signal(&vcpu()->lapic, VLAPIC_SIGNAL_NMI);
	vcpu_exception_error(vcpu(), 13, 7);
	struct inject inject = next(open);
	assert_int_equal(inject.event, FAULT(13) | GYRE_EVENT_ERROR);
	assert_int_equal(inject.error, 7);
	assert_true(inject.want_nmi);
	assert_true(inject.want_interrupt);
	inject = next(open);
	assert_int_equal(inject.event, NMI);
	assert_true(inject.want_interrupt);
	assert_true(vcpu()->nmi_blocked);
	inject = next(open);
	assert_int_equal(inject.event, INTR(0x40));
	assert_false(inject.want_interrupt || inject.want_nmi);
	assert_int_equal(next(open).event, 0);
}

static void a_closed_gate_asks_for_a_window(void **state)
{
	(void)state;
	vlapic_post(&vcpu()->lapic, 0x40, false);
	struct inject inject = next(closed);
	assert_int_equal(inject.event, 0);
	assert_true(inject.want_interrupt);
	vlapic_signal(&vcpu()->lapic, VLAPIC_SIGNAL_NMI);
	inject = next(no_interrupts);
	assert_int_equal(inject.event, NMI);
	assert_true(inject.want_interrupt);
	assert_int_equal(next(open).event, INTR(0x40));
}

static void nmis_wait_for_the_end_of_one_another_and_two_are_kept(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		vlapic_signal(&vcpu()->lapic, VLAPIC_SIGNAL_NMI);
		if (i == 0)
			assert_int_equal(next(open).event, NMI);
		else
			assert_int_equal(next(open).event, 0);
	}
	assert_true(next(open).want_nmi);
	vcpu()->nmi_blocked = false; /* IRET */
	assert_int_equal(next(open).event, NMI);
	vcpu()->nmi_blocked = false;
	assert_int_equal(next(open).event, NMI);
	vcpu()->nmi_blocked = false;
	assert_int_equal(next(open).event, 0);
}

static void what_an_exit_interrupted_comes_again(void **state)
{
	(void)state;
	inject_again(vcpu(), INTR(0x55), 0, 0);
	vlapic_post(&vcpu()->lapic, 0xf0, false);
	assert_int_equal(next(closed).event, INTR(0x55)); /* whatever the gate: it was on its way */
	assert_int_equal(next(open).event, INTR(0xf0));
	assert_int_equal(vcpu()->counters->reinjected, 1);
	inject_again(vcpu(), NMI, 0, 0);
	vcpu()->nmi_blocked = false;
	assert_int_equal(next(open).event, NMI);
	assert_true(vcpu()->nmi_blocked);
}

static void the_pics_come_by_way_of_the_monitor(void **state)
{
	(void)state;
	vcpu()->page->extint_line = 1;
	assert_int_equal(next(open).event, 0); /* LINT0 is masked */
	vlapic_mmio_write(&vcpu()->lapic, APIC_LVT_LINT0, 0x700);
	assert_true(next(closed).want_interrupt);
	assert_int_equal(exit_of(open), GYRE_EXIT_EXTINT);
	/* The local APIC's own waits behind it, and is not forgotten. */
	vlapic_post(&vcpu()->lapic, 0x40, false);
	assert_int_equal(exit_of(open), GYRE_EXIT_EXTINT);
	assert_true((vcpu()->hazard & VCPU_HAZARD_EVENTS) != 0);
	vcpu()->page->extint_line = 0;
	assert_int_equal(next(open).event, INTR(0x40));
}

static void an_eoi_of_a_level_is_an_exit(void **state)
{
	(void)state;
	vlapic_post(&vcpu()->lapic, 0x40, true);
	assert_int_equal(next(open).event, INTR(0x40));
	vlapic_eoi(&vcpu()->lapic);
	assert_int_equal(exit_of(open), GYRE_EXIT_EOI);
	assert_int_equal(vcpu()->page->d0, 0x40);
	assert_int_equal(next(open).event, 0);
}

static void init_and_sipi_are_exits_of_the_target(void **state)
{
	struct vlapic *lapic = &vcpu()->lapic;
	(void)state;
	lapic->base &= ~APIC_BASE_BSP;
	vlapic_post(lapic, 0x40, false);
	vlapic_signal(lapic, VLAPIC_SIGNAL_SIPI); /* without INIT: ignored */
	assert_int_equal(next(open).event, INTR(0x40));
	__atomic_store_n(&lapic->sipi_vector, 0x9a, __ATOMIC_RELAXED);
	vlapic_signal(lapic, VLAPIC_SIGNAL_INIT);
	vlapic_signal(lapic, VLAPIC_SIGNAL_SIPI);
	assert_int_equal(exit_of(closed), GYRE_EXIT_INIT);
	assert_int_equal(vcpu()->activity, VCPU_WAITS_FOR_SIPI);
	assert_int_equal(VREG(lapic, APIC_SVR), 0xff);
	assert_int_equal(exit_of(closed), GYRE_EXIT_SIPI);
	assert_int_equal(vcpu()->page->d0, 0x9a);
	struct inject inject;
	assert_int_equal(inject_next(vcpu(), open, &inject), VCPU_HALT);
	vcpu()->activity = VCPU_RUNNING; /* as the monitor sets it */
	vlapic_signal(lapic, VLAPIC_SIGNAL_SIPI);
	assert_int_equal(next(open).event, 0);
}

static void a_halt_ends_with_what_can_be_taken(void **state)
{
	struct inject inject;
	(void)state;
	vcpu()->activity = VCPU_HALTED;
	assert_int_equal(inject_next(vcpu(), open, &inject), VCPU_HALT);
	vlapic_mmio_write(&vcpu()->lapic, APIC_TPR, 0x50);
	vlapic_post(&vcpu()->lapic, 0x40, false);
	assert_int_equal(inject_next(vcpu(), open, &inject), VCPU_HALT); /* held by the TPR */
	vlapic_post(&vcpu()->lapic, 0x60, false);
	assert_int_equal(inject_next(vcpu(), no_interrupts, &inject), VCPU_HALT); /* IF is clear */
	assert_int_equal(next(open).event, INTR(0x60));
	assert_int_equal(vcpu()->activity, VCPU_RUNNING);
	vcpu()->activity = VCPU_HALTED;
	vlapic_signal(&vcpu()->lapic, VLAPIC_SIGNAL_NMI);
	assert_int_equal(next(no_interrupts).event, NMI);
	vcpu()->activity = VCPU_HALTED;
	vlapic_signal(&vcpu()->lapic, VLAPIC_SIGNAL_NMI);
	assert_int_equal(inject_next(vcpu(), no_interrupts, &inject), VCPU_HALT); /* NMIs are blocked */
	vcpu()->pv_kicked = true;
	assert_int_equal(next(no_interrupts).event, 0);
	assert_int_equal(vcpu()->activity, VCPU_RUNNING);
	vcpu()->activity = VCPU_SHUT_DOWN;
	assert_int_equal(exit_of(open), GYRE_EXIT_TRIPLE_FAULT);
}

/* What a monitor may ask for is what a processor can deliver: of all numbers, no more. */
static void events_of_a_monitor_are_checked(void **state)
{
	(void)state;
	assert_int_equal(inject_check(0, 0xffffffff, 99), 0);
	for (uint32_t vector = 0; vector < 256; vector++) {
		bool with_error = vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 ||
				  vector == 29 || vector == 30;
		assert_int_equal(inject_check(INTR(vector), 0, 0), 0);
		assert_int_equal(inject_check(INTR(vector) | GYRE_EVENT_ERROR, 0, 0), -GYRE_EINVAL);
		assert_int_equal(inject_check(FAULT(vector), 0, 0),
			vector < 31 && vector != 2 && !with_error ? 0 : -GYRE_EINVAL);
		assert_int_equal(inject_check(FAULT(vector) | GYRE_EVENT_ERROR, 0, 0), with_error ? 0 : -GYRE_EINVAL);
		assert_int_equal(
			inject_check(GYRE_EVENT_VALID | GYRE_EVENT_NMI | vector, 0, 0), vector == 2 ? 0 : -GYRE_EINVAL);
		assert_int_equal(inject_check(GYRE_EVENT_VALID | GYRE_EVENT_SOFTWARE | vector, 0, 2), 0);
		assert_int_equal(inject_check(GYRE_EVENT_VALID | 1 << 8 | vector, 0, 0), -GYRE_EINVAL);
		assert_int_equal(inject_check(GYRE_EVENT_VALID | 7 << 8 | vector, 0, 0), -GYRE_EINVAL);
	}
	assert_int_equal(inject_check(FAULT(13) | GYRE_EVENT_ERROR, 0x10000, 0), -GYRE_EINVAL);
	assert_int_equal(inject_check(INTR(32) | 1 << 12, 0, 0), -GYRE_EINVAL);
	assert_int_equal(inject_check(INTR(32), 0, 16), -GYRE_EINVAL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, virt_set_up, virt_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(events_nmis_interrupts_in_this_order),
		TEST(a_closed_gate_asks_for_a_window),
		TEST(nmis_wait_for_the_end_of_one_another_and_two_are_kept),
		TEST(what_an_exit_interrupted_comes_again),
		TEST(the_pics_come_by_way_of_the_monitor),
		TEST(an_eoi_of_a_level_is_an_exit),
		TEST(init_and_sipi_are_exits_of_the_target),
		TEST(a_halt_ends_with_what_can_be_taken),
		TEST(events_of_a_monitor_are_checked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
