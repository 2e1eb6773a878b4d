# SPDX-License-Identifier: Apache-2.0
# Plugins of QEMU: one counts instructions (bench/run.py), one writes down the order of some (tests/system/test_barriers.py).
BENCH_PLUGINS := $(B)/bench/count.so $(B)/bench/path.so
$(BENCH_PLUGINS): $(B)/bench/%.so: bench/plugin/%.c bench/plugin/qemu_plugin_api.h | $(INSTALLED)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -O2 -fPIC -shared $(WARNINGS) -I. -o $@ $<
bench bench-peers: $(BENCH_PLUGINS)
all: $(BENCH_PLUGINS)
