/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/peer_memory.c: what KVM takes for a write fault of the dirty log and for a missing page, guest to guest, counted as guests/bench counts
 * under Gyre: 64 pages, each touched once between two RDTSC, less the same loop where nothing faults. A program of the peer's first level.
 *   Dirty log     KVM_MEM_LOG_DIRTY_PAGES on the slot, the log taken once before, so each page's first write is noted
 *   Missing page  MADV_DONTNEED on the slot's mapping of a memory file: the page exists and only its mapping has to come back
 * Prints "bench NAME VALUE", the median of several rounds. An argument is a prefix for the names.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE	   4096u
#define PAGES	   64u
#define WARM	   2u
#define ROUNDS	   9u
#define CODE_GPA   0x10000u
#define PAGES_GPA  0x4000000u
#define CODE_SLOT  0u
#define PAGES_SLOT 1u

/* 32-bit, flat, unpaged. EBX the first page, ECX how many, EDX 1 to write; ends in EAX = ticks and a HLT, which is an exit. */
__asm__(".section .rodata\n"
	"	.code32\n"
	"	.globl guest_code, guest_code_end\n"
	"guest_code:\n"
	"	mov	%edx, %esi\n"
	"	rdtsc\n"
	"	mov	%eax, %edi\n"
	"	test	%esi, %esi\n"
	"	jz	2f\n"
	"1:	mov	%ecx, (%ebx)\n"
	"	add	$4096, %ebx\n"
	"	dec	%ecx\n"
	"	jnz	1b\n"
	"	jmp	3f\n"
	"2:	mov	(%ebx), %eax\n"
	"	add	$4096, %ebx\n"
	"	dec	%ecx\n"
	"	jnz	2b\n"
	"3:	rdtsc\n"
	"	sub	%edi, %eax\n"
	"	hlt\n"
	"guest_code_end:\n"
	"	.code64\n"
	"	.text\n");
extern const uint8_t guest_code[], guest_code_end[];

struct machine {
	int vm, vcpu;
	struct kvm_run *run;
	uint8_t *pages;
};

static int request(int file, unsigned long number, void *argument, const char *what)
{
	int result = ioctl(file, number, argument);

	if (result < 0)
		err(1, "%s", what);
	return result;
}

static void slot(const struct machine *m, uint32_t number, uint64_t gpa, uint64_t size, void *memory, uint32_t flags)
{
	struct kvm_userspace_memory_region region = {number, flags, gpa, size, (uintptr_t)memory};

	request(m->vm, KVM_SET_USER_MEMORY_REGION, &region, "KVM_SET_USER_MEMORY_REGION");
}

static void machine_make(struct machine *m)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), file = memfd_create("pages", MFD_CLOEXEC);
	size_t size = (WARM + PAGES) * PAGE;
	uint8_t *code = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct kvm_sregs sregs;

	if (kvm < 0 || file < 0 || ftruncate(file, (off_t)size) < 0)
		err(1, "/dev/kvm or a memory file");
	m->pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (code == MAP_FAILED || m->pages == MAP_FAILED)
		err(1, "mmap");
	memset(m->pages, 1, size);
	memcpy(code, guest_code, (size_t)(guest_code_end - guest_code));
	m->vm = request(kvm, KVM_CREATE_VM, NULL, "KVM_CREATE_VM");
	slot(m, CODE_SLOT, CODE_GPA, PAGE, code, 0);
	slot(m, PAGES_SLOT, PAGES_GPA, size, m->pages, 0);
	m->vcpu = request(m->vm, KVM_CREATE_VCPU, NULL, "KVM_CREATE_VCPU");
	m->run = mmap(NULL, (size_t)request(kvm, KVM_GET_VCPU_MMAP_SIZE, NULL, "KVM_GET_VCPU_MMAP_SIZE"),
		PROT_READ | PROT_WRITE, MAP_SHARED, m->vcpu, 0);
	if (m->run == MAP_FAILED)
		err(1, "mmap of the vcpu");

	request(m->vcpu, KVM_GET_SREGS, &sregs, "KVM_GET_SREGS");
	struct kvm_segment flat = {
		.limit = 0xffffffff, .selector = 16, .type = 3, .present = 1, .db = 1, .s = 1, .g = 1};
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = flat;
	flat.selector = 8;
	flat.type = 11;
	sregs.cs = flat;
	sregs.cr0 |= 1;
	request(m->vcpu, KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
}

/* What the guest counts for COUNT pages from FIRST on. */
static uint32_t touch(const struct machine *m, uint32_t first, uint32_t count, int writes)
{
	struct kvm_regs regs = {
		.rip = CODE_GPA, .rflags = 2, .rbx = PAGES_GPA + first * PAGE, .rcx = count, .rdx = (uint64_t)writes};

	request(m->vcpu, KVM_SET_REGS, &regs, "KVM_SET_REGS");
	request(m->vcpu, KVM_RUN, NULL, "KVM_RUN");
	if (m->run->exit_reason != KVM_EXIT_HLT)
		errx(1, "the guest ended with %u", m->run->exit_reason);
	request(m->vcpu, KVM_GET_REGS, &regs, "KVM_GET_REGS");
	return (uint32_t)regs.rax;
}

/* Hundredths of an instruction for each page: what faults, less the same again where nothing does. */
static uint32_t measure(const struct machine *m, int writes)
{
	touch(m, 0, WARM, writes);
	uint32_t faulting = touch(m, WARM, PAGES, writes), quiet = touch(m, WARM, PAGES, writes);

	return faulting > quiet ? (faulting - quiet) * 100 / PAGES : 0;
}

static void dirty_log_on(const struct machine *m)
{
	static uint64_t bitmap[(WARM + PAGES + 63) / 64];
	struct kvm_dirty_log log = {.slot = PAGES_SLOT, .dirty_bitmap = bitmap};

	slot(m, PAGES_SLOT, PAGES_GPA, (WARM + PAGES) * PAGE, m->pages, KVM_MEM_LOG_DIRTY_PAGES);
	request(m->vm, KVM_GET_DIRTY_LOG, &log, "KVM_GET_DIRTY_LOG");
}

static int ascending(const void *a, const void *b)
{
	return *(const uint32_t *)a < *(const uint32_t *)b ? -1 : *(const uint32_t *)a > *(const uint32_t *)b;
}

static void report(const char *prefix, const char *name, uint32_t *values)
{
	qsort(values, ROUNDS, sizeof(*values), ascending);
	printf("bench %s%s %u.%02u\n", prefix, name, values[ROUNDS / 2] / 100, values[ROUNDS / 2] % 100);
}

int main(int count, char **words)
{
	const char *prefix = count > 1 ? words[1] : "";
	uint32_t dirty[ROUNDS], missing[ROUNDS];
	struct machine m;

	machine_make(&m);
	touch(&m, 0, WARM + PAGES, 1);
	for (unsigned i = 0; i < ROUNDS; i++) {
		dirty_log_on(&m);
		dirty[i] = measure(&m, 1);
		slot(&m, PAGES_SLOT, PAGES_GPA, (WARM + PAGES) * PAGE, m.pages, 0);
	}
	for (unsigned i = 0; i < ROUNDS; i++) {
		touch(&m, 0, WARM + PAGES, 0);
		if (madvise(m.pages, (WARM + PAGES) * PAGE, MADV_DONTNEED) < 0)
			err(1, "madvise");
		missing[i] = measure(&m, 0);
	}
	report(prefix, "dirty_fault", dirty);
	report(prefix, "missing_page", missing);
	return 0;
}
