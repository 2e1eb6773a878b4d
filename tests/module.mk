# SPDX-License-Identifier: Apache-2.0
# Programs that run in root's place: tests/native.
NATIVE_PROGRAMS += test-calls
test-calls_SRCS := tests/native/calls.c
