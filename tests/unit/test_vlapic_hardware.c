/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_vlapic_hardware.c: a local APIC that the processor runs (core/virt/vmx/apicv.c), against a model of that processor after SDM vol. 3, "APIC
 * Virtualization and Virtual Interrupts", and a guest that can't tell who runs it: the same vectors come, at the same moments, whatever the mode.
 */
/* unit-sources: core/virt/vmx/apicv.c core/virt/vmx/events.c core/virt/inject.c */
/* unit-sources: core/virt/vlapic.c core/virt/vlapic_regs.c core/virt/vlapic_bus.c core/virt/vlapic_timer.c core/virt/vlapic_state.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/virt/vm.h"
#include "core/virt/vmx/vmx.h"

#define NORMAL_BITMAP  0x1000
#define VIRTUAL_BITMAP 0x2000

struct vmx_features vmx_features;
static uint64_t vmcs[0x7000];
static uint32_t page[1024];
static struct vmx_vcpu *v;
static struct vlapic *lapic;

/* ---- what the sources would find in the core ---- */
uint64_t vmx_read(uint32_t field)
{
	return vmcs[field];
}

void vmx_write(uint32_t field, uint64_t value)
{
	vmcs[field] = value;
}

uint64_t vmx_msr_bitmap(bool virtual_apic)
{
	return virtual_apic ? VIRTUAL_BITMAP : NORMAL_BITMAP;
}

void vmx_controls_set(struct vmx_vcpu *vcpu, uint32_t bits, bool on)
{
	vcpu->controls = on ? vcpu->controls | bits : vcpu->controls & ~bits;
}

void vlapic_notify(struct vlapic *of)
{
	(void)of;
	vcpu_hazard_set(&v->vcpu, VCPU_HAZARD_EVENTS);
}

void vlapic_timer_set(struct vlapic *of, uint64_t host_tsc)
{
	(void)of;
	(void)host_tsc;
}

uint64_t vlapic_host_tsc(void)
{
	return 0;
}

static int set_up(void **state)
{
	struct vm *vm = calloc(1, sizeof(*vm));
	v = calloc(1, sizeof(*v));
	lapic = &v->vcpu.lapic;
	*state = v;
	memset(vmcs, 0, sizeof(vmcs));
	v->vcpu.vm = vm;
	v->vcpu.page = calloc(1, 4096);
	v->vcpu.counters = calloc(1, 4096);
	vlapic_init(lapic, page, &vm->bus, 0, true);
	vm->bus.member[vm->bus.count++] = lapic;
	vmx_features.apicv = true;
	vmcs[VMCS_RFLAGS] = RFLAGS_IF | 2;
	vmcs[VMCS_MSR_BITMAP] = NORMAL_BITMAP;
	vlapic_mmio_write(lapic, APIC_SVR, 0x1ff);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(v->vcpu.counters);
	free(v->vcpu.page);
	free(v->vcpu.vm);
	free(v);
	return 0;
}

static void to_x2apic(void)
{
	assert_int_equal(vlapic_base_write(lapic, lapic->base | APIC_BASE_X2APIC, 40, true), 0);
}

/* ---- the processor ---- */
static bool virtual(void)
{
	return (vmcs[VMCS_CONTROLS2] & CONTROL2_VIRTUAL_INTERRUPT) != 0;
}

static uint32_t rvi(void)
{
	return vmcs[VMCS_INTERRUPT_STATUS] & 0xff;
}

static uint32_t svi(void)
{
	return (uint32_t)vmcs[VMCS_INTERRUPT_STATUS] >> 8;
}

static void status(uint32_t new_svi, uint32_t new_rvi)
{
	uint32_t tpr = VREG(lapic, APIC_TPR);
	vmcs[VMCS_INTERRUPT_STATUS] = new_svi << 8 | new_rvi;
	VREG(lapic, APIC_PPR) = (tpr & 0xf0) >= (new_svi & 0xf0) ? tpr : new_svi & 0xf0;
}

