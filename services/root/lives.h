/* SPDX-License-Identifier: Apache-2.0 */
/*
 * services/root/lives.h: which VMs run: at the start, when one ends, and when someone asks.
 *
 * States    vm.h has those of a VM; one that waits for its restart has ended and has restart_at set.
 * The end   The machine ends when no VM runs or is to be started again. Where VMs can be started from outside (GYRE_CONFIG_CONTROL), not before the first start.
 */
#ifndef ROOT_LIVES_H
#define ROOT_LIVES_H

#include <stdint.h>
#include "services/root/vm.h"

/* Once; then a turn after each wait, which need not be longer than lives_due says, until lives_over(); then lives_end(). */
void lives_begin(void);
void lives_turn(void);
uint64_t lives_due(uint64_t latest);
int lives_over(void);
uint32_t lives_running(void);
/* VMs that still run are killed; all have ended when it returns. */
void lives_end(void);
/* The machine's exit code: the first VM's. */
int32_t lives_code(void);

/* What someone asks for: GYRE_STATUS_, with words why it is not 0. */
int lives_start(struct vm *vm, struct config_fault *fault);
int lives_stop(struct vm *vm, struct config_fault *fault);
int lives_kill(struct vm *vm, struct config_fault *fault);

/* enum gyre_vm_state */
uint32_t lives_state(const struct vm *vm);

/* control.c: a CONTROL frame from outside: hostile. */
void control_request(uint8_t vm, const uint8_t *data, size_t bytes);

/*
 * churn.c: tests. Core options churn=N and seed=S (moments=N: the longest pause, leak=N: a test of the test): VMs of the description are started N times in
 * all and ended at random moments in every way that there is, by the functions above. churn_turn does what is due.
 */
void churn_begin(void);
void churn_turn(void);
int churn_over(void);
uint64_t churn_due(uint64_t latest);
/* How it went, in the log; 0, or GYRE_STATUS_FAILED: something did not come back. */
int32_t churn_report(void);

#endif
