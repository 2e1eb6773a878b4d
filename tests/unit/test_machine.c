/* SPDX-License-Identifier: Apache-2.0 */
/* The machine as a whole: exits in, answers out. The guest is the test. */
/* unit-sources: tests/unit/machine_fixture.c */
/* unit-sources: monitor/machine/machine.c monitor/machine/memory_exit.c monitor/machine/memory_fast.c monitor/machine/processor.c monitor/machine/msr.c monitor/machine/foreign.c */
/* unit-sources: monitor/machine/pvclock.c monitor/machine/level.c monitor/machine/level_portable.c monitor/machine/level_host.c */
/* unit-sources: monitor/machine/failed.c monitor/machine/entry_check.c monitor/machine/entry_check_guest.c monitor/machine/entry_check_state.c */
/* unit-sources: monitor/machine/memory.c monitor/machine/bus.c monitor/machine/clock.c monitor/engine/fake.c */
/* unit-sources: monitor/dev/uart16550.c monitor/dev/pic8259.c monitor/dev/pit8254.c monitor/dev/ioapic.c monitor/dev/rtc.c */
/* unit-sources: monitor/dev/pci.c monitor/dev/acpi_pm.c monitor/dev/i8042.c monitor/dev/testdev.c monitor/dev/device.c */
/* unit-sources: monitor/dev/acpi/tables.c monitor/dev/acpi/dsdt_aml.c */
/* unit-sources: monitor/boot/boot.c monitor/boot/firmware.c monitor/boot/linux.c monitor/boot/multiboot.c monitor/boot/pvh.c monitor/boot/elf.c */
/* unit-sources: monitor/emu/decode.c monitor/emu/exec_alu.c monitor/emu/exec_bits.c monitor/emu/exec_flow.c monitor/emu/exec_move.c */
/* unit-sources: monitor/emu/exec_segment.c monitor/emu/exec_string.c monitor/emu/exec_system.c monitor/emu/exec_vector.c */
/* unit-sources: monitor/machine/task.c monitor/emu/task.c */
/* unit-sources: monitor/emu/mem.c monitor/emu/step.c monitor/emu/table.c monitor/emu/walk.c lib/format.c lib/string.c lib/string_more.c */
/* unit-sources: monitor/save/machine.c monitor/save/processor.c monitor/save/same.c monitor/save/recreate.c */
/* unit-sources: monitor/save/stream.c lib/crc32.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "monitor/dev/acpi/tables.h"
#include "tests/unit/machine_fixture.h"

/* One exit, and the monitor's answer. */
static int next_exit;
static int run_once(struct engine_vcpu *vcpu)
{
	vcpu->page->entry_flags = 0;
	return next_exit;
}

static void give(int exit)
{
	next_exit = exit;
	fake.run = run_once;
	page->entry_flags = 0;
	page->event = 0;
	machine_step(&machine);
}

static void give_io(uint16_t port, uint32_t flags, uint32_t size)
{
	page->d0 = (uint32_t)port << 16 | flags | size << 4;
	page->d2 = page->rip + 2;
	give(GYRE_EXIT_IO);
}

static void the_processor_starts_as_the_entry_wants(void **state)
{
	(void)state;
	const struct gyre_vcpu_state *s = machine.vcpu.state;
	assert_int_equal(page->rip, CODE);
	assert_int_equal(page->rflags, 2);
	assert_int_equal(s->cr0, 0x11);
	assert_int_equal(s->efer, 0);
	assert_int_equal(s->segment[GYRE_CS].attributes, 0xc9b);
	assert_int_equal(s->segment[GYRE_CS].limit, 0xffffffff);
	assert_int_equal(s->segment[GYRE_TR].attributes, 0x8b);
	assert_int_equal(s->apic_base, 0xfee00900);
	assert_int_equal(s->apic[0x35], 0x700); /* virtual wire */
	assert_int_equal(fake.groups_set, GYRE_STATE_ALL);
	assert_int_equal(fake.policy.physical_bits, 39);
	assert_int_equal((uint64_t)fake.policy.tsc_offset + fake.tsc, 0); /* the guest's TSC begins at 0 */
}

