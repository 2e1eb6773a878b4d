/* SPDX-License-Identifier: Apache-2.0 */
/* guests/hostile/cpu.c: operations on the processor itself: MSRs, CPUID, hypercalls, control, debug and FPU registers, segments, page tables, resets. */
#include "guests/hostile/hostile.h"

static uint32_t msr_index;
static uint64_t value;

/* ---- MSRs, CPUID ---- */
static void msr_read(uint64_t index)
{
	value = rdmsr((uint32_t)index);
}

static void msr_write(uint64_t what)
{
	wrmsr(msr_index, what);
}

static const struct {
	uint32_t first, count;
} msr_ranges[MSR_PARTS] = {{0, 0x200}, {0x200, 0x200}, {0x400, 0x400}, {0x840, 0x300}, {0xb40, 0x4c0},
	{0x4b564cf0, 0x30}, {0x40000000, 0x200}, {0xc0000000, 0x200}, {0xc0010000, 0x200}, {0xc0011000, 0x40}};

/* Memory that a register may name: the guest's own end, if it lay anywhere. */
static uint64_t msr_value(uint32_t index)
{
	if (index == 0x4b564d00 || index == 0x4b564d01 || index == 0x11 || index == 0x12)
		return below(4) ? SANDBOX | below(0x10000) : (odd() | 1ull << 36) & ~1ull;
	if (index == 0x830)
		return odd() & ~0x100ull; /* no INIT */
	return odd();
}

static void msr_try(uint32_t index)
{
	msr_index = index;
	bool there = try(msr_read, index) == 0;
	uint64_t was = value;
	try(msr_write, msr_value(index));
	try(msr_read, index);
	if (there && index != 0x830)
		attempt(msr_write, was);
}

void sweep_msrs(unsigned part)
{
	for (uint32_t i = 0; i < msr_ranges[part].count; i++)
		msr_try(msr_ranges[part].first + i);
}

static uint32_t msr_any(void)
{
	static const uint32_t known[] = {0x10, 0x1b, 0x3a, 0x3b, 0x48, 0x49, 0x79, 0x8b, 0xfe, 0x174, 0x175, 0x176,
		0x179, 0x17a, 0x1a0, 0x1d9, 0x1db, 0x200, 0x201, 0x250, 0x258, 0x268, 0x277, 0x2ff, 0x345, 0x480, 0x48d,
		0x560, 0x6e0, 0x802, 0x80b, 0x830, 0x83f, 0xd90, 0xda0, 0xc0000080, 0xc0000081, 0xc0000082, 0xc0000083,
		0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102, 0xc0000103, 0xc0010010, 0xc0010015, 0xc001001f,
		0xc0010062, 0xc0010111, 0xc0010112, 0xc0010114, 0xc0010117, 0xc001011f, 0xc0011027, 0xc0011029,
		0x4b564d00, 0x4b564d01, 0x4b564d02, 0x4b564d03, 0x4b564d04, 0x11, 0x12, 0x40000000, 0x40000001};
	switch (below(8)) {
	case 0: return random32();
	case 1: return msr_ranges[below(MSR_PARTS)].first + below(0x200);
	default: return known[below(COUNT(known))];
	}
}

void op_msr_read(void)
{
	for (unsigned i = 0; i < 8; i++)
		try(msr_read, msr_any());
}

void op_msr_write(void)
{
	for (unsigned i = 0; i < 4; i++)
		msr_try(msr_any());
}

static void query(uint64_t leaf)
{
	uint32_t a = (uint32_t)leaf, b, c = (uint32_t)(leaf >> 32), d;
	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
}

void op_cpuid(void)
{
	for (unsigned i = 0; i < 8; i++)
		try(query, (below(2) ? below(64) | below(3) << 30 : (uint32_t)odd()) |
				   (uint64_t)(below(2) ? below(64) : random32()) << 32);
}

void sweep_cpuid(unsigned part)
{
	for (uint64_t leaf = 0; leaf < 64; leaf++)
		for (uint64_t sub = 0; sub < 4; sub++)
			try(query, leaf | (part ? 0x80000000 : 0) | sub << 32);
	for (uint64_t leaf = 0; leaf < 32; leaf++)
		try(query, 0x40000000 + (part ? 0x100 : 0) + leaf);
}

