/* SPDX-License-Identifier: Apache-2.0 */
/*
 * include/gyre/errors.h: the error codes of every Gyre interface, always returned negative.
 * Shared by the core, native processes and Linux programs. A number never changes its meaning.
 */
#ifndef GYRE_ERRORS_H
#define GYRE_ERRORS_H

#define GYRE_EINVAL   1	 /* an argument is outside what the call allows; nothing has changed */
#define GYRE_EHANDLE  2	 /* no such handle, or it is of another type */
#define GYRE_EACCES   3	 /* the handle lacks a right that the call needs */
#define GYRE_ENOMEM   4	 /* the quota that pays for it, or a fixed table, is exhausted */
#define GYRE_EBUSY    5	 /* in use: already bound, mapped, running or being destroyed */
#define GYRE_ENOENT   6	 /* what was named is not there (a hole, an unbound bit, an unknown file) */
#define GYRE_EEXIST   7	 /* there already */
#define GYRE_EAGAIN   8	 /* a part is done, make the same call again to go on (long work is done in bounded pieces) */
#define GYRE_ETIMEOUT 9	 /* the deadline passed first */
#define GYRE_EDEAD    10 /* the other side died */
#define GYRE_EFAULT   11 /* an address of the caller's own space is not mapped as the call needs it */
#define GYRE_ENODEV   12 /* this machine has no such thing */
#define GYRE_EPERM    13 /* locked or forbidden by the machine (firmware), not by rights */
#define GYRE_ENOSYS   14 /* no such call, or not in this version */
#define GYRE_ENOTSUP  15 /* known, and refused in this configuration */
#define GYRE_EPROTO   16 /* data has the wrong form: a bad magic, version, checksum or length */
#define GYRE_EIO      17 /* the device or the other end failed */

#endif
