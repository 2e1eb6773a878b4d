/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/dev/pic8259.c: the pair of interrupt controllers of a PC, as the data sheet of the 8259A has it.
 *   Guest sees   ports 0x20, 0x21, 0xa0, 0xa1; edge/level registers at 0x4d0, 0x4d1      Host gives   a line to the processor
 *   Models       initialization, priorities and their rotation, special mask, automatic EOI, poll, level inputs by ELCR or ICW1
 *   Leaves out   buffered mode, MCS-80 mode; the slave is always at input 2
 *   State        struct pic_state, saved, version 1             Runs on      the monitor's thread
 *   Trust        every register value is hostile                Tests        test_pic8259.c, fuzz_devices.c
 */
#include "monitor/dev/pic8259.h"
#include "gyre/errors.h"
#include "lib/string.h"

#define CASCADE	   2
#define ICW1_ICW4  0x01u
#define ICW1_LEVEL 0x08u
#define ICW4_AEOI  0x02u
#define ICW4_SFNM  0x10u
static const uint8_t elcr_allowed[2] = {0xf8, 0xde}; /* not the timer's, keyboard's, cascade's, RTC's and FPU's */

/* The input of highest priority among those in set, or -1. */
static int pic_first(const struct pic_chip_state *chip, uint8_t set)
{
	if (!set)
		return -1;
	/* Turned so that the highest priority is bit 0. */
	unsigned highest = (chip->lowest + 1u) & 7;
	unsigned turned = (set | (unsigned)set << 8) >> highest & 0xff;
	return (int)((highest + (unsigned)__builtin_ctz(turned)) & 7);
}

static int pic_priority(const struct pic_chip_state *chip, int input)
{
	return (input - chip->lowest - 1) & 7; /* 0: highest */
}

/* The input that chip asks to be served now, or -1. */
static int pic_pending(const struct pic_chip_state *chip, int master)
{
	int input = pic_first(chip, chip->irr & (uint8_t)~chip->imr);
	if (input < 0)
		return -1;
	uint8_t in_service = chip->isr;
	if (chip->special_mask)
		in_service &= (uint8_t)~chip->imr;
	/* In special fully nested mode the master lets further requests of a slave in service through. */
	if (master && (chip->icw4 & ICW4_SFNM))
		in_service &= (uint8_t) ~(1u << CASCADE);
	int serving = pic_first(chip, in_service);
	if (serving >= 0 && pic_priority(chip, serving) <= pic_priority(chip, input))
		return -1;
	return input;
}

static void chip_line(struct pic_chip_state *chip, unsigned input, int level)
{
	uint8_t bit = (uint8_t)(1u << input);
	int by_level = (chip->elcr & bit) || (chip->icw1 & ICW1_LEVEL);
	if (level) {
		if (by_level || !(chip->lines & bit))
			chip->irr |= bit;
		chip->lines |= bit;
	} else {
		if (by_level)
			chip->irr &= (uint8_t)~bit;
		chip->lines &= (uint8_t)~bit;
	}
}

static void pic_update(struct pic8259 *pic)
{
	/* While a chip is being initialized it asks for nothing. */
	int slave = !pic->state.chip[1].icw && pic_pending(&pic->state.chip[1], 0) >= 0;
	chip_line(&pic->state.chip[0], CASCADE, slave);
	/* The cascade is a level: it asks as long as the slave does, whatever ICW1 says. */
	if (slave)
		pic->state.chip[0].irr |= 1u << CASCADE;
	else
		pic->state.chip[0].irr &= (uint8_t) ~(1u << CASCADE);
	int level = !pic->state.chip[0].icw && pic_pending(&pic->state.chip[0], 1) >= 0;
	if (level != pic->out_level) {
		pic->out_level = level;
		line_set(&pic->out, level);
	}
}

void pic_set(void *context, unsigned number, int level)
{
	struct pic8259 *pic = context;
	if (number >= 16 || number == CASCADE)
		return;
	chip_line(&pic->state.chip[number >> 3], number & 7, level);
	pic_update(pic);
}

