/* SPDX-License-Identifier: Apache-2.0 */
/*
 * services/console/keys.h: the keys of a console that has several VMs: Ctrl-] and then one more. All others are the guest's.
 *   1 to 9   that VM            n, p   the next, the one before      [, PageUp   look back
 *   q        quit               Ctrl-] sends Ctrl-]                  Esc         nothing; anything else: help
 */
#ifndef CONSOLE_KEYS_H
#define CONSOLE_KEYS_H

#include <stdint.h>

#define KEY_ESCAPE 0x1d /* Ctrl-] */

enum key_action { KEY_SEND, KEY_NONE, KEY_QUIT, KEY_VIEW, KEY_NEXT, KEY_PREVIOUS, KEY_LOOK, KEY_HELP };

struct keys {
	uint8_t state;
	uint8_t parameter; /* of a function key: its number */
};

enum key_action keys_next(struct keys *keys, uint8_t byte);

/* Nothing came for a while: an Esc was that key and no sequence's beginning. */
void keys_idle(struct keys *keys);
int keys_waiting(const struct keys *keys);

#endif