static void set_bit(uint32_t set, uint32_t vector, bool on)
{
	uint32_t *word = vlapic_word(lapic, set, vector), bit = 1u << vector % 32;
	*word = on ? *word | bit : *word & ~bit;
}

/* What an entry checks, and does. */
static void enter(void)
{
	bool same = (vmcs[VMCS_MSR_BITMAP] == VIRTUAL_BITMAP) == virtual();
	assert_true(same);
	assert_int_equal(vmcs[VMCS_CONTROLS2] & VMX_APICV, virtual() ? VMX_APICV : 0);
	if (virtual()) {
		assert_int_equal(rvi(), vlapic_highest(lapic, APIC_IRR));
		assert_int_equal(svi(), vlapic_highest(lapic, APIC_ISR));
		status(svi(), rvi());
	} else {
		assert_true(vmcs[VMCS_TPR_THRESHOLD] <= VREG(lapic, APIC_TPR) >> 4);
	}
}

static uint32_t monitor_heard; /* of this vector's end */

/* The guest runs until it takes an interrupt: its vector; -1: none is due. */
static int next_interrupt(void)
{
	bool open = (vmcs[VMCS_RFLAGS] & RFLAGS_IF) != 0;
	for (unsigned i = 0; i < 10; i++) {
		while ((v->vcpu.hazard & VCPU_HAZARD_EVENTS) != 0) {
			if (vmx_events(v) != VCPU_MONITOR)
				continue;
			assert_int_equal(v->vcpu.exit_kind, GYRE_EXIT_EOI);
			monitor_heard = (uint32_t)v->vcpu.page->d0;
		}
		enter();
		uint64_t event = vmcs[VMCS_ENTRY_EVENT];
		if ((event & GYRE_EVENT_VALID) != 0) {
			vmcs[VMCS_ENTRY_EVENT] = 0;
			assert_true(open && !virtual());
			return event & 0xff;
		}
		if (open && (v->controls & CONTROL_INTERRUPT_WINDOW) != 0) {
			vmx_controls_set(v, CONTROL_INTERRUPT_WINDOW, false);
			vcpu_hazard_set(&v->vcpu, VCPU_HAZARD_EVENTS);
			continue;
		}
		if (virtual() && open && (rvi() & 0xf0) > (VREG(lapic, APIC_PPR) & 0xf0)) {
			uint32_t vector = rvi();
			set_bit(APIC_IRR, vector, false);
			set_bit(APIC_ISR, vector, true);
			status(vector, vlapic_highest(lapic, APIC_IRR));
			return (int)vector;
		}
		return -1;
	}
	fail();
	return -1;
}

/* ---- what the guest does ---- */
static void guest_eoi(void)
{
	uint32_t vector = svi();
	if (!vlapic_x2apic(lapic)) {
		vlapic_mmio_write(lapic, APIC_EOI, 0);
	} else if (!virtual()) {
		assert_int_equal(vlapic_msr_write(lapic, 0x80b, 0), 0);
	} else {
		set_bit(APIC_ISR, vector, false);
		status(vlapic_highest(lapic, APIC_ISR), rvi());
		if ((vmcs[VMCS_EOI_EXIT + vector / 64 * 2] >> vector % 64 & 1) != 0) {
			vmcs[VMCS_QUALIFICATION] = vector;
			assert_int_equal(vmx_apic_exit(v, REASON_VIRTUAL_EOI), VCPU_AGAIN);
		}
	}
}

static void guest_self_ipi(uint32_t vector, bool by_icr)
{
	if (!vlapic_x2apic(lapic)) {
		vlapic_mmio_write(lapic, APIC_ICR, 1u << 18 | vector);
	} else if (by_icr) {
		assert_int_equal(vlapic_msr_write(lapic, 0x830, 1u << 18 | vector), 0);
	} else if (!virtual()) {
		assert_int_equal(vlapic_msr_write(lapic, 0x83f, vector), 0);
	} else if (vector < 16) {
		VREG(lapic, APIC_SELF_IPI) = vector;
		vmx_apic_exit(v, REASON_APIC_WRITE);
	} else {
		set_bit(APIC_IRR, vector, true);
		status(svi(), vector > rvi() ? vector : rvi());
	}
}

