# SPDX-License-Identifier: Apache-2.0
# Gyre's build. `make help` lists the targets. One make, no recursion: each component's folder may add to it in a module.mk,
# which is read below, after the variables that it may rely on. A folder that is missing builds nothing and breaks nothing.

# ---- What a user may set -------------------------------------------------------------------------------------------
B ?= build#               where everything is built
V ?= 0#                   1 shows the commands
DEPS ?= yes#              no: installs nothing, and tries with what is there
MACHINE ?= amd#           what `make run` boots on: amd (QEMU) or intel (Bochs)
VMS ?= 1#                 how many VMs `make run` has: 1 is Debian alone; of more the last one is a hostile guest
SEED ?= $(shell date +%s)#  of the hostile guest
FUZZ_SECONDS ?= 60#       how long `make fuzz` runs each target
SOAK_SECONDS ?= 600#      how long `make soak` runs each of its parts
ifeq ($(origin CC),default)
CC := gcc
endif
B := $(strip $(B))
V := $(strip $(V))
DEPS := $(strip $(DEPS))
MACHINE := $(strip $(MACHINE))
VMS := $(strip $(VMS))

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
SHELL := /bin/bash
MAKEFLAGS += --no-print-directory --no-builtin-rules -j$(shell nproc)
# A -j that the user gave wins over this one.

Q := $(if $(filter 1,$(V)),,@)
ifeq ($(V),1)
say =
else
say = @printf '  %-7s %s\n' '$(1)' '$(2)'
endif
# Debian's Python: it alone sees the packages that make deps installs, whatever `python3` is on this machine.
PYTHON := /usr/bin/python3 -B

# ---- Flags -------------------------------------------------------------------------------------------------------------
GEN := $(B)/gen#   generated sources and headers; #include "monitor/x.h" finds $(GEN)/monitor/x.h
GEN := $(strip $(GEN))
INCLUDES := -Iinclude -I. -I$(GEN)
WARNINGS := -Wall -Wextra -Werror -Wvla -Wstrict-prototypes
# Freestanding code, privileged or not, leaves the FPU and vector registers alone: they hold the guest's state.
FREESTANDING := -std=gnu17 -O2 -g -ffreestanding -fno-pic -mgeneral-regs-only -fstack-protector-strong -mstack-protector-guard=global -fcf-protection=none \
	-fno-asynchronous-unwind-tables -fno-strict-aliasing -fno-common -fno-jump-tables $(WARNINGS)
# Backtraces follow frame pointers. An interrupt uses the stack that it finds: no red zone.
CORE_CFLAGS := $(FREESTANDING) -mcmodel=kernel -mno-red-zone -fno-omit-frame-pointer -DGYRE_CORE=1 $(INCLUDES)
NATIVE_CFLAGS := $(FREESTANDING) -mcmodel=small -fno-omit-frame-pointer -DGYRE_NATIVE=1 $(INCLUDES)
HOST_CFLAGS := -std=gnu17 -O2 -g -D_GNU_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong $(WARNINGS) -DGYRE_HOST=1 $(INCLUDES)
HOST_LIBS := -ljansson -lyaml -lzstd
UNIT_CFLAGS := -std=gnu17 -O1 -g -D_GNU_SOURCE -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer \
	$(WARNINGS) -DGYRE_UNIT_TEST=1 $(INCLUDES)
LINK_FREESTANDING := -nostdlib -static -z noexecstack -z max-page-size=0x1000 --build-id=none --no-warn-rwx-segments
LIBGCC := $(shell $(CC) -print-libgcc-file-name 2>/dev/null)