static void hypercall(uint64_t kind)
{
	uint64_t a = value, b = odd(), c = odd(), d = odd(), s = odd(), t = odd_address();
	switch (kind) {
	case 0: __asm__ volatile("vmcall" : "+a"(a), "+b"(b), "+c"(c), "+d"(d), "+S"(s), "+D"(t) : : "memory"); return;
	case 1: __asm__ volatile("vmmcall" : "+a"(a), "+b"(b), "+c"(c), "+d"(d), "+S"(s), "+D"(t) : : "memory"); return;
	case 2:
		__asm__ volatile(".byte 0x66; vmcall"
				 : "+a"(a), "+b"(b), "+c"(c), "+d"(d), "+S"(s), "+D"(t)
				 :
				 : "memory");
		return;
	default:
		__asm__ volatile("rex.w; vmmcall" : "+a"(a), "+b"(b), "+c"(c), "+d"(d), "+S"(s), "+D"(t) : : "memory");
		return;
	}
}

/* Few of KVM's: kick, IPI and yield are answered, the clock's pairing is not. */
void op_hypercall(void)
{
	for (unsigned i = 0; i < 4; i++) {
		value = below(4) ? below(16) : odd();
		try(hypercall, below(4));
	}
}

/* ---- control and debug registers ---- */
static void control(uint64_t kind)
{
	uint64_t with = value;
	/* QEMU refuses the next entry, where a processor would refuse the instruction. */
	if (kind == 5 && without.cr)
		with &= 0xffffffffff;
	switch (kind) {
	case 0: __asm__ volatile("mov %0, %%cr0" : : "r"(with) : "memory"); return;
	case 1: __asm__ volatile("mov %0, %%cr4" : : "r"(with) : "memory"); return;
	case 2: __asm__ volatile("lmsw %w0" : : "r"(with) : "memory"); return;
	case 3: __asm__ volatile("clts; mov %%cr0, %0; smsw %w0" : "=r"(with)); return;
	case 4: __asm__ volatile("mov %0, %%cr2; mov %%cr2, %0" : "+r"(with)); return;
	case 5: __asm__ volatile("mov %0, %%cr3" : : "r"(with | (uint64_t)home_map) : "memory"); return;
	case 6:
		__asm__ volatile("xsetbv"
				 :
				 : "a"((uint32_t)with), "d"((uint32_t)(with >> 32)), "c"((uint32_t)(with & 8)));
		return;
	case 7:
		__asm__ volatile("mov %0, %%cr4; xgetbv; xsetbv" : : "r"(CR4_HOME | 1ull << 18), "c"(0) : "eax", "edx");
		return;
	case 8: __asm__ volatile("invlpg (%0)" : : "r"(with) : "memory"); return;
	case 9: __asm__ volatile("wbinvd; invd" : : : "memory"); return;
	case 10: __asm__ volatile("rdpmc" : : "c"((uint32_t)with) : "eax", "edx"); return;
	case 11: __asm__ volatile("rdtsc; rdtscp" : : : "eax", "ecx", "edx"); return;
	case 12: __asm__ volatile("mov %0, %%cr0" : : "r"(CR0_HOME ^ 1ull << below(32)) : "memory"); return;
	case 13: __asm__ volatile("mov %0, %%cr4" : : "r"(CR4_HOME ^ 1ull << below(24)) : "memory"); return;
	case 14: wrmsr(0xc0000080, EFER_HOME ^ 1ull << below(16)); return;
	default: __asm__ volatile("invpcid %0, %1" : : "m"(value), "r"(with) : "memory"); return;
	}
}

void op_control(void)
{
	for (unsigned i = 0; i < 4; i++) {
		value = odd();
		try(control, below(16));
	}
}

static void debug(uint64_t kind)
{
	/* QEMU takes the upper halves of DR6 and DR7, and does not enter a guest that has them. */
	uint64_t with = without.breakpoints && (kind == 2 || kind == 3) ? (uint32_t)value : value;
	switch (kind) {
	case 0: __asm__ volatile("mov %0, %%dr0; mov %0, %%dr1" : : "r"(with)); return;
	case 1: __asm__ volatile("mov %0, %%dr2; mov %0, %%dr3" : : "r"(with)); return;
	case 2: __asm__ volatile("mov %0, %%dr6" : : "r"(with)); return;
	case 3: __asm__ volatile("mov %0, %%dr7" : : "r"(without.breakpoints ? with & ~0xffull : with)); return;
	case 4: __asm__ volatile("mov %%dr6, %0; mov %%dr7, %0; mov %%dr3, %0" : "=r"(with)); return;
	case 5: __asm__ volatile("mov %0, %%cr4; mov %%dr4, %0; mov %0, %%dr5" : : "r"(CR4_HOME | (with & 8))); return;
	case 6:
		if (!without.tf)
			__asm__ volatile("pushfq; orl $0x100, (%%rsp); popfq; nop; nop" : : : "memory", "cc");
		return;
	default:
		if (!without.tf) /* over the end of an interrupt's shadow */
			__asm__ volatile("mov %%ss, %%eax; pushfq; orl $0x100, (%%rsp); mov %%eax, %%ss; popfq; nop"
					 :
					 :
					 : "memory", "cc", "eax");
		return;
	}
}

