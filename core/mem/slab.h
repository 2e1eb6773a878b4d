/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/mem/slab.h: memory for the core's objects, in frames of the quota that pays. A frame whose last object is freed goes back at once, so what a
 * process used returns exactly when what it made is gone. Larger things than a frame's half get whole frames.
 */
#ifndef CORE_MEM_SLAB_H
#define CORE_MEM_SLAB_H

#include "core/mem/frame.h"

#define SLAB_OBJECT_MAX 2016 /* beyond: whole frames */

/* Zeroed, aligned to 16; NULL: the quota is exhausted. The size is given again when it is freed. */
void *slab_alloc(struct quota *quota, size_t bytes);
void slab_free(struct quota *quota, void *pointer, size_t bytes);

#endif
