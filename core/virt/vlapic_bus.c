/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/vlapic_bus.c: messages between the local APICs of a VM, and from its devices. SDM vol. 3, "Issuing Interprocessor Interrupts", "Determining IPI
 * Destination", "Lowest Priority Delivery Mode" and "Message Signalled Interrupts".
 *
 * May run on any CPU for any target: it reads the target's mode and identity (which its own thread may be changing: the message was then sent before or
 * after) and changes only what others may change.
 */
#include "core/virt/vlapic.h"
#include "gyre/errors.h"

#define ESR_SEND_ILLEGAL 0x20u

bool vlapic_post(struct vlapic *lapic, uint32_t vector, bool level)
{
	uint32_t n = vector / 32 & 7, bit = 1u << vector % 32;
	if (!vlapic_accepts(lapic) || vector < 16 || vector > 255)
		return false;
	if (level)
		__atomic_fetch_or(&lapic->tmr[n], bit, __ATOMIC_SEQ_CST);
	else if ((__atomic_load_n(&lapic->tmr[n], __ATOMIC_RELAXED) & bit) != 0)
		__atomic_fetch_and(&lapic->tmr[n], ~bit, __ATOMIC_SEQ_CST);
	__atomic_fetch_or(&lapic->irr[n], bit, __ATOMIC_SEQ_CST);
	__atomic_fetch_or(&lapic->irr_words, 1u << n, __ATOMIC_SEQ_CST);
	vlapic_notify(lapic);
	return true;
}

void vlapic_signal(struct vlapic *lapic, uint32_t signal)
{
	__atomic_fetch_or(&lapic->signals, signal, __ATOMIC_SEQ_CST);
	vlapic_notify(lapic);
}

static void deliver(struct vlapic *to, enum apic_delivery mode, uint32_t vector, bool level)
{
	switch (mode) {
	case APIC_FIXED:
	case APIC_LOWEST: vlapic_post(to, vector, level); break;
	case APIC_NMI: vlapic_signal(to, VLAPIC_SIGNAL_NMI); break;
	case APIC_INIT: vlapic_signal(to, VLAPIC_SIGNAL_INIT); break;
	case APIC_STARTUP:
		__atomic_store_n(&to->sipi_vector, vector, __ATOMIC_SEQ_CST);
		vlapic_signal(to, VLAPIC_SIGNAL_SIPI);
		break;
	case APIC_SMI: /* there is no SMM */
	case APIC_DELIVERY_RESERVED:
	case APIC_EXTINT: break; /* not by message */
	}
}

static bool matches_logical(const struct vlapic *to, uint32_t destination)
{
	if (vlapic_x2apic(to))
		return to->id >> 4 == destination >> 16 && (1u << (to->id & 15) & destination) != 0;
	if (to->dfr >> 28 == 0xf) /* flat */
		return (to->ldr >> 24 & destination & 0xff) != 0;
	if (to->dfr >> 28 == 0) /* clusters of four; 15 is all of them */
		return ((destination >> 4 & 15) == 15 || to->ldr >> 28 == (destination >> 4 & 15)) &&
		       (to->ldr >> 24 & destination & 15) != 0;
	return false;
}

/* `broadcast` is the physical destination that means everyone: all ones, as wide as the sender's field. */
static bool matches(const struct vlapic *to, bool logical, uint32_t destination, uint32_t broadcast)
{
	if (!vlapic_hardware_enabled(to))
		return false;
	if (destination == broadcast)
		return true; /* logical, too: every bit of every cluster */
	return logical ? matches_logical(to, destination) : to->id == destination;
}

/* One of those addressed: the lowest priority, equals in turn. */
static struct vlapic *lowest_priority(struct vlapic_bus *bus, bool logical, uint32_t destination, uint32_t broadcast)
{
	struct vlapic *best = 0;
	uint32_t best_index = 0;
	for (uint32_t i = 0; i < bus->count; i++) {
		uint32_t index = (bus->rotate + i) % bus->count;
		struct vlapic *to = bus->member[index];
		if (!matches(to, logical, destination, broadcast) || !vlapic_accepts(to))
			continue;
		if (best == 0 || vlapic_ppr(to) < vlapic_ppr(best)) {
			best = to;
			best_index = index;
		}
	}
	if (best != 0)
		bus->rotate = best_index + 1;
	return best;
}

