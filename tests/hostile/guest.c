/* SPDX-License-Identifier: Apache-2.0 */
/* tests/hostile/guest.c: guests in states that are nearly right, and exits that are answered wrongly. */
#include "lib/string.h"
#include "tests/hostile/hostile.h"

#define VCPU_OF(w) (VCPU_ADDRESS + (w)->number * 0x10000ull)

static volatile struct gyre_vcpu_page *run_page(const struct worker *w)
{
	return (struct gyre_vcpu_page *)VCPU_OF(w);
}

static uint64_t *state_words(const struct worker *w)
{
	return (uint64_t *)(VCPU_OF(w) + GYRE_VCPU_PAGE_STATE * 4096);
}

/* ---- what it runs: instructions that leave the guest, and noise ---- */

static const char *const pieces[] = {"\xf4", "\xfa\xf4", "\x0f\xa2", "\x0f\x01\xd9", "\x0f\x01\xc1", "\x0f\x01\xd8",
	"\x0f\x01\xda", "\x0f\x01\xdb", "\x0f\x01\xdc", "\x0f\x01\xdd", "\x0f\x01\xdf", "\x0f\x01\xd1", "\x0f\x32",
	"\x0f\x30", "\x0f\x31", "\x0f\x33", "\xe4\x60", "\xe6\x60", "\xed", "\xef", "\xf3\x6e", "\xf3\x6c", "\xf3\xa4",
	"\xcc", "\xcd\x80", "\xce", "\xf1", "\x0f\x0b", "\x9c\x9d", "\xfb\x90", "\xf3\x90", "\x0f\x20\xc0",
	"\x0f\x22\xc0", "\x0f\x22\xd8", "\x0f\x22\xe0", "\x0f\x21\xf8", "\x0f\x01\x3b", "\x0f\x08", "\x0f\x09",
	"\x0f\x01\xc8", "\x0f\x01\xc9", "\xcf", "\xcb", "\x0f\x05", "\x0f\x07", "\x0f\x34", "\x0f\x35", "\x0f\xaa",
	"\x0f\x06", "\x0f\xae\x28", "\xdf\xe0", "\x9b", "\x89\x07", "\x8b\x06", "\x8e\xd8", "\x8e\xd0", "\x0f\x01\xf9"};

static void code_make(struct worker *w, uint64_t at)
{
	uint8_t *code = (uint8_t *)RAM_ADDRESS + at;
	for (unsigned i = 0; i < 24; i++) {
		const char *piece = pieces[random_below(w, sizeof(pieces) / sizeof(pieces[0]))];
		if (random_below(w, 3) == 0) { /* MOV r32, a number */
			uint32_t value = (uint32_t)random_odd(w);
			*code++ = (uint8_t)(0xb8 + random_below(w, 8));
			memcpy(code, &value, 4);
			code += 4;
		}
		while (*piece != 0)
			*code++ = (uint8_t)*piece++;
		*code++ = random_below(w, 4) == 0 ? (uint8_t)random_next(w) : 0x90;
	}
	code[0] = 0xf4;
	code[1] = 0xeb;
	code[2] = 0xfd;
}

/* ---- the VM ---- */

struct gyre_vcpu_policy guest_policy_plain(void)
{
	return (struct gyre_vcpu_policy){.abi = GYRE_VCPU_ABI,
		.cr0_allowed = 0xe005003f,
		.cr4_allowed = 0x6f0,
		.physical_bits = 40,
		.apic_timer_khz = 1000000,
		.tsc_khz = hostile.tsc_khz,
		.ram[0] = {0, 0x200000, RAM_ADDRESS},
		.ram[1] = {0xfffff000, 0x1000, RAM_ADDRESS + 0x30000}};
}

void guest_policy(handle_t vcpu)
{
	const struct gyre_vcpu_policy policy = guest_policy_plain();
	vcpu_policy(vcpu, &policy, NULL, 0);
}

static void policy_set(struct worker *w)
{
	struct gyre_vcpu_policy policy = {.abi = GYRE_VCPU_ABI,
		.flags = (uint32_t)random_below(w, 0x20) | (random_below(w, 8) != 0 ? GYRE_POLICY_HALT_EXIT : 0),
		.cr0_allowed = 0xe005003f,
		.cr4_allowed = random_below(w, 2) == 0 ? 0x6f0 : 0x3007ff,
		.efer_allowed = 0xd01,
		.xcr0_allowed = 0,
		.exception_bitmap = (uint32_t)random_next(w),
		.physical_bits = 40,
		.apic_timer_khz = 1000000,
		.tsc_khz = hostile.tsc_khz,
		.tsc_offset = (int64_t)random_odd(w)};
	/* Windows that lie: nothing is there, or something else. */
	policy.ram[0] = (struct gyre_ram_window){0, 0x200000, random_below(w, 2) == 0 ? RAM_ADDRESS : ARENA_ADDRESS};
	policy.ram[1] = (struct gyre_ram_window){0x200000, 0x1000, GYRE_USER_END - 4096};
	static const struct gyre_cpuid_entry cpuid[] = {{0, 0, 0, 0xd, 0x68747541, 0x444d4163, 0x69746e65, 0},
		{1, 0, GYRE_CPUID_APIC_ID | GYRE_CPUID_OSXSAVE, 0x600f20, 0x10800, 0x9200201, 0x78bfbff, 0},
		{0x80000001, 0, 0, 0x600f20, 0, 0x165, 0x2fd3fbff, 0}};
	vcpu_policy(w->vcpu, &policy, cpuid, 3);
}

