# SPDX-License-Identifier: Apache-2.0
# The processor's verdict on states of a guest beside the checker's: tests/system/test_entry_check.py.
NATIVE_PROGRAMS += test-entry
test-entry_SRCS := $(call sources,tests/entry) monitor/machine/entry_check.c monitor/machine/entry_check_guest.c monitor/machine/entry_check_state.c
