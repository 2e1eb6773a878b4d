/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/machine/bus.c: dispatch of port and memory accesses to devices.
 */
#include "monitor/machine/bus.h"
#include "lib/string.h"

static uint32_t nobody_read(void *device, uint16_t port, unsigned size)
{
	(void)device, (void)port;
	return 0xffffffffu >> (32 - 8 * size);
}

static void nobody_write(void *device, uint16_t port, unsigned size, uint32_t value)
{
	(void)device, (void)port, (void)size, (void)value;
}

void bus_init(struct bus *bus)
{
	memset(bus, 0, sizeof *bus);
	/* Only bytes: an access of more may reach beyond a hole, into a device. */
	bus->handler[0] = (struct port_handler){nobody_read, nobody_write, NULL, BUS_SIZE_1};
	bus->handlers = 1;
}

static int same_handler(const struct port_handler *a, const struct port_handler *b)
{
	return a->read == b->read && a->write == b->write && a->device == b->device && a->sizes == b->sizes;
}

void bus_ports(struct bus *bus, uint16_t first, unsigned count, const struct port_handler *handler)
{
	unsigned index = 1;
	while (index < bus->handlers && !same_handler(&bus->handler[index], handler))
		index++;
	if (index == BUS_PORT_HANDLERS || first + count > 65536)
		return;
	if (index == bus->handlers)
		bus->handler[bus->handlers++] = *handler;
	memset(bus->port + first, (int)index, count);
}

void bus_ports_remove(struct bus *bus, uint16_t first, unsigned count)
{
	if (first + count <= 65536)
		memset(bus->port + first, 0, count);
}

uint32_t bus_port_read_split(struct bus *bus, uint16_t port, unsigned size)
{
	const struct port_handler *handler;
	uint32_t value = 0;
	for (unsigned i = 0; i < size; i++) {
		uint32_t byte = 0xff; /* beyond the last port there is nothing: no wrap to port 0 */
		if (port + i < 65536) {
			handler = &bus->handler[bus->port[port + i]];
			if (handler->sizes & BUS_SIZE_1)
				byte = handler->read(handler->device, (uint16_t)(port + i), 1) & 0xff;
		}
		value |= byte << (8 * i);
	}
	return value;
}

void bus_port_write_split(struct bus *bus, uint16_t port, unsigned size, uint32_t value)
{
	const struct port_handler *handler;
	for (unsigned i = 0; i < size && port + i < 65536; i++) {
		handler = &bus->handler[bus->port[port + i]];
		if (handler->sizes & BUS_SIZE_1)
			handler->write(handler->device, (uint16_t)(port + i), 1, value >> (8 * i) & 0xff);
	}
}

void bus_mmio(struct bus *bus, const struct mmio_region *region)
{
	if (bus->regions < BUS_MMIO_REGIONS)
		bus->mmio[bus->regions++] = *region;
}

struct mmio_region *bus_mmio_search(struct bus *bus, uint64_t gpa)
{
	for (unsigned i = 0; i < bus->regions; i++) {
		struct mmio_region *region = &bus->mmio[i];
		if (gpa - region->base < region->bytes) {
			bus->last = i;
			return region;
		}
	}
	return NULL;
}

/* The largest piece at gpa that a device takes at once: a power of two, aligned, at most 8. */
static unsigned mmio_piece(uint64_t gpa, unsigned size)
{
	unsigned piece = 8;
	while (piece > size || (gpa & (piece - 1)))
		piece >>= 1;
	return piece;
}

void bus_mmio_read(struct bus *bus, uint64_t gpa, unsigned size, void *data)
{
	uint8_t *to = data;
	while (size) {
		unsigned piece = mmio_piece(gpa, size);
		struct mmio_region *region = bus_mmio_find(bus, gpa);
		uint64_t value = region ? region->read(region->device, gpa - region->base, piece) : ~0ull;
		memcpy(to, &value, piece);
		to += piece, gpa += piece, size -= piece;
	}
}

void bus_mmio_write(struct bus *bus, uint64_t gpa, unsigned size, const void *data)
{
	const uint8_t *from = data;
	while (size) {
		unsigned piece = mmio_piece(gpa, size);
		struct mmio_region *region = bus_mmio_find(bus, gpa);
		uint64_t value = 0;
		memcpy(&value, from, piece);
		if (region)
			region->write(region->device, gpa - region->base, piece, value);
		from += piece, gpa += piece, size -= piece;
	}
}
