/* SPDX-License-Identifier: Apache-2.0 */
/*
 * include/gyre/calls.h: every call that a process can make of the core. The reference for both sides.
 *
 * Convention     SYSCALL, or INT GYRE_CALL_VECTOR, with RAX = call number; arguments 1 to 6 in RDI, RSI, RDX, R10, R8, R9.
 *                RAX returns >= 0 or a negative GYRE_E code (errors.h). RCX and R11 are lost, as SYSCALL has it (APM vol. 3,
 *                SYSCALL). Where a call says "returns words", they are in RSI, RDX, R10, R8 (and R9 for a handle); every
 *                word that a call does not define comes back as it went in. All buffers are fully written.
 * Handles        numbers > 0 in the caller's own table. 0 is never a handle. "[X]" after a handle names the right it needs.
 * Long work      is done in pieces bounded by a constant: -GYRE_EAGAIN means "a part is done, call again with the same arguments";
 *                calls on page ranges instead return how many pages they did (> 0), and the caller goes on from there; or -GYRE_EAGAIN when
 *                a part is done that is no whole page yet (mappings elsewhere that have to go first).
 * Addresses      are page aligned, sizes are counted in pages of 4 KiB, unless a line says bytes.
 * Payment        what a call makes is paid in the core's frames by the quota of the process that it is made for.
 * Errors         beside those named: ENOSYS unknown number, EHANDLE, EACCES for handles, EINVAL for values out of range.
 */
#ifndef GYRE_CALLS_H
#define GYRE_CALLS_H

#define GYRE_CALL_VECTOR 0x20

/* X-macro: name, number. The core's dispatch table, the tracer's names and the fuzzer's list are made from it. */
#define GYRE_CALLS(C)                                                                                                  \
	C(handle_close, 0)                                                                                             \
	C(handle_copy, 1)                                                                                              \
	C(handle_info, 2)                                                                                              \
	C(object_destroy, 3)                                                                                           \
	C(memory_create, 4)                                                                                            \
	C(memory_derive, 5)                                                                                            \
	C(memory_move, 6)                                                                                              \
	C(memory_replace, 7)                                                                                           \
	C(memory_punch, 8)                                                                                             \
	C(log_write, 9)                                                                                                \
	C(memory_revoke, 10)                                                                                           \
	C(memory_map, 11)                                                                                              \
	C(memory_unmap, 12)                                                                                            \
	C(process_create, 13)                                                                                          \
	C(process_info, 14)                                                                                            \
	C(thread_create, 15)                                                                                           \
	C(thread_start, 16)                                                                                            \
	C(thread_stop, 17)                                                                                             \
	C(thread_schedule, 18)                                                                                         \
	C(thread_registers, 19)                                                                                        \
	C(thread_exit, 20)                                                                                             \
	C(thread_yield, 21)                                                                                            \
	C(endpoint_create, 22)                                                                                         \
	C(endpoint_call, 23)                                                                                           \
	C(endpoint_reply_wait, 24)                                                                                     \
	C(event_create, 25)                                                                                            \
	C(event_signal, 26)                                                                                            \
	C(event_wait, 27)                                                                                              \
	C(event_timer, 28)                                                                                             \
	C(interrupt_create, 29)                                                                                        \
	C(interrupt_bind, 30)                                                                                          \
	C(interrupt_ack, 31)                                                                                           \
	C(ioports_create, 32)                                                                                          \
	C(ioports_grant, 33)                                                                                           \
	C(vm_create, 34)                                                                                               \
	C(vm_map, 35)                                                                                                  \
	C(vm_unmap, 36)                                                                                                \
	C(vm_doorbell, 37)                                                                                             \
	C(vm_interrupt, 38)                                                                                            \
	C(vm_event_interrupt, 39)                                                                                      \
	C(vm_dirty_log, 40)                                                                                            \
	C(vm_dirty_take, 41)                                                                                           \
	C(vcpu_create, 42)                                                                                             \
	C(vcpu_run, 43)                                                                                                \
	C(vcpu_kick, 44)                                                                                               \
	C(vcpu_kick_on, 45)                                                                                            \
	C(vcpu_state_get, 46)                                                                                          \
	C(vcpu_state_set, 47)                                                                                          \
	C(vcpu_policy, 48)                                                                                             \
	C(vcpu_trace, 49)                                                                                              \
	C(machine_info, 50)                                                                                            \
	C(machine_check, 51)

#define GYRE_CALL_ENUM(name, number) GYRE_CALL_##name = number,
enum gyre_call { GYRE_CALLS(GYRE_CALL_ENUM) GYRE_CALL_COUNT = 52 };

