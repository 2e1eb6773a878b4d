/* SPDX-License-Identifier: Apache-2.0 */
/* tests/hostile/calls.c: calls with arguments that are nearly right, or not at all. */
#include "tests/hostile/hostile.h"

/*
 * Arguments: h handle, p process or 0, o offset in pages, n pages, a address to map at, r rights, b small number, x anything, w memory for the core to
 * read or write, d deadline, g guest page, i message address, e code address, q quota.
 */
static const char *const signatures[GYRE_CALL_COUNT] = {
	[GYRE_CALL_handle_close] = "h",
	[GYRE_CALL_handle_copy] = "phrb",
	[GYRE_CALL_handle_info] = "h",
	[GYRE_CALL_object_destroy] = "h",
	[GYRE_CALL_memory_create] = "np",
	[GYRE_CALL_memory_derive] = "honr",
	[GYRE_CALL_memory_move] = "hohon",
	[GYRE_CALL_memory_replace] = "hoho",
	[GYRE_CALL_memory_punch] = "hon",
	[GYRE_CALL_memory_revoke] = "h",
	[GYRE_CALL_memory_map] = "phoanr",
	[GYRE_CALL_memory_unmap] = "pan",
	[GYRE_CALL_process_create] = "q",
	[GYRE_CALL_process_info] = "pw",
	[GYRE_CALL_thread_create] = "pewxhb",
	[GYRE_CALL_thread_start] = "h",
	[GYRE_CALL_thread_stop] = "h",
	[GYRE_CALL_thread_schedule] = "hbbbbb",
	[GYRE_CALL_thread_registers] = "hbw",
	[GYRE_CALL_thread_yield] = "",
	[GYRE_CALL_endpoint_create] = "",
	[GYRE_CALL_endpoint_call] = "hxxxxh",
	[GYRE_CALL_endpoint_reply_wait] = "hxxxxh",
	[GYRE_CALL_event_create] = "",
	[GYRE_CALL_event_signal] = "hx",
	[GYRE_CALL_event_wait] = "hd",
	[GYRE_CALL_event_timer] = "hbd",
	[GYRE_CALL_interrupt_create] = "hbb",
	[GYRE_CALL_interrupt_bind] = "hhb",
	[GYRE_CALL_interrupt_ack] = "h",
	[GYRE_CALL_ioports_create] = "hbb",
	[GYRE_CALL_ioports_grant] = "ph",
	[GYRE_CALL_vm_create] = "p",
	[GYRE_CALL_vm_map] = "hhognr",
	[GYRE_CALL_vm_unmap] = "hgn",
	[GYRE_CALL_vm_doorbell] = "hxxhb",
	[GYRE_CALL_vm_interrupt] = "hix",
	[GYRE_CALL_vm_event_interrupt] = "hhbix",
	[GYRE_CALL_vm_dirty_log] = "hb",
	[GYRE_CALL_vm_dirty_take] = "hgnw",
	[GYRE_CALL_vcpu_create] = "hba",
	[GYRE_CALL_vcpu_run] = "h",
	[GYRE_CALL_vcpu_kick] = "hb",
	[GYRE_CALL_vcpu_kick_on] = "hh",
	[GYRE_CALL_vcpu_state_get] = "hx",
	[GYRE_CALL_vcpu_state_set] = "hx",
	[GYRE_CALL_vcpu_policy] = "hwwb",
	[GYRE_CALL_vcpu_trace] = "hb",
	[GYRE_CALL_machine_info] = "w",
	[GYRE_CALL_machine_check] = "h",
};

uint64_t random_odd(struct worker *w)
{
	static const uint64_t odd[] = {0, 1, ~0ull, 1ull << 63, 1ull << 47, (1ull << 47) - 1, (1ull << 47) - 4096,
		1ull << 36, (1ull << 36) - 1, 0xffff800000000000ull, 0xffffffff80000000ull, 0xffffffff80100000ull,
		0x7fffffffull, 0x80000000ull, 0xffffffffull, 1ull << 32, 511, 512, 513, 4095, 4096, 64, 63,
		0xfee00000ull, 0xfee00020ull};
	uint64_t kind = random_below(w, 8);
	if (kind == 0)
		return random_next(w);
	uint64_t value = odd[random_below(w, sizeof(odd) / sizeof(odd[0]))];
	return kind == 1 ? -value : kind == 2 ? value + random_below(w, 9) - 4 : value;
}

handle_t random_handle(struct worker *w)
{
	if (random_below(w, 3) != 0)
		return w->recent[random_below(w, RECENT)];
	return (handle_t)random_below(w, random_below(w, 8) == 0 ? 4200 : 64);
}

handle_t random_fault_handle(struct worker *w)
{
	handle_t handle = random_below(w, 2) == 0 ? random_handle(w) : 0;
	return handle == hostile.start->endpoint ? 0 : handle;
}

static void recent_add(struct worker *w, long handle)
{
	if (handle > 0)
		w->recent[w->recent_next++ % RECENT] = (handle_t)handle;
}