static void ports_reach_their_devices(void **state)
{
	(void)state;
	page->gpr[GYRE_RAX] = 0x1122334455667741;
	give_io(0x3f8, 0, 1);
	assert_int_equal(fake.output[0], 0x41);
	assert_int_equal(page->rip, CODE + 2);
	assert_int_equal(page->entry_flags, GYRE_ENTRY_COMPLETED);
	give_io(0x3fd, GYRE_IO_IN, 1);
	assert_true(page->gpr[GYRE_RAX] == 0x1122334455667760);
	give_io(0x1234, GYRE_IO_IN, 2); /* nobody */
	assert_true(page->gpr[GYRE_RAX] == 0x112233445566ffff);
	give_io(0xffff, GYRE_IO_IN, 4); /* beyond the last port */
	assert_true(page->gpr[GYRE_RAX] == 0xffffffff);
	give_io(0x608, GYRE_IO_IN, 4);
	assert_true(page->gpr[GYRE_RAX] < 0x1000000);
}

/* An instruction in 32-bit mode without paging at CODE, by a memory exit at gpa. */
static void give_memory(uint64_t gpa, uint32_t access, const void *code, unsigned bytes)
{
	memcpy(ram + CODE, code, bytes);
	page->rip = CODE;
	page->mode = GYRE_MODE_PE | GYRE_MODE_CS_D | GYRE_MODE_SS_D;
	page->cr0 = 0x11, page->cr3 = 0, page->cr4 = 0;
	page->insn_bytes = 0;
	page->d0 = gpa, page->d1 = access;
	give(GYRE_EXIT_MEMORY);
}

static void memory_reaches_its_devices(void **state)
{
	(void)state;
	page->gpr[GYRE_RAX] = 1;
	give_memory(0xfec00000, GYRE_ACCESS_WRITE, "\xa3\x00\x00\xc0\xfe", 5); /* mov [fec00000], eax */
	assert_int_equal(page->rip, CODE + 5);
	page->gpr[GYRE_RCX] = 0xfec00010;
	give_memory(0xfec00010, 0, "\x8b\x11", 2); /* mov edx, [ecx] */
	assert_int_equal(page->gpr[GYRE_RDX], 0x00170020);
	give_memory(0xd0000000, 0, "\x8b\x15\x00\x00\x00\xd0", 6); /* nobody */
	assert_int_equal(page->gpr[GYRE_RDX], 0xffffffff);
}

static void the_local_apic_is_done_on_entry(void **state)
{
	(void)state;
	page->gpr[GYRE_RCX] = 0xfee00300, page->gpr[GYRE_RAX] = 0x40040;
	give_memory(0xfee00300, GYRE_ACCESS_WRITE, "\x89\x01", 2); /* mov [ecx], eax */
	assert_int_equal(page->entry_flags, GYRE_ENTRY_APIC_WRITE | GYRE_ENTRY_COMPLETED);
	assert_int_equal(page->apic_register, 0x300);
	assert_int_equal(page->apic_value, 0x40040);
	page->gpr[GYRE_RCX] = 0xfee00020;
	give_memory(0xfee00020, 0, "\x8b\x39", 2); /* mov edi, [ecx] */
	assert_int_equal(page->entry_flags, GYRE_ENTRY_APIC_READ | GYRE_ENTRY_COMPLETED);
	assert_int_equal(page->apic_register, 0x20);
	assert_int_equal(page->apic_gpr, GYRE_RDI);
	assert_int_equal(page->rip, CODE + 2);
}

#define TABLES 0x400000ull

