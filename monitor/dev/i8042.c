/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/dev/i8042.c: the keyboard controller of a PC with nothing plugged in, and the other two registers that reset the machine.
 *   Guest sees   ports 0x60, 0x64, 0x92, 0xcf9; interrupts 1 and 12             Host gives   reset
 *   Models       self-test, command byte, output port, the answer that no keyboard is there; A20 as a bit that reads back
 *   Leaves out   keyboard and mouse; memory wrapping at 1 MiB with A20 off
 *   State        struct i8042_state, saved, version 1           Runs on      the monitor's thread
 *   Trust        every register value is hostile                Tests        test_i8042.c, fuzz_devices.c
 */
#include "monitor/dev/i8042.h"
#include "gyre/errors.h"
#include "lib/string.h"

#define STATUS_FULL    0x01u
#define STATUS_SYSTEM  0x04u
#define STATUS_COMMAND 0x08u
#define STATUS_AUX     0x20u
#define STATUS_TIMEOUT 0x40u
#define STATUS_ALL     (STATUS_FULL | STATUS_SYSTEM | STATUS_COMMAND | STATUS_AUX | STATUS_TIMEOUT)
#define STATUS_FREE    0x10u /* the keyboard is not locked */
#define COMMAND_IRQ1   0x01u
#define COMMAND_IRQ12  0x02u
#define COMMAND_SYSTEM 0x04u
#define COMMAND_NO_KEY 0x10u
#define COMMAND_NO_AUX 0x20u
#define OUTPORT_RESET  0x01u /* low: reset */
#define OUTPORT_A20    0x02u

static void kbc_lines(struct i8042 *kbc)
{
	const struct i8042_state *state = &kbc->state;
	int full = state->status & STATUS_FULL, aux = (state->status & STATUS_AUX) != 0;
	line_set(&kbc->keyboard, full && !aux && (state->command & COMMAND_IRQ1));
	line_set(&kbc->mouse, full && aux && (state->command & COMMAND_IRQ12));
}

static void kbc_answer(struct i8042 *kbc, uint8_t value, uint8_t flags)
{
	kbc->state.output = value;
	kbc->state.status = (uint8_t)((kbc->state.status & STATUS_SYSTEM) | STATUS_FULL | flags);
	kbc_lines(kbc);
}

static void kbc_reset_machine(struct i8042 *kbc)
{
	kbc->control.request(kbc->control.context, MACHINE_RESET, 0);
}

static void kbc_outport(struct i8042 *kbc, uint8_t value)
{
	kbc->state.outport = value;
	if (!(value & OUTPORT_RESET))
		kbc_reset_machine(kbc);
}

static void kbc_command(struct i8042 *kbc, uint8_t value)
{
	struct i8042_state *state = &kbc->state;
	state->pending = 0;
	state->status |= STATUS_COMMAND;
	switch (value) {
	case 0x20: kbc_answer(kbc, state->command, 0); return;
	case 0xa7: state->command |= COMMAND_NO_AUX; return;
	case 0xa8: state->command &= (uint8_t)~COMMAND_NO_AUX; return;
	case 0xa9: /* tests of the interfaces: all well */
	case 0xab: kbc_answer(kbc, 0x00, 0); return;
	case 0xaa:
		state->status |= STATUS_SYSTEM;
		kbc_answer(kbc, 0x55, 0);
		return;
	case 0xad: state->command |= COMMAND_NO_KEY; return;
	case 0xae: state->command &= (uint8_t)~COMMAND_NO_KEY; return;
	case 0xc0: kbc_answer(kbc, 0x80, 0); return;
	case 0xd0: kbc_answer(kbc, state->outport, 0); return;
	case 0xdd: state->outport &= (uint8_t)~OUTPORT_A20; return;
	case 0xdf: state->outport |= OUTPORT_A20; return;
	case 0x60:
	case 0xd1:
	case 0xd2:
	case 0xd3:
	case 0xd4: state->pending = value; return;
	default:
		/* 0xf0 to 0xff pulse the bits of the output port that are 0 */
		if (value >= 0xf0 && !(value & 1))
			kbc_reset_machine(kbc);
		return;
	}
}

