/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/svm/vmcb.h: the virtual machine control block. APM vol. 2, appendix "Layout of VMCB", and "Secure Virtual Machine".
 *
 * Fields that the processor may keep between two runs of a guest ("VMCB State Caching") end in an underscore and are written by the setters below alone:
 * a stale clean bit passes on an emulator and fails on a machine. tests/unit/test_svm_vmcb.c holds a model of the processor against them.
 */
#ifndef CORE_VIRT_SVM_VMCB_H
#define CORE_VIRT_SVM_VMCB_H

#define VMCB_RAX 0x5f8
#define VMCB_RSP 0x5d8

/* For entry.S: fields of struct vcpu. */
#define SVM_VCPU_PAGE  56
#define SVM_VCPU_BLOCK 72
#define SVM_VCPU_HOST  80

#ifndef __ASSEMBLER__
#include <stddef.h>
#include <stdint.h>

struct vmcb_segment {
	uint16_t selector;
	uint16_t attributes; /* bits 47:40 of a descriptor in 7:0, 55:52 in 11:8 */
	uint32_t limit;
	uint64_t base;
};

struct vmcb {
	/* control area */
	uint16_t intercept_cr_read_, intercept_cr_write_;
	uint16_t intercept_dr_read_, intercept_dr_write_;
	uint32_t intercept_exceptions_;
	uint32_t intercept_misc1_, intercept_misc2_, intercept_misc3_;
	uint8_t reserved_018[0x3c - 0x18];
	uint16_t pause_threshold_, pause_count_;
	uint64_t iopm_, msrpm_;
	uint64_t tsc_offset_;
	uint32_t asid_;
	uint8_t tlb_control; /* never cached */
	uint8_t reserved_05d[3];
	uint8_t v_tpr_;	    /* bits 3:0; the guest changes it by CR8 */
	uint8_t v_irq_;	    /* bit 0; bit 1 virtual GIF */
	uint8_t v_control_; /* bits 3:0 priority, 4: ignore the TPR */
	uint8_t v_masking_; /* bit 0: RFLAGS.IF of the host masks physical interrupts; bit 1: virtual GIF on */
	uint8_t v_vector_;
	uint8_t reserved_065[3];
	uint64_t interrupt_shadow;
	uint64_t exit_code, exit_info_1, exit_info_2;
	union {
		uint64_t exit_int_info;
		struct {
			uint8_t exit_int_info_low[3], exit_int_info_valid; /* bit 7 */
		};
	};
	uint64_t nested_control_;
	uint8_t reserved_098[0xa8 - 0x98];
	uint64_t event_inject; /* as exit_int_info: GYRE_EVENT_, and an error code in 63:32 */
	uint64_t nested_cr3_;
	uint64_t virt_ext_;
	uint32_t clean;
	uint32_t reserved_0c4;
	uint64_t next_rip;
	uint8_t fetched; /* how many bytes follow */
	uint8_t bytes[15];
	uint8_t reserved_0e0[0x400 - 0xe0];
	/* state save area */
	struct vmcb_segment es_, cs_, ss_, ds_;
	struct vmcb_segment fs, gs; /* by VMLOAD and VMSAVE, which never cache */
	struct vmcb_segment gdtr_;
	struct vmcb_segment ldtr;
	struct vmcb_segment idtr_;
	struct vmcb_segment tr;
	uint8_t reserved_4a0[0x4cb - 0x4a0];
	uint8_t cpl_;
	uint32_t reserved_4cc;
	uint64_t efer_;
	uint8_t reserved_4d8[0x548 - 0x4d8];
	uint64_t cr4_, cr3_, cr0_;
	uint64_t dr7_, dr6_;
	uint64_t rflags, rip;
	uint8_t reserved_580[0x5d8 - 0x580];
	uint64_t rsp;
	uint8_t reserved_5e0[0x5f8 - 0x5e0];
	uint64_t rax;
	uint64_t star, lstar, cstar, sfmask, kernel_gs_base;
	uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
	uint64_t cr2_;
	uint8_t reserved_648[0x668 - 0x648];
	uint64_t pat_;
	uint64_t debugctl_;
	uint64_t branch_from, branch_to, exception_from, exception_to;
	uint8_t reserved_698[0x6e0 - 0x698];
	uint64_t spec_ctrl; /* where the processor virtualizes it */
	uint8_t reserved_6e8[0x1000 - 0x6e8];
};

