# SPDX-License-Identifier: Apache-2.0
# What fuzz_core reaches of the core's logic, and what the unit tests do besides (tests/coverage.py). The Makefile reads it when it knows the unit tests.
COVERAGE_CFLAGS := $(filter-out -W%,$(UNIT_CFLAGS)) -fprofile-instr-generate -fcoverage-mapping
COVERAGE_TESTS := $(foreach t,$(UNIT_TESTS),$(if $(filter core/mem/% core/obj/% core/sched/% core/virt/%,$(call unit_words,$(t))),$(t)))
COVERAGE_FUZZ := tests/fuzz/fuzz_core.c tests/fuzz/core_main.c $(shell sed -n 's/.*unit-sources:\(.*\)\*\/.*/\1/p' tests/fuzz/fuzz_core.c)
$(B)/coverage/%.o: %.c | $(INSTALLED) $(GENERATED)
	$(call say,CLANG,$<)
	$(Q)mkdir -p $(@D)
	$(Q)clang $(COVERAGE_CFLAGS) -MMD -MP -c -o $@ $<
define COVERAGE_RULE
$(B)/coverage/bin/$(1): $(patsubst %.c,$(B)/coverage/%.o,$(2))
	$$(call say,LINK,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)clang -fsanitize=address,undefined -fprofile-instr-generate -o $$@ $$^ $(3)
endef
$(eval $(call COVERAGE_RULE,fuzz_core,$(COVERAGE_FUZZ)))
$(foreach t,$(COVERAGE_TESTS),$(eval $(call COVERAGE_RULE,$(t),tests/unit/$(t).c $(filter-out -l%,$(call unit_words,$(t))),-lcmocka)))
.PHONY: coverage
coverage: $(B)/coverage/bin/fuzz_core $(COVERAGE_TESTS:%=$(B)/coverage/bin/%) ## measures what fuzz_core and the unit tests reach of the core's logic
	$(Q)$(PYTHON) tests/coverage.py --build $(B) --unit --missing
-include $(wildcard $(B)/coverage/core/*/*.d $(B)/coverage/tests/*/*.d)
