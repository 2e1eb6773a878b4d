/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/machine/entry_rules.h: the fields of a VT-x control block that entries are checked by, and the rules. Fields have their numbers from the SDM
 * vol. 3, appendix "Field Encoding in VMCS"; those from 0x10000 on are of the neutral state (include/gyre/vcpu.h). The rules are those of the chapter
 * "VM Entries" of the same volume, "Checks on VMX Controls and Host-State Area" and "Checks on the Guest State Area"; and of the APM vol. 2,
 * "VMRUN Instruction", on consistency.
 */
#ifndef MONITOR_MACHINE_ENTRY_RULES_H
#define MONITOR_MACHINE_ENTRY_RULES_H

/* F(name, number, words). Segment registers stand in the order of enum gyre_segment_index, each group in one piece. */
#define ENTRY_FIELDS(F)                                                                                                \
	F(VPID, 0x0000, "virtual-processor identifier")                                                                \
	F(POSTED_VECTOR, 0x0002, "posted-interrupt notification vector")                                               \
	F(GUEST_ES, 0x0800, "guest ES selector")                                                                       \
	F(GUEST_CS, 0x0802, "guest CS selector")                                                                       \
	F(GUEST_SS, 0x0804, "guest SS selector")                                                                       \
	F(GUEST_DS, 0x0806, "guest DS selector")                                                                       \
	F(GUEST_FS, 0x0808, "guest FS selector")                                                                       \
	F(GUEST_GS, 0x080a, "guest GS selector")                                                                       \
	F(GUEST_LDTR, 0x080c, "guest LDTR selector")                                                                   \
	F(GUEST_TR, 0x080e, "guest TR selector")                                                                       \
	F(HOST_ES, 0x0c00, "host ES selector")                                                                         \
	F(HOST_CS, 0x0c02, "host CS selector")                                                                         \
	F(HOST_SS, 0x0c04, "host SS selector")                                                                         \
	F(HOST_DS, 0x0c06, "host DS selector")                                                                         \
	F(HOST_FS, 0x0c08, "host FS selector")                                                                         \
	F(HOST_GS, 0x0c0a, "host GS selector")                                                                         \
	F(HOST_TR, 0x0c0c, "host TR selector")                                                                         \
	F(IO_BITMAP_A, 0x2000, "address of I/O bitmap A")                                                              \
	F(IO_BITMAP_B, 0x2002, "address of I/O bitmap B")                                                              \
	F(MSR_BITMAP, 0x2004, "address of MSR bitmaps")                                                                \
	F(EXIT_STORE, 0x2006, "VM-exit MSR-store address")                                                             \
	F(EXIT_LOAD, 0x2008, "VM-exit MSR-load address")                                                               \
	F(ENTRY_LOAD, 0x200a, "VM-entry MSR-load address")                                                             \
	F(PML_ADDRESS, 0x200e, "PML address")                                                                          \
	F(VIRTUAL_APIC, 0x2012, "virtual-APIC address")                                                                \
	F(APIC_ACCESS, 0x2014, "APIC-access address")                                                                  \
	F(POSTED_DESCRIPTOR, 0x2016, "posted-interrupt descriptor address")                                            \
	F(VM_FUNCTIONS, 0x2018, "VM-function controls")                                                                \
	F(EPTP, 0x201a, "EPT pointer")                                                                                 \
	F(EPTP_LIST, 0x2024, "EPTP-list address")                                                                      \
	F(VMREAD_BITMAP, 0x2026, "VMREAD-bitmap address")                                                              \
	F(VMWRITE_BITMAP, 0x2028, "VMWRITE-bitmap address")                                                            \
	F(VE_INFORMATION, 0x202a, "virtualization-exception information address")                                      \
	F(TSC_MULTIPLIER, 0x2032, "TSC multiplier")                                                                    \
	F(LINK_POINTER, 0x2800, "VMCS link pointer")                                                                   \
	F(GUEST_DEBUGCTL, 0x2802, "guest IA32_DEBUGCTL")                                                               \
	F(GUEST_PAT, 0x2804, "guest IA32_PAT")                                                                         \
	F(GUEST_EFER, 0x2806, "guest IA32_EFER")                                                                       \
	F(GUEST_PERF, 0x2808, "guest IA32_PERF_GLOBAL_CTRL")                                                           \
	F(GUEST_PDPTE0, 0x280a, "guest PDPTE0")                                                                        \
	F(GUEST_PDPTE1, 0x280c, "guest PDPTE1")                                                                        \
	F(GUEST_PDPTE2, 0x280e, "guest PDPTE2")                                                                        \
	F(GUEST_PDPTE3, 0x2810, "guest PDPTE3")                                                                        \
	F(GUEST_BNDCFGS, 0x2812, "guest IA32_BNDCFGS")                                                                 \
	F(GUEST_PKRS, 0x2818, "guest IA32_PKRS")                                                                       \
	F(HOST_PAT, 0x2c00, "host IA32_PAT")                                                                           \
	F(HOST_EFER, 0x2c02, "host IA32_EFER")                                                                         \
	F(HOST_PERF, 0x2c04, "host IA32_PERF_GLOBAL_CTRL")                                                             \
	F(HOST_PKRS, 0x2c06, "host IA32_PKRS")                                                                         \
	F(PIN, 0x4000, "pin-based VM-execution controls")                                                              \
	F(PROC, 0x4002, "primary processor-based VM-execution controls")                                               \
	F(CR3_TARGETS, 0x400a, "CR3-target count")                                                                     \
	F(EXIT, 0x400c, "VM-exit controls")                                                                            \
	F(EXIT_STORE_COUNT, 0x400e, "VM-exit MSR-store count")                                                         \
	F(EXIT_LOAD_COUNT, 0x4010, "VM-exit MSR-load count")                                                           \
	F(ENTRY, 0x4012, "VM-entry controls")                                                                          \
	F(ENTRY_LOAD_COUNT, 0x4014, "VM-entry MSR-load count")                                                         \
	F(EVENT, 0x4016, "VM-entry interruption-information field")                                                    \
	F(EVENT_ERROR, 0x4018, "VM-entry exception error code")                                                        \
	F(EVENT_LENGTH, 0x401a, "VM-entry instruction length")                                                         \
	F(TPR_THRESHOLD, 0x401c, "TPR threshold")                                                                      \
	F(PROC2, 0x401e, "secondary processor-based VM-execution controls")                                            \
	F(ERROR, 0x4400, "VM-instruction error")                                                                       \
	F(REASON, 0x4402, "exit reason")                                                                               \
	F(GUEST_ES_LIMIT, 0x4800, "guest ES limit")                                                                    \
	F(GUEST_CS_LIMIT, 0x4802, "guest CS limit")                                                                    \
	F(GUEST_SS_LIMIT, 0x4804, "guest SS limit")                                                                    \
	F(GUEST_DS_LIMIT, 0x4806, "guest DS limit")                                                                    \
	F(GUEST_FS_LIMIT, 0x4808, "guest FS limit")                                                                    \
	F(GUEST_GS_LIMIT, 0x480a, "guest GS limit")                                                                    \
	F(GUEST_LDTR_LIMIT, 0x480c, "guest LDTR limit")                                                                \
	F(GUEST_TR_LIMIT, 0x480e, "guest TR limit")                                                                    \
	F(GUEST_GDTR_LIMIT, 0x4810, "guest GDTR limit")                                                                \
	F(GUEST_IDTR_LIMIT, 0x4812, "guest IDTR limit")                                                                \
	F(GUEST_ES_RIGHTS, 0x4814, "guest ES access rights")                                                           \
	F(GUEST_CS_RIGHTS, 0x4816, "guest CS access rights")                                                           \
	F(GUEST_SS_RIGHTS, 0x4818, "guest SS access rights")                                                           \
	F(GUEST_DS_RIGHTS, 0x481a, "guest DS access rights")                                                           \
	F(GUEST_FS_RIGHTS, 0x481c, "guest FS access rights")                                                           \
	F(GUEST_GS_RIGHTS, 0x481e, "guest GS access rights")                                                           \
	F(GUEST_LDTR_RIGHTS, 0x4820, "guest LDTR access rights")                                                       \
	F(GUEST_TR_RIGHTS, 0x4822, "guest TR access rights")                                                           \
	F(INTERRUPTIBILITY, 0x4824, "guest interruptibility state")                                                    \
	F(ACTIVITY, 0x4826, "guest activity state")                                                                    \
	F(QUALIFICATION, 0x6400, "exit qualification")                                                                 \
	F(GUEST_CR0, 0x6800, "guest CR0")                                                                              \
	F(GUEST_CR3, 0x6802, "guest CR3")                                                                              \
	F(GUEST_CR4, 0x6804, "guest CR4")                                                                              \
	F(GUEST_ES_BASE, 0x6806, "guest ES base")                                                                      \
	F(GUEST_CS_BASE, 0x6808, "guest CS base")                                                                      \
	F(GUEST_SS_BASE, 0x680a, "guest SS base")                                                                      \
	F(GUEST_DS_BASE, 0x680c, "guest DS base")                                                                      \
	F(GUEST_FS_BASE, 0x680e, "guest FS base")                                                                      \
	F(GUEST_GS_BASE, 0x6810, "guest GS base")                                                                      \
	F(GUEST_LDTR_BASE, 0x6812, "guest LDTR base")                                                                  \
	F(GUEST_TR_BASE, 0x6814, "guest TR base")                                                                      \
	F(GUEST_GDTR_BASE, 0x6816, "guest GDTR base")                                                                  \
	F(GUEST_IDTR_BASE, 0x6818, "guest IDTR base")                                                                  \
	F(GUEST_DR7, 0x681a, "guest DR7")                                                                              \
	F(GUEST_RIP, 0x681e, "guest RIP")                                                                              \
	F(GUEST_RFLAGS, 0x6820, "guest RFLAGS")                                                                        \
	F(PENDING_DEBUG, 0x6822, "guest pending debug exceptions")                                                     \
	F(GUEST_SYSENTER_ESP, 0x6824, "guest IA32_SYSENTER_ESP")                                                       \
	F(GUEST_SYSENTER_EIP, 0x6826, "guest IA32_SYSENTER_EIP")                                                       \
	F(GUEST_S_CET, 0x6828, "guest IA32_S_CET")                                                                     \
	F(GUEST_SSP, 0x682a, "guest SSP")                                                                              \
	F(GUEST_SSP_TABLE, 0x682c, "guest IA32_INTERRUPT_SSP_TABLE_ADDR")                                              \
	F(HOST_CR0, 0x6c00, "host CR0")                                                                                \
	F(HOST_CR3, 0x6c02, "host CR3")                                                                                \
	F(HOST_CR4, 0x6c04, "host CR4")                                                                                \
	F(HOST_FS_BASE, 0x6c06, "host FS base")                                                                        \
	F(HOST_GS_BASE, 0x6c08, "host GS base")                                                                        \
	F(HOST_TR_BASE, 0x6c0a, "host TR base")                                                                        \
	F(HOST_GDTR_BASE, 0x6c0c, "host GDTR base")                                                                    \
	F(HOST_IDTR_BASE, 0x6c0e, "host IDTR base")                                                                    \
	F(HOST_SYSENTER_ESP, 0x6c10, "host IA32_SYSENTER_ESP")                                                         \
	F(HOST_SYSENTER_EIP, 0x6c12, "host IA32_SYSENTER_EIP")                                                         \
	F(HOST_RIP, 0x6c16, "host RIP")                                                                                \
	F(HOST_S_CET, 0x6c18, "host IA32_S_CET")                                                                       \
	F(HOST_SSP, 0x6c1a, "host SSP")                                                                                \
	F(HOST_SSP_TABLE, 0x6c1c, "host IA32_INTERRUPT_SSP_TABLE_ADDR")                                                \
	F(STATE_CR0, 0x10000, "CR0")                                                                                   \
	F(STATE_CR3, 0x10001, "CR3")                                                                                   \
	F(STATE_CR4, 0x10002, "CR4")                                                                                   \
	F(STATE_EFER, 0x10003, "EFER")                                                                                 \
	F(STATE_CS, 0x10004, "attributes of CS")                                                                       \
	F(STATE_DR6, 0x10005, "DR6")                                                                                   \
	F(STATE_DR7, 0x10006, "DR7")                                                                                   \
	F(STATE_EVENT, 0x10007, "event to be injected")

