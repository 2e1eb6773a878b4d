/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/core_report.c: how often each call was made, and what came of it. */
#include "tests/fuzz/core_machine.h"
#include <stdio.h>

#define ERRORS 18

struct seen {
	uint64_t made, good;
	uint64_t errors[ERRORS];
};
static struct seen seen[GYRE_CALL_COUNT + 1]; /* the last: numbers that are no call's */

static struct seen *of(uint64_t number)
{
	return &seen[number < GYRE_CALL_COUNT ? number : GYRE_CALL_COUNT];
}

void report_call(uint64_t number)
{
	of(number)->made++;
}

void report_result(uint64_t number, int64_t result)
{
	if (result >= 0)
		of(number)->good++;
	else if (result > -ERRORS)
		of(number)->errors[-result]++;
}

static bool print(const char *name, uint64_t number)
{
	static const char *const names[ERRORS] = {"", "EINVAL", "EHANDLE", "EACCES", "ENOMEM", "EBUSY", "ENOENT",
		"EEXIST", "EAGAIN", "ETIMEOUT", "EDEAD", "EFAULT", "ENODEV", "EPERM", "ENOSYS", "ENOTSUP", "EPROTO",
		"EIO"};
	const struct seen *call = of(number);
	unsigned int results = call->good != 0;
	/* A thread that exits gets no result; the check of a core that is not built for tests is refused. */
	bool good = call->made != 0 && (call->good != 0 || number == GYRE_CALL_thread_exit ||
					       number == GYRE_CALL_machine_check || number == GYRE_CALL_COUNT);
	for (unsigned int i = 1; i < ERRORS; i++)
		results += call->errors[i] != 0;
	printf("call %-20s %9lu times, %2u results: %lu good", name, (unsigned long)call->made, results,
		(unsigned long)call->good);
	for (unsigned int i = 1; i < ERRORS; i++)
		if (call->errors[i] != 0)
			printf(", %lu %s", (unsigned long)call->errors[i], names[i]);
	printf("%s\n", good ? "" : "   NEVER REACHED");
	return good;
}

bool report_print(void)
{
	bool good = true;
#define PRINT(name, number) good &= print(#name, number);
	GYRE_CALLS(PRINT)
	print("(no call)", GYRE_CALL_COUNT);
	return good;
}
