/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_vlapic.c: a guest's local APIC does what SDM vol. 3, "Advanced Programmable Interrupt Controller (APIC)", says: registers in both modes,
 * priorities, EOI, messages, timer. The host is a clock that the test turns and a timer that it reads.
 */
/* unit-sources: core/virt/vlapic.c core/virt/vlapic_regs.c core/virt/vlapic_bus.c core/virt/vlapic_timer.c core/virt/vlapic_state.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "core/virt/vlapic.h"
#include "gyre/errors.h"
#include "gyre/vcpu.h"
#include "tests/unit/vlapic_fixture.h"

static void to_x2apic(struct vlapic *lapic)
{
	assert_int_equal(vlapic_base_write(lapic, lapic->base | APIC_BASE_X2APIC, 40, true), 0);
}

/* ---- priorities ---- */
static void higher_vectors_come_first(void **state)
{
	struct vlapic *lapic = first(state);
	vlapic_post(lapic, 0x31, false);
	vlapic_post(lapic, 0xfe, false);
	vlapic_post(lapic, 0x80, false);
	assert_int_equal(take(lapic), 0xfe);
	assert_int_equal(take(lapic), -1); /* 0x80 is below what is in service */
	vlapic_eoi(lapic);
	assert_int_equal(take(lapic), 0x80);
	vlapic_post(lapic, 0x8f, false);
	assert_int_equal(take(lapic), -1); /* the same class does not interrupt */
	vlapic_post(lapic, 0x90, false);
	assert_int_equal(take(lapic), 0x90); /* nested */
	vlapic_eoi(lapic);
	assert_int_equal(take(lapic), -1);
	vlapic_eoi(lapic);
	assert_int_equal(take(lapic), 0x8f);
	vlapic_eoi(lapic);
	assert_int_equal(take(lapic), 0x31);
	vlapic_eoi(lapic);
	assert_int_equal(take(lapic), -1);
	assert_int_equal(lapic->posted_words | lapic->rvi | lapic->svi, 0);
}

static void task_priority_holds_its_class_and_below(void **state)
{
	struct vlapic *lapic = first(state);
	for (unsigned tpr = 0; tpr < 256; tpr++) {
		for (unsigned vector = 16; vector < 256; vector += 7) {
			vlapic_mmio_write(lapic, APIC_TPR, tpr);
			assert_int_equal(vlapic_mmio_read(lapic, APIC_PPR), tpr);
			vlapic_post(lapic, vector, false);
			bool comes = vector >> 4 > tpr >> 4;
			assert_int_equal(vlapic_held_by_tpr(lapic), comes ? -1 : (int)vector);
			assert_int_equal(take(lapic), comes ? (int)vector : -1);
			if (comes) {
				uint32_t ppr = (vector & 0xf0) > (tpr & 0xf0) ? vector & 0xf0 : tpr;
				assert_int_equal(vlapic_mmio_read(lapic, APIC_PPR), ppr);
			}
			vlapic_mmio_write(lapic, APIC_TPR, 0);
			if (!comes)
				assert_int_equal(take(lapic), (int)vector);
			vlapic_mmio_write(lapic, APIC_EOI, 0);
			assert_int_equal(lapic->svi, 0);
		}
	}
}

static void a_lower_task_priority_is_noticed(void **state)
{
	struct vlapic *lapic = first(state);
	vlapic_mmio_write(lapic, APIC_TPR, 0xff);
	vlapic_post(lapic, 0x40, false);
	notified = 0;
	vlapic_mmio_write(lapic, APIC_TPR, 0);
	assert_int_not_equal(notified, 0);
	assert_int_equal(take(lapic), 0x40);
	vlapic_post(lapic, 0x41, false);
	notified = 0;
	vlapic_eoi(lapic);
	assert_int_not_equal(notified, 0);
}

