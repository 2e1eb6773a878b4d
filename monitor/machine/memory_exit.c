/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/machine/memory_exit.c: accesses to what is not RAM, and all else that the emulator does for a guest.
 *
 * The emulator works on the page that is shared with the core; segments, tables and the rest are asked for only when an instruction wants them. A local
 * APIC's registers are the core's: a store becomes a wish that rides on the next entry, and so does a load by MOV. Other instructions on that page,
 * which no operating system uses, cost one more entry to learn the value.
 */
#include "monitor/machine/machine.h"
#include "gyre/errors.h"
#include "lib/format.h"
#include "lib/string.h"

#define SHUT_DOWN	   3 /* activity */
#define STRANGE_TOLD	   8 /* times that the log is told what a guest did that no system does */
#define APIC_REGISTER(gpa) ((uint32_t)(gpa)&0xff0u)

static uint8_t *emu_page(void *context, uint64_t gpa, bool write)
{
	(void)write; /* RAM is all there is: no ROM in this version */
	return machine_ram(context, gpa, 4096);
}

static enum emu_result emu_mmio_read(void *context, uint64_t gpa, unsigned size, void *data)
{
	struct machine *machine = context;
	if ((gpa & ~0xfffull) != MACHINE_APIC_PAGE) {
		bus_mmio_read(&machine->bus, gpa, size, data);
		return EMU_DONE;
	}
	if (!machine->emu_apic_known) {
		machine->emu_apic = gpa;
		return EMU_IO; /* asked for: apic_read() */
	}
	/* Registers are 32 bits at multiples of 16; beside them there is nothing. */
	uint8_t bytes[16] = {0};
	memcpy(bytes, &machine->emu_apic_value, 4);
	unsigned offset = gpa & 15, take = size < 16 - offset ? size : 16 - offset;
	memset(data, 0, size);
	memcpy(data, bytes + offset, take);
	return EMU_DONE;
}

static enum emu_result emu_mmio_write(void *context, uint64_t gpa, unsigned size, const void *data)
{
	struct machine *machine = context;
	struct gyre_vcpu_page *page = machine->vcpu.page;
	if ((gpa & ~0xfffull) != MACHINE_APIC_PAGE) {
		bus_mmio_write(&machine->bus, gpa, size, data);
		return EMU_DONE;
	}
	/* Stores other than of 32 bits to a register have no defined effect (SDM vol. 3, "Local APIC Registers"): they have none. */
	if (size < 4 || (gpa & 15))
		return EMU_DONE;
	page->apic_register = APIC_REGISTER(gpa);
	memcpy(&page->apic_value, data, 4);
	page->entry_flags |= GYRE_ENTRY_APIC_WRITE;
	return EMU_DONE;
}

static enum emu_result emu_port_in(void *context, uint16_t port, unsigned size, uint32_t *value)
{
	struct machine *machine = context;
	*value = bus_port_read(&machine->bus, port, size);
	return EMU_DONE;
}

static enum emu_result emu_port_out(void *context, uint16_t port, unsigned size, uint32_t value)
{
	struct machine *machine = context;
	bus_port_write(&machine->bus, port, size, value);
	return EMU_DONE;
}

/* The legacy region of the FPU page: XMM0 is at 160. */
static enum emu_result emu_xmm_get(void *context, unsigned index, uint8_t data[16])
{
	struct machine *machine = context;
	if (engine_state_get(&machine->vcpu, GYRE_STATE_FPU) < 0)
		return EMU_UNSUPPORTED;
	memcpy(data, machine->vcpu.fpu + 160 + 16 * (index & 15), 16);
	return EMU_DONE;
}

static enum emu_result emu_xmm_set(void *context, unsigned index, const uint8_t data[16])
{
	struct machine *machine = context;
	if (engine_state_get(&machine->vcpu, GYRE_STATE_FPU) < 0)
		return EMU_UNSUPPORTED;
	memcpy(machine->vcpu.fpu + 160 + 16 * (index & 15), data, 16);
	machine->vcpu.fpu[512] |= 2; /* XSTATE_BV: the register is in use now */
	return engine_state_set(&machine->vcpu, GYRE_STATE_FPU) < 0 ? EMU_UNSUPPORTED : EMU_DONE;
}

