/* SPDX-License-Identifier: Apache-2.0 */
/* services/console/keys.c: see keys.h. */
#include "services/console/keys.h"

#define ESC	0x1b
#define PAGE_UP 5u /* ESC [ 5 ~ */

enum { NORMAL, ESCAPED, FUNCTION, FUNCTION_NUMBER };

static enum key_action escaped(struct keys *keys, uint8_t byte)
{
	keys->state = NORMAL;
	if (byte >= '1' && byte <= '9')
		return KEY_VIEW;
	switch (byte) {
	case KEY_ESCAPE: return KEY_SEND;
	case 'q':
	case 'Q': return KEY_QUIT;
	case 'n': return KEY_NEXT;
	case 'p': return KEY_PREVIOUS;
	case '[': return KEY_LOOK;
	case ESC: keys->state = FUNCTION; return KEY_NONE;
	default: return KEY_HELP;
	}
}

enum key_action keys_next(struct keys *keys, uint8_t byte)
{
	switch (keys->state) {
	case ESCAPED: return escaped(keys, byte);
	case FUNCTION:
		keys->state = byte == '[' ? FUNCTION_NUMBER : NORMAL;
		keys->parameter = 0;
		return byte == '[' ? KEY_NONE : KEY_HELP;
	case FUNCTION_NUMBER:
		if (byte >= '0' && byte <= '9') {
			keys->parameter = (uint8_t)(keys->parameter * 10 + byte - '0');
			return KEY_NONE;
		}
		keys->state = NORMAL;
		return byte == '~' && keys->parameter == PAGE_UP ? KEY_LOOK : KEY_HELP;
	default:
		if (byte != KEY_ESCAPE)
			return KEY_SEND;
		keys->state = ESCAPED;
		return KEY_NONE;
	}
}

int keys_waiting(const struct keys *keys)
{
	return keys->state == FUNCTION || keys->state == FUNCTION_NUMBER;
}

void keys_idle(struct keys *keys)
{
	if (keys_waiting(keys))
		keys->state = NORMAL;
}