/* Against the plainest model there is: every vector a flag. */
static void random_traffic_is_as_a_simple_model_has_it(void **state)
{
	struct vlapic *lapic = first(state);
	bool irr[256] = {0}, isr[256] = {0};
	uint32_t tpr = 0;
	srand(1);
	for (unsigned step = 0; step < 200000; step++) {
		int best = -1, serving = -1;
		switch (rand() % 4) {
		case 0: {
			uint32_t vector = (uint32_t)rand() & 0xff;
			if (vlapic_post(lapic, vector, false))
				irr[vector] = true;
			break;
		}
		case 1:
			for (int v = 0; v < 256; v++) {
				best = irr[v] ? v : best;
				serving = isr[v] ? v : serving;
			}
			if (best >= 0 && (best >> 4 <= (int)(tpr >> 4) || (serving >= 0 && best >> 4 <= serving >> 4)))
				best = -1;
			assert_int_equal(take(lapic), best);
			if (best >= 0) {
				irr[best] = false;
				isr[best] = true;
			}
			break;
		case 2:
			vlapic_eoi(lapic);
			for (int v = 255; v >= 0; v--)
				if (isr[v]) {
					isr[v] = false;
					break;
				}
			break;
		case 3: tpr = rand() % 4 == 0 ? (uint32_t)rand() & 0xff : 0; vlapic_mmio_write(lapic, APIC_TPR, tpr);
		}
		for (uint32_t v = 0; v < 256; v += 32) {
			uint32_t word = 0, service = 0;
			for (uint32_t b = 0; b < 32; b++) {
				word |= (uint32_t)irr[v + b] << b;
				service |= (uint32_t)isr[v + b] << b;
			}
			assert_int_equal(vlapic_mmio_read(lapic, APIC_IRR + v / 2), word);
			assert_int_equal(vlapic_mmio_read(lapic, APIC_ISR + v / 2), service);
		}
	}
}

/* ---- what others post ---- */
static void what_is_posted_waits_for_its_owner(void **state)
{
	struct vlapic *lapic = first(state);
	vlapic_post(lapic, 0x45, true);
	vlapic_post(lapic, 0xe1, false);
	/* The processor may be running the guest with this page: nobody but the owner writes to it. */
	assert_int_equal(VREG(lapic, APIC_IRR + 0x20) | VREG(lapic, APIC_IRR + 0x70) | VREG(lapic, APIC_TMR + 0x20), 0);
	assert_true(vlapic_requests(lapic));
	assert_int_equal(lapic->rvi, 0);
	assert_int_equal(vlapic_mmio_read(lapic, APIC_IRR + 0x20), 1u << 5);
	assert_int_equal(VREG(lapic, APIC_TMR + 0x20), 1u << 5);
	assert_int_equal(VREG(lapic, APIC_IRR + 0x70), 1u << 1);
	assert_int_equal(lapic->rvi, 0xe1);
	assert_int_equal(lapic->posted_words | lapic->posted[2] | lapic->posted[7], 0);
	/* One that is there already stays one; what is in service has its own bit. */
	vlapic_post(lapic, 0xe1, false);
	assert_int_equal(take(lapic), 0xe1);
	assert_int_equal(lapic->rvi << 8 | lapic->svi, 0x45e1);
	vlapic_post(lapic, 0xe1, false);
	assert_int_equal(take(lapic), -1);
	assert_int_equal(lapic->rvi << 8 | lapic->svi, 0xe1e1);
	vlapic_eoi(lapic);
	assert_int_equal(take(lapic), 0xe1);
	vlapic_eoi(lapic);
	assert_int_equal(lapic->rvi << 8 | lapic->svi, 0x4500);
	/* An edge in the place of a level: what comes last decides, once it has been taken in. */
	vlapic_post(lapic, 0x45, false);
	assert_int_equal(vlapic_mmio_read(lapic, APIC_TMR + 0x20), 0);
	vlapic_reset(lapic);
	assert_int_equal(lapic->rvi | lapic->svi | VREG(lapic, APIC_IRR + 0x20), 0);
}

struct poster {
	struct vlapic *lapic;
	uint32_t first_vector;
	uint32_t taken[256]; /* by the owner */
	bool stuck;
};

/* Each vector again, as soon as the last time was served. */
static void *post_all(void *argument)
{
	struct poster *poster = argument;
	for (uint32_t round = 1; round <= 300 && !poster->stuck; round++) {
		for (uint32_t v = poster->first_vector; v < 256; v += 2)
			vlapic_post(poster->lapic, v, (v & 2) != 0);
		for (uint32_t v = poster->first_vector; v < 256; v += 2)
			while (__atomic_load_n(&poster->taken[v], __ATOMIC_ACQUIRE) < round && !poster->stuck)
				sched_yield();
	}
	return NULL;
}

