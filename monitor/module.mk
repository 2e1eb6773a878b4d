# SPDX-License-Identifier: Apache-2.0
# The monitor: sources one level deeper, what is generated, and what belongs to other hosts.

MONITOR_SRCS := $(filter-out monitor/engine/fake%,$(MONITOR_SRCS)) $(call sources,monitor/*/*) monitor/dev/acpi/dsdt_aml.c

# The DSDT: ASL to AML by iasl, AML to an array of bytes.
$(GEN)/monitor/dev/acpi/dsdt.aml: monitor/dev/acpi/dsdt.asl | $(INSTALLED)
	$(call say,IASL,$<)
	$(Q)mkdir -p $(@D)
	$(Q)iasl -we -p $(@:.aml=) $< >$(@:.aml=.log) 2>&1 || { cat $(@:.aml=.log) >&2; exit 1; }
$(GEN)/monitor/dev/acpi/dsdt_aml.c: $(GEN)/monitor/dev/acpi/dsdt.aml
	$(Q){ echo '#include "monitor/dev/acpi/tables.h"'; echo 'const uint8_t acpi_dsdt[] = {'; \
		od -An -v -tx1 $< | sed 's/ \([0-9a-f][0-9a-f]\)/0x\1,/g'; \
		echo '};'; echo 'const uint32_t acpi_dsdt_bytes = sizeof acpi_dsdt;'; } >$@