static void guest_end(struct worker *w)
{
	if (w->vm != 0)
		object_destroy(w->vm);
	if (w->vcpu != 0)
		object_destroy(w->vcpu);
	w->vm = w->vcpu = 0;
	memory_unmap(0, VCPU_OF(w), GYRE_VCPU_PAGES);
}

static bool guest_begin(struct worker *w)
{
	long handle = vm_create(0);
	if (handle < 0)
		return false;
	w->vm = (handle_t)handle;
	handle = vcpu_create(w->vm, (uint32_t)random_below(w, 4), (void *)VCPU_OF(w));
	if (handle < 0) {
		guest_end(w);
		return false;
	}
	w->vcpu = (handle_t)handle;
	handle_keep(w, GYRE_OBJECT_VM, w->vm);
	handle_keep(w, GYRE_OBJECT_VCPU, w->vcpu);
	vm_map(w->vm, hostile.start->ram, 0, 0, 2048, GYRE_RIGHT_READ | GYRE_RIGHT_WRITE | GYRE_RIGHT_EXEC);
	policy_set(w);
	return true;
}

/* 32 bits, flat, without paging: as a boot loader leaves a machine. */
static void state_plain(struct worker *w)
{
	struct gyre_vcpu_state *state = (struct gyre_vcpu_state *)state_words(w);
	for (unsigned i = GYRE_ES; i <= GYRE_GS; i++)
		state->segment[i] = (struct gyre_segment){0x10, 0xc93, 0xffffffff, 0};
	state->segment[GYRE_CS] = (struct gyre_segment){8, 0xc9b, 0xffffffff, 0};
	state->segment[GYRE_TR] = (struct gyre_segment){0x18, 0x8b, 0xffff, 0};
	state->cr0 = 0x11;
	state->cr4 = 0;
	state->efer = 0;
}

static void state_random(struct worker *w)
{
	uint32_t groups = random_below(w, 2) == 0 ? GYRE_STATE_ALL : (uint32_t)random_below(w, 0x80);
	vcpu_state_get(w->vcpu, GYRE_STATE_ALL);
	if (random_below(w, 3) != 0)
		state_plain(w);
	for (uint64_t n = random_below(w, 6); n > 0; n--)
		state_words(w)[random_below(w, sizeof(struct gyre_vcpu_state) / 8)] = random_odd(w);
	if (random_below(w, 4) == 0)
		((uint64_t *)(VCPU_OF(w) + GYRE_VCPU_PAGE_FPU * 4096))[random_below(w, 512)] = random_next(w);
	/* Hardware breakpoints end QEMU itself (docs/testing.md). */
	((struct gyre_vcpu_state *)state_words(w))->dr7 &= ~0xffull;
	vcpu_state_set(w->vcpu, groups);
}

static void page_random(struct worker *w)
{
	volatile struct gyre_vcpu_page *page = run_page(w);
	page->event = 0;
	for (unsigned i = 0; i < GYRE_GPRS; i++)
		if (random_below(w, 4) == 0)
			page->gpr[i] = random_odd(w);
	if (random_below(w, 4) == 0)
		page->rflags = random_next(w);
	if (random_below(w, 4) == 0)
		page->event = (uint32_t)random_next(w) | GYRE_EVENT_VALID;
	if (random_below(w, 6) == 0)
		page->event_error = (uint32_t)random_odd(w);
	page->entry_flags = random_below(w, 3) == 0 ? (uint32_t)random_below(w, 0x48) : 0;
	page->extint_line = (uint32_t)random_below(w, 3);
	page->extint_vector = (uint32_t)random_below(w, 300);
	page->apic_register = (uint32_t)random_below(w, 2) == 0 ? (uint32_t)random_below(w, 0x400) & ~15u
								: (uint32_t)random_odd(w);
	page->apic_value = (uint32_t)random_odd(w);
	page->apic_gpr = (uint32_t)random_below(w, 18);
	page->interruptibility = (uint32_t)random_below(w, 6);
}

void random_guest(struct worker *w)
{
	if (w->vcpu != 0 && random_below(w, 12) == 0)
		guest_end(w);
	if (w->vcpu == 0 && !guest_begin(w))
		return;
	uint64_t at = 0x1000 + random_below(w, 4096) * 16, bytes;
	/* Somebody else may have ended it: its pages would be gone. */
	if ((handle_info(w->vcpu, &bytes, &bytes) & 0xff) != GYRE_OBJECT_VCPU) {
		guest_end(w);
		return;
	}
	code_make(w, at);
	state_random(w);
	run_page(w)->rip = random_below(w, 8) == 0 ? random_odd(w) : at;
	run_page(w)->rflags = 2;
	if (random_below(w, 20) == 0) {
		const int on = (int)random_below(w, 2);
		seen_add(w, GYRE_CALL_vm_dirty_log, vm_dirty_log(w->vm, on));
		seen_add(w, GYRE_CALL_vm_dirty_take,
			vm_dirty_take(w->vm, 64 * random_below(w, 32), 64, (uint64_t *)w->buffer));
	}
	for (unsigned exits = 0; exits < 8; exits++) {
		if (random_below(w, 2) == 0)
			page_random(w);
		w->seen[GYRE_CALL_vcpu_run].made++;
		long result = vcpu_run(w->vcpu);
		w->calls++;
		seen_add(w, GYRE_CALL_vcpu_run, result);
		if (result < 0)
			break;
		w->runs++;
		run_page(w)->rip += run_page(w)->instruction_length;
	}
}
