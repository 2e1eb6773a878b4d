/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/boot/start.S: from GRUB to C.
 *
 * The loader enters in 32-bit protected mode without paging (Multiboot2 specification, "I386 machine state"): EAX is a magic number, EBX points to the
 * information. Here the processor gets into long mode on tables that map the first 4 GiB twice over: where they are and at DIRECT_MAP_BASE, and
 * the first of them at IMAGE_BASE. They are writable and executable throughout, and last until core/x86/paging.c has made the real ones.
 */
#include "core/x86/address.h"
#include "core/x86/cpu.h"
#include "core/x86/regs.h"

#define PHYSICAL(symbol) (symbol - IMAGE_BASE)
#define PTE_TABLE	 3 /* present, writable */

	.section .multiboot, "a"
	.balign 8
multiboot_header:
	.long 0xe85250d6, 0, multiboot_header_end - multiboot_header
	.long -(0xe85250d6 + (multiboot_header_end - multiboot_header))
	.balign 8
	.short 3, 0 /* entry address */
	.long 12, PHYSICAL(boot_start)
	.balign 8
	.short 5, 1 /* framebuffer, optional: any size; 32 bits are asked for, GRUB may choose others */
	.long 20, 0, 0, 32
	.balign 8
	.short 6, 0 /* modules at page boundaries */
	.long 8
	.balign 8
	.short 0, 0
	.long 8
multiboot_header_end:

	.section .boot, "ax"
	.code32
	.globl boot_start
boot_start:
	cli
	cld
	mov $PHYSICAL(boot_stack_end) - 16, %esp
	mov %eax, %edi
	mov %ebx, %esi

	/* Long mode and no-execute, or a last word. CPUID itself is there: a processor without it cannot have either. */
	mov $0x80000000, %eax
	cpuid
	cmp $0x80000001, %eax
	jb boot_refuse
	mov $0x80000001, %eax
	cpuid
	not %edx
	test $(1 << 29 | 1 << 20), %edx
	jnz boot_refuse

	mov $0x20, %eax /* CR4.PAE */
	mov %eax, %cr4
	mov $PHYSICAL(boot_pml4), %eax
	mov %eax, %cr3
	mov $0xc0000080, %ecx
	rdmsr
	or $0x900, %eax /* EFER: LME, NXE */
	wrmsr
	mov %cr0, %eax
	or $0x80010001, %eax /* PG, WP, PE */
	mov %eax, %cr0
	lgdt PHYSICAL(boot_gdt_pointer)
	push $SELECTOR_CORE_CODE
	push $PHYSICAL(boot_long)
	lret /* a far jump is no instruction of 64-bit mode, as which checks read this */

boot_refuse:
	mov $PHYSICAL(boot_refusal), %esi
	mov $0xb8000, %edi
1:	lodsb
	test %al, %al
	jz 3f
	mov $0x0f, %ah
	stosw
	mov %al, %bl
	mov $0x3fd, %edx
	mov $100000, %ecx
2:	in %dx, %al
	test $0x20, %al
	loopz 2b
	mov $0x3f8, %edx
	mov %bl, %al
	out %al, %dx
	jmp 1b
3:	hlt
	jmp 3b

	.code64
boot_long: /* nothing but CS is looked at here until core/x86/cpu.c has loaded the rest */
	mov $boot_high, %rax
	jmp *%rax
boot_high:
	mov $boot_stack_end - 16, %rsp
	movq $boot_cpu, 8(%rsp) /* what cpu_current() reads */
	xor %ebp, %ebp
	/* The loader's magic and information, zero-extended by now, are the arguments. */
	mov %edi, %edi
	mov %esi, %esi
	call core_main
	ud2

/* stack_switch(top, function): goes on in a function that never returns, on another stack. */
	.globl stack_switch
stack_switch:
	mov %rdi, %rsp
	xor %ebp, %ebp
	call *%rsi
	ud2

	.section .rodata
boot_refusal:
	.asciz "Gyre needs a 64-bit processor (long mode) with no-execute pages (NX), which firmware setup may have turned off."
	.balign 8
boot_gdt:
	.quad 0, 0x00209b0000000000, 0x0000930000000000
boot_gdt_pointer:
	.short . - boot_gdt - 1
	.long PHYSICAL(boot_gdt)

	.bss
	.balign CPU_STACK_BYTES
boot_stack:
	.skip CPU_STACK_BYTES
boot_stack_end:

/* The first 4 GiB in pages of 2 MiB, where they are, at DIRECT_MAP_BASE and (the first of them) at IMAGE_BASE. */
	.data
	.balign 4096
boot_pml4:
	.quad PHYSICAL(boot_pdpt_low) + PTE_TABLE
	.fill 255, 8, 0
	.quad PHYSICAL(boot_pdpt_low) + PTE_TABLE
	.fill 254, 8, 0
	.quad PHYSICAL(boot_pdpt_high) + PTE_TABLE
boot_pdpt_high:
	.fill 510, 8, 0
	.quad PHYSICAL(boot_directories) + PTE_TABLE, 0
boot_pdpt_low:
	.irp number, 0, 1, 2, 3
	.quad PHYSICAL(boot_directories) + PAGE_SIZE * \number + PTE_TABLE
	.endr
	.fill 508, 8, 0
boot_directories:
	.set page, 0
	.rept 2048
	.quad page * LARGE_SIZE + 0x83 /* present, writable, large */
	.set page, page + 1
	.endr
