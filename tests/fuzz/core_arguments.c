/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/core_arguments.c: arguments of calls that are right, nearly right, or not at all. */
#include "tests/fuzz/core_machine.h"
#include "core/x86/timer.h"

/*
 * Handles of a type: m memory, p process (or 0: the caller's own), t thread (or 0), e endpoint, v event, V event or 0, i interrupt, s ports, g VM, c vcpu,
 * x the machine; h any, H any or 0. Else: n pages, o offset in pages, a address to map at, G guest page, A address of a vcpu's pages, r rights of a
 * mapping, R rights of a handle, b a small number, B a bit, w memory to read or write, P policy, C CPUID entries, T thread's registers, d deadline,
 * l bytes of a line, y address and z data of a message, q quota, E code address, 1 zero or one, u microseconds, k doorbell, j value of a doorbell,
 * S state groups, 0 zero, mostly, N badge, D and F pages and page of the dirty log, * anything. What follows a memory object fits it, mostly.
 */
const char *const call_signatures[GYRE_CALL_COUNT] = {
	[GYRE_CALL_handle_close] = "h",
	[GYRE_CALL_handle_copy] = "phRN",
	[GYRE_CALL_handle_info] = "h",
	[GYRE_CALL_object_destroy] = "h",
	[GYRE_CALL_memory_create] = "np",
	[GYRE_CALL_memory_derive] = "monr",
	[GYRE_CALL_memory_move] = "momon",
	[GYRE_CALL_memory_replace] = "momo",
	[GYRE_CALL_memory_punch] = "mon",
	[GYRE_CALL_log_write] = "wl",
	[GYRE_CALL_memory_revoke] = "m",
	[GYRE_CALL_memory_map] = "pmoanr",
	[GYRE_CALL_memory_unmap] = "pan",
	[GYRE_CALL_process_create] = "q",
	[GYRE_CALL_process_info] = "pw",
	[GYRE_CALL_thread_create] = "pE**e1",
	[GYRE_CALL_thread_start] = "t",
	[GYRE_CALL_thread_stop] = "t",
	[GYRE_CALL_thread_schedule] = "tBuuu0",
	[GYRE_CALL_thread_registers] = "t1T",
	[GYRE_CALL_thread_exit] = "",
	[GYRE_CALL_thread_yield] = "",
	[GYRE_CALL_endpoint_create] = "",
	[GYRE_CALL_endpoint_call] = "e****H",
	[GYRE_CALL_endpoint_reply_wait] = "e1***H",
	[GYRE_CALL_event_create] = "",
	[GYRE_CALL_event_signal] = "v*",
	[GYRE_CALL_event_wait] = "vd",
	[GYRE_CALL_event_timer] = "vBd",
	[GYRE_CALL_interrupt_create] = "xbb",
	[GYRE_CALL_interrupt_bind] = "ivB",
	[GYRE_CALL_interrupt_ack] = "i",
	[GYRE_CALL_ioports_create] = "xIb",
	[GYRE_CALL_ioports_grant] = "ps",
	[GYRE_CALL_vm_create] = "p",
	[GYRE_CALL_vm_map] = "gmoGnr",
	[GYRE_CALL_vm_unmap] = "gGn",
	[GYRE_CALL_vm_doorbell] = "gkjVB",
	[GYRE_CALL_vm_interrupt] = "gyz",
	[GYRE_CALL_vm_event_interrupt] = "gvByz",
	[GYRE_CALL_vm_dirty_log] = "g1",
	[GYRE_CALL_vm_dirty_take] = "gFDw",
	[GYRE_CALL_vcpu_create] = "gbA",
	[GYRE_CALL_vcpu_run] = "c",
	[GYRE_CALL_vcpu_kick] = "cb",
	[GYRE_CALL_vcpu_kick_on] = "cV",
	[GYRE_CALL_vcpu_state_get] = "cS",
	[GYRE_CALL_vcpu_state_set] = "cS",
	[GYRE_CALL_vcpu_policy] = "cPCb",
	[GYRE_CALL_vcpu_trace] = "c1",
	[GYRE_CALL_machine_info] = "w",
	[GYRE_CALL_machine_check] = "x",
};

