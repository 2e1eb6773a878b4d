/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/calls.c: the calls about virtual processors. include/gyre/calls.h says what each promises.
 */
#include "core/obj/call.h"
#include "core/virt/fpu.h"
#include "core/virt/msr.h"
#include "core/virt/vcpu_ops.h"
#include "core/virt/virt.h"
#include "lib/string.h"

HANDLE_FIND(handle_vcpu, vcpu, GYRE_OBJECT_VCPU)

int64_t call_vcpu_create(struct call *call)
{
	struct vm *vm = handle_vm(call, ARG1(call), GYRE_RIGHT_MANAGE);
	struct vcpu *vcpu;
	int error;
	if (vm == NULL)
		return call->error;
	if (ARG2(call) >= VM_VCPUS_MAX || !is_page_aligned(ARG3(call)) || ARG3(call) < GYRE_USER_START ||
		ARG3(call) > GYRE_USER_END - GYRE_VCPU_PAGES * PAGE_SIZE)
		return -GYRE_EINVAL;
	error = vcpu_create(call->caller->process, vm, (uint32_t)ARG2(call), ARG3(call), &vcpu);
	return error < 0 ? error : call_new_handle(call, &vcpu->object, GYRE_RIGHT_ALL);
}

int64_t call_vcpu_kick(struct call *call)
{
	struct vcpu *vcpu = handle_vcpu(call, ARG1(call), GYRE_RIGHT_SIGNAL);
	if (vcpu == NULL)
		return call->error;
	if (ARG2(call) == 0 || (ARG2(call) & ~(uint64_t)(GYRE_KICK_EXIT | GYRE_KICK_NMI)) != 0)
		return -GYRE_EINVAL;
	if ((ARG2(call) & GYRE_KICK_NMI) != 0)
		vlapic_signal(&vcpu->lapic, VLAPIC_SIGNAL_NMI);
	if ((ARG2(call) & GYRE_KICK_EXIT) != 0)
		vcpu_kick(vcpu);
	return 0;
}

int64_t call_vcpu_kick_on(struct call *call)
{
	struct vcpu *vcpu = handle_vcpu(call, ARG1(call), GYRE_RIGHT_MANAGE);
	struct event *event = ARG2(call) == 0 ? NULL : handle_event(call, ARG2(call), GYRE_RIGHT_WAIT);
	if (call->error < 0)
		return call->error;
	if (event != NULL)
		return event_kick_bind(event, vcpu, &vcpu->events);
	while (!list_empty(&vcpu->events))
		event_kick_bind(container_of(vcpu->events.next, struct event, kick_link), NULL, &vcpu->events);
	return 0;
}

/* The vcpu, if its state can be read and written now; else NULL, and call->error says why. */
static struct vcpu *state_vcpu(struct call *call, uint32_t right)
{
	struct vcpu *vcpu = handle_vcpu(call, ARG1(call), right);
	if (vcpu == NULL)
		return NULL;
	if (ARG2(call) == 0 || (ARG2(call) & ~(uint64_t)GYRE_STATE_ALL) != 0)
		call->error = -GYRE_EINVAL;
	else if (vcpu_busy(vcpu))
		call->error = -GYRE_EBUSY;
	return call->error == 0 ? vcpu : NULL;
}

