/* SPDX-License-Identifier: Apache-2.0 */
/* monitor/machine/failed.h: the processor did not enter the guest (GYRE_EXIT_FAILED): says why, line by line, and why above all. */
#ifndef MONITOR_MACHINE_FAILED_H
#define MONITOR_MACHINE_FAILED_H

#include "monitor/engine/engine.h"

/* Fills text with one line. False: nothing is known. */
int failed_words(struct engine_vcpu *vcpu, char *text, size_t bytes);

#endif
