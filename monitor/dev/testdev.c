/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/dev/testdev.c: what test kernels that were written for QEMU expect of their machine; there only with --test-device.
 *   Guest sees   debug exit at 0xf4; 0xe0 to 0xe3 read back; 0xe4 drops the mapping of a page, which is rebuilt when it is touched; a doorbell at 0xe8 and
 *                the dirty log at 0xec (1 on, 2 taken, 0 off), for measurements; a text port at 0xe9 for the log; interrupt lines at 0x2000 + n; fw_cfg at 0x510 and 0x511 (signature, id, RAM size, processors, an empty file directory). Its RAM at 0xff000000
 *                is mapped by the machine.
 *   Host gives   interrupt lines, the end of the VM, the mapping
 *   State        struct testdev_state, saved, version 1         Runs on      the monitor's thread
 *   Trust        every register value is hostile                Tests        test_testdev.c, fuzz_devices.c
 */
#include "monitor/dev/testdev.h"
#include "monitor/engine/engine.h"
#include "gyre/errors.h"
#include "lib/string.h"

#define DEBUG_EXIT 0xf4
#define SCRATCH	   0xe0
#define REMAP	   0xe4
#define DEBUG_TEXT 0xe9
#define DIRTY_LOG  0xec
#define LINES	   0x2000
#define LINE_COUNT 24
#define FW_SELECT  0x510
#define FW_DATA	   0x511
#define SIZES_ALL  (BUS_SIZE_1 | BUS_SIZE_2 | BUS_SIZE_4)

static uint32_t nothing_read(void *device, uint16_t port, unsigned size)
{
	(void)device, (void)port, (void)size;
	return 0;
}

static void exit_write(void *device, uint16_t port, unsigned size, uint32_t value)
{
	struct testdev *dev = device;
	(void)port, (void)size;
	dev->host.control.request(dev->host.control.context, MACHINE_DEBUG_EXIT, value);
}

static uint32_t scratch_read(void *device, uint16_t port, unsigned size)
{
	struct testdev *dev = device;
	(void)size;
	return dev->state.scratch[port & 3];
}

static void scratch_write(void *device, uint16_t port, unsigned size, uint32_t value)
{
	struct testdev *dev = device;
	(void)size;
	dev->state.scratch[port & 3] = (uint8_t)value;
}

static void remap_write(void *device, uint16_t port, unsigned size, uint32_t value)
{
	struct testdev *dev = device;
	(void)port, (void)size;
	dev->host.remap(dev->host.context, value & ~0xfffull);
}

static void dirty_write(void *device, uint16_t port, unsigned size, uint32_t value)
{
	struct testdev *dev = device;
	(void)port, (void)size;
	if (value != 2)
		dev->state.dirty_log = value != 0;
	dev->host.dirty(dev->host.context, value);
}

static void lines_write(void *device, uint16_t port, unsigned size, uint32_t value)
{
	struct testdev *dev = device;
	(void)size;
	dev->host.lines.set(dev->host.lines.context, port - LINES, value != 0);
}

static uint32_t text_read(void *device, uint16_t port, unsigned size)
{
	(void)device, (void)port, (void)size;
	return DEBUG_TEXT; /* that is how its presence is told */
}

static void text_write(void *device, uint16_t port, unsigned size, uint32_t value)
{
	struct testdev_state *state = &((struct testdev *)device)->state;
	(void)port, (void)size;
	if (value != '\n')
		state->line[state->line_bytes++] = (uint8_t)(value >= 32 && value < 127 ? value : '.');
	if (value != '\n' && state->line_bytes < sizeof state->line)
		return;
	char text[sizeof state->line + 1];
	memcpy(text, state->line, state->line_bytes);
	text[state->line_bytes] = 0;
	state->line_bytes = 0;
	engine_log(text);
}

