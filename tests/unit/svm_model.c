/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/svm_model.c: see svm_model.h. */
#include "tests/unit/svm_model.h"
#include "core/x86/log.h"
#include "core/x86/msr.h"
#include "gyre/errors.h"

/* ---- what the sources under test call in the core ---- */
bool doorbell_rings, page_is_logged, page_is_there;
static unsigned warnings, machine_checks;

int msr_write_safe(uint32_t msr, uint64_t value)
{
	(void)msr, (void)value;
	return 0;
}

int msr_read_safe(uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = 0;
	return -1;
}

bool vm_doorbell(struct cpu *cpu, struct vm *vm, uint16_t port, unsigned int size, uint32_t value)
{
	(void)cpu, (void)vm, (void)port, (void)size, (void)value;
	return doorbell_rings;
}

bool aspace_dirty_fault(struct aspace *aspace, uint64_t page)
{
	(void)aspace, (void)page;
	return page_is_logged;
}

bool aspace_lookup(struct aspace *aspace, uint64_t page, uint64_t *frame, bool *writable)
{
	(void)aspace;
	*frame = page;
	*writable = true;
	return page_is_there;
}

void log_warn(const char *format, ...)
{
	(void)format;
	warnings++;
}

void machine_check(const struct regs *regs)
{
	(void)regs;
	machine_checks++;
}

/* ---- the processor ---- */
#define FIELD(bit, field)                                                                                              \
	{                                                                                                              \
		bit, offsetof(struct vmcb, field), sizeof(((struct vmcb *)0)->field), #field                           \
	}
const struct svm_model_field svm_model_fields[SVM_MODEL_FIELDS] = {
	FIELD(0, intercept_cr_read_),
	FIELD(0, intercept_cr_write_),
	FIELD(0, intercept_dr_read_),
	FIELD(0, intercept_dr_write_),
	FIELD(0, intercept_exceptions_),
	FIELD(0, intercept_misc1_),
	FIELD(0, intercept_misc2_),
	FIELD(0, intercept_misc3_),
	FIELD(0, pause_threshold_),
	FIELD(0, pause_count_),
	FIELD(0, tsc_offset_),
	FIELD(1, iopm_),
	FIELD(1, msrpm_),
	FIELD(2, asid_),
	FIELD(3, v_tpr_),
	FIELD(3, v_irq_),
	FIELD(3, v_control_),
	FIELD(3, v_masking_),
	FIELD(3, v_vector_),
	FIELD(4, nested_control_),
	FIELD(4, nested_cr3_),
	FIELD(4, pat_),
	FIELD(5, cr0_),
	FIELD(5, cr3_),
	FIELD(5, cr4_),
	FIELD(5, efer_),
	FIELD(6, dr6_),
	FIELD(6, dr7_),
	FIELD(7, gdtr_),
	FIELD(7, idtr_),
	FIELD(8, es_),
	FIELD(8, cs_),
	FIELD(8, ss_),
	FIELD(8, ds_),
	FIELD(8, cpl_),
	FIELD(9, cr2_),
	FIELD(10, debugctl_),
	FIELD(10, virt_ext_),
};

struct vmcb svm_model_cache;
const struct vmcb *svm_model_cache_of;

const char *clean_bits_lie(const struct vmcb *vmcb)
{
	const char *stale = NULL;
	if (svm_model_cache_of == vmcb)
		for (unsigned i = 0; i < SVM_MODEL_FIELDS; i++)
			if ((vmcb->clean >> svm_model_fields[i].bit & 1) != 0 &&
				memcmp((const char *)vmcb + svm_model_fields[i].offset,
					(const char *)&svm_model_cache + svm_model_fields[i].offset,
					svm_model_fields[i].bytes) != 0)
				stale = svm_model_fields[i].name;
	svm_model_cache = *vmcb;
	svm_model_cache_of = vmcb;
	return stale;
}

const char *vmrun_refusal(const struct vmcb *vmcb)
{
	bool lme = (vmcb->efer_ & 0x100) != 0, pg = (vmcb->cr0_ & 0x80000000) != 0, pae = (vmcb->cr4_ & 0x20) != 0;
	uint64_t event = vmcb->event_inject;
	if ((vmcb->efer_ & EFER_SVME) == 0)
		return "EFER.SVME clear";
	if ((vmcb->cr0_ & 0x60000000) == 0x20000000 || vmcb->cr0_ >> 32 != 0)
		return "CR0";
	if (vmcb->dr6_ >> 32 != 0 || vmcb->dr7_ >> 32 != 0)
		return "DR6, DR7";
	if ((vmcb->efer_ & ~0x5d01ull) != 0)
		return "EFER";
	if (lme && pg && (!pae || (vmcb->cr0_ & 1) == 0))
		return "long mode without PAE or PE";
	if (lme && pg && pae && (vmcb->cs_.attributes & 0x600) == 0x600)
		return "CS.L and CS.D";
	if ((vmcb->intercept_misc2_ & VMCB_I2_VMRUN) == 0)
		return "VMRUN not intercepted";
	if (vmcb->asid_ == 0)
		return "ASID 0";
	if ((event & GYRE_EVENT_VALID) != 0 &&
		(GYRE_EVENT_TYPE(event) == 1 || GYRE_EVENT_TYPE(event) > 4 ||
			(GYRE_EVENT_TYPE(event) == 3 && ((event & 0xff) > 31 || (event & 0xff) == 2))))
		return "EVENTINJ";
	return NULL;
}

uint64_t interrupted_event;

uint32_t run_to(uint64_t code, uint64_t info_1, uint64_t info_2)
{
	struct vmcb *vmcb = virt->v.vmcb;
	const char *why, *stale = clean_bits_lie(vmcb);
	if (stale != NULL)
		fail_msg("%s changed under a clean bit", stale);
	if ((why = vmrun_refusal(vmcb)) != NULL)
		fail_msg("the processor refuses to run: %s", why);
	vmcb->exit_int_info = interrupted_event;
	interrupted_event = 0;
	if (vmcb->next_rip <= vmcb->rip)
		vmcb->next_rip = vmcb->rip + 3;
	vmcb->exit_code = code;
	vmcb->exit_info_1 = info_1;
	vmcb->exit_info_2 = info_2;
	return svm_exit(&virt->v);
}

int svm_model_set_up(void **state)
{
	int result = virt_set_up(state);
	svm_model_cache_of = NULL;
	doorbell_rings = page_is_logged = page_is_there = false;
	svm_features.nrip = true;
	svm_features.errata = 0;
	vcpu_hazard_set(&virt->v.vcpu, VCPU_HAZARD_FLUSH);
	svm_flush_now(&virt->v);
	return result;
}

int svm_model_set_up_offered(void **state)
{
	const int result = svm_model_set_up(state);
	svm_features.errata |= SVM_ERRATUM_TWICE;
	vmcb_set_efer(virt->v.vmcb, virt->v.vmcb->efer_ | EFER_LMA);
	return result;
}

void at(uint64_t rip, uint32_t length)
{
	VMCB->rip = rip;
	VMCB->next_rip = rip + length;
}
