/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_vmx.c: events and exits of core/virt/vmx against a model of the processor, which refuses what VM entry refuses: injection and what it
 * interrupts, NMIs, windows, shadows, debug exceptions, single steps. SDM vol. 3, "Event Injection", "Information for VM Exits That Occur During Event
 * Delivery", "Checks on Guest Non-Register State".
 */
/* unit-sources: tests/unit/vmx_model.c tests/unit/virt_memory.c */
/* unit-sources: core/virt/inject.c core/virt/msr.c core/virt/hypercall.c core/virt/cpuid_table.c core/virt/fetch.c core/virt/trace.c */
/* unit-sources: core/virt/answer.c core/virt/vlapic.c core/virt/vlapic_regs.c core/virt/vlapic_bus.c core/virt/vlapic_timer.c */
#include "tests/unit/vmx_model.h"

#define INTERRUPT(vector) (GYRE_EVENT_VALID | GYRE_EVENT_INTERRUPT | (vector))
#define NMI		  (GYRE_EVENT_VALID | GYRE_EVENT_NMI | 2u)
#define EXCEPTION(vector) (GYRE_EVENT_VALID | GYRE_EVENT_EXCEPTION | (vector))
#define WITH_ERROR(e)	  ((e) | GYRE_EVENT_ERROR)
#define SOFTWARE(vector)  (GYRE_EVENT_VALID | GYRE_EVENT_SOFTWARE | (vector))
#define INT1		  (GYRE_EVENT_VALID | GYRE_EVENT_PRIVILEGED | 1u)
#define INT3		  (GYRE_EVENT_VALID | GYRE_EVENT_SOFT_EXCEPTION | 3u)

static const struct {
	uint32_t event, error, length;
} kinds[] = {{INTERRUPT(0x40), 0, 0}, {NMI, 0, 0}, {EXCEPTION(6), 0, 0}, {WITH_ERROR(EXCEPTION(14)), 5, 0},
	{WITH_ERROR(EXCEPTION(8)), 0, 0}, {SOFTWARE(0x80), 0, 2}, {INT1, 0, 1}, {INT3, 0, 1}};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* What the loop does before it enters again. */
static void settle(void)
{
	for (int i = 0; i < 4 && (VCPU->hazard & VCPU_HAZARD_EVENTS) != 0; i++)
		vmx_events(V);
	if ((VCPU->hazard & VCPU_HAZARD_FLUSH) != 0)
		vmx_flush_now(V);
}

static void to_inject(unsigned kind)
{
	vcpu_event_set(VCPU, kinds[kind].event, kinds[kind].error);
	VCPU->event_length = kinds[kind].length;
}

static void holds(unsigned kind)
{
	assert_int_equal(F(ENTRY_EVENT), kinds[kind].event);
	if ((kinds[kind].event & GYRE_EVENT_ERROR) != 0)
		assert_int_equal(F(ENTRY_ERROR), kinds[kind].error);
	if (kinds[kind].length != 0)
		assert_int_equal(F(ENTRY_LENGTH), kinds[kind].length);
	assert_null(model_refusal());
}

/* ---- injection ---- */
static void each_kind_is_injected_and_taken_back(void **state)
{
	(void)state;
	for (unsigned i = 0; i < KINDS; i++)
		for (unsigned shadow = 0; shadow < 3; shadow++) {
			F(INTERRUPTIBILITY) = shadow; /* none, STI's, MOV SS's: what is delivered ends it */
			to_inject(i);
			assert_int_equal(vmx_events(V), VCPU_AGAIN);
			holds(i);
			assert_int_equal(VCPU->event, 0);
			/* Something is due before the entry. */
			VCPU->hazard = 0;
			vmx_event_back(V);
			assert_int_equal(F(ENTRY_EVENT), 0);
			assert_int_equal(VCPU->event, kinds[i].event);
			assert_int_equal(VCPU->event_length, kinds[i].length);
			assert_true((VCPU->hazard & VCPU_HAZARD_EVENTS) != 0);
			if ((kinds[i].event & GYRE_EVENT_ERROR) != 0)
				assert_int_equal(VCPU->event_error, kinds[i].error);
			assert_int_equal(vmx_events(V), VCPU_AGAIN);
			holds(i);
			F(ENTRY_EVENT) = 0;
		}
	/* After an exit there is nothing to take back. */
	F(ENTRY_EVENT) = NMI & ~GYRE_EVENT_VALID;
	vmx_event_back(V);
	assert_int_equal(VCPU->event, 0);
}

