/* SPDX-License-Identifier: Apache-2.0 */
/*
 * services/root/output.h: what root tells the world: frames on COM2 when the gyre command may be at its other end, else lines in the core's log,
 * which has a ring and a screen. Frames wait in a buffer while the UART is busy; nothing is lost.
 */
#ifndef ROOT_OUTPUT_H
#define ROOT_OUTPUT_H

#include <stddef.h>
#include <stdint.h>
#include "gyre/frame.h"

/* Takes COM2. Frames are used from here on if it is there, until output_no_frames() says otherwise. */
void output_init(void);
void output_no_frames(void);
/* On an emulated machine that has a debug port at 0xE9 (it reads as its own number), frames go out there from now on: it takes no time. */
void output_quick(void);
int output_has_frames(void);

/* One frame in two parts. It waits for room if it must; a caller that would rather not asks output_spare() first. */
void output_frame(uint8_t type, uint8_t vm, const void *head, size_t head_bytes, const void *data, size_t bytes);
/* Whether what a monitor says may go out now: room for as many bytes, and for words of root's own, so that those need not wait for a slow reader. */
int output_spare(size_t bytes);

/* Whether frames that take that much of the line in all (GYRE_FRAME_LINE) go out without waiting. */
int output_fits(size_t bytes);

/* A line from root about the machine, or about a VM (its number, or GYRE_FRAME_MACHINE). */
void root_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
void output_text(uint8_t vm, const char *name, const char *text, size_t bytes);

/* The core's log goes out: all of it, or as far as there is room. Every process can write to it. */
enum { OUTPUT_ROOM, OUTPUT_ALL };
void output_core_log(int how);

/* The UART wants something, or may have room: sends, receives, and hands on the frames that came. */
void output_interrupt(void);
void output_pump(void);

/* Everything has left the UART, or five seconds have passed. */
void output_flush(void);

/* main.c: a frame has come. */
void frame_received(uint8_t type, uint8_t vm, const uint8_t *data, size_t bytes);

#endif