/* By MOV to CR8, with no exit in any mode but for the threshold's. */
static void guest_cr8(uint32_t cr8)
{
	VREG(lapic, APIC_TPR) = cr8 << 4;
	if (virtual())
		status(svi(), rvi());
	else if (cr8 < vmcs[VMCS_TPR_THRESHOLD])
		assert_int_equal(vmx_apic_exit(v, REASON_BELOW_TPR), VCPU_AGAIN);
}

static void guest_interrupts(bool on)
{
	vmcs[VMCS_RFLAGS] = 2 | (on ? RFLAGS_IF : 0);
}

/* ---- tests ---- */
static void the_mode_decides_who_runs_it(void **state)
{
	(void)state;
	vcpu_hazard_set(&v->vcpu, VCPU_HAZARD_EVENTS);
	assert_int_equal(next_interrupt(), -1);
	assert_false(virtual());
	to_x2apic();
	assert_int_equal(next_interrupt(), -1);
	assert_true(virtual());
	/* Disabled by software it takes no self IPIs, which the processor does not know. */
	assert_int_equal(vlapic_msr_write(lapic, 0x80f, 0xff), 0);
	assert_int_equal(next_interrupt(), -1);
	assert_false(virtual());
	assert_int_equal(vlapic_msr_write(lapic, 0x80f, 0x1ff), 0);
	assert_int_equal(next_interrupt(), -1);
	assert_true(virtual());
	assert_int_equal(vlapic_base_write(lapic, lapic->base & ~(APIC_BASE_X2APIC | APIC_BASE_ENABLE), 40, true), 0);
	assert_int_equal(next_interrupt(), -1);
	assert_false(virtual());
	/* Where the processor can't, or is not to. */
	vmx_features.apicv = false;
	vlapic_base_write(lapic, lapic->base | APIC_BASE_ENABLE, 40, true);
	to_x2apic();
	assert_int_equal(vlapic_msr_write(lapic, 0x80f, 0x1ff), 0);
	assert_int_equal(next_interrupt(), -1);
	assert_false(virtual());
}

/* INIT leaves it in x2APIC mode, disabled by software; what was requested is gone. */
static void init_ends_it(void **state)
{
	(void)state;
	to_x2apic();
	guest_interrupts(false);
	vlapic_post(lapic, 0x50, true);
	assert_int_equal(next_interrupt(), -1);
	assert_int_equal(rvi(), 0x50);
	vlapic_signal(lapic, VLAPIC_SIGNAL_INIT);
	assert_int_equal(vmx_events(v), VCPU_MONITOR);
	assert_int_equal(v->vcpu.exit_kind, GYRE_EXIT_INIT);
	guest_interrupts(true);
	assert_int_equal(next_interrupt(), -1);
	assert_false(virtual());
	assert_true(vlapic_x2apic(lapic));
	assert_int_equal(VREG(lapic, APIC_LDR), 1);
	assert_int_equal(vlapic_msr_write(lapic, 0x80f, 0x1ff), 0);
	assert_int_equal(next_interrupt(), -1);
	assert_true(virtual());
}

