/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/machine_fixture.h: a whole machine of the monitor's on the engine of tests; for the unit tests and the fuzzers that start one. */
#ifndef TESTS_UNIT_MACHINE_FIXTURE_H
#define TESTS_UNIT_MACHINE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include "monitor/engine/fake.h"
#include "monitor/machine/machine.h"

#define RAM  (16ull << 20)
#define CODE 0x200000ull /* where the kernel lies, and begins */

extern struct machine machine;
extern struct engine_vm vm;
extern uint8_t *ram;
extern struct gyre_vcpu_page *page; /* of its processor, once machine_setup() has started it */
extern jmp_buf ended;		    /* where the end of the VM leads to */

/* Describes a VM without a kernel, and winds the engine back. Its RAM keeps what it has. */
void machine_describe(void);
/* Describes one with a kernel of one page by PVH and with RAM of zeros, and starts it: it stands before its first instruction. For cmocka. */
int machine_setup(void **state);

/* The action ends the VM. fake.reason and fake.text say how. */
#define ENDS(action)                                                                                                   \
	do {                                                                                                           \
		fake.reason = 99;                                                                                      \
		if (!setjmp(ended)) {                                                                                  \
			action;                                                                                        \
			fail_msg("the VM goes on");                                                                    \
		}                                                                                                      \
	} while (0)

#endif
