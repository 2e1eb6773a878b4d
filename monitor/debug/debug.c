/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/debug/debug.c: the loop around a guest under a debugger. It runs as any other does, but for #BP, which exits (the policy asks for it), and for what
 * the debugger says, which is looked for after each exit: its bytes kick the processor.
 *
 * A stopped guest is one whose processor is not run. Devices go on, its clocks too: that time has passed is all that it can see.
 */
#include "monitor/debug/debug.h"
#include "monitor/debug/inside.h"

#define SETTLE_TRIES 64u /* exits that may be due, one after the other, before nothing is */

static struct debug debug_state;

void debug_settle(struct debug *debug)
{
	struct machine *machine = debug->machine;
	for (unsigned i = 0; i < SETTLE_TRIES; i++) {
		machine->vcpu.page->entry_flags |= GYRE_ENTRY_NO_RUN;
		machine_step(machine);
		if (machine->vcpu.page->exit == GYRE_EXIT_KICK)
			return;
	}
}

void debug_go_on(struct debug *debug, bool step)
{
	debug->stopped = false;
	debug->stepping = step;
}

void debug_let_go(struct debug *debug)
{
	breaks_clear_all(debug);
	debug->attached = false;
	debug_go_on(debug, false);
}

static void stop(struct debug *debug)
{
	if (debug->stopped)
		return;
	debug_settle(debug);
	breaks_lift(debug);
	debug->stopped = debug->broken = true;
	debug->stepping = false;
}

static void attach(struct debug *debug)
{
	stop(debug);
	if (!debug->attached && debug->width_chosen)
		debug->wide = debug->next_wide;
	else if (!debug->attached)
		debug_choose_width(debug);
	debug->attached = true;
}

/* What the debugger has sent: until there is nothing more, or a guest that was stopped is to go on. A byte at a time: the rest is for later. */
static void take_input(struct debug *debug)
{
	uint8_t byte;
	while (engine_debug_read(&byte, 1) == 1) {
		bool stopped = debug->stopped;
		switch (rsp_input(&debug->rsp, byte)) {
		case RSP_PACKET:
			attach(debug);
			rsp_packet(&debug->rsp);
			break;
		case RSP_INTERRUPT:
			if (!debug->attached || stopped)
				break;
			stop(debug);
			rsp_stopped(&debug->rsp, RSP_SIGINT, false);
			break;
		case RSP_GONE:
			/* Who never said a word of the protocol has nothing to let go of. */
			if (debug->attached)
				debug_let_go(debug);
			break;
		case RSP_NOTHING: break;
		}
		if ((stopped || debug->broken) && !debug->stopped)
			return;
	}
}

static void wait(struct debug *debug)
{
	take_input(debug);
	while (debug->stopped) {
		machine_take_events(debug->machine, engine_events(1));
		take_input(debug);
	}
}

void debug_run(struct debug *debug)
{
	struct machine *machine = debug->machine;
	debug->trapped = false;
	while (!debug->broken && !debug->trapped) {
		machine_step(machine);
		/* The guest was reset, and its kernel loaded anew. */
		if (machine->started != debug->started) {
			breaks_forget(debug);
			breaks_plant(debug, false);
		}
		if (!debug->trapped && !debug->broken)
			take_input(debug);
	}
	breaks_lift(debug);
}

/* The machine tells: from inside of machine_step(). */
static void hook(struct machine *machine, enum machine_debug what, uint32_t code)
{
	struct debug *debug = &debug_state;
	(void)machine;
	switch (what) {
	case MACHINE_DEBUG_TRAP:
		if (breaks_at(debug))
			debug->trapped = true;
		else
			debug_own_trap(debug);
		return;
	case MACHINE_DEBUG_CRASH:
		if (!debug->attached || debug->stopped)
			return;
		breaks_lift(debug);
		debug->stopped = debug->broken = true;
		rsp_stopped(&debug->rsp, RSP_SIGSEGV, false);
		wait(debug);
		return;
	case MACHINE_DEBUG_END:
		if (debug->attached)
			rsp_ended(&debug->rsp, code);
		return;
	}
}

static void go(struct debug *debug)
{
	bool step = debug->stepping;
	debug->broken = false;
	if (step) {
		debug_step(debug);
		breaks_lift(debug);
	} else {
		breaks_plant(debug, false);
		debug_run(debug);
	}
	if (debug->broken)
		return; /* said already */
	stop(debug);
	rsp_stopped(&debug->rsp, RSP_SIGTRAP, !step);
}

void debug_main(const struct engine_vm *vm)
{
	static struct machine machine;
	struct debug *debug = &debug_state;
	machine_start(&machine, vm);
	*debug = (struct debug){.machine = &machine, .started = machine.started};
	machine.debug = hook;
	rsp_init(&debug->rsp, &debug_ops, debug);
	debug_settle(debug);
	debug->stopped = !(vm->flags & GYRE_VM_DEBUG_RUN);
	/* The other end opens its port when it hears of us. An acknowledgement of nothing says nothing. */
	engine_debug_write((const uint8_t *)"+", 1);
	engine_mark();
	for (;;) {
		if (debug->stopped)
			wait(debug);
		else
			go(debug);
	}
}
