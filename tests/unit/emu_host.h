/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/emu_host.h: one instruction on the processor that the tests run on.
 *
 * The processor enters a state by rt_sigreturn, in 64-bit mode or by code segments of compatibility mode, with TF set, so that after one
 * instruction (of REP, one iteration) or at its fault the kernel delivers a signal, whose frame is the outcome. The handler leaves by
 * switching stacks, not by returning.
 */
#ifndef TESTS_UNIT_EMU_HOST_H
#define TESTS_UNIT_EMU_HOST_H

#include <stdbool.h>
#include <stdint.h>

/* 64 KiB of memory at an address below 2 GiB, so that every mode reaches it. By page: - none, r read, w read and write, x code. */
#define HOST_BASE  0x10000000u
#define HOST_SIZE  0x10000u
#define HOST_PAGES "-rww-ww-xx-----w"

/* Selectors of the LDT that host_init makes; each with HOST_BASE as base. */
#define HOST_CS16	   0x07 /* code of 16 bits, limit 0xffff */
#define HOST_DS16	   0x0f /* data of 16 bits, limit 0xffff */
#define HOST_DS32	   0x17 /* data of 32 bits, limit 0xffff */
#define HOST_DS_READ	   0x1f /* read-only, limit 0xffff */
#define HOST_DS_DOWN	   0x27 /* expands down, 32 bits, above 0x27ff */
#define HOST_DS_SHORT	   0x2f /* limit 0x2fff */
#define HOST_DS_ABSENT	   0x37
#define HOST_CS_ABSENT	   0x3f
#define HOST_CS_NOREAD	   0x47 /* code of 32 bits, execute only */
#define HOST_CS_CONFORMING 0x4f /* code of 32 bits, not present: the kernel makes no other */
#define HOST_CS32	   0x57
#define HOST_LDT_ENTRIES   11
extern const uint64_t host_ldt[HOST_LDT_ENTRIES];
#define HOST_CS32_FLAT 0x23 /* the kernel's */
#define HOST_CS64_FLAT 0x33
#define HOST_DS_FLAT   0x2b

struct host_state {
	uint64_t gpr[16]; /* in the order of the instruction set */
	uint64_t rip, rflags;
	uint16_t cs, ss, ds, es, fs, gs; /* fs only outside 64-bit mode; gs in 64-bit mode: base is HOST_GS_BASE */
	uint8_t xmm[16][16];
};
#define HOST_GS_BASE 0x10001230u

struct host_outcome {
	int vector; /* 1: the instruction completed */
	uint64_t error, cr2;
};

/* Maps the memory with this content. NULL, or why this machine can't do it. */
const char *host_init(const uint8_t content[HOST_SIZE]);

/* Runs the instruction at state->rip; state becomes what it left. Fills xmm only if with_xmm; with_segments: it may load some. */
struct host_outcome host_run(struct host_state *state, bool with_xmm, bool with_segments);

/* This thread's FS base, which 64-bit code sees in FS. */
uint64_t host_fs_base(void);

#endif
