/* SPDX-License-Identifier: Apache-2.0 */
/* lib/native.h: what lib/native_start.S and a native program have between them. */
#ifndef LIB_NATIVE_H
#define LIB_NATIVE_H

#define NATIVE_STACK_BYTES 32768

#ifndef __ASSEMBLY__
#include <stddef.h>

/* The program. Its argument is what thread_create was given (root: struct gyre_boot_info *). */
void native_main(void *argument);

/* A line for the core's log, cut at the call's limit. */
void native_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Ends the thread by an undefined instruction, after a line for the log: its fault endpoint learns of it. */
void native_panic(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* From the program's start to its end, as lib/native.ld has it. */
extern char native_image[], native_image_end[], native_stack[], native_stack_top[];
#endif
#endif
