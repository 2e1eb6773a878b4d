/* SPDX-License-Identifier: Apache-2.0 */
/* The exit of a task switch: what becomes of the event that led to it, of a fault, and of debug registers. */
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
#include "tests/unit/machine_fixture.h"

#define GDT	0x301000u
#define IDT	0x302000u
#define OLD	0x303000u
#define NEW	0x304000u
#define SEL_OLD 0x18u
#define SEL_NEW 0x20u

static void put_descriptor(unsigned selector, uint32_t base, uint32_t limit, uint32_t attributes)
{
	boot_put32(ram + GDT + selector, (limit & 0xffff) | base << 16);
	boot_put32(ram + GDT + selector + 4, (base >> 16 & 0xff) | (attributes & 0xff) << 8 | (limit & 0xf0000) |
						     (attributes & 0xf00) << 12 | (base & 0xff000000));
}

static void put_gate(unsigned vector)
{
	boot_put32(ram + IDT + 8 * vector, SEL_NEW << 16);
	boot_put32(ram + IDT + 8 * vector + 4, 0x8500);
}

/* A kernel with a task to switch to. */
static int setup(void **state)
{
	if (machine_setup(state) < 0)
		return -1;
	struct gyre_vcpu_state *s = machine.vcpu.state;
	put_descriptor(8, 0, 0xfffff, 0xc9a);
	put_descriptor(16, 0, 0xfffff, 0xc92);
	put_descriptor(SEL_OLD, OLD, 0x67, 0x08b);
	put_descriptor(SEL_NEW, NEW, 0x67, 0x089);
	boot_put32(ram + NEW + 0x20, 0x305000);
	boot_put32(ram + NEW + 0x38, 0x307000);
	for (unsigned i = 0; i < 6; i++)
		boot_put32(ram + NEW + 0x48 + 4 * i, i == 1 ? 8 : 16);
	s->gdtr.base = GDT, s->gdtr.limit = 0x27;
	s->idtr.base = IDT, s->idtr.limit = 0x7ff;
	s->segment[GYRE_TR] = (struct gyre_segment){SEL_OLD, 0x8b, 0x67, OLD};
	s->dr7 = 0x755;
	s->dr6 = 0xffff0ff0;
	page->mode = GYRE_MODE_PE | GYRE_MODE_CS_D | GYRE_MODE_SS_D;
	page->cr0 = s->cr0;
	page->cr3 = page->cr4 = 0;
	page->rip = CODE + 0x40;
	page->rflags = 0x202;
	page->instruction_length = 0;
	page->interruptibility = GYRE_INTERRUPTIBILITY_STI;
	return 0;
}

static int run_once(struct engine_vcpu *vcpu)
{
	vcpu->page->entry_flags = 0;
	return GYRE_EXIT_TASK_SWITCH;
}

static void give(uint32_t source, uint32_t event, uint32_t error)
{
	fake.run = run_once;
	page->d0 = SEL_NEW;
	page->d1 = source;
	page->d2 = 0;
	page->event = event;
	page->event_error = error;
	if (source == GYRE_TASK_GATE && event)
		put_gate(GYRE_EVENT_VECTOR(event));
	machine_step(&machine);
}

#define EVENT(type, vector) (GYRE_EVENT_VALID | GYRE_EVENT_##type | (vector))

static void the_event_is_consumed(void **state)
{
	(void)state;
	give(GYRE_TASK_GATE, EVENT(EXCEPTION, 13) | GYRE_EVENT_ERROR, 0x58);
	assert_int_equal(page->event, 0);
	assert_int_equal(page->rip, 0x305000);
	assert_int_equal(page->rflags, 0x4002);
	assert_int_equal(page->gpr[GYRE_RSP], 0x307000 - 4);
	assert_int_equal(boot_u32(ram + 0x307000 - 4), 0x58);
	assert_int_equal(boot_u32(ram + OLD + 0x20), CODE + 0x40);
	assert_int_equal(boot_u32(ram + OLD + 0x24), 0x10202); /* a fault: RF */
	assert_int_equal(page->interruptibility, 0);
	assert_int_equal(page->entry_flags & GYRE_ENTRY_COMPLETED, 0); /* TF and RF are the new task's own */
	const struct gyre_vcpu_state *s = machine.vcpu.state;
	assert_int_equal(s->segment[GYRE_TR].selector, SEL_NEW);
	assert_int_equal(s->segment[GYRE_TR].attributes, 0x8b);
	assert_int_equal(s->segment[GYRE_LDTR].attributes & GYRE_SEGMENT_UNUSABLE, GYRE_SEGMENT_UNUSABLE);
	assert_int_equal(s->cr0 & 8, 8);
	assert_int_equal(s->dr7, 0x600);
	assert_int_equal(s->dr6, 0xffff0ff0);
}