/* Real mode pushes no error code. */
static void no_error_code_in_real_mode(void **state)
{
	const struct control now = {0x10, 0, 0, 0};
	(void)state;
	F(CS_RIGHTS) = 0x9b;
	vmx_control_set(V, &now);
	vcpu_exception_error(VCPU, 13, 0);
	settle();
	assert_int_equal(F(ENTRY_EVENT), EXCEPTION(13));
	assert_null(model_refusal());
}

/* ---- exits in the middle of a delivery ---- */
static void what_was_being_delivered_is_delivered_again(void **state)
{
	(void)state;
	for (unsigned i = 0; i < KINDS; i++) {
		uint32_t vectoring = kinds[i].event | EVENT_NMI_UNBLOCKED; /* which means nothing there */
		bool nmi = kinds[i].event == NMI;
		F(LENGTH) = kinds[i].length;
		/* A page that is logged: the core answers. */
		model.page_is_logged = true;
		F(INTERRUPTIBILITY) = 0;
		F(GUEST_PHYSICAL) = 0x5000;
		assert_int_equal(exit_within(vectoring, kinds[i].error, REASON_EPT_VIOLATION, 0x1a), VCPU_AGAIN);
		holds(i);
		assert_int_equal(F(INTERRUPTIBILITY) & BLOCKED_BY_NMI, 0);
		/* The monitor's: it finds the event in the page, and the processor has it no more. */
		model.page_is_logged = false;
		assert_int_equal(exit_within(vectoring, kinds[i].error, REASON_EPT_VIOLATION, 0x1a), VCPU_MONITOR);
		vmx_fill(VCPU);
		assert_int_equal(VCPU->page->event, kinds[i].event);
		assert_int_equal(VCPU->page->event_length, kinds[i].length);
		assert_int_equal(VCPU->page->interruptibility & GYRE_INTERRUPTIBILITY_NMI, 0);
		settle();
		holds(i);
		/* The log of modified pages is full. */
		uint64_t list[512] = {0};
		V->pml = list;
		F(PML_INDEX) = 0xffff;
		model.logged = 0;
		assert_int_equal(exit_within(vectoring, kinds[i].error, REASON_PML_FULL, nmi ? 0x1000 : 0), VCPU_AGAIN);
		assert_int_equal(model.logged, 512);
		V->pml = NULL;
		settle();
		holds(i);
		assert_int_equal(F(INTERRUPTIBILITY), 0);
	}
}

/* Delivery of an NMI blocks the others before the exit that ends it; injected again, it must not be blocked itself. */
static void an_nmi_that_was_being_delivered_is_not_blocked_by_itself(void **state)
{
	(void)state;
	model.page_is_logged = true;
	vlapic_signal(&VCPU->lapic, VLAPIC_SIGNAL_NMI);
	settle();
	assert_int_equal(F(ENTRY_EVENT), NMI);
	assert_null(model_refusal());
	assert_int_equal(exit_within(NMI, 0, REASON_EPT_VIOLATION, 0x1a), VCPU_AGAIN);
	assert_int_equal(F(ENTRY_EVENT), NMI);
	assert_null(model_refusal());
}

static void task_switches_say_where_they_came_from(void **state)
{
	static const struct {
		uint32_t vectoring, error, length, source, tells_length, tells_error;
	} cases[] = {
		{0, 0, 5, GYRE_TASK_CALL, 5, 0},
		{0, 0, 1, GYRE_TASK_IRET, 1, 0},
		{0, 0, 7, GYRE_TASK_JUMP, 7, 0},
		{INTERRUPT(0x40), 0, 9, GYRE_TASK_GATE, 0, 0},
		{NMI, 0, 9, GYRE_TASK_GATE, 0, 0},
		{WITH_ERROR(EXCEPTION(14)), 7, 9, GYRE_TASK_GATE, 0, 0x107},
		{EXCEPTION(6), 7, 9, GYRE_TASK_GATE, 0, 0},
		{SOFTWARE(0x80), 0, 2, GYRE_TASK_GATE, 2, 0},
		{INT3, 0, 1, GYRE_TASK_GATE, 1, 0},
		{INT1, 0, 1, GYRE_TASK_GATE, 1, 0},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct gyre_vcpu_page *page = VCPU->page;
		F(LENGTH) = cases[i].length;
		F(INTERRUPTIBILITY) = 0;
		assert_int_equal(exit_within(cases[i].vectoring, cases[i].error, REASON_TASK_SWITCH,
					 0x28 | (uint64_t)cases[i].source << 30),
			VCPU_MONITOR);
		assert_int_equal(page->exit, GYRE_EXIT_TASK_SWITCH);
		assert_int_equal(page->d0, 0x28);
		assert_int_equal(page->d1 & 3, cases[i].source);
		assert_int_equal(page->instruction_length, cases[i].tells_length);
		assert_int_equal(page->d1 >> 8 & 1, cases[i].tells_error >> 8);
		assert_int_equal(page->d2, cases[i].tells_error & 0xff);
		assert_int_equal(VCPU->event, cases[i].vectoring);
		VCPU->event = 0;
		VCPU->hazard = 0;
	}
}

