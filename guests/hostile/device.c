/* SPDX-License-Identifier: Apache-2.0 */
/* guests/hostile/device.c: operations on the monitor's devices: ports, device pages, and the registers behind windows. */
#include "guests/hostile/hostile.h"

#define SIZE_BYTES(size) (1u << (size))

static uint32_t port, value, size;

static void in_any(uint64_t unused)
{
	(void)unused;
	seen_port(port, SIZE_BYTES(size), false);
	switch (size) {
	case 0: __asm__ volatile("inb %w1, %b0" : "=a"(value) : "d"(port)); return;
	case 1: __asm__ volatile("inw %w1, %w0" : "=a"(value) : "d"(port)); return;
	default: __asm__ volatile("inl %w1, %0" : "=a"(value) : "d"(port)); return;
	}
}

static void out_any(uint64_t unused)
{
	(void)unused;
	seen_port(port, SIZE_BYTES(size), true);
	switch (size) {
	case 0: __asm__ volatile("outb %b0, %w1" : : "a"(value), "d"(port)); return;
	case 1: __asm__ volatile("outw %w0, %w1" : : "a"(value), "d"(port)); return;
	default: __asm__ volatile("outl %0, %w1" : : "a"(value), "d"(port)); return;
	}
}

/* Those that end the VM or start it anew, as they should, in the bytes of an access. op_reset has the latter; PM1's control must not say "sleep". */
static bool ends(uint32_t first, uint32_t bytes)
{
	for (uint32_t at = first; at < first + bytes; at++)
		if ((at & ~3u) == 0xf4 || at == 0xcf9 || at == 0x64 || at == 0x92 || at == 0x604 || at == 0x605 ||
			(at & ~0xfu) == 0xb000)
			return true;
	return false;
}

static void port_write(void)
{
	if (port == 0x604 && size <= 1)
		value &= ~0x2000u;
	else if (port == 0x605 && size == 0)
		value &= ~0x20u;
	else if (port == 0x64 && size == 0)
		value &= 0x7f; /* 0xd1 and 0xf0 to 0xff lead to the reset line */
	else if (port == 0x92 && size == 0)
		value &= ~1u;
	else if (port == 0xcf9 && size == 0)
		value &= ~4u;
	else if (ends(port, SIZE_BYTES(size)))
		return;
	try(out_any, 0);
}

/* Where devices are, or anywhere. */
static uint32_t port_any(void)
{
	static const uint16_t devices[] = {0x20, 0x21, 0xa0, 0xa1, 0x40, 0x41, 0x42, 0x43, 0x60, 0x61, 0x64, 0x70, 0x71,
		0x92, 0xe0, 0xe1, 0xe4, 0xe8, 0xe9, 0xec, 0x3f8, 0x3f9, 0x3fa, 0x3fb, 0x3fc, 0x3fd, 0x3fe, 0x3ff, 0x4d0,
		0x4d1, 0x510, 0x511, 0x600, 0x602, 0x604, 0x606, 0x608, 0xcf8, 0xcf9, 0xcfc, 0xcfd, 0xcfe, 0xcff,
		0x2000, 0x2003, 0x2017, 0xfffe, 0xffff};
	switch (below(4)) {
	case 0: return below(0x10000);
	case 1: return below(0x800);
	default: return devices[below(COUNT(devices))];
	}
}

void op_port_in(void)
{
	for (unsigned i = 0; i < 8; i++) {
		port = port_any();
		size = below(3);
		try(in_any, 0);
	}
}

void op_port_out(void)
{
	for (unsigned i = 0; i < 8; i++) {
		port = port_any();
		size = below(3);
		value = (uint32_t)odd();
		port_write();
	}
	console_reset();
}

/* ---- strings ---- */
static uint64_t source, target, times;

static void ins_outs(uint64_t kind)
{
	switch (kind) {
	case 0: __asm__ volatile("rep insb" : "+D"(target), "+c"(times) : "d"(port) : "memory"); return;
	case 1: __asm__ volatile("rep insw" : "+D"(target), "+c"(times) : "d"(port) : "memory"); return;
	case 2: __asm__ volatile("std; rep insl; cld" : "+D"(target), "+c"(times) : "d"(port) : "memory"); return;
	case 3: __asm__ volatile("rep outsb" : "+S"(source), "+c"(times) : "d"(port) : "memory"); return;
	case 4: __asm__ volatile("std; rep outsw; cld" : "+S"(source), "+c"(times) : "d"(port) : "memory"); return;
	default: __asm__ volatile("rep outsl" : "+S"(source), "+c"(times) : "d"(port) : "memory"); return;
	}
}

