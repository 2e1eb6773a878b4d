/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/emu/mem.c: from a segment and an offset to bytes.
 *
 * An operand is translated completely, both pages of it, before anything of it is read or written. What lies in RAM is read by one
 * load where the size is that of a load, and so only once; the rest goes to the device callbacks, a call for each page.
 */
#include "monitor/emu/exec.h"

enum emu_result emu_fault(struct emu *emu, unsigned vector)
{
	emu->exception = (struct emu_exception){.vector = (uint8_t)vector};
	return EMU_EXCEPTION;
}

enum emu_result emu_fault_code(struct emu *emu, unsigned vector, unsigned code)
{
	/* The four that are about selectors say whether the program itself was the cause. */
	if (vector >= VECTOR_TS && vector <= VECTOR_GP)
		code |= emu->external;
	emu->exception = (struct emu_exception){
		.vector = (uint8_t)vector, .has_error = emu->cpu.mode != EMU_MODE_REAL, .error = code};
	if (!emu->exception.has_error)
		emu->exception.error = 0;
	return EMU_EXCEPTION;
}

enum emu_result emu_need_slow(struct emu *emu, unsigned groups)
{
	groups &= emu->missing;
	if (!emu->ops->state)
		return EMU_UNSUPPORTED;
	TRY(emu->ops->state(emu->context, emu, groups));
	emu->missing &= ~groups;
	return EMU_DONE;
}

/* Loads and stores of one size, done by one instruction and once. */
struct unaligned16 {
	uint16_t value;
} __attribute__((packed, may_alias));
struct unaligned32 {
	uint32_t value;
} __attribute__((packed, may_alias));
struct unaligned64 {
	uint64_t value;
} __attribute__((packed, may_alias));

static inline bool ram_read(const uint8_t *host, unsigned size, uint64_t *value)
{
	switch (size) {
	case 1: *value = *(const volatile uint8_t *)host; return true;
	case 2: *value = ((const volatile struct unaligned16 *)host)->value; return true;
	case 4: *value = ((const volatile struct unaligned32 *)host)->value; return true;
	case 8: *value = ((const volatile struct unaligned64 *)host)->value; return true;
	default: return false;
	}
}

static inline bool ram_write(uint8_t *host, unsigned size, uint64_t value)
{
	switch (size) {
	case 1: *(volatile uint8_t *)host = (uint8_t)value; return true;
	case 2: ((volatile struct unaligned16 *)host)->value = (uint16_t)value; return true;
	case 4: ((volatile struct unaligned32 *)host)->value = (uint32_t)value; return true;
	case 8: ((volatile struct unaligned64 *)host)->value = value; return true;
	default: return false;
	}
}

bool emu_compare_exchange(uint8_t *memory, unsigned size, uint64_t old, uint64_t new)
{
	bool same;

	/* In assembly because the operand may be misaligned, which C's atomics exclude and LOCK does not. */
	switch (size) {
	case 1:
		__asm__ volatile("lock cmpxchgb %b3, %1"
				 : "=@ccz"(same), "+m"(*memory), "+a"(old)
				 : "q"(new)
				 : "memory");
		break;
	case 2:
		__asm__ volatile("lock cmpxchgw %w3, %1"
				 : "=@ccz"(same), "+m"(*(struct unaligned16 *)memory), "+a"(old)
				 : "r"(new)
				 : "memory");
		break;
	case 4:
		__asm__ volatile("lock cmpxchgl %k3, %1"
				 : "=@ccz"(same), "+m"(*(struct unaligned32 *)memory), "+a"(old)
				 : "r"(new)
				 : "memory");
		break;
	default:
		__asm__ volatile("lock cmpxchgq %3, %1"
				 : "=@ccz"(same), "+m"(*(struct unaligned64 *)memory), "+a"(old)
				 : "r"(new)
				 : "memory");
		break;
	}
	return same;
}

/* memory is aligned to 16. */
bool emu_compare_exchange16(uint8_t *memory, const uint64_t old[2], const uint64_t new[2])
{
	uint64_t low = old[0], high = old[1];
	bool same;

	__asm__ volatile("lock cmpxchg16b %1"
			 : "=@ccz"(same), "+m"(*(struct unaligned64 *)memory), "+a"(low), "+d"(high)
			 : "b"(new[0]), "c"(new[1])
			 : "memory");
	return same;
}