/* 64-bit mode with CODE mapped to itself by a page of 2 MiB. */
static void long_mode(void)
{
	memset(ram + TABLES, 0, 3 * 4096);
	boot_put64(ram + TABLES, (TABLES + 0x1000) | 0x23);
	boot_put64(ram + TABLES + 0x1000, (TABLES + 0x2000) | 0x23);
	boot_put64(ram + TABLES + 0x2000 + 8 * (CODE >> 21), CODE | 0xe3);
	page->mode = GYRE_MODE_PE | GYRE_MODE_PG | GYRE_MODE_PAE | GYRE_MODE_LMA | GYRE_MODE_CS_L;
	page->cr0 = 0x80000011, page->cr3 = TABLES, page->cr4 = 0x20;
	page->rip = CODE;
	page->event = 0;
	page->entry_flags = 0;
}

/* Whatever the fast path takes, it takes as the decoder does. */
static void the_fast_path_agrees_with_the_decoder(void **state)
{
	(void)state;
	static const uint8_t opcodes[] = {0x89, 0x8b, 0xc7, 0x88, 0x8a, 0x03, 0x87};
	unsigned taken = 0;
	long_mode();
	page->d0 = 0xd0000000;
	for (unsigned rex = 0x3f; rex < 0x50; rex++) /* 0x3f: none */
		for (unsigned o = 0; o < sizeof(opcodes); o++)
			for (unsigned modrm = 0; modrm < 256; modrm++)
				for (unsigned sib = 0; sib < 256; sib += 37) {
					uint8_t code[16] = {0};
					unsigned at = 0;
					if (rex != 0x3f)
						code[at++] = (uint8_t)rex;
					code[at++] = opcodes[o], code[at++] = (uint8_t)modrm, code[at++] = (uint8_t)sib;
					for (; at < 16; at++)
						code[at] = (uint8_t)(at * 17);
					memcpy(ram + CODE, code, 16);
					struct emu_insn insn;
					enum emu_decoded decoded = emu_decode(EMU_MODE_LONG, 0, code, 15, &insn);
					page->rip = CODE;
					page->entry_flags = 0;
					page->d1 = opcodes[o] == 0x89 || opcodes[o] == 0xc7 || opcodes[o] == 0x88
							   ? GYRE_ACCESS_WRITE
							   : 0;
					if (!memory_fast(&machine)) {
						assert_int_equal(page->rip, CODE);
						continue;
					}
					taken++;
					assert_int_equal(decoded, EMU_DECODE_OK);
					assert_int_equal(insn.size, 4);
					assert_true(insn.memory);
					assert_int_equal(page->rip, CODE + insn.length);
					const struct fast_mov *mov =
						&machine.fast[(CODE ^ CODE >> 4) & (FAST_SLOTS - 1)].mov;
					if (mov->immediate)
						assert_int_equal(mov->value, (uint32_t)insn.imm);
					else
						assert_int_equal(mov->reg, insn.reg);
				}
	assert_true(taken > 10000);
}

static void the_fast_path_sees_what_changed(void **state)
{
	(void)state;
	long_mode();
	page->d0 = 0xfec00010, page->d1 = 0;
	page->gpr[GYRE_RCX] = 0xfec00010;
	memcpy(ram + CODE, "\x8b\x11", 2); /* mov edx, [rcx] */
	bus_mmio_write(&machine.bus, IOAPIC_BASE, 4, &(uint32_t){1});
	assert_int_equal(memory_fast(&machine), 1);
	assert_int_equal(page->gpr[GYRE_RDX], 0x170020);
	page->rip = CODE;
	ram[CODE + 1] = 0x19; /* mov ebx, [rcx] */
	assert_int_equal(memory_fast(&machine), 1);
	assert_int_equal(page->gpr[GYRE_RBX], 0x170020);
	page->rip = CODE;
	ram[CODE] = 0x89; /* a store where a load exited: another processor was here */
	assert_int_equal(memory_fast(&machine), 0);
	assert_int_equal(page->rip, CODE);
	ram[CODE] = 0x8b;
	page->rip = CODE;
	assert_int_equal(memory_fast(&machine), 1);
	/* the code's page goes elsewhere */
	boot_put64(ram + TABLES + 0x2000 + 8 * (CODE >> 21), 0x600000 | 0xe3);
	memcpy(ram + 0x600000, "\x8b\x31", 2); /* mov esi, [rcx] */
	page->gpr[GYRE_RSI] = 0;
	page->rip = CODE;
	assert_int_equal(memory_fast(&machine), 1);
	assert_int_equal(page->gpr[GYRE_RSI], 0x170020);
	/* and is gone for users */
	page->mode |= 3 << GYRE_MODE_CPL_SHIFT;
	page->rip = CODE;
	assert_int_equal(memory_fast(&machine), 0);
}