/* It shows only what reading by MSR would, and passes only the writes that the processor does whole. */
static void the_bitmap_is_what_needs_no_exit(void **state)
{
	(void)state;
	uint8_t bitmap[4096];
	memset(bitmap, 0xff, sizeof(bitmap));
	vmx_apic_bitmap(bitmap);
	to_x2apic();
	for (uint32_t msr = 0; msr < 0x2000; msr++) {
		bool reads = (bitmap[msr / 8] >> msr % 8 & 1) == 0,
		     writes = (bitmap[0x800 + msr / 8] >> msr % 8 & 1) == 0;
		uint64_t value;
		bool is_there = msr >= 0x800 && msr < 0x900 && vlapic_msr_read(lapic, msr, &value) == 0;
		assert_int_equal(reads, is_there && msr != 0x839); /* the timer's current count */
		assert_int_equal(writes, msr == 0x808 || msr == 0x80b || msr == 0x83f);
		if (reads)
			assert_memory_equal(&value, &page[(msr & 0xff) * 4], 8);
	}
}

static void an_illegal_self_ipi_is_an_error(void **state)
{
	(void)state;
	to_x2apic();
	assert_int_equal(vlapic_msr_write(lapic, 0x837, 0x71), 0);
	assert_int_equal(next_interrupt(), -1);
	guest_self_ipi(3, false);
	assert_int_equal(next_interrupt(), 0x71);
	assert_int_equal(vlapic_msr_write(lapic, 0x828, 0), 0);
	assert_int_equal(VREG(lapic, APIC_ESR), 0x20);
}

/* A guest that halts with an interrupt on its way, in the shadow of STI, wakes. */
static void what_is_pending_ends_a_halt(void **state)
{
	(void)state;
	to_x2apic();
	assert_int_equal(next_interrupt(), -1);
	guest_interrupts(false);
	guest_self_ipi(0x60, false);
	guest_interrupts(true);
	v->vcpu.activity = VCPU_HALTED;
	vcpu_hazard_set(&v->vcpu, VCPU_HAZARD_EVENTS);
	assert_int_equal(vmx_events(v), VCPU_AGAIN);
	assert_int_equal(v->vcpu.activity, VCPU_RUNNING);
	assert_int_equal(next_interrupt(), 0x60);
	/* A higher TPR holds it. */
	guest_eoi();
	guest_cr8(6);
	guest_self_ipi(0x61, false);
	v->vcpu.activity = VCPU_HALTED;
	vcpu_hazard_set(&v->vcpu, VCPU_HAZARD_EVENTS);
	assert_int_equal(vmx_events(v), VCPU_HALT);
	vlapic_post(lapic, 0x70, false);
	assert_int_equal(next_interrupt(), 0x70);
}

/* Saved at any moment and restored, it goes on. */
static void saved_and_restored(void **state)
{
	(void)state;
	struct gyre_vcpu_state *saved = calloc(1, sizeof(*saved));
	to_x2apic();
	guest_self_ipi(0x40, false);
	assert_int_equal(next_interrupt(), 0x40);
	guest_interrupts(false);
	vlapic_post(lapic, 0x85, true);
	assert_int_equal(next_interrupt(), -1);
	guest_self_ipi(0x33, false);
	vlapic_post(lapic, 0xa0, false);
	vlapic_state_get(lapic, saved);
	assert_int_equal(saved->apic[APIC_PPR / 16], 0x40);
	assert_int_equal(saved->apic[APIC_IRR / 16 + 1], 1u << 0x13);
	assert_int_equal(saved->apic[APIC_IRR / 16 + 5], 1);
	vlapic_reset(lapic);
	vmcs[VMCS_INTERRUPT_STATUS] = 0;
	assert_int_equal(vlapic_state_check(lapic, saved, 40), 0);
	vlapic_state_set(lapic, saved);
	guest_interrupts(true);
	assert_int_equal(next_interrupt(), 0xa0);
	guest_eoi();
	assert_int_equal(next_interrupt(), 0x85);
	guest_eoi();
	assert_int_equal(next_interrupt(), -1);
	assert_int_equal(monitor_heard, 0x85);
	guest_eoi();
	assert_int_equal(next_interrupt(), 0x33);
	free(saved);
}

/* ---- the plainest model there is ---- */
static bool irr[256], isr[256], level[256];

