/* SPDX-License-Identifier: Apache-2.0 */
/* guests/hostile/machine.c: the hostile guest's own machine: console, tables, watchdogs, and how the processor is put right after a step. */
#include "guests/common/console.h"
#include "guests/hostile/hostile.h"

#define PIT_10_MS 11932

extern const char trap_stubs[], trap_nmi[], trap_syscall[], trap_sysenter[], legacy_stubs[], legacy_df[];
extern char trap_stacks[3][4096], text_end[], image_end[];

uint64_t gdt[GDT_ENTRIES], idt[512];
uint64_t enter_regs[16], enter_frame[5];
uint64_t legacy_idt[256];
static struct {
	uint32_t reserved0;
	uint64_t rsp[3], reserved1, ist[7], reserved2;
	uint16_t reserved3, io;
} __attribute__((packed)) tss64;
static uint32_t tss32[26], tss32_df[26];
/* The sandbox: one directory for each GiB, small pages for the first 4 MiB; the page-directory-pointer table of PAE, and the directory of 32-bit paging. */
static uint64_t box_pointers[512] __attribute__((aligned(4096)));
static uint64_t box_directories[4][512] __attribute__((aligned(4096)));
static uint64_t box_pages[2][512] __attribute__((aligned(4096)));
uint64_t box_pae[4] __attribute__((aligned(4096)));
uint32_t box_32[1024] __attribute__((aligned(4096)));

void memory_set(void *to, int byte, size_t bytes)
{
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(byte) : "memory");
}

void memory_copy(void *to, const void *from, size_t bytes)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
}

/* ---- the console: steps may have left the UART in any state ---- */
void console_reset(void)
{
	out8(COM1 + 3, 0x80);
	out8(COM1, 1);
	out8(COM1 + 1, 0);
	out8(COM1 + 3, 3);
	out8(COM1 + 4, 3);
}

void say(const char *text)
{
	for (; *text; text++) {
		for (unsigned i = 0; i < 100000 && !(in8(COM1_LINE_STATUS) & LINE_STATUS_READY); i++)
			;
		out8(COM1, (uint8_t)*text);
	}
}

/* ---- descriptors ---- */
static uint64_t descriptor(uint32_t base, uint32_t limit, uint32_t attributes)
{
	return (uint64_t)(limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)(attributes & 0xff) << 40 |
	       (uint64_t)(limit >> 16 & 15) << 48 | (uint64_t)(attributes >> 8 & 15) << 52 |
	       (uint64_t)(base >> 24) << 56;
}

/* Accessed already: the sandbox cannot write them. Attributes: type, S, DPL, P in the low byte; AVL, L, D, G in the next four bits. */
void descriptors_reset(void)
{
	gdt[SEL_CODE64 / 8] = descriptor(0, 0xfffff, 0xa9b);
	gdt[SEL_DATA / 8] = descriptor(0, 0xfffff, 0xc93);
	gdt[SEL_CODE32 / 8] = descriptor(0, 0xfffff, 0xc9b);
	gdt[SEL_LOW_CODE16 / 8] = descriptor(LOW_STUBS, 0xffff, 0x09b);
	gdt[SEL_LOW_DATA16 / 8] = descriptor(LOW_STUBS, 0xffff, 0x093);
	gdt[SEL_BOX_CODE32 / 8] = descriptor(SANDBOX, SANDBOX_BYTES - 1, 0x49b);
	gdt[SEL_BOX_DATA / 8] = descriptor(SANDBOX, SANDBOX_BYTES - 1, 0x493);
	gdt[SEL_BOX_CODE32_3 / 8] = descriptor(SANDBOX, SANDBOX_BYTES - 1, 0x4fb);
	gdt[SEL_BOX_DATA_3 / 8] = descriptor(SANDBOX, SANDBOX_BYTES - 1, 0x4f3);
	gdt[SEL_BOX_CODE16 / 8] = descriptor(SANDBOX, 0xffff, 0x09b);
	gdt[SEL_BOX_CODE16_3 / 8] = descriptor(SANDBOX, 0xffff, 0x0fb);
	gdt[SEL_CODE32_3 / 8] = descriptor(0, 0xfffff, 0xcfb);
	gdt[SEL_DATA_3 / 8] = descriptor(0, 0xfffff, 0xcf3);
	gdt[SEL_CODE64_3 / 8] = descriptor(0, 0xfffff, 0xafb);
	gdt[SEL_TSS64 / 8] = descriptor((uint32_t)(uint64_t)&tss64, 0x67, 0x089);
	gdt[SEL_TSS64 / 8 + 1] = 0;
	gdt[SEL_TSS32 / 8] = descriptor((uint32_t)(uint64_t)tss32, 0x67, 0x089);
	gdt[SEL_TSS32_DF / 8] = descriptor((uint32_t)(uint64_t)tss32_df, 0x67, 0x089);
}

