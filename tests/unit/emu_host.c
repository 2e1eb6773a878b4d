/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/emu_host.c: see emu_host.h. */
#include <asm/ldt.h>
#include <asm/prctl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include "tests/unit/emu_host.h"

#define ALTERNATE_STACK (256 * 1024)

/* Enters the state of a signal frame; returns when a signal's handler calls host_leave. */
void host_enter(void *context);
void host_leave(void) __attribute__((noreturn));
__asm__(".text\n"
	".local host_saved_stack\n"
	".comm host_saved_stack, 8, 8\n"
	".globl host_enter, host_leave\n"
	"host_enter:\n"
	"	push %rbx\n	push %rbp\n	push %r12\n	push %r13\n	push %r14\n	push %r15\n"
	"	mov %rsp, host_saved_stack(%rip)\n"
	"	mov %rdi, %rsp\n"
	"	mov $15, %eax\n" /* rt_sigreturn */
	"	syscall\n"
	"	ud2\n"
	"host_leave:\n"
	"	mov host_saved_stack(%rip), %rsp\n"
	"	pop %r15\n	pop %r14\n	pop %r13\n	pop %r12\n	pop %rbp\n	pop %rbx\n"
	"	ret\n");

/* What rt_sigreturn reads. */
static struct {
	ucontext_t context;
	struct _libc_fpstate fp __attribute__((aligned(64)));
} frame;
static gregset_t outcome_gregs;
static struct _libc_fpstate outcome_fp;
static bool wants_fp, fs_lost;
static volatile bool inside; /* between host_enter and the signal */
static uint64_t fs_base;
static uint32_t outcome_segments[4];

static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI, REG_R8, REG_R9,
	REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

static inline __attribute__((always_inline)) void copy(void *to, const void *from, uint64_t count)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

/*
 * Leaves the alternate stack without unwinding it, and may run with the test's FS: nothing here may be instrumented, and FS base is put
 * right before anything that uses thread-local storage.
 */
