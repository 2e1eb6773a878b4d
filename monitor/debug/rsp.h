/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/debug/rsp.h: gdb's remote serial protocol ("Debugging with GDB", appendix "GDB Remote Serial Protocol"): packets, and what each asks for. One
 * processor is one thread, number 1. The target is behind a table.
 *
 *   Trust   every byte is hostile: whoever reaches the port sends what they like, and changes nothing but this guest. Bounds are checked here, addresses
 *           and registers by the target.
 *   Leaves out   binary writes (X), several processes, non-stop mode: gdb does without.
 *   Tests   test_debug_rsp.c, fuzz_debug.c
 */
#ifndef MONITOR_DEBUG_RSP_H
#define MONITOR_DEBUG_RSP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RSP_OFFERED	   960u /* the longest packet that gdb is told to send: with its frame it fits the channel's ring */
#define RSP_MOST	   2048u
#define RSP_REGISTER_BYTES 16u

#define RSP_SIGINT  2u
#define RSP_SIGTRAP 5u
#define RSP_SIGSEGV 11u

struct rsp_ops {
	void (*send)(void *context, const char *bytes, size_t count);
	/* The bytes of a register, at most RSP_REGISTER_BYTES: their number; 0: there is no such register. Little-endian. */
	unsigned (*register_read)(void *context, unsigned number, uint8_t *value);
	/* 0, or negative: it cannot be set so. `bytes` is what register_read says. */
	int (*register_write)(void *context, unsigned number, const uint8_t *value, unsigned bytes);
	/* By linear address: how many bytes from the first on are there. */
	size_t (*memory_read)(void *context, uint64_t address, uint8_t *data, size_t bytes);
	size_t (*memory_write)(void *context, uint64_t address, const uint8_t *data, size_t bytes);
	/* 0, -GYRE_ENOTSUP: no such kind, or another error. */
	int (*breakpoint)(void *context, bool set, unsigned kind, uint64_t address);
	/* The target description from `offset` on: at most `room` bytes. *more: there are others behind them. */
	size_t (*description)(void *context, size_t offset, char *text, size_t room, bool *more);
	/* A line of `monitor`: words go back by rsp_say(). */
	void (*command)(void *context, char *line);
	/* The guest goes on, for one instruction or until it is stopped: 0, and the answer is rsp_stopped(). Negative: not from that address. */
	int (*resume)(void *context, bool step, const uint64_t *address);
	void (*detach)(void *context);
	void (*kill)(void *context);
};

enum rsp_event { RSP_NOTHING, RSP_PACKET, RSP_INTERRUPT, RSP_GONE };

struct rsp {
	const struct rsp_ops *ops;
	void *context;
	uint8_t state, sum, given;
	bool acknowledges, knows_swbreak;
	unsigned signal; /* of the last stop */
	bool at_breakpoint;
	size_t in_bytes, out_bytes;
	char in[RSP_MOST + 1]; /* the packet that RSP_PACKET told of, zero-terminated */
	char out[RSP_MOST + 8];
};

void rsp_init(struct rsp *rsp, const struct rsp_ops *ops, void *context);
/* One byte from the debugger. RSP_PACKET: rsp_packet() is to be called before the next byte. */
enum rsp_event rsp_input(struct rsp *rsp, uint8_t byte);
void rsp_packet(struct rsp *rsp);
/* The guest has stopped, after it was resumed. */
void rsp_stopped(struct rsp *rsp, unsigned signal, bool at_breakpoint);
/* The guest is no more. */
void rsp_ended(struct rsp *rsp, unsigned code);
/* Words for the person, during a command. */
void rsp_say(struct rsp *rsp, const char *text);

/* A hexadecimal number at *text, which moves on; false: there is none, or it is too long. */
bool rsp_number(const char **text, uint64_t *number);

#endif