#define VMCB_AT(field, offset)                                                                                         \
	_Static_assert(offsetof(struct vmcb, field) == (offset), "APM vol. 2, Layout of VMCB: " #field)
VMCB_AT(intercept_exceptions_, 0x008);
VMCB_AT(iopm_, 0x040);
VMCB_AT(v_tpr_, 0x060);
VMCB_AT(interrupt_shadow, 0x068);
VMCB_AT(exit_code, 0x070);
VMCB_AT(event_inject, 0x0a8);
VMCB_AT(virt_ext_, 0x0b8);
VMCB_AT(clean, 0x0c0);
VMCB_AT(next_rip, 0x0c8);
VMCB_AT(es_, 0x400);
VMCB_AT(tr, 0x490);
VMCB_AT(cr4_, 0x548);
VMCB_AT(dr6_, 0x568);
VMCB_AT(rip, 0x578);
VMCB_AT(rsp, VMCB_RSP);
VMCB_AT(rax, VMCB_RAX);
VMCB_AT(cr2_, 0x640);
VMCB_AT(pat_, 0x668);
VMCB_AT(spec_ctrl, 0x6e0);
_Static_assert(sizeof(struct vmcb) == 0x1000, "one page");

/* intercept_misc1_ */
#define VMCB_I1_INTR	      (1u << 0)
#define VMCB_I1_NMI	      (1u << 1)
#define VMCB_I1_INIT	      (1u << 3)
#define VMCB_I1_VINTR	      (1u << 4)
#define VMCB_I1_CR0_SELECTIVE (1u << 5) /* a write that changes more than TS and MP */
#define VMCB_I1_RDTSC	      (1u << 14)
#define VMCB_I1_RDPMC	      (1u << 15)
#define VMCB_I1_CPUID	      (1u << 18)
#define VMCB_I1_RSM	      (1u << 19)
#define VMCB_I1_IRET	      (1u << 20)
#define VMCB_I1_INTN	      (1u << 21)
#define VMCB_I1_INVD	      (1u << 22)
#define VMCB_I1_PAUSE	      (1u << 23)
#define VMCB_I1_HLT	      (1u << 24)
#define VMCB_I1_INVLPGA	      (1u << 26)
#define VMCB_I1_IO	      (1u << 27)
#define VMCB_I1_MSR	      (1u << 28)
#define VMCB_I1_TASK_SWITCH   (1u << 29)
#define VMCB_I1_FERR_FREEZE   (1u << 30)
#define VMCB_I1_SHUTDOWN      (1u << 31)

/* intercept_misc2_ */
#define VMCB_I2_VMRUN	(1u << 0)
#define VMCB_I2_VMMCALL (1u << 1)
#define VMCB_I2_VMLOAD	(1u << 2)
#define VMCB_I2_VMSAVE	(1u << 3)
#define VMCB_I2_STGI	(1u << 4)
#define VMCB_I2_CLGI	(1u << 5)
#define VMCB_I2_SKINIT	(1u << 6)
#define VMCB_I2_RDTSCP	(1u << 7)
#define VMCB_I2_WBINVD	(1u << 9)
#define VMCB_I2_MONITOR (1u << 10)
#define VMCB_I2_MWAIT	(1u << 11)
#define VMCB_I2_XSETBV	(1u << 13)
#define VMCB_I2_RDPRU	(1u << 14)

/* intercept_misc3_ */
#define VMCB_I3_INVLPGB	      (1u << 0)
#define VMCB_I3_INVLPGB_WRONG (1u << 1)
#define VMCB_I3_MCOMMIT	      (1u << 3)
#define VMCB_I3_TLBSYNC	      (1u << 4)

/* clean: what has not changed since the last run on this processor */
#define VMCB_CLEAN_INTERCEPTS (1u << 0) /* intercepts, TSC offset, pause filter */
#define VMCB_CLEAN_PERMISSION (1u << 1) /* I/O and MSR maps */
#define VMCB_CLEAN_ASID	      (1u << 2)
#define VMCB_CLEAN_TPR	      (1u << 3) /* all of the virtual interrupt */
#define VMCB_CLEAN_NESTED     (1u << 4) /* nested CR3, PAT */
#define VMCB_CLEAN_CONTROL    (1u << 5) /* CR0, CR3, CR4, EFER */
#define VMCB_CLEAN_DEBUG      (1u << 6) /* DR6, DR7 */
#define VMCB_CLEAN_TABLES     (1u << 7) /* GDT, IDT */
#define VMCB_CLEAN_SEGMENTS   (1u << 8) /* ES, CS, SS, DS, CPL */
#define VMCB_CLEAN_CR2	      (1u << 9)
#define VMCB_CLEAN_ALL	      0x7ffu /* bit 10: DEBUGCTL, branch records, of which nothing is used */

#define VMCB_TLB_NOTHING 0
#define VMCB_TLB_ALL	 1 /* every ASID's entries, all of them */
#define VMCB_TLB_THIS	 3 /* this ASID's; where the processor can flush by ASID */

/* Codes: APM vol. 2, appendix "SVM Intercept Exit Codes". Trace and dump take their names from here. */
/* clang-format off */
#define SVM_EXITS(E) \
	E(CR4_WRITE, 0x014) E(CR8_WRITE, 0x018) E(DR0_READ, 0x020) E(DR15_WRITE, 0x03f) E(EXCEPTION, 0x040) \
	E(EXCEPTION_LAST, 0x05f) E(INTR, 0x060) E(NMI, 0x061) E(SMI, 0x062) E(INIT, 0x063) E(VINTR, 0x064) \
	E(CR0_SELECTIVE, 0x065) E(RDTSC, 0x06e) E(RDPMC, 0x06f) E(CPUID, 0x072) E(RSM, 0x073) E(IRET, 0x074) E(INTN, 0x075) \
	E(INVD, 0x076) E(PAUSE, 0x077) E(HLT, 0x078) E(INVLPGA, 0x07a) E(IO, 0x07b) E(MSR, 0x07c) \
	E(TASK_SWITCH, 0x07d) E(FERR_FREEZE, 0x07e) E(SHUTDOWN, 0x07f) E(VMRUN, 0x080) E(VMMCALL, 0x081) \
	E(VMLOAD, 0x082) E(VMSAVE, 0x083) E(STGI, 0x084) E(CLGI, 0x085) E(SKINIT, 0x086) E(RDTSCP, 0x087) \
	E(WBINVD, 0x089) E(MONITOR, 0x08a) E(MWAIT, 0x08b) E(XSETBV, 0x08d) E(RDPRU, 0x08e) E(INVLPGB, 0x0a0) \
	E(INVLPGB_WRONG, 0x0a1) E(MCOMMIT, 0x0a3) E(TLBSYNC, 0x0a4) E(NPF, 0x400)
/* clang-format on */
#define SVM_EXIT_ENUM(name, code) SVM_EXIT_##name = code,
enum svm_exit_code { SVM_EXITS(SVM_EXIT_ENUM) SVM_EXIT_INVALID = 0xffffffff };

/* exit_info_1 of IO */
#define SVM_IO_IN	  0x1u
#define SVM_IO_STRING	  0x4u
#define SVM_IO_REP	  0x8u
#define SVM_IO_SIZE(info) ((uint32_t)(info) >> 4 & 7) /* 1, 2 or 4 */
#define SVM_IO_PORT(info) ((uint32_t)(info) >> 16 & 0xffff)
/* of NPF: the error code of a page fault, and */
#define SVM_NPF_PRESENT	  (1ull << 0)
#define SVM_NPF_WRITE	  (1ull << 1)
#define SVM_NPF_RESERVED  (1ull << 3)
#define SVM_NPF_EXECUTE	  (1ull << 4)
#define SVM_NPF_WALK	  (1ull << 33) /* the walk of the guest's page tables; else the access itself */

/* One setter for each cached field: it marks the group that the field belongs to. */
#define VMCB_SETTER(field, type, bit)                                                                                  \
	static inline void vmcb_set_##field(struct vmcb *vmcb, type value)                                             \
	{                                                                                                              \
		vmcb->field##_ = value;                                                                                \
		vmcb->clean &= ~(bit);                                                                                 \
	}
VMCB_SETTER(intercept_cr_write, uint16_t, VMCB_CLEAN_INTERCEPTS)
VMCB_SETTER(intercept_dr_read, uint16_t, VMCB_CLEAN_INTERCEPTS)
VMCB_SETTER(intercept_dr_write, uint16_t, VMCB_CLEAN_INTERCEPTS)
VMCB_SETTER(intercept_exceptions, uint32_t, VMCB_CLEAN_INTERCEPTS)
VMCB_SETTER(intercept_misc1, uint32_t, VMCB_CLEAN_INTERCEPTS)
VMCB_SETTER(intercept_misc2, uint32_t, VMCB_CLEAN_INTERCEPTS)
VMCB_SETTER(intercept_misc3, uint32_t, VMCB_CLEAN_INTERCEPTS)
VMCB_SETTER(pause_threshold, uint16_t, VMCB_CLEAN_INTERCEPTS)
VMCB_SETTER(pause_count, uint16_t, VMCB_CLEAN_INTERCEPTS)
VMCB_SETTER(tsc_offset, uint64_t, VMCB_CLEAN_INTERCEPTS)
VMCB_SETTER(iopm, uint64_t, VMCB_CLEAN_PERMISSION)
VMCB_SETTER(msrpm, uint64_t, VMCB_CLEAN_PERMISSION)
VMCB_SETTER(asid, uint32_t, VMCB_CLEAN_ASID)
VMCB_SETTER(v_tpr, uint8_t, VMCB_CLEAN_TPR)
VMCB_SETTER(v_irq, uint8_t, VMCB_CLEAN_TPR)
VMCB_SETTER(v_control, uint8_t, VMCB_CLEAN_TPR)
VMCB_SETTER(v_masking, uint8_t, VMCB_CLEAN_TPR)
VMCB_SETTER(v_vector, uint8_t, VMCB_CLEAN_TPR)
VMCB_SETTER(nested_control, uint64_t, VMCB_CLEAN_NESTED)
VMCB_SETTER(nested_cr3, uint64_t, VMCB_CLEAN_NESTED)
VMCB_SETTER(pat, uint64_t, VMCB_CLEAN_NESTED)
VMCB_SETTER(cr0, uint64_t, VMCB_CLEAN_CONTROL)
VMCB_SETTER(cr3, uint64_t, VMCB_CLEAN_CONTROL)
VMCB_SETTER(cr4, uint64_t, VMCB_CLEAN_CONTROL)
VMCB_SETTER(efer, uint64_t, VMCB_CLEAN_CONTROL)
VMCB_SETTER(dr6, uint64_t, VMCB_CLEAN_DEBUG)
VMCB_SETTER(dr7, uint64_t, VMCB_CLEAN_DEBUG)
VMCB_SETTER(gdtr, struct vmcb_segment, VMCB_CLEAN_TABLES)
VMCB_SETTER(idtr, struct vmcb_segment, VMCB_CLEAN_TABLES)
VMCB_SETTER(es, struct vmcb_segment, VMCB_CLEAN_SEGMENTS)
VMCB_SETTER(cs, struct vmcb_segment, VMCB_CLEAN_SEGMENTS)
VMCB_SETTER(ss, struct vmcb_segment, VMCB_CLEAN_SEGMENTS)
VMCB_SETTER(ds, struct vmcb_segment, VMCB_CLEAN_SEGMENTS)
VMCB_SETTER(cpl, uint8_t, VMCB_CLEAN_SEGMENTS)
VMCB_SETTER(cr2, uint64_t, VMCB_CLEAN_CR2)
#endif
#endif