static int highest(const bool *set)
{
	for (int i = 255; i >= 16; i--)
		if (set[i])
			return i;
	return 0;
}

static int expected(uint32_t cr8)
{
	int vector = highest(irr), service = highest(isr);
	if ((vmcs[VMCS_RFLAGS] & RFLAGS_IF) == 0 || vector >> 4 <= service >> 4 || vector >> 4 <= (int)cr8)
		return -1;
	irr[vector] = false;
	isr[vector] = true;
	return vector;
}

static void forget(void)
{
	memset(irr, 0, sizeof(irr));
	memset(isr, 0, sizeof(isr));
	memset(level, 0, sizeof(level));
}

static void no_guest_can_tell_who_runs_it(void **state)
{
	(void)state;
	uint32_t cr8 = 0, in_hardware = 0;
	int vector;
	bool accepts = true;
	forget();
	srand(7);
	for (unsigned step = 0; step < 300000; step++) {
		uint32_t random = 16 + (uint32_t)rand() % 240, ended = 0;
		monitor_heard = 0;
		switch (rand() % 40) {
		case 0 ... 9: {
			bool is_level = rand() % 3 == 0;
			assert_int_equal(vlapic_post(lapic, random, is_level), accepts);
			if (accepts) {
				irr[random] = true;
				level[random] = is_level;
			}
			break;
		}
		case 10 ... 19: {
			bool by_icr = rand() % 4 == 0;
			/* The processor's own way leaves TMR alone. */
			level[random] = level[random] && (!accepts || (virtual() && !by_icr));
			irr[random] = irr[random] || accepts;
			guest_self_ipi(random, by_icr);
			break;
		}
		case 20 ... 29:
			vector = highest(isr);
			guest_eoi();
			isr[vector] = false;
			ended = level[vector] ? (uint32_t)vector : 0;
			break;
		case 30 ... 33: guest_cr8(cr8 = rand() % 3 == 0 ? (uint32_t)rand() % 16 : 0); break;
		case 34 ... 36: guest_interrupts(rand() % 3 != 0); break;
		case 37: vcpu_hazard_set(&v->vcpu, VCPU_HAZARD_EVENTS); break; /* any exit at all */
		case 38:
			accepts = rand() % 3 != 0;
			if (vlapic_x2apic(lapic))
				assert_int_equal(vlapic_msr_write(lapic, 0x80f, accepts ? 0x1ff : 0xff), 0);
			else
				vlapic_mmio_write(lapic, APIC_SVR, accepts ? 0x1ff : 0xff);
			break;
		default:
			if (rand() % 20 != 0)
				break;
			if (!vlapic_x2apic(lapic)) {
				to_x2apic();
				break;
			}
			/* Off, and from there on again: as after a reset. */
			assert_int_equal(vlapic_base_write(lapic, APIC_BASE_DEFAULT, 40, true), 0);
			assert_int_equal(vlapic_base_write(lapic, APIC_BASE_DEFAULT | APIC_BASE_ENABLE, 40, true), 0);
			vlapic_mmio_write(lapic, APIC_SVR, 0x1ff);
			accepts = true;
			cr8 = 0;
			forget();
		}
		while ((vector = expected(cr8)) >= 0)
			assert_int_equal(next_interrupt(), vector);
		assert_int_equal(next_interrupt(), -1);
		assert_int_equal(monitor_heard, ended);
		assert_int_equal(vlapic_highest(lapic, APIC_IRR), highest(irr));
		assert_int_equal(vlapic_highest(lapic, APIC_ISR), highest(isr));
		in_hardware += virtual();
	}
	assert_in_range(in_hardware, 50000, 250000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(the_mode_decides_who_runs_it),
		TEST(init_ends_it),
		TEST(the_bitmap_is_what_needs_no_exit),
		TEST(an_illegal_self_ipi_is_an_error),
		TEST(what_is_pending_ends_a_halt),
		TEST(saved_and_restored),
		TEST(no_guest_can_tell_who_runs_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
