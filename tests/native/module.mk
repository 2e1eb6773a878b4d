# SPDX-License-Identifier: Apache-2.0
# For the oracle of the hostile tests: what calls leave in registers and memory; and a root that hands memory on as it comes.
NATIVE_PROGRAMS += test-replies root-unscrubbed
test-replies_SRCS := tests/native/replies.c
root-unscrubbed_SRCS := tests/native/unscrubbed.c $(filter-out services/root/vm_memory.c,$(ROOT_SRCS))