static void an_empty_slot_fits_no_mode(void **state)
{
	(void)state;
	page->mode = 0, page->rip = 0, page->cr3 = 0, page->cr4 = 0;
	page->d0 = 0xd0000000, page->d1 = 0;
	assert_int_equal(memory_fast(&machine), 0);
	assert_int_equal(memory_fast(&machine), 0);
}

static int apic_says(struct engine_vcpu *vcpu)
{
	static int calls;
	if (vcpu->page->entry_flags & GYRE_ENTRY_NO_RUN) {
		assert_true(vcpu->page->entry_flags & GYRE_ENTRY_APIC_READ);
		vcpu->page->gpr[vcpu->page->apic_gpr] = 0x12345678;
		vcpu->page->entry_flags = 0;
		return GYRE_EXIT_KICK;
	}
	calls++;
	return GYRE_EXIT_MEMORY;
}

static void other_instructions_on_the_local_apic_work_too(void **state)
{
	(void)state;
	memcpy(ram + CODE, "\x03\x01", 2); /* add eax, [ecx] */
	page->rip = CODE;
	page->mode = GYRE_MODE_PE | GYRE_MODE_CS_D;
	page->gpr[GYRE_RAX] = 1, page->gpr[GYRE_RCX] = 0xfee00020;
	page->d0 = 0xfee00020, page->d1 = 0;
	page->entry_flags = 0;
	fake.run = apic_says;
	machine_step(&machine);
	assert_int_equal(page->gpr[GYRE_RAX], 0x12345679);
	assert_int_equal(page->rip, CODE + 2);
	assert_int_equal(page->entry_flags, GYRE_ENTRY_COMPLETED);
}

static void strings_of_ports_go_to_memory(void **state)
{
	(void)state;
	memcpy(ram + CODE, "\xf3\x6e", 2); /* rep outsb */
	memcpy(ram + 0x300000, "hello", 5);
	page->rip = CODE;
	page->mode = GYRE_MODE_PE | GYRE_MODE_CS_D;
	page->cr0 = 0x11;
	page->gpr[GYRE_RSI] = 0x300000, page->gpr[GYRE_RCX] = 5, page->gpr[GYRE_RDX] = 0x3f8;
	page->d0 = 0x3f8 << 16 | GYRE_IO_STRING | GYRE_IO_REP | 1 << 4, page->d2 = CODE + 2;
	give(GYRE_EXIT_IO);
	assert_memory_equal(fake.output, "hello", 5);
	assert_int_equal(page->gpr[GYRE_RCX], 0);
	assert_int_equal(page->rip, CODE + 2);
}

static void unknown_msrs_are_faults(void **state)
{
	(void)state;
	page->d0 = 0, page->d1 = 0xc0011020;
	give(GYRE_EXIT_MSR);
	assert_int_equal(page->event, GYRE_EVENT_VALID | GYRE_EVENT_EXCEPTION | GYRE_EVENT_ERROR | 13);
	page->d1 = 0xfe;
	page->instruction_length = 2;
	uint64_t rip = page->rip;
	give(GYRE_EXIT_MSR);
	assert_int_equal(page->event, 0);
	assert_int_equal(page->gpr[GYRE_RAX], 0x508);
	assert_int_equal(page->rip, rip + 2);
	page->d1 = 0xc0010015;
	give(GYRE_EXIT_MSR);
	assert_int_equal(page->gpr[GYRE_RAX], 1 << 24);
}

