/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/vmx/run.c: the loop around a guest, and between the VMCS and the run page: every exit to the monitor passes here, so it is short.
 */
#include "core/virt/barriers.h"
#include "core/virt/left.h"
#include "core/virt/vmx/vmx.h"

#ifdef GYRE_TEST_CORE
#include "tests/core/entry.h"
#else
#define test_entry(vcpu) ((void)(vcpu))
#endif

/* ---- what neither an exit nor an entry switches ---- */
/* CR2 and SYSCALL's MSRs: they are the guest's until something disturbs them, which it says by VCPU_HAZARD_RELOAD. */
static void reload(struct cpu *cpu, struct vmx_vcpu *v)
{
	vcpu_hazard_clear(&v->vcpu, VCPU_HAZARD_RELOAD);
	if (cpu->lent != &v->msrs)
		cpu_lend(cpu, &v->msrs);
	cr2_write(v->cr2);
}

static inline __attribute__((always_inline)) void guest_out(struct cpu *cpu, struct vmx_vcpu *v)
{
	v->cr2 = cr2_read();
	cpu_limits_back(cpu);
}

/* ---- the page ---- */
/* SDM vol. 3, "Exit Qualification for I/O Instructions": bits 2:0 size - 1, 3 IN, 4 string, 5 REP, 31:16 the port. The page's form, by bits 5:0. */
#define PORT(q) (((q) >> 3 & 1) | ((q) >> 2 & 0xc) | (((q)&7) + 1) << 4)
#define PORT_8(q)                                                                                                      \
	PORT(q), PORT((q) + 1), PORT((q) + 2), PORT((q) + 3), PORT((q) + 4), PORT((q) + 5), PORT((q) + 6), PORT((q) + 7)
#define PORT_32(q) PORT_8(q), PORT_8((q) + 8), PORT_8((q) + 16), PORT_8((q) + 24)
_Static_assert(PORT(8) == (GYRE_IO_IN | 0x10) && PORT(0x33) == (GYRE_IO_STRING | GYRE_IO_REP | 0x40), "in the page");
static inline __attribute__((always_inline)) uint32_t port_of(uint64_t qualification)
{
	static const uint8_t port[64] = {PORT_32(0), PORT_32(32)};
	return ((uint32_t)qualification & 0xffff0000) | port[qualification & 63];
}

static inline __attribute__((always_inline)) void fill_registers(struct vmx_vcpu *v, struct gyre_vcpu_page *page)
{
	uint64_t blocked = vmx_read(VMCS_INTERRUPTIBILITY);
	page->gpr[GYRE_RSP] = vmx_read(VMCS_RSP);
	page->rip = vmx_read(VMCS_RIP);
	page->rflags = vmx_read(VMCS_RFLAGS);
	page->pending = 0;
	v->vcpu.pending_seen = 0;
	if (__builtin_expect(blocked != 0, 0)) {
		page->interruptibility = ((blocked & (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS)) != 0
							 ? GYRE_INTERRUPTIBILITY_STI
							 : 0) |
					 ((blocked & BLOCKED_BY_NMI) != 0 ? GYRE_INTERRUPTIBILITY_NMI : 0);
		v->vcpu.pending_seen = page->interruptibility;
	}
}

static void fill_rest(struct vmx_vcpu *v, uint64_t cr2)
{
	struct vcpu *vcpu = &v->vcpu;
	struct gyre_vcpu_page *page = vcpu->page;
	uint32_t cs = (uint32_t)vmx_read(VMCS_CS_RIGHTS), ss = (uint32_t)vmx_read(VMCS_SS_RIGHTS);
	if (vcpu->unusual != 0) {
		page->event_error = vcpu->event_error;
		page->event_length = vcpu->event_length;
		page->event = vcpu->event;
		if (vcpu->step && !v->step_tf)
			page->rflags &= ~(uint64_t)RFLAGS_TF;
	}
	_Static_assert(GYRE_MODE_CS_L == RIGHTS_LONG >> 3 && GYRE_MODE_CS_D == RIGHTS_DEFAULT >> 3 &&
			       GYRE_MODE_SS_D == RIGHTS_DEFAULT >> 2,
		"shifted into place");
	page->mode = v->mode | (cs & (RIGHTS_LONG | RIGHTS_DEFAULT)) >> 3 | (ss & RIGHTS_DEFAULT) >> 2 |
		     (ss >> RIGHTS_DPL_SHIFT & 3) << GYRE_MODE_CPL_SHIFT;
	page->cs_base = vmx_read(VMCS_CS_BASE);
	page->cr0 = vmx_cr0(v);
	page->cr2 = cr2;
	page->cr3 = vmx_cr3(v);
	page->cr4 = vmx_cr4(v);
	page->insn_bytes = 0;
}

/* After an exit: nothing is in the VMCS to be injected. */
static void fill(struct vmx_vcpu *v)
{
	fill_registers(v, v->vcpu.page);
	fill_rest(v, cr2_read());
}

