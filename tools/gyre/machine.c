/* SPDX-License-Identifier: Apache-2.0 */
/* tools/gyre/machine.c: machines by name, and models of processors: whose they are and which emulator has them. */
#include "tools/gyre/machine.h"
#include "include/gyre/config.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum vendor { VENDOR_ANY, VENDOR_AMD, VENDOR_INTEL };
static const char *const vendor_name[] = {"any vendor", "AMD", "Intel"};

struct named_machine {
	const char *name;
	enum vendor vendor;
	const struct emulator *emulator;
	const char *cpu, *core_option;
};
static const struct named_machine machines[] = {
	{"amd", VENDOR_AMD, &emulator_qemu, "EPYC,+svm,+npt", NULL},
	{"amd-shadow", VENDOR_AMD, &emulator_qemu, "EPYC,+svm,-npt", NULL},
	{"intel", VENDOR_INTEL, &emulator_bochs, "corei7_haswell_4770", NULL},
	{"intel-shadow", VENDOR_INTEL, &emulator_bochs, "corei7_haswell_4770", "ept=off"},
};
#define MACHINES (sizeof(machines) / sizeof(machines[0]))

/* As `bochs-bin --help cpu` lists them (2.7). */
static const struct {
	const char *name;
	enum vendor vendor;
} bochs_models[] = {
	{"bx_generic", VENDOR_INTEL},
	{"pentium", VENDOR_INTEL},
	{"pentium_mmx", VENDOR_INTEL},
	{"amd_k6_2_chomper", VENDOR_AMD},
	{"p2_klamath", VENDOR_INTEL},
	{"p3_katmai", VENDOR_INTEL},
	{"p4_willamette", VENDOR_INTEL},
	{"core_duo_t2400_yonah", VENDOR_INTEL},
	{"atom_n270", VENDOR_INTEL},
	{"p4_prescott_celeron_336", VENDOR_INTEL},
	{"athlon64_clawhammer", VENDOR_AMD},
	{"athlon64_venice", VENDOR_AMD},
	{"turion64_tyler", VENDOR_AMD},
	{"phenom_8650_toliman", VENDOR_AMD},
	{"core2_penryn_t9600", VENDOR_INTEL},
	{"corei5_lynnfield_750", VENDOR_INTEL},
	{"corei5_arrandale_m520", VENDOR_INTEL},
	{"corei7_sandy_bridge_2600k", VENDOR_INTEL},
	{"zambezi", VENDOR_AMD},
	{"trinity_apu", VENDOR_AMD},
	{"ryzen", VENDOR_AMD},
	{"corei7_ivy_bridge_3770k", VENDOR_INTEL},
	{"corei7_haswell_4770", VENDOR_INTEL},
	{"broadwell_ult", VENDOR_INTEL},
	{"corei7_skylake_x", VENDOR_INTEL},
	{"corei3_cnl", VENDOR_INTEL},
	{"corei7_icelake_u", VENDOR_INTEL},
	{"tigerlake", VENDOR_INTEL},
};
#define BOCHS_MODELS (sizeof(bochs_models) / sizeof(bochs_models[0]))

/* QEMU's, by how their names begin; qemu64, max and base take any vendor's string. QEMU itself refuses what it has not. */
static const struct {
	const char *begin;
	enum vendor vendor;
} qemu_models[] = {
	{"EPYC", VENDOR_AMD},
	{"Opteron", VENDOR_AMD},
	{"phenom", VENDOR_AMD},
	{"athlon", VENDOR_AMD},
	{"Dhyana", VENDOR_AMD},
	{"Broadwell", VENDOR_INTEL},
	{"Cascadelake", VENDOR_INTEL},
	{"Conroe", VENDOR_INTEL},
	{"Cooperlake", VENDOR_INTEL},
	{"Denverton", VENDOR_INTEL},
	{"Haswell", VENDOR_INTEL},
	{"Icelake", VENDOR_INTEL},
	{"IvyBridge", VENDOR_INTEL},
	{"KnightsMill", VENDOR_INTEL},
	{"Nehalem", VENDOR_INTEL},
	{"Penryn", VENDOR_INTEL},
	{"SandyBridge", VENDOR_INTEL},
	{"SapphireRapids", VENDOR_INTEL},
	{"Skylake", VENDOR_INTEL},
	{"Snowridge", VENDOR_INTEL},
	{"Westmere", VENDOR_INTEL},
	{"core2duo", VENDOR_INTEL},
	{"coreduo", VENDOR_INTEL},
	{"n270", VENDOR_INTEL},
	{"kvm", VENDOR_INTEL},
	{"486", VENDOR_INTEL},
	{"pentium2", VENDOR_INTEL},
	{"pentium3", VENDOR_INTEL},
};
#define QEMU_MODELS (sizeof(qemu_models) / sizeof(qemu_models[0]))