/* An exception while something is delivered: after an interrupt it waits, in an exception's place it comes. */
static void exceptions_in_the_middle_of_a_delivery(void **state)
{
	(void)state;
	F(EXIT_EVENT) = WITH_ERROR(EXCEPTION(17));
	F(EXIT_ERROR) = 0;
	assert_int_equal(exit_within(INTERRUPT(0x40), 0, REASON_EXCEPTION, 0), VCPU_AGAIN);
	settle();
	assert_int_equal(F(ENTRY_EVENT), INTERRUPT(0x40));
	F(LENGTH) = 2;
	assert_int_equal(exit_within(SOFTWARE(0x80), 0, REASON_EXCEPTION, 0), VCPU_AGAIN);
	settle();
	assert_int_equal(F(ENTRY_EVENT), SOFTWARE(0x80));
	assert_int_equal(exit_within(WITH_ERROR(EXCEPTION(14)), 2, REASON_EXCEPTION, 0), VCPU_AGAIN);
	settle();
	assert_int_equal(F(ENTRY_EVENT), WITH_ERROR(EXCEPTION(17)));
	assert_int_equal(F(ENTRY_ERROR), 0);
}

/* ---- NMIs ---- */
static void an_iret_that_faulted_blocks_nmis_again(void **state)
{
	(void)state;
	model.page_is_logged = true;
	exit_with(REASON_EPT_VIOLATION, 0x19 | EVENT_NMI_UNBLOCKED);
	assert_int_equal(F(INTERRUPTIBILITY), BLOCKED_BY_NMI);
	F(INTERRUPTIBILITY) = 0;
	F(EXIT_EVENT) = WITH_ERROR(EXCEPTION(17)) | EVENT_NMI_UNBLOCKED;
	exit_with(REASON_EXCEPTION, 0);
	assert_int_equal(F(INTERRUPTIBILITY), BLOCKED_BY_NMI);
	settle();
	assert_int_equal(F(ENTRY_EVENT), WITH_ERROR(EXCEPTION(17)));
	assert_int_equal(F(INTERRUPTIBILITY), BLOCKED_BY_NMI);
	/* Not where the bit means nothing: #DF, and in the middle of a delivery. */
	F(INTERRUPTIBILITY) = 0;
	VCPU->policy.flags = GYRE_POLICY_EXCEPTION_EXIT;
	VCPU->policy.exception_bitmap = 1u << 8;
	F(EXIT_EVENT) = WITH_ERROR(EXCEPTION(8)) | EVENT_NMI_UNBLOCKED;
	assert_int_equal(exit_with(REASON_EXCEPTION, 0), VCPU_MONITOR);
	assert_int_equal(F(INTERRUPTIBILITY), 0);
	exit_within(INTERRUPT(0x40), 0, REASON_EPT_VIOLATION, 0x19 | EVENT_NMI_UNBLOCKED);
	assert_int_equal(F(INTERRUPTIBILITY), 0);
}

static void an_nmi_waits_for_its_window(void **state)
{
	(void)state;
	F(INTERRUPTIBILITY) = BLOCKED_BY_NMI;
	vlapic_signal(&VCPU->lapic, VLAPIC_SIGNAL_NMI);
	assert_int_equal(exit_with(REASON_CPUID, 0), VCPU_AGAIN);
	assert_int_equal(F(ENTRY_EVENT) & GYRE_EVENT_VALID, 0);
	assert_int_equal(F(CONTROLS) & (CONTROL_NMI_WINDOW | CONTROL_INTERRUPT_WINDOW), CONTROL_NMI_WINDOW);
	F(INTERRUPTIBILITY) = 0; /* IRET */
	assert_int_equal(exit_with(REASON_NMI_WINDOW, 0), VCPU_AGAIN);
	assert_int_equal(F(ENTRY_EVENT), NMI);
	assert_int_equal(F(CONTROLS) & (CONTROL_NMI_WINDOW | CONTROL_INTERRUPT_WINDOW), 0);
	/* MOV SS blocks them, and the window with them. */
	F(ENTRY_EVENT) = 0;
	F(INTERRUPTIBILITY) = BLOCKED_BY_MOV_SS;
	vlapic_signal(&VCPU->lapic, VLAPIC_SIGNAL_NMI);
	vcpu_hazard_set(VCPU, VCPU_HAZARD_EVENTS);
	settle();
	assert_int_equal(F(ENTRY_EVENT), 0);
	assert_int_equal(F(CONTROLS) & (CONTROL_NMI_WINDOW | CONTROL_INTERRUPT_WINDOW), CONTROL_NMI_WINDOW);
}

