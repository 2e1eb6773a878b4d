/* SPDX-License-Identifier: Apache-2.0 */
/* monitor/save/processor.c: see processor.h. */
#include "monitor/save/processor.h"
#include "monitor/machine/machine.h"
#include "gyre/errors.h"
#include "lib/string.h"

#define XSTATE_LEGACY	   3ull /* x87, SSE */
#define SEGMENT_DPL	   0x60u
/* In the legacy region: APM vol. 4, FXSAVE. */
#define MXCSR_AT	   24
#define MXCSR_MASK_AT	   28
#define MXCSR_MASK_DEFAULT 0xffbfu

static uint64_t canonical(uint64_t address)
{
	return (uint64_t)((int64_t)(address << 16) >> 16);
}

static void segment_fields(struct save *save, struct gyre_segment *segment)
{
	save_u16(save, &segment->selector);
	save_u16(save, &segment->attributes);
	save_u32(save, &segment->limit);
	save_u64(save, &segment->base);
}

static void page_fields(struct save *save, struct saved_processor *processor)
{
	for (unsigned i = 0; i < GYRE_GPRS; i++)
		save_u64(save, &processor->gpr[i]);
	save_u64(save, &processor->rip);
	save_u64(save, &processor->rflags);
	save_u32(save, &processor->interruptibility);
	save_u32(save, &processor->event);
	save_u32(save, &processor->event_error);
	save_u32(save, &processor->event_length);
	save_u64(save, &processor->event_address);
	save_u32(save, &processor->entry_flags);
	save_u32(save, &processor->extint_line);
	save_u32(save, &processor->extint_vector);
	save_u32(save, &processor->apic_register);
	save_u32(save, &processor->apic_value);
	save_u32(save, &processor->apic_gpr);
}

static void msrs_fields(struct save *save, struct saved_processor *processor)
{
	struct gyre_vcpu_state *state = &processor->state;
	save_u64(save, &state->star);
	save_u64(save, &state->lstar);
	save_u64(save, &state->cstar);
	save_u64(save, &state->sfmask);
	save_u64(save, &state->kernel_gs_base);
	save_u64(save, &state->sysenter_cs);
	save_u64(save, &state->sysenter_esp);
	save_u64(save, &state->sysenter_eip);
	save_u64(save, &state->pat);
	save_u64(save, &state->tsc_aux);
	save_u64(save, &state->debugctl);
	save_u64(save, &state->spec_ctrl);
	save_u64(save, &state->xss);
	save_u64(save, &state->tsc_adjust);
	save_i64(save, &processor->tsc_ahead);
}

void processor_fields(struct save *save, void *data)
{
	struct saved_processor *processor = data;
	struct gyre_vcpu_state *state = &processor->state;
	page_fields(save, processor);
	for (unsigned i = 0; i < GYRE_SEGMENTS; i++)
		segment_fields(save, &state->segment[i]);
	save_u64(save, &state->gdtr.base);
	save_u32(save, &state->gdtr.limit);
	save_u64(save, &state->idtr.base);
	save_u32(save, &state->idtr.limit);
	save_u64(save, &state->cr0);
	save_u64(save, &state->cr2);
	save_u64(save, &state->cr3);
	save_u64(save, &state->cr4);
	save_u64(save, &state->cr8);
	save_u64(save, &state->efer);
	save_u64(save, &state->xcr0);
	for (unsigned i = 0; i < 4; i++)
		save_u64(save, &state->pdpte[i]);
	msrs_fields(save, processor);
	for (unsigned i = 0; i < 4; i++)
		save_u64(save, &state->dr[i]);
	save_u64(save, &state->dr6);
	save_u64(save, &state->dr7);
	save_u32(save, &state->activity);
	save_u32(save, &state->nmi_pending);
	save_u32(save, &state->signals);
	save_u32(save, &state->kicked);
}

void apic_fields(struct save *save, void *data)
{
	struct gyre_vcpu_state *state = &((struct saved_processor *)data)->state;
	save_u64(save, &state->apic_base);
	save_u64(save, &state->tsc_deadline);
	save_u64(save, &state->apic_timer_left);
	for (unsigned i = 0; i < 64; i++)
		save_u32(save, &state->apic[i]);
	save_u32(save, &state->apic_errors);
	save_u32(save, &state->apic_eoi);
	save_u32(save, &state->apic_lint0);
}

/* Mostly nothing but zeros lies behind the legacy region: they are left out. */
void fpu_fields(struct save *save, void *data)
{
	struct saved_processor *processor = data;
	save_u64(save, &processor->xstate_bv);
	save_bytes(save, processor->fpu, FPU_LEGACY_BYTES);
	save_u32(save, &processor->extended_bytes);
	if (processor->extended_bytes > FPU_AREA_BYTES - FPU_LEGACY_BYTES - FPU_HEADER_BYTES)
		processor->extended_bytes = 0, save->failed = 1;
	save_bytes(save, processor->fpu + FPU_LEGACY_BYTES + FPU_HEADER_BYTES, processor->extended_bytes);
}

/* ---- from the core, and to it ---- */

