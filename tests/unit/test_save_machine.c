/* SPDX-License-Identifier: Apache-2.0 */
/* A whole machine to a stream and back, and what happens to streams that are wrong: an error in words, and a machine in which nothing has changed. */
/* unit-sources: tests/unit/machine_fixture.c */
/* unit-sources: monitor/machine/machine.c monitor/machine/memory_exit.c monitor/machine/memory_fast.c monitor/machine/processor.c monitor/machine/msr.c */
/* unit-sources: monitor/machine/pvclock.c monitor/machine/level.c monitor/machine/level_portable.c monitor/machine/level_host.c */
/* unit-sources: monitor/machine/failed.c monitor/machine/foreign.c monitor/machine/entry_check.c monitor/machine/entry_check_guest.c monitor/machine/entry_check_state.c */
/* unit-sources: monitor/machine/memory.c monitor/machine/bus.c monitor/machine/clock.c monitor/engine/fake.c */
/* unit-sources: monitor/dev/uart16550.c monitor/dev/pic8259.c monitor/dev/pit8254.c monitor/dev/ioapic.c monitor/dev/rtc.c */
/* unit-sources: monitor/dev/pci.c monitor/dev/acpi_pm.c monitor/dev/i8042.c monitor/dev/testdev.c monitor/dev/device.c */
/* unit-sources: monitor/dev/acpi/tables.c monitor/dev/acpi/dsdt_aml.c */
/* unit-sources: monitor/boot/boot.c monitor/boot/firmware.c monitor/boot/linux.c monitor/boot/multiboot.c monitor/boot/pvh.c monitor/boot/elf.c */
/* unit-sources: monitor/emu/decode.c monitor/emu/exec_alu.c monitor/emu/exec_bits.c monitor/emu/exec_flow.c monitor/emu/exec_move.c */
/* unit-sources: monitor/emu/exec_segment.c monitor/emu/exec_string.c monitor/emu/exec_system.c monitor/emu/exec_vector.c */
/* unit-sources: monitor/machine/task.c monitor/emu/task.c */
/* unit-sources: monitor/emu/mem.c monitor/emu/step.c monitor/emu/table.c monitor/emu/walk.c lib/format.c lib/string.c lib/string_more.c */
/* unit-sources: monitor/save/machine.c monitor/save/processor.c monitor/save/same.c monitor/save/recreate.c monitor/save/stream.c lib/crc32.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "gyre/errors.h"
#include "lib/crc32.h"
#include "monitor/save/machine.h"
#include "monitor/save/processor.h"
#include "tests/unit/machine_fixture.h"

static struct gyre_recreation recreation;
static uint8_t stream[16384], again[16384];
static size_t bytes;

static uint64_t seed = 0x6d616368;
static uint32_t next(void)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(seed >> 32);
}

static void put32(uint8_t *at, uint32_t value)
{
	memcpy(at, &value, 4);
}

/* A stream that is right but for what a test changes: its checksum is made again. */
static void crc_make(uint8_t *data, size_t length)
{
	put32(data + 20, 0);
	put32(data + 20, gyre_crc32(0, data, length));
}

/* Where a section's fields are; its version is 8 bytes before. */
static uint8_t *fields_of(uint8_t *data, const char *name)
{
	struct save_stream open;
	assert_int_equal(save_open(&open, data, bytes), 0);
	for (uint32_t i = 0; i < open.sections; i++)
		if (!strcmp((const char *)data + open.section[i].at, name))
			return data + open.section[i].at + SAVE_SECTION_BYTES;
	fail_msg("no section %s", name);
	return NULL;
}

/* A machine in which everything has a value of its own: a processor in the middle of something, devices that were played with. */
static void disturb(void)
{
	struct gyre_vcpu_page *page = machine.vcpu.page;
	uint64_t *state = (uint64_t *)(void *)machine.vcpu.state;
	for (unsigned i = 0; i < sizeof(struct gyre_vcpu_state) / 8; i++)
		state[i] = (uint64_t)next() << 32 | next();
	for (unsigned i = 0; i < GYRE_SEGMENTS; i++)
		machine.vcpu.state->segment[i].attributes &= 0xfff;
	for (unsigned i = 0; i < GYRE_GPRS; i++)
		page->gpr[i] = (uint64_t)next() << 32 | next();
	for (unsigned i = 0; i < 512; i++)
		machine.vcpu.fpu[i] = (uint8_t)next();
	memset(machine.vcpu.fpu + 28, 0xff, 4);
	page->rip = next();
	page->rflags = next();
	page->interruptibility = GYRE_INTERRUPTIBILITY_NMI;
	page->event = GYRE_EVENT_VALID | GYRE_EVENT_EXCEPTION | GYRE_EVENT_ERROR | 14;
	page->event_error = 2;
	page->cr2 = next();
	page->entry_flags = GYRE_ENTRY_COMPLETED | GYRE_ENTRY_APIC_READ;
	page->apic_register = 0x20;
	page->apic_gpr = 3;
	machine.cpu = (struct machine_cpu){next(), next()};
	machine.quick_resets = 3;
	fake.policy.tsc_offset = (int64_t)machine.clock.offset + 777; /* it wrote its TSC */
	fake.console = (struct engine_console){1, 700, {0}};
	for (unsigned i = 0; i < fake.console.count; i++)
		fake.console.waiting[i] = (uint8_t)next();
	for (unsigned i = 0; i < 3000; i++)
		bus_port_write(&machine.bus, (uint16_t)(i % 3 == 0 ? 0x3f8 + next() % 8 : 0x20 + next() % 0x90), 1,
			next() & 0xff);
	machine.request = MACHINE_RUN;
	fake_pass(1000000);
}