static void no_request_of_another_processor_is_lost(void **state)
{
	struct vlapic *lapic = first(state);
	struct poster *posters[2];
	pthread_t threads[2];
	uint64_t empty = 0, served = 0;
	for (unsigned i = 0; i < 2; i++) {
		posters[i] = calloc(1, sizeof(*posters[i]));
		*posters[i] = (struct poster){.lapic = lapic, .first_vector = 16 + i};
		pthread_create(&threads[i], NULL, post_all, posters[i]);
	}
	while (served < 300 * 240 && empty < 100000000) {
		int vector = take(lapic);
		if (vector < 0) {
			if (++empty % 64 == 0)
				sched_yield();
			continue;
		}
		empty = 0;
		served++;
		assert_int_equal(
			(*vlapic_word(lapic, APIC_TMR, (uint32_t)vector) >> vector % 32 & 1) != 0, (vector & 2) != 0);
		vlapic_eoi(lapic);
		lapic->eoi_vector = 0;
		__atomic_fetch_add(&posters[vector & 1]->taken[vector], 1, __ATOMIC_RELEASE);
	}
	posters[0]->stuck = posters[1]->stuck = served != 300 * 240;
	for (unsigned i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		free(posters[i]);
	}
	assert_int_equal(served, 300 * 240);
	assert_int_equal(take(lapic), -1);
}

/* ---- EOI ---- */
static void level_interrupts_tell_their_eoi(void **state)
{
	struct vlapic *lapic = first(state);
	vlapic_post(lapic, 0x50, true);
	assert_int_equal(vlapic_mmio_read(lapic, APIC_TMR + 0x20), 1u << 16);
	assert_int_equal(take(lapic), 0x50);
	vlapic_eoi(lapic);
	assert_int_equal(lapic->eoi_vector, 0x50);
	lapic->eoi_vector = 0;
	/* The same vector by an edge is an edge's. */
	vlapic_post(lapic, 0x50, false);
	assert_int_equal(take(lapic), 0x50);
	vlapic_eoi(lapic);
	assert_int_equal(lapic->eoi_vector, 0);
	/* An EOI with nothing in service does nothing. */
	vlapic_eoi(lapic);
	assert_int_equal(lapic->eoi_vector, 0);
}

static void eoi_ends_the_highest_in_service(void **state)
{
	struct vlapic *lapic = first(state);
	vlapic_post(lapic, 0x30, true);
	take(lapic);
	vlapic_post(lapic, 0x60, false);
	take(lapic);
	vlapic_eoi(lapic);
	assert_int_equal(lapic->eoi_vector, 0); /* that was 0x60's */
	vlapic_eoi(lapic);
	assert_int_equal(lapic->eoi_vector, 0x30);
}

/* ---- software enable ---- */
static void disabled_by_software_it_takes_nothing_and_masks_its_lvt(void **state)
{
	struct vlapic *lapic = first(state);
	vlapic_mmio_write(lapic, APIC_LVT_TIMER, 0x40);
	vlapic_mmio_write(lapic, APIC_SVR, 0xff);
	for (uint32_t offset = APIC_LVT_TIMER; offset <= APIC_LVT_ERROR; offset += 16) {
		assert_int_equal(vlapic_mmio_read(lapic, offset) & APIC_LVT_MASKED, APIC_LVT_MASKED);
		vlapic_mmio_write(lapic, offset, 0x40);
		assert_int_equal(vlapic_mmio_read(lapic, offset) & APIC_LVT_MASKED, APIC_LVT_MASKED);
	}
	assert_false(vlapic_post(lapic, 0x40, false));
	assert_int_equal(take(lapic), -1);
	vlapic_signal(lapic, VLAPIC_SIGNAL_NMI);
	assert_int_equal(lapic->signals, VLAPIC_SIGNAL_NMI);
}

static void illegal_vectors_are_errors(void **state)
{
	struct vlapic *lapic = first(state);
	for (uint32_t vector = 0; vector < 16; vector++)
		assert_false(vlapic_post(lapic, vector, false));
	vlapic_mmio_write(lapic, APIC_LVT_ERROR, 0xe0);
	vlapic_mmio_write(lapic, APIC_ICR, 1u << 18 | 5); /* to itself, vector 5 */
	assert_int_equal(take(lapic), 0xe0);
	assert_int_equal(vlapic_mmio_read(lapic, APIC_ESR), 0); /* shown after a write alone */
	vlapic_mmio_write(lapic, APIC_ESR, 0);
	assert_int_equal(vlapic_mmio_read(lapic, APIC_ESR), 0x20);
	vlapic_mmio_write(lapic, APIC_ESR, 0);
	assert_int_equal(vlapic_mmio_read(lapic, APIC_ESR), 0);
	vlapic_mmio_read(lapic, 0x3f0); /* no such register in the page */
	vlapic_mmio_write(lapic, APIC_ESR, 0);
	assert_int_equal(vlapic_mmio_read(lapic, APIC_ESR), 0x80);
	vlapic_eoi(lapic);
	assert_int_equal(take(lapic), 0xe0); /* that of the access */
	vlapic_eoi(lapic);
	/* The error's own vector illegal: no recursion, no interrupt. */
	vlapic_mmio_write(lapic, APIC_LVT_ERROR, 3);
	vlapic_mmio_write(lapic, APIC_ICR, 1u << 18 | 5);
	assert_int_equal(take(lapic), -1);
}