/* Reserved bits, general detect, breakpoints where the core's addresses are (A06): only where the emulator below can bear them. */
void op_debug(void)
{
	for (unsigned i = 0; i < 4; i++) {
		value = below(3) ? odd() : odd_address();
		try(debug, below(8));
	}
}

/* ---- FPU ---- */
static uint8_t image[1024] __attribute__((aligned(64)));

static void fpu(uint64_t kind)
{
	switch (kind) {
	case 0: __asm__ volatile("fxrstor %0" : : "m"(image)); return;
	case 1: __asm__ volatile("fxsave %0" : "=m"(image)); return;
	case 2:
		__asm__ volatile("xrstor %0" : : "m"(image), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
		return;
	case 3: __asm__ volatile("xsave %0" : "=m"(image) : "a"((uint32_t)value), "d"((uint32_t)(value >> 32))); return;
	case 4: __asm__ volatile("ldmxcsr %0" : : "m"(value)); return;
	case 5: __asm__ volatile("fldcw %0; fldz; fld1; fdivp; fwait" : : "m"((uint16_t){0x340})); return;
	case 6: /* #XM */
		__asm__ volatile("ldmxcsr %0; xorps %%xmm0, %%xmm0; divps %%xmm0, %%xmm0" : : "m"((uint32_t){0x1f00}));
		return;
	case 7: __asm__ volatile("fldenv %0; fnstenv %0" : "+m"(image)); return;
	case 8: __asm__ volatile("frstor %0; fnsave %0" : "+m"(image)); return;
	case 9: __asm__ volatile("mov %0, %%cr0; fldz" : : "r"(CR0_HOME | 8ull)); return;
	case 10: __asm__ volatile("mov %0, %%cr0; movups %%xmm0, %%xmm1" : : "r"(CR0_HOME | 4ull)); return;
	case 11: /* the old way: interrupt 13 for an x87 error */
		__asm__ volatile("mov %0, %%cr0; fldcw %1; fldz; fld1; fdivp; fwait"
				 :
				 : "r"(CR0_HOME & ~0x20ull), "m"((uint16_t){0x340}));
		return;
	default:
		__asm__ volatile("mov %1, %%cr4; xsave %0; xrstor %0"
				 : "+m"(image)
				 : "r"(CR4_HOME | 1ull << 18), "a"(-1), "d"(-1));
		return;
	}
}

void op_fpu(void)
{
	for (unsigned i = 0; i < 6; i++) {
		value = odd();
		for (unsigned n = below(24); n > 0; n--)
			image[below(2) ? below(640) : 512 + below(24)] = (uint8_t)random32();
		try(fpu, below(13));
	}
}

/* ---- segments ---- */
static uint32_t selector;
static struct {
	uint64_t offset;
	uint16_t selector;
} __attribute__((packed)) far;
static struct {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed)) pointer;

static void segment(uint64_t kind)
{
	switch (kind) {
	case 0: __asm__ volatile("mov %0, %%ds" : : "r"(selector)); return;
	case 1: __asm__ volatile("mov %0, %%es; mov %0, %%fs; mov %0, %%gs" : : "r"(selector)); return;
	case 2: __asm__ volatile("mov %0, %%ss" : : "r"(selector)); return;
	case 3: __asm__ volatile("lldt %w0" : : "r"(selector)); return;
	case 4:
		if ((selector & ~3u) != 0 || !without.ltr)
			__asm__ volatile("ltr %w0" : : "r"(selector));
		return;
	case 5: __asm__ volatile("lar %0, %0; lsl %0, %0; verr %w0; verw %w0" : "+r"(selector) : : "cc"); return;
	case 6: __asm__ volatile("ljmpl *%0" : : "m"(far)); return;
	case 7: __asm__ volatile("rex.w lcall *%0" : : "m"(far)); return;
	case 8: __asm__ volatile("push %0; push %1; lretq" : : "r"((uint64_t)selector), "r"(far.offset)); return;
	case 9:
		__asm__ volatile(
			"push %0; push %1; push %2; push %3; push %1; iretq"
			:
			: "r"((uint64_t)selector), "r"(far.offset), "r"(value & 0x3f7fd5), "r"((uint64_t)far.selector));
		return;
	case 10: __asm__ volatile("lgdt %0; mov %1, %%es" : : "m"(pointer), "r"(selector)); return;
	case 11: __asm__ volatile("lidt %0; int3" : : "m"(pointer)); return;
	case 12: __asm__ volatile("swapgs; wrfsbase %0; rdgsbase %0; swapgs" : : "r"(value)); return;
	case 13: __asm__ volatile("sgdt %0; sidt %0; sldt %1; str %1; smsw %1" : "=m"(pointer), "+r"(selector)); return;
	case 14: wrmsr(below(3) + 0xc0000100, value); return;
	default: __asm__ volatile("lss %1, %%eax; nop" : : "a"(0), "m"(far)); return;
	}
}