static struct emu_segment from_segment(const struct gyre_segment *segment)
{
	uint16_t attributes = segment->attributes & 0xfff;
	if (segment->attributes & GYRE_SEGMENT_UNUSABLE)
		attributes &= (uint16_t)~EMU_SEG_P;
	return (struct emu_segment){segment->selector, attributes, segment->limit, segment->base};
}

static struct gyre_segment to_segment(const struct emu_segment *segment)
{
	uint16_t attributes = segment->attributes;
	if (!(attributes & EMU_SEG_P))
		attributes |= GYRE_SEGMENT_UNUSABLE;
	return (struct gyre_segment){segment->selector, attributes, segment->limit, segment->base};
}

static const uint8_t segment_order[EMU_SEGS] = {GYRE_ES, GYRE_CS, GYRE_SS, GYRE_DS, GYRE_FS, GYRE_GS};

static enum emu_result emu_state(void *context, struct emu *emu, unsigned groups)
{
	struct machine *machine = context;
	const struct gyre_vcpu_state *state = machine->vcpu.state;
	if (engine_state_get(&machine->vcpu, GYRE_STATE_SEGMENTS | GYRE_STATE_CONTROL) < 0)
		return EMU_UNSUPPORTED;
	if (groups & EMU_STATE_CONTROL) {
		emu->cpu.cr0 = state->cr0, emu->cpu.cr3 = state->cr3, emu->cpu.cr4 = state->cr4;
		emu->cpu.efer = state->efer;
	}
	if (groups & EMU_STATE_SEGMENTS)
		for (int i = 0; i < EMU_SEGS; i++)
			emu->cpu.seg[i] = from_segment(&state->segment[segment_order[i]]);
	if (groups & EMU_STATE_TABLES) {
		emu->cpu.ldtr = from_segment(&state->segment[GYRE_LDTR]);
		emu->cpu.tr = from_segment(&state->segment[GYRE_TR]);
		emu->cpu.gdtr = (struct emu_table){state->gdtr.base, (uint16_t)state->gdtr.limit};
		emu->cpu.idtr = (struct emu_table){state->idtr.base, (uint16_t)state->idtr.limit};
		emu->cpu.cr2 = state->cr2, emu->cpu.cr8 = state->cr8;
	}
	return EMU_DONE;
}

static bool emu_rdmsr(void *context, uint32_t index, uint64_t *value)
{
	return msr_read(context, index, value) == 0;
}

static bool emu_wrmsr(void *context, uint32_t index, uint64_t value)
{
	return msr_write(context, index, value) == 0;
}

static void emu_cpuid(void *context, uint32_t eax, uint32_t ecx, uint32_t out[4])
{
	struct machine *machine = context;
	level_cpuid(&machine->level, eax, ecx, out);
}

static uint64_t emu_rdtsc(void *context)
{
	struct machine *machine = context;
	return clock_now(&machine->clock);
}

static const struct emu_ops ops = {emu_page, emu_mmio_read, emu_mmio_write, emu_port_in, emu_port_out, emu_xmm_get,
	emu_xmm_set, emu_state, emu_rdmsr, emu_wrmsr, emu_cpuid, emu_rdtsc};

/* Once, before the first exit. */
void emulator_init(struct machine *machine)
{
	struct emu *emu = &machine->emu;
	uint32_t out[4];
	emu_init(emu);
	emu->ops = &ops;
	emu->context = machine;
	emu->physical_bits = machine->level.policy.physical_bits;
	emu->cr4_allowed = machine->level.policy.cr4_allowed;
	level_cpuid(&machine->level, 0, 0, out);
	emu->config = EMU_CONFIG_1G | (out[1] == 0x756e6547 ? EMU_CONFIG_INTEL : 0);
	level_cpuid(&machine->level, 7, 0, out);
	emu->config |= (out[1] & 1u << 3 ? EMU_CONFIG_BMI1 : 0) | (out[1] & 1u << 8 ? EMU_CONFIG_BMI2 : 0);
	level_cpuid(&machine->level, 1, 0, out);
	emu->config |= out[2] & 1u << 22 ? EMU_CONFIG_MOVBE : 0;
	level_cpuid(&machine->level, 0x80000001, 0, out);
	emu->config |= out[2] & 1u << 5 ? EMU_CONFIG_LZCNT : 0;
	/* The two largest ranges: page tables and code are read there without a callback. */
	for (unsigned i = 0; i < 2 && i < machine->memory.ranges; i++) {
		const struct memory_range *range = &machine->memory.range[i == 1 && machine->memory.ranges > 2 ? 2 : i];
		emu->window[i] = (struct emu_window){range->host, range->gpa, range->bytes};
	}
	emu_reconfigured(emu);
	for (unsigned i = 0; i < FAST_SLOTS; i++)
		machine->fast[i].mode = FAST_EMPTY;
}

