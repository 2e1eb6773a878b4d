/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/tss.h: the task state segment of a processor, with its I/O permission bitmap. APM vol. 2, "64-Bit Task State Segment".
 */
#ifndef CORE_X86_TSS_H
#define CORE_X86_TSS_H

#include <stddef.h>
#include <stdint.h>

#define TSS_IOPORT_BYTES 8192
#define TSS_IOPORT_NONE	 0xffff /* an offset beyond the limit: every port of ring 3 faults */

/* The interrupt stack table: which vectors have a stack of their own. */
enum tss_ist {
	TSS_IST_NONE,
	TSS_IST_NMI,
	TSS_IST_DOUBLE_FAULT,
	TSS_IST_MACHINE_CHECK,
	TSS_IST_DEBUG, /* a #DB held back by MOV SS arrives on SYSCALL's first instruction, with the caller's RSP (CVE-2018-8897) */
	TSS_IST_COUNT,
};

struct tss {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t ist[8]; /* [0] is reserved */
	uint64_t reserved1;
	uint16_t reserved2;
	uint16_t ioport_offset;
	uint8_t ioports[TSS_IOPORT_BYTES];
	uint8_t ioports_end; /* all ones: the processor reads two bytes for a port at the end */
} __attribute__((packed));

_Static_assert(offsetof(struct tss, rsp) == 0x04 && offsetof(struct tss, ist) == 0x1c &&
		       offsetof(struct tss, ioport_offset) == 0x66 && offsetof(struct tss, ioports) == 0x68,
	"APM vol. 2, 64-Bit Task State Segment");

struct cpu;

/*
 * Gives ring 3 the ports whose bits are 0 in a bitmap of TSS_IOPORT_BYTES, or none (NULL). Taking the same bitmap again costs nothing: who changes
 * one sets cpu->ioports_held to NULL, on each CPU that may have it, and asks again before ring 3 of that process runs.
 */
void tss_ioports_set(struct cpu *cpu, const uint8_t *bitmap);

#endif
