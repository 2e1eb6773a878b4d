/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/calls.c: the calls about virtual processors. include/gyre/calls.h says what each promises.
 */
#include "core/obj/call.h"
#include "core/obj/event.h"
#include "core/virt/fpu.h"
#include "core/virt/msr.h"
#include "core/virt/vcpu_ops.h"
#include "core/virt/vm.h"
#include "core/x86/user_copy.h"
#include "lib/string.h"

HANDLE_FIND(handle_vcpu, vcpu, GYRE_OBJECT_VCPU)

int64_t call_vcpu_create(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	struct vm *vm;
	struct vcpu *vcpu;
	int error;
	(void)cpu;
	if (ARG2(regs) >= VM_VCPUS_MAX || !is_page_aligned(ARG3(regs)) || ARG3(regs) < GYRE_USER_START ||
		ARG3(regs) > GYRE_USER_END - GYRE_VCPU_PAGES * PAGE_SIZE)
		return -GYRE_EINVAL;
	if ((error = handle_vm(caller->process, ARG1(regs), GYRE_RIGHT_MANAGE, &vm)) != 0 ||
		(error = vcpu_create(caller->process, vm, (uint32_t)ARG2(regs), ARG3(regs), &vcpu)) < 0)
		return error;
	return call_new_handle(caller, &vcpu->object, GYRE_RIGHT_ALL);
}

int64_t call_vcpu_kick(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	struct vcpu *vcpu;
	int error;
	if (ARG2(regs) == 0 || (ARG2(regs) & ~(uint64_t)(GYRE_KICK_EXIT | GYRE_KICK_NMI)) != 0)
		return -GYRE_EINVAL;
	if ((error = handle_vcpu(caller->process, ARG1(regs), GYRE_RIGHT_SIGNAL, &vcpu)) != 0)
		return error;
	if ((ARG2(regs) & GYRE_KICK_NMI) != 0)
		vlapic_signal(&vcpu->lapic, VLAPIC_SIGNAL_NMI);
	if ((ARG2(regs) & GYRE_KICK_EXIT) != 0)
		vcpu_kick(cpu, vcpu);
	return 0;
}

int64_t call_vcpu_kick_on(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	struct vcpu *vcpu;
	struct event *event = NULL;
	int error;
	(void)cpu;
	if ((error = handle_vcpu(caller->process, ARG1(regs), GYRE_RIGHT_MANAGE, &vcpu)) != 0 ||
		(ARG2(regs) != 0 && (error = handle_event(caller->process, ARG2(regs), GYRE_RIGHT_WAIT, &event)) != 0))
		return error;
	if (event != NULL)
		return event_kick_bind(event, vcpu, &vcpu->events);
	while (!list_empty(&vcpu->events))
		event_kick_bind(container_of(vcpu->events.next, struct event, kick_link), NULL, &vcpu->events);
	return 0;
}

static int state_common(struct thread *caller, struct regs *regs, uint32_t right, struct vcpu **vcpu)
{
	int error;
	if (ARG2(regs) == 0 || (ARG2(regs) & ~(uint64_t)GYRE_STATE_ALL) != 0)
		return -GYRE_EINVAL;
	if ((error = handle_vcpu(caller->process, ARG1(regs), right, vcpu)) != 0)
		return error;
	return vcpu_busy(*vcpu) ? -GYRE_EBUSY : 0;
}

int64_t call_vcpu_state_get(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	uint32_t groups = (uint32_t)ARG2(regs);
	struct gyre_vcpu_state *state;
	struct vcpu *vcpu;
	int error;
	if ((error = state_common(caller, regs, GYRE_RIGHT_READ, &vcpu)) != 0)
		return error;
	state = vcpu->state;
	vcpu_ops->state_get(vcpu, groups);
	if ((groups & GYRE_STATE_MSRS) != 0) {
		vcpu->tsc_reported = vlapic_host_tsc() + vcpu->tsc_offset;
		state->tsc = vcpu->tsc_reported;
		state->tsc_adjust = vcpu->tsc_adjust;
		state->tsc_aux = vcpu->tsc_aux;
		state->spec_ctrl = vcpu->spec_ctrl;
		state->xss = vcpu->xss;
	}
	if ((groups & GYRE_STATE_APIC) != 0) {
		vlapic_state_get(&vcpu->lapic, state);
		vlapic_registers(&vcpu->lapic, vcpu->counters->apic);
	}
	if ((groups & GYRE_STATE_ACTIVITY) != 0) {
		state->activity = vcpu->activity;
		state->nmi_pending = vcpu->nmi_pending;
		state->pv_clock = 0;
	}
	if ((groups & (GYRE_STATE_FPU | GYRE_STATE_CONTROL)) != 0) {
		if (cpu->fpu_owner == vcpu->fpu) {
			fpu_leave_slow(cpu);
			vcpu->counters->fpu_saves++;
		}
		state->xcr0 = fpu_state_xcr0(vcpu->fpu);
	}
	if ((groups & GYRE_STATE_FPU) != 0)
		fpu_state_get(vcpu->fpu, vcpu->fpu_page);
	return 0;
}

