/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/gyre/terminal.h: the person's terminal: raw while a machine runs, as it was whatever happens then; and the keys that are ours.
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

/* Ctrl-] and a key: a digit shows that VM, q quits, Ctrl-] sends itself. */
#define KEY_ESCAPE 0x1d
enum key_action { KEY_SEND, KEY_NONE, KEY_QUIT, KEY_VIEW, KEY_HELP };
struct keys {
	bool escaped;
};
enum key_action key_next(struct keys *keys, uint8_t byte);

#endif
