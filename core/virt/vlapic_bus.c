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
		__atomic_fetch_or(&lapic->level[n], bit, __ATOMIC_SEQ_CST);
	else if ((__atomic_load_n(&lapic->level[n], __ATOMIC_RELAXED) & bit) != 0)
		__atomic_fetch_and(&lapic->level[n], ~bit, __ATOMIC_SEQ_CST);
	__atomic_fetch_or(&lapic->posted[n], bit, __ATOMIC_SEQ_CST);
	__atomic_fetch_or(&lapic->posted_words, 1u << n, __ATOMIC_SEQ_CST);
	vlapic_notify(lapic);
	return true;
}

void vlapic_merge(struct vlapic *lapic)
{
	/* A poster sets its bit first and the summary second: one that comes between is found by the next. */
	uint32_t words = __atomic_exchange_n(&lapic->posted_words, 0, __ATOMIC_SEQ_CST);
	for (; words != 0; words &= words - 1) {
		uint32_t n = (uint32_t)__builtin_ctz(words), *tmr = vlapic_word(lapic, APIC_TMR, n * 32);
		uint32_t vectors = __atomic_exchange_n(&lapic->posted[n], 0, __ATOMIC_SEQ_CST);
		*vlapic_word(lapic, APIC_IRR, n * 32) |= vectors;
		*tmr = (*tmr & ~vectors) | (__atomic_load_n(&lapic->level[n], __ATOMIC_RELAXED) & vectors);
	}
	lapic->rvi = vlapic_highest(lapic, APIC_IRR);
	lapic->svi = vlapic_highest(lapic, APIC_ISR);
	vlapic_priority(lapic);
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
	default: break; /* SMI: there is no SMM. ExtINT: not by message */
	}
}

static bool matches_logical(const struct vlapic *to, uint32_t destination)
{
	if (vlapic_x2apic(to))
		return to->id >> 4 == destination >> 16 && (1u << (to->id & 15) & destination) != 0;
	uint32_t format = VREG(to, APIC_DFR) >> 28, ldr = VREG(to, APIC_LDR) >> 24;
	if (format == 0xf) /* flat */
		return (ldr & destination & 0xff) != 0;
	/* clusters of four; 15 is all of them */
	return format == 0 && (destination >> 4 == 15 || ldr >> 4 == destination >> 4) && (ldr & destination & 15) != 0;
}

/* All ones are everyone, logical or not; BROADCAST() widens them from the eight bits of an xAPIC's field. */
#define EVERYONE	       0xffffffffu
#define BROADCAST(destination) ((destination) == 0xff ? EVERYONE : (destination))

static bool matches(const struct vlapic *to, bool logical, uint32_t destination)
{
	if (!vlapic_hardware_enabled(to))
		return false;
	if (destination == EVERYONE)
		return true;
	return logical ? matches_logical(to, destination) : to->id == destination;
}

/* To all that are addressed but one, or to the one of them that has the lowest priority, equals in turn. How many took it. */
static uint32_t send(struct vlapic_bus *bus, enum apic_delivery mode, uint32_t vector, bool level, bool logical,
	uint32_t destination, const struct vlapic *except)
{
	struct vlapic *best = 0;
	uint32_t taken = 0, first = bus->rotate;
	for (uint32_t i = 0; i < bus->count; i++) {
		uint32_t index = (first + i) % bus->count;
		struct vlapic *to = bus->member[index];
		if (to == except || !matches(to, logical, destination))
			continue;
		if (mode != APIC_LOWEST) {
			deliver(to, mode, vector, level);
			taken++;
		} else if (vlapic_accepts(to) && (best == 0 || VREG(to, APIC_PPR) < VREG(best, APIC_PPR))) {
			best = to;
			bus->rotate = index + 1;
		}
	}
	if (best != 0)
		deliver(best, mode, vector, level);
	return taken + (best != 0);
}

/* Nothing has to be posted for it: this is the owner. */
void vlapic_self_ipi(struct vlapic *lapic, uint32_t vector)
{
	uint32_t bit = 1u << vector % 32;
	if (vector < 16)
		vlapic_error(lapic, ESR_SEND_ILLEGAL);
	if (vector < 16 || !vlapic_accepts(lapic))
		return;
	*vlapic_word(lapic, APIC_IRR, vector) |= bit;
	*vlapic_word(lapic, APIC_TMR, vector) &= ~bit;
	if (vector > lapic->rvi)
		lapic->rvi = vector;
	vlapic_notify(lapic);
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
	if (shorthand == 1 && mode == APIC_FIXED) /* nothing else is valid */
		vlapic_self_ipi(from, vector);
	else if (shorthand == 0)
		send(from->bus, mode, vector, false, logical,
			vlapic_x2apic(from) ? destination : BROADCAST(destination >> 24), 0);
	else if (
		shorthand !=
		1) /* All, but itself by what a processor can't send to itself. The lowest priority of all is no choice that there is. */
		send(from->bus, mode == APIC_LOWEST ? APIC_FIXED : mode, vector, false, false, EVERYONE,
			shorthand == 2 && mode == APIC_FIXED ? 0 : from);
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
	if (mode == APIC_STARTUP || mode == APIC_RESERVED)
		return -GYRE_ENOENT;
	return send(bus, mode, vector, (data & 0x8000) != 0, logical, BROADCAST(destination), 0) != 0 ? 0
												      : -GYRE_ENOENT;
}

/* The line of the PICs at LINT0, where it is not ExtINT: SDM vol. 3, "Local Vector Table". */
void vlapic_lint0(struct vlapic *lapic, uint32_t level)
{
	uint32_t lvt = VREG(lapic, APIC_LVT_LINT0);
	bool rises = level != 0 && lapic->lint0_line == 0;
	lapic->lint0_line = level != 0;
	if ((lvt & APIC_LVT_MASKED) != 0 || !vlapic_hardware_enabled(lapic))
		return;
	if (APIC_LVT_MODE(lvt) == APIC_NMI && rises)
		vlapic_signal(lapic, VLAPIC_SIGNAL_NMI);
	if (APIC_LVT_MODE(lvt) != APIC_FIXED)
		return;
	if ((lvt & APIC_LVT_LEVEL) == 0 && rises)
		vlapic_post(lapic, lvt & 0xff, false);
	if ((lvt & (APIC_LVT_LEVEL | APIC_LVT_REMOTE)) == APIC_LVT_LEVEL && level != 0 &&
		vlapic_post(lapic, lvt & 0xff, true))
		VREG(lapic, APIC_LVT_LINT0) |= APIC_LVT_REMOTE;
}
