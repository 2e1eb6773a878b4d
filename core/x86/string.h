/* SPDX-License-Identifier: Apache-2.0 */
/* core/x86/string.h: the core's string functions are those of lib/. */
#include "lib/string.h"