static enum emu_result segment_fault(struct emu *emu, unsigned segment)
{
	return emu_fault_code(emu, segment == EMU_SS ? VECTOR_SS : VECTOR_GP, 0);
}

/* Segmentation outside 64-bit mode: SDM vol. 3, "Limit Checking", "Type Checking". */
static enum emu_result segment_linear_legacy(
	struct emu *emu, unsigned segment, uint64_t offset, unsigned size, unsigned access, uint64_t *linear)
{
	const struct emu_segment *s = &emu->cpu.seg[segment];
	uint64_t last = offset + size - 1;

	*linear = (uint32_t)offset;
	TRY(emu_need(emu, EMU_STATE_SEGMENTS));
	*linear = (uint32_t)(s->base + offset);
	if (!is_real(emu)) {
		if (!(s->attributes & EMU_SEG_P))
			return segment_fault(emu, segment);
		if (access & EMU_ACCESS_WRITE) {
			if (s->attributes & EMU_SEG_CODE || !(s->attributes & EMU_SEG_WRITE))
				return segment_fault(emu, segment);
		} else if (s->attributes & EMU_SEG_CODE && !(s->attributes & EMU_SEG_WRITE)) {
			return segment_fault(emu, segment);
		}
	}
	if ((s->attributes & (EMU_SEG_CODE | EMU_SEG_EXPAND)) == EMU_SEG_EXPAND && !is_real(emu)) {
		uint64_t top = s->attributes & EMU_SEG_DB ? 0xffffffffu : 0xffffu;
		if (offset <= s->limit || last > top)
			return segment_fault(emu, segment);
	} else if (last > s->limit && s->limit != 0xffffffffu) {
		return segment_fault(emu, segment);
	}
	return EMU_DONE;
}

static inline __attribute__((always_inline)) enum emu_result segment_linear(
	struct emu *emu, unsigned segment, uint64_t offset, unsigned size, unsigned access, uint64_t *linear)
{
	if (!is_long(emu))
		return segment_linear_legacy(emu, segment, offset, size, access, linear);
	*linear = offset;
	if (segment >= EMU_FS) {
		TRY(emu_need(emu, EMU_STATE_SEGMENTS));
		offset += emu->cpu.seg[segment].base;
	}
	*linear = offset;
	/* The last byte can be on the other side of the edge only if it is on another page. */
	if (!is_canonical(emu, offset) || ((offset & 0xfff) + size > 0x1000 && !is_canonical(emu, offset + size - 1)))
		return segment_fault(emu, segment);
	return EMU_DONE;
}

enum emu_result emu_segment_linear(
	struct emu *emu, unsigned segment, uint64_t offset, unsigned size, unsigned access, uint64_t *linear)
{
	return segment_linear(emu, segment, offset, size, access, linear);
}

static inline enum emu_result translate(
	struct emu *emu, uint64_t linear, unsigned access, uint64_t *gpa, uint8_t **host)
{
	TRY(walk(emu, linear, access, gpa));
	if (access & EMU_ACCESS_WRITE)
		*host = emu->ops->page(emu->context, *gpa & ~0xfffull, true);
	else
		*host = (uint8_t *)(uintptr_t)emu_page_read(emu, *gpa & ~0xfffull);
	if (*host)
		*host += *gpa & 0xfff;
	return EMU_DONE;
}

/* What lies on the next page. */
static __attribute__((noinline)) enum emu_result ref_second(
	struct emu *emu, uint64_t linear, unsigned left, unsigned access, struct emu_ref *ref)
{
	ref->first = (uint8_t)left;
	linear += left;
	if (!is_long(emu))
		linear = (uint32_t)linear;
	return translate(emu, linear, access, &ref->gpa2, &ref->host2);
}

static inline __attribute__((always_inline)) enum emu_result ref_linear(
	struct emu *emu, uint64_t linear, unsigned size, unsigned access, struct emu_ref *ref)
{
	unsigned left = 0x1000 - (linear & 0xfff);

	ref->size = (uint8_t)size;
	ref->first = (uint8_t)size;
	ref->write = access & EMU_ACCESS_WRITE;
	TRY(translate(emu, linear, access, &ref->gpa, &ref->host));
	return left >= size ? EMU_DONE : ref_second(emu, linear, left, access, ref);
}

enum emu_result emu_ref_linear(struct emu *emu, uint64_t linear, unsigned size, unsigned access, struct emu_ref *ref)
{
	return ref_linear(emu, linear, size, access, ref);
}

