/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/calls.h: every call of include/gyre/calls.h as an inline function, for native processes. The convention is there. The core keeps all
 * registers but RAX, RCX and R11, and those in which a call returns words, so a stub costs no more than loading its arguments. vcpu_run is in a header of its own.
 * At the end: calls on ranges, repeated until all is done.
 */
#ifndef LIB_CALLS_H
#define LIB_CALLS_H

#include <stddef.h>
#include <stdint.h>
#include "gyre/boot.h"
#include "gyre/calls.h"
#include "gyre/errors.h"
#include "gyre/rights.h"
#include "gyre/vcpu.h"
#include "lib/vcpu_run.h"

typedef uint32_t handle_t;

/* ---- the instruction, by number of arguments ---- */
#define CALL_CLOBBERS "rcx", "r11", "memory", "cc"
static inline long call0(long number)
{
	__asm__ volatile(CALL_INSTRUCTION : "+a"(number) : : CALL_CLOBBERS);
	return number;
}
static inline long call1(long number, uint64_t a)
{
	__asm__ volatile(CALL_INSTRUCTION : "+a"(number) : "D"(a) : CALL_CLOBBERS);
	return number;
}
static inline long call2(long number, uint64_t a, uint64_t b)
{
	__asm__ volatile(CALL_INSTRUCTION : "+a"(number) : "D"(a), "S"(b) : CALL_CLOBBERS);
	return number;
}
static inline long call3(long number, uint64_t a, uint64_t b, uint64_t c)
{
	__asm__ volatile(CALL_INSTRUCTION : "+a"(number) : "D"(a), "S"(b), "d"(c) : CALL_CLOBBERS);
	return number;
}
static inline long call4(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	register uint64_t r10 __asm__("r10") = d;
	__asm__ volatile(CALL_INSTRUCTION : "+a"(number) : "D"(a), "S"(b), "d"(c), "r"(r10) : CALL_CLOBBERS);
	return number;
}
static inline long call5(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	register uint64_t r10 __asm__("r10") = d;
	register uint64_t r8 __asm__("r8") = e;
	__asm__ volatile(CALL_INSTRUCTION : "+a"(number) : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8) : CALL_CLOBBERS);
	return number;
}
static inline long call6(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
	register uint64_t r10 __asm__("r10") = d;
	register uint64_t r8 __asm__("r8") = e;
	register uint64_t r9 __asm__("r9") = f;
	__asm__ volatile(CALL_INSTRUCTION
			 : "+a"(number)
			 : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : CALL_CLOBBERS);
	return number;
}

/* ---- handles ---- */
static inline long handle_close(handle_t handle)
{
	return call1(GYRE_CALL_handle_close, handle);
}
static inline long handle_copy(handle_t process, handle_t handle, uint32_t rights, uint32_t badge)
{
	return call4(GYRE_CALL_handle_copy, process, handle, rights, badge);
}
static inline long handle_info(handle_t handle, uint64_t *badge, uint64_t *pages)
{
	long result = GYRE_CALL_handle_info;
	uint64_t rsi = 0, rdx = 0;
	__asm__ volatile(CALL_INSTRUCTION : "+a"(result), "+S"(rsi), "+d"(rdx) : "D"((uint64_t)handle) : CALL_CLOBBERS);
	*badge = rsi;
	*pages = rdx;
	return result;
}
static inline long object_destroy(handle_t handle)
{
	long result;
	while ((result = call1(GYRE_CALL_object_destroy, handle)) == -GYRE_EAGAIN)
		;
	return result;
}