/* Places whose change does no harm to the guest itself. */
static uint64_t place(void)
{
	static const uint64_t places[] = {APIC + 0x400, APIC + 0x1000, IOAPIC + 0x20, RAM_END, 0xa0000, 0xc0000000,
		0xd0000000, 0xfed00000, 0xfffffff0, TEST_RAM, TEST_RAM + 0xfff8, SANDBOX + 0x8000};
	return below(2) ? places[below(COUNT(places))] + below(64) - 32 : SANDBOX + 64 + below(SANDBOX_BYTES - 0x1000);
}

void op_port_string(void)
{
	for (unsigned i = 0; i < 4; i++) {
		source = place();
		target = place();
		times = below(40);
		do
			port = port_any();
		while (ends(port, 4));
		try(ins_outs, below(6));
	}
	console_reset();
}

static void moves(uint64_t kind)
{
	switch (kind) {
	case 0: __asm__ volatile("rep movsb" : "+S"(source), "+D"(target), "+c"(times) : : "memory"); return;
	case 1: __asm__ volatile("std; rep movsl; cld" : "+S"(source), "+D"(target), "+c"(times) : : "memory"); return;
	case 2: __asm__ volatile("rep movsq" : "+S"(source), "+D"(target), "+c"(times) : : "memory"); return;
	case 3: __asm__ volatile("rep stosl" : "+D"(target), "+c"(times) : "a"(value) : "memory"); return;
	case 4: __asm__ volatile("std; rep stosw; cld" : "+D"(target), "+c"(times) : "a"(value) : "memory"); return;
	case 5: __asm__ volatile("repe cmpsb" : "+S"(source), "+D"(target), "+c"(times) : : "memory", "cc"); return;
	case 6: __asm__ volatile("repne scasl" : "+D"(target), "+c"(times) : "a"(value) : "memory", "cc"); return;
	default: __asm__ volatile("rep lodsq" : "+S"(source), "+c"(times) : : "rax", "memory"); return;
	}
}

void op_mmio_string(void)
{
	for (unsigned i = 0; i < 4; i++) {
		source = place();
		target = place();
		times = below(70);
		value = (uint32_t)odd();
		try(moves, below(8));
	}
}

/* ---- device pages ---- */
static void access(uint64_t kind)
{
	volatile uint8_t *at = (volatile uint8_t *)target;
	uint64_t data = source;
	switch (kind) {
	case 0: value = *at; return;
	case 1: value = *(volatile uint16_t *)at; return;
	case 2: value = *(volatile uint32_t *)at; return;
	case 3: source = *(volatile uint64_t *)at; return;
	case 4: *at = (uint8_t)data; return;
	case 5: *(volatile uint16_t *)at = (uint16_t)data; return;
	case 6: *(volatile uint32_t *)at = (uint32_t)data; return;
	case 7: *(volatile uint64_t *)at = data; return;
	case 8: __asm__ volatile("xchg %k0, %1" : "+r"(data), "+m"(*(volatile uint32_t *)at)); return;
	case 9:
		__asm__ volatile("lock; orl %k0, %1" : : "r"(data), "m"(*(volatile uint32_t *)at) : "memory", "cc");
		return;
	case 10:
		__asm__ volatile("lock; cmpxchgl %k1, %0" : "+m"(*(volatile uint32_t *)at) : "r"(data), "a"(0) : "cc");
		return;
	case 11: __asm__ volatile("lock; xaddq %0, %1" : "+r"(data), "+m"(*(volatile uint64_t *)at) : : "cc"); return;
	case 12:
		__asm__ volatile("btsl %k0, %1"
				 :
				 : "r"((uint32_t)data & 0xff), "m"(*(volatile uint32_t *)at)
				 : "memory", "cc");
		return;
	case 13:
		__asm__ volatile("push %0; pop %1" : "=m"(*(volatile uint64_t *)at) : "m"(*(volatile uint64_t *)at));
		return;
	case 14:
		__asm__ volatile("lock; cmpxchg8b %0"
				 : "+m"(*(volatile uint64_t *)at)
				 : "a"(0), "b"(1), "c"(2), "d"(3)
				 : "cc");
		return;
	default: __asm__ volatile("movnti %0, %1" : : "r"(data), "m"(*(volatile uint64_t *)at) : "memory"); return;
	}
}