/* Alignment checks are for CPL 3. */
static bool is_misaligned(struct emu *emu, uint64_t linear, unsigned alignment)
{
	return emu->cpu.cpl == 3 && emu->cpu.cr0 & CR0_AM && linear & (alignment - 1) &&
	       (alignment & (alignment - 1)) == 0;
}

enum emu_result emu_ref(
	struct emu *emu, unsigned segment, uint64_t offset, unsigned size, unsigned access, struct emu_ref *ref)
{
	uint64_t linear;

	TRY(segment_linear(emu, segment, offset, size, access, &linear));
	if (emu->cpu.cpl == 3)
		access |= EMU_ACCESS_USER;
	if (__builtin_expect(emu->cpu.rflags & FLAG_AC, 0) && is_misaligned(emu, linear, size)) {
		/* Intel's processors look for page faults first. */
		if (emu->config & EMU_CONFIG_INTEL)
			TRY(ref_linear(emu, linear, size, access, ref));
		return emu_fault_code(emu, VECTOR_AC, 0);
	}
	return ref_linear(emu, linear, size, access, ref);
}

static enum emu_result piece_read(struct emu *emu, const uint8_t *host, uint64_t gpa, unsigned size, uint8_t *data)
{
	if (!host)
		host = emu_page_read(emu, gpa & ~0xfffull) ? emu_page_read(emu, gpa & ~0xfffull) + (gpa & 0xfff) : NULL;
	if (!host)
		return emu->ops->mmio_read(emu->context, gpa, size, data);
	for (unsigned i = 0; i < size; i++)
		data[i] = ((const volatile uint8_t *)host)[i];
	return EMU_DONE;
}

static enum emu_result piece_write(struct emu *emu, uint8_t *host, uint64_t gpa, unsigned size, const uint8_t *data)
{
	if (!host)
		return emu->ops->mmio_write(emu->context, gpa, size, data);
	for (unsigned i = 0; i < size; i++)
		((volatile uint8_t *)host)[i] = data[i];
	return EMU_DONE;
}

enum emu_result emu_ref_read_bytes(struct emu *emu, const struct emu_ref *ref, uint8_t *data)
{
	TRY(piece_read(emu, ref->host, ref->gpa, ref->first, data));
	if (ref->first == ref->size)
		return EMU_DONE;
	return piece_read(emu, ref->host2, ref->gpa2, (unsigned)(ref->size - ref->first), data + ref->first);
}

enum emu_result emu_ref_write_bytes(struct emu *emu, const struct emu_ref *ref, const uint8_t *data)
{
	TRY(piece_write(emu, ref->host, ref->gpa, ref->first, data));
	if (ref->first == ref->size)
		return EMU_DONE;
	return piece_write(emu, ref->host2, ref->gpa2, (unsigned)(ref->size - ref->first), data + ref->first);
}

enum emu_result emu_ref_read(struct emu *emu, const struct emu_ref *ref, uint64_t *value)
{
	uint64_t data = 0;

	if (ref->first == ref->size) {
		if (ref->host && ram_read(ref->host, ref->size, value))
			return EMU_DONE;
		/* A device, most often. A page that can be read but not written (ROM) is found in piece_read. */
		if (!ref->host && !ref->write) {
			*value = 0;
			return emu->ops->mmio_read(emu->context, ref->gpa, ref->size, value);
		}
	}
	TRY(emu_ref_read_bytes(emu, ref, (uint8_t *)&data));
	*value = data;
	return EMU_DONE;
}

enum emu_result emu_ref_write(struct emu *emu, const struct emu_ref *ref, uint64_t value)
{
	if (ref->first == ref->size) {
		if (!ref->host)
			return emu->ops->mmio_write(emu->context, ref->gpa, ref->size, &value);
		if (ram_write(ref->host, ref->size, value))
			return EMU_DONE;
	}
	return emu_ref_write_bytes(emu, ref, (const uint8_t *)&value);
}

enum emu_result emu_ref_update(struct emu *emu, const struct emu_ref *ref, bool locked, uint64_t old, uint64_t new)
{
	/* A locked operand on two pages is written in two parts: no sane guest has one, and processors are free to forbid it (#AC). */
	if (locked && ref->host && ref->first == ref->size)
		return emu_compare_exchange(ref->host, ref->size, old, new) ? EMU_DONE : EMU_RETRY;
	return emu_ref_write(emu, ref, new);
}
