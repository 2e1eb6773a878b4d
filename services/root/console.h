/* SPDX-License-Identifier: Apache-2.0 */
/*
 * services/root/console.h: the console service (services/console): on a machine that has COM1 alone and several VMs it has that line, and the monitors' bytes
 * go to it. Root carries them, checks the service's answers as it does monitors', and starts it again if it dies.
 */
#ifndef ROOT_CONSOLE_H
#define ROOT_CONSOLE_H

#include <stdint.h>
#include "services/root/vm.h"

/* Once, before the first VM. Nothing where it is not wanted, or can't be had: then COM1 is the first VM's. */
void console_begin(void);
/* Whether it has COM1. */
int console_on(void);
/* What is typed goes to the VMs; a dead service is replaced. */
void console_turn(void);
/* Whether it takes so many bytes of that VM now. */
int console_fits(const struct vm *vm, uint32_t bytes);
/* After console_fits(). */
void console_output(const struct vm *vm, const uint8_t *data, uint32_t bytes);
void console_ended(const struct vm *vm);
/* Waits, for some seconds at most, until the shown VM's last words are out. */
void console_flush(void);

#endif