static uint64_t hostile_number(void)
{
	static const uint64_t odd[] = {0, 1, 2, ~0ull, 1ull << 63, (1ull << 63) - 1, 1ull << 47, (1ull << 47) - 1,
		(1ull << 47) - 4096, (1ull << 47) - 8192, 1ull << 36, (1ull << 36) - 1, (1ull << 36) - 64,
		0xffff800000000000ull, 0xffffffff80000000ull, 0x7fffffffull, 0x80000000ull, 0xffffffffull, 1ull << 32,
		511, 512, 513, 4095, 4096, 4064, 2048, 2049, 64, 63, 65536, 65537, 0xfee00000ull, 0x20, 0xa0, 240, 241,
		3600000001ull, ~0ull - 4095, 0x10000, 0xf000, 1ull << 18, RAM_FIRST - 1, RAM_FIRST + RAM_PAGES, 128,
		129};
	const uint8_t which = byte();
	const uint64_t value = odd[which % (sizeof(odd) / sizeof(odd[0]))];
	return which > 240 ? -value : which > 220 ? value << byte() % 64u : value;
}

/* ---- handles ---- */

static const uint8_t type_of[128] = {
	['m'] = GYRE_OBJECT_MEMORY,
	['p'] = GYRE_OBJECT_PROCESS,
	['t'] = GYRE_OBJECT_THREAD,
	['e'] = GYRE_OBJECT_ENDPOINT,
	['v'] = GYRE_OBJECT_EVENT,
	['V'] = GYRE_OBJECT_EVENT,
	['i'] = GYRE_OBJECT_INTERRUPT,
	['s'] = GYRE_OBJECT_IOPORTS,
	['g'] = GYRE_OBJECT_VM,
	['c'] = GYRE_OBJECT_VCPU,
	['x'] = GYRE_OBJECT_MACHINE,
};

static uint64_t memory_pages; /* of the object that was picked last */

/* The next one of that type after some place, GYRE_OBJECT_NONE: of any. */
static struct handle *handle_pick(const struct handle_table *table, unsigned int type)
{
	uint64_t number = byte() * 4u;
	for (unsigned int i = 0; i < HANDLE_FRAMES * HANDLE_PER_FRAME; i++, number++) {
		struct handle *entry;
		number %= HANDLE_FRAMES * HANDLE_PER_FRAME;
		if (table->frame[number / HANDLE_PER_FRAME] == NULL) {
			number |= HANDLE_PER_FRAME - 1;
			i |= HANDLE_PER_FRAME - 1;
			continue;
		}
		entry = handle_entry(table, number);
		if (entry != NULL && (type == GYRE_OBJECT_NONE || entry->object->type == type))
			return entry;
	}
	return NULL;
}

struct object *object_pick(struct process *process, unsigned int type)
{
	const struct handle *handle = handle_pick(&process->handles, type);
	return handle == NULL ? NULL : handle->object;
}

static uint64_t handle_argument(char kind)
{
	static const char may_be_zero[] = "ptVH";
	const struct handle *handle;
	for (unsigned int i = 0; may_be_zero[i] != 0; i++)
		if (kind == may_be_zero[i] && byte() % 2u == 0)
			return 0;
	handle = handle_pick(&machine.cpu->thread->process->handles, type_of[(unsigned int)kind]);
	if (handle != NULL && handle->object->type == GYRE_OBJECT_MEMORY)
		memory_pages = container_of(handle->object, struct memory, object)->pages;
	return handle == NULL ? byte() : handle_number(handle);
}

/* ---- numbers ---- */

static uint64_t pages_argument(void)
{
	const uint64_t some = byte(), more = byte();
	switch (some % 8) {
	case 0: return 1;
	case 1: return 1 + more % 8;
	case 2: return 64 * (1 + more % 33);
	case 3: return 512;
	case 4: return 511 + more % 3;
	case 5: return more;
	case 6: return 512 * (more % 20);
	default: return 0x40000 >> more % 10;
	}
}