static void gates(void)
{
	for (uint64_t i = 0; i < 256; i++) {
		uint64_t at = i == 2 ? (uint64_t)trap_nmi : (uint64_t)trap_stubs + i * 16;
		uint64_t ist = i == 2 ? 2 : i == 8 ? 3 : 1, dpl = i % 2 ? 0x60 : 0;
		idt[i * 2] = (at & 0xffff) | SEL_CODE64 << 16 | ist << 32 | (0x8e | dpl) << 40 |
			     (at >> 16 & 0xffff) << 48;
		idt[i * 2 + 1] = 0;
		at = (uint64_t)legacy_stubs + i * 16;
		legacy_idt[i] = (at & 0xffff) | SEL_CODE32 << 16 | (0x8e | dpl) << 40 | (at >> 16 & 0xffff) << 48;
	}
	/* A double fault finds a task of its own. */
	legacy_idt[8] = (uint64_t)SEL_TSS32_DF << 16 | 0x85ull << 40;
	for (unsigned i = 0; i < 3; i++)
		tss64.ist[i] = (uint64_t)trap_stacks[i] + 4096;
	tss64.rsp[0] = tss64.ist[0];
	tss64.io = tss32[25] = 0x68 << 16;
	tss64.io = 0x68;
	tss32[1] = (uint32_t)(uint64_t)trap_stacks[0] + 4096;
	tss32[2] = SEL_DATA;
	tss32_df[8] = (uint32_t)(uint64_t)legacy_df;
	tss32_df[9] = 2;
	tss32_df[14] = (uint32_t)(uint64_t)trap_stacks[2] + 4096;
	tss32_df[18] = tss32_df[20] = tss32_df[21] = tss32_df[22] = tss32_df[23] = SEL_DATA;
	tss32_df[19] = SEL_CODE32;
}

/* ---- the sandbox's page tables ---- */
#define PTE_R  0x61ull /* present, accessed, dirty */
#define PTE_RW 0x63ull
#define PTE_U  0x04ull
#define PTE_PS 0x80ull
#define PTE_NX (1ull << 63)

static void box_page(uint64_t address, uint64_t entry)
{
	box_pages[address >> 21][address >> 12 & 511] = address | entry;
}

static void box_large(uint64_t address, uint64_t entry)
{
	box_directories[address >> 30][address >> 21 & 511] = address | entry | PTE_PS;
}

static void sandbox_tables(void)
{
	uint64_t end = (uint64_t)image_end, stacks = (uint64_t)trap_stacks;
	for (uint64_t at = 0; at < 0x100000; at += 4096)
		box_page(at, PTE_RW | PTE_U | (at >= 0xa0000 ? PTE_NX : 0));
	for (uint64_t at = 0x100000; at < end; at += 4096)
		box_page(at, PTE_R);
	for (uint64_t at = stacks; at < stacks + sizeof(trap_stacks); at += 4096)
		box_page(at, PTE_RW);
	box_directories[0][0] = (uint64_t)box_pages[0] | PTE_RW | PTE_U;
	box_directories[0][1] = (uint64_t)box_pages[1] | PTE_RW | PTE_U;
	box_large(SANDBOX, PTE_RW | PTE_U);
	/* Edges: the end of RAM, a hole, the local APIC, the test device's RAM. No I/O APIC: the watchdog needs it. */
	box_large(RAM_END - 0x200000, PTE_RW | PTE_U);
	box_large(RAM_END, PTE_RW | PTE_U | PTE_NX);
	box_large(0xd0000000, PTE_RW | PTE_U | PTE_NX);
	box_large(APIC & ~0x1fffffu, PTE_RW | PTE_U | PTE_NX);
	box_large(TEST_RAM, PTE_RW | PTE_U);
	box_large(0xffe00000, PTE_RW | PTE_U);
	for (unsigned i = 0; i < 4; i++) {
		box_pointers[i] = (uint64_t)box_directories[i] | 0x27;
		box_pae[i] = (uint64_t)box_directories[i] | 1;
	}
	sandbox_map[0] = (uint64_t)box_pointers | 0x27;
	/* What PLAY has become: anything. */
	sandbox_map[1] = PLAY | 0x27;
	sandbox_map[256] = (PLAY + 4096) | 0x27;
	sandbox_map[511] = (PLAY + 8192) | 0x27;
	/* 32-bit entries know 4 MiB pages or tables; the first 4 MiB are a page here, for all of the kernel to be read and the stacks to be written. */
	box_32[0] = 0xe3;
	box_32[SANDBOX >> 22] = SANDBOX | 0xe7;
	box_32[RAM_END >> 22] = RAM_END | 0xe7;
	box_32[APIC >> 22] = (APIC & 0xffc00000) | 0xe7;
	box_32[TEST_RAM >> 22] = (TEST_RAM & 0xffc00000) | 0xe7;
	for (unsigned i = 0x100; i < 0x110; i++)
		box_32[i] = (PLAY + (i - 0x100) * 4096) | 0x67;
}

