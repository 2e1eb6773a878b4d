/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/vmx/dump.c: the fields of a VMCS as they are, for whoever finds out why the processor refused it (gyre/vcpu.h). Nothing here judges. SDM vol. 3,
 * appendices "Field Encoding in VMCS" and "VMX Capability Reporting Facility".
 */
#include "core/virt/vmx/vmx.h"
#include "core/x86/msr.h"

#define MSR_VMX_BASIC 0x480

/* Encodings go by twos. The error number comes first: a field that this processor has not makes another. */
static const struct {
	uint16_t first, last;
} ranges[] = {{0x4400, 0x4402}, {0x6400, 0x6400}, {0x0000, 0x0002}, {0x0800, 0x080e}, {0x0c00, 0x0c0c},
	{0x2000, 0x201a}, {0x2024, 0x202a}, {0x2032, 0x2032}, {0x2800, 0x2818}, {0x2c00, 0x2c06}, {0x4000, 0x4002},
	{0x400a, 0x401e}, {0x4800, 0x4826}, {0x6800, 0x682c}, {0x6c00, 0x6c1c}};

static bool field_read(uint32_t field, uint64_t *value)
{
	bool there;
	__asm__ volatile("vmread %2, %0" : "=r"(*value), "=@cca"(there) : "r"((uint64_t)field));
	return there;
}

/* The VMCS is the current one. */
void vmx_dump(struct vcpu *vcpu)
{
	struct gyre_dump *dump = (struct gyre_dump *)((uint8_t *)vcpu->state + GYRE_DUMP_OFFSET);
	uint64_t value;
	uint32_t count = 0;
	for (unsigned i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		for (uint32_t field = ranges[i].first; field <= ranges[i].last && count < GYRE_DUMP_FIELDS; field += 2)
			if (field_read(field, &value))
				dump->field[count++] = (struct gyre_dump_field){field, 0, value};
	for (uint32_t i = 0; i < GYRE_DUMP_MSRS; i++)
		dump->limit[i] = msr_read_safe(MSR_VMX_BASIC + i, &value) == 0 ? value : 0;
	dump->count = count;
	dump->kind = GYRE_DUMP_INTEL;
}