void vmx_fill(struct vcpu *vcpu)
{
	struct vmx_vcpu *v = vmx_of(vcpu), *before = vmx_reach(v);
	vmx_event_back(v);
	fill_registers(v, vcpu->page);
	fill_rest(v, vcpu->in_guest ? cr2_read() : v->cr2);
	vmx_return(before);
}

/* RFLAGS as they are now. */
static inline __attribute__((always_inline)) uint64_t take_registers(const struct gyre_vcpu_page *page)
{
	uint64_t rflags = (page->rflags & GUEST_RFLAGS) | 2;
	vmx_write(VMCS_RSP, page->gpr[GYRE_RSP]);
	vmx_write(VMCS_RIP, page->rip);
	vmx_write(VMCS_RFLAGS, rflags);
	return rflags;
}

/* A shadow that ends with an instruction that the monitor did; the processor wants it to fit RFLAGS. SDM vol. 3, "Checks on Guest Non-Register State". */
static void take_rest(struct vmx_vcpu *v, bool completed, uint64_t rflags)
{
	struct vcpu *vcpu = &v->vcpu;
	uint32_t wanted = __atomic_load_n(&vcpu->page->interruptibility, __ATOMIC_RELAXED);
	uint64_t blocked = (wanted & GYRE_INTERRUPTIBILITY_NMI) != 0 ? BLOCKED_BY_NMI : 0;
	if (!completed && (wanted & GYRE_INTERRUPTIBILITY_STI) != 0)
		blocked |= (rflags & RFLAGS_IF) != 0 ? BLOCKED_BY_STI : BLOCKED_BY_MOV_SS;
	vmx_write(VMCS_INTERRUPTIBILITY, blocked);
	if (vcpu->event != 0 && GYRE_EVENT_VECTOR(vcpu->event) == TRAP_PAGE_FAULT) {
		v->cr2 = vcpu->page->cr2;
		cr2_write(v->cr2);
	}
	/* RF ends, and TF makes a trap; the shadow has ended above. */
	if (completed && (rflags & (RFLAGS_TF | RFLAGS_RF)) != 0)
		vmx_skip(v, 0);
	if (vcpu->step && !vcpu->single) {
		/* Nobody waits for the end of the step that was begun, and no trap is due of it. */
		vcpu->step = false;
		vmx_write(VMCS_PENDING_DEBUG, vmx_read(VMCS_PENDING_DEBUG) & ~(uint64_t)PENDING_DEBUG_BS);
	} else if (vcpu->step) {
		/* It goes on: with what TF is now. */
		v->step_tf = (rflags & RFLAGS_TF) != 0;
		rflags |= RFLAGS_TF;
		vmx_write(VMCS_RFLAGS, rflags);
	}
	/* With TF, a shadow's end is a trap. */
	if ((rflags & RFLAGS_TF) != 0 && (blocked & (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS)) != 0)
		vmx_write(VMCS_PENDING_DEBUG, vmx_read(VMCS_PENDING_DEBUG) | PENDING_DEBUG_BS);
}

/* ---- the loop ---- */
/* VCPU_AGAIN, or a reason not to enter. */
static enum vcpu_next due(struct cpu *cpu, struct vmx_vcpu *v)
{
	struct vcpu *vcpu = &v->vcpu;
	enum vcpu_next next;
	if ((vcpu->hazard & VCPU_HAZARD_RELOAD) != 0)
		reload(cpu, v);
	if (cpu->hazard != 0)
		return VCPU_DUE;
	if (answer_trace_full(vcpu))
		return vcpu_to_monitor(vcpu, GYRE_EXIT_LOG_FULL, 0, 0, 0, 0);
	if ((vcpu->hazard & VCPU_HAZARD_EVENTS) != 0 && (next = vmx_events(v)) != VCPU_AGAIN)
		return next;
	if ((vcpu->hazard & VCPU_HAZARD_FLUSH) != 0)
		vmx_flush_now(v);
	return (vcpu->hazard & ~VCPU_HAZARD_TRACE) != 0 ? VCPU_DUE : VCPU_AGAIN;
}

/* The processor counts the guest's time down from here, over all exits that the core answers. */
static inline __attribute__((always_inline)) _Noreturn void enter(struct cpu *cpu, struct vmx_vcpu *v)
{
	vmx_write(VMCS_PREEMPTION_TIMER, vmx_features.timer_ticks);
	test_entry(&v->vcpu);
	barrier_l1d();
	vmx_enter_barriers(cpu, v);
}

/* Each kind of entry has an exit point of its own, which is in the VMCS. */
static _Noreturn void enter_odd(struct cpu *cpu, struct vmx_vcpu *v)
{
	bool traced = v->vcpu.trace != NULL;
	if (v->point_traced != traced)
		vmx_host_state(cpu, v);
	v->odd = traced || !barriers.at_entry;
	vmx_write(VMCS_PREEMPTION_TIMER, vmx_features.timer_ticks);
	test_entry(&v->vcpu);
	barrier_l1d();
	if (!v->launched) {
		v->launched = true;
		vmx_enter_first(cpu, v);
	}
	if (!v->odd)
		vmx_enter_barriers(cpu, v);
	if (traced)
		vmx_enter_traced(cpu, v);
	vmx_enter(cpu, v);
}