# ---- Sources, by wildcard: a new file needs no line here. Fragments may add to each list. ----------------------------------
sources = $(wildcard $(foreach d,$(1),$(d)/*.c $(d)/*.S))
CORE_SRCS := $(call sources,core core/* core/*/*)
NATIVE_LIB_SRCS := $(call sources,lib)
ROOT_SRCS := $(call sources,services/root)
# The engines of other hosts (monitor/engine/linux*.c) belong to the hosted monitor.
MONITOR_SRCS := $(filter-out monitor/engine/linux%,$(call sources,monitor monitor/*))
GYRE_SRCS := $(call sources,tools/gyre)
# Processes that run on Gyre. A fragment adds one by NATIVE_PROGRAMS += name and name_SRCS := sources; it becomes $(B)/name.elf.
NATIVE_PROGRAMS := $(if $(ROOT_SRCS),root) $(if $(MONITOR_SRCS),monitor)
root_SRCS = $(ROOT_SRCS)
monitor_SRCS = $(MONITOR_SRCS)
# What fragments add to the components: files built by `make core`, `make native`, `make tool`, `make guests`.
CORE_EXTRA :=
NATIVE_EXTRA :=
TOOL_EXTRA :=
GUESTS :=
# Generated headers, made before anything is compiled; where what includes them stands is in the .d files.
GENERATED :=

# Order-only prerequisite of all that is compiled: what the build needs is installed.
INSTALLED := $(if $(filter no,$(DEPS)),,$(B)/deps.stamp)

# ---- Fragments ---------------------------------------------------------------------------------------------------------
.PHONY: all
all: core native tool guests ## builds everything (the default)
-include $(wildcard core/module.mk lib/module.mk monitor/module.mk services/module.mk services/*/module.mk tools/module.mk tools/*/module.mk \
	guests/module.mk guests/*/module.mk tests/module.mk tests/*/module.mk bench/module.mk)

# ---- Packages ------------------------------------------------------------------------------------------------------------
.PHONY: deps
deps: ## installs the Debian packages that are missing (tools/build/packages)
	$(Q)tools/build/deps.sh tools/build/packages
	$(Q)mkdir -p $(B) && touch $(B)/deps.stamp
$(B)/deps.stamp: tools/build/packages
	$(Q)tools/build/deps.sh $<
	$(Q)mkdir -p $(@D) && touch $@

# A package of Debian's that is only unpacked, not installed: depend on $(B)/debs/NAME.stamp, find the files in $(B)/debs/NAME/.
$(B)/debs/%.stamp: tools/build/fetch-deb.sh
	$(call say,FETCH,Debian package $*)
	$(Q)mkdir -p $(@D)
	$(Q)tools/build/fetch-deb.sh $* $(@D)/$*
	$(Q)touch $@

# ---- Objects: one rule for each kind and language ---------------------------------------------------------------------------
# $(1) kind, $(2) the name of its flags, $(3) folder of the sources, or nothing, $(4) suffix, $(5) more flags. An assembly file's object
# is x.S.o, since x.c may stand beside x.S.
define OBJECT_RULE
$(B)/$(1)/%$(if $(filter .S,$(4)),.S).o: $(3)%$(4) $(B)/$(1)/flags | $$(INSTALLED) $$(GENERATED)
	$$(call say,$(if $(filter .S,$(4)),AS,CC),$$<)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC) $$($(2)) $(5) $$(CFLAGS_$$<) -MMD -MP -c -o $$@ $$<
endef
# Compiled again when the flags have changed.
define OBJECT_RULES
$(B)/$(1)/flags: FORCE
	@mkdir -p $$(@D); f='$$(CC) $$($(2))'; [ "$$$$f" = "$$$$(cat $$@ 2>/dev/null)" ] || printf '%s\n' "$$$$f" >$$@
$(call OBJECT_RULE,$(1),$(2),,.c)
$(call OBJECT_RULE,$(1),$(2),,.S,-D__ASSEMBLY__)
$(call OBJECT_RULE,$(1),$(2),$(GEN)/,.c)
$(call OBJECT_RULE,$(1),$(2),$(GEN)/,.S,-D__ASSEMBLY__)
endef
.PHONY: FORCE
FORCE:
$(eval $(call OBJECT_RULES,core,CORE_CFLAGS))
$(eval $(call OBJECT_RULES,native,NATIVE_CFLAGS))
$(eval $(call OBJECT_RULES,host,HOST_CFLAGS))
$(eval $(call OBJECT_RULES,unit,UNIT_CFLAGS))
# $(call objects,KIND,SOURCES)
objects = $(patsubst %,$(B)/$(1)/%.o,$(patsubst %.c,%,$(2)))

# ---- The core ----------------------------------------------------------------------------------------------------------------
CORE_OBJS := $(call objects,core,$(CORE_SRCS))
CORE_LDSCRIPT := core/boot/core.ld
CORE_ELF := $(B)/gyre-core.elf
.PHONY: core
core: $(if $(CORE_SRCS),$(CORE_ELF)) $(CORE_EXTRA) ## builds the core, build/gyre-core.elf

# Linked three times: bare, with the symbols of that, and with the symbols of the second, whose addresses no longer change.
link_core = $(LD) $(LINK_FREESTANDING) $(CORE_LINK_FLAGS) -T $(CORE_LDSCRIPT) -o $(1) $(2)
$(CORE_ELF): $(CORE_OBJS) $(CORE_LDSCRIPT) tools/build/symbols.py
	$(call say,LINK,$@)
	$(Q)mkdir -p $(B)/core
	$(Q)$(call link_core,$(B)/core/pass1.elf,$(CORE_OBJS))
	$(Q)$(PYTHON) tools/build/symbols.py $(B)/core/pass1.elf $(B)/core/symbols1.S
	$(Q)$(CC) -c -o $(B)/core/symbols1.o $(B)/core/symbols1.S
	$(Q)$(call link_core,$(B)/core/pass2.elf,$(CORE_OBJS) $(B)/core/symbols1.o)
	$(Q)$(PYTHON) tools/build/symbols.py $(B)/core/pass2.elf $(B)/core/symbols2.S
	$(Q)$(CC) -c -o $(B)/core/symbols2.o $(B)/core/symbols2.S
	$(Q)$(call link_core,$@.new,$(CORE_OBJS) $(B)/core/symbols2.o)
	$(Q)$(PYTHON) tools/build/symbols.py $@.new $(B)/core/symbols3.S
	$(Q)cmp -s $(B)/core/symbols2.S $(B)/core/symbols3.S || { echo '$@: the symbol table moved the code' >&2; exit 1; }
	$(Q)mv $@.new $@

# ---- Processes that run on Gyre ---------------------------------------------------------------------------------------------
NATIVE_LIB_OBJS := $(call objects,native,$(NATIVE_LIB_SRCS))
LIBGYRE := $(B)/lib/libgyre.a
NATIVE_LDSCRIPT := lib/native.ld
.PHONY: native
native: $(if $(NATIVE_LIB_SRCS),$(LIBGYRE)) $(NATIVE_PROGRAMS:%=$(B)/%.elf) $(NATIVE_EXTRA) ## builds the processes: root, monitor
$(LIBGYRE): $(NATIVE_LIB_OBJS)
	$(call say,AR,$@)
	$(Q)mkdir -p $(@D) && rm -f $@ && $(AR) rcs $@ $(NATIVE_LIB_OBJS)
define NATIVE_PROGRAM
$(1)_OBJS := $$(call objects,native,$$($(1)_SRCS))
NATIVE_ALL_OBJS += $$($(1)_OBJS)
$(B)/$(1).elf: $$($(1)_OBJS) $$(LIBGYRE) $$(NATIVE_LDSCRIPT)
	$$(call say,LINK,$$@)
	$$(Q)$$(LD) $$(LINK_FREESTANDING) -T $$(NATIVE_LDSCRIPT) -o $$@ $$($(1)_OBJS) $$(LIBGYRE) $$(LIBGCC)
endef
$(foreach p,$(NATIVE_PROGRAMS),$(eval $(call NATIVE_PROGRAM,$(p))))

# ---- The command -----------------------------------------------------------------------------------------------------------
GYRE_OBJS := $(call objects,host,$(GYRE_SRCS))
.PHONY: tool
tool: $(if $(GYRE_SRCS),$(B)/gyre) $(TOOL_EXTRA) ## builds the command, build/gyre
$(B)/gyre: $(GYRE_OBJS)
	$(call say,LINK,$@)
	$(Q)$(CC) -o $@ $(GYRE_OBJS) $(HOST_LIBS)

# ---- Guests ------------------------------------------------------------------------------------------------------------------
.PHONY: guests
guests: $(GUESTS) ## builds the guests: Debian's kernel with an initramfs, and the small ones

# ---- Unit tests: tests/unit/test_*.c. `unit-sources:` and `unit-libs:` lines in each say what it is linked with. -------------
UNIT_TESTS := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))
# One word for each: NAME:WORD, sources and libraries alike.
UNIT_LINKS := $(if $(UNIT_TESTS),$(shell awk 'FNR == 1 { n = split(FILENAME, p, "/"); name = p[n]; sub(/\.c$$/, "", name) } \
	/unit-(sources|libs):/ { sub(/.*unit-(sources|libs):/, ""); gsub(/\*\//, ""); for (i = 1; i <= NF; i++) print name ":" $$i }' \
	tests/unit/test_*.c))
unit_words = $(patsubst $(1):%,%,$(filter $(1):%,$(UNIT_LINKS)))
define UNIT_RULE
$(1)_UNIT_OBJS := $(B)/unit/tests/unit/$(1).o $$(call objects,unit,$$(filter-out -l%,$$(call unit_words,$(1))))
UNIT_ALL_OBJS += $$($(1)_UNIT_OBJS)
$(B)/unit/bin/$(1): $$($(1)_UNIT_OBJS)
	$$(call say,LINK,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC) -fsanitize=address,undefined -o $$@ $$($(1)_UNIT_OBJS) -lcmocka $$(filter -l%,$$(call unit_words,$(1)))
endef
$(foreach t,$(UNIT_TESTS),$(eval $(call UNIT_RULE,$(t))))
.PHONY: unit-build unit
unit-build: $(UNIT_TESTS:%=$(B)/unit/bin/%)
unit: unit-build ## builds and runs the unit tests
	$(Q)$(PYTHON) tests/run --build $(B) unit

include tests/coverage.mk

# ---- Static analysis: each source again when its object was compiled again, which is when what it includes has changed. --------
# $(1) kind, $(2) the name of its flags
define ANALYSE_RULE
$(B)/tidy/$(1)/%.ok: $(B)/$(1)/%.o .clang-tidy
	$$(call say,TIDY,$$*.c)
	$$(Q)mkdir -p $$(@D)
	$$(Q)clang-tidy --quiet $$*.c -- $$($(2)) $$(CFLAGS_$$*.c) >$$@.log 2>&1 || { grep -A 2 'error:' $$@.log; echo "  all of it: $$@.log"; exit 1; }
	$$(Q)touch $$@
endef
$(eval $(call ANALYSE_RULE,core,CORE_CFLAGS))
$(eval $(call ANALYSE_RULE,native,NATIVE_CFLAGS))
$(eval $(call ANALYSE_RULE,host,HOST_CFLAGS))
# Generated sources are not ours to tidy.
analysed = $(patsubst %.c,$(B)/tidy/$(1)/%.ok,$(wildcard $(filter %.c,$(2))))
.PHONY: analyse
analyse: $(call analysed,core,$(CORE_SRCS)) $(call analysed,native,$(NATIVE_LIB_SRCS) $(foreach p,$(NATIVE_PROGRAMS),$($(p)_SRCS))) \
	$(call analysed,host,$(GYRE_SRCS)) ## runs clang-tidy over what has changed

# ---- Tests, checks, figures --------------------------------------------------------------------------------------------------
.PHONY: test check system size format
test: | $(INSTALLED) ## builds all, runs every test and check; the last line counts them
	$(Q)env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL $(PYTHON) tests/run --build $(B) all
check: | $(INSTALLED) ## runs the checks: format, clang, static analysis, vendor names, FPU use, size
	$(Q)env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL $(PYTHON) tests/run --build $(B) check
system: all ## runs the system tests: whole machines
	$(Q)$(PYTHON) tests/run --build $(B) system
size: | $(INSTALLED) ## counts lines of code, and the core's against its bound
	$(Q)$(PYTHON) tools/build/size.py
format: | $(INSTALLED) ## lays all sources out by .clang-format
	$(Q)git ls-files -co --exclude-standard '*.c' '*.h' | xargs -r clang-format -i

.PHONY: run bench bench-peers recreate soak fuzz test-kernels
# $(1) name, $(2) memory
RUN_DEBIAN = --vm $(1) --kernel $(B)/guests/vmlinuz --append "console=ttyS0" --initrd $(B)/guests/initramfs.cpio.gz --memory $(2)
# It goes on with new bytes for ever. What it leaves out ends QEMU itself (docs/testing.md). A machine on Bochs has 2 GiB at most.
RUN_HOSTILE = --vm hostile --kernel $(B)/guests/hostile.elf --append "seed=$(strip $(SEED)) steps=1000000000 without=breakpoints,cr,ltr,sysenter,tf" \
	--memory 32M --test-device --restart always --restart-limit 0
RUN_VMS = $(if $(filter 1,$(VMS)),$(call RUN_DEBIAN,debian,256M),$(foreach n,$(shell seq 1 $$(($(VMS) - 1))),$(call RUN_DEBIAN,debian$(n),128M)) $(RUN_HOSTILE))
RUN = $(B)/gyre emulate --machine $(MACHINE) $(RUN_VMS)
run: all ## boots Debian, or VMS=4 guests, on an emulated MACHINE, amd or intel; without a terminal, plays a short session
	$(Q)if [ -t 0 ]; then exec $(RUN); else exec $(PYTHON) tests/session.py $(RUN); fi
bench: all ## measures Gyre, prints the table, writes build/bench.json
	$(Q)$(PYTHON) bench/run.py --build $(B) gyre
bench-peers: all ## measures Gyre and its peers side by side
	$(Q)$(PYTHON) bench/run.py --build $(B) peers
recreate: all ## a new monitor from the saved state at each of a guest's first 20,000 exits
	$(Q)GYRE_BUILD=$(abspath $(B)) GYRE_RECREATE_FIRST=20000 $(PYTHON) -m pytest -q -s -p no:cacheprovider tests/system/test_recreate.py
soak: all ## runs what takes longer than make test may
	$(Q)$(PYTHON) tests/run --build $(B) --seconds $(SOAK_SECONDS) soak

test-kernels: all ## runs the test kernels of DIR on MACHINE (amd, intel, both); BARE=yes: what fails without Gyre, too
	$(Q)$(PYTHON) tests/kernels/runner.py --build $(B) --machine $(MACHINE) $(if $(BARE),--bare) --dir '$(DIR)'

FUZZ_TARGETS := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
fuzz: $(FUZZ_TARGETS:%=$(B)/fuzz/%) ## runs each fuzz target for FUZZ_SECONDS
	$(Q)$(PYTHON) tests/run --build $(B) --seconds $(FUZZ_SECONDS) fuzz
# The sources of a target are named as those of a unit test are.
fuzz_words = $(shell sed -n 's/.*unit-\(sources\|libs\):\(.*\)\*\/.*/\2/p' tests/fuzz/$(1).c)
# In a function of its own: a % in a pattern rule's prerequisites would be the stem.
fuzz_sources = $(filter-out -l%,$(call fuzz_words,$(1)))
# One compiler call for all of them, which writes no dependencies of each: any header that they may read makes a target anew.
FUZZ_HEADERS := $(wildcard include/gyre/*.h lib/*.h core/*/*.h core/virt/*/*.h monitor/*.h monitor/*/*.h services/*/*.h tools/gyre/*.h tests/*/*.h)
.SECONDEXPANSION:
$(B)/fuzz/%: tests/fuzz/%.c $$(call fuzz_sources,$$*) $(FUZZ_HEADERS) | $(INSTALLED)
	$(call say,FUZZ,$<)
	$(Q)mkdir -p $(@D)
	$(Q)clang -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all $(filter-out -fsanitize=% -fno-sanitize-recover=%,$(UNIT_CFLAGS)) \
		-Wno-unused-parameter -o $@ $< $(call fuzz_words,$*)

.PHONY: clean help
clean: ## removes the build folder
	rm -rf $(B)
help: ## lists the targets
	@echo 'make TARGET [B=folder] [V=1] [DEPS=no] [MACHINE=intel] [VMS=4] [FUZZ_SECONDS=60]'
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

# ---- What headers each object read at its last compilation -------------------------------------------------------------------
ALL_OBJS := $(CORE_OBJS) $(NATIVE_LIB_OBJS) $(NATIVE_ALL_OBJS) $(GYRE_OBJS) $(sort $(UNIT_ALL_OBJS))
-include $(ALL_OBJS:.o=.d)