/* A processor may have the window for NMIs open in STI's shadow: it would leave again and again, before the instruction that ends the shadow. */
static void an_nmi_in_the_shadow_of_sti_does_not_wait_for_ever(void **state)
{
	(void)state;
	F(INTERRUPTIBILITY) = BLOCKED_BY_STI;
	vlapic_signal(&VCPU->lapic, VLAPIC_SIGNAL_NMI);
	settle();
	assert_int_equal(F(ENTRY_EVENT) & GYRE_EVENT_VALID, 0);
	for (unsigned i = 0; i < 3 && (F(CONTROLS) & CONTROL_NMI_WINDOW) != 0; i++) {
		exit_with(REASON_NMI_WINDOW, 0);
		assert_true((F(CONTROLS) & CONTROL_NMI_WINDOW) == 0);
	}
	assert_true((F(CONTROLS) & CONTROL_INTERRUPT_WINDOW) != 0);
	F(INTERRUPTIBILITY) = 0;
	exit_with(REASON_INTERRUPT_WINDOW, 0);
	assert_int_equal(F(ENTRY_EVENT), NMI);
	/* With something injected there is no shadow any more. */
	F(ENTRY_EVENT) = 0;
	F(INTERRUPTIBILITY) = BLOCKED_BY_STI;
	vlapic_signal(&VCPU->lapic, VLAPIC_SIGNAL_NMI);
	vcpu_exception(VCPU, 6);
	settle();
	assert_int_equal(F(ENTRY_EVENT), EXCEPTION(6));
	assert_int_equal(F(CONTROLS) & (CONTROL_NMI_WINDOW | CONTROL_INTERRUPT_WINDOW), CONTROL_NMI_WINDOW);
}

/* ---- interrupts ---- */
static void an_interrupt_waits_for_its_window(void **state)
{
	(void)state;
	F(RFLAGS) = 2;
	vlapic_post(&VCPU->lapic, 0x40, false);
	assert_int_equal(exit_with(REASON_CPUID, 0), VCPU_AGAIN);
	assert_int_equal(F(ENTRY_EVENT) & GYRE_EVENT_VALID, 0);
	assert_true((F(CONTROLS) & CONTROL_INTERRUPT_WINDOW) != 0);
	F(RFLAGS) = 0x202;
	assert_int_equal(exit_with(REASON_INTERRUPT_WINDOW, 0), VCPU_AGAIN);
	assert_int_equal(F(ENTRY_EVENT), INTERRUPT(0x40));
	assert_true((F(CONTROLS) & CONTROL_INTERRUPT_WINDOW) == 0);
	assert_int_equal(VREG(&VCPU->lapic, APIC_ISR + 0x20), 1);
	/* A second one of lower priority waits behind the first's EOI, a higher one for the window. */
	vlapic_post(&VCPU->lapic, 0x31, false);
	vlapic_post(&VCPU->lapic, 0x80, false);
	settle();
	assert_int_equal(F(ENTRY_EVENT), INTERRUPT(0x40));
	assert_true((F(CONTROLS) & CONTROL_INTERRUPT_WINDOW) != 0);
}

/* The short way and the long way deliver the same. */
static void the_short_way_is_the_long_one(void **state)
{
	(void)state;
	srand(5);
	for (unsigned round = 0; round < 20000; round++) {
		struct vlapic before;
		struct model saved;
		uint32_t registers[1024], after[1024], hazard;
		if (rand() % 3 == 0)
			vlapic_post(&VCPU->lapic, 0x20 + (uint32_t)rand() % 0xe0, false);
		if (rand() % 5 == 0)
			vlapic_eoi(&VCPU->lapic);
		F(RFLAGS) = 2 | (rand() % 4 ? RFLAGS_IF : 0);
		F(INTERRUPTIBILITY) = 0;
		F(RIP) = 0x1000;
		F(ENTRY_EVENT) = 0;
		vcpu_hazard_set(VCPU, VCPU_HAZARD_EVENTS);
		before = VCPU->lapic;
		memcpy(registers, before.page, sizeof(registers));
		saved = model;
		uint32_t controls = V->controls, threshold = V->tpr_threshold;
		exit_with(REASON_CPUID, 0);
		uint64_t event = F(ENTRY_EVENT), windows = F(CONTROLS);
		hazard = VCPU->hazard;
		memcpy(after, before.page, sizeof(after));
		/* The same again by vmx_events() alone. */
		VCPU->lapic = before;
		memcpy(before.page, registers, sizeof(registers));
		model = saved;
		V->controls = controls;
		V->tpr_threshold = threshold;
		VCPU->hazard = VCPU_HAZARD_EVENTS;
		vmx_events(V);
		assert_int_equal(F(ENTRY_EVENT), event);
		assert_int_equal(F(CONTROLS), windows);
		assert_int_equal(VCPU->hazard & VCPU_HAZARD_EVENTS, hazard & VCPU_HAZARD_EVENTS);
		assert_memory_equal(before.page, after, sizeof(after));
	}
}

