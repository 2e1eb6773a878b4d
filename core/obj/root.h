/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/obj/root.h: the first process, made of the boot module "root".
 */
#ifndef CORE_OBJ_ROOT_H
#define CORE_OBJ_ROOT_H

#include "core/boot/boot.h"
#include "core/x86/cpu.h"

/*
 * Once, when everything else is set up (frame pool, timer, interrupts): makes root, gives it the machine, and leaves for it. Panics with a message when
 * there is no usable module.
 */
_Noreturn void root_start(struct cpu *cpu, const struct boot_info *boot);

#endif