static void build(void)
{
	machine_describe();
	fake.tsc = 5000000000;
	vm.recreation = &recreation;
}

/* Starts from a stream, at a time: NULL, or how it was refused. */
static const char *start_at(uint64_t tsc, uint64_t clock_offset, const uint8_t *data, size_t length)
{
	build();
	fake.tsc = tsc;
	memset(&recreation, 0, sizeof(recreation));
	memcpy(recreation.stream, data, length);
	recreation.bytes = (uint32_t)length;
	recreation.clock_offset = clock_offset;
	if (setjmp(ended))
		return fake.text;
	machine_start(&machine, &vm);
	return NULL;
}

static const char *start_from(const uint8_t *data, size_t length)
{
	return start_at(5000000000, (uint64_t)-1000, data, length);
}

/* The first machine cannot load a kernel: it is one that is built, with nothing in it. */
static int setup(void **state)
{
	(void)state;
	build();
	memset(&recreation, 0, sizeof(recreation));
	if (setjmp(ended) == 0)
		machine_start(&machine, &vm); /* ends with "the file is empty" */
	msr_reset(&machine);
	disturb();
	bytes = machine_save(&machine, stream, sizeof(stream));
	return bytes ? 0 : -1;
}

static void a_machine_goes_through_a_stream(void **state)
{
	(void)state;
	static struct machine before;
	static struct gyre_vcpu_page page;
	static struct gyre_vcpu_state registers;
	before = machine;
	page = *machine.vcpu.page;
	registers = *machine.vcpu.state;
	static struct engine_console console;
	console = fake.console;
	const char *why = start_from(stream, bytes);
	if (why)
		fail_msg("%s", why);
	assert_int_equal(fake.groups_set, GYRE_STATE_ALL);
	assert_memory_equal(&fake.console, &console, sizeof(console));
	for (unsigned i = 0; i < machine.devices; i++) {
		size_t offset = (size_t)((uint8_t *)before.device[i].state - (uint8_t *)&machine);
		const char *name = before.device[i].ops->name;
		if (strcmp(name, "rtc") && strcmp(name, "acpi-pm") && strcmp(name, "uart16550"))
			assert_memory_equal((uint8_t *)&before + offset, machine.device[i].state,
				before.device[i].ops->state_bytes);
	}
	assert_memory_equal(&before.msr, &machine.msr, sizeof(machine.msr));
	assert_memory_equal(&before.cpu, &machine.cpu, sizeof(machine.cpu));
	assert_int_equal(machine.quick_resets, 3);
	assert_int_equal(machine.clock.offset, (uint64_t)-1000);
	assert_memory_equal(page.gpr, machine.vcpu.page->gpr, sizeof(page.gpr));
	assert_int_equal(page.rip, machine.vcpu.page->rip);
	assert_int_equal(page.event, machine.vcpu.page->event);
	assert_int_equal(page.cr2, machine.vcpu.page->cr2);
	assert_int_equal(page.entry_flags, machine.vcpu.page->entry_flags);
	/* The TSC goes on by the policy; all else is as it was, but for bits that no processor has. */
	assert_int_equal(fake.policy.tsc_offset, 777 - 1000);
	registers.lstar = machine.vcpu.state->lstar;
	registers.cstar = machine.vcpu.state->cstar;
	registers.kernel_gs_base = machine.vcpu.state->kernel_gs_base;
	registers.sfmask = (uint32_t)registers.sfmask;
	registers.tsc_offset = machine.vcpu.state->tsc_offset;
	registers.tsc = machine.vcpu.state->tsc;
	registers.gdtr.reserved = registers.idtr.reserved = registers.apic_reserved = 0;
	assert_memory_equal(&registers, machine.vcpu.state, sizeof(registers));
}