/* ---- memory ---- */
static inline long memory_create(uint64_t pages, handle_t process)
{
	return call2(GYRE_CALL_memory_create, pages, process);
}
static inline long memory_derive(handle_t memory, uint64_t offset, uint64_t pages, uint32_t rights)
{
	return call4(GYRE_CALL_memory_derive, memory, offset, pages, rights);
}
static inline long memory_move(
	handle_t target, uint64_t target_offset, handle_t source, uint64_t source_offset, uint64_t pages)
{
	return call5(GYRE_CALL_memory_move, target, target_offset, source, source_offset, pages);
}
static inline long memory_replace(handle_t target, uint64_t offset, handle_t source, uint64_t source_offset)
{
	return call4(GYRE_CALL_memory_replace, target, offset, source, source_offset);
}
static inline long memory_punch(handle_t memory, uint64_t offset, uint64_t pages)
{
	return call3(GYRE_CALL_memory_punch, memory, offset, pages);
}
static inline long memory_revoke(handle_t memory)
{
	long result;
	while ((result = call1(GYRE_CALL_memory_revoke, memory)) == -GYRE_EAGAIN)
		;
	return result;
}
static inline long memory_map(
	handle_t process, handle_t memory, uint64_t offset, uint64_t address, uint64_t pages, uint32_t rights)
{
	return call6(GYRE_CALL_memory_map, process, memory, offset, address, pages, rights);
}
static inline long memory_unmap(handle_t process, uint64_t address, uint64_t pages)
{
	return call3(GYRE_CALL_memory_unmap, process, address, pages);
}

/* ---- processes and threads ---- */
static inline long process_create(uint64_t quota_frames)
{
	return call1(GYRE_CALL_process_create, quota_frames);
}
static inline long process_info(handle_t process, struct gyre_process_info *info)
{
	return call2(GYRE_CALL_process_info, process, (uintptr_t)info);
}
static inline long thread_create(
	handle_t process, uint64_t entry, uint64_t stack, uint64_t argument, handle_t fault_endpoint, uint32_t flags)
{
	return call6(GYRE_CALL_thread_create, process, entry, stack, argument, fault_endpoint, flags);
}
static inline long thread_start(handle_t thread)
{
	return call1(GYRE_CALL_thread_start, thread);
}
static inline long thread_stop(handle_t thread)
{
	return call1(GYRE_CALL_thread_stop, thread);
}
static inline long thread_schedule(
	handle_t thread, uint32_t priority, uint64_t slice, uint64_t budget, uint64_t period, uint32_t cpu)
{
	return call6(GYRE_CALL_thread_schedule, thread, priority, slice, budget, period, cpu);
}
static inline long thread_registers(handle_t thread, int write, struct gyre_thread_registers *registers)
{
	return call3(GYRE_CALL_thread_registers, thread, (uint64_t)write, (uintptr_t)registers);
}
static inline void __attribute__((noreturn)) thread_exit(void)
{
	for (;;)
		call0(GYRE_CALL_thread_exit);
}
static inline long thread_yield(void)
{
	return call0(GYRE_CALL_thread_yield);
}

/* ---- endpoints ---- */
struct message {
	uint64_t word[4];
	handle_t handle; /* to pass, or got; 0: none */
};
static inline long endpoint_create(void)
{
	return call0(GYRE_CALL_endpoint_create);
}
/* The message goes out, the reply comes back in its place. */
static inline long endpoint_call(handle_t endpoint, struct message *message)
{
	long result = GYRE_CALL_endpoint_call;
	uint64_t rsi = message->word[0], rdx = message->word[1];
	register uint64_t r10 __asm__("r10") = message->word[2];
	register uint64_t r8 __asm__("r8") = message->word[3];
	register uint64_t r9 __asm__("r9") = message->handle;
	__asm__ volatile(CALL_INSTRUCTION
			 : "+a"(result), "+S"(rsi), "+d"(rdx), "+r"(r10), "+r"(r8), "+r"(r9)
			 : "D"((uint64_t)endpoint)
			 : CALL_CLOBBERS);
	message->word[0] = rsi;
	message->word[1] = rdx;
	message->word[2] = r10;
	message->word[3] = r8;
	message->handle = (handle_t)r9;
	return result;
}
/* Answers the call in hand with status and word[0] to word[2], then waits for the next, which arrives in message. */
static inline long endpoint_reply_wait(handle_t endpoint, long status, struct message *message)
{
	long result = GYRE_CALL_endpoint_reply_wait;
	uint64_t rsi = (uint64_t)status, rdx = message->word[0];
	register uint64_t r10 __asm__("r10") = message->word[1];
	register uint64_t r8 __asm__("r8") = message->word[2];
	register uint64_t r9 __asm__("r9") = message->handle;
	__asm__ volatile(CALL_INSTRUCTION
			 : "+a"(result), "+S"(rsi), "+d"(rdx), "+r"(r10), "+r"(r8), "+r"(r9)
			 : "D"((uint64_t)endpoint)
			 : CALL_CLOBBERS);
	message->word[0] = rsi;
	message->word[1] = rdx;
	message->word[2] = r10;
	message->word[3] = r8;
	message->handle = (handle_t)r9;
	return result;
}

