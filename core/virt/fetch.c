/* SPDX-License-Identifier: Apache-2.0 */
/* core/virt/fetch.c: the slow way to an instruction's length: a walk of the guest's page tables, and prefixes. */
#include "core/virt/fetch.h"
#include "core/virt/msr.h"
#include "core/x86/user_copy.h"
#include "gyre/vcpu.h"
#include "lib/string.h"

#define INSTRUCTION_MAX 15

#define ENTRY_PRESENT 0x1ull
#define ENTRY_LARGE   0x80ull

#define OPCODE(name, bytes, length)                                                                                    \
	const struct fetch_opcode FETCH_##name = {bytes, (uint32_t)((1ull << (length)*8) - 1), length}
OPCODE(CPUID, 0xa20f, 2);
OPCODE(RDMSR, 0x320f, 2);
OPCODE(WRMSR, 0x300f, 2);
OPCODE(HLT, 0xf4, 1);
OPCODE(VMMCALL, 0xd9010f, 3);
OPCODE(VMCALL, 0xc1010f, 3);

/* Where the levels end that a mode does not have. */
static const uint64_t no_level = 0;

void fetch_forget(struct fetch_cache *cache)
{
	for (int i = 0; i < FETCH_WAYS; i++) {
		struct fetch_entry *entry = &cache->entry[i];
		entry->cr3 = ~0ull;
		for (int level = 0; level < FETCH_LEVELS; level++) {
			entry->at[level] = &no_level;
			entry->value[level] = 0;
		}
		entry->target = (const uint8_t *)&no_level;
	}
}

/* Where the monitor has this much of guest RAM; 0: nowhere. */
static uint64_t window_address(const struct gyre_ram_window *windows, uint64_t gpa, uint64_t bytes)
{
	for (unsigned i = 0; i < GYRE_RAM_WINDOWS; i++) {
		uint64_t offset = gpa - windows[i].gpa;
		if (gpa >= windows[i].gpa && offset < windows[i].bytes && windows[i].bytes - offset >= bytes)
			return windows[i].address + offset;
	}
	return 0;
}

struct walk {
	const struct gyre_ram_window *windows;
	struct fetch_entry *entry; /* filled in on the way */
	unsigned level;
};

static bool read_entry(struct walk *walk, uint64_t gpa, unsigned bytes, uint64_t *value)
{
	uint64_t address = window_address(walk->windows, gpa, bytes);
	*value = 0;
	if (address == 0)
		return false;
	if (bytes == 8) {
		if (user_load64(value, address) < 0)
			return false;
		if (walk->level < FETCH_LEVELS) {
			walk->entry->at[walk->level] = (const uint64_t *)address;
			walk->entry->value[walk->level] = *value;
		}
		walk->level++;
	} else if (user_copy_from(value, address, bytes) < 0) {
		return false;
	}
	return (*value & ENTRY_PRESENT) != 0;
}

/* Long mode and PAE: tables of 512 entries, of which the lowest `levels` are walked. */
static bool walk_512(struct walk *walk, uint64_t table, uint64_t linear, int levels, uint64_t *gpa)
{
	uint64_t value;
	for (int level = levels - 1; level >= 0; level--) {
		unsigned shift = 12 + 9 * (unsigned)level;
		if (!read_entry(walk, table + (linear >> shift & 511) * 8, 8, &value))
			return false;
		if (level == 0 || (level <= 2 && (value & ENTRY_LARGE) != 0)) {
			uint64_t page = (1ull << shift) - 1;
			*gpa = (value & FRAME_BITS & ~page) | (linear & page);
			return true;
		}
		table = value & FRAME_BITS;
	}
	return false;
}

/* 32-bit paging: APM vol. 2, "Legacy-Mode Page Translation". */
static bool walk_1024(struct walk *walk, const struct fetch_where *where, uint64_t linear, uint64_t *gpa)
{
	uint64_t value;
	if (!read_entry(walk, (where->cr3 & 0xfffff000) + (linear >> 22 & 1023) * 4, 4, &value))
		return false;
	if ((value & ENTRY_LARGE) != 0 && (where->cr4 & CR4_PSE) != 0) {
		*gpa = (value & 0xffc00000) | (value >> 13 & 0xff) << 32 | (linear & 0x3fffff);
		return true;
	}
	if (!read_entry(walk, (value & 0xfffff000) + (linear >> 12 & 1023) * 4, 4, &value))
		return false;
	*gpa = (value & 0xfffff000) | (linear & 0xfff);
	return true;
}

