/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_vlapic_timer.c: the timer of a guest's local APIC: SDM vol. 3, "APIC Timer" and "TSC-Deadline Mode".
 */
/* unit-sources: core/virt/vlapic.c core/virt/vlapic_regs.c core/virt/vlapic_bus.c core/virt/vlapic_timer.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/vlapic_fixture.h"

static void turn(struct vlapic *lapic, uint64_t ticks)
{
	clock_now += ticks;
	if (timer_at <= clock_now) {
		timer_at = VLAPIC_TSC_NEVER;
		vlapic_timer_fired(lapic);
	}
}

static void one_shot_counts_down_once(void **state)
{
	struct vlapic *lapic = first(state);
	vlapic_mmio_write(lapic, APIC_LVT_TIMER, 0x40);
	vlapic_mmio_write(lapic, APIC_TIMER_DIVIDE, 0); /* by 2 */
	vlapic_mmio_write(lapic, APIC_TIMER_INITIAL, 1000);
	assert_int_equal(timer_at, clock_now + 2000);
	turn(lapic, 500);
	assert_int_equal(vlapic_mmio_read(lapic, APIC_TIMER_CURRENT), 750);
	turn(lapic, 1499);
	assert_int_equal(vlapic_mmio_read(lapic, APIC_TIMER_CURRENT), 1);
	assert_int_equal(take(lapic), -1);
	turn(lapic, 1);
	assert_int_equal(take(lapic), 0x40);
	assert_int_equal(vlapic_mmio_read(lapic, APIC_TIMER_CURRENT), 0);
	assert_int_equal(vlapic_mmio_read(lapic, APIC_TIMER_INITIAL), 1000);
	vlapic_eoi(lapic);
	turn(lapic, 1000000);
	assert_int_equal(take(lapic), -1);
	vlapic_mmio_write(lapic, APIC_TIMER_INITIAL, 1000);
	vlapic_mmio_write(lapic, APIC_TIMER_INITIAL, 0); /* stops */
	turn(lapic, 1000000);
	assert_int_equal(take(lapic), -1);
}

static void every_divisor(void **state)
{
	struct vlapic *lapic = first(state);
	static const struct {
		uint32_t code, by;
	} divisors[] = {{0, 2}, {1, 4}, {2, 8}, {3, 16}, {8, 32}, {9, 64}, {10, 128}, {11, 1}};
	for (unsigned i = 0; i < 8; i++) {
		vlapic_mmio_write(lapic, APIC_TIMER_DIVIDE, divisors[i].code);
		vlapic_mmio_write(lapic, APIC_TIMER_INITIAL, 12345);
		assert_int_equal(timer_at - clock_now, 12345ull * divisors[i].by);
	}
	/* The count goes on from where it is when the divisor changes. */
	vlapic_mmio_write(lapic, APIC_TIMER_DIVIDE, 11);
	vlapic_mmio_write(lapic, APIC_TIMER_INITIAL, 1000);
	clock_now += 400;
	vlapic_mmio_write(lapic, APIC_TIMER_DIVIDE, 0);
	assert_int_equal(timer_at - clock_now, 1200);
	assert_int_equal(vlapic_mmio_read(lapic, APIC_TIMER_INITIAL), 1000);
	assert_int_equal(vlapic_mmio_read(lapic, APIC_TIMER_CURRENT), 600);
	vlapic_mmio_write(lapic, APIC_LVT_TIMER, 0x40);
	turn(lapic, 1199);
	assert_int_equal(vlapic_mmio_read(lapic, APIC_TIMER_CURRENT), 1);
	assert_int_equal(take(lapic), -1);
	turn(lapic, 1);
	assert_int_equal(take(lapic), 0x40);
	assert_int_equal(vlapic_mmio_read(lapic, APIC_TIMER_CURRENT), 0);
}

static void periodic_comes_again_and_makes_up_for_nothing(void **state)
{
	struct vlapic *lapic = first(state);
	uint64_t began = clock_now;
	vlapic_mmio_write(lapic, APIC_TIMER_DIVIDE, 11);
	vlapic_mmio_write(lapic, APIC_LVT_TIMER, 0x20040);
	vlapic_mmio_write(lapic, APIC_TIMER_INITIAL, 100000);
	for (unsigned i = 1; i <= 5; i++) {
		turn(lapic, began + i * 100000 - clock_now);
		assert_int_equal(take(lapic), 0x40);
		vlapic_eoi(lapic);
	}
	/* Ten missed are one, and the next is in step. */
	turn(lapic, 1050000);
	assert_int_equal(take(lapic), 0x40);
	vlapic_eoi(lapic);
	assert_int_equal(take(lapic), -1);
	assert_int_equal((timer_at - began) % 100000, 0);
	assert_true(timer_at > clock_now && timer_at - clock_now <= 100000);
	assert_int_equal(vlapic_mmio_read(lapic, APIC_TIMER_CURRENT), 50000);
}

/* A15: a guest that asks for a tick each tick gets one every 50 microseconds. */
static void a_period_has_a_shortest_length(void **state)
{
	struct vlapic *lapic = first(state);
	vlapic_mmio_write(lapic, APIC_TIMER_DIVIDE, 11);
	vlapic_mmio_write(lapic, APIC_LVT_TIMER, 0x20040);
	vlapic_mmio_write(lapic, APIC_TIMER_INITIAL, 1);
	assert_int_equal(timer_at - clock_now, 50 * KHZ / 1000);
	/* As a one-shot it is what it is; made periodic while it runs, no longer. */
	vlapic_mmio_write(lapic, APIC_LVT_TIMER, 0x40);
	assert_int_equal(timer_at - lapic->timer_start, 1);
	vlapic_mmio_write(lapic, APIC_LVT_TIMER, 0x20040);
	assert_int_equal(timer_at - lapic->timer_start, 50 * KHZ / 1000);
}