/*
 * R(name, area, words). Areas: CONTROLS and HOST are the core's own fault: the entry fails before it begins, with error number 7 or 8. GUEST: it fails with
 * exit reason 33. RUN: AMD's VMRUN exits at once with VMEXIT_INVALID. A rule that holds for several fields is there once.
 */
#define ENTRY_RULES(R)                                                                                                 \
	/* ---- controls: VM-execution ---- */                                                                         \
	R(ALLOWED, CONTROLS, "the processor does not allow this setting")                                              \
	R(CR3_TARGETS, CONTROLS, "there are not that many CR3-target values")                                          \
	R(PAGE_ALIGNED, CONTROLS, "must be the address of a page: bits 11:0 are 0")                                    \
	R(PHYSICAL, CONTROLS, "is beyond the processor's physical addresses")                                          \
	R(TPR_THRESHOLD, CONTROLS, "bits 31:4 must be 0 where interrupts are not delivered virtually")                 \
	R(VIRTUAL_NMIS, CONTROLS, "virtual NMIs need NMI exiting")                                                     \
	R(NMI_WINDOW, CONTROLS, "NMI-window exiting needs virtual NMIs")                                               \
	R(NEEDS_TPR_SHADOW, CONTROLS,                                                                                  \
		"x2APIC mode, APIC registers and interrupt delivery are virtual only with the TPR shadow")             \
	R(X2APIC_OR_ACCESSES, CONTROLS, "virtual x2APIC mode excludes virtual APIC accesses")                          \
	R(DELIVERY, CONTROLS, "virtual-interrupt delivery needs external-interrupt exiting")                           \
	R(POSTED_DELIVERY, CONTROLS, "posted interrupts need virtual-interrupt delivery")                              \
	R(POSTED_ACKNOWLEDGE, CONTROLS, "posted interrupts need interrupts acknowledged on exit")                      \
	R(POSTED_VECTOR, CONTROLS, "must be a vector, up to 255")                                                      \
	R(POSTED_ALIGNED, CONTROLS, "bits 5:0 must be 0")                                                              \
	R(VPID_ZERO, CONTROLS, "0 is the host's own")                                                                  \
	R(EPT_TYPE, CONTROLS, "bits 2:0 are no memory type that the processor has for EPT")                            \
	R(EPT_WALK, CONTROLS, "bits 5:3 must say a walk of a length that the processor has")                           \
	R(EPT_DIRTY, CONTROLS, "the processor has no accessed and dirty flags for EPT")                                \
	R(EPT_RESERVED, CONTROLS, "reserved bits must be 0")                                                           \
	R(NEEDS_EPT, CONTROLS, "asks for what works only with EPT")                                                    \
	R(TSC_MULTIPLIER, CONTROLS, "must not be 0 with TSC scaling")                                                  \
	/* ---- controls: VM-exit and VM-entry ---- */                                                                 \
	R(SAVE_TIMER, CONTROLS, "the preemption timer cannot be saved where it is not active")                         \
	R(AREA_ALIGNED, CONTROLS, "bits 3:0 must be 0")                                                                \
	R(AREA_END, CONTROLS, "the end of the area is beyond the processor's physical addresses")                      \
	R(EVENT_TYPE, CONTROLS, "its type is reserved")                                                                \
	R(EVENT_VECTOR, CONTROLS, "its vector does not fit its type")                                                  \
	R(EVENT_HAS_ERROR, CONTROLS, "this event has no error code")                                                   \
	R(EVENT_LACKS_ERROR, CONTROLS, "this exception has an error code")                                             \
	R(EVENT_RESERVED, CONTROLS, "bits 30:12 must be 0")                                                            \
	R(EVENT_ERROR, CONTROLS, "bits 31:16 must be 0")                                                               \
	R(EVENT_LENGTH, CONTROLS, "no instruction has that length")                                                    \
	R(ENTRY_SMM, CONTROLS, "what only system-management mode does")                                                \
	/* ---- host ---- */                                                                                           \
	R(HOST_FIXED, HOST, "a bit that is fixed in VMX operation is not so")                                          \
	R(HOST_CET, HOST, "CR4.CET needs CR0.WP")                                                                      \
	R(HOST_PHYSICAL, HOST, "is beyond the processor's physical addresses")                                         \
	R(HOST_CANONICAL, HOST, "is not canonical")                                                                    \
	R(HOST_RESERVED, HOST, "reserved bits must be 0")                                                              \
	R(HOST_PAT, HOST, "one of its entries is no memory type")                                                      \
	R(HOST_LONG, HOST, "LMA and LME must both be what \"host address-space size\" says")                           \
	R(HOST_SELECTOR, HOST, "TI and RPL must be 0")                                                                 \
	R(HOST_NULL, HOST, "must not be 0")                                                                            \
	R(HOST_SIZE, HOST, "\"host address-space size\" must be set for a host in IA-32e mode")                        \
	R(HOST_PAE, HOST, "PAE must be set for a host in IA-32e mode")                                                 \
	/* ---- guest: control and debug registers, MSRs ---- */                                                       \
	R(FIXED, GUEST, "a bit that is fixed in VMX operation is not so")                                              \
	R(PG_NEEDS_PE, GUEST, "paging needs protected mode: PG without PE")                                            \
	R(CET_NEEDS_WP, GUEST, "CR4.CET needs CR0.WP")                                                                 \
	R(DEBUGCTL, GUEST, "reserved bits must be 0")                                                                  \
	R(LONG_NEEDS_PG, GUEST, "IA-32e mode needs paging: PG is 0")                                                   \
	R(LONG_NEEDS_PAE, GUEST, "IA-32e mode needs PAE")                                                              \
	R(PCIDE_NEEDS_LONG, GUEST, "PCIDE needs IA-32e mode")                                                          \
	R(CR3_PHYSICAL, GUEST, "is beyond the processor's physical addresses")                                         \
	R(DR7_HIGH, GUEST, "bits 63:32 must be 0")                                                                     \
	R(CANONICAL, GUEST, "is not canonical")                                                                        \
	R(PERF, GUEST, "reserved bits must be 0")                                                                      \
	R(PAT, GUEST, "one of its entries is no memory type")                                                          \
	R(EFER_RESERVED, GUEST, "reserved bits must be 0")                                                             \
	R(EFER_LMA, GUEST, "LMA must be what \"IA-32e mode guest\" says")                                              \
	R(EFER_LME, GUEST, "LME must be as LMA where paging is on")                                                    \
	R(BNDCFGS, GUEST, "bits 11:2 must be 0")                                                                       \
	R(CET_RESERVED, GUEST, "reserved bits must be 0, and bits 10 and 11 not both 1")                               \
	R(PKRS, GUEST, "bits 63:32 must be 0")                                                                         \
	/* ---- guest: segment registers ---- */                                                                       \
	R(TI, GUEST, "must be in the GDT: TI is 1")                                                                    \
	R(SS_RPL, GUEST, "RPL must be that of CS")                                                                     \
	R(V86_BASE, GUEST, "must be 16 times the selector in virtual-8086 mode")                                       \
	R(V86_LIMIT, GUEST, "must be 0xffff in virtual-8086 mode")                                                     \
	R(V86_RIGHTS, GUEST, "must be 0xf3 in virtual-8086 mode")                                                      \
	R(BASE_HIGH, GUEST, "bits 63:32 must be 0")                                                                    \
	R(TYPE, GUEST, "bits 3:0 are not a type that this register can have")                                          \
	R(S, GUEST, "bit 4, S, must be 1 for code and data and 0 for LDT and TSS")                                     \
	R(CS_DPL, GUEST, "DPL does not fit: 0 of data, that of SS of code, at most that of SS of conforming code")     \
	R(SS_DPL_RPL, GUEST, "DPL must be the RPL of the selector")                                                    \
	R(SS_DPL_ZERO, GUEST, "DPL must be 0 in real mode")                                                            \
	R(DATA_DPL, GUEST, "DPL must not be below the RPL of the selector")                                            \
	R(PRESENT, GUEST, "bit 7, P, must be 1")                                                                       \
	R(RIGHTS_RESERVED, GUEST, "bits 11:8 and 31:17 must be 0")                                                     \
	R(CS_D_AND_L, GUEST, "D and L must not both be 1 in IA-32e mode")                                              \
	R(GRANULARITY, GUEST, "bit 15, G, does not fit the limit")                                                     \
	R(TR_UNUSABLE, GUEST, "TR must be usable")                                                                     \
	R(TABLE_LIMIT, GUEST, "bits 31:16 must be 0")                                                                  \
	/* ---- guest: RIP, RFLAGS, SSP ---- */                                                                        \
	R(RIP_HIGH, GUEST, "bits 63:32 must be 0 outside 64-bit mode")                                                 \
	R(RIP_RANGE, GUEST, "is beyond the processor's linear addresses")                                              \
	R(RFLAGS_RESERVED, GUEST, "bits 63:22, 15, 5 and 3 must be 0, bit 1 must be 1")                                \
	R(RFLAGS_VM, GUEST, "VM must be 0 in IA-32e mode and in real mode")                                            \
	R(RFLAGS_IF, GUEST, "IF must be 1 for an external interrupt to be injected")                                   \
	R(SSP, GUEST, "must be a multiple of 4, and in reach of the mode")                                             \
	/* ---- guest: what is not in registers ---- */                                                                \
	R(ACTIVITY, GUEST, "the processor has no such state")                                                          \
	R(HALT_DPL, GUEST, "only privilege level 0 halts: DPL of SS is not 0")                                         \
	R(ACTIVITY_BLOCKED, GUEST, "must be active where STI or MOV SS blocks interrupts")                             \
	R(ACTIVITY_EVENT, GUEST, "the event to be injected does not reach a processor in this state")                  \
	R(BLOCK_RESERVED, GUEST, "bits 31:5 must be 0")                                                                \
	R(BLOCK_BOTH, GUEST, "STI and MOV SS cannot both block")                                                       \
	R(BLOCK_STI_IF, GUEST, "STI cannot block where IF is 0")                                                       \
	R(BLOCK_INTERRUPT, GUEST, "STI or MOV SS blocks the interrupt that is to be injected")                         \
	R(BLOCK_NMI, GUEST, "MOV SS blocks the NMI that is to be injected")                                            \
	R(BLOCK_STI_NMI, GUEST, "STI blocks the NMI that is to be injected, as this processor sees it")                \
	R(BLOCK_SMI, GUEST, "SMIs are blocked in system-management mode alone")                                        \
	R(BLOCK_VIRTUAL_NMI, GUEST, "NMIs are blocked, and one is to be injected")                                     \
	R(BLOCK_ENCLAVE, GUEST, "no enclave was interrupted: there are none, or MOV SS blocks")                        \
	R(PENDING_RESERVED, GUEST, "reserved bits must be 0")                                                          \
	R(PENDING_BS_MISSING, GUEST, "BS must be 1: the instruction that blocks or halts was a single step")           \
	R(PENDING_BS, GUEST, "BS must be 0: what blocks or halts was no single step")                                  \
	R(PENDING_RTM, GUEST, "RTM excludes bits 11:0 and blocking by MOV SS, and needs bit 12")                       \
	R(LINK_ALIGNED, GUEST, "must be all ones, or the address of a page")                                           \
	R(LINK_PHYSICAL, GUEST, "must be all ones, or within the processor's physical addresses")                      \
	R(LINK_CONTENT, GUEST, "what it points to is not a VMCS of the right kind, or the current one")                \
	R(PDPTE, GUEST, "present, and reserved bits are not 0")                                                        \
	/* ---- AMD's, on the neutral state ---- */                                                                    \
	R(RUN_CR0_CACHE, RUN, "NW needs CD")                                                                           \
	R(RUN_HIGH, RUN, "bits 63:32 must be 0")                                                                       \
	R(RUN_RESERVED, RUN, "reserved bits must be 0")                                                                \
	R(RUN_PHYSICAL, RUN, "is beyond the processor's physical addresses")                                           \
	R(RUN_LONG, RUN, "the processor has no long mode")                                                             \
	R(RUN_LONG_PAE, RUN, "long mode needs PAE")                                                                    \
	R(RUN_LONG_PE, RUN, "long mode needs protected mode")                                                          \
	R(RUN_D_AND_L, RUN, "D and L must not both be 1 in long mode")                                                 \
	R(RUN_EVENT, RUN, "no such event can be injected")

#endif
