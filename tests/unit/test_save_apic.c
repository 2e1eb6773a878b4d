/* SPDX-License-Identifier: Apache-2.0 */
/* A local APIC's saved form has what is on its way: nothing is lost between an exit and the next entry, and nothing comes twice. */
/* unit-sources: core/virt/vlapic.c core/virt/vlapic_regs.c core/virt/vlapic_bus.c core/virt/vlapic_timer.c core/virt/vlapic_state.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "gyre/errors.h"
#include "gyre/vcpu.h"
#include "tests/unit/vlapic_fixture.h"

static struct gyre_vcpu_state saved;

/* What it would be in another process: the one with id 1 is one that nothing has happened to. */
static struct vlapic *moved(void **state)
{
	struct machine *machine = *state;
	struct vlapic *other = &machine->lapic[1];
	memset(&saved, 0, sizeof(saved));
	vlapic_state_get(first(state), &saved);
	saved.apic[APIC_ID / 16] = 1u << 24;
	saved.apic_base &= ~APIC_BASE_BSP;
	assert_int_equal(vlapic_state_check(other, &saved, 40), 0);
	vlapic_state_set(other, &saved);
	return other;
}

static void an_eoi_that_was_not_told_is_told(void **state)
{
	struct vlapic *lapic = first(state);
	vlapic_post(lapic, 0x55, true);
	assert_int_equal(take(lapic), 0x55);
	vlapic_eoi(lapic);
	assert_int_equal(lapic->eoi_vector, 0x55);
	assert_int_equal(moved(state)->eoi_vector, 0x55);
}

static void an_error_that_was_not_read_is_kept(void **state)
{
	struct vlapic *lapic = first(state), *other;
	vlapic_self_ipi(lapic, 3);
	other = moved(state);
	vlapic_mmio_write(other, APIC_ESR, 0);
	assert_int_equal(vlapic_mmio_read(other, APIC_ESR), 0x20);
}

/* Else the same edge would be an interrupt once more. */
static void a_line_that_is_high_does_not_rise_again(void **state)
{
	struct vlapic *lapic = first(state), *other;
	vlapic_mmio_write(lapic, APIC_LVT_LINT0, 0x44);
	vlapic_lint0(lapic, 1);
	assert_int_equal(take(lapic), 0x44);
	vlapic_eoi(lapic);
	other = moved(state);
	vlapic_lint0(other, 1);
	assert_int_equal(take(other), -1);
	vlapic_lint0(other, 0);
	vlapic_lint0(other, 1);
	assert_int_equal(take(other), 0x44);
}

/* The host's timer may come late: the tick that is due is not one of those that are left. */
static void a_tick_that_is_due_is_not_lost(void **state)
{
	struct vlapic *lapic = first(state), *other;
	vlapic_mmio_write(lapic, APIC_TIMER_DIVIDE, 0xb);
	vlapic_mmio_write(lapic, APIC_LVT_TIMER, 0x20000 | 0x66);
	vlapic_mmio_write(lapic, APIC_TIMER_INITIAL, 1000000);
	clock_now += 1300000;
	other = moved(state);
	assert_int_equal(take(other), 0x66);
	vlapic_eoi(other);
	assert_int_equal(take(other), -1);
	assert_int_equal(timer_at - clock_now, 700000);
	/* A deadline that has passed, too. */
	vlapic_mmio_write(lapic, APIC_LVT_TIMER, 0x40000 | 0x67);
	vlapic_deadline_write(lapic, clock_now + 500);
	clock_now += 501;
	other = moved(state);
	assert_int_equal(take(other), 0x67);
	assert_int_equal(saved.tsc_deadline, 0);
}

static void what_cannot_be_is_refused(void **state)
{
	struct machine *machine = *state;
	moved(state);
	saved.apic_eoi = 256;
	assert_int_equal(vlapic_state_check(&machine->lapic[1], &saved, 40), -GYRE_EINVAL);
	saved.apic_eoi = 0;
	saved.apic_errors = 0x100;
	assert_int_equal(vlapic_state_check(&machine->lapic[1], &saved, 40), -GYRE_EINVAL);
	saved.apic_errors = 0;
	saved.apic_lint0 = 2;
	assert_int_equal(vlapic_state_check(&machine->lapic[1], &saved, 40), -GYRE_EINVAL);
	saved.apic_lint0 = 1;
	assert_int_equal(vlapic_state_check(&machine->lapic[1], &saved, 40), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(an_eoi_that_was_not_told_is_told),
		TEST(an_error_that_was_not_read_is_kept),
		TEST(a_line_that_is_high_does_not_rise_again),
		TEST(a_tick_that_is_due_is_not_lost),
		TEST(what_cannot_be_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