/* ---- registers ---- */
static void reset_values(void **state)
{
	struct vlapic *lapic = first(state);
	vlapic_mmio_write(lapic, APIC_LDR, 0xffffffff);
	vlapic_mmio_write(lapic, APIC_TPR, 0x20);
	vlapic_reset(lapic);
	assert_int_equal(vlapic_mmio_read(lapic, APIC_ID), 0);
	assert_int_equal(vlapic_mmio_read(lapic, APIC_VERSION), 0x50014);
	assert_int_equal(vlapic_mmio_read(lapic, APIC_TPR), 0);
	assert_int_equal(vlapic_mmio_read(lapic, APIC_LDR), 0);
	assert_int_equal(vlapic_mmio_read(lapic, APIC_DFR), 0xffffffff);
	assert_int_equal(vlapic_mmio_read(lapic, APIC_SVR), 0xff);
	for (uint32_t offset = APIC_LVT_TIMER; offset <= APIC_LVT_ERROR; offset += 16)
		assert_int_equal(vlapic_mmio_read(lapic, offset), APIC_LVT_MASKED);
	assert_int_equal(lapic->base, APIC_BASE_DEFAULT | APIC_BASE_ENABLE | APIC_BASE_BSP);
}

static void reserved_bits_are_ignored_in_the_page(void **state)
{
	struct vlapic *lapic = first(state);
	static const struct {
		uint32_t offset, reads;
	} registers[] = {{APIC_LVT_TIMER, 0x700ff}, {APIC_LVT_THERMAL, 0x107ff}, {APIC_LVT_PERFORMANCE, 0x107ff},
		{APIC_LVT_LINT0, 0x1a7ff}, {APIC_LVT_LINT1, 0x1a7ff}, {APIC_LVT_ERROR, 0x100ff}, {APIC_SVR, 0x3ff},
		{APIC_TPR, 0xff}, {APIC_LDR, 0xff000000}, {APIC_TIMER_DIVIDE, 0xb}, {APIC_ICR_HIGH, 0xff000000},
		{APIC_ID, 0}, {APIC_VERSION, 0x50014}};
	for (unsigned i = 0; i < sizeof(registers) / sizeof(registers[0]); i++) {
		vlapic_mmio_write(lapic, registers[i].offset, 0xffffffff);
		assert_int_equal(vlapic_mmio_read(lapic, registers[i].offset), registers[i].reads);
	}
	vlapic_mmio_write(lapic, APIC_DFR, 0);
	assert_int_equal(vlapic_mmio_read(lapic, APIC_DFR), 0x0fffffff);
	/* Every other place in the page may be touched. */
	for (uint32_t offset = 0; offset < 4096; offset++) {
		vlapic_mmio_read(lapic, offset);
		vlapic_mmio_write(lapic, offset, 0xffffffff);
	}
}

static void reserved_bits_are_faults_in_msrs(void **state)
{
	struct vlapic *lapic = first(state);
	uint64_t value;
	assert_int_equal(vlapic_msr_read(lapic, 0x802, &value), -1); /* not in this mode */
	to_x2apic(lapic);
	static const struct {
		uint32_t index;
		uint64_t legal;
	} writable[] = {{0x808, 0xff}, {0x80f, 0x3ff}, {0x828, 0}, {0x830, 0xffffffff000ccfff}, {0x832, 0x750ff},
		{0x833, 0x157ff}, {0x834, 0x157ff}, {0x835, 0x1f7ff}, {0x836, 0x1f7ff}, {0x837, 0x150ff},
		{0x838, 0xffffffff}, {0x83e, 0xb}, {0x83f, 0xff}, {0x80b, 0}};
	for (unsigned i = 0; i < sizeof(writable) / sizeof(writable[0]); i++)
		for (unsigned bit = 0; bit < 64; bit++) {
			bool legal = (writable[i].legal >> bit & 1) != 0;
			assert_int_equal(vlapic_msr_write(lapic, writable[i].index, 1ull << bit), legal ? 0 : -1);
		}
	/* Read-only, write-only, missing. */
	static const uint32_t read_only[] = {0x802, 0x803, 0x80a, 0x80d, 0x810, 0x817, 0x818, 0x820, 0x827, 0x839};
	for (unsigned i = 0; i < sizeof(read_only) / sizeof(read_only[0]); i++) {
		assert_int_equal(vlapic_msr_read(lapic, read_only[i], &value), 0);
		assert_int_equal(vlapic_msr_write(lapic, read_only[i], 0), -1);
	}
	assert_int_equal(vlapic_msr_read(lapic, 0x80b, &value), -1);
	assert_int_equal(vlapic_msr_read(lapic, 0x83f, &value), -1);
	static const uint32_t missing[] = {
		0x800, 0x801, 0x804, 0x809, 0x80c, 0x80e, 0x829, 0x82f, 0x831, 0x83a, 0x840, 0x8ff};
	for (unsigned i = 0; i < sizeof(missing) / sizeof(missing[0]); i++) {
		assert_int_equal(vlapic_msr_read(lapic, missing[i], &value), -1);
		assert_int_equal(vlapic_msr_write(lapic, missing[i], 0), -1);
	}
}