/* The bytes of a key: at most 8; what lies beyond reads as zeros. */
static uint8_t fw_cfg_byte(const struct testdev *dev)
{
	uint64_t value;
	unsigned bytes;
	switch (dev->state.fw_cfg_key) {
	case 0x00: value = 0x554d4551, bytes = 4; break; /* "QEMU" */
	case 0x01: value = 1, bytes = 4; break;		 /* the interface by ports, no DMA */
	case 0x03: value = dev->host.memory, bytes = 8; break;
	case 0x05:
	case 0x0f: value = dev->host.cpus, bytes = 2; break;
	default: value = 0, bytes = 0; break; /* 0x19, the directory: no files */
	}
	return dev->state.fw_cfg_offset < bytes ? (uint8_t)(value >> 8 * dev->state.fw_cfg_offset) : 0;
}

static uint32_t fw_cfg_read(void *device, uint16_t port, unsigned size)
{
	struct testdev *dev = device;
	(void)size;
	if (port != FW_DATA)
		return 0;
	uint8_t byte = fw_cfg_byte(dev);
	if (dev->state.fw_cfg_offset < 64)
		dev->state.fw_cfg_offset++;
	return byte;
}

static void fw_cfg_write(void *device, uint16_t port, unsigned size, uint32_t value)
{
	struct testdev *dev = device;
	if (port != FW_SELECT || size != 2)
		return; /* items cannot be written */
	dev->state.fw_cfg_key = (uint16_t)value;
	dev->state.fw_cfg_offset = 0;
}

static void testdev_reset(void *device)
{
	struct testdev *dev = device;
	if (dev->state.dirty_log)
		dev->host.dirty(dev->host.context, 0);
	memset(&dev->state, 0, sizeof dev->state);
}

static int testdev_check(const void *state)
{
	const struct testdev_state *dev = state;
	return dev->line_bytes >= sizeof dev->line || dev->fw_cfg_offset > 64 || dev->dirty_log > 1 ? -GYRE_EPROTO : 0;
}

static void testdev_resume(void *device, uint64_t now)
{
	struct testdev *dev = device;
	(void)now;
	if (dev->state.dirty_log)
		dev->host.dirty(dev->host.context, 1);
}

static void testdev_fields(struct save *save, void *state)
{
	struct testdev_state *dev = state;
	save_bytes(save, dev->scratch, sizeof(dev->scratch));
	save_u32(save, &dev->fw_cfg_offset);
	save_u16(save, &dev->fw_cfg_key);
	save_u8(save, &dev->line_bytes);
	save_u8(save, &dev->dirty_log);
	save_bytes(save, dev->line, sizeof(dev->line));
}

static const struct device_ops testdev_ops = {"testdev", TESTDEV_STATE_VERSION, sizeof(struct testdev_state),
	testdev_reset, testdev_check, testdev_resume, testdev_fields};

struct device testdev_device(struct testdev *dev)
{
	return (struct device){&testdev_ops, dev, &dev->state};
}

void testdev_init(struct testdev *dev, struct bus *bus, const struct testdev_host *host)
{
	memset(dev, 0, sizeof *dev);
	dev->host = *host;
	bus_ports(bus, DEBUG_EXIT, 4, &(struct port_handler){nothing_read, exit_write, dev, SIZES_ALL});
	bus_ports(bus, SCRATCH, 4, &(struct port_handler){scratch_read, scratch_write, dev, BUS_SIZE_1});
	bus_ports(bus, REMAP, 1, &(struct port_handler){nothing_read, remap_write, dev, BUS_SIZE_4});
	bus_ports(bus, DEBUG_TEXT, 1, &(struct port_handler){text_read, text_write, dev, BUS_SIZE_1});
	bus_ports(bus, DIRTY_LOG, 1, &(struct port_handler){nothing_read, dirty_write, dev, BUS_SIZE_4});
	bus_ports(bus, LINES, LINE_COUNT, &(struct port_handler){nothing_read, lines_write, dev, SIZES_ALL});
	bus_ports(bus, FW_SELECT, 2, &(struct port_handler){fw_cfg_read, fw_cfg_write, dev, BUS_SIZE_1 | BUS_SIZE_2});
	testdev_reset(dev);
}