static void intel(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	(void)subleaf;
	memset(out, 0, 16);
	if (leaf == 0)
		out[0] = 7, memcpy(&out[1], "Genu", 4), memcpy(&out[3], "ineI", 4), memcpy(&out[2], "ntel", 4);
	else if (leaf == 0x80000000)
		out[0] = 0x80000008;
}

/* What Linux reads on them: what is there unconditionally has a value; what a CPUID bit that is hidden stands for is a fault, which it takes for "no". */
static void msrs_of_intels_processors(void **state)
{
	(void)state;
	static const uint32_t absent[] = {0x34, 0x3a, 0x3b, 0xce, 0x10a, 0x140, 0x186, 0x198, 0x19b, 0x19c, 0x1a2,
		0x1b0, 0x345, 0x38f, 0x480, 0x606, 0xc0010015, 0xc0011029};
	fake.cpuid = intel;
	vm.level = GYRE_LEVEL_HOST;
	machine_start(&machine, &vm);
	page->d0 = 0, page->d1 = 0x1a0; /* before there is an IDT */
	give(GYRE_EXIT_MSR);
	assert_int_equal(page->event, 0);
	assert_int_equal(page->gpr[GYRE_RAX], 0x1801); /* fast strings; no branch or event traces */
	assert_int_equal(page->gpr[GYRE_RDX], 0);
	page->d0 = 1, page->d2 = 0x401800; /* a limit of CPUID leaves is not kept */
	give(GYRE_EXIT_MSR);
	page->d0 = 0;
	give(GYRE_EXIT_MSR);
	assert_int_equal(page->gpr[GYRE_RAX], 0x1800);
	page->d1 = 0x8b;
	give(GYRE_EXIT_MSR);
	assert_int_equal(page->gpr[GYRE_RDX], 1);
	page->d1 = 0x17;
	give(GYRE_EXIT_MSR);
	assert_int_equal(page->event, 0);
	for (unsigned i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
		page->d1 = absent[i];
		give(GYRE_EXIT_MSR);
		assert_int_equal(page->event, GYRE_EVENT_VALID | GYRE_EVENT_EXCEPTION | GYRE_EVENT_ERROR | 13);
	}
}

static void write_msr(uint32_t index, uint64_t value)
{
	page->d0 = 1, page->d1 = index, page->d2 = value;
	page->instruction_length = 2;
	give(GYRE_EXIT_MSR);
}

static void mtrrs_hold_what_is_valid(void **state)
{
	(void)state;
	write_msr(0x200, 0x80000006);
	assert_int_equal(page->event, 0);
	write_msr(0x200, 0x80000002); /* no such type */
	assert_int_not_equal(page->event, 0);
	write_msr(0x201, 1ull << 39); /* beyond the width */
	assert_int_not_equal(page->event, 0);
	write_msr(0x268, 0x0606060606060206);
	assert_int_not_equal(page->event, 0);
	write_msr(0x2ff, 0xc06);
	assert_int_equal(page->event, 0);
	page->d0 = 0, page->d1 = 0x200;
	give(GYRE_EXIT_MSR);
	assert_int_equal(page->gpr[GYRE_RAX], 0x80000006);
}