__attribute__((no_sanitize("address", "undefined"))) static void handler(int signal, siginfo_t *info, void *context)
{
	const ucontext_t *uc = context;
	uint64_t result;

	(void)info;
	if (fs_lost) /* asked for before anything disturbs them */
		__asm__ volatile("mov %%ds, %0\n	mov %%es, %1\n	mov %%fs, %2\n	mov %%gs, %3"
				 : "=r"(outcome_segments[0]), "=r"(outcome_segments[1]), "=r"(outcome_segments[2]),
				 "=r"(outcome_segments[3]));
	/* The kernel clears DF and TF, and lets AC, NT and ID stay. */
	__asm__ volatile("pushq $0x202\n	popfq" : : : "memory", "cc");
	if (!inside) { /* a fault of the test's own */
		sigaction(signal, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
		return;
	}
	inside = false;
	if (fs_lost)
		__asm__ volatile("syscall"
				 : "=a"(result)
				 : "a"((uint64_t)SYS_arch_prctl), "D"((uint64_t)ARCH_SET_FS), "S"(fs_base)
				 : "rcx", "r11", "memory");
	copy(outcome_gregs, uc->uc_mcontext.gregs, sizeof outcome_gregs);
	if (wants_fp)
		copy(&outcome_fp, uc->uc_mcontext.fpregs, sizeof outcome_fp);
	host_leave();
}

/* The LDT as the processor sees it: base HOST_BASE, limit in bytes, DPL 3. */
#define DESCRIPTOR(access, wide, limit)                                                                                \
	((uint64_t)(HOST_BASE & 0xffffff) << 16 | (uint64_t)(HOST_BASE >> 24) << 56 | (uint64_t)(access) << 40 |       \
		(uint64_t)(wide) << 54 | (limit))
const uint64_t host_ldt[HOST_LDT_ENTRIES] = {DESCRIPTOR(0xfb, 0, 0xffff), DESCRIPTOR(0xf3, 0, 0xffff),
	DESCRIPTOR(0xf3, 1, 0xffff), DESCRIPTOR(0xf1, 1, 0xffff), DESCRIPTOR(0xf7, 1, 0x27ff),
	DESCRIPTOR(0xf3, 1, 0x2fff), DESCRIPTOR(0x73, 1, 0xffff), DESCRIPTOR(0x7b, 1, 0xffff),
	DESCRIPTOR(0xf9, 1, 0xffff), DESCRIPTOR(0x7f, 1, 0xffff), DESCRIPTOR(0xfb, 1, 0xffff)};

static int set_ldt(unsigned entry)
{
	uint64_t descriptor = host_ldt[entry];
	struct user_desc d = {.entry_number = entry,
		.base_addr = HOST_BASE,
		.limit = (unsigned)descriptor & 0xffff,
		.seg_32bit = descriptor >> 54 & 1,
		.contents = descriptor >> 42 & 3,
		.read_exec_only = !(descriptor >> 41 & 1),
		.seg_not_present = !(descriptor >> 47 & 1)};

	return (int)syscall(SYS_modify_ldt, 0x11, &d, sizeof d);
}

uint64_t host_fs_base(void)
{
	return fs_base;
}

const char *host_init(const uint8_t content[HOST_SIZE])
{
	static const int signals[] = {SIGTRAP, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
	stack_t stack = {.ss_size = ALTERNATE_STACK};
	uint8_t *memory = mmap((void *)(uintptr_t)HOST_BASE, HOST_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_POPULATE, -1, 0);

	if (memory != (uint8_t *)(uintptr_t)HOST_BASE)
		return "no memory at the address that the vectors use";
	mlock(memory, HOST_SIZE);
	for (unsigned i = 0; i < HOST_SIZE / 4096; i++) {
		char kind = HOST_PAGES[i];
		memcpy(memory + i * 4096, content + i * 4096, 4096);
		if (mprotect(memory + i * 4096, 4096,
			    kind == '-'	  ? PROT_NONE
			    : kind == 'r' ? PROT_READ
			    : kind == 'w' ? PROT_READ | PROT_WRITE
					  : PROT_READ | PROT_WRITE | PROT_EXEC))
			return "mprotect";
	}
	for (unsigned i = 0; i < HOST_LDT_ENTRIES; i++)
		if (set_ldt(i))
			return "the kernel has no modify_ldt";
	if (syscall(SYS_arch_prctl, ARCH_GET_FS, &fs_base))
		return "arch_prctl";
	stack.ss_sp = mmap(NULL, ALTERNATE_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (stack.ss_sp == MAP_FAILED || sigaltstack(&stack, NULL))
		return "sigaltstack";
	for (unsigned i = 0; i < sizeof signals / sizeof signals[0]; i++)
		sigaction(signals[i], &action, NULL);
	frame.context.uc_flags = 2 | 4; /* the frame has SS, and it is meant */
	frame.context.uc_stack = stack;
	frame.fp.cwd = 0x37f;
	frame.fp.mxcsr = 0x1f80;
	frame.context.uc_mcontext.fpregs = &frame.fp;
	return NULL;
}

static void segments_set(const struct host_state *state)
{
	/* In 64-bit mode FS is this thread's and GS has a base; in the others both are what the vector says, and the handler mends FS. */
	__asm__ volatile("mov %0, %%ds\n	mov %1, %%es" : : "r"((uint32_t)state->ds), "r"((uint32_t)state->es));
	if (state->cs == HOST_CS64_FLAT)
		syscall(SYS_arch_prctl, ARCH_SET_GS, (uint64_t)HOST_GS_BASE);
	else
		__asm__ volatile("mov %0, %%gs" : : "r"((uint32_t)state->gs));
}

struct host_outcome host_run(struct host_state *state, bool with_xmm, bool with_segments)
{
	greg_t *gregs = frame.context.uc_mcontext.gregs;
	static struct host_state last;
	struct host_outcome outcome;

	for (unsigned i = 0; i < 16; i++)
		gregs[order[i]] = (greg_t)state->gpr[i];
	gregs[REG_RIP] = (greg_t)state->rip;
	gregs[REG_EFL] = (greg_t)state->rflags;
	gregs[REG_CSGSFS] = (greg_t)((uint64_t)state->cs | (uint64_t)state->ss << 48);
	wants_fp = with_xmm;
	fs_lost = with_segments;
	if (with_xmm)
		memcpy(frame.fp._xmm, state->xmm, sizeof state->xmm);
	if (last.cs != state->cs || last.ds != state->ds || last.es != state->es || last.gs != state->gs) {
		segments_set(state);
		last = *state;
	}
	inside = true;
	host_enter(&frame.context);
	for (unsigned i = 0; i < 16; i++)
		state->gpr[i] = (uint64_t)outcome_gregs[order[i]];
	state->rip = (uint64_t)outcome_gregs[REG_RIP];
	state->rflags = (uint64_t)outcome_gregs[REG_EFL];
	if (with_xmm)
		memcpy(state->xmm, outcome_fp._xmm, sizeof state->xmm);
	state->cs = (uint16_t)outcome_gregs[REG_CSGSFS];
	state->ss = (uint16_t)((uint64_t)outcome_gregs[REG_CSGSFS] >> 48);
	if (with_segments) {
		state->ds = (uint16_t)outcome_segments[0];
		state->es = (uint16_t)outcome_segments[1];
		state->fs = (uint16_t)outcome_segments[2];
		state->gs = (uint16_t)outcome_segments[3];
		last.cs = 0;
	}
	outcome.vector = (int)outcome_gregs[REG_TRAPNO];
	outcome.error = (uint64_t)outcome_gregs[REG_ERR];
	outcome.cr2 = (uint64_t)outcome_gregs[REG_CR2];
	return outcome;
}
