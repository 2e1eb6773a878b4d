/* SPDX-License-Identifier: Apache-2.0 */
/* tests/core/entry.c: see entry.h. The VMCS is the current one. */
#include "core/virt/vmx/vmx.h"
#include "tests/core/entry.h"

void test_entry(struct vcpu *vcpu)
{
	const struct gyre_dump *dump = (struct gyre_dump *)((uint8_t *)vcpu->state + GYRE_DUMP_OFFSET);
	if (dump->kind != TEST_ENTRY)
		return;
	/* The guest's time is over at once, unless a test wants that, too, to be different. */
	vmx_write(VMCS_PREEMPTION_TIMER, 0);
	for (uint32_t i = 0; i < dump->count && i < GYRE_DUMP_FIELDS; i++)
		vmx_write(dump->field[i].field, dump->field[i].value);
	vcpu_hazard_set(vcpu, VCPU_HAZARD_KICK);
	vmx_dump(vcpu);
}