static void the_paravirtual_clock_tells_the_time(void **state)
{
	(void)state;
	fake_pass(5000000000ull);
	machine.vcpu.state->tsc_adjust = 1000;
	write_msr(0x4b564d01, 0x300001);
	assert_int_equal(page->event, 0);
	const uint8_t *clock = ram + 0x300000;
	assert_int_equal(boot_u32(clock) & 1, 0);
	uint64_t tsc = boot_u64(clock + 8), ns = boot_u64(clock + 16);
	assert_int_equal(tsc, 5000001000ull);
	assert_in_range(ns, 4999999990ull, 5000000000ull);
	uint32_t multiplier = boot_u32(clock + 24);
	int8_t shift = (int8_t)clock[28];
	uint64_t second = shift >= 0 ? fake.khz * 1000 << shift : fake.khz * 1000 >> -shift;
	assert_in_range((unsigned __int128)second * multiplier >> 32, 999999998, 1000000000);
	assert_int_equal(clock[29], 1);
	write_msr(0x4b564d00, 0x300100);
	assert_int_equal(boot_u32(ram + 0x300104), 1700000000);
	write_msr(0x4b564d01, RAM - 16 + 1); /* half of it outside */
	assert_int_not_equal(page->event, 0);
	write_msr(0x4b564d00, 0xfffffffffffffff0ull);
	assert_int_not_equal(page->event, 0);
	page->d0 = 0, page->d1 = 0x4b564d00; /* what was refused changed nothing */
	give(GYRE_EXIT_MSR);
	assert_int_equal(page->gpr[GYRE_RAX], 0x300100);
}

static void refused_machine_check_status_changes_nothing(void **state)
{
	(void)state;
	write_msr(0x17a, 4);
	assert_int_equal(page->event, 0);
	write_msr(0x17a, 0x8003);
	assert_int_not_equal(page->event, 0);
	page->d0 = 0;
	give(GYRE_EXIT_MSR);
	assert_int_equal(page->gpr[GYRE_RAX], 4);
}

static void power_off_and_exits_end_it(void **state)
{
	(void)state;
	page->gpr[GYRE_RAX] = 0x2000;
	ENDS(give_io(0x604, 0, 2));
	assert_int_equal(fake.reason, GYRE_END_POWER_OFF);
	page->gpr[GYRE_RAX] = 0x21;
	machine.request = MACHINE_RUN;
	ENDS(give_io(0xf4, 0, 4));
	assert_int_equal(fake.reason, GYRE_END_DEBUG_EXIT);
	assert_int_equal(fake.code, 0x21);
}

static void the_last_line_is_not_lost(void **state)
{
	(void)state;
	fake.output_room = 0;
	page->gpr[GYRE_RAX] = 'x';
	give_io(0x3f8, 0, 1);
	fake.output_room = 10;
	page->gpr[GYRE_RAX] = 0x2000;
	ENDS(give_io(0x604, 0, 2));
	assert_int_equal(fake.output_bytes, 1);
}

static void a_reset_starts_it_again(void **state)
{
	(void)state;
	memset(ram + CODE, 0xee, 16);
	page->gpr[GYRE_RAX] = 0x99;
	write_msr(0x4b564d01, 0x300001);
	page->gpr[GYRE_RAX] = 6;
	give_io(0xcf9, 0, 1);
	assert_int_equal(page->rip, CODE);
	assert_int_equal(ram[CODE], 0); /* the kernel is there again */
	assert_int_equal(page->gpr[GYRE_RAX], 0);
	assert_int_equal(machine.cpu.pv_system, 0);
	assert_int_equal(fake.groups_set, GYRE_STATE_ALL);
	vm.flags |= GYRE_VM_NO_REBOOT;
	page->gpr[GYRE_RAX] = 0xfe;
	ENDS(give_io(0x64, 0, 1));
	assert_int_equal(fake.reason, GYRE_END_RESET);
}

static void triple_faults_restart_it_and_do_not_fill_the_log(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++) { /* one that worked for a while in between */
		fake_pass(2000000000);
		give(GYRE_EXIT_TRIPLE_FAULT);
	}
	unsigned lines = fake.log_lines;
	for (unsigned i = 0; i < 100; i++)
		give(GYRE_EXIT_TRIPLE_FAULT);
	assert_true(fake.log_lines - lines <= MACHINE_RESETS_TOLD);
	vm.flags |= GYRE_VM_NO_REBOOT;
	ENDS(give(GYRE_EXIT_TRIPLE_FAULT));
	assert_int_equal(fake.reason, GYRE_END_TRIPLE_FAULT);
}

