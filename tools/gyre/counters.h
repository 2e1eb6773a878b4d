/* SPDX-License-Identifier: Apache-2.0 */
/* tools/gyre/counters.h: COUNTERS frames as the JSON file of --counters. */
#ifndef TOOLS_GYRE_COUNTERS_H
#define TOOLS_GYRE_COUNTERS_H

#include "tools/gyre/description.h"

/* A frame's data of one VM; a data length that is wrong is said and left out. */
void counters_add(const char *vm, const void *data, size_t bytes);
/* Writes what came. 0 or an exit code, said. */
int counters_write(const char *path);

#endif