static void apic_base_knows_its_transitions(void **state)
{
	struct vlapic *lapic = first(state);
	const uint64_t base = APIC_BASE_DEFAULT | APIC_BASE_BSP, en = APIC_BASE_ENABLE, x2 = APIC_BASE_X2APIC;
	assert_int_equal(vlapic_base_write(lapic, base | x2, 40, true), -1);	   /* invalid at all times */
	assert_int_equal(vlapic_base_write(lapic, base | en | x2, 40, false), -1); /* not offered: reserved */
	assert_int_equal(vlapic_base_write(lapic, base | en | 1ull << 40, 40, true), -1);
	assert_int_equal(vlapic_base_write(lapic, base | en | 1, 40, true), -1);
	assert_int_equal(vlapic_base_write(lapic, base | en | x2, 40, true), 0);
	assert_true(vlapic_x2apic(lapic));
	assert_int_equal(vlapic_base_write(lapic, base | en, 40, true), -1); /* back only through off */
	assert_int_equal(vlapic_base_write(lapic, base, 40, true), 0);
	assert_int_equal(vlapic_base_write(lapic, base | en | x2, 40, true), -1); /* and not from off at once */
	assert_int_equal(vlapic_base_write(lapic, base | en, 40, true), 0);
	assert_int_equal(vlapic_mmio_read(lapic, APIC_SVR), 0xff); /* reset by it */
	/* BSP is not the guest's to choose. */
	assert_int_equal(vlapic_base_write(lapic, APIC_BASE_DEFAULT | en, 40, true), 0);
	assert_int_equal(lapic->base & APIC_BASE_BSP, APIC_BASE_BSP);
}

static void x2apic_names_itself(void **state)
{
	struct machine *machine = *state;
	uint64_t value;
	struct vlapic odd;
	vlapic_init(&odd, machine->page[CPUS], &machine->bus, 0x123, false);
	assert_int_equal(vlapic_base_write(&odd, odd.base | APIC_BASE_X2APIC, 40, true), 0);
	assert_int_equal(vlapic_msr_read(&odd, 0x802, &value), 0);
	assert_int_equal(value, 0x123);
	assert_int_equal(vlapic_msr_read(&odd, 0x80d, &value), 0);
	assert_int_equal(value, 0x12 << 16 | 1 << 3);
}

/* ---- messages ---- */
static uint32_t who_has(struct machine *machine, uint32_t vector)
{
	uint32_t set = 0;
	for (unsigned i = 0; i < CPUS; i++) {
		struct vlapic *lapic = &machine->lapic[i];
		vlapic_merge(lapic);
		if ((*vlapic_word(lapic, APIC_IRR, vector) >> vector % 32 & 1) != 0)
			set |= 1u << i;
		*vlapic_word(lapic, APIC_IRR, vector) &= ~(1u << vector % 32);
		lapic->rvi = vlapic_highest(lapic, APIC_IRR);
	}
	return set;
}