/* What nobody answers is ones: no instruction, and no page table that an event could be delivered through. */
static void a_jump_to_nowhere_finds_no_instruction(void **state)
{
	(void)state;
	give_memory(0xd0000000, GYRE_ACCESS_EXECUTE, "", 0);
	assert_int_equal(page->event, GYRE_EVENT_VALID | GYRE_EVENT_EXCEPTION | 6);
	assert_int_equal(machine.vcpu.state->activity, 0);
}

static void an_event_that_cannot_be_delivered_shuts_the_processor_down(void **state)
{
	(void)state;
	page->event = GYRE_EVENT_VALID | GYRE_EVENT_EXCEPTION | GYRE_EVENT_ERROR | 13;
	page->d0 = 0xd0000000, page->d1 = GYRE_ACCESS_WALK;
	memory_exit(&machine);
	assert_int_equal(page->event, 0);
	assert_int_equal(machine.vcpu.state->activity, 3);
}

static void a_missing_page_is_mapped_again(void **state)
{
	(void)state;
	page->gpr[GYRE_RAX] = 0x400000;
	give_io(0xe4, 0, 4);
	assert_int_equal(fake.last_unmap, 0x400000);
	unsigned maps = fake.maps;
	page->rip = CODE;
	page->d0 = 0x400123, page->d1 = GYRE_ACCESS_WRITE;
	give(GYRE_EXIT_MEMORY);
	assert_int_equal(fake.maps, maps + 1);
	assert_int_equal(fake.last_map, 0x400000);
	assert_int_equal(page->rip, CODE); /* the instruction is tried again */
}

static void the_pics_get_their_acknowledge(void **state)
{
	(void)state;
	static const struct {
		uint16_t port;
		uint8_t value;
	} writes[] = {{0x20, 0x11}, {0x21, 0x20}, {0x21, 0x04}, {0x21, 0x01}};
	for (unsigned i = 0; i < 4; i++) {
		page->gpr[GYRE_RAX] = writes[i].value;
		give_io(writes[i].port, 0, 1);
	}
	page->gpr[GYRE_RAX] = 1;
	give_io(0x2004, 0, 1);
	assert_int_equal(page->extint_line, 1);
	give(GYRE_EXIT_EXTINT);
	assert_int_equal(page->extint_vector, 0x24);
	assert_int_equal(page->entry_flags, GYRE_ENTRY_EXTINT);
	assert_int_equal(page->extint_line, 0);
}

static void timers_run_on_a_kick(void **state)
{
	(void)state;
	static const uint8_t pit[] = {0x34, 0xa9, 0x04};
	page->gpr[GYRE_RAX] = pit[0], give_io(0x43, 0, 1);
	page->gpr[GYRE_RAX] = pit[1], give_io(0x40, 0, 1);
	page->gpr[GYRE_RAX] = pit[2], give_io(0x40, 0, 1);
	/* pin 2 of the I/O APIC, edge, vector 0x30 */
	uint32_t value = 0x14;
	bus_mmio_write(&machine.bus, IOAPIC_BASE, 4, &value);
	value = 0x30;
	bus_mmio_write(&machine.bus, IOAPIC_BASE + 0x10, 4, &value);
	unsigned before = fake.messages;
	for (unsigned i = 0; i < 10; i++) {
		fake_pass(fake.timer - fake.tsc);
		give(GYRE_EXIT_KICK);
	}
	assert_int_equal(fake.messages, before + 10);
}

static void any_exit_is_answered(void **state)
{
	(void)state;
	for (volatile int exit = 0; exit < 40; exit++) {
		if (setjmp(ended))
			continue;
		page->rip = CODE;
		page->d0 = 0x10, page->d1 = 0, page->d2 = 0;
		page->mode = GYRE_MODE_PE | GYRE_MODE_CS_D;
		give(exit);
	}
	ENDS(give(-1));
	assert_int_equal(fake.reason, GYRE_END_MONITOR);
}