void op_mmio(void)
{
	for (unsigned i = 0; i < 8; i++) {
		target = place();
		source = odd();
		try(access, below(16));
	}
}

/* Vector instructions, x87 and others that move more than eight bytes. */
static void wide(uint64_t kind)
{
	volatile uint8_t *at = (volatile uint8_t *)target;
	switch (kind) {
	case 0: __asm__ volatile("movups (%0), %%xmm0" : : "r"(at) : "memory"); return;
	case 1: __asm__ volatile("movups %%xmm1, (%0)" : : "r"(at) : "memory"); return;
	case 2: __asm__ volatile("movdqa (%0), %%xmm2" : : "r"(at) : "memory"); return;
	case 3: __asm__ volatile("movntps %%xmm3, (%0)" : : "r"(at) : "memory"); return;
	case 4: __asm__ volatile("movq %%xmm4, (%0)" : : "r"(at) : "memory"); return;
	case 5: __asm__ volatile("paddd (%0), %%xmm5" : : "r"(at) : "memory"); return;
	case 6: __asm__ volatile("fldl (%0)" : : "r"(at) : "memory"); return;
	case 7: __asm__ volatile("fxsave (%0)" : : "r"(at) : "memory"); return;
	case 8: __asm__ volatile("fxrstor (%0)" : : "r"(at) : "memory"); return;
	case 9: __asm__ volatile("fnstenv (%0)" : : "r"(at) : "memory"); return;
	case 10: __asm__ volatile("cvtpi2ps (%0), %%xmm6" : : "r"(at) : "memory"); return;
	case 11: __asm__ volatile("maskmovdqu %%xmm1, %%xmm2" : : "D"(at) : "memory"); return;
	case 12:
		__asm__ volatile("lock; cmpxchg16b (%0)" : : "r"(at), "a"(0), "b"(1), "c"(2), "d"(3) : "memory", "cc");
		return;
	case 13: __asm__ volatile("sgdt (%0)" : : "r"(at) : "memory"); return;
	case 14: __asm__ volatile("fildll (%0); fistpll (%0)" : : "r"(at) : "memory"); return;
	default: __asm__ volatile("ldmxcsr (%0)" : : "r"(at) : "memory"); return;
	}
}

void op_mmio_wide(void)
{
	for (unsigned i = 0; i < 4; i++) {
		target = place();
		try(wide, below(16));
	}
}

/* ---- registers behind windows ---- */
void op_ioapic(void)
{
	for (unsigned i = 0; i < 6; i++) {
		uint32_t index = below(4) ? below(0x42) : below(0x100);
		mmio_write(IOAPIC, index);
		if (below(2)) {
			/* No reset by INIT; NMIs and what else there is may come. */
			uint32_t data = (uint32_t)odd();
			mmio_write(IOAPIC + 0x10, (data & 0x700) == 0x500 ? data & ~0x100u : data);
		} else {
			mmio_read(IOAPIC + 0x10);
		}
		if (below(4) == 0)
			mmio_write(IOAPIC + 0x40, random32());
	}
	for (uint32_t index = 0x10; index < 0x40; index += 2) {
		mmio_write(IOAPIC, index);
		mmio_write(IOAPIC + 0x10, 0x10000);
	}
}

static void sweep_ioapic(unsigned part)
{
	struct windows *seen = windows();
	(void)part;
	for (uint32_t index = 0; index < 64; index++) {
		mmio_write(IOAPIC, index);
		mmio_read(IOAPIC + 0x10);
		seen->ioapic[0] |= 1ull << index;
		mmio_write(IOAPIC, index);
		mmio_write(IOAPIC + 0x10, index % 2 ? random32() : (random32() & ~0x700u) | 0x10000);
		seen->ioapic[1] |= 1ull << index;
	}
	for (uint32_t at = 0; at < 1024; at += 16) {
		mmio_read(IOAPIC + at);
		seen->ioapic_page[0] |= 1ull << at / 16;
		mmio_write(IOAPIC + at, random32() & 7);
		seen->ioapic_page[1] |= 1ull << at / 16;
	}
	op_ioapic();
}