/* An emulator lets a guest set what it says is reserved, which none takes back. */
static void mxcsr_clean(uint8_t *fpu)
{
	uint32_t mxcsr, mask;
	memcpy(&mxcsr, fpu + MXCSR_AT, sizeof(mxcsr));
	memcpy(&mask, fpu + MXCSR_MASK_AT, sizeof(mask));
	mxcsr &= mask != 0 ? mask : MXCSR_MASK_DEFAULT;
	memcpy(fpu + MXCSR_AT, &mxcsr, sizeof(mxcsr));
}

/* What a processor keeps of the attributes of a segment that cannot be used is its own affair; the privilege level stands in SS's in any case. */
static void segments_clean(struct gyre_segment segment[GYRE_SEGMENTS])
{
	for (unsigned i = 0; i < GYRE_SEGMENTS; i++)
		if ((segment[i].attributes & GYRE_SEGMENT_UNUSABLE) && i != GYRE_CS && i != GYRE_TR)
			segment[i].attributes &= GYRE_SEGMENT_UNUSABLE | (i == GYRE_SS ? SEGMENT_DPL : 0);
}

/* An emulator lets a guest put into its MSRs what no processor would: none takes it back. */
static void msrs_clean(struct gyre_vcpu_state *state)
{
	state->lstar = canonical(state->lstar);
	state->cstar = canonical(state->cstar);
	state->kernel_gs_base = canonical(state->kernel_gs_base);
	state->sfmask = (uint32_t)state->sfmask;
}

int processor_get(struct machine *machine, struct saved_processor *processor)
{
	const struct gyre_vcpu_page *page = machine->vcpu.page;
	int error = engine_state_get(&machine->vcpu, GYRE_STATE_ALL);
	if (error < 0)
		return error;
	memcpy(processor->gpr, page->gpr, sizeof(processor->gpr));
	processor->rip = page->rip;
	processor->rflags = page->rflags;
	processor->interruptibility = page->interruptibility;
	processor->event = page->event & GYRE_EVENT_VALID ? page->event : 0;
	processor->event_error = processor->event ? page->event_error : 0;
	processor->event_length = processor->event ? page->event_length : 0;
	processor->event_address = processor->event ? page->cr2 : 0;
	processor->entry_flags = page->entry_flags;
	processor->extint_line = page->extint_line;
	processor->extint_vector = page->extint_vector;
	processor->apic_register = page->apic_register;
	processor->apic_value = page->apic_value;
	processor->apic_gpr = page->apic_gpr;
	processor->state = *machine->vcpu.state;
	processor->state.gdtr.reserved = processor->state.idtr.reserved = processor->state.apic_reserved = 0;
	segments_clean(processor->state.segment);
	msrs_clean(&processor->state);
	processor->tsc_ahead = (int64_t)(processor->state.tsc_offset - machine->clock.offset);
	memcpy(processor->fpu, machine->vcpu.fpu, FPU_AREA_BYTES);
	memcpy(&processor->xstate_bv, processor->fpu + FPU_LEGACY_BYTES, 8);
	memset(processor->fpu + FPU_LEGACY_BYTES, 0, FPU_HEADER_BYTES);
	mxcsr_clean(processor->fpu);
	/* What the level hides is this processor's own, and no part of the guest. */
	processor->xstate_bv &= machine->level.policy.xcr0_allowed | XSTATE_LEGACY;
	uint32_t used = processor->xstate_bv & ~XSTATE_LEGACY ? FPU_AREA_BYTES : FPU_LEGACY_BYTES;
	while (used > FPU_LEGACY_BYTES + FPU_HEADER_BYTES && processor->fpu[used - 1] == 0)
		used--;
	processor->extended_bytes = used > FPU_LEGACY_BYTES ? used - FPU_LEGACY_BYTES - FPU_HEADER_BYTES : 0;
	return 0;
}

int processor_set(struct machine *machine, const struct saved_processor *processor)
{
	struct gyre_vcpu_page *page = machine->vcpu.page;
	*machine->vcpu.state = processor->state;
	machine->vcpu.state->tsc = 0; /* it runs already as the policy says */
	uint32_t end = FPU_LEGACY_BYTES + FPU_HEADER_BYTES + processor->extended_bytes;
	memset(machine->vcpu.fpu, 0, 4096);
	memcpy(machine->vcpu.fpu, processor->fpu, end);
	memset(machine->vcpu.fpu + FPU_LEGACY_BYTES, 0, FPU_HEADER_BYTES);
	memcpy(machine->vcpu.fpu + FPU_LEGACY_BYTES, &processor->xstate_bv, 8);
	int error = engine_state_set(&machine->vcpu, GYRE_STATE_ALL);
	if (error < 0)
		return error;
	memcpy(page->gpr, processor->gpr, sizeof(page->gpr));
	page->rip = processor->rip;
	page->rflags = processor->rflags;
	page->interruptibility = processor->interruptibility;
	page->event = processor->event;
	page->event_error = processor->event_error;
	page->event_length = processor->event_length;
	page->cr2 = processor->event ? processor->event_address : processor->state.cr2;
	page->entry_flags = processor->entry_flags;
	page->extint_line = processor->extint_line;
	page->extint_vector = processor->extint_vector;
	page->apic_register = processor->apic_register;
	page->apic_value = processor->apic_value;
	page->apic_gpr = processor->apic_gpr;
	return 0;
}
