/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/cpu_features.c: see cpu_features.h. APM vol. 3, appendix "Obtaining Processor Information Via the CPUID Instruction"; SDM vol. 2, "CPUID".
 */
#include "core/x86/cpu_features.h"
#include "core/boot/boot.h"
#include "lib/string.h"

SEALED struct cpu_features cpu_features;

#define FEATURE(name, leaf, output, bit)                                                                               \
	{                                                                                                              \
#name, offsetof(struct cpu_features, name), leaf, offsetof(struct cpuid_result, output) / 4, bit       \
	}

/* What is one bit of CPUID. */
static const struct feature {
	const char *name;
	uint32_t offset, leaf, output, bit;
} features[] = {
	FEATURE(x2apic, 1, ecx, 21),
	FEATURE(tsc_deadline, 1, ecx, 24),
	FEATURE(xsave, 1, ecx, 26),
	FEATURE(hypervisor, 1, ecx, 31),
	FEATURE(pge, 1, edx, 13),
	FEATURE(machine_check, 1, edx, 14),
	FEATURE(smep, 7, ebx, 7),
	FEATURE(smap, 7, ebx, 20),
	FEATURE(umip, 7, ecx, 2),
	FEATURE(nx, 0x80000001, edx, 20),
	FEATURE(pages_1g, 0x80000001, edx, 26),
	FEATURE(tsc_invariant, 0x80000007, edx, 8),
};

/* Nothing beyond the highest leaf: some processors answer with the last one's data there. */
static struct cpuid_result leaf_read(uint32_t leaf, uint32_t subleaf)
{
	return leaf <= cpuid(leaf & 0x80000000, 0).eax ? cpuid(leaf, subleaf) : (struct cpuid_result){0};
}

static bool feature_read(const struct feature *feature)
{
	struct cpuid_result result = leaf_read(feature->leaf, 0);
	const uint32_t outputs[] = {result.eax, result.ebx, result.ecx, result.edx};
	return (outputs[feature->output] >> feature->bit & 1) != 0 && !core_option_off(feature->name);
}

static void identify(struct cpu_features *f)
{
	struct cpuid_result zero = cpuid(0, 0);
	uint32_t signature = cpuid(1, 0).eax;
	const uint32_t vendor[] = {zero.ebx, zero.edx, zero.ecx};
	memcpy(f->vendor, vendor, sizeof(vendor));
	f->stepping = signature & 0xf;
	f->model = (signature >> 4 & 0xf) | (signature >> 12 & 0xf0);
	f->family = (signature >> 8 & 0xf) == 0xf ? 0xf + (signature >> 20 & 0xff) : (signature >> 8 & 0xf);
	for (uint32_t i = 0; i < 3; i++) {
		struct cpuid_result part = leaf_read(0x80000002 + i, 0);
		memcpy(f->brand + 16 * i, &part, sizeof(part));
	}
}

void cpu_features_detect(struct cpu_features *f)
{
	*f = (struct cpu_features){0};
	identify(f);
	for (unsigned i = 0; i < sizeof(features) / sizeof(features[0]); i++)
		*(bool *)((char *)f + features[i].offset) = feature_read(&features[i]);
	/* QEMU announces XSAVE for models without its later forms (Opteron_G4) and takes CR4.OSXSAVE for reserved then. */
	if (f->hypervisor && leaf_read(0xd, 1).eax == 0)
		f->xsave = false;
	if (f->xsave) {
		struct cpuid_result xsave = leaf_read(0xd, 0);
		f->xcr0_supported = (uint64_t)xsave.edx << 32 | xsave.eax;
	}
	f->tsc_stated = leaf_read(0x15, 0);
	f->physical_bits = leaf_read(0x80000008, 0).eax & 0xff;
	if (f->physical_bits > 52 || f->physical_bits < 32)
		f->physical_bits = 36;
}