/* ---- instructions ---- */
static void an_answered_instruction_is_over(void **state)
{
	(void)state;
	for (uint64_t shadow = 1; shadow <= 2; shadow++) {
		F(INTERRUPTIBILITY) = shadow | BLOCKED_BY_NMI;
		F(RFLAGS) = 0x202 | RFLAGS_RF;
		F(RIP) = 0x1000;
		assert_int_equal(exit_with(REASON_CPUID, 0), VCPU_AGAIN);
		assert_int_equal(F(RIP), 0x1002);
		assert_int_equal(F(INTERRUPTIBILITY), BLOCKED_BY_NMI);
		assert_int_equal(F(RFLAGS), 0x202);
	}
	/* Single stepping goes on: a trap after it. */
	F(RFLAGS) = 0x202 | RFLAGS_TF;
	assert_int_equal(exit_with(REASON_CPUID, 0), VCPU_AGAIN);
	assert_int_equal(F(ENTRY_EVENT), EXCEPTION(1));
	assert_int_equal(vmx_dr6(V) & 0x4000, 0x4000);
	assert_int_equal(F(RIP), 0x1004);
	/* In 64-bit code RIP has 64 bits, elsewhere 32. */
	F(RFLAGS) = 0x202;
	F(ENTRY_EVENT) = 0;
	F(RIP) = 0xfffffffe;
	assert_int_equal(exit_with(REASON_CPUID, 0), VCPU_AGAIN);
	assert_int_equal(F(RIP), 0x100000000);
	F(CS_RIGHTS) = 0xc09b;
	F(RIP) = 0xfffffffe;
	assert_int_equal(exit_with(REASON_CPUID, 0), VCPU_AGAIN);
	assert_int_equal(F(RIP), 0);
	assert_null(model_refusal());
}

static void what_no_level_has_is_undefined(void **state)
{
	static const uint32_t reasons[] = {
		REASON_GETSEC, REASON_RSM, REASON_MWAIT, REASON_MONITOR, REASON_INVEPT, REASON_INVVPID, REASON_VMFUNC};
	(void)state;
	for (uint32_t i = 0; i < 9 + sizeof(reasons) / sizeof(reasons[0]); i++) {
		uint32_t reason = i < 9 ? REASON_VMCLEAR + i : reasons[i - 9];
		assert_int_equal(exit_with(reason, 0), VCPU_AGAIN);
		settle();
		assert_int_equal(F(ENTRY_EVENT), EXCEPTION(6));
		assert_int_equal(F(RIP), 0x1000);
	}
	assert_int_equal(exit_with(REASON_RDPMC, 0), VCPU_AGAIN);
	settle();
	assert_int_equal(F(ENTRY_EVENT), WITH_ERROR(EXCEPTION(13)));
	assert_int_equal(exit_with(REASON_WBINVD, 0), VCPU_AGAIN);
	assert_int_equal(F(RIP), 0x1002);
	assert_int_equal(exit_with(REASON_PAUSE, 0), VCPU_YIELD);
	/* Reasons that nobody knows. */
	static const uint32_t unknown[] = {14, 35, 38, 42, 49, 58, 63, 70, 0x12345};
	for (unsigned i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		assert_int_equal(exit_with(unknown[i], 0), VCPU_MONITOR);
		assert_int_equal(VCPU->exit_kind, GYRE_EXIT_FAILED);
	}
}