static void an_error_code_that_only_the_exit_has(void **state)
{
	(void)state;
	page->d1 = 0;
	fake.run = run_once;
	page->d0 = SEL_NEW;
	page->d1 = GYRE_TASK_GATE | 1 << 8;
	page->d2 = 0x77;
	page->event = EVENT(EXCEPTION, 8);
	put_gate(8);
	machine_step(&machine);
	assert_int_equal(boot_u32(ram + 0x307000 - 4), 0x77);
}

static void interrupts_and_traps_save_the_flags_as_they_are(void **state)
{
	(void)state;
	give(GYRE_TASK_GATE, EVENT(INTERRUPT, 0x30), 0);
	assert_int_equal(boot_u32(ram + OLD + 0x24), 0x202);
	setup(state);
	give(GYRE_TASK_GATE, EVENT(EXCEPTION, 1), 0);
	assert_int_equal(boot_u32(ram + OLD + 0x24), 0x202);
}

static void nmis_are_blocked_until_the_return(void **state)
{
	(void)state;
	give(GYRE_TASK_GATE, EVENT(NMI, 2), 0);
	assert_int_equal(page->interruptibility, GYRE_INTERRUPTIBILITY_NMI);
	setup(state);
	page->interruptibility = GYRE_INTERRUPTIBILITY_NMI;
	page->instruction_length = 5;
	give(GYRE_TASK_CALL, 0, 0);
	assert_int_equal(page->interruptibility, GYRE_INTERRUPTIBILITY_NMI);
	setup(state);
	page->interruptibility = GYRE_INTERRUPTIBILITY_NMI;
	page->instruction_length = 1;
	put_descriptor(SEL_NEW, NEW, 0x67, 0x08b);
	give(GYRE_TASK_IRET, 0, 0);
	assert_int_equal(page->interruptibility, 0);
}

static void software_interrupts_go_on_behind_the_instruction(void **state)
{
	(void)state;
	page->event_length = 2;
	give(GYRE_TASK_GATE, EVENT(SOFTWARE, 0x42), 0);
	assert_int_equal(boot_u32(ram + OLD + 0x20), CODE + 0x42);
	/* Without an event: it is at RIP. */
	setup(state);
	memcpy(ram + CODE + 0x40, "\xcd\x42", 2);
	put_gate(0x42);
	give(GYRE_TASK_GATE, 0, 0);
	assert_int_equal(boot_u32(ram + OLD + 0x20), CODE + 0x42);
}

static void the_trap_flag_makes_a_debug_exception(void **state)
{
	(void)state;
	ram[NEW + 0x64] = 1;
	machine.vcpu.state->dr7 |= 0x2000;
	page->instruction_length = 7;
	give(GYRE_TASK_CALL, 0, 0);
	assert_int_equal(page->event, EVENT(EXCEPTION, 1));
	assert_int_equal(machine.vcpu.state->dr6, 0xffff8ff0);
	assert_int_equal(machine.vcpu.state->dr7, 0x600); /* general detect is off in the handler */
}

static void a_fault_of_the_old_task_changes_nothing(void **state)
{
	(void)state;
	put_descriptor(SEL_NEW, NEW, 0x67, 0x009);
	page->instruction_length = 7;
	give(GYRE_TASK_CALL, 0, 0);
	assert_int_equal(page->event, EVENT(EXCEPTION, 11) | GYRE_EVENT_ERROR);
	assert_int_equal(page->event_error, SEL_NEW);
	assert_int_equal(page->rip, CODE + 0x40);
	assert_int_equal(page->rflags, 0x10202); /* RF */
	assert_int_equal(page->interruptibility, GYRE_INTERRUPTIBILITY_STI);
	assert_int_equal(machine.vcpu.state->dr7, 0x755);
	assert_int_equal(machine.vcpu.state->segment[GYRE_TR].selector, SEL_OLD);
}

static void faults_add_up(void **state)
{
	(void)state;
	static const struct {
		uint8_t vector, error, result;
	} cases[] = {{6, 0, 11}, {1, 0, 11}, {0, 0, 8}, {10, 1, 8}, {13, 1, 8}, {14, 1, 8}, {17, 1, 11}, {3, 0, 11}};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		setup(state);
		put_descriptor(SEL_NEW, NEW, 0x67, 0x009);
		give(GYRE_TASK_GATE, EVENT(EXCEPTION, cases[i].vector) | (cases[i].error ? GYRE_EVENT_ERROR : 0), 0);
		assert_int_equal(page->event, EVENT(EXCEPTION, cases[i].result) | GYRE_EVENT_ERROR);
		assert_int_equal(page->event_error, cases[i].result == 8 ? 0 : SEL_NEW | 1);
		assert_int_equal(page->rflags, 0x10202); /* RF */
	}
	/* An interrupt is lost with the fault that comes of it, as on a processor. */
	setup(state);
	put_descriptor(SEL_NEW, NEW, 0x67, 0x009);
	give(GYRE_TASK_GATE, EVENT(INTERRUPT, 0x30), 0);
	assert_int_equal(page->event, EVENT(EXCEPTION, 11) | GYRE_EVENT_ERROR);
	/* The third shuts the processor down. */
	setup(state);
	put_descriptor(SEL_NEW, NEW, 0x67, 0x009);
	give(GYRE_TASK_GATE, EVENT(EXCEPTION, 8) | GYRE_EVENT_ERROR, 0);
	assert_int_equal(page->event, 0);
	assert_int_equal(machine.vcpu.state->activity, 3);
	assert_int_equal(fake.groups_set, GYRE_STATE_ACTIVITY);
}

