/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guests/bench/bench.c: what an exit costs, seen from inside. Each row runs one operation many times between two RDTSC and subtracts
 * the same loop without it. Where one TSC tick is one instruction (QEMU with -icount, Bochs), the figure is an exact count from guest to guest,
 * the operation's own instruction included. Prints "bench NAME VALUE" with hundredths on COM1, and ends through the debug exit port, else by a reset.
 * With "spread=TICKS" on its command line so many pass before each batch: other VMs have their turns then. With "x2apic-ipi=ROUNDS" it does these alone, so
 * that the exits of two runs, subtracted, are those of the IPIs.
 */
#include <stdbool.h>
#include <stdint.h>
#include "guests/bench/start.h"
#include "guests/common/console.h"
#include "guests/common/cpu.h"
#include "guests/common/debug_exit.h"

#define PORT_DROP_PAGE 0xe4 /* the test device: a page whose mapping is dropped */
#define PORT_DOORBELL  0xe8 /* the test device: a doorbell */
#define PORT_DIRTY_LOG 0xec /* the test device: 1 the dirty log starts, 2 it is taken, 0 it ends */
#define PORT_FAST_A20  0x92 /* a device register without side effects, on QEMU's machines too */
#define PORT_PIC_MASK  0x21 /* answered in the kernel by KVM */

#define APIC_PAGE     0xfee00000ull
#define APIC_EOI      0x0b0
#define APIC_SVR      0x0f0
#define APIC_ICR      0x300
#define APIC_ICR2     0x310
#define ICR_SELF      (1u << 18)
#define IPI_VECTOR    0x40
#define MSR_APIC_BASE 0x1b
#define MSR_X2APIC    0x800
#define MSR_SELF_IPI  0x83f

#define TEST_PAGES	64u
#define TEST_PAGES_BASE 0x4000000ull /* 64 MiB: far from the image */

static struct gate idt[IDT_VECTORS];

/* Hundredths, so that an average over many rounds keeps what it measured. */
static void report(const char *name, uint64_t ticks, uint64_t rounds)
{
	uint64_t hundredths = ticks * 100 / rounds;

	say("bench ");
	say(name);
	say(" ");
	say_number(hundredths / 100);
	say(".");
	say_number(hundredths / 10 % 10);
	say_number(hundredths % 10);
	say("\n");
}

#define ROUNDS		1000u
/* Of many rounds many: a batch that is short is seldom preempted. */
#define BATCHES_MOST	100u
#define BATCHES(rounds) ((rounds) >= ROUNDS ? BATCHES_MOST : 20u)
static uint64_t spread; /* ticks between two batches, in which other VMs have their turns */

static void others_turn(void)
{
	for (uint64_t start = rdtsc(); rdtsc() - start < spread;)
		;
}

/* Sorts them: the least number first. */
static uint64_t median(uint64_t *ticks, unsigned count)
{
	for (unsigned i = 1; i < count; i++)
		for (unsigned n = i; n > 0 && ticks[n] < ticks[n - 1]; n--) {
			uint64_t other = ticks[n];
			ticks[n] = ticks[n - 1];
			ticks[n - 1] = other;
		}
	return ticks[count / 2];
}

/*
 * The operation, after rounds 0 and 1, which warm what is warm in use, less the loop alone. The median of many short batches is reported: a tick of the
 * host's timer is an event of its own, and so is the turn of another VM. On a slow host they would weigh on some rows and not on others.
 */
#define TIME(name, rounds, ...)                                                                                        \
	do {                                                                                                           \
		uint64_t start_, ticks_, all_[BATCHES_MOST];                                                           \
		for (volatile uint32_t warm_ = 0; warm_ < 2; warm_++) {                                                \
			uint32_t i = warm_;                                                                            \
			(void)i;                                                                                       \
			__VA_ARGS__;                                                                                   \
		}                                                                                                      \
		for (uint32_t batch_ = 0; batch_ < BATCHES(rounds); batch_++) {                                        \
			uint32_t first_ = 2 + batch_ * ((rounds) / BATCHES(rounds)),                                   \
				 end_ = first_ + (rounds) / BATCHES(rounds);                                           \
			others_turn();                                                                                 \
			start_ = rdtsc();                                                                              \
			for (uint32_t i = first_; i < end_; i++) {                                                     \
				__asm__ volatile("" : "+r"(i));                                                        \
				__VA_ARGS__;                                                                           \
			}                                                                                              \
			ticks_ = rdtsc() - start_;                                                                     \
			start_ = rdtsc();                                                                              \
			for (uint32_t i = first_; i < end_; i++)                                                       \
				__asm__ volatile("" : "+r"(i));                                                        \
			start_ = rdtsc() - start_;                                                                     \
			all_[batch_] = ticks_ > start_ ? ticks_ - start_ : 0;                                          \
		}                                                                                                      \
		report(name, median(all_, BATCHES(rounds)), (rounds) / BATCHES(rounds));                               \
	} while (0)

static void traps_init(void)
{
	for (unsigned vector = 0; vector < IDT_VECTORS; vector++)
		idt[vector] = gate_to(interrupt_ignored, GATE_INTERRUPT, 0);
	exceptions_to_stubs(idt);
	idt_load(idt);
	/* Only what a row raises may come. */
	pics_mask();
}