/* The event of an entry that was refused is not lost, and who has shut down stays so. */
static void refused_entries_and_shutdown(void **state)
{
	(void)state;
	to_inject(3);
	settle();
	F(EXIT_REASON) = REASON_ENTRY_FAILED | REASON_BAD_STATE;
	assert_int_equal(vmx_exit(V), VMX_SLOW);
	assert_int_equal(vmx_exit_slow(V), VCPU_MONITOR);
	assert_int_equal(VCPU->page->d1, GYRE_FAILED_STATE);
	assert_int_equal(VCPU->event, kinds[3].event);
	assert_false(V->launched);
	VCPU->event = 0;
	settle();
	F(ENTRY_EVENT) = 0;
	assert_int_equal(exit_with(REASON_TRIPLE_FAULT, 0), VCPU_MONITOR);
	assert_int_equal(VCPU->exit_kind, GYRE_EXIT_TRIPLE_FAULT);
	VCPU->exit_kind = 0;
	vlapic_post(&VCPU->lapic, 0x40, false);
	vcpu_hazard_set(VCPU, VCPU_HAZARD_EVENTS);
	assert_int_equal(vmx_events(V), VCPU_MONITOR);
	assert_int_equal(VCPU->exit_kind, GYRE_EXIT_TRIPLE_FAULT);
}

static void a_halt_ends_with_what_is_there(void **state)
{
	(void)state;
	/* STI, HLT: the shadow ends with HLT. */
	F(INTERRUPTIBILITY) = BLOCKED_BY_STI;
	F(LENGTH) = 1;
	vlapic_post(&VCPU->lapic, 0x40, false);
	assert_int_equal(exit_with(REASON_HLT, 0), VCPU_AGAIN);
	assert_int_equal(F(ENTRY_EVENT), INTERRUPT(0x40));
	assert_int_equal(F(RIP), 0x1001);
	assert_int_equal(VCPU->activity, VCPU_RUNNING);
	/* Nothing is there. */
	F(ENTRY_EVENT) = 0;
	vlapic_eoi(&VCPU->lapic);
	assert_int_equal(exit_with(REASON_HLT, 0), VCPU_HALT);
	/* With interrupts off only the monitor can know what to do; a blocked NMI ends nothing. */
	VCPU->activity = VCPU_RUNNING;
	F(RFLAGS) = 2;
	F(INTERRUPTIBILITY) = BLOCKED_BY_NMI;
	VCPU->nmi_pending = 1;
	assert_int_equal(exit_with(REASON_HLT, 0), VCPU_MONITOR);
	assert_int_equal(VCPU->exit_kind, GYRE_EXIT_HALT);
}

/* ---- debug exceptions ---- */
static void debug_exceptions(void **state)
{
	(void)state;
	F(EXIT_EVENT) = EXCEPTION(1);
	V->dr6 = DR6_RESET | 0xc;
	F(DR7) = 0x2400 | 0x3; /* GD */
	assert_int_equal(exit_with(REASON_EXCEPTION, 0x6001), VCPU_AGAIN);
	settle();
	assert_int_equal(F(ENTRY_EVENT), EXCEPTION(1));
	assert_int_equal(vmx_dr6(V), DR6_RESET | 0x6001);
	/* Its handler can read the debug registers: injection does not clear GD. */
	assert_int_equal(F(DR7), 0x403);
	/* DR6 is where the debug registers are. */
	exit_with(REASON_DR, 0);
	assert_true(VCPU->dr_loaded);
	assert_int_equal(model.dr6, DR6_RESET | 0x6001);
	exit_with(REASON_EXCEPTION, 2);
	assert_int_equal(model.dr6, DR6_RESET | 0x6002);
	VCPU->policy.flags = GYRE_POLICY_EXCEPTION_EXIT;
	VCPU->policy.exception_bitmap = 1u << 1;
	settle();
	assert_int_equal(exit_with(REASON_EXCEPTION, 0x4000), VCPU_MONITOR);
	assert_int_equal(VCPU->exit_kind, GYRE_EXIT_DEBUG);
	assert_int_equal(VCPU->page->d1, 0x4000);
	assert_int_equal(model.dr6, DR6_RESET | 0x6002);
}

/* As a plain #DB it would return to itself. */
static void int1_goes_on_behind_itself(void **state)
{
	(void)state;
	F(EXIT_EVENT) = INT1;
	F(LENGTH) = 1;
	uint64_t dr6 = vmx_dr6(V);
	assert_int_equal(exit_with(REASON_EXCEPTION, 0), VCPU_AGAIN);
	settle();
	assert_int_equal(F(ENTRY_EVENT), INT1);
	assert_int_equal(F(ENTRY_LENGTH), 1);
	assert_int_equal(vmx_dr6(V), dr6);
	assert_null(model_refusal());
}

static void step_begin(void)
{
	VCPU->single = true;
	vcpu_hazard_set(VCPU, VCPU_HAZARD_EVENTS);
	settle();
	assert_true((F(RFLAGS) & RFLAGS_TF) != 0);
	assert_null(model_refusal());
}

