/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/debug/step.c: one instruction of the guest. The processor's own way, RFLAGS.TF, can be seen by the guest (PUSHF, SYSCALL, the frame of each interrupt) and
 * outlives the step where another task goes on. So:
 *   - what the monitor's emulator knows is done by it, in no guest time, and no interrupt comes between;
 *   - what it does not know, and what the core answers (CPUID, MSRs, HLT ...), the processor does, with an INT3 behind it, or where it leads;
 *   - an exception or interrupt that is due is delivered by the processor, with an INT3 at the handler.
 * Only where none of these can be found out is it TF.
 */
#include "monitor/debug/inside.h"
#include "monitor/emu/table.h"
#include "lib/string.h"

#define LINEAR_32(address) ((uint32_t)(address))

/* The instruction at RIP; false: it cannot be read, or is none. */
static bool decode(struct debug *debug, struct emu_insn *insn)
{
	struct machine *machine = debug->machine;
	uint8_t bytes[EMU_INSN_MAX];
	size_t count = debug_read(debug, debug_linear(debug, machine->vcpu.page->rip), bytes, sizeof(bytes));
	emulator_load(machine);
	return count != 0 &&
	       emu_decode(machine->emu.cpu.mode, machine->emu.config, bytes, (unsigned)count, insn) == EMU_DECODE_OK;
}

/* ---- to an address, by an INT3 there ---- */

static void by_trap_flag(struct debug *debug)
{
	debug->trapped = false;
	debug->machine->vcpu.page->entry_flags |= GYRE_ENTRY_SINGLE;
	machine_step(debug->machine);
}

static void run_to(struct debug *debug, uint64_t linear)
{
	if (breaks_set(debug, linear, true) < 0)
		return by_trap_flag(debug);
	breaks_plant(debug, true);
	debug_run(debug);
}

/* ---- events ---- */

static bool descriptor_base(struct debug *debug, uint16_t selector, uint64_t *base)
{
	const struct gyre_vcpu_state *state = debug->machine->vcpu.state;
	uint8_t raw[8];
	uint64_t table = selector & 4 ? state->segment[GYRE_LDTR].base : state->gdtr.base;
	if (debug_read(debug, table + (selector & 0xfff8u), raw, sizeof(raw)) != sizeof(raw))
		return false;
	*base = (uint32_t)(raw[2] | raw[3] << 8 | raw[4] << 16) | (uint32_t)raw[7] << 24;
	return true;
}

/* The linear address of a vector's handler. APM vol. 2, "Interrupt Control Transfers", "Gate Descriptors". */
static bool handler_of(struct debug *debug, unsigned vector, uint64_t *linear)
{
	const struct gyre_vcpu_state *state = debug->machine->vcpu.state;
	uint32_t mode = debug->machine->vcpu.page->mode;
	unsigned bytes = mode & GYRE_MODE_LMA ? 16 : mode & GYRE_MODE_PE ? 8 : 4;
	uint8_t gate[16];
	uint64_t base;
	if (engine_state_get(&debug->machine->vcpu, GYRE_STATE_SEGMENTS) < 0)
		return false;
	if (vector * bytes + bytes - 1 > state->idtr.limit ||
		debug_read(debug, state->idtr.base + vector * bytes, gate, bytes) != bytes)
		return false;
	uint16_t low = (uint16_t)(gate[0] | gate[1] << 8), selector = (uint16_t)(gate[2] | gate[3] << 8);
	uint32_t high = (uint32_t)(gate[6] | gate[7] << 8);
	if (bytes == 4) {
		*linear = (uint32_t)selector * 16 + low;
		return true;
	}
	unsigned type = gate[5] & 0x1f;
	if (!(gate[5] & 0x80) || (type & 0x16) != 0x06)
		return false; /* a task gate, or none */
	*linear = low | (type & 8 ? high << 16 : 0);
	if (bytes == 16) {
		uint32_t top;
		memcpy(&top, gate + 8, 4);
		*linear |= (uint64_t)top << 32;
		return true;
	}
	if (!descriptor_base(debug, selector, &base))
		return false;
	*linear = LINEAR_32(base + *linear);
	return true;
}

/* What is pending is delivered: the step ends before the handler's first instruction. */
static void deliver(struct debug *debug)
{
	uint64_t linear;
	uint32_t event = debug->machine->vcpu.page->event;
	if (handler_of(debug, GYRE_EVENT_VECTOR(event), &linear))
		run_to(debug, linear);
	else
		by_trap_flag(debug); /* one instruction of whatever comes */
}

