/* SPDX-License-Identifier: Apache-2.0 */
/*
 * include/gyre/rights.h: object types and the rights that a handle carries.
 * A copy of a handle never has more rights than its origin. GYRE_RIGHT_COPY is needed to give a handle to another process.
 */
#ifndef GYRE_RIGHTS_H
#define GYRE_RIGHTS_H

enum gyre_object_type {
	GYRE_OBJECT_NONE = 0,
	GYRE_OBJECT_MEMORY = 1,
	GYRE_OBJECT_PROCESS = 2,
	GYRE_OBJECT_THREAD = 3,
	GYRE_OBJECT_ENDPOINT = 4,
	GYRE_OBJECT_EVENT = 5,
	GYRE_OBJECT_INTERRUPT = 6,
	GYRE_OBJECT_IOPORTS = 7,
	GYRE_OBJECT_VM = 8,
	GYRE_OBJECT_SPACE = 9, /* later: a shadow or nested address space */
	GYRE_OBJECT_VCPU = 10,
	GYRE_OBJECT_DEVICE = 11, /* later: an assigned PCI function */
	GYRE_OBJECT_MACHINE =
		12, /* the authority to make interrupts, ioports and to read the core's log; root's alone */
	GYRE_OBJECT_TYPES = 13
};

#define GYRE_RIGHT_READ	  0x001u /* memory: map readable, derive.  vm, vcpu, process, thread: read state and counters */
#define GYRE_RIGHT_WRITE  0x002u /* memory: map writable */
#define GYRE_RIGHT_EXEC	  0x004u /* memory: map executable */
#define GYRE_RIGHT_COPY	  0x008u /* any: give copies away */
#define GYRE_RIGHT_MANAGE 0x010u /* any: destroy, revoke, bind, change, set state, map into a process or vm */
#define GYRE_RIGHT_CALL	  0x020u /* endpoint: call */
#define GYRE_RIGHT_SERVE  0x040u /* endpoint: receive calls and reply */
#define GYRE_RIGHT_SIGNAL 0x080u /* event: signal.  vm: vm_interrupt.  vcpu: kick, NMI */
#define GYRE_RIGHT_WAIT	  0x100u /* event: wait.  interrupt: acknowledge */
#define GYRE_RIGHT_RUN	  0x200u /* vcpu: run */
#define GYRE_RIGHT_ALL	  0x3ffu

#endif
