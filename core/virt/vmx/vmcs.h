/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/vmx/vmcs.h: the fields of a VMCS that Gyre uses, the bits in them, and the instructions that reach them. SDM vol. 3, appendix "Field Encoding in
 * VMCS", and the chapters "Virtual Machine Control Structures", "VM Entries", "VM Exits".
 */
#ifndef CORE_VIRT_VMX_VMCS_H
#define CORE_VIRT_VMX_VMCS_H

/* For entry.S */
#define VMX_VCPU_PAGE	  56 /* offset of vcpu.page */
#define VMCS_EXIT_REASON_ 0x4402

#ifndef __ASSEMBLER__
#include <stdbool.h>
#include <stdint.h>

enum vmcs_field {
	/* 16 bits */
	VMCS_VPID = 0x0000,
	VMCS_ES_SELECTOR = 0x0800, /* and by twos CS, SS, DS, FS, GS, LDTR, TR */
	VMCS_INTERRUPT_STATUS = 0x0810,
	VMCS_PML_INDEX = 0x0812,
	VMCS_HOST_ES = 0x0c00, /* CS, SS, DS, FS, GS, TR */
	VMCS_HOST_CS = 0x0c02,
	VMCS_HOST_SS = 0x0c04,
	VMCS_HOST_DS = 0x0c06,
	VMCS_HOST_FS = 0x0c08,
	VMCS_HOST_GS = 0x0c0a,
	VMCS_HOST_TR = 0x0c0c,
	/* 64 bits */
	VMCS_MSR_BITMAP = 0x2004,
	VMCS_PML_ADDRESS = 0x200e,
	VMCS_TSC_OFFSET = 0x2010,
	VMCS_VIRTUAL_APIC = 0x2012,
	VMCS_EPTP = 0x201a,
	VMCS_EOI_EXIT = 0x201c, /* four of them, by twos */
	VMCS_GUEST_PHYSICAL = 0x2400,
	VMCS_LINK = 0x2800,
	VMCS_DEBUGCTL = 0x2802,
	VMCS_PAT = 0x2804,
	VMCS_EFER = 0x2806,
	VMCS_PDPTE = 0x280a, /* four of them, by twos */
	VMCS_HOST_PAT = 0x2c00,
	VMCS_HOST_EFER = 0x2c02,
	/* 32 bits */
	VMCS_PIN_CONTROLS = 0x4000,
	VMCS_CONTROLS = 0x4002,
	VMCS_EXCEPTIONS = 0x4004,
	VMCS_PF_MASK = 0x4006,
	VMCS_PF_MATCH = 0x4008,
	VMCS_CR3_TARGETS = 0x400a,
	VMCS_EXIT_CONTROLS = 0x400c,
	VMCS_EXIT_STORE_COUNT = 0x400e,
	VMCS_EXIT_LOAD_COUNT = 0x4010,
	VMCS_ENTRY_CONTROLS = 0x4012,
	VMCS_ENTRY_LOAD_COUNT = 0x4014,
	VMCS_ENTRY_EVENT = 0x4016,
	VMCS_ENTRY_ERROR = 0x4018,
	VMCS_ENTRY_LENGTH = 0x401a,
	VMCS_TPR_THRESHOLD = 0x401c,
	VMCS_CONTROLS2 = 0x401e,
	VMCS_PLE_GAP = 0x4020,
	VMCS_PLE_WINDOW = 0x4022,
	VMCS_INSTRUCTION_ERROR = 0x4400,
	VMCS_EXIT_REASON = VMCS_EXIT_REASON_,
	VMCS_EXIT_EVENT = 0x4404,
	VMCS_EXIT_ERROR = 0x4406,
	VMCS_VECTORING = 0x4408,
	VMCS_VECTORING_ERROR = 0x440a,
	VMCS_LENGTH = 0x440c,
	VMCS_ES_LIMIT = 0x4800, /* and by twos CS, SS, DS, FS, GS, LDTR, TR */
	VMCS_GDTR_LIMIT = 0x4810,
	VMCS_IDTR_LIMIT = 0x4812,
	VMCS_ES_RIGHTS = 0x4814, /* likewise */
	VMCS_CS_RIGHTS = 0x4816,
	VMCS_SS_RIGHTS = 0x4818,
	VMCS_INTERRUPTIBILITY = 0x4824,
	VMCS_ACTIVITY = 0x4826,
	VMCS_SYSENTER_CS = 0x482a,
	VMCS_PREEMPTION_TIMER = 0x482e,
	VMCS_HOST_SYSENTER_CS = 0x4c00,
	/* as wide as the processor */
	VMCS_CR0_MASK = 0x6000,
	VMCS_CR4_MASK = 0x6002,
	VMCS_CR0_SHADOW = 0x6004,
	VMCS_CR4_SHADOW = 0x6006,
	VMCS_QUALIFICATION = 0x6400,
	VMCS_GUEST_LINEAR = 0x640a,
	VMCS_CR0 = 0x6800,
	VMCS_CR3 = 0x6802,
	VMCS_CR4 = 0x6804,
	VMCS_ES_BASE = 0x6806, /* and by twos CS, SS, DS, FS, GS, LDTR, TR */
	VMCS_CS_BASE = 0x6808,
	VMCS_GDTR_BASE = 0x6816,
	VMCS_IDTR_BASE = 0x6818,
	VMCS_DR7 = 0x681a,
	VMCS_RSP = 0x681c,
	VMCS_RIP = 0x681e,
	VMCS_RFLAGS = 0x6820,
	VMCS_PENDING_DEBUG = 0x6822,
	VMCS_SYSENTER_ESP = 0x6824,
	VMCS_SYSENTER_EIP = 0x6826,
	VMCS_HOST_CR0 = 0x6c00,
	VMCS_HOST_CR3 = 0x6c02,
	VMCS_HOST_CR4 = 0x6c04,
	VMCS_HOST_FS_BASE = 0x6c06,
	VMCS_HOST_GS_BASE = 0x6c08,
	VMCS_HOST_TR_BASE = 0x6c0a,
	VMCS_HOST_GDTR_BASE = 0x6c0c,
	VMCS_HOST_IDTR_BASE = 0x6c0e,
	VMCS_HOST_SYSENTER_ESP = 0x6c10,
	VMCS_HOST_SYSENTER_EIP = 0x6c12,
	VMCS_HOST_RSP = 0x6c14,
	VMCS_HOST_RIP = 0x6c16,
};