/* ---- handles -------------------------------------------------------------------------------------------------------
 * handle_close(handle) -> 0
 *	Forgets the handle. The object lives on while its creator's process lives, or until object_destroy.
 * handle_copy(process[MANAGE], handle[COPY], rights, badge) -> new handle, in that process's table
 *	process 0 means the caller's own. rights must be a subset of the origin's. badge: 32 bits that a server gets with each call
 *	made by this copy (endpoints only; a badge that is not 0 cannot be changed by a further copy).
 *	-ENOMEM: that process's table or quota is full (GYRE_HANDLES_MAX).
 * handle_info(handle) -> type | rights << 8        (words: RSI = badge, RDX = for memory: its size in pages)
 * object_destroy(handle[MANAGE]) -> 0 or -EAGAIN
 *	Ends the object for everyone: all handles to it die; memory: revoked first, its pages return to the parent; process: its threads
 *	end, everything it created dies with it, its quota returns to its creator; thread: pending calls end with EDEAD at the other
 *	side; vm: its vcpus and mappings. Called again until it returns 0. -EPERM: what neither the caller's process nor one below pays for; the
 *	caller's own process or one that created it (it exits its threads), the machine, and what root got from the core. -ENOMEM: pages find no place at home now (memory_move); again later.
 */
#define GYRE_HANDLES_MAX 4064u /* handles in one process; their numbers are below 4096 */

/* ---- memory --------------------------------------------------------------------------------------------------------
 * A sparse array of pages. Derivation is the only delegation tree.
 * memory_create(pages, process[MANAGE] or 0) -> handle          an empty object (all holes), paid by that process
 * memory_derive(memory[READ], offset, pages, rights) -> handle   a window onto a part, fewer or equal rights; it dies with its origin
 * memory_move(target[MANAGE], target offset, source[MANAGE], source offset, pages) -> pages moved
 *	Pages leave the source (holes stay; every mapping of them is gone when it returns) and enter holes of the target.
 *	Only between objects that own their pages (not derived ones). -EEXIST: no hole there. -ENOENT: a hole in the source.
 *	A page's home is root's RAM object, at its frame number: whatever gives it up without saying to whom, by punch, replace or the
 *	object's end, sends it there, with what it holds.
 * memory_replace(target[MANAGE], offset, source[READ], source offset) -> 0      one page, shown read-only from the source from now on
 *	(sharing of equal pages; the target's own page goes home.) It is a hole again when the source loses that page or is revoked. A page
 *	that is itself only shown is no source, nor is one of the target's own: -EINVAL.
 * memory_punch(memory[MANAGE], offset, pages) -> pages done      holes; the pages go home (holes count as done; not for root's RAM: -EINVAL)
 *	(in a derived object: the window gets a hole, the parent keeps the page). All mappings of them are gone when it returns.
 * memory_revoke(memory[MANAGE]) -> 0 or -EAGAIN                 destroys all objects derived from it and every mapping of them and of
 *	it, in processes and VMs, TLBs included, before it returns 0. The object itself stays. While it is under way nothing new is mapped
 *	or derived: -EBUSY. It cannot be held up by a victim's quota: a large page that would have to be split, and no frame is left for
 *	that, is unmapped whole (so do move, punch and replace).
 * memory_map(process[MANAGE] or 0, memory, offset, address, pages, rights) -> pages mapped (at most GYRE_MAP_ENTRIES table entries)
 *	rights: of READ, WRITE, EXEC, not more than the handle's; WRITE together with EXEC is -EINVAL. Addresses in
 *	[GYRE_USER_START, GYRE_USER_END). Holes are -ENOENT. -EEXIST: something is mapped there.
 * memory_unmap(process[MANAGE] or 0, address, pages) -> pages done
 */
#define GYRE_MAP_ENTRIES 128u /* page-table entries that one map or unmap call writes, whatever their size */
#define GYRE_USER_START	 0x10000ull
#define GYRE_USER_END	 0x00007ffffffff000ull