static void ipis_reach_whom_they_name(void **state)
{
	struct machine *machine = *state;
	struct vlapic *from = &machine->lapic[1];
	/* xAPIC, physical. */
	vlapic_mmio_write(from, APIC_ICR_HIGH, 2u << 24);
	vlapic_mmio_write(from, APIC_ICR, 0x40);
	assert_int_equal(who_has(machine, 0x40), 4);
	vlapic_mmio_write(from, APIC_ICR_HIGH, 0xffu << 24);
	vlapic_mmio_write(from, APIC_ICR, 0x40);
	assert_int_equal(who_has(machine, 0x40), 15);
	vlapic_mmio_write(from, APIC_ICR_HIGH, 9u << 24);
	vlapic_mmio_write(from, APIC_ICR, 0x40);
	assert_int_equal(who_has(machine, 0x40), 0);
	/* Shorthands: itself, all, all but itself. */
	vlapic_mmio_write(from, APIC_ICR, 0x41 | 1u << 18);
	assert_int_equal(who_has(machine, 0x41), 2);
	vlapic_mmio_write(from, APIC_ICR, 0x41 | 2u << 18);
	assert_int_equal(who_has(machine, 0x41), 15);
	vlapic_mmio_write(from, APIC_ICR, 0x41 | 3u << 18);
	assert_int_equal(who_has(machine, 0x41), 13);
	/* Logical, flat. */
	for (unsigned i = 0; i < CPUS; i++)
		vlapic_mmio_write(&machine->lapic[i], APIC_LDR, 1u << (24 + i));
	vlapic_mmio_write(from, APIC_ICR_HIGH, 5u << 24);
	vlapic_mmio_write(from, APIC_ICR, 0x42 | 0x800);
	assert_int_equal(who_has(machine, 0x42), 5);
	/* Logical, cluster: two clusters of two. */
	for (unsigned i = 0; i < CPUS; i++) {
		vlapic_mmio_write(&machine->lapic[i], APIC_DFR, 0);
		vlapic_mmio_write(&machine->lapic[i], APIC_LDR, (i / 2) << 28 | 1u << (24 + i % 2));
	}
	vlapic_mmio_write(from, APIC_ICR_HIGH, 0x13u << 24);
	vlapic_mmio_write(from, APIC_ICR, 0x42 | 0x800);
	assert_int_equal(who_has(machine, 0x42), 12);
	vlapic_mmio_write(from, APIC_ICR_HIGH, 0xf1u << 24);
	vlapic_mmio_write(from, APIC_ICR, 0x42 | 0x800);
	assert_int_equal(who_has(machine, 0x42), 5);
}

static void x2apic_ipis(void **state)
{
	struct machine *machine = *state;
	struct vlapic *from = &machine->lapic[0];
	for (unsigned i = 0; i < CPUS; i++)
		to_x2apic(&machine->lapic[i]);
	assert_int_equal(vlapic_msr_write(from, 0x830, 3ull << 32 | 0x40), 0);
	assert_int_equal(who_has(machine, 0x40), 8);
	assert_int_equal(vlapic_msr_write(from, 0x830, 0xffffffffull << 32 | 0x40), 0);
	assert_int_equal(who_has(machine, 0x40), 15);
	assert_int_equal(vlapic_msr_write(from, 0x830, 0xffull << 32 | 0x40), 0); /* no broadcast here: processor 255 */
	assert_int_equal(who_has(machine, 0x40), 0);
	assert_int_equal(vlapic_msr_write(from, 0x830, 6ull << 32 | 0x800 | 0x40), 0);
	assert_int_equal(who_has(machine, 0x40), 6);
	assert_int_equal(vlapic_msr_write(from, 0x830, 0x10006ull << 32 | 0x800 | 0x40), 0); /* cluster 1 is empty */
	assert_int_equal(who_has(machine, 0x40), 0);
	assert_int_equal(vlapic_msr_write(from, 0x83f, 0x40), 0);
	assert_int_equal(who_has(machine, 0x40), 1);
}

static void other_kinds_of_ipi(void **state)
{
	struct machine *machine = *state;
	struct vlapic *from = &machine->lapic[0], *to = &machine->lapic[2];
	vlapic_mmio_write(from, APIC_ICR_HIGH, 2u << 24);
	vlapic_mmio_write(from, APIC_ICR, 0x400);
	assert_int_equal(to->signals, VLAPIC_SIGNAL_NMI);
	to->signals = 0;
	vlapic_mmio_write(from, APIC_ICR, 0x4500);
	assert_int_equal(to->signals, VLAPIC_SIGNAL_INIT);
	to->signals = 0;
	vlapic_mmio_write(from, APIC_ICR, 0x8500); /* de-assert */
	assert_int_equal(to->signals, 0);
	vlapic_mmio_write(from, APIC_ICR, 0x69f);
	assert_int_equal(to->signals, VLAPIC_SIGNAL_SIPI);
	assert_int_equal(to->sipi_vector, 0x9f);
	to->signals = 0;
	vlapic_mmio_write(from, APIC_ICR, 0x240); /* SMI: there is none */
	vlapic_mmio_write(from, APIC_ICR, 0x740);
	vlapic_mmio_write(from, APIC_ICR, 0x340);
	assert_int_equal(to->signals, 0);
	assert_int_equal(who_has(machine, 0x40), 0);
	/* To itself by shorthand only fixed interrupts go; INIT to all but itself leaves the sender alone. */
	vlapic_mmio_write(from, APIC_ICR, 0x4500 | 1u << 18);
	assert_int_equal(from->signals, 0);
	vlapic_mmio_write(from, APIC_ICR, 0x4500 | 3u << 18);
	assert_int_equal(from->signals, 0);
	assert_int_equal(machine->lapic[1].signals, VLAPIC_SIGNAL_INIT);
}