/* The clock goes on, and no device has to catch up with it: so those are compared too whose memory holds what follows from the clock. */
static void saved_again_it_says_the_same(void **state)
{
	(void)state;
	machine_resume(&machine);
	bytes = machine_save(&machine, stream, sizeof(stream));
	const char *why = start_at(fake.tsc, machine.clock.offset, stream, bytes);
	if (why)
		fail_msg("%s", why);
	const char *differs = machine_same(stream, bytes, again, machine_save(&machine, again, sizeof(again)));
	if (differs)
		fail_msg("saved again: %s", differs);
}

/* A field of the state groups that is not saved is found here: each 32 bits of them change the stream, or are named. */
static void every_field_of_the_state_groups_is_saved(void **state)
{
	(void)state;
#define FIELD(name) offsetof(struct gyre_vcpu_state, name)
	/* The stream has the TSC and its offset as what it is ahead of the machine's clock. */
	static const size_t nowhere[] = {FIELD(gdtr.reserved), FIELD(idtr.reserved), FIELD(sfmask) + 4, FIELD(tsc),
		FIELD(tsc) + 4, FIELD(tsc_offset), FIELD(tsc_offset) + 4, FIELD(apic_reserved)};
	assert_int_equal(machine_save(&machine, stream, sizeof(stream)), bytes);
	for (size_t at = 0; at < sizeof(struct gyre_vcpu_state); at += 4) {
		uint32_t *word = (uint32_t *)(void *)((uint8_t *)machine.vcpu.state + at);
		bool expected = true;
		for (size_t i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++)
			if (at == nowhere[i])
				expected = false;
		*word ^= 0x40;
		size_t length = machine_save(&machine, again, sizeof(again));
		*word ^= 0x40;
		bool saved = length != bytes || memcmp(stream, again, bytes) != 0;
		if (saved != expected)
			fail_msg("the state at %zu is %s", at, saved ? "saved, and must not be" : "not saved");
	}
}

static void every_damage_is_refused(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 400; i++) {
		memcpy(again, stream, bytes);
		again[next() % bytes] ^= (uint8_t)(1u << next() % 8);
		const char *why = start_from(again, bytes);
		assert_non_null(why);
		assert_int_equal(fake.reason, GYRE_END_REFUSED);
		assert_int_equal(fake.groups_set, 0); /* nothing has reached the processor */
	}
	for (unsigned i = 0; i < 100; i++) {
		assert_non_null(start_from(stream, next() % (bytes - 1) + 1));
		assert_int_equal(fake.groups_set, 0);
	}
}

/* With the right checksum: whoever made it is hostile. */
static void what_cannot_be_is_refused_in_words(void **state)
{
	(void)state;
	static const struct {
		const char *section;
		int at; /* from the fields on; before them: -8 version, -24 name */
		uint8_t value;
		const char *why;
	} wrong[] = {
		{"vm", 2, 0xff, "amount of memory"},
		{"vm", 16, 2, "number of processors"},
		{"vm", 20, 2, "CPU level"},
		{"vm", 11, 0x40, "another rate"},
		{"vm", 32, 0, "other devices"},
		{"vm", -8, 9, "version 9"},
		{"time", 7, 0x80, "time cannot be"},
		{"machine", 24, 77, "section machine"},
		{"machine", 39, 1, "section machine"},
		{"msr", 1, 0xff, "section msr"},
		{"pic8259", 6, 9, "section pic8259"},
		{"pit8254", 22, 9, "section pit8254"},
		{"ioapic", 2, 0xfe, "section ioapic"},
		{"uart16550", 16, 99, "section uart16550"},
		{"rtc", 15, 0x70, "section rtc"},
		{"i8042", 5, 0xff, "section i8042"},
		{"acpi-pm", 7, 1, "section acpi-pm"},
		{"testdev", 4, 200, "section testdev"},
		{"pci", 4, 17, "section pci"},
		{"fpu0", 523, 1, "section fpu0"},
		{"console", 0, 2, "section console"},
		{"console", 2, 9, "section console"},
		{"console", -24, 'k', "no section console"},
		{"pic8259", -24, 'q', "no section pic8259"},
		{"pci", -8, 2, "version 2"},
	};
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		memcpy(again, stream, bytes);
		uint8_t *fields = fields_of(again, wrong[i].section);
		fields[wrong[i].at] = wrong[i].value;
		crc_make(again, bytes);
		const char *why = start_from(again, bytes);
		if (!why || !strstr(why, wrong[i].why))
			fail_msg("%s at %d: %s, not %s", wrong[i].section, wrong[i].at, why ? why : "taken",
				wrong[i].why);
		assert_int_equal(fake.groups_set, 0);
		assert_int_equal(fake.console.count, 0);
		assert_int_equal(fake.code, GYRE_STATUS_FAILED);
	}
}