static void a_step_of_the_cores_is_none_of_the_guests(void **state)
{
	(void)state;
	F(EXIT_EVENT) = EXCEPTION(1);
	for (uint64_t shadow = 0; shadow < 3; shadow++) {
		F(INTERRUPTIBILITY) = shadow;
		step_begin();
		assert_int_equal(exit_with(REASON_EXCEPTION, 0x4000), VCPU_MONITOR);
		assert_int_equal(VCPU->exit_kind, GYRE_EXIT_KICK);
		assert_int_equal(F(RFLAGS), 0x202);
		assert_int_equal(vmx_dr6(V), DR6_RESET);
		assert_int_equal(VCPU->unusual, 0);
	}
	/* What the core answers meanwhile makes no trap, and the monitor sees no TF. */
	step_begin();
	assert_int_equal(exit_with(REASON_CPUID, 0), VCPU_AGAIN);
	assert_int_equal(F(ENTRY_EVENT) & GYRE_EVENT_VALID, 0);
	vmx_fill(VCPU);
	assert_int_equal(VCPU->page->rflags, 0x202);
	exit_with(REASON_EXCEPTION, 0x4000);
	/* The guest steps, too; or a breakpoint of its own was hit: both are its traps. */
	for (unsigned i = 0; i < 2; i++) {
		F(RFLAGS) = i == 0 ? 0x302 : 0x202;
		step_begin();
		assert_int_equal(exit_with(REASON_EXCEPTION, i == 0 ? 0x4000 : 0x4001), VCPU_MONITOR);
		assert_int_equal(VCPU->event, EXCEPTION(1));
		assert_int_equal(F(RFLAGS), i == 0 ? 0x302 : 0x202);
		VCPU->event = 0;
	}
}

/* ---- a guest's life, thrown together: whatever comes, the next entry is a legal one ---- */
static uint64_t word(void)
{
	return (uint64_t)rand() << 42 ^ (uint64_t)rand() << 21 ^ (uint64_t)rand();
}

static uint32_t any_vectoring(void)
{
	unsigned kind = (unsigned)rand() % KINDS;
	if (kinds[kind].event == INTERRUPT(0x40) && (F(RFLAGS) & RFLAGS_IF) == 0)
		return 0;
	F(VECTORING_ERROR) = kinds[kind].error;
	F(LENGTH) = kinds[kind].length;
	return kinds[kind].event;
}

static uint32_t any_reason(uint64_t *qualification, uint32_t *vectoring)
{
	uint64_t *gpr = VCPU->page->gpr;
	*qualification = word();
	switch (rand() % 16) {
	case 0: return REASON_CPUID;
	case 1:
		gpr[GYRE_RCX] = 0x800 + (uint64_t)rand() % 0x40;
		gpr[GYRE_RDX] = 0;
		gpr[GYRE_RAX] &= 0xff;
		return rand() % 2 ? REASON_RDMSR : REASON_WRMSR;
	case 2:
		gpr[GYRE_RCX] = (uint64_t[]){0xc0000080, 0x277, 0x1d9, 0x10, 0x3b, 0x6e0, 0x1b, 0xc0000082}[rand() % 8];
		return REASON_WRMSR;
	case 3: return REASON_HLT;
	case 4: return rand() % 2 ? REASON_INTERRUPT_WINDOW : REASON_NMI_WINDOW;
	case 5: return REASON_VMCALL;
	case 6:
		F(GUEST_PHYSICAL) = word() >> 24;
		*qualification &= 0x11bf;
		*vectoring = rand() % 2 ? any_vectoring() : 0;
		model.page_is_logged = rand() % 2;
		return REASON_EPT_VIOLATION;
	case 7:
		F(EXIT_EVENT) = (uint32_t[]){
			EXCEPTION(1), EXCEPTION(6), WITH_ERROR(EXCEPTION(17)), EXCEPTION(18), INT1}[rand() % 5];
		F(EXIT_ERROR) = 0;
		F(PENDING_DEBUG) = F(EXIT_EVENT) == EXCEPTION(1) ? 0 : F(PENDING_DEBUG);
		F(LENGTH) = 1;
		*qualification &= 0x6fff;
		*vectoring = rand() % 3 == 0 ? any_vectoring() : 0;
		if (*vectoring != 0 && F(EXIT_EVENT) == INT1)
			F(EXIT_EVENT) = EXCEPTION(1);
		return REASON_EXCEPTION;
	case 8:
		*qualification = (uint64_t[]){0, 4, 8, 0x10, 0x14, 0x20, 0x30}[rand() % 7] | (word() & 0xf0f00);
		gpr[*qualification >> 8 & 15] = rand() % 2 ? word() & 0xffffffff : 0x80050033 ^ 1ull << rand() % 32;
		return REASON_CR;
	case 9: return REASON_DR;
	case 10: *vectoring = rand() % 2 ? any_vectoring() : 0; return REASON_TASK_SWITCH;
	case 11: vlapic_post(&VCPU->lapic, 0x10 + (uint32_t)rand() % 0xf0, false); return REASON_INTERRUPT;
	case 12: vlapic_signal(&VCPU->lapic, VLAPIC_SIGNAL_NMI); return REASON_PREEMPTION_TIMER;
	case 13: VCPU->single = rand() % 4 == 0; return REASON_PAUSE;
	case 14: return (uint32_t)rand() % 72;
	default: vlapic_eoi(&VCPU->lapic); return REASON_WBINVD;
	}
}