static void kbc_data(struct i8042 *kbc, uint8_t value)
{
	struct i8042_state *state = &kbc->state;
	uint8_t pending = state->pending;
	state->pending = 0;
	state->status &= (uint8_t)~STATUS_COMMAND;
	switch (pending) {
	case 0x60:
		state->command = value & 0x7f;
		state->status = (uint8_t)((state->status & ~STATUS_SYSTEM) | (value & COMMAND_SYSTEM));
		kbc_lines(kbc);
		return;
	case 0xd1: kbc_outport(kbc, value); return;
	case 0xd2: kbc_answer(kbc, value, 0); return;
	case 0xd3: kbc_answer(kbc, value, STATUS_AUX); return;
	case 0xd4: kbc_answer(kbc, 0xfe, STATUS_AUX | STATUS_TIMEOUT); return;
	default: kbc_answer(kbc, 0xfe, STATUS_TIMEOUT); return; /* the keyboard would answer, if there were one */
	}
}

static uint32_t kbc_read(void *device, uint16_t port, unsigned size)
{
	struct i8042 *kbc = device;
	(void)size;
	if (port == 0x64)
		return kbc->state.status | STATUS_FREE;
	kbc->state.status &= (uint8_t) ~(STATUS_FULL | STATUS_AUX | STATUS_TIMEOUT);
	kbc_lines(kbc);
	return kbc->state.output;
}

static void kbc_write(void *device, uint16_t port, unsigned size, uint32_t value)
{
	(void)size;
	if (port == 0x64)
		kbc_command(device, (uint8_t)value);
	else
		kbc_data(device, (uint8_t)value);
}

static uint32_t control_read(void *device, uint16_t port, unsigned size)
{
	struct i8042 *kbc = device;
	(void)size;
	if (port == 0x92)
		return kbc->state.port92 | (kbc->state.outport & OUTPORT_A20);
	return kbc->state.portcf9;
}

static void control_write(void *device, uint16_t port, unsigned size, uint32_t value)
{
	struct i8042 *kbc = device;
	(void)size;
	if (port == 0x92) {
		uint8_t before = kbc->state.port92;
		kbc->state.port92 = value & 0x01;
		kbc->state.outport = (uint8_t)((kbc->state.outport & ~OUTPORT_A20) | (value & OUTPORT_A20));
		if (kbc->state.port92 & ~before) /* the fast reset: bit 0 rises */
			kbc_reset_machine(kbc);
		return;
	}
	uint8_t before = kbc->state.portcf9;
	kbc->state.portcf9 = value & 0x0e;
	if (kbc->state.portcf9 & ~before & 0x04) /* bit 2 rises: hard or soft, this machine knows one reset */
		kbc_reset_machine(kbc);
}

static void kbc_reset(void *device)
{
	struct i8042 *kbc = device;
	/* As firmware leaves it: tested, interrupts off. */
	kbc->state = (struct i8042_state){.command = COMMAND_SYSTEM | COMMAND_NO_KEY | COMMAND_NO_AUX,
		.status = STATUS_SYSTEM,
		.outport = 0xc0 | OUTPORT_A20 | OUTPORT_RESET};
	kbc_lines(kbc);
}

static int kbc_check(const void *state)
{
	const struct i8042_state *kbc = state;
	if ((kbc->status & ~STATUS_ALL) || (kbc->command & 0x80) || (kbc->port92 & ~1u) || (kbc->portcf9 & ~0x0eu))
		return -GYRE_EPROTO;
	return 0;
}

static void kbc_resume(void *device, uint64_t now)
{
	(void)now;
	kbc_lines(device);
}

static void kbc_fields(struct save *save, void *state)
{
	struct i8042_state *kbc = state;
	save_u8(save, &kbc->command);
	save_u8(save, &kbc->pending);
	save_u8(save, &kbc->output);
	save_u8(save, &kbc->status);
	save_u8(save, &kbc->outport);
	save_u8(save, &kbc->port92);
	save_u8(save, &kbc->portcf9);
}

static const struct device_ops kbc_ops = {
	"i8042", I8042_STATE_VERSION, sizeof(struct i8042_state), kbc_reset, kbc_check, kbc_resume, kbc_fields};

struct device i8042_device(struct i8042 *kbc)
{
	return (struct device){&kbc_ops, kbc, &kbc->state};
}

void i8042_init(struct i8042 *kbc, struct bus *bus, const struct line *keyboard, const struct line *mouse,
	const struct control *control)
{
	memset(kbc, 0, sizeof *kbc);
	kbc->keyboard = *keyboard;
	kbc->mouse = *mouse;
	kbc->control = *control;
	const struct port_handler keys = {kbc_read, kbc_write, kbc, BUS_SIZE_1};
	const struct port_handler ports = {control_read, control_write, kbc, BUS_SIZE_1};
	bus_ports(bus, 0x60, 1, &keys);
	bus_ports(bus, 0x64, 1, &keys);
	bus_ports(bus, 0x92, 1, &ports);
	bus_ports(bus, 0xcf9, 1, &ports);
	kbc_reset(kbc);
}
