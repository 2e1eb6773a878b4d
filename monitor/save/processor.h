/* SPDX-License-Identifier: Apache-2.0 */
/* monitor/save/processor.h: a virtual processor in its saved form: include/gyre/vcpu.h's groups and what the run page wants on entry. Of no vendor. */
#ifndef MONITOR_SAVE_PROCESSOR_H
#define MONITOR_SAVE_PROCESSOR_H

#include <stdint.h>
#include "gyre/vcpu.h"
#include "monitor/save/stream.h"

#define PROCESSOR_VERSION 1u
#define APIC_VERSION	  1u
#define FPU_VERSION	  1u

/* The XSAVE area's standard form: APM vol. 2, "XSAVE/XRSTOR Instructions". */
#define FPU_LEGACY_BYTES 512u
#define FPU_HEADER_BYTES 64u
#define FPU_AREA_BYTES	 4032u

struct saved_processor {
	/* of the run page */
	uint64_t gpr[GYRE_GPRS], rip, rflags;
	uint32_t interruptibility, event, event_error, event_length;
	uint64_t event_address; /* CR2 that goes with a page fault to be injected */
	uint32_t entry_flags, extint_line, extint_vector, apic_register, apic_value, apic_gpr;
	/* the state groups; tsc, tsc_offset and apic_reserved are not in the stream */
	struct gyre_vcpu_state state;
	int64_t tsc_ahead; /* the guest's TSC less machine time */
	/* the FPU page: legacy region, and what lies behind the header */
	uint64_t xstate_bv;
	uint32_t extended_bytes;
	uint8_t fpu[FPU_AREA_BYTES];
};

void processor_fields(struct save *save, void *processor);
void apic_fields(struct save *save, void *processor);
void fpu_fields(struct save *save, void *processor);

struct machine;
/* From the core, and to it. */
int processor_get(struct machine *machine, struct saved_processor *processor);
int processor_set(struct machine *machine, const struct saved_processor *processor);

#endif