static __attribute__((noinline)) _Noreturn void run_slow(struct cpu *cpu, struct vmx_vcpu *v)
{
	struct vcpu *vcpu = &v->vcpu;
	enum vcpu_next next;
	vcpu_hold(cpu, vcpu);
	next = due(cpu, v);
	if (next == VCPU_MONITOR)
		vmx_fill(vcpu);
	if (next != VCPU_AGAIN) {
		guest_out(cpu, v);
		vcpu_left(cpu, vcpu, next);
	}
	enter_odd(cpu, v);
}

static inline __attribute__((always_inline)) _Noreturn void run(struct cpu *cpu, struct vmx_vcpu *v)
{
	/* In this order: who takes memory away sets a hazard first, and looks at in_guest then. */
	__atomic_store_n(&v->vcpu.in_guest, true, __ATOMIC_SEQ_CST);
	if (__builtin_expect((v->vcpu.hazard | cpu->hazard | v->odd) != 0, 0))
		run_slow(cpu, v);
	enter(cpu, v);
}

void vmx_run(struct cpu *cpu, struct vcpu *vcpu)
{
	run(cpu, vmx_of(vcpu));
}

void vmx_start_any(struct cpu *cpu, struct vcpu *vcpu, uint32_t completed)
{
	struct vmx_vcpu *v = vmx_of(vcpu);
	uint64_t rflags = take_registers(vcpu->page);
	take_rest(v, completed != 0, rflags);
	run(cpu, v);
}

void vmx_start(struct cpu *cpu, struct vcpu *vcpu, uint32_t completed)
{
	struct vmx_vcpu *v = vmx_of(vcpu);
	uint64_t rflags = take_registers(vcpu->page);
	if (completed != 0) {
		if (__builtin_expect((rflags & (RFLAGS_TF | RFLAGS_RF)) != 0, 0))
			vmx_start_any(cpu, vcpu, completed);
		if (__builtin_expect(vcpu->pending_seen != 0, 0))
			vmx_write(VMCS_INTERRUPTIBILITY, vmx_read(VMCS_INTERRUPTIBILITY) & BLOCKED_BY_NMI);
	}
	run(cpu, v);
}

/* Not for the monitor, at least not yet. */
static __attribute__((noinline)) _Noreturn void left_slow(struct vmx_vcpu *v, uint32_t left)
{
	struct vcpu *vcpu = &v->vcpu;
	struct cpu *cpu = vcpu->cpu;
	enum vcpu_next next = (enum vcpu_next)left;
	/* Interrupts and other threads follow: up to here no call was an indirect one. */
	if ((barriers.set & BARRIER_CALL_IBPB) != 0)
		barrier_ibpb();
	vcpu_hold(cpu, vcpu);
	if (left == VMX_PORT) {
		next = vcpu_to_monitor(vcpu, GYRE_EXIT_IO, 0, port_of(vmx_read(VMCS_QUALIFICATION)), 0,
			vmx_read(VMCS_RIP) + vmx_read(VMCS_LENGTH));
	} else if (left == VMX_FAILED) {
		next = vmx_entry_refused(v);
	} else if (left == VMX_SLOW) {
		next = vmx_exit_slow(v);
		if (vcpu->trace != NULL)
			trace_done(vcpu, next, VMX_PORT);
	}
	/* An interrupt made the guest leave, and is taken now; or it waited for long, with a guest that lets none in. */
	cpu_interrupt_window();
	if (next == VCPU_DUE)
		next = VCPU_AGAIN;
	if (next == VCPU_AGAIN)
		vmx_run(cpu, vcpu);
	if (next == VCPU_MONITOR)
		fill(v);
	guest_out(cpu, v);
	vcpu_left(cpu, vcpu, next);
}

/* All but a plain access to a port. */
static __attribute__((noinline)) _Noreturn void left_any(struct vmx_vcpu *v, uint32_t left)
{
	if (__builtin_expect(left != VCPU_MONITOR, 0))
		left_slow(v, left);
	fill(v);
	guest_out(v->vcpu.cpu, v);
	vcpu_left_to_monitor(v->vcpu.cpu, &v->vcpu, v->vcpu.exit_kind);
}

void vmx_left(struct vmx_vcpu *v, uint32_t left)
{
	struct gyre_vcpu_page *page = v->vcpu.page;
	if (__builtin_expect(left != VMX_PORT || v->vcpu.unusual != 0, 0))
		left_any(v, left);
	fill_registers(v, page);
	page->exit = GYRE_EXIT_IO;
	page->d0 = port_of(vmx_read(VMCS_QUALIFICATION));
	page->d2 = page->rip + vmx_read(VMCS_LENGTH);
	guest_out(v->vcpu.cpu, v);
	vcpu_left_to_monitor(v->vcpu.cpu, &v->vcpu, GYRE_EXIT_IO);
}