void machine_kill(const struct machine *machine)
{
	kill(machine->process, SIGKILL);
	kill(-machine->process, SIGKILL);
}

static const struct named_machine *find_machine(const char *name)
{
	for (size_t i = 0; i < MACHINES; i++)
		if (!strcmp(name, machines[i].name))
			return &machines[i];
	return NULL;
}

int machine_name_check(const char *machine)
{
	if (!strcmp(machine, "linux"))
		return fail(GYRE_STATUS_USAGE,
			"--machine linux: this version of Gyre has not got it yet: amd and intel are there");
	return find_machine(machine)
		       ? 0
		       : fail(GYRE_STATUS_USAGE, "--machine %s: there is no such machine: write amd or intel", machine);
}

/* Bochs's models of a vendor, for people. */
static char *bochs_list(enum vendor vendor)
{
	char *list = text_copy("");

	for (size_t i = 0; i < BOCHS_MODELS; i++) {
		if (bochs_models[i].vendor != vendor)
			continue;
		char *longer = text_format("%s%s%s", list, *list ? ", " : "", bochs_models[i].name);
		free(list);
		list = longer;
	}
	return list;
}

static enum vendor qemu_vendor(const char *cpu)
{
	for (size_t i = 0; i < QEMU_MODELS; i++)
		if (!strncmp(cpu, qemu_models[i].begin, strlen(qemu_models[i].begin)))
			return qemu_models[i].vendor;
	return VENDOR_ANY;
}

/* QEMU's that carry no vendor: what follows the name are its properties. */
static bool of_any_vendor(const char *cpu)
{
	static const char *const names[] = {"qemu64", "qemu32", "max", "base"};
	size_t length = strcspn(cpu, ",");

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == length && !strncmp(cpu, names[i], length))
			return true;
	return false;
}

static int wrong_vendor(const struct named_machine *named, const char *cpu, enum vendor vendor)
{
	return fail(GYRE_STATUS_USAGE, "--cpu-model %s is a processor of %s's, and --machine %s one of %s's", cpu,
		vendor_name[vendor], named->name, vendor_name[named->vendor]);
}

static int unknown_model(const struct named_machine *named, const char *cpu)
{
	char *list = bochs_list(named->vendor);
	int status = fail(GYRE_STATUS_USAGE,
		"--cpu-model %s: no emulator has it. Bochs has for %s: %s; QEMU's are listed by: qemu-system-x86_64 "
		"-cpu help",
		cpu, named->name, list);

	free(list);
	return status;
}

int machine_model(struct machine_model *model, const char *machine, const char *cpu)
{
	const struct named_machine *named = find_machine(machine);

	*model = (struct machine_model){named->emulator, named->cpu, named->core_option};
	if (!cpu)
		return 0;
	model->cpu = cpu;
	for (size_t i = 0; i < BOCHS_MODELS; i++) {
		if (strcmp(cpu, bochs_models[i].name))
			continue;
		model->emulator = &emulator_bochs;
		return bochs_models[i].vendor == named->vendor ? 0 : wrong_vendor(named, cpu, bochs_models[i].vendor);
	}
	enum vendor vendor = qemu_vendor(cpu);
	model->emulator = &emulator_qemu;
	if (vendor != VENDOR_ANY && vendor != named->vendor)
		return wrong_vendor(named, cpu, vendor);
	return vendor != VENDOR_ANY || of_any_vendor(cpu) ? 0 : unknown_model(named, cpu);
}