static void lowest_priority_goes_to_the_least_busy(void **state)
{
	struct machine *machine = *state;
	unsigned got[CPUS] = {0};
	for (unsigned i = 0; i < CPUS; i++)
		vlapic_mmio_write(&machine->lapic[i], APIC_LDR, 1u << (24 + i));
	vlapic_mmio_write(&machine->lapic[0], APIC_TPR, 0x80);
	vlapic_mmio_write(&machine->lapic[3], APIC_SVR, 0xff); /* takes nothing */
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(vlapic_bus_message(&machine->bus, 0xfee0f00c, 0x140), 0);
		uint32_t set = who_has(machine, 0x40);
		assert_true(set == 2 || set == 4);
		got[set == 2 ? 1 : 2]++;
	}
	assert_int_equal(got[1], 50); /* equals in turn */
}

static void messages_of_devices(void **state)
{
	struct machine *machine = *state;
	assert_int_equal(vlapic_bus_message(&machine->bus, 0xfee02000, 0x4055), 0);
	assert_int_equal(who_has(machine, 0x55), 4);
	assert_int_equal(vlapic_bus_message(&machine->bus, 0xfee01000, 0xc055), 0); /* level */
	who_has(machine, 0x55);
	assert_int_equal(VREG(&machine->lapic[1], APIC_TMR + 0x20), 1u << 21);
	assert_int_equal(vlapic_bus_message(&machine->bus, 0xfeeff000, 0x400), 0);
	for (unsigned i = 0; i < CPUS; i++)
		assert_int_equal(machine->lapic[i].signals, VLAPIC_SIGNAL_NMI);
	assert_int_equal(vlapic_bus_message(&machine->bus, 0xfef02000, 0x55), -GYRE_EINVAL);
	assert_int_equal(vlapic_bus_message(&machine->bus, 0x1fee02000, 0x55), -GYRE_EINVAL);
	assert_int_equal(vlapic_bus_message(&machine->bus, 0xfee09000, 0x55), -GYRE_ENOENT);
	assert_int_equal(vlapic_bus_message(&machine->bus, 0xfee02000, 0x05), -GYRE_ENOENT);
	assert_int_equal(vlapic_bus_message(&machine->bus, 0xfee02000, 0x655), -GYRE_ENOENT);
	/* Any number at all may come: nothing bad follows. */
	srand(2);
	for (unsigned i = 0; i < 100000; i++)
		vlapic_bus_message(&machine->bus, 0xfee00000 | (uint32_t)rand(), (uint32_t)rand());
}

static void the_line_of_the_pics(void **state)
{
	struct vlapic *lapic = first(state);
	assert_false(vlapic_takes_extint(lapic)); /* masked after reset */
	vlapic_mmio_write(lapic, APIC_LVT_LINT0, 0x700);
	assert_true(vlapic_takes_extint(lapic));
	vlapic_mmio_write(lapic, APIC_LVT_LINT0, 0x10700);
	assert_false(vlapic_takes_extint(lapic));
	vlapic_base_write(lapic, APIC_BASE_DEFAULT, 40, true);
	assert_true(vlapic_takes_extint(lapic)); /* past a disabled one */
	vlapic_base_write(lapic, APIC_BASE_DEFAULT | APIC_BASE_ENABLE, 40, true);
	vlapic_mmio_write(lapic, APIC_SVR, 0x1ff);
	/* As a fixed interrupt: an edge, or a level that comes again after its EOI. */
	vlapic_mmio_write(lapic, APIC_LVT_LINT0, 0x60);
	vlapic_lint0(lapic, 1);
	vlapic_lint0(lapic, 1);
	assert_int_equal(take(lapic), 0x60);
	vlapic_eoi(lapic);
	assert_int_equal(take(lapic), -1);
	vlapic_lint0(lapic, 0);
	vlapic_mmio_write(lapic, APIC_LVT_LINT0, 0x8060);
	vlapic_lint0(lapic, 1);
	assert_int_equal(take(lapic), 0x60);
	vlapic_lint0(lapic, 1);
	assert_int_equal(take(lapic), -1); /* remote IRR */
	vlapic_eoi(lapic);
	vlapic_lint0(lapic, 1);
	assert_int_equal(take(lapic), 0x60);
	vlapic_eoi(lapic);
	vlapic_lint0(lapic, 0);
	vlapic_mmio_write(lapic, APIC_LVT_LINT0, 0x400);
	lapic->signals = 0;
	vlapic_lint0(lapic, 1);
	vlapic_lint0(lapic, 1);
	assert_int_equal(lapic->signals, VLAPIC_SIGNAL_NMI);
}