static bool translate(struct walk *walk, const struct fetch_where *where, uint64_t linear, uint64_t *gpa)
{
	uint64_t value;
	if ((where->cr0 & CR0_PG) == 0) {
		*gpa = linear;
		return true;
	}
	if ((where->efer & EFER_LMA) != 0)
		return walk_512(walk, where->cr3 & FRAME_BITS, linear, (where->cr4 & CR4_LA57) != 0 ? 5 : 4, gpa);
	if ((where->cr4 & CR4_PAE) == 0)
		return walk_1024(walk, where, linear, gpa);
	if (!read_entry(walk, (where->cr3 & 0xffffffe0) + (linear >> 30 & 3) * 8, 8, &value))
		return false;
	return walk_512(walk, value & FRAME_BITS, linear, 2, gpa);
}

static uint64_t linear_of(const struct fetch_where *where, uint64_t offset)
{
	return where->cs_long ? where->rip + offset : (uint32_t)(where->cs_base + where->rip + offset);
}

/* Bytes up to the end of the page that holds the first one; remembers the walk, where it is one of long mode. */
static uint32_t read_page(struct fetch_cache *cache, const struct gyre_ram_window *windows,
	const struct fetch_where *where, uint64_t linear, uint8_t *bytes, uint32_t wanted)
{
	struct fetch_entry entry = {.linear_page = linear >> 12, .cr3 = where->cr3};
	struct walk walk = {windows, &entry, 0};
	uint32_t room = 4096 - (linear & 4095), count = wanted < room ? wanted : room;
	uint64_t gpa, address;
	for (int i = 0; i < FETCH_LEVELS; i++)
		entry.at[i] = &no_level;
	if (!translate(&walk, where, linear, &gpa))
		return 0;
	address = window_address(windows, gpa, count);
	if (address == 0 || user_copy_from(bytes, address, count) < 0)
		return 0;
	if (where->cs_long) {
		/* The whole page must be the window's: later reads are anywhere in it. */
		uint64_t page = window_address(windows, gpa & ~0xfffull, 4096);
		entry.target = (const uint8_t *)page;
		if (page != 0 && walk.level <= FETCH_LEVELS)
			cache->entry[linear >> 12 & (FETCH_WAYS - 1)] = entry;
	}
	return count;
}

static bool is_prefix(uint8_t byte, bool long_mode)
{
	/* ES, CS, SS, DS; FS, GS, operand and address size; LOCK; REPNE, REP. */
	if ((byte & 0xe7) == 0x26 || (byte & 0xfc) == 0x64 || byte == 0xf0 || (byte & 0xfe) == 0xf2)
		return true;
	/* REX; one that is not last is ignored, and is a byte all the same. */
	return long_mode && (byte & 0xf0) == 0x40;
}

uint32_t fetch_length_slow(struct fetch_cache *cache, const struct gyre_ram_window *windows,
	const struct fetch_where *where, const struct fetch_opcode *opcode)
{
	uint8_t bytes[16];
	uint64_t linear = linear_of(where, 0);
	uint32_t count = read_page(cache, windows, where, linear, bytes, INSTRUCTION_MAX), prefixes = 0, found = 0;
	memset(bytes + count, 0, 16 - count);
	if (count == 0)
		return 0;
	for (;;) {
		/* The second page is read only if the instruction reaches into it: it may be missing rightly. */
		if (count < INSTRUCTION_MAX && prefixes + opcode->length > count) {
			uint32_t more = read_page(
				cache, windows, where, linear_of(where, count), bytes + count, INSTRUCTION_MAX - count);
			if (more == 0)
				break;
			count += more;
		}
		if (prefixes + opcode->length > INSTRUCTION_MAX || !is_prefix(bytes[prefixes], where->cs_long))
			break;
		prefixes++;
	}
	if (prefixes + opcode->length <= count) {
		memcpy(&found, bytes + prefixes, sizeof(found) < 16 - prefixes ? sizeof(found) : 16 - prefixes);
		if ((found & opcode->mask) == opcode->bytes)
			return prefixes + opcode->length;
	}
	return 0;
}