static void a_fault_of_the_new_task_finds_its_state(void **state)
{
	(void)state;
	boot_put32(ram + NEW + 0x54, 0x1000);
	page->instruction_length = 7;
	give(GYRE_TASK_CALL, 0, 0);
	assert_int_equal(page->event, EVENT(EXCEPTION, 10) | GYRE_EVENT_ERROR);
	assert_int_equal(page->event_error, 0x1000);
	assert_int_equal(page->rip, 0x305000);
	assert_int_equal(machine.vcpu.state->segment[GYRE_TR].selector, SEL_NEW);
	assert_int_equal(machine.vcpu.state->segment[GYRE_DS].selector, 0x1000);
	assert_int_equal(machine.vcpu.state->segment[GYRE_DS].attributes, GYRE_SEGMENT_UNUSABLE);
	assert_int_equal(boot_u32(ram + OLD + 0x20), CODE + 0x47);
}

static void code_that_has_changed_runs_again(void **state)
{
	(void)state;
	memset(ram + CODE + 0x40, 0x90, 8);
	give(GYRE_TASK_CALL, 0, 0);
	assert_int_equal(page->event, 0);
	assert_int_equal(page->rip, CODE + 0x40);
	assert_int_equal(machine.vcpu.state->segment[GYRE_TR].selector, SEL_OLD);
}

static void pae_entries_go_to_the_processor(void **state)
{
	(void)state;
	struct gyre_vcpu_state *s = machine.vcpu.state;
	s->cr0 |= 0x80000000, page->cr0 = s->cr0, page->mode |= GYRE_MODE_PG | GYRE_MODE_PAE;
	s->cr4 |= 0x20, page->cr4 = s->cr4;
	s->cr3 = page->cr3 = 0x308000;
	boot_put32(ram + 0x308000, 0x309001), boot_put32(ram + 0x308020, 0x309001);
	boot_put32(ram + 0x308038, 0x30a001);
	boot_put32(ram + 0x309000 + 8, 0x200083), boot_put32(ram + 0x309000, 0x83);
	boot_put32(ram + NEW + 0x1c, 0x308020);
	page->instruction_length = 7;
	give(GYRE_TASK_CALL, 0, 0);
	assert_int_equal(page->event, 0);
	assert_int_equal(s->cr3, 0x308020);
	assert_int_equal(s->pdpte[0], 0x309001);
	assert_int_equal(s->pdpte[1], 0);
	assert_int_equal(s->pdpte[3], 0x30a001);
	assert_int_equal(fake.groups_set, GYRE_STATE_CONTROL | GYRE_STATE_DEBUG);
}

static void a_state_in_a_device_is_a_crash(void **state)
{
	(void)state;
	put_descriptor(SEL_NEW, 0xfec00000, 0x67, 0x089);
	page->instruction_length = 7;
	ENDS(give(GYRE_TASK_CALL, 0, 0));
	assert_int_equal(fake.reason, GYRE_END_CRASHED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_event_is_consumed, setup),
		cmocka_unit_test_setup(an_error_code_that_only_the_exit_has, setup),
		cmocka_unit_test_setup(interrupts_and_traps_save_the_flags_as_they_are, setup),
		cmocka_unit_test_setup(nmis_are_blocked_until_the_return, setup),
		cmocka_unit_test_setup(software_interrupts_go_on_behind_the_instruction, setup),
		cmocka_unit_test_setup(the_trap_flag_makes_a_debug_exception, setup),
		cmocka_unit_test_setup(a_fault_of_the_old_task_changes_nothing, setup),
		cmocka_unit_test_setup(faults_add_up, setup),
		cmocka_unit_test_setup(a_fault_of_the_new_task_finds_its_state, setup),
		cmocka_unit_test_setup(code_that_has_changed_runs_again, setup),
		cmocka_unit_test_setup(pae_entries_go_to_the_processor, setup),
		cmocka_unit_test_setup(a_state_in_a_device_is_a_crash, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
