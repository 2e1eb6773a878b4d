# SPDX-License-Identifier: Apache-2.0
# The plugin that counts instructions on QEMU; bench/run.py loads it.
BENCH_PLUGIN := $(B)/bench/count.so
$(BENCH_PLUGIN): bench/plugin/count.c bench/plugin/qemu_plugin_api.h | $(INSTALLED)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -O2 -fPIC -shared $(WARNINGS) -I. -o $@ $<
bench bench-peers: $(BENCH_PLUGIN)
