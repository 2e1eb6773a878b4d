/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/x86/cpu_features.c: see cpu_features.h. APM vol. 3, appendix "Obtaining Processor Information Via the CPUID Instruction"; SDM vol. 2, "CPUID".
 */
#include "core/x86/cpu_features.h"
#include "core/boot/boot.h"
#include "core/x86/log.h"
#include "lib/string.h"

struct cpu_features cpu_features;

static void detect_standard(struct cpu_features *f, uint32_t max)
{
	struct cpuid_result one = cpuid(1, 0);
	f->stepping = one.eax & 0xf;
	f->model = (one.eax >> 4 & 0xf) | (one.eax >> 12 & 0xf0);
	f->family = (one.eax >> 8 & 0xf) == 0xf ? 0xf + (one.eax >> 20 & 0xff) : (one.eax >> 8 & 0xf);
	f->x2apic = one.ecx & 1u << 21;
	f->tsc_deadline = one.ecx & 1u << 24;
	f->xsave = one.ecx & 1u << 26;
	f->hypervisor = one.ecx & 1u << 31;
	f->machine_check = (one.edx & 1u << 7) && (one.edx & 1u << 14);
	f->pge = one.edx & 1u << 13;
	if (max >= 7) {
		struct cpuid_result seven = cpuid(7, 0);
		f->smep = seven.ebx & 1u << 7;
		f->smap = seven.ebx & 1u << 20;
		f->umip = seven.ecx & 1u << 2;
	}
	if (f->xsave && max >= 0xd) {
		struct cpuid_result xsave = cpuid(0xd, 0);
		f->xcr0_supported = (uint64_t)xsave.edx << 32 | xsave.eax;
	}
}

static void detect_tsc(struct cpu_features *f, uint32_t max)
{
	if (max >= 0x15) {
		struct cpuid_result tsc = cpuid(0x15, 0);
		if (tsc.eax != 0 && tsc.ebx != 0 && tsc.ecx != 0)
			f->tsc_khz_stated = (uint64_t)tsc.ecx * tsc.ebx / tsc.eax / 1000;
	}
	if (f->tsc_khz_stated == 0 && max >= 0x16)
		f->tsc_khz_stated = (cpuid(0x16, 0).eax & 0xffff) * 1000;
}

static void detect_extended(struct cpu_features *f)
{
	uint32_t max = cpuid(0x80000000, 0).eax;
	struct cpuid_result one = cpuid(0x80000001, 0);
	f->nx = one.edx & 1u << 20;
	f->pages_1g = one.edx & 1u << 26;
	f->tsc_invariant = max >= 0x80000007 && (cpuid(0x80000007, 0).edx & 1u << 8);
	f->physical_bits = max >= 0x80000008 ? cpuid(0x80000008, 0).eax & 0xff : 36;
	if (f->physical_bits > 52 || f->physical_bits < 32)
		f->physical_bits = 36;
	if (max >= 0x80000004) {
		for (uint32_t i = 0; i < 3; i++) {
			struct cpuid_result part = cpuid(0x80000002 + i, 0);
			memcpy(f->brand + 16 * i, &part, sizeof(part));
		}
	}
}

static void force_off(struct cpu_features *f)
{
	struct {
		const char *name;
		bool *feature;
	} const features[] = {{"smep", &f->smep}, {"smap", &f->smap}, {"umip", &f->umip}, {"pge", &f->pge},
		{"xsave", &f->xsave}, {"pages_1g", &f->pages_1g}, {"x2apic", &f->x2apic},
		{"tsc_deadline", &f->tsc_deadline}, {"machine_check", &f->machine_check}};
	for (uint32_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		const char *value = core_option(features[i].name);
		if (value == NULL)
			continue;
		if (strcmp(value, "off") == 0)
			*features[i].feature = false;
		else
			log_warn("%s=%s: only off is known; it stays as the processor has it", features[i].name, value);
	}
	if (!f->xsave) {
		f->xcr0_supported = 0;
	}
}

void cpu_features_detect(struct cpu_features *features)
{
	struct cpuid_result zero = cpuid(0, 0);
	*features = (struct cpu_features){0};
	memcpy(features->vendor, &zero.ebx, 4);
	memcpy(features->vendor + 4, &zero.edx, 4);
	memcpy(features->vendor + 8, &zero.ecx, 4);
	detect_standard(features, zero.eax);
	detect_tsc(features, zero.eax);
	detect_extended(features);
	force_off(features);
}
