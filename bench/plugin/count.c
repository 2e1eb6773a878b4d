/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/plugin/count.c: a QEMU TCG plugin that counts executed instructions per CPU, those in SVM guest mode apart, and VMRUNs. A halted CPU
 * executes none, so idle time is not in it. At each marker instruction (a NOP with the displacement "GYRE", which a real machine passes over), and
 * at QEMU's end, one line goes to the file named by the argument "out": "mark N cpu N host N guest N vmruns N".
 *   Guest mode   from a VMRUN to the instruction behind it, where #VMEXIT arrives (APM vol. 2, "VMRUN Instruction")
 *   Exactness    whole translation blocks are counted when they begin: a block that faults in its middle is counted whole; measured
 *                against -icount the difference is below 0.1 %
 */
#include <stdio.h>
#include <string.h>

#include "bench/plugin/qemu_plugin_api.h"

#define CPUS	    64
#define VMRUN_SITES 16

struct counts {
	uint64_t host, guest, vmruns;
	int in_guest;
};

static struct counts counts[CPUS];
static uint64_t vmrun_next[VMRUN_SITES]; /* addresses behind the VMRUNs seen so far */
static unsigned vmrun_sites;
static unsigned marks;
static FILE *out;

static const uint8_t marker[8] = {0x0f, 0x1f, 0x84, 0x00, 'G', 'Y', 'R', 'E'};
static const uint8_t vmrun[3] = {0x0f, 0x01, 0xd8};

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

static void print_counts(const char *what, unsigned cpu)
{
	struct counts sum = {0};

	for (unsigned i = 0; i < CPUS; i++) {
		sum.host += counts[i].host;
		sum.guest += counts[i].guest;
		sum.vmruns += counts[i].vmruns;
	}
	fprintf(out, "%s %u cpu %u host %lu guest %lu vmruns %lu\n", what, marks, cpu, sum.host, sum.guest, sum.vmruns);
	fflush(out);
}

static void block_begins(unsigned cpu, void *instructions)
{
	struct counts *mine = &counts[cpu % CPUS];

	*(mine->in_guest ? &mine->guest : &mine->host) += (uintptr_t)instructions;
}

static void guest_begins(unsigned cpu, void *unused)
{
	(void)unused;
	counts[cpu % CPUS].in_guest = 1;
	counts[cpu % CPUS].vmruns++;
}

/* The block behind VMRUN was counted as the guest's when it began. */
static void guest_ended(unsigned cpu, void *instructions)
{
	struct counts *mine = &counts[cpu % CPUS];

	if (!mine->in_guest)
		return;
	mine->in_guest = 0;
	mine->guest -= (uintptr_t)instructions;
	mine->host += (uintptr_t)instructions;
}

static void marker_executed(unsigned cpu, void *unused)
{
	(void)unused;
	marks++;
	print_counts("mark", cpu);
}

static void vmrun_found(const struct qemu_plugin_insn *insn)
{
	uint64_t next = qemu_plugin_insn_vaddr(insn) + sizeof(vmrun);

	for (unsigned i = 0; i < vmrun_sites; i++)
		if (vmrun_next[i] == next)
			return;
	if (vmrun_sites < VMRUN_SITES)
		vmrun_next[vmrun_sites++] = next;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t instructions = qemu_plugin_tb_n_insns(tb);

	(void)id;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, block_begins, QEMU_PLUGIN_CB_NO_REGS, (void *)instructions);
	for (unsigned i = 0; i < vmrun_sites; i++)
		if (vmrun_next[i] == qemu_plugin_tb_vaddr(tb))
			qemu_plugin_register_vcpu_insn_exec_cb(qemu_plugin_tb_get_insn(tb, 0), guest_ended,
				QEMU_PLUGIN_CB_NO_REGS, (void *)instructions);
	for (size_t i = 0; i < instructions; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		size_t size = qemu_plugin_insn_size(insn);
		const void *data = qemu_plugin_insn_data(insn);

		if (size == sizeof(marker) && !memcmp(data, marker, sizeof(marker)))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, marker_executed, QEMU_PLUGIN_CB_NO_REGS, NULL);
		if (size == sizeof(vmrun) && !memcmp(data, vmrun, sizeof(vmrun))) {
			vmrun_found(insn);
			qemu_plugin_register_vcpu_insn_exec_cb(insn, guest_begins, QEMU_PLUGIN_CB_NO_REGS, NULL);
		}
	}
}

static void ended(qemu_plugin_id_t id, void *unused)
{
	(void)id;
	(void)unused;
	print_counts("exit", 0);
}

__attribute__((visibility("default"))) int qemu_plugin_install(
	qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
	(void)info;
	out = stderr;
	for (int i = 0; i < argc; i++)
		if (!strncmp(argv[i], "out=", 4) && !(out = fopen(argv[i] + 4, "w")))
			return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, ended, NULL);
	return 0;
}
