/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/obj/call_endpoint.c: the calls on endpoints, events, interrupts and ports. include/gyre/calls.h says what each promises.
 */
#include "core/obj/call.h"
#include "core/obj/device.h"
#include "core/obj/event.h"
#include "core/sched/endpoint.h"

/* ---- endpoints ---- */

int64_t call_endpoint_create(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	(void)cpu;
	(void)regs;
	struct endpoint *endpoint = endpoint_create(caller->process);
	return endpoint == NULL ? -GYRE_ENOMEM
				: call_new_handle(caller, &endpoint->object,
					  GYRE_RIGHT_CALL | GYRE_RIGHT_SERVE | GYRE_RIGHT_COPY | GYRE_RIGHT_MANAGE);
}

int64_t call_endpoint_call(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	(void)regs;
	endpoint_call(cpu, caller);
	return CALL_LATER;
}

int64_t call_endpoint_reply_wait(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	(void)regs;
	endpoint_reply_wait(cpu, caller);
	return CALL_LATER;
}

/* ---- events ---- */

int64_t call_event_create(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	(void)cpu;
	(void)regs;
	struct event *event = event_create(caller->process);
	return event == NULL ? -GYRE_ENOMEM
			     : call_new_handle(caller, &event->object,
				       GYRE_RIGHT_SIGNAL | GYRE_RIGHT_WAIT | GYRE_RIGHT_COPY | GYRE_RIGHT_MANAGE);
}

int64_t call_event_signal(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	struct event *event;
	int error = handle_event(caller->process, ARG1(regs), GYRE_RIGHT_SIGNAL, &event);
	if (error == 0)
		event_signal(cpu, event, ARG2(regs));
	return error;
}

int64_t call_event_wait(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	struct event *event;
	int error = handle_event(caller->process, ARG1(regs), GYRE_RIGHT_WAIT, &event);
	return error < 0 ? error : event_wait(cpu, caller, event, ARG2(regs));
}

int64_t call_event_timer(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	struct event *event;
	if (ARG2(regs) >= 64)
		return -GYRE_EINVAL;
	int error = handle_event(caller->process, ARG1(regs), GYRE_RIGHT_MANAGE, &event);
	return error < 0 ? error : event_timer_set(cpu, event, (unsigned int)ARG2(regs), ARG3(regs));
}

/* ---- interrupts and ports ---- */

int64_t call_interrupt_create(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	struct machine *machine;
	struct interrupt *interrupt;
	(void)cpu;
	int error = handle_machine(caller->process, ARG1(regs), GYRE_RIGHT_MANAGE, &machine);
	if (error < 0)
		return error;
	if (ARG2(regs) > UINT32_MAX || ARG3(regs) > UINT32_MAX)
		return -GYRE_EINVAL;
	error = interrupt_create(caller->process, (uint32_t)ARG2(regs), (uint32_t)ARG3(regs), &interrupt);
	return error < 0 ? error
			 : call_new_handle(
				   caller, &interrupt->object, GYRE_RIGHT_WAIT | GYRE_RIGHT_COPY | GYRE_RIGHT_MANAGE);
}

int64_t call_interrupt_bind(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	struct interrupt *interrupt;
	struct event *event;
	int error;
	(void)cpu;
	if (ARG3(regs) >= 64)
		return -GYRE_EINVAL;
	if ((error = handle_interrupt(caller->process, ARG1(regs), GYRE_RIGHT_MANAGE, &interrupt)) < 0 ||
		(error = handle_event(caller->process, ARG2(regs), GYRE_RIGHT_SIGNAL, &event)) < 0)
		return error;
	return interrupt_bind(interrupt, event, (unsigned int)ARG3(regs));
}

int64_t call_interrupt_ack(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	struct interrupt *interrupt;
	(void)cpu;
	int error = handle_interrupt(caller->process, ARG1(regs), GYRE_RIGHT_WAIT, &interrupt);
	return error < 0 ? error : interrupt_ack(interrupt);
}

int64_t call_ioports_create(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	struct machine *machine;
	struct ioports *ioports;
	(void)cpu;
	int error = handle_machine(caller->process, ARG1(regs), GYRE_RIGHT_MANAGE, &machine);
	if (error < 0 || (error = ioports_create(caller->process, ARG2(regs), ARG3(regs), &ioports)) < 0)
		return error;
	return call_new_handle(caller, &ioports->object, GYRE_RIGHT_COPY | GYRE_RIGHT_MANAGE);
}

int64_t call_ioports_grant(struct cpu *cpu, struct thread *caller, struct regs *regs)
{
	struct process *process;
	struct ioports *ioports;
	int error;
	if ((error = process_or_self(caller->process, ARG1(regs), GYRE_RIGHT_MANAGE, &process)) < 0 ||
		(error = handle_ioports(caller->process, ARG2(regs), GYRE_RIGHT_MANAGE, &ioports)) < 0)
		return error;
	return ioports_grant(cpu, process, ioports);
}
