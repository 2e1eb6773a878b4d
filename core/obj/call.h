/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/obj/call.h: how a call of include/gyre/calls.h reaches its function.
 *
 * A function gets the calling thread, whose regs hold the arguments, and returns what goes into RAX. One that leaves RAX alone (the caller blocks and
 * gets its answer later, or somebody else's registers were switched in) returns CALL_LATER. Objects that it finds by handle stay readable until it
 * returns. It checks everything before it changes anything.
 */
#ifndef CORE_OBJ_CALL_H
#define CORE_OBJ_CALL_H

#include "core/sched/sched.h"
#include "gyre/calls.h"
#include "gyre/errors.h"

#define CALL_LATER INT64_MIN

typedef int64_t (*call_function)(struct cpu *cpu, struct thread *caller, struct regs *regs);

#define CALL_DECLARE(name, number) int64_t call_##name(struct cpu *cpu, struct thread *caller, struct regs *regs);
GYRE_CALLS(CALL_DECLARE)

/* The arguments, by their place. */
#define ARG1(regs) ((regs)->rdi)
#define ARG2(regs) ((regs)->rsi)
#define ARG3(regs) ((regs)->rdx)
#define ARG4(regs) ((regs)->r10)
#define ARG5(regs) ((regs)->r8)
#define ARG6(regs) ((regs)->r9)

/* The end of every call that makes an object: its handle in the caller's table, with these rights; or the object goes again. */
int64_t call_new_handle(struct thread *caller, struct object *object, uint32_t rights);

#endif
