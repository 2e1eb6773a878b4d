/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/gyre/terminal.h: the person's terminal: raw while a machine runs, as it was whatever happens then.
 */
#ifndef TOOLS_GYRE_TERMINAL_H
#define TOOLS_GYRE_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>

/* Sets standard input raw if it is a terminal and we are in its foreground. Again after a stop. True: it is raw now. */
bool terminal_raw(void);
void terminal_restore(void);
/* Raw now: who writes to it says \r\n. */
bool terminal_is_raw(void);

#endif