/* ---- events ---- */
static inline long event_create(void)
{
	return call0(GYRE_CALL_event_create);
}
static inline long event_signal(handle_t event, uint64_t bits)
{
	return call2(GYRE_CALL_event_signal, event, bits);
}
/* bits is 0 unless the result is. */
static inline long event_wait(handle_t event, uint64_t deadline, uint64_t *bits)
{
	long result = GYRE_CALL_event_wait;
	uint64_t rsi = deadline;
	__asm__ volatile(CALL_INSTRUCTION : "+a"(result), "+S"(rsi) : "D"((uint64_t)event) : CALL_CLOBBERS);
	*bits = result == 0 ? rsi : 0;
	return result;
}
static inline long event_timer(handle_t event, uint32_t bit, uint64_t deadline)
{
	return call3(GYRE_CALL_event_timer, event, bit, deadline);
}

/* ---- interrupts and ports ---- */
static inline long interrupt_create(handle_t machine, uint32_t gsi, uint32_t flags)
{
	return call3(GYRE_CALL_interrupt_create, machine, gsi, flags);
}
static inline long interrupt_bind(handle_t interrupt, handle_t event, uint32_t bit)
{
	return call3(GYRE_CALL_interrupt_bind, interrupt, event, bit);
}
static inline long interrupt_ack(handle_t interrupt)
{
	return call1(GYRE_CALL_interrupt_ack, interrupt);
}
static inline long ioports_create(handle_t machine, uint32_t first, uint32_t count)
{
	return call3(GYRE_CALL_ioports_create, machine, first, count);
}
static inline long ioports_grant(handle_t process, handle_t ioports)
{
	return call2(GYRE_CALL_ioports_grant, process, ioports);
}

/* ---- virtual machines and processors ---- */
static inline long vm_create(handle_t process)
{
	return call1(GYRE_CALL_vm_create, process);
}
static inline long vm_map(
	handle_t vm, handle_t memory, uint64_t offset, uint64_t gpa_page, uint64_t pages, uint32_t rights)
{
	return call6(GYRE_CALL_vm_map, vm, memory, offset, gpa_page, pages, rights);
}
static inline long vm_unmap(handle_t vm, uint64_t gpa_page, uint64_t pages)
{
	return call3(GYRE_CALL_vm_unmap, vm, gpa_page, pages);
}
static inline long vm_doorbell(handle_t vm, uint16_t port, uint32_t size, uint64_t match, handle_t event, uint32_t bit)
{
	return call5(GYRE_CALL_vm_doorbell, vm, port | (uint64_t)size << 16, match, event, bit);
}
static inline long vm_interrupt(handle_t vm, uint64_t address, uint32_t data)
{
	return call3(GYRE_CALL_vm_interrupt, vm, address, data);
}
static inline long vm_event_interrupt(handle_t vm, handle_t event, uint32_t bit, uint64_t address, uint32_t data)
{
	return call5(GYRE_CALL_vm_event_interrupt, vm, event, bit, address, data);
}
static inline long vm_dirty_log(handle_t vm, int on)
{
	long result;
	while ((result = call2(GYRE_CALL_vm_dirty_log, vm, (uint64_t)on)) == -GYRE_EAGAIN)
		;
	return result;
}
static inline long vm_dirty_take(handle_t vm, uint64_t gpa_page, uint64_t pages, uint64_t *bitmap)
{
	return call4(GYRE_CALL_vm_dirty_take, vm, gpa_page, pages, (uintptr_t)bitmap);
}
static inline long vcpu_create(handle_t vm, uint32_t apic_id, void *address)
{
	return call3(GYRE_CALL_vcpu_create, vm, apic_id, (uintptr_t)address);
}
static inline long vcpu_kick(handle_t vcpu, uint32_t flags)
{
	return call2(GYRE_CALL_vcpu_kick, vcpu, flags);
}
static inline long vcpu_kick_on(handle_t vcpu, handle_t event)
{
	return call2(GYRE_CALL_vcpu_kick_on, vcpu, event);
}
static inline long vcpu_state_get(handle_t vcpu, uint32_t groups)
{
	return call2(GYRE_CALL_vcpu_state_get, vcpu, groups);
}
static inline long vcpu_state_set(handle_t vcpu, uint32_t groups)
{
	return call2(GYRE_CALL_vcpu_state_set, vcpu, groups);
}
static inline long vcpu_policy(
	handle_t vcpu, const struct gyre_vcpu_policy *policy, const struct gyre_cpuid_entry *cpuid, uint32_t entries)
{
	return call4(GYRE_CALL_vcpu_policy, vcpu, (uintptr_t)policy, (uintptr_t)cpuid, entries);
}
static inline long vcpu_trace(handle_t vcpu, int on)
{
	return call2(GYRE_CALL_vcpu_trace, vcpu, (uint64_t)on);
}