/* ---- processes and threads ---------------------------------------------------------------------------------------------
 * process_create(quota in frames) -> handle       an empty address space and handle table; the quota is taken from the caller's own. At least
 *	8 frames; processes nest 7 deep below root (-ENOTSUP).
 * process_info(process[READ] or 0, struct gyre_process_info *) -> 0
 * thread_create(process[MANAGE], entry address, stack pointer, argument, fault endpoint[CALL] or 0, GYRE_THREAD_ flags) -> handle
 *	Created stopped, on the caller's CPU, with the creator's priority. The argument arrives in RDI; all other registers are 0.
 *	The fault endpoint is called with the badge of the handle given here.
 * thread_start(thread[MANAGE]) -> 0               makes a stopped thread run
 * thread_stop(thread[MANAGE]) -> 0                stops it where it is (a running vcpu is left first); it can be started again
 * thread_schedule(thread[MANAGE] or 0, priority 0..63, slice in microseconds or 0, budget, period in microseconds, cpu) -> 0
 *	Higher priorities run first, equals in turn for a slice (0: 10,000, which is the
 *	longest). -EACCES: above the caller's own priority (but root's). With period > 0 the thread runs for at most budget in each
 *	period (100 us to an hour, budget at least 25 us). cpu: its CPU from now on. -EBUSY: in the middle of a call. While others wait for a
 *	server that runs on this thread's time, it is not held back by its budget, and pays later.
 * thread_registers(thread[MANAGE], direction 0 read / 1 write, struct gyre_thread_registers *) -> 0      of a stopped or faulted thread, else
 *	-EBUSY. A thread that is stopped in a call or a wait stops when that ends. Flags that a process may not set are ignored.
 * thread_exit() does not return                   ends the calling thread; its object stays until destroyed
 * thread_yield() -> 0                             to the next of equal priority
 */
#define GYRE_PRIORITIES 64u
#define GYRE_THREAD_FPU 0x1u /* the thread may use the FPU: its state is switched eagerly. Without: #NM is a fault */

struct gyre_process_info {
	unsigned long quota_frames; /* what it was given, less what it gave on */
	unsigned long used_frames;  /* of those, in use now */
	unsigned int handles;
	unsigned int objects; /* that it created and that live */
	unsigned int threads;
	unsigned int mapped_records;
};

struct gyre_thread_registers {
	unsigned long gpr[16]; /* order: rax rcx rdx rbx rsp rbp rsi rdi r8 .. r15 */
	unsigned long rip, rflags, fs_base, gs_base;
};

/* ---- endpoints: synchronous calls on one CPU -----------------------------------------------------------------------------
 * endpoint_create() -> handle
 * endpoint_call(endpoint[CALL], w0, w1, w2, w3, handle to pass or 0) -> the server's status; words: reply w0..w3, R9 = handle got or 0
 *	The server runs at once, on the caller's CPU, time and priority. A passed handle is copied with its rights (needs COPY).
 *	-EDEAD: the server died or has no thread on this CPU. Callers queue in order and lend the server their priority. -EBUSY: the server
 *	waits for the caller itself, or calls are nested more than 8 deep.
 * endpoint_reply_wait(endpoint[SERVE], status, w0, w1, w2, w3 + handle in R9 as in call) : note the order RDI endpoint, RSI status,
 *	RDX w0, R10 w1, R8 w2, R9 handle.  -> badge of the next caller (>= 0); words: RSI w0, RDX w1, R10 w2, R8 w3, R9 handle got or 0
 *	Answers the call in hand (if any) with status and three words, then waits for the next. w3 of a reply is 0. A handle that can't be
 *	copied into the client's table arrives as 0. The first call makes the thread the endpoint's handler on its CPU: -EBUSY where there is
 *	one. -EAGAIN: callers went away with errors meanwhile, wait again. -EDEAD: the endpoint was destroyed.
 * A thread's fault is a call of its fault endpoint: w0 = GYRE_FAULT_MESSAGE | trap number, w1 = error code, w2 = address (CR2 for #PF,
 *	else 0), w3 = RIP. Status of the reply 0: resume (the instruction is tried again); negative: the thread ends. Nobody to call: it ends.
 */
#define GYRE_FAULT_MESSAGE 0x4641554c00000000ull /* never the first word of a protocol's own messages */

/* ---- events --------------------------------------------------------------------------------------------------------------
 * 64 bits; each source sets one; waiting returns and clears them.
 * event_create() -> handle
 * event_signal(event[SIGNAL], bits) -> 0          any CPU, any process
 * event_wait(event[WAIT], deadline: host TSC, 0 = do not wait, ~0 = for ever) -> 0, word RSI = the bits (never 0); -ETIMEOUT with 0
 *	One thread waits at a time: -EBUSY. -EDEAD: the event was destroyed.
 * event_timer(event[MANAGE], bit, deadline: host TSC or 0 to disarm) -> 0      GYRE_EVENT_TIMERS timers an event; a passed deadline
 *	sets the bit at once. -ENOMEM: no timer left; -EBUSY: the bit has another binding (interrupt, doorbell, message)
 */
#define GYRE_EVENT_TIMERS 4u
#define GYRE_FOREVER	  0xffffffffffffffffull

/* ---- interrupts and ports ---------------------------------------------------------------------------------------------------
 * interrupt_create(machine[MANAGE], gsi, flags GYRE_INTERRUPT_LEVEL | _LOW, or _ISA) -> handle      -EBUSY: taken; -ENODEV: no such line
 * interrupt_bind(interrupt[MANAGE], event[SIGNAL], bit) -> 0           masked on delivery, until acknowledged; unmasked by the bind
 * interrupt_ack(interrupt[WAIT]) -> 0
 * ioports_create(machine[MANAGE], first port, count) -> handle
 * ioports_grant(process[MANAGE] or 0, ioports[MANAGE]) -> 0            its threads may use IN and OUT on them; gone with the object or the
 *	process. -EBUSY: another process has them; -EEXIST: it has some of them already.
 */