void tables_load(void)
{
	descriptors_reset();
	gates();
	sandbox_tables();
	tss32_df[7] = 0;
	__asm__ volatile("lgdt home_gdt_pointer; lidt home_idt_pointer; ltr %w0" : : "r"(SEL_TSS64) : "memory");
}

/* ---- watchdogs ---- */
static uint8_t cmos(uint8_t index)
{
	out8(0x70, index);
	return in8(0x71);
}
static void cmos_write(uint8_t index, uint8_t value)
{
	out8(0x70, index);
	out8(0x71, value);
}

/* Its time in binary, running; eight interrupts a second, of which nobody hears but while the watchdog is on. */
void watchdog_init(void)
{
	cmos_write(0x0b, 0x86);
	cmos_write(0x0a, 0x2d);
	for (unsigned i = 0; i < 10; i++)
		cmos_write((uint8_t)i, "\0\0\0\0\0\0\3\5\5\24"[i]);
	cmos_write(0x0b, 0x46);
	mmio_write(IOAPIC, 0x11 + 2 * 2);
	mmio_write(IOAPIC + 0x10, 0xff000000);
	mmio_write(IOAPIC, 0x11 + 2 * 8);
	mmio_write(IOAPIC + 0x10, 0xff000000);
	watchdog_off();
}

static void ioapic_pin(unsigned pin, uint32_t entry)
{
	mmio_write(IOAPIC, 0x10 + 2 * pin);
	mmio_write(IOAPIC + 0x10, entry);
}

/* The PIT at the I/O APIC's pin 2, as NMI, again and again. What even that does not bring back is reset within an eighth of a second: the clock at pin 8, as INIT. */
void watchdog_on(void)
{
	ioapic_pin(2, 0x400);
	out8(0x43, 0x34);
	out8(0x40, PIT_10_MS & 0xff);
	out8(0x40, PIT_10_MS >> 8);
	ioapic_pin(8, 0x500);
	cmos(0x0c); /* its line is low again */
}

void watchdog_off(void)
{
	ioapic_pin(8, 0x10000);
	ioapic_pin(2, 0x10000);
	out8(0x43, 0x30);
}

/* ---- the processor ---- */
static void repair_apic(void)
{
	uint64_t base = rdmsr(0x1b);
	if ((base & 0xfffff000) != APIC || (base & 0xc00) != 0x800) {
		wrmsr(0x1b, APIC | 0x100);
		wrmsr(0x1b, APIC | 0x900);
	}
	mmio_write(APIC + 0xf0, 0x1ff);
	mmio_write(APIC + 0x80, 0);
	mmio_write(APIC + 0x380, 0);
	for (unsigned i = 0x320; i <= 0x370; i += 0x10)
		mmio_write(APIC + i, 0x10000);
	/* In service: nothing. */
	for (unsigned i = 0; i < 8; i++)
		for (unsigned n = 0; n < 32 && mmio_read(APIC + 0x100 + 16 * i); n++)
			mmio_write(APIC + 0xb0, 0);
}

static void repair_msrs(void)
{
	static const struct {
		uint32_t index;
		uint64_t value;
	} values[] = {{0xc0000080, EFER_HOME}, {0xc0000081, 0x0060000800000000ull}, {0xc0000084, 0x700},
		{0x174, SEL_CODE64}, {0x277, 0x0007040600070406ull}};
	for (unsigned i = 0; i < COUNT(values); i++)
		wrmsr(values[i].index, values[i].value);
	wrmsr(0xc0000082, (uint64_t)trap_syscall);
	wrmsr(0xc0000083, (uint64_t)trap_syscall);
	wrmsr(0x175, tss64.ist[0]);
	wrmsr(0x176, (uint64_t)trap_sysenter);
}

static void repair_part(uint64_t part)
{
	switch (part) {
	case 0: repair_apic(); return;
	case 1: repair_msrs(); return;
	case 2: __asm__ volatile("fninit; ldmxcsr %0" : : "m"((uint32_t){0x1f80})); return;
	case 3:
		descriptors_reset();
		__asm__ volatile("ltr %w0" : : "r"(SEL_TSS64));
		return;
	case 4:
		__asm__ volatile("lldt %w0; lgdt home_gdt_pointer; lidt home_idt_pointer" : : "r"(0) : "memory");
		return;
	case 5: wrmsr(0x1d9, 0); return;
	default: __asm__ volatile("mov %0, %%dr7" : : "r"(0x400ull)); return;
	}
}

void repair_cpu(void)
{
	for (uint64_t part = 0; part < 7; part++)
		attempt(repair_part, part);
}