/* ---- the machine ---- */
static inline long machine_info(struct gyre_machine_info *info)
{
	return call1(GYRE_CALL_machine_info, (uintptr_t)info);
}
static inline long machine_check(handle_t machine)
{
	return call1(GYRE_CALL_machine_check, machine);
}
#define LOG_WRITE_BYTES 240u
static inline long log_write(const char *text, size_t bytes)
{
	return call2(GYRE_CALL_log_write, (uintptr_t)text, bytes);
}

/* ---- whole ranges: 0, or the first error, after which a part is done ---- */
#define CALL_ALL(call, ...)                                                                                            \
	uint64_t done = 0;                                                                                             \
	while (done < pages) {                                                                                         \
		long result = call(__VA_ARGS__);                                                                       \
		if (result == -GYRE_EAGAIN)                                                                            \
			continue;                                                                                      \
		if (result <= 0)                                                                                       \
			return result < 0 ? result : -GYRE_EIO;                                                        \
		done += (uint64_t)result;                                                                              \
	}                                                                                                              \
	return 0
static inline long memory_move_all(
	handle_t target, uint64_t target_offset, handle_t source, uint64_t source_offset, uint64_t pages)
{
	CALL_ALL(memory_move, target, target_offset + done, source, source_offset + done, pages - done);
}
static inline long memory_map_all(
	handle_t process, handle_t memory, uint64_t offset, uint64_t address, uint64_t pages, uint32_t rights)
{
	CALL_ALL(memory_map, process, memory, offset + done, address + done * 4096, pages - done, rights);
}
static inline long memory_unmap_all(handle_t process, uint64_t address, uint64_t pages)
{
	CALL_ALL(memory_unmap, process, address + done * 4096, pages - done);
}
static inline long vm_map_all(
	handle_t vm, handle_t memory, uint64_t offset, uint64_t gpa_page, uint64_t pages, uint32_t rights)
{
	CALL_ALL(vm_map, vm, memory, offset + done, gpa_page + done, pages - done, rights);
}
static inline long vm_unmap_all(handle_t vm, uint64_t gpa_page, uint64_t pages)
{
	CALL_ALL(vm_unmap, vm, gpa_page + done, pages - done);
}

/*
 * Fills pages with zeros, through a window of the caller's own address space: one thread of a process at a time, and only pages that may be written. A hole is
 * -GYRE_ENOENT.
 */
#define CLEAR_ADDRESS 0x7e0000000000ull /* nothing else is mapped from here on */
static inline long memory_clear_all(handle_t memory, uint64_t offset, uint64_t pages)
{
	for (uint64_t done = 0; done < pages;) {
		long part = memory_map(
			0, memory, offset + done, CLEAR_ADDRESS, pages - done, GYRE_RIGHT_READ | GYRE_RIGHT_WRITE);
		if (part <= 0)
			return part < 0 ? part : -GYRE_EIO;
		uint64_t address = CLEAR_ADDRESS, words = (uint64_t)part * 512;
		__asm__ volatile("rep stosq" : "+D"(address), "+c"(words) : "a"(0ull) : "memory");
		long error = memory_unmap_all(0, CLEAR_ADDRESS, (uint64_t)part);
		if (error < 0)
			return error;
		done += (uint64_t)part;
	}
	return 0;
}

#endif
