/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/vendors.c: which vendor's virtualization this machine has. The one place that knows there is more than one.
 */
#include "core/boot/boot.h"
#include "core/mem/pagetable.h"
#include "core/virt/barriers.h"
#include "core/virt/fpu.h"
#include "core/virt/vcpu_ops.h"
#include "core/virt/virt.h"
#include "core/virt/vm.h"
#include "core/x86/log.h"

extern const struct vcpu_ops svm_vcpu_ops, vmx_vcpu_ops;
static const struct vcpu_ops *const vendors[] = {&svm_vcpu_ops, &vmx_vcpu_ops};

SEALED const struct vcpu_ops *vcpu_ops;
SEALED const struct pagetable_format *virt_nested_format;
SEALED enum gyre_virt_reason virt_reason = GYRE_VIRT_NOT_THERE;
SEALED uint64_t virt_features;

/* The first vendor that has it; else the reason of one that had more to say than that it isn't its processor. */
static const struct vcpu_ops *choose(void)
{
	if (core_option_off("virt")) {
		virt_reason = GYRE_VIRT_FORCED_OFF;
		return NULL;
	}
	for (unsigned i = 0; i < sizeof(vendors) / sizeof(vendors[0]); i++) {
		enum gyre_virt_reason reason = vendors[i]->probe(&virt_features);
		if (reason == GYRE_VIRT_OK)
			return vendors[i];
		if (reason != GYRE_VIRT_NOT_THERE)
			virt_reason = reason;
	}
	return NULL;
}

void virt_init(struct cpu *cpu)
{
	const struct vcpu_ops *found;
	fpu_init(cpu);
	found = choose();
	if (found != NULL && found->cpu_enable(cpu) < 0) {
		virt_reason = GYRE_VIRT_CONTRADICTS;
		found = NULL;
	}
	if (found == NULL) {
		virt_features = 0;
		log_warn("hardware virtualization: none, for reason %u of gyre/boot.h", virt_reason);
		return;
	}
	virt_reason = GYRE_VIRT_OK;
	vcpu_ops = found;
	virt_nested_format = found->nested_format();
	log_info("hardware virtualization: %s, features 0x%lx", found->name, virt_features);
	barriers_init(found->barriers, found->heaviest);
}