/* VMCS_PIN_CONTROLS */
#define PIN_EXTERNAL_INTERRUPT 0x1u
#define PIN_NMI		       0x8u
#define PIN_VIRTUAL_NMI	       0x20u
#define PIN_PREEMPTION_TIMER   0x40u

/* VMCS_CONTROLS */
#define CONTROL_INTERRUPT_WINDOW 0x4u
#define CONTROL_TSC_OFFSET	 0x8u
#define CONTROL_HLT		 0x80u
#define CONTROL_MWAIT		 0x400u
#define CONTROL_RDPMC		 0x800u
#define CONTROL_RDTSC		 0x1000u
#define CONTROL_CR3_LOAD	 0x8000u
#define CONTROL_CR3_STORE	 0x10000u
#define CONTROL_CR8_LOAD	 0x80000u
#define CONTROL_CR8_STORE	 0x100000u
#define CONTROL_TPR_SHADOW	 0x200000u
#define CONTROL_NMI_WINDOW	 0x400000u
#define CONTROL_MOV_DR		 0x800000u
#define CONTROL_IO		 0x1000000u /* every port */
#define CONTROL_MSR_BITMAP	 0x10000000u
#define CONTROL_MONITOR		 0x20000000u
#define CONTROL_SECONDARY	 0x80000000u

/* VMCS_CONTROLS2 */
#define CONTROL2_APIC_ACCESS	   0x1u
#define CONTROL2_EPT		   0x2u
#define CONTROL2_RDTSCP		   0x8u
#define CONTROL2_X2APIC		   0x10u
#define CONTROL2_VPID		   0x20u
#define CONTROL2_WBINVD		   0x40u
#define CONTROL2_UNRESTRICTED	   0x80u
#define CONTROL2_APIC_REGISTERS	   0x100u
#define CONTROL2_VIRTUAL_INTERRUPT 0x200u
#define CONTROL2_PAUSE_LOOP	   0x400u
#define CONTROL2_INVPCID	   0x1000u
#define CONTROL2_PML		   0x20000u

/* VMCS_EXIT_CONTROLS, VMCS_ENTRY_CONTROLS */
#define EXIT_SAVE_DEBUG	 0x4u
#define EXIT_HOST_64	 0x200u
#define EXIT_LOAD_PAT	 0x80000u
#define EXIT_LOAD_EFER	 0x200000u
#define EXIT_SAVE_TIMER	 0x400000u
#define ENTRY_LOAD_DEBUG 0x4u
#define ENTRY_LONG_MODE	 0x200u
#define ENTRY_LOAD_PAT	 0x4000u
#define ENTRY_LOAD_EFER	 0x8000u

/* VMCS_INTERRUPTIBILITY */
#define BLOCKED_BY_STI	  0x1u
#define BLOCKED_BY_MOV_SS 0x2u
#define BLOCKED_BY_NMI	  0x8u

/* VMCS_EXIT_EVENT, VMCS_VECTORING and VMCS_ENTRY_EVENT have the form of GYRE_EVENT_, and this. */
#define EVENT_NMI_UNBLOCKED 0x1000u /* an IRET that faulted had let NMIs in */
#define PENDING_DEBUG_BS    0x4000u
#define DR7_GENERAL_DETECT  0x2000ull

