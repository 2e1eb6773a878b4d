/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/debug/debug.h: a VM under a debugger (GYRE_VM_DEBUG): in place of monitor_main(), for the host's main().
 */
#ifndef MONITOR_DEBUG_DEBUG_H
#define MONITOR_DEBUG_DEBUG_H

#include "monitor/engine/engine.h"

void debug_main(const struct engine_vm *vm) __attribute__((noreturn));

#endif