/* Twelve descriptors of any kind: gates, task segments, types that do not exist. */
void op_segments(void)
{
	for (unsigned i = SEL_ODD / 8; i < GDT_ENTRIES; i++) {
		gdt[i] = random64();
		if (below(2))
			gdt[i] = (gdt[i] & ~(0x1full << 40)) | 1ull << 47 | (uint64_t)below(32) << 40;
	}
	for (unsigned i = 0; i < 6; i++) {
		selector = below(4) ? below(GDT_ENTRIES) * 8 + below(4) : random32() & 0xffff;
		far.selector = (uint16_t)(below(2) ? below(GDT_ENTRIES) * 8 + below(8) : random32());
		far.offset = below(2) ? SANDBOX + below(4096) : odd_address();
		pointer.limit = (uint16_t)odd();
		pointer.base = odd_address();
		value = odd();
		try(segment, below(16));
	}
}

/* ---- page tables: random entries at each level, reached through home's map and through the sandbox's ---- */
static void touch_read(uint64_t at)
{
	value = *(volatile uint64_t *)at;
}
static uint64_t table_entry(void)
{
	uint64_t flags = 0x7 | (random32() & 0x1f8);
	switch (below(16)) {
	case 0: return random64();
	case 1: return flags | (1ull << (36 + below(28))); /* beyond the width, reserved, keys, no execution */
	case 2: return flags | (odd() & 0xffffffffff000ull);
	case 3: return (odd_address() & 0xffffffffff000ull) | 0x67;
	case 4: return 0;
	case 5: return SANDBOX | 0xe7; /* large */
	case 6: return (SANDBOX + below(256) * 4096) | flags;
	case 7: return RAM_END | (flags & ~0x80ull);
	case 8: return (RAM_END - 4096) | 0x67;
	default: return (PLAY + below(PLAY_PAGES) * 4096) | (flags & ~0x80ull) | 3;
	}
}

/* An address whose walk leads into PLAY: home's entries 1, 256 and 511 of the highest level. */
static uint64_t play_address(void)
{
	static const uint64_t tops[] = {1ull << 39, 0xffff800000000000, 0xffffff8000000000};
	return tops[below(3)] + (odd() & 0x7fffffffff);
}

void op_paging(void)
{
	uint64_t *tables = (uint64_t *)PLAY;
	for (unsigned i = 0; i < 400; i++)
		tables[below(PLAY_PAGES * 512)] = table_entry();
	for (unsigned i = 0; i < 3 * 512; i++)
		tables[i] = table_entry();
	home_map[1] = PLAY | 0x67;
	home_map[256] = (below(8) ? PLAY + 4096 : (odd() & 0xffffffffff000ull)) | 0x67;
	home_map[511] = below(8) ? (PLAY + 8192) | 0x67 : table_entry();
	__asm__ volatile("mov %0, %%cr3" : : "r"(home_map) : "memory");
	for (unsigned i = 0; i < 12; i++) {
		uint64_t at = play_address();
		/* At home only loads: a walk that leads out of PLAY could lead into the kernel. */
		if (below(2))
			try(touch_read, at);
		else
			code_touch(at);
		tables[below(3 * 512)] = table_entry();
		if (below(2))
			__asm__ volatile("invlpg (%0)" : : "r"(at) : "memory");
	}
}

/* ---- resets, by each way that a PC has ---- */
static void nothing_left(uint64_t kind)
{
	static const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) none = {0, 0};
	switch (kind) {
	case 0: out8(0xcf9, 6); return;
	case 1: out8(0x64, 0xfe); return;
	case 2: out8(0x92, 1); return;
	case 3: mmio_write(APIC + 0x300, 0x44500); return;
	case 4: out8(0x64, 0xd1), out8(0x60, 0xfe); return;
	case 5: __asm__ volatile("lidt %0; ud2" : : "m"(none)); return;
	default: out16(0xcf9, 0x0606); return;
	}
}

void op_reset(void)
{
	try(nothing_left, below(7));
}