/* How many took it. */
static uint32_t send(struct vlapic_bus *bus, enum apic_delivery mode, uint32_t vector, bool level, bool logical,
	uint32_t destination, uint32_t broadcast)
{
	uint32_t taken = 0;
	if (mode == APIC_LOWEST) {
		struct vlapic *to = lowest_priority(bus, logical, destination, broadcast);
		if (to != 0)
			deliver(to, mode, vector, level);
		return to != 0;
	}
	for (uint32_t i = 0; i < bus->count; i++) {
		if (!matches(bus->member[i], logical, destination, broadcast))
			continue;
		deliver(bus->member[i], mode, vector, level);
		taken++;
	}
	return taken;
}

void vlapic_ipi(struct vlapic *from, uint32_t icr, uint32_t destination)
{
	enum apic_delivery mode = APIC_LVT_MODE(icr);
	uint32_t vector = icr & 0xff, shorthand = icr >> 18 & 3;
	bool logical = (icr & 0x800) != 0;
	if ((mode == APIC_FIXED || mode == APIC_LOWEST) && vector < 16) {
		vlapic_error(from, ESR_SEND_ILLEGAL);
		return;
	}
	/* INIT level de-assert: only arbitration ids were set by it, long ago. */
	if (mode == APIC_INIT && (icr & 0xc000) == 0x8000)
		return;
	/* Sent by the ICR, everything is edge-triggered: SDM vol. 3, "Interrupt Command Register", trigger mode. */
	if (shorthand == 0) {
		send(from->bus, mode, vector, false, logical, destination, vlapic_x2apic(from) ? 0xffffffff : 0xff);
		return;
	}
	if (shorthand == 1) {
		/* To itself only a fixed interrupt is valid. */
		if (mode == APIC_FIXED)
			vlapic_post(from, vector, false);
		return;
	}
	for (uint32_t i = 0; i < from->bus->count; i++) {
		struct vlapic *to = from->bus->member[i];
		if ((to != from || (shorthand == 2 && mode == APIC_FIXED)) && vlapic_hardware_enabled(to))
			deliver(to, mode, vector, false);
	}
}

int vlapic_bus_message(struct vlapic_bus *bus, uint64_t address, uint32_t data)
{
	enum apic_delivery mode = APIC_LVT_MODE(data);
	uint32_t vector = data & 0xff, destination = address >> 12 & 0xff;
	/* The redirection hint asks for the lowest priority among those addressed, destination mode being logical. */
	bool logical = (address & 0x4) != 0, hint = (address & 0x8) != 0;
	if (address >> 20 != 0xfee)
		return -GYRE_EINVAL;
	if (mode == APIC_FIXED && hint && logical)
		mode = APIC_LOWEST;
	if ((mode == APIC_FIXED || mode == APIC_LOWEST) && vector < 16)
		return -GYRE_ENOENT;
	if (mode == APIC_STARTUP || mode == APIC_DELIVERY_RESERVED)
		return -GYRE_ENOENT;
	return send(bus, mode, vector, (data & 0x8000) != 0, logical, destination, 0xff) != 0 ? 0 : -GYRE_ENOENT;
}

/* The line of the PICs at LINT0, where it is not ExtINT: SDM vol. 3, "Local Vector Table". */
void vlapic_lint0(struct vlapic *lapic, uint32_t level)
{
	uint32_t lvt = lapic->lvt[3];
	bool rises = level != 0 && lapic->lint0_line == 0;
	lapic->lint0_line = level != 0;
	if ((lvt & APIC_LVT_MASKED) != 0 || !vlapic_hardware_enabled(lapic))
		return;
	if (APIC_LVT_MODE(lvt) == APIC_NMI && rises) {
		vlapic_signal(lapic, VLAPIC_SIGNAL_NMI);
	} else if (APIC_LVT_MODE(lvt) == APIC_FIXED) {
		if ((lvt & APIC_LVT_LEVEL) == 0) {
			if (rises)
				vlapic_post(lapic, lvt & 0xff, false);
		} else if (level != 0 && (lvt & APIC_LVT_REMOTE) == 0) {
			if (vlapic_post(lapic, lvt & 0xff, true))
				lapic->lvt[3] |= APIC_LVT_REMOTE;
		}
	}
}
