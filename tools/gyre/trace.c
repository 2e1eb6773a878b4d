/* SPDX-License-Identifier: Apache-2.0 */
/* tools/gyre/trace.c: `gyre trace`: prints a trace file, a line or a JSON object for each exit. */
#include "tools/gyre/arguments.h"
#include "tools/gyre/commands.h"
#include "tools/gyre/trace_file.h"
#include "include/gyre/vcpu.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
	"usage: gyre trace [--json] FILE\n"
	"\n"
	"Prints the exits that `gyre emulate --trace FILE` recorded, oldest first: the machine's TSC, the VM and its "
	"CPU, the\n"
	"kind of exit, the guest's RIP, and what the kind tells (a port, an address, an MSR, a CPUID leaf, a vector).\n"
	"\n"
	"  --json    a JSON object on each line\n";

/* Records of a VM that are looked at: some of a piece, read at once. */
#define HELD 64u
struct piece_place {
	long offset;
	uint32_t records;
};
struct vm_pieces {
	struct piece_place *piece;
	size_t count, room, at; /* pieces; the one that is read */
	struct gyre_trace_record record[HELD];
	unsigned held, next;
	bool done;
};

struct trace {
	bool json;
	const char *path;
	FILE *file;
	char name[GYRE_CONFIG_VMS][GYRE_NAME_BYTES];
	uint32_t vms;
	struct vm_pieces pieces[GYRE_CONFIG_VMS + 1]; /* one more, for whoever compares with none */
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

/* ---- by time: each VM's records are in order, and its pieces lie between the others' ---- */

static int pieces_add(struct trace *trace, const struct trace_file_piece *piece, long at)
{
	struct vm_pieces *vm = &trace->pieces[piece->vm];

	if (vm->count == vm->room) {
		vm->room = vm->room ? 2 * vm->room : 64;
		vm->piece = realloc(vm->piece, vm->room * sizeof(*vm->piece));
		if (!vm->piece)
			return bad(trace, "too little memory for so long a trace");
	}
	vm->piece[vm->count++] = (struct piece_place){at, piece->records};
	return 0;
}

/* Where the pieces lie. A last one that is cut is taken as far as it goes, and *cut says so. */
static int find_pieces(struct trace *trace, bool *cut)
{
	struct trace_file_piece piece;
	long at = ftell(trace->file), end;

	if (at < 0 || fseek(trace->file, 0, SEEK_END) || (end = ftell(trace->file)) < 0)
		return bad(trace, strerror(errno));
	for (*cut = false; !*cut && at < end;) {
		if (fseek(trace->file, at, SEEK_SET) || fread(&piece, sizeof(piece), 1, trace->file) != 1)
			return *cut = true, 0;
		if (piece.vm >= trace->vms)
			return bad(trace, "the trace is damaged");
		at += (long)sizeof(piece);
		uint64_t whole = (uint64_t)(end - at) / sizeof(struct gyre_trace_record);
		*cut = piece.records > whole;
		if (*cut)
			piece.records = (uint32_t)whole;
		int status = pieces_add(trace, &piece, at);
		if (status)
			return status;
		at += (long)(piece.records * sizeof(struct gyre_trace_record));
	}
	return 0;
}

/* The VM's next record into vm->record; vm->done where there is none. */
static int advance(struct trace *trace, struct vm_pieces *vm)
{
	while (vm->next == vm->held) {
		if (vm->at == vm->count) {
			vm->done = true;
			return 0;
		}
		struct piece_place *place = &vm->piece[vm->at];
		size_t take = place->records < HELD ? place->records : HELD;
		if (take && (fseek(trace->file, place->offset, SEEK_SET) ||
				    fread(vm->record, sizeof(vm->record[0]), take, trace->file) != take))
			return bad(trace, ferror(trace->file) ? strerror(errno) : "the trace is damaged");
		place->offset += (long)(take * sizeof(vm->record[0]));
		place->records -= (uint32_t)take;
		vm->at += !place->records;
		vm->next = 0;
		vm->held = (unsigned)take;
	}
	return 0;
}

static int print_all(struct trace *trace)
{
	int status = 0;

	for (uint32_t i = 0; !status && i < trace->vms; i++)
		status = advance(trace, &trace->pieces[i]);
	while (!status) {
		uint32_t first = trace->vms;
		for (uint32_t i = 0; i < trace->vms; i++) {
			const struct vm_pieces *vm = &trace->pieces[i], *best = &trace->pieces[first];
			if (!vm->done &&
				(first == trace->vms || vm->record[vm->next].tsc < best->record[best->next].tsc))
				first = i;
		}
		if (first == trace->vms)
			break;
		struct vm_pieces *vm = &trace->pieces[first];
		print_record(trace, first, &vm->record[vm->next++]);
		if (ferror(stdout))
			return fail(GYRE_STATUS_FAILED, "standard output cannot be written");
		status = advance(trace, vm);
	}
	return status;
}

static int read_pieces(struct trace *trace)
{
	bool cut;
	int status = find_pieces(trace, &cut);

	if (!status)
		status = print_all(trace);
	if (!status && cut)
		status = bad(trace, "the trace ends in the middle of a record: the machine was stopped");
	for (uint32_t i = 0; i < trace->vms; i++)
		free(trace->pieces[i].piece);
	return status;
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