void op_cmos(void)
{
	for (unsigned i = 0; i < 6; i++) {
		out8(0x70, (uint8_t)random32());
		if (below(2))
			out8(0x71, (uint8_t)odd());
		else
			in8(0x71);
	}
}

static void sweep_cmos(unsigned part)
{
	(void)part;
	for (uint32_t index = 0; index < 128; index++) {
		out8(0x70, (uint8_t)index);
		in8(0x71);
		windows()->cmos[index / 64][0] |= 1ull << index % 64;
		out8(0x71, (uint8_t)odd());
		windows()->cmos[index / 64][1] |= 1ull << index % 64;
	}
}

static void pci_address(uint32_t function, uint32_t offset)
{
	out32(0xcf8, 1u << 31 | function << 8 | (offset & 0xfc));
}

static void pci_access(uint32_t function, uint32_t offset, bool write)
{
	pci_address(function, offset);
	port = 0xcfc + below(4);
	size = below(3);
	value = (uint32_t)odd();
	try(write ? out_any : in_any, 0);
}

void op_pci(void)
{
	for (unsigned i = 0; i < 4; i++)
		pci_access(below(2) ? below(0x10000) : below(32) << 3, below(256), below(2));
}

/* Every register of every function that is there, in each size. */
static void sweep_pci(unsigned part)
{
	for (uint32_t function = part * 64; function < part * 64 + 64; function++) {
		pci_address(function, 0);
		if (in32(0xcfc) == ~0u)
			continue;
		windows()->pci_functions++;
		for (uint32_t offset = 0; offset < 256; offset += 4) {
			pci_address(function, offset);
			uint32_t was = in32(0xcfc);
			out32(0xcfc, (uint32_t)odd());
			pci_access(function, offset, false);
			pci_access(function, offset, true);
			pci_address(function, offset);
			out32(0xcfc, was);
			windows()->pci_registers++;
		}
	}
}

static void pic_go(uint64_t unused)
{
	(void)unused;
	__asm__ volatile("sti; nop; nop; nop; pause; nop; cli");
}

/* The PICs as random words make them, with requests from the test device's lines, past a LINT0 that lets them in. */
void op_pic(void)
{
	mmio_write(APIC + 0x350, 0x700);
	for (unsigned chip = 0x20; chip <= 0xa0; chip += 0x80) {
		out8(chip, below(8) ? 0x11 : (uint8_t)random32() | 0x10);
		out8(chip + 1, below(4) ? 0x50 + (uint8_t)chip / 4 : (uint8_t)random32());
		out8(chip + 1, chip == 0x20 ? 4 : 2);
		out8(chip + 1, below(2) ? 1 : (uint8_t)random32());
		out8(chip + 1, (uint8_t)random32() & (uint8_t)random32());
	}
	for (unsigned i = 0; i < 8; i++) {
		uint32_t line = 3 + below(13);
		out8(0x2000 + (line == 8 ? 2 : line), (uint8_t)below(2));
		if (below(2))
			out8(below(2) ? 0x20 : 0xa0, (uint8_t)random32() & 0xef);
		if (below(4) == 0)
			in8(0x20 + (below(2) ? 0x80 : 0) + below(2));
		try(pic_go, 0);
	}
	for (unsigned i = 0; i < 24; i++)
		out8(0x2000 + i, 0);
	out8(0x20, 0x11), out8(0x21, 0x50), out8(0x21, 4), out8(0x21, 1), out8(0x21, 0xff);
	out8(0xa0, 0x11), out8(0xa1, 0x58), out8(0xa1, 2), out8(0xa1, 1), out8(0xa1, 0xff);
	out8(0x4d0, 0), out8(0x4d1, 0);
}

static void ioapic_write(uint32_t index, uint32_t data)
{
	mmio_write(IOAPIC, index);
	mmio_write(IOAPIC + 0x10, data);
}

