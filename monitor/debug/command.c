/* SPDX-License-Identifier: Apache-2.0 */
/* monitor/debug/command.c: what gdb's `monitor` knows here. */
#include "monitor/debug/inside.h"
#include "lib/format.h"
#include "lib/string.h"

#define DUMP_BYTES 16u
#define DUMP_MOST  512u

/* The next word of the line, zero-terminated; "" at its end. */
static char *next_word(char **line)
{
	while (**line == ' ')
		++*line;
	char *start = *line;
	while (**line != 0 && **line != ' ')
		++*line;
	if (**line != 0)
		*(*line)++ = 0;
	return start;
}

/* In hexadecimal, with 0x or without. */
static bool number_of(const char *text, uint64_t *number)
{
	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		text += 2;
	return rsp_number(&text, number) && *text == 0;
}

static void dump_line(struct debug *debug, uint64_t gpa, const uint8_t *bytes, unsigned count)
{
	char line[128];
	size_t used = gyre_snprintf(line, sizeof(line), "%012llx:", (unsigned long long)gpa);
	for (unsigned i = 0; i < count; i++)
		used += gyre_snprintf(line + used, sizeof(line) - used, " %02x", bytes[i]);
	gyre_snprintf(line + used, sizeof(line) - used, "\n");
	rsp_say(&debug->rsp, line);
}

static void physical(struct debug *debug, char *line)
{
	uint64_t gpa, bytes = DUMP_BYTES;
	char *address = next_word(&line), *count = next_word(&line);
	if (!number_of(address, &gpa) || (*count != 0 && !number_of(count, &bytes)) || bytes > DUMP_MOST) {
		rsp_say(&debug->rsp, "monitor physical ADDRESS [BYTES]: hexadecimal, 200 bytes at most\n");
		return;
	}
	while (bytes > 0) {
		unsigned part = bytes < DUMP_BYTES ? (unsigned)bytes : DUMP_BYTES;
		const uint8_t *host = machine_ram(debug->machine, gpa, part);
		if (host == NULL) {
			rsp_say(&debug->rsp, "there is no RAM\n");
			return;
		}
		dump_line(debug, gpa, host, part);
		gpa += part;
		bytes -= part;
	}
}

static void translate(struct debug *debug, char *line)
{
	uint64_t linear, gpa;
	char text[96];
	if (!number_of(next_word(&line), &linear)) {
		rsp_say(&debug->rsp, "monitor translate ADDRESS: a linear one, hexadecimal\n");
		return;
	}
	if (debug_translate(debug, linear, &gpa))
		gyre_snprintf(text, sizeof(text), "%llx is at physical %llx%s\n", (unsigned long long)linear,
			(unsigned long long)gpa,
			machine_ram(debug->machine, gpa, 1) != NULL ? "" : ", where there is no RAM");
	else
		gyre_snprintf(text, sizeof(text), "%llx is not mapped\n", (unsigned long long)linear);
	rsp_say(&debug->rsp, text);
}

static void segments(struct debug *debug)
{
	static const char names[GYRE_SEGMENTS][6] = {[GYRE_ES] = "es",
		[GYRE_CS] = "cs",
		[GYRE_SS] = "ss",
		[GYRE_DS] = "ds",
		[GYRE_FS] = "fs",
		[GYRE_GS] = "gs",
		[GYRE_LDTR] = "ldtr",
		[GYRE_TR] = "tr"};
	const struct gyre_vcpu_state *state = debug->machine->vcpu.state;
	char text[96];
	if (engine_state_get(&debug->machine->vcpu, GYRE_STATE_SEGMENTS) < 0)
		return;
	for (unsigned i = 0; i < GYRE_SEGMENTS; i++) {
		gyre_snprintf(text, sizeof(text), "%s %04x base %016llx limit %08x attributes %04x\n", names[i],
			state->segment[i].selector, (unsigned long long)state->segment[i].base, state->segment[i].limit,
			state->segment[i].attributes);
		rsp_say(&debug->rsp, text);
	}
	gyre_snprintf(text, sizeof(text), "gdtr base %016llx limit %04x\nidtr base %016llx limit %04x\n",
		(unsigned long long)state->gdtr.base, state->gdtr.limit, (unsigned long long)state->idtr.base,
		state->idtr.limit);
	rsp_say(&debug->rsp, text);
}

static void arch(struct debug *debug, const char *name)
{
	if (strcmp(name, "amd64") != 0 && strcmp(name, "i386") != 0) {
		rsp_say(&debug->rsp, "monitor arch amd64 or i386: the registers that the next debugger is told of\n");
		return;
	}
	debug->width_chosen = true;
	debug->next_wide = name[0] == 'a';
	rsp_say(&debug->rsp, "it holds from the next attachment on: disconnect, then target remote\n");
}

void debug_command(struct debug *debug, char *line)
{
	const char *name = next_word(&line);
	if (strcmp(name, "physical") == 0)
		physical(debug, line);
	else if (strcmp(name, "translate") == 0)
		translate(debug, line);
	else if (strcmp(name, "segments") == 0)
		segments(debug);
	else if (strcmp(name, "arch") == 0)
		arch(debug, next_word(&line));
	else
		rsp_say(&debug->rsp, "monitor physical ADDRESS [BYTES]   bytes of guest-physical memory\n"
				     "monitor translate ADDRESS          where a linear address leads\n"
				     "monitor segments                   segments and descriptor tables\n"
				     "monitor arch amd64|i386            which registers the next attachment has\n");
}
