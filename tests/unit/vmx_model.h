/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/vmx_model.h: core/virt/vmx on Linux, with a model of the processor: a VMCS whose fields have their widths, an entry that is refused where the
 * manual has it refused, a TLB that forgets nothing by itself, and registers that are variables. The sources are included, so that their privileged
 * instructions become functions of the model. SDM vol. 3, "VM Entries", "VM Exits", "Caching Translation Information".
 */
#ifndef TESTS_UNIT_VMX_MODEL_H
#define TESTS_UNIT_VMX_MODEL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/virt/barriers.h"
#include "core/virt/fetch.h"
#include "core/virt/vm.h"
#include "core/virt/vmx/vmx.h"
#include "core/x86/cpu_features.h"
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter" /* of core_resume(), which is no jump here */
#include "core/x86/entry.h"
#pragma GCC diagnostic pop
#include "core/x86/log.h"
#include "core/x86/msr.h"
#include "gyre/errors.h"

/* ---- the processor's registers ---- */
#define MODEL_TLB 64
struct translation {
	bool valid;
	uint64_t vpid, eptp;
	unsigned page, frame;
};
struct model {
	struct translation tlb[MODEL_TLB];
	uint64_t field[0x7000];
	uint64_t cr2, dr6, dr[4];
	uint64_t star, lstar, sfmask;
	unsigned invept, invvpid, warnings, machine_checks, entries, logged;
	uint64_t logged_page[1024];
	bool doorbell_rings, page_is_logged;
};
extern struct model model;

void model_invept(uint64_t type, uint64_t eptp);
void model_invvpid(uint64_t type, uint64_t vpid);
void model_msr_write(uint32_t index, uint64_t value);
void model_debug_load(struct vcpu *vcpu);
void model_debug_unload(struct vcpu *vcpu);
_Noreturn void model_enter(const struct cpu *cpu, const struct vmx_vcpu *v);
_Noreturn void model_resume(const struct cpu *cpu, uint64_t kind);
const char *model_refusal(void);

#define cr2_read()		   (model.cr2)
#define cr2_write(value)	   (model.cr2 = (value))
#define dr6_read()		   (model.dr6)
#define dr6_write(value)	   (model.dr6 = (value))
#define vmx_invept		   model_invept
#define vmx_invvpid		   model_invvpid
#define msr_write		   model_msr_write
#define answer_debug_load	   model_debug_load
#define answer_debug_unload	   model_debug_unload
#define cpu_limits_back(cpu)	   ((void)((cpu)->tr_short = true))
#define cpu_interrupt_window()	   ((void)0)
#define core_resume(cpu, kind)	   model_resume(cpu, kind)
#define vmx_enter(cpu, v)	   model_enter(cpu, v)
#define vmx_enter_barriers(cpu, v) model_enter(cpu, v)
#define vmx_enter_traced(cpu, v)   model_enter(cpu, v)
#define vmx_enter_first(cpu, v)	   model_enter(cpu, v)

/* ---- a vCPU ---- */
struct vmx_fixture {
	struct cpu cpu;
	struct vm vm;
	struct vmx_vcpu v;
	uint64_t now, timer_at;
	uint8_t ram[0x10000] __attribute__((aligned(4096))); /* at guest-physical 0 */
};
extern struct vmx_fixture *virt;
#define V    (&virt->v)
#define VCPU (&virt->v.vcpu)

/* cmocka's. The level has everything; 64-bit code with paging, interrupts on; VMX_CAN of a processor that has everything but APICv. */
int vmx_set_up(void **state);
int vmx_tear_down(void **state);

/* A field of the guest's, or of an exit. */
#define F(name) (model.field[VMCS_##name])

/* ---- one entry and its exit ---- */
/* The entry is a legal one; then this exit. What vmx_exit() makes of it, and vmx_exit_slow() if it says so. */
uint32_t exit_with(uint32_t reason, uint64_t qualification);
/* The same while an event was being delivered (VMCS_VECTORING), of an instruction of that length. */
uint32_t exit_within(uint32_t vectoring, uint32_t error, uint32_t reason, uint64_t qualification);
/* What ended the last vmx_run(), vmx_start(): GYRE_EXIT_ kind, or one of these. */
#define ENTERED	   0x100u
#define LEFT(next) (0x200u + (next))
uint32_t outcome_of(void (*what)(void));

#endif
