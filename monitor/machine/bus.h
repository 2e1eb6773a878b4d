/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/machine/bus.h: who answers at which I/O port and guest-physical address.
 *
 * Ports are found by one look into a table of 65,536 bytes: the path of a port exit has no search. Memory-mapped devices are few, and
 * the last one that was found is tried first. What nobody claims reads as ones and takes writes silently, as on a PC.
 */
#ifndef MONITOR_MACHINE_BUS_H
#define MONITOR_MACHINE_BUS_H

#include <stddef.h>
#include <stdint.h>

#define BUS_PORT_HANDLERS 64
#define BUS_MMIO_REGIONS  32

/* Sizes that a device takes in one access; others are split into bytes, each of which finds its own device. */
#define BUS_SIZE_1 0x1u
#define BUS_SIZE_2 0x2u
#define BUS_SIZE_4 0x4u

struct port_handler {
	uint32_t (*read)(void *device, uint16_t port, unsigned size);
	void (*write)(void *device, uint16_t port, unsigned size, uint32_t value);
	void *device;
	uint32_t sizes; /* BUS_SIZE_ */
};

/* Sizes of 1, 2, 4 and 8 bytes, not across a multiple of 8; the offset is in the region. */
struct mmio_region {
	uint64_t base, bytes;
	uint64_t (*read)(void *device, uint64_t offset, unsigned size);
	void (*write)(void *device, uint64_t offset, unsigned size, uint64_t value);
	void *device;
};

struct bus {
	uint8_t port[65536]; /* index of a handler; 0: nobody's */
	struct port_handler handler[BUS_PORT_HANDLERS];
	struct mmio_region mmio[BUS_MMIO_REGIONS];
	unsigned handlers, regions, last;
};

void bus_init(struct bus *bus);
/* A device answers at count ports from first on. The same description again (ranges apart) takes no new handler. */
void bus_ports(struct bus *bus, uint16_t first, unsigned count, const struct port_handler *handler);
/* Nobody answers there any more (a BAR was moved). */
void bus_ports_remove(struct bus *bus, uint16_t first, unsigned count);
void bus_mmio(struct bus *bus, const struct mmio_region *region);

/* An access that the device at its first port does not take whole. */
uint32_t bus_port_read_split(struct bus *bus, uint16_t port, unsigned size);
void bus_port_write_split(struct bus *bus, uint16_t port, unsigned size, uint32_t value);

/* size: 1, 2 or 4. */
/* Its address is computed once: left alone, the compiler does so for each field. */
static inline const struct port_handler *bus_port_handler(const struct bus *bus, size_t port)
{
	const struct port_handler *handler = &bus->handler[bus->port[port]];
	__asm__("" : "+r"(handler));
	return handler;
}

static inline uint32_t bus_port_read(struct bus *bus, uint16_t port, unsigned size)
{
	const struct port_handler *handler = bus_port_handler(bus, port);
	if (__builtin_expect((handler->sizes & size) != 0, 1))
		return handler->read(handler->device, port, size);
	return bus_port_read_split(bus, port, size);
}

static inline void bus_port_write(struct bus *bus, uint16_t port, unsigned size, uint32_t value)
{
	const struct port_handler *handler = bus_port_handler(bus, port);
	if (__builtin_expect((handler->sizes & size) != 0, 1))
		handler->write(handler->device, port, size, value);
	else
		bus_port_write_split(bus, port, size, value);
}

/* Any address and size up to 64 bytes: split as devices take it. data is filled in whole. */
void bus_mmio_read(struct bus *bus, uint64_t gpa, unsigned size, void *data);
void bus_mmio_write(struct bus *bus, uint64_t gpa, unsigned size, const void *data);
/* Who answers at gpa, or NULL. */
struct mmio_region *bus_mmio_search(struct bus *bus, uint64_t gpa);
static inline struct mmio_region *bus_mmio_find(struct bus *bus, uint64_t gpa)
{
	struct mmio_region *region = &bus->mmio[bus->last];
	if (__builtin_expect(gpa - region->base < region->bytes, 1))
		return region;
	return bus_mmio_search(bus, gpa);
}

#endif