/* Level-triggered lines, which come again after each EOI until they are low; and EOIs for what is not in service. */
void op_level(void)
{
	for (unsigned i = 0; i < 6; i++) {
		uint32_t pin = 16 + below(8), vector = below(8) ? 0x30 + below(0xc0) : below(256);
		ioapic_write(0x11 + 2 * pin, below(4) ? 0xff000000 : random32());
		ioapic_write(0x10 + 2 * pin, 0x8000 | vector | (below(4) ? 0 : random32() & 0x2900));
		out8(0x2000 + pin, 1);
		try(pic_go, 0);
		if (below(2))
			out8(0x2000 + pin, 0);
		mmio_write(APIC + 0xb0, 0);
		if (below(2))
			try(pic_go, 0);
		if (below(4) == 0)
			mmio_write(IOAPIC + 0x40, vector);
		out8(0x2000 + pin, 0);
		ioapic_write(0x10 + 2 * pin, 0x10000);
		mmio_write(APIC + 0xb0, 0);
	}
}

static void touch(uint64_t address)
{
	*(volatile uint8_t *)address += 1;
}

/* A page whose mapping is dropped; the dirty log; the doorbell; what fw_cfg answers. */
void op_testdev(void)
{
	uint64_t at = SANDBOX + below(SANDBOX_BYTES);
	switch (below(6)) {
	case 0:
		out32(0xe4, (uint32_t)at);
		try(touch, at);
		return;
	case 1: out32(0xe4, (uint32_t)odd()); return;
	case 2:
		out32(0xec, 1);
		for (unsigned i = 0; i < 4; i++)
			try(touch, SANDBOX + below(SANDBOX_BYTES));
		out32(0xec, 2);
		try(touch, at);
		out32(0xec, below(4) ? 0 : random32() | 3);
		out32(0xec, 0);
		return;
	case 3: out32(0xe8, random32()); return;
	case 4:
		out16(0x510, below(2) ? (uint16_t)below(32) : (uint16_t)random32());
		for (unsigned i = 0; i < 80; i++)
			in8(0x511);
		return;
	default: out8(0xe9, (uint8_t)(below(16) ? 'a' + below(26) : random32())); return;
	}
}

/* ---- sweeps ---- */
static void sweep_ports(unsigned part)
{
	static const uint16_t ranges[][2] = {
		{0, 0x400}, {0x400, 0x800}, {0xcf0, 0xd00}, {0x2000, 0x2020}, {0xfff0, 0xffff}};
	for (port = ranges[part][0]; port <= ranges[part][1]; port++) {
		for (size = 0; size < 3; size++)
			try(in_any, 0);
		for (size = 0; size < 3; size++) {
			/* The watchdogs stay: the PIT, the clock's index. */
			value = (uint32_t)odd();
			if ((port >= 0x3d && port < 0x44) || port == 0x42)
				value = 0x30;
			port_write();
		}
	}
	for (port = 0x800 + part; port < 0xffff; port += 307) {
		size = below(3);
		try(in_any, 0);
		value = (uint32_t)odd();
		port_write();
	}
	console_reset();
}

static void sweep_pit(unsigned part)
{
	(void)part;
	watchdog_off();
	for (unsigned i = 0; i < 60; i++) {
		port = 0x40 + i % 4;
		size = below(3);
		value = (uint32_t)odd();
		try(out_any, 0);
		port = 0x40 + below(4);
		try(in_any, 0);
	}
	out8(0x61, 0);
}

static const struct {
	void (*function)(unsigned part);
	unsigned parts;
} table[] = {{sweep_ports, 5}, {sweep_pit, 1}, {sweep_ioapic, 1}, {sweep_cmos, 1}, {sweep_pci, 4},
	{sweep_msrs, MSR_PARTS}, {sweep_cpuid, 2}, {sweep_apic, 2}, {sweep_x2apic, 2}};
const unsigned sweep_count = 5 + 1 + 1 + 1 + 4 + MSR_PARTS + 2 + 2 + 2;

void sweep(unsigned step)
{
	for (unsigned i = 0; i < COUNT(table); step -= table[i++].parts)
		if (step < table[i].parts) {
			table[i].function(step);
			return;
		}
}