static bool is_pending(const struct debug *debug)
{
	return (debug->machine->vcpu.page->event & GYRE_EVENT_VALID) != 0;
}

static void pend_software(struct machine *machine)
{
	const struct emu_insn *insn = machine->emu.insn;
	struct gyre_vcpu_page *page = machine->vcpu.page;
	uint32_t type = insn->op == OP_INT    ? GYRE_EVENT_SOFTWARE
			: insn->op == OP_INT1 ? GYRE_EVENT_PRIVILEGED
					      : GYRE_EVENT_SOFT_EXCEPTION;
	page->event = GYRE_EVENT_VALID | type | machine->emu.exception.vector;
	page->event_error = 0;
	page->event_length = insn->length;
}

void debug_own_trap(struct debug *debug)
{
	struct machine *machine = debug->machine;
	enum emu_result result = emulate_try(machine);
	if (result == EMU_INTERRUPT)
		pend_software(machine);
	/* Anything else: done, an exception is pending, or the guest changed its code and finds out. */
}

/* ---- the instruction ---- */

/* Where the processor itself has to go: those whose effects are not all the monitor's, and those without semantics. */
static bool is_processors(const struct emu_insn *insn)
{
	switch (insn->op) {
	case OP_HLT:
	case OP_RDMSR:
	case OP_WRMSR:
	case OP_CPUID:
	case OP_RDTSC:
	case OP_WBINVD:
	case OP_INVLPG:
	case OP_MOVDR:
	case OP_SYSTEM: return true;
	default: return !emu_op_has_semantics(insn->op);
	}
}

/* SYSCALL, SYSRET, SYSENTER, SYSEXIT lead where registers say. APM vol. 3, "System Instruction Reference". */
static bool system_target(struct debug *debug, const struct emu_insn *insn, uint64_t *linear)
{
	const struct gyre_vcpu_state *state = debug->machine->vcpu.state;
	const struct gyre_vcpu_page *page = debug->machine->vcpu.page;
	bool long_mode = (page->mode & GYRE_MODE_LMA) != 0;
	uint64_t wide = insn->rex & 8 ? ~0ull : 0xffffffffull;
	if (insn->map != 1 || engine_state_get(&debug->machine->vcpu, GYRE_STATE_MSRS) < 0)
		return false;
	switch (insn->opcode) {
	case 0x05:
		*linear = !long_mode			? LINEAR_32(state->star)
			  : page->mode & GYRE_MODE_CS_L ? state->lstar
							: state->cstar;
		return true;
	case 0x07: *linear = page->gpr[GYRE_RCX] & wide; return true;
	case 0x34: *linear = state->sysenter_eip; return true;
	case 0x35: *linear = page->gpr[GYRE_RDX] & wide; return true;
	default: return false;
	}
}

static void by_processor(struct debug *debug, const struct emu_insn *insn)
{
	uint64_t linear;
	if (!system_target(debug, insn, &linear))
		linear = debug_linear(debug, debug->machine->vcpu.page->rip + insn->length);
	run_to(debug, linear);
}

void debug_step(struct debug *debug)
{
	struct gyre_vcpu_page *page = debug->machine->vcpu.page;
	struct emu_insn insn;
	/* An interrupt comes first, whole, and its handler is nobody's concern. */
	if (is_pending(debug) && (page->event & 0x700) <= GYRE_EVENT_NMI) {
		run_to(debug, debug_linear(debug, page->rip));
		debug_settle(debug);
		if (!debug->trapped || is_pending(debug))
			return;
	}
	if (is_pending(debug))
		return deliver(debug);
	/* What cannot be read or decoded is an exception: the emulator says which. */
	bool known = decode(debug, &insn);
	if (known && is_processors(&insn))
		return by_processor(debug, &insn);
	switch (emulate_try(debug->machine)) {
	case EMU_DONE:
		if (known && insn.op == OP_IRET)
			page->interruptibility &= ~GYRE_INTERRUPTIBILITY_NMI;
		break;
	case EMU_EXCEPTION: break;
	case EMU_INTERRUPT: pend_software(debug->machine); break;
	case EMU_RETRY: return;
	default:
		if (known)
			by_processor(debug, &insn);
		else
			by_trap_flag(debug);
		return;
	}
	/* What the instruction asked the core for is done, and a trap of the guest's own TF is known. */
	debug_settle(debug);
	if (is_pending(debug) && (page->event & 0x700) > GYRE_EVENT_NMI)
		deliver(debug);
}