/* What the page knows. In long mode EFER's other bits do not matter to what is emulated; else it is asked for. */
void emulator_load(struct machine *machine)
{
	struct emu_cpu *cpu = &machine->emu.cpu;
	const struct gyre_vcpu_page *page = machine->vcpu.page;
	uint32_t mode = page->mode;
	cpu->gpr = machine->vcpu.page->gpr;
	cpu->rip = page->rip;
	cpu->rflags = page->rflags;
	cpu->cpl = mode >> GYRE_MODE_CPL_SHIFT & 3;
	cpu->cr0 = page->cr0, cpu->cr3 = page->cr3, cpu->cr4 = page->cr4;
	cpu->efer = EMULATOR_EFER(mode);
	cpu->pkru = 0; /* no level has protection keys */
	if (!(mode & GYRE_MODE_PE))
		cpu->mode = EMU_MODE_REAL;
	else if (page->rflags & 1u << 17)
		cpu->mode = EMU_MODE_V86;
	else if ((mode & (GYRE_MODE_LMA | GYRE_MODE_CS_L)) == (GYRE_MODE_LMA | GYRE_MODE_CS_L))
		cpu->mode = EMU_MODE_LONG;
	else
		cpu->mode = mode & GYRE_MODE_CS_D ? EMU_MODE_PROT32 : EMU_MODE_PROT16;
	machine->emu.missing = EMU_STATE_SEGMENTS | EMU_STATE_TABLES | (mode & GYRE_MODE_LMA ? 0 : EMU_STATE_CONTROL);
}

/* Groups that the instruction changed go back to the processor. The rest of each group is as it is: it is read first. */
int emulator_store_groups(struct machine *machine)
{
	struct emu *emu = &machine->emu;
	struct gyre_vcpu_state *state = machine->vcpu.state;
	uint32_t groups = 0;
	if (engine_state_get(&machine->vcpu, GYRE_STATE_SEGMENTS | GYRE_STATE_CONTROL) < 0)
		return -1;
	if (emu->changed & EMU_STATE_CONTROL) {
		/* PAE's four entries, for a processor that holds them. */
		const uint8_t *table = memory_at(&machine->memory, emu->cpu.cr3 & 0xffffffe0, sizeof state->pdpte);
		if (table)
			memcpy(state->pdpte, table, sizeof state->pdpte);
		state->cr0 = emu->cpu.cr0, state->cr3 = emu->cpu.cr3, state->cr4 = emu->cpu.cr4;
		/* Only LMA can have changed with CR0. */
		state->efer = (state->efer & ~0x400ull) | (emu->cpu.efer & 0x400);
		groups |= GYRE_STATE_CONTROL;
	}
	if (emu->changed & EMU_STATE_SEGMENTS) {
		for (int i = 0; i < EMU_SEGS; i++)
			state->segment[segment_order[i]] = to_segment(&emu->cpu.seg[i]);
		groups |= GYRE_STATE_SEGMENTS;
	}
	if (emu->changed & EMU_STATE_TABLES) {
		state->segment[GYRE_LDTR] = to_segment(&emu->cpu.ldtr);
		state->segment[GYRE_TR] = to_segment(&emu->cpu.tr);
		state->gdtr.base = emu->cpu.gdtr.base, state->gdtr.limit = emu->cpu.gdtr.limit;
		state->idtr.base = emu->cpu.idtr.base, state->idtr.limit = emu->cpu.idtr.limit;
		state->cr2 = emu->cpu.cr2, state->cr8 = emu->cpu.cr8;
		groups |= GYRE_STATE_SEGMENTS | GYRE_STATE_CONTROL;
	}
	return engine_state_set(&machine->vcpu, groups);
}

