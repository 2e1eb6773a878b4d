/* SPDX-License-Identifier: Apache-2.0 */
/* tools/gyre/trace.c: `gyre trace`: prints a trace file, a line or a JSON object for each exit. */
#include "tools/gyre/arguments.h"
#include "tools/gyre/commands.h"
#include "tools/gyre/trace_file.h"
#include "include/gyre/vcpu.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
	"usage: gyre trace [--json] FILE\n"
	"\n"
	"Prints the exits that `gyre emulate --trace FILE` recorded, oldest first: the machine's TSC, the VM and its "
	"CPU, the\n"
	"kind of exit, the guest's RIP, and what the kind tells (a port, an address, an MSR, a CPUID leaf, a vector).\n"
	"\n"
	"  --json    a JSON object on each line\n";

struct trace {
	bool json;
	const char *path;
	FILE *file;
	char name[GYRE_CONFIG_VMS][GYRE_NAME_BYTES];
	uint32_t vms;
};

static int set_json(void *command, const char *value)
{
	(void)value;
	((struct trace *)command)->json = true;
	return 0;
}

static int set_path(void *command, const char *word)
{
	struct trace *trace = command;

	if (trace->path)
		return fail(GYRE_STATUS_USAGE, "trace: name one file");
	trace->path = word;
	return 0;
}

static const char *kind_name(unsigned kind)
{
#define KIND_NAME(name, number) [number] = #name,
	static const char *const names[GYRE_EXIT_KINDS] = {GYRE_EXITS(KIND_NAME)};

	return kind < GYRE_EXIT_KINDS && names[kind] ? names[kind] : NULL;
}

static void print_record(const struct trace *trace, uint32_t vm, const struct gyre_trace_record *record)
{
	char number[16];
	const char *kind = kind_name(record->kind);

	if (!kind) {
		snprintf(number, sizeof(number), "%u", record->kind);
		kind = number;
	}
	if (trace->json)
		printf("{\"tsc\": %" PRIu64 ", \"vm\": \"%s\", \"vcpu\": %u, \"kind\": \"%s\", \"code\": %" PRIu32
		       ", \"rip\": %" PRIu64 ", \"detail\": %" PRIu64 ", \"value\": %" PRIu64 ", \"cr3\": %" PRIu64
		       "}\n",
			record->tsc, trace->name[vm], record->vcpu, kind, record->vendor_code, record->rip,
			record->detail, record->value, record->cr3);
	else
		printf("%16" PRIu64 " %s/%u %-14s rip %016" PRIx64 " detail %" PRIx64 " value %" PRIx64 " cr3 %" PRIx64
		       " code %" PRIx32 "\n",
			record->tsc, trace->name[vm], record->vcpu, kind, record->rip, record->detail, record->value,
			record->cr3, record->vendor_code);
}

static int bad(const struct trace *trace, const char *why)
{
	return fail(GYRE_STATUS_FAILED, "%s: %s", trace->path, why);
}

static int read_head(struct trace *trace)
{
	struct trace_file_header header;

	if (fread(&header, sizeof(header), 1, trace->file) != 1 || header.magic != TRACE_FILE_MAGIC)
		return bad(trace, "this is no trace of gyre emulate --trace");
	if (header.version != TRACE_FILE_VERSION || header.record_bytes != sizeof(struct gyre_trace_record))
		return bad(trace, "another version of Gyre made this trace: read it with that one");
	if (header.vms > GYRE_CONFIG_VMS || fread(trace->name, GYRE_NAME_BYTES, header.vms, trace->file) != header.vms)
		return bad(trace, "the trace is damaged");
	trace->vms = header.vms;
	for (uint32_t i = 0; i < header.vms; i++) {
		char *name = trace->name[i];
		name[GYRE_NAME_BYTES - 1] = 0;
		if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(name))
			return bad(trace, "the trace is damaged");
	}
	return 0;
}

static int read_pieces(struct trace *trace)
{
	struct trace_file_piece piece;
	struct gyre_trace_record record;

	while (fread(&piece, sizeof(piece), 1, trace->file) == 1) {
		if (piece.vm >= trace->vms)
			return bad(trace, "the trace is damaged");
		for (uint32_t i = 0; i < piece.records; i++) {
			if (fread(&record, sizeof(record), 1, trace->file) != 1)
				return bad(trace, "the trace ends in the middle of a record: the machine was stopped");
			print_record(trace, piece.vm, &record);
		}
		if (ferror(stdout))
			return fail(GYRE_STATUS_FAILED, "standard output cannot be written");
	}
	return ferror(trace->file) ? bad(trace, strerror(errno)) : 0;
}

int command_trace(char **argv)
{
	static const struct option_spec options[] = {{.name = "--json", .set = set_json}, {.name = NULL}};
	static struct trace trace;
	struct arguments arguments = {.options = options, .command = &trace, .help = help, .word = set_path};

	int status = arguments_parse(&arguments, argv);
	if (status >= 0)
		return status;
	if (!trace.path)
		return fail(GYRE_STATUS_USAGE, "trace: name the file that gyre emulate --trace made");
	trace.file = fopen(trace.path, "rb");
	if (!trace.file)
		return fail(errno == ENOENT ? GYRE_STATUS_NOT_FOUND : GYRE_STATUS_FAILED, "%s: %s", trace.path,
			strerror(errno));
	status = read_head(&trace);
	if (!status)
		status = read_pieces(&trace);
	fclose(trace.file);
	if (fflush(stdout) && !status)
		status = fail(GYRE_STATUS_FAILED, "standard output cannot be written");
	return status;
}