/* What is not the hardware's. */
static int check_common(struct vcpu *vcpu, const struct gyre_vcpu_state *state, uint32_t groups)
{
	if ((groups & GYRE_STATE_CONTROL) != 0 &&
		!xcr0_valid(state->xcr0 == 0 ? 1 : state->xcr0, vcpu->policy.xcr0_allowed | 1))
		return -GYRE_EINVAL;
	if ((groups & GYRE_STATE_MSRS) != 0 &&
		(state->tsc_aux >> 32 != 0 || (state->spec_ctrl & ~7ull) != 0 || state->xss != 0))
		return -GYRE_EINVAL;
	if ((groups & GYRE_STATE_ACTIVITY) != 0 && (state->activity > VCPU_SHUT_DOWN || state->nmi_pending > 2))
		return -GYRE_EINVAL;
	if ((groups & GYRE_STATE_APIC) != 0)
		return vlapic_state_check(&vcpu->lapic, state, vcpu->policy.physical_bits);
	return 0;
}

static void set_common(struct vcpu *vcpu, const struct gyre_vcpu_state *state, uint32_t groups)
{
	if ((groups & GYRE_STATE_MSRS) != 0) {
		vcpu->tsc_adjust = state->tsc_adjust;
		vcpu->tsc_aux = state->tsc_aux;
		vcpu->spec_ctrl = state->spec_ctrl;
		/* 0, and what the last vcpu_state_get said, leave it running as it is. */
		if (state->tsc != 0 && state->tsc != vcpu->tsc_reported)
			msr_tsc_set(vcpu, state->tsc);
	}
	if ((groups & GYRE_STATE_APIC) != 0)
		vlapic_state_set(&vcpu->lapic, state);
	if ((groups & GYRE_STATE_ACTIVITY) != 0) {
		vcpu->activity = (uint8_t)state->activity;
		vcpu->nmi_pending = state->nmi_pending;
		vcpu->pv_kicked = false;
	}
	if ((groups & GYRE_STATE_CONTROL) != 0 && state->xcr0 != 0)
		fpu_state_xcr0_set(vcpu->fpu, state->xcr0, vcpu->policy.xcr0_allowed | 1);
	vcpu_hazard_set(vcpu, VCPU_HAZARD_EVENTS);
}

int64_t call_vcpu_state_set(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	uint32_t groups = (uint32_t)ARG2(regs);
	struct gyre_vcpu_state state;
	struct vcpu *vcpu;
	int error;
	if ((error = state_common(caller, regs, GYRE_RIGHT_MANAGE, &vcpu)) != 0)
		return error;
	if (vcpu->runner == NULL)
		return -GYRE_EINVAL;
	/* One copy, which is checked and used. */
	memcpy(&state, vcpu->state, sizeof(state));
	if ((error = check_common(vcpu, &state, groups)) < 0 ||
		(error = vcpu_ops->state_check(vcpu, &state, groups)) < 0)
		return error;
	/* Its registers may be in this processor. */
	if (cpu->vcpu == vcpu)
		vcpu_unload(cpu);
	if ((groups & GYRE_STATE_FPU) != 0 &&
		(error = fpu_state_set(vcpu->fpu, vcpu->fpu_page, vcpu->policy.xcr0_allowed | 3)) < 0)
		return error;
	set_common(vcpu, &state, groups);
	vcpu_ops->state_set(vcpu, &state, groups);
	return 0;
}

int64_t call_vcpu_policy(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	struct gyre_cpuid_entry entries[GYRE_CPUID_ENTRIES];
	struct gyre_vcpu_policy policy;
	struct vcpu *vcpu;
	int error;
	(void)cpu;
	if (ARG4(regs) > GYRE_CPUID_ENTRIES)
		return -GYRE_EINVAL;
	if ((error = handle_vcpu(caller->process, ARG1(regs), GYRE_RIGHT_MANAGE, &vcpu)) != 0)
		return error;
	if (user_copy_from(&policy, ARG2(regs), sizeof(policy)) < 0 ||
		user_copy_from(entries, ARG3(regs), ARG4(regs) * sizeof(entries[0])) < 0)
		return -GYRE_EFAULT;
	return vcpu_policy_set(vcpu, &policy, entries, (uint32_t)ARG4(regs));
}

int64_t call_vcpu_trace(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	struct vcpu *vcpu;
	int error;
	(void)cpu;
	if (ARG2(regs) > 1)
		return -GYRE_EINVAL;
	if ((error = handle_vcpu(caller->process, ARG1(regs), GYRE_RIGHT_MANAGE, &vcpu)) != 0)
		return error;
	return trace_set(vcpu, ARG2(regs) != 0);
}
