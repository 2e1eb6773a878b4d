/* SPDX-License-Identifier: Apache-2.0 */
/* tests/hostile/calls.c: calls with arguments that are nearly right, or not at all. */
#include "tests/hostile/hostile.h"

/*
 * Handles of a type: m memory, p process (or 0: its own), t thread (or 0), f endpoint, v event (or 0), s interrupt, j ports, k VM, c vcpu, X machine; h any.
 * Else: o offset in pages, n pages, a address to map at, r rights, b small number, x anything, w memory for the core to
 * read or write, d deadline, g guest page, i message address, e code address, q quota, D doorbell, V its value, G state groups, M data of a message, N pages of the
 * dirty log, P policy, u microseconds, Z the same, mostly zero,
 * B zero or one, z zero, R memory, mostly guest RAM,
 * K its own VM, mostly, Y badge.
 */
static const char *const signatures[GYRE_CALL_COUNT] = {
	[GYRE_CALL_handle_close] = "h",
	[GYRE_CALL_handle_copy] = "phrY",
	[GYRE_CALL_handle_info] = "h",
	[GYRE_CALL_object_destroy] = "h",
	[GYRE_CALL_memory_create] = "np",
	[GYRE_CALL_memory_derive] = "monr",
	[GYRE_CALL_memory_move] = "moRon",
	[GYRE_CALL_memory_replace] = "moRo",
	[GYRE_CALL_memory_punch] = "mon",
	[GYRE_CALL_log_write] = "wb",
	[GYRE_CALL_memory_revoke] = "m",
	[GYRE_CALL_memory_map] = "pmoanr",
	[GYRE_CALL_memory_unmap] = "pan",
	[GYRE_CALL_process_create] = "q",
	[GYRE_CALL_process_info] = "pw",
	[GYRE_CALL_thread_create] = "pewxfb",
	[GYRE_CALL_thread_start] = "t",
	[GYRE_CALL_thread_stop] = "t",
	[GYRE_CALL_thread_schedule] = "tbuZZz",
	[GYRE_CALL_thread_registers] = "tBw",
	[GYRE_CALL_thread_exit] = "",
	[GYRE_CALL_thread_yield] = "",
	[GYRE_CALL_endpoint_create] = "",
	[GYRE_CALL_endpoint_call] = "fxxxxh",
	[GYRE_CALL_endpoint_reply_wait] = "fxxxxh",
	[GYRE_CALL_event_create] = "",
	[GYRE_CALL_event_signal] = "vx",
	[GYRE_CALL_event_wait] = "vd",
	[GYRE_CALL_event_timer] = "vbd",
	[GYRE_CALL_interrupt_create] = "Xbb",
	[GYRE_CALL_interrupt_bind] = "svb",
	[GYRE_CALL_interrupt_ack] = "s",
	[GYRE_CALL_ioports_create] = "Xbb",
	[GYRE_CALL_ioports_grant] = "pj",
	[GYRE_CALL_vm_create] = "p",
	[GYRE_CALL_vm_map] = "kmognr",
	[GYRE_CALL_vm_unmap] = "kgn",
	[GYRE_CALL_vm_doorbell] = "kDVvb",
	[GYRE_CALL_vm_interrupt] = "KiM",
	[GYRE_CALL_vm_event_interrupt] = "kvbiM",
	[GYRE_CALL_vm_dirty_log] = "kb",
	[GYRE_CALL_vm_dirty_take] = "kgNw",
	[GYRE_CALL_vcpu_create] = "kba",
	[GYRE_CALL_vcpu_run] = "c",
	[GYRE_CALL_vcpu_kick] = "cb",
	[GYRE_CALL_vcpu_kick_on] = "cv",
	[GYRE_CALL_vcpu_state_get] = "cG",
	[GYRE_CALL_vcpu_state_set] = "cG",
	[GYRE_CALL_vcpu_policy] = "cPwb",
	[GYRE_CALL_vcpu_trace] = "cb",
	[GYRE_CALL_machine_info] = "w",
	[GYRE_CALL_machine_check] = "X",
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

void handle_keep(struct worker *w, enum gyre_object_type type, long handle)
{
	if (handle <= 0)
		return;
	w->recent[w->recent_next++ % RECENT] = (handle_t)handle;
	w->typed[type][w->typed_next[type]++ % OF_A_TYPE] = (handle_t)handle;
}

/* One of this type, its own or the other worker's of the same process. */
static handle_t typed_handle(struct worker *w, enum gyre_object_type type)
{
	const struct worker *whose = w->number < 2 && random_below(w, 4) == 0 ? &workers[1 - w->number] : w;
	const uint32_t there = whose->typed_next[type] < OF_A_TYPE ? whose->typed_next[type] : OF_A_TYPE;
	return there == 0 || random_below(w, 12) == 0 ? random_handle(w) : whose->typed[type][random_below(w, there)];
}

/* One of each, so that calls find something. */
void handles_make(struct worker *w)
{
	const handle_t ram = hostile.start->ram;
	handle_keep(w, GYRE_OBJECT_MEMORY, ram);
	handle_keep(w, GYRE_OBJECT_INTERRUPT, hostile.start->interrupt);
	for (unsigned i = 0; i < 2; i++) {
		long window = memory_derive(ram, 16 * random_below(w, 100), 64 + random_below(w, 2048), 7);
		handle_keep(w, GYRE_OBJECT_MEMORY, window);
		if (window > 0)
			handle_keep(w, GYRE_OBJECT_MEMORY,
				memory_derive((handle_t)window, random_below(w, 16), 1 + random_below(w, 48), 7));
	}
	handle_keep(w, GYRE_OBJECT_MEMORY, memory_create(1 + random_below(w, 1000), 0));
	handle_keep(w, GYRE_OBJECT_EVENT, event_create());
	handle_keep(w, GYRE_OBJECT_ENDPOINT, endpoint_create());
	if (random_below(w, 4) == 0)
		handle_keep(w, GYRE_OBJECT_PROCESS, process_create(8 + random_below(w, 8)));
	handle_keep(w, GYRE_OBJECT_VM, vm_create(0));
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
	case 'm': return typed_handle(w, GYRE_OBJECT_MEMORY);
	case 'p': return random_below(w, 2) == 0 ? 0 : typed_handle(w, GYRE_OBJECT_PROCESS);
	case 't': return random_below(w, 8) == 0 ? 0 : typed_handle(w, GYRE_OBJECT_THREAD);
	case 'f': return typed_handle(w, GYRE_OBJECT_ENDPOINT);
	case 'v': return random_below(w, 16) == 0 ? 0 : typed_handle(w, GYRE_OBJECT_EVENT);
	case 's': return typed_handle(w, GYRE_OBJECT_INTERRUPT);
	case 'j': return typed_handle(w, GYRE_OBJECT_IOPORTS);
	case 'k': return typed_handle(w, GYRE_OBJECT_VM);
	case 'c': return typed_handle(w, GYRE_OBJECT_VCPU);
	case 'X': return typed_handle(w, GYRE_OBJECT_MACHINE);
	case 'V': return random_below(w, 2) == 0 ? ~0ull : random_below(w, 4);
	case 'M': return random_below(w, 3) == 0 ? 0x400 : random_below(w, 9) << 8 | random_below(w, 256);
	case 'N': return 64 * (1 + random_below(w, 33));
	case 'u': return random_below(w, 2) == 0 ? 0 : 25 * random_below(w, 500);
	case 'K': return w->vm != 0 && random_below(w, 2) == 0 ? w->vm : typed_handle(w, GYRE_OBJECT_VM);
	case 'Y': return random_below(w, 4) == 0 ? random_below(w, 100) : 0;
	case 'Z': return random_below(w, 4) != 0 ? 0 : 25 * random_below(w, 500);
	case 'R': return random_below(w, 2) == 0 ? hostile.start->ram : typed_handle(w, GYRE_OBJECT_MEMORY);
	case 'B': return random_below(w, 2);
	case 'z': return 0;
	case 'P': *(struct gyre_vcpu_policy *)w->buffer = guest_policy_plain(); return (uintptr_t)w->buffer;
	case 'D': return random_below(w, 64) | random_below(w, 5) << 16;
	case 'G': return random_below(w, 4) == 0 ? random_next(w) : random_below(w, 0x80);
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
	case 'i':
		return 0xfee00000ull | (random_below(w, 4) == 0 ? 0xff : random_below(w, 4)) << 12 |
		       random_below(w, 16) << 2;
	case 'e': return ARENA_ADDRESS + random_below(w, 4096 * 64);
	case 'q': return random_below(w, 2) == 0 ? random_below(w, 100) : 8 + random_below(w, 8);
	default: return random_below(w, 2) == 0 ? random_below(w, 256) : random_next(w);
	}
}

