# SPDX-License-Identifier: Apache-2.0
# A monitor that attacks the core: tests/system/test_hostile_monitor.py.
NATIVE_PROGRAMS += hostile
hostile_SRCS := $(call sources,tests/hostile)