static uint8_t chip_acknowledge(struct pic_chip_state *chip, int input)
{
	uint8_t bit = (uint8_t)(1u << input);
	if (!((chip->elcr & bit) || (chip->icw1 & ICW1_LEVEL)))
		chip->irr &= (uint8_t)~bit;
	if (!(chip->icw4 & ICW4_AEOI))
		chip->isr |= bit;
	else if (chip->rotate_aeoi)
		chip->lowest = (uint8_t)input;
	return (uint8_t)(chip->base + input);
}

uint8_t pic_acknowledge(struct pic8259 *pic)
{
	struct pic_chip_state *master = &pic->state.chip[0], *slave = &pic->state.chip[1];
	int input = pic_pending(master, 1);
	uint8_t vector;
	if (input < 0) {
		vector = (uint8_t)(master->base + 7); /* the request went away: default IR7 */
	} else {
		vector = chip_acknowledge(master, input);
		if (input == CASCADE) {
			input = pic_pending(slave, 0);
			vector = input < 0 ? (uint8_t)(slave->base + 7) : chip_acknowledge(slave, input);
		}
	}
	pic_update(pic);
	return vector;
}

static void chip_eoi(struct pic_chip_state *chip, uint8_t ocw2)
{
	int input = ocw2 & 7;
	switch (ocw2 >> 5) {
	case 1: /* non-specific EOI; 5: with rotation */
	case 5: {
		uint8_t set = chip->isr;
		if (chip->special_mask)
			set &= (uint8_t)~chip->imr; /* a masked input's bit is not cleared in special mask mode */
		input = pic_first(chip, set);
		if (input < 0)
			return;
		chip->isr &= (uint8_t) ~(1u << input);
		if (ocw2 >> 5 == 5)
			chip->lowest = (uint8_t)input;
		return;
	}
	case 3: chip->isr &= (uint8_t) ~(1u << input); return;
	case 7:
		chip->isr &= (uint8_t) ~(1u << input);
		chip->lowest = (uint8_t)input;
		return;
	case 6: chip->lowest = (uint8_t)input; return;
	case 4: chip->rotate_aeoi = 1; return;
	case 0: chip->rotate_aeoi = 0; return;
	default: return;
	}
}

static void chip_command(struct pic_chip_state *chip, uint8_t value)
{
	if (value & 0x10) { /* ICW1 */
		chip->icw1 = value & (ICW1_ICW4 | ICW1_LEVEL | 0x02);
		chip->icw = 2;
		chip->irr = 0, chip->isr = 0, chip->imr = 0;
		chip->lowest = 7;
		chip->icw4 = 0;
		chip->read_isr = chip->poll = chip->special_mask = chip->rotate_aeoi = 0;
		return;
	}
	if (value & 0x08) { /* OCW3 */
		if (value & 0x40)
			chip->special_mask = value >> 5 & 1;
		chip->poll = value >> 2 & 1;
		if (value & 0x02)
			chip->read_isr = value & 1;
		return;
	}
	chip_eoi(chip, value);
}

static void chip_data(struct pic_chip_state *chip, uint8_t value)
{
	switch (chip->icw) {
	case 2:
		chip->base = value & 0xf8;
		chip->icw = chip->icw1 & 0x02 ? chip->icw1 & ICW1_ICW4 ? 4 : 0 : 3;
		return;
	case 3: /* where the cascade is, which is wired */ chip->icw = chip->icw1 & ICW1_ICW4 ? 4 : 0; return;
	case 4:
		chip->icw4 = value & 0x1f;
		chip->icw = 0;
		return;
	default: chip->imr = value; return;
	}
}

/* A read after the poll command acknowledges: bit 7 and the input, or nothing. */
static uint8_t chip_poll(struct pic_chip_state *chip, int master)
{
	chip->poll = 0;
	int input = pic_pending(chip, master);
	if (input < 0)
		return 7;
	chip_acknowledge(chip, input);
	return (uint8_t)(0x80 | input);
}

static uint32_t pic_read(void *device, uint16_t port, unsigned size)
{
	struct pic8259 *pic = device;
	struct pic_chip_state *chip = &pic->state.chip[port >> 7 & 1];
	(void)size;
	if (chip->poll) {
		uint8_t value = chip_poll(chip, chip == &pic->state.chip[0]);
		pic_update(pic);
		return value;
	}
	if (port & 1)
		return chip->imr;
	return chip->read_isr ? chip->isr : chip->irr;
}

