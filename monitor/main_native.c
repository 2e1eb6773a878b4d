/* SPDX-License-Identifier: Apache-2.0 */
/* monitor/main_native.c: the monitor as a process of Gyre: from root's start block to monitor_main(). */
#include "monitor/debug/debug.h"
#include "monitor/engine/native.h"
#include "lib/format.h"
#include "lib/native.h"

static struct engine_vm vm;

void native_main(void *argument)
{
	const struct gyre_start *start = argument;
	const char *what;
	char text[GYRE_CHANNEL_TEXT];
	if (start->magic != GYRE_START_MAGIC)
		native_panic("root and monitor are of different versions");
	int error = native_init(start, &vm, &what);
	if (error < 0) {
		gyre_snprintf(text, sizeof(text), "%s (error %d)", what, error);
		engine_end(GYRE_END_MONITOR, GYRE_STATUS_FAILED, text);
	}
	if ((vm.flags & GYRE_VM_DEBUG) != 0)
		debug_main(&vm);
	monitor_main(&vm);
}