#define GYRE_INTERRUPT_LEVEL 0x1u
#define GYRE_INTERRUPT_LOW   0x2u
#define GYRE_INTERRUPT_ISA                                                                                             \
	0x4u /* gsi is an ISA interrupt number: the MADT's overrides say which GSI, trigger and polarity */

/* ---- virtual machines --------------------------------------------------------------------------------------------------------
 * vm_create(process[MANAGE] or 0) -> handle       a guest-physical address space; paid by that process
 * vm_map(vm[MANAGE], memory, offset, gpa in pages, pages, rights) -> pages mapped       as memory_map, with the largest pages that fit;
 *	WRITE and EXEC together are allowed
 * vm_unmap(vm[MANAGE], gpa in pages, pages) -> pages done        finished on every CPU when it returns
 * vm_doorbell(vm[MANAGE], port | size << 16, match or ~0 for any value, event[SIGNAL], bit) -> 0
 *	A guest's OUT of that size to that port (with that value) signals the event and the guest runs on. event 0 removes it.
 *	GYRE_DOORBELLS a VM. -EEXIST, -ENOMEM.
 * vm_interrupt(vm[SIGNAL], message address, message data) -> 0   delivers an MSI (SDM vol. 3, "Message Signalled Interrupts"); -EINVAL: not
 *	an address of 0xfeexxxxx; -ENOENT: no local APIC takes it
 * vm_event_interrupt(vm[SIGNAL], event[WAIT], bit, message address, data) -> 0        that bit of the event becomes this message, with no
 *	process between. address 0 removes it.
 * vm_dirty_log(vm[MANAGE], on) -> 0 or -EAGAIN    on: splits large pages, write-protects all; off: undoes both. -ENOMEM: the quota does not
 *	suffice; off gives back what was split
 * vm_dirty_take(vm[MANAGE], gpa in pages, pages (multiple of 64, at most GYRE_DIRTY_PAGES), uint64_t *bitmap) -> number of dirty pages;
 *	they are clean and write-protected again when it returns. -ENOENT: the log is not on. Pages mapped while it is on count as dirty.
 */
#define GYRE_DOORBELLS	 64u
#define GYRE_DIRTY_PAGES 2048u

/* ---- virtual processors (include/gyre/vcpu.h has the page) ---------------------------------------------------------------------
 * vcpu_create(vm[MANAGE], initial APIC id, address in the caller's space) -> handle
 *	Maps GYRE_VCPU_PAGES pages there (struct gyre_vcpu_page and what follows it). The vcpu starts in the processor's reset state
 *	(APM vol. 2, "Initial Processor State"), bootstrap processor if it is the VM's first.
 * vcpu_run(vcpu[RUN]) -> enum gyre_exit           runs the guest on the caller's time until an exit. -EBUSY: runs already.
 *	-GYRE_EINVAL: what the page asks for on entry is not valid; nothing has run. Of the general registers it keeps RSP and RBP alone.
 * vcpu_kick(vcpu[SIGNAL], GYRE_KICK_ flags) -> 0  makes a run (the present or the next one) return GYRE_EXIT_KICK, or delivers an NMI
 * vcpu_kick_on(vcpu[MANAGE], event[WAIT]) -> 0    any bit of the event kicks, and ends a halt; the monitor reads it with event_wait. 0 unbinds
 * vcpu_state_get(vcpu[READ], groups) -> 0         fills those groups of the state page
 * vcpu_state_set(vcpu[MANAGE], groups) -> 0       -EINVAL: entry would refuse it, nothing has changed. Not while it runs: -EBUSY
 * vcpu_policy(vcpu[MANAGE], const struct gyre_vcpu_policy *, const struct gyre_cpuid_entry *, count) -> 0    before its first run and vcpu_state_set
 * vcpu_trace(vcpu[MANAGE], on) -> 0               records in the trace pages, see trace.h
 */
#define GYRE_KICK_EXIT 0x1u
#define GYRE_KICK_NMI  0x2u

/* ---- the machine -----------------------------------------------------------------------------------------------------------------
 * machine_info(struct gyre_machine_info *) -> 0   for everyone: boot.h
 * machine_check(machine[MANAGE]) -> 0             checks the core's invariants (test builds; else -ENOSYS); -EIO: broken, the log says what
 * log_write(address, bytes (at most 240)) -> 0    a line for the core's log, with the process's number before it
 */

#endif