static void pic_write(void *device, uint16_t port, unsigned size, uint32_t value)
{
	struct pic8259 *pic = device;
	struct pic_chip_state *chip = &pic->state.chip[port >> 7 & 1];
	(void)size;
	if (port & 1)
		chip_data(chip, (uint8_t)value);
	else
		chip_command(chip, (uint8_t)value);
	/* Level inputs ask again after an initialization that cleared their requests. */
	chip->irr |= chip->lines & chip->elcr;
	pic_update(pic);
}

static uint32_t elcr_read(void *device, uint16_t port, unsigned size)
{
	struct pic8259 *pic = device;
	(void)size;
	return pic->state.chip[port & 1].elcr;
}

static void elcr_write(void *device, uint16_t port, unsigned size, uint32_t value)
{
	struct pic8259 *pic = device;
	struct pic_chip_state *chip = &pic->state.chip[port & 1];
	(void)size;
	chip->elcr = (uint8_t)value & elcr_allowed[port & 1];
	chip->irr = (uint8_t)((chip->irr & ~chip->elcr) | (chip->lines & chip->elcr));
	pic_update(pic);
}

static void pic_reset(void *device)
{
	struct pic8259 *pic = device;
	uint8_t lines[2] = {pic->state.chip[0].lines, pic->state.chip[1].lines};
	memset(&pic->state, 0, sizeof pic->state);
	for (int i = 0; i < 2; i++) {
		pic->state.chip[i].lines = lines[i] & (uint8_t)(i ? 0xff : ~(1u << CASCADE));
		pic->state.chip[i].lowest = 7;
		pic->state.chip[i].imr = 0xff; /* as firmware leaves it: nothing asks before an OS wants it */
		pic->state.chip[i].base = i ? 0x70 : 0x08;
	}
	pic_update(pic);
}

static int pic_check(const void *state)
{
	const struct pic_state *pic = state;
	for (int i = 0; i < 2; i++) {
		const struct pic_chip_state *chip = &pic->chip[i];
		if (chip->lowest > 7 || chip->icw > 4 || chip->icw == 1 || (chip->base & 7) ||
			(chip->elcr & ~elcr_allowed[i]))
			return -GYRE_EPROTO;
	}
	return 0;
}

static void pic_resume(void *device, uint64_t now)
{
	struct pic8259 *pic = device;
	(void)now;
	pic->out_level = -1;
	pic_update(pic);
}

static void pic_fields(struct save *save, void *state)
{
	struct pic_state *pic = state;
	for (int i = 0; i < 2; i++) {
		struct pic_chip_state *chip = &pic->chip[i];
		save_u8(save, &chip->irr);
		save_u8(save, &chip->isr);
		save_u8(save, &chip->imr);
		save_u8(save, &chip->lines);
		save_u8(save, &chip->elcr);
		save_u8(save, &chip->base);
		save_u8(save, &chip->lowest);
		save_u8(save, &chip->icw);
		save_u8(save, &chip->icw1);
		save_u8(save, &chip->icw4);
		save_u8(save, &chip->read_isr);
		save_u8(save, &chip->poll);
		save_u8(save, &chip->special_mask);
		save_u8(save, &chip->rotate_aeoi);
	}
}

static const struct device_ops pic_ops = {
	"pic8259", PIC_STATE_VERSION, sizeof(struct pic_state), pic_reset, pic_check, pic_resume, pic_fields};

struct device pic_device(struct pic8259 *pic)
{
	return (struct device){&pic_ops, pic, &pic->state};
}

void pic_init(struct pic8259 *pic, struct bus *bus, const struct line *out)
{
	memset(pic, 0, sizeof *pic);
	pic->out = *out;
	pic->out_level = -1;
	const struct port_handler chips = {pic_read, pic_write, pic, BUS_SIZE_1};
	const struct port_handler elcr = {elcr_read, elcr_write, pic, BUS_SIZE_1};
	bus_ports(bus, 0x20, 2, &chips);
	bus_ports(bus, 0xa0, 2, &chips);
	bus_ports(bus, 0x4d0, 2, &elcr);
	pic_reset(pic);
}
