/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/obj/call_machine.c: the calls about the machine as a whole. include/gyre/calls.h says what each promises.
 */
#include "core/obj/call.h"
#include "core/virt/virt.h"
#include "core/x86/cpu_features.h"
#include "core/x86/log.h"
#include "core/x86/timer.h"
#include "gyre/boot.h"

int64_t call_machine_info(struct call *call)
{
	struct gyre_machine_info info = {
		.abi = 1,
		.cpus = cpu_count,
		.tsc_khz = tsc_khz,
		.frames_total = frame_pool_total(),
		.frames_used = frame_pool_total() - frame_pool_free(),
		.core_image_bytes = (uint64_t)(core_image_end - core_image_start),
		.virtualization = virt_reason == GYRE_VIRT_OK ? GYRE_VIRT_YES : GYRE_VIRT_NONE,
		.virt_reason = virt_reason,
		.physical_bits = cpu_features.physical_bits,
		.apic_timer_khz = lapic_timer_khz,
		.features = virt_features,
		.objects_live = objects_live,
		.handles_live = handles_live,
	};
	test_tell(&info);
	return user_copy_to(ARG1(call), &info, sizeof(info));
}

int64_t call_machine_check(struct call *call)
{
	handle_machine(call, ARG1(call), GYRE_RIGHT_MANAGE);
	return call->error < 0 ? call->error : test_check(call->cpu);
}

#define LOG_LINE 240

int64_t call_log_write(struct call *call)
{
	char text[LOG_LINE + 1];
	uint64_t bytes = ARG2(call);
	if (bytes > LOG_LINE)
		return -GYRE_EINVAL;
	if (user_copy_from(text, ARG1(call), bytes) < 0)
		return -GYRE_EFAULT;
	/* One line, of what a terminal shows. */
	while (bytes > 0 && (text[bytes - 1] == '\n' || text[bytes - 1] == '\r'))
		bytes--;
	for (uint64_t i = 0; i < bytes; i++) {
		if ((text[i] < ' ' && text[i] != '\t') || text[i] == 0x7f)
			text[i] = '?';
	}
	text[bytes] = 0;
	log_info("[%u] %s", call->caller->process->number, text);
	return 0;
}