int64_t call_vcpu_state_get(struct call *call)
{
	uint32_t groups = (uint32_t)ARG2(call);
	struct vcpu *vcpu = state_vcpu(call, GYRE_RIGHT_READ);
	struct gyre_vcpu_state *state;
	if (vcpu == NULL)
		return call->error;
	state = vcpu->state;
	vcpu_ops->state_get(vcpu, groups);
	if ((groups & GYRE_STATE_MSRS) != 0) {
		vcpu->tsc_reported = vlapic_host_tsc() + vcpu->tsc_offset;
		state->tsc = vcpu->tsc_reported;
		state->tsc_adjust = vcpu->tsc_adjust;
		state->tsc_offset = vcpu->tsc_offset;
		state->tsc_aux = vcpu->tsc_aux;
		state->spec_ctrl = vcpu->spec_ctrl;
		state->xss = vcpu->xss;
	}
	if ((groups & GYRE_STATE_APIC) != 0) {
		vlapic_state_get(&vcpu->lapic, state);
		memcpy(vcpu->counters->apic, state->apic, sizeof(state->apic));
	}
	if ((groups & GYRE_STATE_ACTIVITY) != 0) {
		state->activity = vcpu->activity;
		state->nmi_pending = vcpu->nmi_pending;
		state->signals = vcpu->lapic.signals | vcpu->lapic.sipi_vector << 8;
		state->kicked = vcpu->pv_kicked;
	}
	if ((groups & (GYRE_STATE_FPU | GYRE_STATE_CONTROL)) != 0) {
		if (call->cpu->fpu_owner == vcpu->fpu) {
			fpu_leave_slow(call->cpu);
			vcpu->counters->fpu_saves++;
		}
		state->xcr0 = fpu_state_xcr0(vcpu->fpu);
	}
	if ((groups & GYRE_STATE_FPU) != 0)
		fpu_state_get(vcpu->fpu, vcpu->fpu_page, vcpu->policy.xcr0_allowed | 3);
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
	if (!state_valid(&vcpu->policy, state, groups))
		return -GYRE_EINVAL;
	if ((groups & GYRE_STATE_CONTROL) != 0 && (state->cr0 & CR0_PE) == 0 &&
		(virt_features & GYRE_FEATURE_UNRESTRICTED) == 0)
		return -GYRE_ENOTSUP;
	if ((groups & GYRE_STATE_ACTIVITY) != 0 &&
		(state->activity > VCPU_SHUT_DOWN || state->nmi_pending > 2 || state->signals >> 16 != 0))
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
	if ((groups & GYRE_STATE_APIC) != 0) {
		vlapic_state_set(&vcpu->lapic, state);
		cpuid_table_apic(vcpu->cpuid, (state->apic_base & APIC_BASE_ENABLE) != 0);
	}
	if ((groups & GYRE_STATE_ACTIVITY) != 0) {
		vcpu->activity = (uint8_t)state->activity;
		vcpu->nmi_pending = state->nmi_pending;
		vcpu->pv_kicked = state->kicked != 0;
		vcpu->lapic.sipi_vector = state->signals >> 8;
		vlapic_signal(&vcpu->lapic, state->signals & 7);
	}
	if ((groups & GYRE_STATE_CONTROL) != 0 && state->xcr0 != 0)
		fpu_state_xcr0_set(vcpu->fpu, state->xcr0, vcpu->policy.xcr0_allowed | 1);
	vcpu_hazard_set(vcpu, VCPU_HAZARD_EVENTS);
}

int64_t call_vcpu_state_set(struct call *call)
{
	uint32_t groups = (uint32_t)ARG2(call);
	struct vcpu *vcpu = state_vcpu(call, GYRE_RIGHT_MANAGE);
	struct gyre_vcpu_state state;
	int error;
	if (vcpu == NULL)
		return call->error;
	if (vcpu->runner == NULL)
		return -GYRE_EINVAL;
	/* One copy, which is checked and used. */
	memcpy(&state, vcpu->state, sizeof(state));
	if ((error = check_common(vcpu, &state, groups)) < 0)
		return error;
	/* Its registers may be in this processor. */
	if (call->cpu->vcpu == vcpu)
		vcpu_unload(call->cpu);
	if ((groups & GYRE_STATE_FPU) != 0 &&
		(error = fpu_state_set(vcpu->fpu, vcpu->fpu_page, vcpu->policy.xcr0_allowed | 3)) < 0)
		return error;
	vcpu->settled = true;
	set_common(vcpu, &state, groups);
	vcpu_ops->state_set(vcpu, &state, groups);
	return 0;
}

int64_t call_vcpu_policy(struct call *call)
{
	struct gyre_cpuid_entry entries[GYRE_CPUID_ENTRIES];
	struct gyre_vcpu_policy policy;
	struct vcpu *vcpu = handle_vcpu(call, ARG1(call), GYRE_RIGHT_MANAGE);
	if (vcpu == NULL)
		return call->error;
	if (ARG4(call) > GYRE_CPUID_ENTRIES)
		return -GYRE_EINVAL;
	if (user_copy_from(&policy, ARG2(call), sizeof(policy)) < 0 ||
		user_copy_from(entries, ARG3(call), ARG4(call) * sizeof(entries[0])) < 0)
		return -GYRE_EFAULT;
	return vcpu_policy_set(vcpu, &policy, entries, (uint32_t)ARG4(call));
}

int64_t call_vcpu_trace(struct call *call)
{
	struct vcpu *vcpu = handle_vcpu(call, ARG1(call), GYRE_RIGHT_MANAGE);
	if (vcpu == NULL)
		return call->error;
	if (ARG2(call) > 1)
		return -GYRE_EINVAL;
	trace_set(vcpu, ARG2(call) != 0);
	return 0;
}
