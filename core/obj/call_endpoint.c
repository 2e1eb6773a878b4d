/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/obj/call_endpoint.c: the calls on endpoints, events, interrupts and ports. include/gyre/calls.h says what each promises.
 */
#include "core/obj/call.h"

/* ---- endpoints ---- */

int64_t call_endpoint_create(struct call *call)
{
	struct endpoint *endpoint = endpoint_create(call->caller->process);
	return endpoint == NULL ? -GYRE_ENOMEM : call_new_handle(call, &endpoint->object, GYRE_RIGHT_ALL);
}

/* ---- events ---- */

int64_t call_event_create(struct call *call)
{
	struct event *event = event_create(call->caller->process);
	return event == NULL ? -GYRE_ENOMEM : call_new_handle(call, &event->object, GYRE_RIGHT_ALL);
}

int64_t call_event_signal(struct call *call)
{
	struct event *event = handle_event(call, ARG1(call), GYRE_RIGHT_SIGNAL);
	if (event != NULL)
		event_signal(call->cpu, event, ARG2(call));
	return call->error;
}

int64_t call_event_wait(struct call *call)
{
	struct event *event = handle_event(call, ARG1(call), GYRE_RIGHT_WAIT);
	return event == NULL ? call->error : event_wait(call->cpu, call->caller, event, ARG2(call));
}

int64_t call_event_timer(struct call *call)
{
	struct event *event = handle_event(call, ARG1(call), GYRE_RIGHT_MANAGE);
	return event == NULL ? call->error : event_timer_set(call->cpu, event, ARG2(call), ARG3(call));
}

/* ---- interrupts and ports ---- */

int64_t call_interrupt_create(struct call *call)
{
	struct interrupt *interrupt;
	if (handle_machine(call, ARG1(call), GYRE_RIGHT_MANAGE) == NULL)
		return call->error;
	int error = interrupt_create(call->caller->process, ARG2(call), ARG3(call), &interrupt);
	return error < 0 ? error : call_new_handle(call, &interrupt->object, GYRE_RIGHT_ALL);
}

int64_t call_interrupt_bind(struct call *call)
{
	struct interrupt *interrupt = handle_interrupt(call, ARG1(call), GYRE_RIGHT_MANAGE);
	struct event *event = handle_event(call, ARG2(call), GYRE_RIGHT_SIGNAL);
	return call->error < 0 ? call->error : interrupt_bind(interrupt, event, ARG3(call));
}

int64_t call_interrupt_ack(struct call *call)
{
	struct interrupt *interrupt = handle_interrupt(call, ARG1(call), GYRE_RIGHT_WAIT);
	return interrupt == NULL ? call->error : interrupt_ack(interrupt);
}

int64_t call_ioports_create(struct call *call)
{
	struct ioports *ioports;
	if (handle_machine(call, ARG1(call), GYRE_RIGHT_MANAGE) == NULL)
		return call->error;
	int error = ioports_create(call->caller->process, ARG2(call), ARG3(call), &ioports);
	return error < 0 ? error : call_new_handle(call, &ioports->object, GYRE_RIGHT_ALL);
}

int64_t call_ioports_grant(struct call *call)
{
	struct process *process = call_process(call, ARG1(call), GYRE_RIGHT_MANAGE);
	struct ioports *ioports = handle_ioports(call, ARG2(call), GYRE_RIGHT_MANAGE);
	return call->error < 0 ? call->error : ioports_grant(call->cpu, process, ioports);
}
