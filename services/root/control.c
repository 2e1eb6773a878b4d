/* SPDX-License-Identifier: Apache-2.0 */
/*
 * services/root/control.c: CONTROL frames (include/gyre/frame.h): what is asked for from outside, and the answers.
 * Trust   A request is checked whole. An answer goes out only where there is room for all of it, so nobody who asks much and reads little keeps root waiting.
 */
#include "services/root/lives.h"
#include "services/root/accounts.h"
#include "services/root/output.h"
#include "services/root/root.h"
#include "lib/format.h"
#include "lib/string.h"

#define LIST_VMS                                                                                                       \
	((GYRE_FRAME_DATA - sizeof(struct gyre_control_reply)) / sizeof(struct gyre_control_vm)) /* in one frame */

static void reply_send(struct gyre_control_reply *reply, const void *data, size_t bytes)
{
	output_frame(GYRE_FRAME_CONTROL, GYRE_FRAME_MACHINE, reply, sizeof(*reply), data, bytes);
}

static struct gyre_control_vm vm_describe(const struct vm *vm)
{
	struct gyre_process_info process = {0};
	struct gyre_control_vm entry = {
		.state = lives_state(vm),
		.code = vm->end.code,
		.reason = vm->end.reason,
		.starts = vm->starts,
		.restarts = vm->restarts,
		.memory = vm->entry->memory,
	};
	if (vm->process != 0 && process_info(vm->process, &process) == 0)
		entry.frames = (uint32_t)process.used_frames;
	memcpy(entry.name, vm->entry->name, sizeof(entry.name));
	memcpy(entry.text, vm->end.text, sizeof(entry.text));
	return entry;
}

static void list_reply(struct gyre_control_reply *reply)
{
	static struct gyre_control_vm list[LIST_VMS];
	const uint32_t vms_all = root.config.header->vms;
	uint32_t frames = (vms_all + LIST_VMS - 1) / LIST_VMS;
	if (!output_fits(frames * GYRE_FRAME_LINE(sizeof(*reply)) + 2 * vms_all * sizeof(list[0])))
		return;
	for (uint32_t at = 0; at < vms_all; at += reply->count) {
		reply->count = vms_all - at < LIST_VMS ? vms_all - at : LIST_VMS;
		for (uint32_t i = 0; i < reply->count; i++)
			list[i] = vm_describe(&vms[at + i]);
		reply->more = at + reply->count < vms_all;
		reply_send(reply, list, reply->count * sizeof(list[0]));
	}
}

static void accounts_reply(struct gyre_control_reply *reply)
{
	struct accounts now;
	struct gyre_control_accounts accounts = {.compared = accounts_compared, .differed = accounts_differed};
	if (!root.accounts) {
		reply->code = GYRE_STATUS_STATE;
		gyre_snprintf(
			reply->text, sizeof(reply->text), "accounts are kept with --core-option accounts=on only");
		return reply_send(reply, NULL, 0);
	}
	accounts_now(&now);
	accounts.pages_free = now.pages_free;
	accounts.frames = now.frames;
	accounts.objects = now.objects;
	accounts.handles = now.handles;
	accounts.root_frames = now.root_frames;
	accounts.root_handles = now.root_handles;
	for (uint32_t i = 0; i < root.config.header->vms; i++)
		accounts.running += vms[i].process != 0;
	reply->count = 1;
	reply_send(reply, &accounts, sizeof(accounts));
}

void control_request(uint8_t vm, const uint8_t *data, size_t bytes)
{
	struct gyre_control_request request = {0};
	struct config_fault fault = {0};
	memcpy(&request, data, bytes < sizeof(request) ? bytes : sizeof(request));
	struct gyre_control_reply reply = {.id = request.id, .what = request.what};
	if (bytes == sizeof(request) && request.what == GYRE_CONTROL_LIST)
		return list_reply(&reply);
	if (!output_fits(GYRE_FRAME_LINE(sizeof(reply) + sizeof(struct gyre_control_accounts))))
		return;
	if (bytes == sizeof(request) && request.what == GYRE_CONTROL_ACCOUNTS)
		return accounts_reply(&reply);
	int known = bytes == sizeof(request) && request.what >= GYRE_CONTROL_START && request.what <= GYRE_CONTROL_KILL;
	if (!known || vm >= root.config.header->vms) {
		reply.code = known ? GYRE_STATUS_NOT_FOUND : GYRE_STATUS_USAGE;
		gyre_strlcpy(reply.text, known ? "there is no such VM" : "root does not know this request",
			sizeof(reply.text));
		return reply_send(&reply, NULL, 0);
	}
	reply.code = request.what == GYRE_CONTROL_START	 ? lives_start(&vms[vm], &fault)
		     : request.what == GYRE_CONTROL_STOP ? lives_stop(&vms[vm], &fault)
							 : lives_kill(&vms[vm], &fault);
	memcpy(reply.text, fault.text, sizeof(reply.text));
	reply_send(&reply, NULL, 0);
}
