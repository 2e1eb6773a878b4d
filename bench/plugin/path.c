/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/plugin/path.c: a QEMU TCG plugin that writes down in which order the core executes instructions that somebody has named. The argument "points" is a
 * file of lines "ADDRESS LETTER" (hexadecimal; an address that is named twice has both letters), "out" gets the letters as they are executed, and nothing
 * else. What a guest executes is not looked at: from V (VMRUN) to the next E (where #VMEXIT arrives; APM vol. 2, "VMRUN Instruction"), only E counts.
 * One processor.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/plugin/qemu_plugin_api.h"

#define POINTS	512
#define OUT_MAX (64ul << 20) /* letters; beyond that nothing is written any more, which the end says by a '!' */

static struct {
	uint64_t address;
	char letter;
} point[POINTS];
static unsigned points;
static int in_guest;
static size_t written;
static FILE *out;

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

static void executed(unsigned cpu, void *data)
{
	char letter = (char)(uintptr_t)data;

	(void)cpu;
	if (in_guest && letter != 'E')
		return;
	if (letter == 'E' || letter == 'V')
		in_guest = letter == 'V';
	if (written++ < OUT_MAX)
		fputc(letter, out);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	(void)id;
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t address = qemu_plugin_insn_vaddr(insn);

		for (unsigned n = 0; n < points; n++)
			if (point[n].address == address)
				qemu_plugin_register_vcpu_insn_exec_cb(
					insn, executed, QEMU_PLUGIN_CB_NO_REGS, (void *)(uintptr_t)point[n].letter);
	}
}

static void ended(qemu_plugin_id_t id, void *unused)
{
	(void)id;
	(void)unused;
	if (written > OUT_MAX)
		fputc('!', out);
	fclose(out);
}

static int points_read(const char *name)
{
	FILE *file = fopen(name, "r");

	if (!file)
		return -1;
	while (points < POINTS && fscanf(file, "%lx %c", &point[points].address, &point[points].letter) == 2)
		points++;
	int whole = feof(file) && points > 0;
	fclose(file);
	return whole ? 0 : -1;
}

__attribute__((visibility("default"))) int qemu_plugin_install(
	qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "points=", 7) && points_read(argv[i] + 7) < 0)
			return -1;
		if (!strncmp(argv[i], "out=", 4) && !(out = fopen(argv[i] + 4, "w")))
			return -1;
	}
	if (!points || !out)
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, ended, NULL);
	return 0;
}