/* ---- saved form ---- */
static void saved_and_restored_it_goes_on(void **state)
{
	struct machine *machine = *state;
	struct vlapic *lapic = first(state), *other = &machine->lapic[1];
	struct gyre_vcpu_state *saved = calloc(1, sizeof(*saved)), *again = calloc(1, sizeof(*again));
	vlapic_mmio_write(lapic, APIC_TIMER_DIVIDE, 1);
	vlapic_mmio_write(lapic, APIC_LVT_TIMER, 0x20040);
	vlapic_mmio_write(lapic, APIC_TIMER_INITIAL, 100000);
	vlapic_mmio_write(lapic, APIC_TPR, 0x20);
	vlapic_mmio_write(lapic, APIC_LDR, 0x01000000);
	vlapic_post(lapic, 0x77, true);
	vlapic_post(lapic, 0x31, false);
	take(lapic);
	clock_now += 100000;
	vlapic_state_get(lapic, saved);
	assert_int_equal(saved->apic_timer_left, 4 * vlapic_timer_count(lapic));
	assert_int_equal(vlapic_state_check(other, saved, 40), -GYRE_EINVAL); /* another's id */
	saved->apic[APIC_ID / 16] = 1u << 24;
	assert_int_equal(vlapic_state_check(other, saved, 40), 0);
	vlapic_state_set(other, saved);
	vlapic_state_get(other, again);
	assert_memory_equal(saved->apic, again->apic, sizeof(saved->apic));
	assert_int_equal(saved->apic_timer_left, again->apic_timer_left);
	assert_int_equal(vlapic_timer_count(other), vlapic_timer_count(lapic));
	assert_ptr_equal(timer_of, other);
	assert_int_equal(timer_at - clock_now, again->apic_timer_left);
	vlapic_mmio_write(other, APIC_TPR, 0);
	vlapic_eoi(other);
	assert_int_equal(other->eoi_vector, 0x77);
	assert_int_equal(take(other), 0x31);
	/* Nothing that no APIC can be. */
	saved->apic[APIC_IRR / 16] = 1;
	assert_int_equal(vlapic_state_check(other, saved, 40), -GYRE_EINVAL);
	saved->apic[APIC_IRR / 16] = 0;
	saved->apic_base = APIC_BASE_DEFAULT | APIC_BASE_X2APIC;
	assert_int_equal(vlapic_state_check(other, saved, 40), -GYRE_EINVAL);
	free(saved);
	free(again);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(higher_vectors_come_first),
		TEST(task_priority_holds_its_class_and_below),
		TEST(a_lower_task_priority_is_noticed),
		TEST(random_traffic_is_as_a_simple_model_has_it),
		TEST(what_is_posted_waits_for_its_owner),
		TEST(no_request_of_another_processor_is_lost),
		TEST(level_interrupts_tell_their_eoi),
		TEST(eoi_ends_the_highest_in_service),
		TEST(disabled_by_software_it_takes_nothing_and_masks_its_lvt),
		TEST(illegal_vectors_are_errors),
		TEST(reset_values),
		TEST(reserved_bits_are_ignored_in_the_page),
		TEST(reserved_bits_are_faults_in_msrs),
		TEST(apic_base_knows_its_transitions),
		TEST(x2apic_names_itself),
		TEST(ipis_reach_whom_they_name),
		TEST(x2apic_ipis),
		TEST(other_kinds_of_ipi),
		TEST(lowest_priority_goes_to_the_least_busy),
		TEST(messages_of_devices),
		TEST(the_line_of_the_pics),
		TEST(saved_and_restored_it_goes_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