/* What the guest does to itself. */
static void any_state(void)
{
	static const uint64_t shadows[] = {0, 0, 0, BLOCKED_BY_STI, BLOCKED_BY_MOV_SS, BLOCKED_BY_NMI};
	bool step = VCPU->step && !V->step_tf;
	F(RIP) = 0x1000 + (uint64_t)rand() % 4096;
	F(RFLAGS) = 2 | ((uint64_t)rand() & 0x10300) | (step ? RFLAGS_TF : 0);
	F(INTERRUPTIBILITY) = shadows[rand() % 6];
	if ((F(RFLAGS) & RFLAGS_IF) == 0)
		F(INTERRUPTIBILITY) &= ~(uint64_t)BLOCKED_BY_STI;
	F(PENDING_DEBUG) = (F(INTERRUPTIBILITY) & 3) != 0 && (F(RFLAGS) & RFLAGS_TF) != 0 ? PENDING_DEBUG_BS : 0;
	F(LENGTH) = 2;
	F(CS_RIGHTS) = vmx_long_mode(V) && rand() % 2 ? 0xa09b : 0xc09b;
	for (int i = 0; i < 16; i++)
		VCPU->page->gpr[i] = word();
}

static void no_exit_leads_to_an_entry_that_is_refused(void **state)
{
	(void)state;
	srand(4);
	for (unsigned round = 0; round < 400000; round++) {
		vmx_features.unrestricted = round < 200000;
		uint64_t qualification, list[512] = {0};
		uint32_t vectoring = 0;
		const char *why = model_refusal();
		if (why != NULL)
			fail_msg("round %u: the processor refuses to enter: %s", round, why);
		V->pml = list;
		any_state();
		uint32_t reason = any_reason(&qualification, &vectoring);
		/* The state is the exit's, not the entry's. */
		F(ENTRY_EVENT) &= ~(uint64_t)GYRE_EVENT_VALID;
		F(VECTORING) = vectoring;
		F(EXIT_REASON) = reason;
		F(QUALIFICATION) = qualification;
		if ((vectoring & 0x700) == GYRE_EVENT_NMI && vectoring != 0)
			F(INTERRUPTIBILITY) |= BLOCKED_BY_NMI;
		if (vectoring != 0)
			F(INTERRUPTIBILITY) &= BLOCKED_BY_NMI;
		uint32_t next = vmx_exit(V);
		if (next == VMX_SLOW)
			next = (uint32_t)vmx_exit_slow(V);
		VCPU->activity = VCPU_RUNNING;
		VCPU->hazard &= VCPU_HAZARD_EVENTS | VCPU_HAZARD_FLUSH;
		settle();
	}
	V->pml = NULL;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, vmx_set_up, vmx_tear_down)
int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_kind_is_injected_and_taken_back),
		TEST(no_error_code_in_real_mode),
		TEST(what_was_being_delivered_is_delivered_again),
		TEST(an_nmi_that_was_being_delivered_is_not_blocked_by_itself),
		TEST(task_switches_say_where_they_came_from),
		TEST(exceptions_in_the_middle_of_a_delivery),
		TEST(an_iret_that_faulted_blocks_nmis_again),
		TEST(an_nmi_waits_for_its_window),
		TEST(an_nmi_in_the_shadow_of_sti_does_not_wait_for_ever),
		TEST(an_interrupt_waits_for_its_window),
		TEST(the_short_way_is_the_long_one),
		TEST(an_answered_instruction_is_over),
		TEST(what_no_level_has_is_undefined),
		TEST(refused_entries_and_shutdown),
		TEST(a_halt_ends_with_what_is_there),
		TEST(debug_exceptions),
		TEST(int1_goes_on_behind_itself),
		TEST(a_step_of_the_cores_is_none_of_the_guests),
		TEST(no_exit_leads_to_an_entry_that_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