/* A guest may set its TSC to anything, and all of that is possible. */
static void a_tsc_may_be_ahead_by_anything(void **state)
{
	(void)state;
	static const int64_t ahead[] = {INT64_MAX, INT64_MIN, -1};
	const size_t at = 8 * (GYRE_GPRS + 2) + 16 + 8 + 24 + GYRE_SEGMENTS * 16 + 2 * 12 + 7 * 8 + 4 * 8 + 14 * 8;
	for (unsigned i = 0; i < sizeof(ahead) / sizeof(ahead[0]); i++) {
		memcpy(again, stream, bytes);
		uint8_t *place = fields_of(again, "processor0") + at;
		int64_t was;
		memcpy(&was, place, 8);
		assert_int_equal(was, 777); /* as disturb() has it */
		memcpy(place, &ahead[i], 8);
		crc_make(again, bytes);
		for (int sign = -1; sign <= 1; sign += 2) {
			const char *why = start_at(5000000000, (uint64_t)(sign * 1000), again, bytes);
			if (why)
				fail_msg("%s", why);
			assert_int_equal(
				(uint64_t)fake.policy.tsc_offset, (uint64_t)ahead[i] + (uint64_t)(sign * 1000));
		}
	}
}

static void a_section_that_nobody_knows_is_refused(void **state)
{
	(void)state;
	memcpy(again, stream, bytes);
	memset(again + bytes, 0, SAVE_SECTION_BYTES);
	memcpy(again + bytes, "virtio-disk", 11);
	again[bytes + 16] = 1;
	put32(again + 12, (uint32_t)(bytes + SAVE_SECTION_BYTES));
	again[16]++;
	crc_make(again, bytes + SAVE_SECTION_BYTES);
	const char *why = start_from(again, bytes + SAVE_SECTION_BYTES);
	assert_non_null(why);
	assert_non_null(strstr(why, "section virtio-disk of the saved state is unknown"));
	assert_int_equal(fake.groups_set, 0);
	assert_int_equal(fake.console.count, 0);
}

/* The comparison that the test mode makes each time is one that can fail. */
static void streams_that_differ_are_found(void **state)
{
	(void)state;
	memcpy(again, stream, bytes);
	assert_null(machine_same(stream, bytes, again, bytes));
	fields_of(again, "time")[3] ^= 1;
	assert_null(machine_same(stream, bytes, again, bytes));
	static const char *const names[] = {"vm", "processor0", "fpu0", "machine", "msr", "pic8259", "pit8254",
		"ioapic", "rtc", "uart16550", "pci", "acpi-pm", "i8042", "testdev", "console"};
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		memcpy(again, stream, bytes);
		fields_of(again, names[i])[1] ^= 0x80;
		const char *differs = machine_same(stream, bytes, again, bytes);
		assert_non_null(differs);
		assert_non_null(strstr(differs, names[i]));
		assert_non_null(strstr(differs, "byte 1 "));
	}
}

/* What the timer of a local APIC does meanwhile is no difference; anything else in there is. */
static void a_timer_may_run_out_between(void **state)
{
	(void)state;
	uint8_t *apic = fields_of(stream, "apic0"), *other;
	const unsigned lvt = 24 + 0x32 * 4, irr = 24 + 0x20 * 4;
	memset(apic, 0, 24 + 64 * 4 + 12);
	put32(apic + lvt, 0x40000 | 0xec); /* deadline */
	apic[8] = 5;
	memcpy(again, stream, bytes);
	other = again + (apic - stream);
	other[8] = 0;
	assert_non_null(machine_same(stream, bytes, again, bytes));
	other[irr + 4 * (0xec / 32) + 0xec % 32 / 8] = 1u << 0xec % 8;
	assert_null(machine_same(stream, bytes, again, bytes));
	other[irr] = 1;
	assert_non_null(machine_same(stream, bytes, again, bytes));
	other[irr] = 0;
	/* One-shot: less is left; not more. */
	put32(apic + lvt, 0x10000 | 0xec);
	apic[8] = 0;
	apic[16] = 9;
	memcpy(again, stream, bytes);
	other[16] = 8;
	assert_null(machine_same(stream, bytes, again, bytes));
	other[16] = 10;
	assert_non_null(machine_same(stream, bytes, again, bytes));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_machine_goes_through_a_stream, setup),
		cmocka_unit_test_setup(saved_again_it_says_the_same, setup),
		cmocka_unit_test_setup(every_field_of_the_state_groups_is_saved, setup),
		cmocka_unit_test_setup(every_damage_is_refused, setup),
		cmocka_unit_test_setup(what_cannot_be_is_refused_in_words, setup),
		cmocka_unit_test_setup(a_tsc_may_be_ahead_by_anything, setup),
		cmocka_unit_test_setup(a_section_that_nobody_knows_is_refused, setup),
		cmocka_unit_test_setup(streams_that_differ_are_found, setup),
		cmocka_unit_test_setup(a_timer_may_run_out_between, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
