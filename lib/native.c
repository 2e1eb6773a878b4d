/* SPDX-License-Identifier: Apache-2.0 */
/* lib/native.c: log and panic of a native process. */
#if !__STDC_HOSTED__ && !defined(GYRE_CORE)
#include "lib/native.h"
#include "lib/calls.h"
#include "lib/format.h"

_Static_assert(GYRE_CALL_thread_exit == 20, "native_start.S has the number");

uint8_t call_by_interrupt;

/* gcc's stack protector. The guard's zero byte ends a string. */
uint64_t __stack_chk_guard;
_Noreturn void __stack_chk_fail(void);
_Noreturn void __stack_chk_fail(void)
{
	native_panic("a function wrote beyond its arrays on the stack");
}

static void log_line(const char *format, va_list arguments)
{
	char line[LOG_WRITE_BYTES];
	size_t bytes = gyre_vsnprintf(line, sizeof(line), format, arguments);
	log_write(line, bytes < sizeof(line) ? bytes : sizeof(line) - 1);
}

void native_log(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	log_line(format, arguments);
	va_end(arguments);
}

void native_panic(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	log_line(format, arguments);
	va_end(arguments);
	for (;;)
		__asm__ volatile("ud2");
}
#endif
