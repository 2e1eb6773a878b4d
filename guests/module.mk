# SPDX-License-Identifier: Apache-2.0
# What guests have in common: headers, words on COM1; and what those start with that start as the bench does.
GUEST_HEADERS := $(wildcard guests/common/*.h) guests/common/start.S
GUEST_WORDS := guests/common/console.c guests/common/words.c
BENCH_START := guests/bench/start.S $(GUEST_WORDS)
BENCH_START_NEEDS := $(BENCH_START) guests/bench/start.h guests/bench/bench.ld $(GUEST_HEADERS)
