/* SPDX-License-Identifier: Apache-2.0 */
/* monitor/debug/inside.h: what the files of this folder share. */
#ifndef MONITOR_DEBUG_INSIDE_H
#define MONITOR_DEBUG_INSIDE_H

#include "monitor/debug/rsp.h"
#include "monitor/machine/machine.h"

#define DEBUG_BREAKS 64u

/* An INT3 of ours. It lies in guest RAM only while the guest runs, so that nobody who looks at a stopped guest sees it. */
struct debug_break {
	bool used, planted, passing; /* passing: not the debugger's, gone when it was reached */
	uint64_t address, gpa;	     /* linear, and where that led when it was set */
	uint8_t original;
};

struct debug {
	struct machine *machine;
	struct rsp rsp;
	bool stopped, attached, stepping;
	bool trapped; /* the guest is at an INT3 of ours */
	bool broken;  /* the debugger stopped it in its run, and may have let it go since: no breakpoint is in */
	bool wide;    /* registers are told as those of 64-bit mode */
	bool width_chosen, next_wide;
	uint64_t started; /* of the machine, when breakpoints were put in */
	struct debug_break breaks[DEBUG_BREAKS];
};

/* ---- target.c ---- */
extern const struct rsp_ops debug_ops;
/* How the guest's registers are to be told to the next debugger. */
void debug_choose_width(struct debug *debug);
/* Through the guest's page tables as they are now, which stay as they are: no accessed bit is set. */
bool debug_translate(struct debug *debug, uint64_t linear, uint64_t *gpa);
/* As many bytes as can be had. */
size_t debug_read(struct debug *debug, uint64_t linear, uint8_t *data, size_t bytes);
/* The linear address of the instruction at an offset of CS. */
uint64_t debug_linear(const struct debug *debug, uint64_t rip);

/* ---- command.c: `monitor` ---- */
void debug_command(struct debug *debug, char *line);

/* ---- breaks.c ---- */
int breaks_set(struct debug *debug, uint64_t address, bool passing);
int breaks_clear(struct debug *debug, uint64_t address);
void breaks_clear_all(struct debug *debug);
/* passing: those of a step alone. */
void breaks_plant(struct debug *debug, bool passing);
void breaks_lift(struct debug *debug);
/* RAM has been written anew: what was there is nobody's any more. */
void breaks_forget(struct debug *debug);
/* Whether the INT3 at RIP is ours. */
bool breaks_at(struct debug *debug);

/* ---- step.c ---- */
void debug_step(struct debug *debug);
/* #BP that is the guest's own, or INT n. */
void debug_own_trap(struct debug *debug);

/* ---- debug.c ---- */
/* Runs until an INT3 of ours is reached (trapped), or the debugger stops it (broken): not at all if it has. */
void debug_run(struct debug *debug);
/* Nothing of an exit is under way any more, and the page says all that it can. The guest does not run. */
void debug_settle(struct debug *debug);
void debug_go_on(struct debug *debug, bool step);
void debug_let_go(struct debug *debug);

#endif