static void largest_counts_do_not_overflow(void **state)
{
	struct vlapic *lapic = first(state);
	lapic->tsc_khz = 5000000;
	lapic->timer_khz = 1;
	vlapic_mmio_write(lapic, APIC_TIMER_DIVIDE, 10);
	vlapic_mmio_write(lapic, APIC_TIMER_INITIAL, 0xffffffff);
	assert_true(timer_at > clock_now);
	clock_now = UINT64_MAX - 5;
	vlapic_mmio_write(lapic, APIC_TIMER_INITIAL, 0xffffffff);
	assert_true(timer_at == UINT64_MAX);
	assert_int_equal(vlapic_mmio_read(lapic, APIC_TIMER_CURRENT), 0xffffffff);
}

static void deadlines(void **state)
{
	struct vlapic *lapic = first(state);
	vlapic_tsc_changed(lapic, 5000); /* the guest's clock is 5,000 ahead */
	vlapic_deadline_write(lapic, clock_now + 10000);
	assert_int_equal(timer_at, VLAPIC_TSC_NEVER); /* not in this mode */
	assert_int_equal(lapic->timer_deadline, 0);
	vlapic_mmio_write(lapic, APIC_LVT_TIMER, 0x40040);
	vlapic_mmio_write(lapic, APIC_TIMER_INITIAL, 1000); /* ignored in this one */
	assert_int_equal(timer_at, VLAPIC_TSC_NEVER);
	vlapic_deadline_write(lapic, clock_now + 10000);
	assert_int_equal(timer_at, clock_now + 5000);
	assert_int_equal(lapic->timer_deadline, clock_now + 10000);
	turn(lapic, 5000);
	assert_int_equal(take(lapic), 0x40);
	assert_int_equal(lapic->timer_deadline, 0);
	vlapic_eoi(lapic);
	/* Passed already: at once. 0: disarmed. The largest: never, and no overflow. */
	vlapic_deadline_write(lapic, 1);
	assert_int_equal(take(lapic), 0x40);
	vlapic_eoi(lapic);
	vlapic_deadline_write(lapic, clock_now + 10000);
	vlapic_deadline_write(lapic, 0);
	turn(lapic, 100000);
	assert_int_equal(take(lapic), -1);
	vlapic_deadline_write(lapic, UINT64_MAX);
	assert_true(timer_at > clock_now);
	turn(lapic, 1000000);
	assert_int_equal(take(lapic), -1);
}

/* A15: mode flips while armed, resets, host timers that come early or late. */
static void no_timer_outlives_its_reason(void **state)
{
	struct vlapic *lapic = first(state);
	vlapic_mmio_write(lapic, APIC_TIMER_DIVIDE, 11);
	vlapic_mmio_write(lapic, APIC_LVT_TIMER, 0x40);
	vlapic_mmio_write(lapic, APIC_TIMER_INITIAL, 1000);
	vlapic_mmio_write(lapic, APIC_LVT_TIMER, 0x40040);
	assert_int_equal(timer_at, VLAPIC_TSC_NEVER);
	clock_now += 5000;
	vlapic_timer_fired(lapic); /* one that was under way */
	assert_int_equal(take(lapic), -1);
	vlapic_deadline_write(lapic, clock_now + 1000);
	vlapic_mmio_write(lapic, APIC_LVT_TIMER, 0x40);
	assert_int_equal(timer_at, VLAPIC_TSC_NEVER);
	clock_now += 5000;
	vlapic_timer_fired(lapic);
	assert_int_equal(take(lapic), -1);
	/* Early: armed again for the same moment. */
	vlapic_mmio_write(lapic, APIC_TIMER_INITIAL, 1000);
	uint64_t due = timer_at;
	clock_now += 10;
	vlapic_timer_fired(lapic);
	assert_int_equal(timer_at, due);
	assert_int_equal(take(lapic), -1);
	/* A reset ends it. */
	vlapic_reset(lapic);
	clock_now += 5000;
	vlapic_timer_fired(lapic);
	assert_int_equal(lapic->posted_words | lapic->rvi, 0);
	/* A moved clock moves the deadline. */
	vlapic_mmio_write(lapic, APIC_SVR, 0x1ff);
	vlapic_mmio_write(lapic, APIC_LVT_TIMER, 0x40040);
	vlapic_deadline_write(lapic, clock_now + lapic->tsc_offset + 10000);
	vlapic_tsc_changed(lapic, lapic->tsc_offset + 20000);
	assert_int_equal(take(lapic), 0x40);
}

static void a_masked_timer_counts_in_silence(void **state)
{
	struct vlapic *lapic = first(state);
	vlapic_mmio_write(lapic, APIC_TIMER_DIVIDE, 11);
	vlapic_mmio_write(lapic, APIC_LVT_TIMER, 0x10040);
	vlapic_mmio_write(lapic, APIC_TIMER_INITIAL, 1000);
	turn(lapic, 400);
	assert_int_equal(vlapic_mmio_read(lapic, APIC_TIMER_CURRENT), 600);
	turn(lapic, 600);
	assert_int_equal(take(lapic), -1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(one_shot_counts_down_once),
		TEST(every_divisor),
		TEST(periodic_comes_again_and_makes_up_for_nothing),
		TEST(a_period_has_a_shortest_length),
		TEST(largest_counts_do_not_overflow),
		TEST(deadlines),
		TEST(no_timer_outlives_its_reason),
		TEST(a_masked_timer_counts_in_silence),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
