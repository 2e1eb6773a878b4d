/* SPDX-License-Identifier: Apache-2.0 */
/* guests/conform/layout.h: what C and assembly both know. */
#ifndef GUESTS_CONFORM_LAYOUT_H
#define GUESTS_CONFORM_LAYOUT_H

#define SEL_CODE64	0x08
#define SEL_DATA	0x10
#define SEL_USER_CODE32 0x1b
#define SEL_USER_DATA	0x23
#define SEL_USER_CODE64 0x2b
#define SEL_CODE32	0x30
#define SEL_TSS		0x40 /* two entries */
#define SEL_LDT		0x50 /* two entries */
#define SEL_ODD		0x60 /* for a test to fill in; and the rest behind it */
#define GDT_ENTRIES	32

#define VECTOR_RETURN 0x30

/* A window of pages of 4 KiB, which tests map as they like. */
#define WINDOW 0x8000000000

#endif
