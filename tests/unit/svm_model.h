/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/svm_model.h: a model of the processor for core/virt/svm, which does what no emulator here does: it keeps what the clean bits let it keep (a field
 * that changed under a clean bit is found), and it refuses to run what VMRUN refuses. APM vol. 2, "VMCB State Caching", "Canonicalization and
 * Consistency Checks". The vCPU is virt_fixture.h's.
 */
#ifndef SVM_MODEL_H
#define SVM_MODEL_H

#include "tests/unit/virt_fixture.h"

#define V    (&virt->v)
#define VMCB (virt->v.vmcb)
#define VCPU (&virt->v.vcpu)

/* exit_info_1 of a MOV to a control register, with decode assists */
#define SVM_CR_MOV (1ull << 63)

/* What the core answers to the sources under test. */
extern bool doorbell_rings, page_is_logged, page_is_there;

struct svm_model_field {
	uint32_t bit;
	size_t offset, bytes;
	const char *name;
};
#define SVM_MODEL_FIELDS 38
extern const struct svm_model_field svm_model_fields[SVM_MODEL_FIELDS];
extern struct vmcb svm_model_cache;	      /* what the processor has */
extern const struct vmcb *svm_model_cache_of; /* NULL: nothing */

/* The name of a field that has changed under its clean bit since the last call, or NULL. The processor has all as it is now. */
const char *clean_bits_lie(const struct vmcb *vmcb);

/* Why VMRUN refuses to run it, or NULL. */
const char *vmrun_refusal(const struct vmcb *vmcb);

extern uint64_t interrupted_event; /* what the next exit comes in the middle of */
/* One VMRUN: the exit that the caller wants, as the processor reports it. What svm_exit() makes of it. */
uint32_t run_to(uint64_t code, uint64_t info_1, uint64_t info_2);
/* The next instruction, and its length. */
void at(uint64_t rip, uint32_t length);

int svm_model_set_up(void **state);
/* A processor whose guest in long mode is not injected interrupts, but offered (SVM_ERRATUM_TWICE). */
int svm_model_set_up_offered(void **state);

#endif