static uint64_t offset_argument(void)
{
	const uint64_t some = byte(), more = byte();
	switch (some % 8) {
	case 0:
	case 1: return 0;
	case 2: return more;
	case 3: return 64 * (more % 32);
	case 4: return 512 * (more % 64);
	case 5: return RAM_FIRST + more * 64;
	case 6: return RAM_LARGE + 512 * more;
	default: return more % 8;
	}
}

static uint64_t page_argument(void)
{
	const uint64_t some = byte(), more = byte();
	return some % 4 == 0 ? more : some % 4 == 1 ? 64 * (more % 64) : some % 4 == 2 ? 512 * more : more % 4 << 18;
}

/* Few enough that one is used again. */
static uint64_t address_argument(void)
{
	const uint64_t some = byte(), more = byte();
	return some % 4 == 0   ? more % 32
	       : some % 4 == 1 ? 64 * (more % 16)
	       : some % 4 == 2 ? 512 * (more % 8)
			       : more % 4 << 18;
}

static uint64_t deadline_argument(void)
{
	const uint64_t some = byte();
	return some % 8 == 0   ? 0
	       : some % 8 == 1 ? GYRE_FOREVER
	       : some % 8 == 2 ? unit_tsc - some
			       : unit_tsc + (some << byte() % 24u);
}

static uint64_t plain_argument(char kind)
{
	switch (kind) {
	case 'n': return pages_argument();
	case 'o': return byte() % 4u == 0 ? offset_argument() : offset_argument() % memory_pages;
	case 'N': return byte() % 4u == 0 ? byte() : 0;
	case 'D': return 64 * (1 + byte() % 33u);
	case 'F': return 64 * (byte() % 32u) + (byte() % 4u << 18);
	case 'I': return byte() * 256u + byte() % 64u;
	case 'a': return 0x40000000 + (address_argument() << PAGE_SHIFT);
	case 'G': return page_argument();
	case 'A': return 0x80000000ul + byte() % 16u * 0x8000u;
	case 'r': return (byte() & 7u) | 1;
	case 'R': return byte() % 4u == 0 ? GYRE_RIGHT_ALL : (uint64_t)byte() << 2;
	case 'b': return byte() % (byte() % 4u == 0 ? 140u : 4u);
	case 'B': return byte() % 65u;
	case 'w': return WINDOW_AT + WINDOW_GENERAL + byte() * 16u;
	case 'P': return WINDOW_AT + WINDOW_POLICY;
	case 'C': return WINDOW_AT + WINDOW_CPUID;
	case 'T': return WINDOW_AT + WINDOW_THREAD;
	case 'd': return deadline_argument();
	case 'l': return byte() % 100u;
	case 'y': return byte() % 8u == 0 ? 0 : 0xfee00000u | (byte() % 8u) << 12 | (byte() & 0xcu);
	case 'z': return (uint64_t)byte() % 9u << 8 | byte();
	case 'q': return byte();
	case 'E': return 0x400000;
	case '1': return byte() % 2u;
	case 'u': return byte() % 4u == 0 ? 0 : byte() * (byte() % 8u == 0 ? 1u : 100u);
	case 'k': return (0x100u + byte() % (byte() % 4u == 0 ? 80u : 2u)) | (uint64_t)byte() % 5u << 16;
	case 'j': return byte() % 2u == 0 ? ~0ull : byte() % 4u;
	case 'S': return byte() & GYRE_STATE_ALL;
	case '0': return byte() % 4u == 0;
	default: return (uint64_t)byte() << byte() % 60u;
	}
}

void arguments_make(struct regs *regs, uint64_t number)
{
	uint64_t *const places[6] = {&regs->rdi, &regs->rsi, &regs->rdx, &regs->r10, &regs->r8, &regs->r9};
	const char *signature = number < GYRE_CALL_COUNT ? call_signatures[number] : "******";
	/* One of six calls has something in it that is not right. */
	const uint8_t wrong = byte();
	memory_pages = RAM_LARGE;
	for (unsigned int i = 0; i < 6; i++) {
		const char kind = *signature != 0 ? *signature++ : '*';
		if (wrong % 36 == i)
			*places[i] = hostile_number();
		else if (type_of[(unsigned int)kind] != 0 || kind == 'h' || kind == 'H')
			*places[i] = handle_argument(kind);
		else
			*places[i] = plain_argument(kind);
	}
}
