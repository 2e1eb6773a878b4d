/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/core/entry.h: an entry with fields of the control block as a test wants them, in a core built with TEST_CORE=1. The test fills struct gyre_dump of the
 * vcpu's state page: kind TEST_ENTRY, and fields to be written just before the next entry. When vcpu_run returns, the dump there is of the block as the
 * processor was given it, whether it entered (GYRE_EXIT_KICK: the guest was left before its first instruction) or not (GYRE_EXIT_FAILED).
 */
#ifndef TESTS_CORE_ENTRY_H
#define TESTS_CORE_ENTRY_H

#define TEST_ENTRY 0x59525445u

struct vcpu;
void test_entry(struct vcpu *vcpu);

#endif