/* One of each, so that calls find something. */
void handles_make(struct worker *w)
{
	const handle_t ram = hostile.start->ram;
	recent_add(w, ram);
	for (unsigned i = 0; i < 2; i++) {
		long window = memory_derive(ram, 16 * random_below(w, 100), 64 + random_below(w, 2048), 7);
		recent_add(w, window);
		if (window > 0)
			recent_add(w, memory_derive((handle_t)window, random_below(w, 16), 1 + random_below(w, 48), 7));
	}
	recent_add(w, memory_create(1 + random_below(w, 1000), 0));
	recent_add(w, event_create());
	recent_add(w, endpoint_create());
	if (random_below(w, 4) == 0)
		recent_add(w, process_create(8 + random_below(w, 8)));
	recent_add(w, vm_create(0));
}

static bool is_protected(uint64_t handle)
{
	for (unsigned i = 0; i < PROTECTED_MOST; i++)
		if (hostile.protect[i] == handle)
			return true;
	return false;
}

static uint64_t argument(struct worker *w, char kind)
{
	if (random_below(w, 24) == 0)
		return random_odd(w);
	switch (kind) {
	case 'h': return random_handle(w);
	case 'p': return random_below(w, 2) == 0 ? 0 : random_handle(w);
	case 'o': return random_below(w, 4) == 0 ? random_below(w, 8192) : random_below(w, 16);
	case 'n':
		return random_below(w, 4) == 0 ? 64 * random_below(w, 64) : random_below(w, 600) >> random_below(w, 9);
	case 'a':
		return ARENA_ADDRESS +
		       4096 * (random_below(w, 8) == 0 ? 512 * random_below(w, 32) : random_below(w, 64) * 8);
	case 'r': return random_below(w, 3) == 0 ? random_below(w, 0x400) : random_below(w, 8) | 1;
	case 'b': return random_below(w, random_below(w, 4) == 0 ? 100 : 5);
	case 'w':
		switch (random_below(w, 8)) {
		case 0: return ARENA_ADDRESS + 4096 * random_below(w, 512) - 8;
		case 1: return (uintptr_t)signatures; /* not writable */
		case 2: return GYRE_USER_END - 8;
		case 3: return (uintptr_t)w->buffer + random_below(w, 4096);
		default: return (uintptr_t)w->buffer;
		}
	case 'd': return tsc() + random_below(w, 2000000);
	case 'g': return random_below(w, 4) == 0 ? random_below(w, 1ull << 24) : 64 * random_below(w, 130);
	case 'i': return 0xfee00000ull | random_below(w, 16) << 12 | random_below(w, 16) << 2;
	case 'e': return ARENA_ADDRESS + random_below(w, 4096 * 64);
	case 'q': return random_below(w, 100);
	default: return random_below(w, 2) == 0 ? random_below(w, 256) : random_next(w);
	}
}

/* The program itself goes on: its own address space outside of the arena, and the handles that end it, stay. */
static bool allowed(uint64_t number, const uint64_t *a)
{
	switch (number) {
	case GYRE_CALL_handle_close:
	case GYRE_CALL_object_destroy:
	case GYRE_CALL_event_wait: return !is_protected(a[0]);
	case GYRE_CALL_memory_unmap: return a[1] >= ARENA_ADDRESS;
	case GYRE_CALL_thread_create: return a[4] != hostile.start->endpoint;
	case GYRE_CALL_thread_exit: return false;
	case GYRE_CALL_endpoint_call: return a[0] != hostile.start->endpoint || a[1] != GYRE_ROOT_END;
	default: return true;
	}
}

static long call_made(uint64_t number, const uint64_t *a)
{
	long result = (long)number;
	uint64_t rdi = a[0], rsi = a[1], rdx = a[2];
	register uint64_t r10 __asm__("r10") = a[3];
	register uint64_t r8 __asm__("r8") = a[4];
	register uint64_t r9 __asm__("r9") = a[5];
	__asm__ volatile("syscall"
			 : "+a"(result), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+r"(r10), "+r"(r8), "+r"(r9)
			 :
			 : CALL_CLOBBERS, "rbx", "r12", "r13", "r14", "r15"); /* vcpu_run keeps none of them */
	return result;
}

static bool makes_handle(uint64_t number)
{
	switch (number) {
	case GYRE_CALL_handle_copy:
	case GYRE_CALL_memory_create:
	case GYRE_CALL_memory_derive:
	case GYRE_CALL_process_create:
	case GYRE_CALL_thread_create:
	case GYRE_CALL_endpoint_create:
	case GYRE_CALL_event_create:
	case GYRE_CALL_vm_create:
	case GYRE_CALL_vcpu_create: return true;
	default: return false;
	}
}

void random_call(struct worker *w)
{
	uint64_t number = random_below(w, GYRE_CALL_COUNT), a[6];
	const char *signature = number < GYRE_CALL_COUNT && signatures[number] != NULL ? signatures[number] : "xxxxxx";
	if (random_below(w, 200) == 0)
		number = random_odd(w);
	for (unsigned i = 0; i < 6; i++) {
		a[i] = *signature != 0 ? argument(w, *signature) : random_odd(w);
		signature += *signature != 0;
	}
	if (!allowed(number, a))
		return;
	for (unsigned i = 0; i < 64; i++)
		((uint64_t *)w->buffer)[random_below(w, 1024)] = random_odd(w);
	w->calls++;
	long result = call_made(number, a);
	if (result >= 0 && number < GYRE_CALL_COUNT)
		w->good[number]++;
	if (number == GYRE_CALL_handle_copy && a[0] != 0)
		return; /* a number of another's table */
	if (makes_handle(number))
		recent_add(w, result);
	if (w->calls % 256 == 0)
		handles_make(w);
}