/* VMCS_EXIT_REASON. SDM vol. 3, appendix "VMX Basic Exit Reasons". */
enum vmx_reason {
	REASON_EXCEPTION = 0,
	REASON_INTERRUPT = 1,
	REASON_TRIPLE_FAULT = 2,
	REASON_INIT = 3,
	REASON_SIPI = 4,
	REASON_SMI = 5,
	REASON_OTHER_SMI = 6,
	REASON_INTERRUPT_WINDOW = 7,
	REASON_NMI_WINDOW = 8,
	REASON_TASK_SWITCH = 9,
	REASON_CPUID = 10,
	REASON_GETSEC = 11,
	REASON_HLT = 12,
	REASON_INVD = 13,
	REASON_RDPMC = 15,
	REASON_RDTSC = 16,
	REASON_RSM = 17,
	REASON_VMCALL = 18,
	REASON_VMCLEAR = 19, /* to VMXON, which is 27: instructions of VMX */
	REASON_VMXON = 27,
	REASON_CR = 28,
	REASON_DR = 29,
	REASON_IO = 30,
	REASON_RDMSR = 31,
	REASON_WRMSR = 32,
	REASON_BAD_STATE = 33,
	REASON_BAD_MSRS = 34,
	REASON_MWAIT = 36,
	REASON_MONITOR = 39,
	REASON_PAUSE = 40,
	REASON_ENTRY_MACHINE_CHECK = 41,
	REASON_BELOW_TPR = 43,
	REASON_VIRTUAL_EOI = 45,
	REASON_EPT_VIOLATION = 48,
	REASON_EPT_MISCONFIGURED = 49,
	REASON_INVEPT = 50,
	REASON_RDTSCP = 51,
	REASON_PREEMPTION_TIMER = 52,
	REASON_INVVPID = 53,
	REASON_WBINVD = 54,
	REASON_XSETBV = 55,
	REASON_APIC_WRITE = 56,
	REASON_VMFUNC = 59,
	REASON_PML_FULL = 62,
};
#define REASON_ENTRY_FAILED 0x80000000u

/* VMCS_QUALIFICATION of an EPT violation. SDM vol. 3, "Exit Qualification for EPT Violations". */
#define EPT_VIOLATION_WRITE    0x2u
#define EPT_VIOLATION_EXECUTE  0x4u
#define EPT_VIOLATION_READABLE 0x8u
#define EPT_VIOLATION_PRESENT  0x38u
#define EPT_VIOLATION_LINEAR   0x80u
#define EPT_VIOLATION_FINAL    0x100u /* with LINEAR: not an access to a page table of the guest */

/* Without the processor's VMX on, with no current VMCS or with a field it has not, an access changes nothing and says so in flags that nobody reads. */
#ifdef GYRE_UNIT_TEST
uint64_t vmx_read(uint32_t field); /* a test's */
void vmx_write(uint32_t field, uint64_t value);
#else
static inline uint64_t vmx_read(uint32_t field)
{
	uint64_t value;
	__asm__ volatile("vmread %1, %0" : "=r"(value) : "r"((uint64_t)field) : "cc");
	return value;
}

static inline void vmx_write(uint32_t field, uint64_t value)
{
	__asm__ volatile("vmwrite %1, %0" : : "r"((uint64_t)field), "rm"(value) : "cc");
}
#endif

/* SDM vol. 3, "VMX Instruction Reference": VMfail is CF or ZF. -1 where it failed. */
#define VMX_ON_POINTER(name)                                                                                           \
	static inline int name##_address(uint64_t address)                                                             \
	{                                                                                                              \
		bool failed;                                                                                           \
		__asm__ volatile(#name " %1" : "=@ccbe"(failed) : "m"(address) : "memory");                            \
		return failed ? -1 : 0;                                                                                \
	}
VMX_ON_POINTER(vmxon)
VMX_ON_POINTER(vmclear)
VMX_ON_POINTER(vmptrld)

struct vmx_descriptor {
	uint64_t first, second;
};
static inline void vmx_invept(uint64_t type, uint64_t eptp)
{
	struct vmx_descriptor descriptor = {eptp, 0};
	__asm__ volatile("invept %0, %1" : : "m"(descriptor), "r"(type) : "cc", "memory");
}

static inline void vmx_invvpid(uint64_t type, uint64_t vpid)
{
	struct vmx_descriptor descriptor = {vpid, 0};
	__asm__ volatile("invvpid %0, %1" : : "m"(descriptor), "r"(type) : "cc", "memory");
}
#define INVALIDATE_SINGLE 1
#define INVALIDATE_ALL	  2

#endif
#endif