static void emulator_done(struct machine *machine)
{
	struct gyre_vcpu_page *page = machine->vcpu.page;
	struct emu *emu = &machine->emu;
	page->rip = emu->cpu.rip;
	page->rflags = emu->cpu.rflags;
	page->entry_flags |= GYRE_ENTRY_COMPLETED;
	if (__builtin_expect(emu->changed != 0, 0)) {
		int error = emulator_store_groups(machine);
		if (error == -GYRE_ENOTSUP)
			machine_crash(machine,
				"it turned to real mode, which this processor cannot run (no \"unrestricted "
				"guest\"): use a newer processor, or a kernel that starts in protected mode");
		if (error < 0)
			machine_crash(machine, "the state that an emulated instruction left is not possible");
	}
	if (__builtin_expect((emu->events & (EMU_EVENT_SHADOW_STI | EMU_EVENT_SHADOW_SS)) != 0, 0)) {
		page->entry_flags &= ~GYRE_ENTRY_COMPLETED;
		page->interruptibility |= GYRE_INTERRUPTIBILITY_STI;
	}
}

/* A load from the local APIC's page. */
static enum emu_result apic_read(struct machine *machine)
{
	struct gyre_vcpu_page *page = machine->vcpu.page;
	const struct emu_insn *insn = machine->emu.insn;
	uint64_t gpa = machine->emu_apic;
	/* MOV r32, m32: the core puts the value into the register on entry. */
	if (insn->map == 0 && insn->size == 4 && !(gpa & 15) && (insn->opcode == 0x8b || insn->opcode == 0xa1)) {
		page->apic_register = APIC_REGISTER(gpa);
		page->apic_gpr = insn->opcode == 0x8b ? insn->reg : GYRE_RAX;
		page->entry_flags |= GYRE_ENTRY_APIC_READ | GYRE_ENTRY_COMPLETED;
		page->rip = machine->emu.cpu.mode == EMU_MODE_LONG ? page->rip + insn->length
								   : (uint32_t)(page->rip + insn->length);
		return EMU_DONE;
	}
	/* Anything else: an entry that only reads, with RAX as the place for it, and the instruction once more. */
	uint64_t rax = page->gpr[GYRE_RAX];
	page->apic_register = APIC_REGISTER(gpa);
	page->apic_gpr = GYRE_RAX;
	page->entry_flags |= GYRE_ENTRY_APIC_READ | GYRE_ENTRY_NO_RUN;
	uint32_t event = page->event, event_error = page->event_error, event_length = page->event_length;
	if (engine_run(&machine->vcpu) < 0)
		return EMU_UNSUPPORTED;
	page->event = event, page->event_error = event_error, page->event_length = event_length;
	machine->emu_apic_value = (uint32_t)page->gpr[GYRE_RAX];
	page->gpr[GYRE_RAX] = rax;
	machine_events(machine); /* a kick of its own may have come with this one */
	machine->emu_apic_known = 1;
	emulator_load(machine);
	enum emu_result result = emu_step(&machine->emu);
	machine->emu_apic_known = 0;
	if (result == EMU_DONE)
		emulator_done(machine);
	return result;
}

/* A guest that does it all the time must not fill the log. */
static void tell(const struct machine *machine, const char *what)
{
	static unsigned told;
	char text[160];
	if (told++ >= STRANGE_TOLD)
		return;
	gyre_snprintf(text, sizeof text, "at rip 0x%llx: %s%s", (unsigned long long)machine->vcpu.page->rip, what,
		told == STRANGE_TOLD ? "; such things are no longer told" : "");
	engine_log(text);
}

static void undefined(struct machine *machine, const char *what)
{
	tell(machine, what);
	processor_inject(machine, 6, -1);
}

/* As after a triple fault, which the next run gives. */
static void shut_down(struct machine *machine, const char *what)
{
	tell(machine, what);
	machine->vcpu.page->event = 0;
	if (engine_state_get(&machine->vcpu, GYRE_STATE_ACTIVITY) < 0)
		machine_crash(machine, "its processor cannot be shut down");
	machine->vcpu.state->activity = SHUT_DOWN;
	if (engine_state_set(&machine->vcpu, GYRE_STATE_ACTIVITY) < 0)
		machine_crash(machine, "its processor cannot be shut down");
}

