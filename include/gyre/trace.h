/* SPDX-License-Identifier: Apache-2.0 */
/*
 * include/gyre/trace.h: the binary trace of exits. One record an exit, in the trace pages behind the vcpu's run page. The ring starts
 * with a header; when it is full, vcpu_run returns GYRE_EXIT_LOG_FULL, and the monitor empties it by reading head and calling vcpu_trace(on) again
 * (which moves tail to head). Off, it costs nothing on the exit path but the hazard word's test that is made anyway.
 */
#ifndef GYRE_TRACE_H
#define GYRE_TRACE_H

#include <stdint.h>

#define GYRE_TRACE_MAGIC 0x31545947u /* "GYT1" */

struct gyre_trace_header {
	uint32_t magic, record_bytes;
	uint32_t capacity; /* records in the ring */
	uint32_t reserved;
	uint64_t head, tail; /* counts of records written and taken, not wrapped */
};

struct gyre_trace_record {
	uint64_t tsc;	      /* host TSC at the exit */
	uint64_t rip;	      /* of the guest */
	uint16_t kind;	      /* enum gyre_exit */
	uint16_t vcpu;	      /* APIC id */
	uint32_t vendor_code; /* the hardware's exit code, low 32 bits */
	uint64_t detail; /* port, gpa, MSR index, CPUID leaf, vector ... as d0 of the exit, or what the core answered */
	uint64_t value;	 /* second detail: RAX for port writes, EDX:EAX for MSR writes */
	uint64_t cr3;
};
_Static_assert(sizeof(struct gyre_trace_record) == 48, "the file format of --trace");
_Static_assert(sizeof(struct gyre_trace_header) == 32, "");

#endif