static uint8_t sum(const uint8_t *at, uint32_t bytes)
{
	uint8_t total = 0;
	while (bytes--)
		total = (uint8_t)(total + *at++);
	return total;
}

static void acpi_tables_hang_together(void **state)
{
	(void)state;
	const uint8_t *rsdp = ram + 0xe0000;
	assert_memory_equal(rsdp, "RSD PTR ", 8);
	assert_int_equal(sum(rsdp, 20), 0);
	assert_int_equal(sum(rsdp, 36), 0);
	const uint8_t *xsdt = ram + boot_u64(rsdp + 24);
	assert_memory_equal(xsdt, "XSDT", 4);
	assert_int_equal(boot_u32(xsdt + 4), 36 + 16);
	for (unsigned i = 0; i < 2; i++) {
		const uint8_t *table = ram + boot_u64(xsdt + 36 + 8 * i);
		assert_int_equal(sum(table, boot_u32(table + 4)), 0);
		assert_int_equal(boot_u32(ram + boot_u32(rsdp + 16) + 36 + 4 * i), boot_u64(xsdt + 36 + 8 * i));
		if (i == 0) {
			assert_memory_equal(table, "FACP", 4);
			const uint8_t *dsdt = ram + boot_u32(table + 40);
			assert_memory_equal(dsdt, "DSDT", 4);
			assert_int_equal(sum(dsdt, boot_u32(dsdt + 4)), 0);
			assert_int_equal(boot_u32(table + 36) & 63, 0); /* the FACS */
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_processor_starts_as_the_entry_wants, machine_setup),
		cmocka_unit_test_setup(ports_reach_their_devices, machine_setup),
		cmocka_unit_test_setup(memory_reaches_its_devices, machine_setup),
		cmocka_unit_test_setup(the_local_apic_is_done_on_entry, machine_setup),
		cmocka_unit_test_setup(the_fast_path_agrees_with_the_decoder, machine_setup),
		cmocka_unit_test_setup(the_fast_path_sees_what_changed, machine_setup),
		cmocka_unit_test_setup(an_empty_slot_fits_no_mode, machine_setup),
		cmocka_unit_test_setup(other_instructions_on_the_local_apic_work_too, machine_setup),
		cmocka_unit_test_setup(strings_of_ports_go_to_memory, machine_setup),
		cmocka_unit_test_setup(unknown_msrs_are_faults, machine_setup),
		cmocka_unit_test_setup(msrs_of_intels_processors, machine_setup),
		cmocka_unit_test_setup(refused_machine_check_status_changes_nothing, machine_setup),
		cmocka_unit_test_setup(mtrrs_hold_what_is_valid, machine_setup),
		cmocka_unit_test_setup(the_paravirtual_clock_tells_the_time, machine_setup),
		cmocka_unit_test_setup(power_off_and_exits_end_it, machine_setup),
		cmocka_unit_test_setup(the_last_line_is_not_lost, machine_setup),
		cmocka_unit_test_setup(a_reset_starts_it_again, machine_setup),
		cmocka_unit_test_setup(triple_faults_restart_it_and_do_not_fill_the_log, machine_setup),
		cmocka_unit_test_setup(a_jump_to_nowhere_finds_no_instruction, machine_setup),
		cmocka_unit_test_setup(an_event_that_cannot_be_delivered_shuts_the_processor_down, machine_setup),
		cmocka_unit_test_setup(a_missing_page_is_mapped_again, machine_setup),
		cmocka_unit_test_setup(the_pics_get_their_acknowledge, machine_setup),
		cmocka_unit_test_setup(timers_run_on_a_kick, machine_setup),
		cmocka_unit_test_setup(any_exit_is_answered, machine_setup),
		cmocka_unit_test_setup(acpi_tables_hang_together, machine_setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
