/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/virt_fixture.h: a vCPU on Linux: its pages are plain memory, its clock stands still, and nobody wakes anybody.
 */
#ifndef TESTS_UNIT_VIRT_FIXTURE_H
#define TESTS_UNIT_VIRT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/virt/msr.h"
#include "core/virt/svm/svm.h"
#include "core/virt/vcpu.h"
#include "core/virt/vm.h"
#include "core/x86/cpu.h"

struct virt_fixture {
	struct cpu cpu;
	struct vm vm;
	struct svm_vcpu v;
	uint64_t now, timer_at;
	unsigned wakes;
};
extern struct virt_fixture *virt;

/* cmocka's set-up and tear-down. The level has everything; CS is 64-bit code, interrupts are on. */
int virt_set_up(void **state);
int virt_tear_down(void **state);

#endif