static void emulate_exception(struct machine *machine)
{
	const struct emu_exception *exception = &machine->emu.exception;
	if (exception->vector == 14)
		machine->vcpu.page->cr2 = exception->address;
	processor_inject(machine, exception->vector, exception->has_error ? (int64_t)exception->error : -1);
}

static inline __attribute__((always_inline)) enum emu_result attempt(struct machine *machine)
{
	emulator_load(machine);
	const struct gyre_vcpu_page *page = machine->vcpu.page;
	enum emu_result result = page->insn_bytes ? emu_step_bytes(&machine->emu, page->insn,
							    page->insn_bytes < 15 ? page->insn_bytes : 15)
						  : emu_step(&machine->emu);
	if (__builtin_expect(result == EMU_IO && machine->emu_apic != 0, 0)) {
		result = apic_read(machine);
		machine->emu_apic = 0;
		if (result == EMU_DONE)
			return EMU_DONE;
	} else if (__builtin_expect(result == EMU_DONE, 1)) {
		emulator_done(machine);
		return EMU_DONE;
	}
	if (result == EMU_EXCEPTION)
		emulate_exception(machine);
	return result;
}

enum emu_result emulate_try(struct machine *machine)
{
	machine->vcpu.page->insn_bytes = 0; /* of an exit, which this need not come from */
	return attempt(machine);
}

void emulate(struct machine *machine)
{
	enum emu_result result = attempt(machine);
	/* After EMU_RETRY the guest tries again; so it does when its code has become a HLT meanwhile. */
	if (__builtin_expect(
		    result != EMU_DONE && result != EMU_EXCEPTION && result != EMU_RETRY && result != EMU_HALT, 0))
		undefined(machine, "it used an instruction that Gyre does not emulate");
}

unsigned emulator_length(struct machine *machine)
{
	const struct gyre_vcpu_page *page = machine->vcpu.page;
	struct emu *emu = &machine->emu;
	struct emu_insn insn;
	uint8_t bytes[EMU_INSN_MAX];
	unsigned count = 0;
	emulator_load(machine);
	while (count < EMU_INSN_MAX) {
		uint64_t linear = page->rip + count, gpa;
		if (emu->cpu.mode != EMU_MODE_LONG)
			linear = (uint32_t)(page->cs_base + (uint32_t)linear);
		if (emu_walk(emu, linear, EMU_ACCESS_FETCH | (emu->cpu.cpl == 3 ? EMU_ACCESS_USER : 0), &gpa) !=
			EMU_DONE)
			break;
		const uint8_t *host = machine_ram(machine, gpa, 1);
		if (!host)
			break;
		bytes[count++] = *(const volatile uint8_t *)host;
	}
	if (!count || emu_decode(emu->cpu.mode, emu->config, bytes, count, &insn) != EMU_DECODE_OK)
		return 0;
	return insn.length;
}

static void memory_missing(struct machine *machine, uint64_t gpa)
{
	uint8_t *host = machine_ram(machine, gpa, 4096);
	if (engine_map(gpa, 4096, host, ENGINE_RAM) < 0)
		machine_crash(machine, "a page of RAM cannot be mapped");
}

void memory_exit(struct machine *machine)
{
	const struct gyre_vcpu_page *page = machine->vcpu.page;
	uint64_t gpa = page->d0;
	uint32_t access = (uint32_t)page->d1;
	/* From 3 to 4 GiB there are devices, and the test device's RAM. */
	int device = gpa - MEMORY_HOLE < MEMORY_4G - MEMORY_HOLE && gpa < TESTDEV_RAM;
	if (!device && !(access & GYRE_ACCESS_PRESENT) && machine_ram(machine, gpa & ~0xfffull, 4096)) {
		memory_missing(machine, gpa & ~0xfffull); /* its mapping was dropped */
		return;
	}
	/* What nobody answers reads as ones. Descriptors and page tables of ones end the delivery of any event: each leads to the next, up to the third
	 * fault. In an instruction's own walk they are a reserved bit, which the emulator finds; as code they are no instruction. */
	if (page->event & GYRE_EVENT_VALID)
		shut_down(machine, "an interrupt's stack or table lies where there is no memory");
	else if (access & GYRE_ACCESS_EXECUTE)
		undefined(machine, "it jumped to where there is no memory");
	else
		emulate(machine);
}