/* The program itself goes on: its own address space outside of the arena, and the handles that end it, stay. */
static bool allowed(const struct worker *w, uint64_t number, const uint64_t *a)
{
	switch (number) {
	case GYRE_CALL_handle_close:
	case GYRE_CALL_object_destroy: return !is_protected(a[0]) && (w->calls & 1) != 0; /* something is to be left */
	case GYRE_CALL_event_wait: return !is_protected(a[0]);
	case GYRE_CALL_memory_unmap: return a[1] >= ARENA_ADDRESS;
	case GYRE_CALL_thread_create: return a[4] != hostile.start->endpoint;
	case GYRE_CALL_thread_exit: return w->calls % 64 == 0; /* it would not get far */
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

/* The type of what a call makes; NONE: nothing. */
static enum gyre_object_type makes(uint64_t number)
{
	switch (number) {
	case GYRE_CALL_memory_create:
	case GYRE_CALL_memory_derive: return GYRE_OBJECT_MEMORY;
	case GYRE_CALL_process_create: return GYRE_OBJECT_PROCESS;
	case GYRE_CALL_thread_create: return GYRE_OBJECT_THREAD;
	case GYRE_CALL_endpoint_create: return GYRE_OBJECT_ENDPOINT;
	case GYRE_CALL_event_create: return GYRE_OBJECT_EVENT;
	case GYRE_CALL_vm_create: return GYRE_OBJECT_VM;
	case GYRE_CALL_vcpu_create: return GYRE_OBJECT_VCPU;
	default: return GYRE_OBJECT_NONE;
	}
}

void random_call(struct worker *w)
{
	static const uint8_t often[] = {GYRE_CALL_endpoint_call, GYRE_CALL_memory_move, GYRE_CALL_thread_create,
		GYRE_CALL_vm_interrupt, GYRE_CALL_vm_dirty_take, GYRE_CALL_vcpu_policy, GYRE_CALL_thread_schedule,
		GYRE_CALL_vcpu_state_set};
	uint64_t number = random_below(w, GYRE_CALL_COUNT + sizeof(often)), a[6];
	if (number >= GYRE_CALL_COUNT)
		number = often[number % sizeof(often)];
	const char *signature = number < GYRE_CALL_COUNT && signatures[number] != NULL ? signatures[number] : "xxxxxx";
	if (random_below(w, 200) == 0)
		number = random_odd(w);
	for (unsigned i = 0; i < 6; i++) {
		a[i] = *signature != 0 ? argument(w, *signature) : random_odd(w);
		signature += *signature != 0;
	}
	if (!allowed(w, number, a))
		return;
	for (unsigned i = 0; i < (number == GYRE_CALL_vcpu_policy ? random_below(w, 2) : 64); i++)
		((uint64_t *)w->buffer)[random_below(w, number == GYRE_CALL_vcpu_policy ? 40 : 1024)] = random_odd(w);
	w->calls++;
	if (number < GYRE_CALL_COUNT)
		w->seen[number].made++; /* it may never come back */
	long result = call_made(number, a);
	seen_add(w, number, result);
	/* Soon the event will have gone. */
	if (number == GYRE_CALL_interrupt_bind && result == 0)
		seen_add(w, GYRE_CALL_interrupt_ack, interrupt_ack((handle_t)a[0]));
	if (makes(number) != GYRE_OBJECT_NONE)
		handle_keep(w, makes(number), result);
	else if (number == GYRE_CALL_handle_copy && a[0] == 0 && result > 0) /* else a number of another's table */
		w->recent[w->recent_next++ % RECENT] = (handle_t)result;
	if (w->calls % 256 == 0)
		handles_make(w);
}
