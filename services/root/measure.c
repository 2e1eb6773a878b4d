/* SPDX-License-Identifier: Apache-2.0 */
/*
 * services/root/measure.c: what a call and reply between two processes cost, for bench/ (core option measure=ipc). The server is the shortest there
 * is: a process of one page, whose thread answers and waits. Root is the client.
 */
#include "services/root/root.h"
#include "services/root/output.h"
#include "lib/string.h"

#define ROUNDS	      1000u
#define WARM_UP	      16u
#define SERVER_FRAMES 64u
#define SERVER_START  0x400000ull

/* mov $endpoint_reply_wait, %eax; syscall; jmp to the begin. The endpoint's handle stays in RDI, the status is the last caller's first word. */
static const uint8_t server_code[] = {0xb8, GYRE_CALL_endpoint_reply_wait, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7};

static long server_make(handle_t process, handle_t memory, uint64_t page, handle_t endpoint)
{
	long error = memory_move_all(memory, 0, GYRE_ROOT_RAM, page, 1);
	if (error == 0)
		error = memory_clear_all(memory, 0, 1);
	if (error == 0)
		error = memory_map_all(0, memory, 0, WINDOW_IMAGE, 1, GYRE_RIGHT_READ | GYRE_RIGHT_WRITE);
	if (error < 0)
		return error;
	memcpy((void *)WINDOW_IMAGE, server_code, sizeof(server_code));
	memory_unmap_all(0, WINDOW_IMAGE, 1);
	error = memory_map_all(process, memory, 0, SERVER_START, 1, GYRE_RIGHT_READ | GYRE_RIGHT_EXEC);
	long serve = error < 0 ? error : handle_copy(process, endpoint, GYRE_RIGHT_SERVE, 0);
	if (serve < 0)
		return serve;
	long thread = thread_create(process, SERVER_START, 0, (uint64_t)serve, 0, 0);
	if (thread < 0)
		return thread;
	/* It runs before root goes on, up to its first wait. */
	error = thread_start((handle_t)thread);
	return error < 0 ? error : thread_yield();
}

static long calls_time(handle_t endpoint)
{
	struct message message = {.word = {0}};
	uint64_t begin = 0;
	for (uint32_t i = 0; i < WARM_UP + ROUNDS; i++) {
		if (i == WARM_UP)
			begin = tsc();
		long error = endpoint_call(endpoint, &message);
		if (error < 0)
			return error;
		message.word[0] = 0;
	}
	root.ipc_ticks = (tsc() - begin + ROUNDS / 2) / ROUNDS;
	return 0;
}

void measure_ipc(void)
{
	long process = process_create(SERVER_FRAMES),
	     memory = process < 0 ? process : memory_create(1, (handle_t)process);
	long endpoint = endpoint_create();
	uint64_t page = pool_take(&root.pool, 1, 1);
	long error = memory < 0 ? memory : endpoint < 0 ? endpoint : page == 0 ? -GYRE_ENOMEM : 0;
	if (error == 0)
		error = server_make((handle_t)process, (handle_t)memory, page, (handle_t)endpoint);
	if (error == 0)
		error = calls_time((handle_t)endpoint);
	if (error == 0)
		root_log("a call and reply between two processes take %lu ticks", (unsigned long)root.ipc_ticks);
	else
		root_log("calls between two processes could not be measured (error %ld)", error);
	if (process > 0)
		object_destroy((handle_t)process);
	if (memory > 0)
		object_destroy((handle_t)memory);
	if (endpoint > 0)
		object_destroy((handle_t)endpoint);
	pool_give(&root.pool, page, page != 0);
}
