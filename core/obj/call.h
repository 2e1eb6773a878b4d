/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/obj/call.h: how a call of include/gyre/calls.h reaches its function.
 *
 * A function returns what goes into RAX. One that leaves RAX alone (the caller blocks and gets its answer later, or somebody else's registers were
 * switched in) returns CALL_LATER. It first finds the objects that its handles name, which stay readable until it returns, and where call->error is set
 * then, that is its result. It checks everything before it changes anything.
 */
#ifndef CORE_OBJ_CALL_H
#define CORE_OBJ_CALL_H

#include "core/mem/memory.h"
#include "core/obj/device.h"
#include "core/sched/endpoint.h"
#include "core/virt/vm.h"
#include "core/x86/user_copy.h"

struct call {
	struct cpu *cpu;
	struct thread *caller;
	struct regs *regs; /* the caller's: arguments, and the words that it gets back */
	int error;	   /* of the first handle that was not good; what was to be found by it is NULL */
};

#define CALL_LATER INT64_MIN

#define CALL_DECLARE(name, number) int64_t call_##name(struct call *call);
GYRE_CALLS(CALL_DECLARE)

/* The arguments, by their place. */
#define ARG1(call) ((call)->regs->rdi)
#define ARG2(call) ((call)->regs->rsi)
#define ARG3(call) ((call)->regs->rdx)
#define ARG4(call) ((call)->regs->r10)
#define ARG5(call) ((call)->regs->r8)
#define ARG6(call) ((call)->regs->r9)

/* A process; number 0 means the caller's own. */
struct process *call_process(struct call *call, uint64_t number, uint32_t rights);

/* The end of every call that makes an object: its handle in the caller's table, with these rights of its type's; or the object goes again. */
int64_t call_new_handle(struct call *call, struct object *object, uint32_t rights);

#endif
