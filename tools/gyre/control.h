/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/gyre/control.h: VMs are started, stopped and killed from outside: the socket of `gyre emulate --control`, whose protocol docs/control.md has, and
 * what stands behind it, CONTROL frames to root and back.
 *
 * Trust   Clients have this user's rights, and may be broken all the same: a request is bounded and checked, a client that does not read is not read either, and
 *         of too many clients the one that was silent for longest goes. What the machine answers is checked too.
 */
#ifndef TOOLS_GYRE_CONTROL_H
#define TOOLS_GYRE_CONTROL_H

#include "tools/gyre/description.h"

#include <poll.h>

#define CONTROL_CLIENTS	   16u
#define CONTROL_POLLS	   (1 + CONTROL_CLIENTS)
#define CONTROL_LINE_BYTES 4096u

struct control;

/* Makes the socket, mode 0600. 0 or an exit code, said. */
int control_open(struct control **control, const char *path, const struct description *description);
/* Answers whoever still waits, and removes the socket. NULL is allowed, here and below. */
void control_close(struct control *control);

/* How a request gets to the machine: a CONTROL frame. */
typedef void control_send(void *session, uint8_t vm, const void *data, uint16_t length);

/* For the session's loop. ready: the machine takes requests now. Fills in CONTROL_POLLS entries; *wait shrinks to the next deadline. */
void control_watch(struct control *control, bool ready, struct pollfd *polls, double *wait);
void control_step(struct control *control, bool ready, const struct pollfd *polls, control_send *send, void *session);
/* A CONTROL frame of root's, and a VM's end. */
void control_reply(struct control *control, const uint8_t *data, size_t length);
void control_ended(struct control *control, unsigned vm);

#endif