static _Noreturn void end(uint8_t code)
{
	out32(PORT_DEBUG_EXIT, code);
	out8(0xcf9, 6);
	stop();
}

void bench_exception(uint64_t vector, uint64_t word0, uint64_t word1)
{
	say("bench-exception ");
	say_number(vector);
	say(" ");
	say_number(word0);
	say(" ");
	say_number(word1);
	say("\n");
	end(1);
}

/* By either vendor's opcode: one of them arrives as an undefined instruction. KVM writes its own over that one, the first time. */
static void hypercall_rows(void)
{
	TIME("hypercall_vmmcall", ROUNDS, {
		uint64_t number = 1;
		__asm__ volatile("vmmcall" : "+a"(number) : : "memory");
	});
	TIME("hypercall_vmcall", ROUNDS, {
		uint64_t number = 1;
		__asm__ volatile("vmcall" : "+a"(number) : : "memory");
	});
}

static volatile uint32_t *apic_register(uint32_t offset)
{
	return (volatile uint32_t *)(APIC_PAGE + offset);
}

static void self_ipi_rows(bool has_x2apic, uint32_t rounds)
{
	if (!(rdmsr(MSR_APIC_BASE) & 0x400)) {
		idt[IPI_VECTOR] = gate_to(interrupt_xapic, GATE_INTERRUPT, 0);
		*apic_register(APIC_SVR) = 0x1ff;
		__asm__ volatile("sti");
		TIME("self_ipi_xapic", rounds, *apic_register(APIC_ICR2) = 0;
			*apic_register(APIC_ICR) = ICR_SELF | IPI_VECTOR);
		__asm__ volatile("cli");
	}
	if (!has_x2apic)
		return;
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | 0xc00);
	idt[IPI_VECTOR] = gate_to(interrupt_x2apic, GATE_INTERRUPT, 0);
	wrmsr(MSR_X2APIC + (APIC_SVR >> 4), 0x1ff);
	__asm__ volatile("sti");
	TIME("self_ipi_x2apic", rounds, wrmsr(MSR_SELF_IPI, IPI_VECTOR));
	__asm__ volatile("cli");
	say("bench-check interrupts ");
	say_number(interrupts_seen);
	say("\n");
}

/* Rows of the test device, which a peer has not: each page is touched once. */
static void memory_rows(void)
{
	volatile uint64_t *page = (volatile uint64_t *)TEST_PAGES_BASE;
	const uint32_t stride = 4096 / sizeof(*page);

	for (uint32_t i = 0; i < TEST_PAGES + 2; i++)
		page[i * stride] = i;
	out32(PORT_DIRTY_LOG, 1);
	TIME("dirty_fault", TEST_PAGES, page[(i + 2) * stride] = i);
	out32(PORT_DIRTY_LOG, 2);
	TIME("dirty_fault_again", TEST_PAGES, page[(i + 2) * stride] = i);
	out32(PORT_DIRTY_LOG, 0);
	for (uint32_t i = 0; i < TEST_PAGES + 2; i++)
		out32(PORT_DROP_PAGE, (uint32_t)(TEST_PAGES_BASE + i * 4096));
	TIME("missing_page", TEST_PAGES, (void)page[(i + 2) * stride]);
}

void bench_main(uint32_t multiboot)
{
	uint32_t word[4], highest, rounds;
	bool has_x2apic, test_device;

	rounds = (uint32_t)number_after(start_line(multiboot), "x2apic-ipi=", 0);
	spread = number_after(start_line(multiboot), "spread=", 0);
	traps_init();
	cpuid(0, 0, word);
	highest = word[0];
	cpuid(1, 0, word);
	has_x2apic = highest >= 1 && (word[2] & 1u << 21);
	if (rounds) {
		if (has_x2apic)
			wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | 0xc00);
		self_ipi_rows(has_x2apic, rounds);
		end(0);
	}
	out32(0xe0, 0x47595245);
	test_device = in32(0xe0) == 0x47595245;

	TIME("cpuid", ROUNDS, {
		uint32_t w[4];
		cpuid(1, 0, w);
	});
	hypercall_rows();
	TIME("port_read_pic", ROUNDS, (void)in8(PORT_PIC_MASK));
	TIME("port_write_pic", ROUNDS, out8(PORT_PIC_MASK, 0xff));
	TIME("port_read_device", ROUNDS, (void)in8(PORT_FAST_A20));
	TIME("pm_timer_read", ROUNDS, (void)in32(0x608));
	TIME("mmio_read_ioapic", ROUNDS, (void)*(volatile uint32_t *)0xfec00010);
	TIME("mmio_read_hpet", ROUNDS, (void)*(volatile uint32_t *)0xfed000f0);
	TIME("msr_read_apic_base", ROUNDS, (void)rdmsr(MSR_APIC_BASE));
	if (test_device) {
		TIME("doorbell", ROUNDS, out32(PORT_DOORBELL, i));
		memory_rows();
	}
	self_ipi_rows(has_x2apic, ROUNDS);
	say("bench-done\n");
	end(0);
}
