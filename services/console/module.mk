# SPDX-License-Identifier: Apache-2.0
# The console service. All but main.c is in the gyre command too.
NATIVE_PROGRAMS += console
console_SRCS := $(call sources,services/console)
