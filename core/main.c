/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/main.c: the order in which the core comes up. core/boot/start.S calls core_main; root_start never returns.
 */
#include "core/boot/boot.h"
#include "core/obj/process.h"
#include "core/sched/sched.h"
#include "core/virt/virt.h"
#include "core/x86/acpi.h"
#include "core/x86/cpu.h"
#include "core/x86/cpu_features.h"
#include "core/x86/irq.h"
#include "core/x86/lapic.h"
#include "core/x86/log.h"
#include "core/x86/paging.h"
#include "core/x86/smap.h"
#include "core/x86/timer.h"

#define MIB(bytes) ((bytes) >> 20)

SEALED struct boot_info boot_info;

/* What gcc's stack protector puts between a function's arrays and its return address. A string does not copy over the zero byte. */
SEALED uint64_t __stack_chk_guard;
_Noreturn void __stack_chk_fail(void);

_Noreturn void core_main(uint64_t magic, uint64_t information);
_Noreturn void stack_switch(uint64_t top, void (*function)(void));

/* With the boot tables, which map the first 4 GiB where they are. */
static void read_boot_information(uint64_t magic, uint64_t information)
{
	const char *error;
	if (magic != MULTIBOOT_MAGIC)
		panic("not started by a Multiboot2 boot loader (magic number 0x%lx)", magic);
	if ((error = multiboot_parse(&boot_info, (const void *)information, MULTIBOOT_BYTES_MAX)) != NULL)
		panic("%s", error);
	options_set(boot_info.told.command_line);
	cpu_features_detect(&cpu_features);
	struct boot_range image = {image_physical(core_image_start).value, image_physical(core_image_end).value};
	if ((error = boot_layout(&boot_info, image, core_option_size("pool", 0), 1ul << cpu_features.physical_bits)) !=
		NULL)
		panic("%s (%lu MiB are usable)", error, MIB(boot_info.usable_bytes));
}

/* On the processor's real stack, with a guard page below. */
static _Noreturn void core_main_on_stack(void)
{
	struct cpu *cpu = cpu_current();
	log_init(&boot_info);
	log_info("Gyre on %s, loaded by %s (%s)", cpu_features.brand[0] ? cpu_features.brand : cpu_features.vendor,
		boot_info.loader, boot_info.uefi ? "UEFI" : "BIOS");
	log_info("memory: %lu MiB usable, core %lu KiB + pool %lu KiB at 0x%lx, %u boot modules",
		MIB(boot_info.usable_bytes),
		(image_physical(core_image_end).value - image_physical(core_image_start).value) / 1024,
		(boot_info.pool.end - boot_info.pool.start) / 1024, boot_info.pool.start, boot_info.told.modules);
	acpi_init(&boot_info);
	lapic_init(cpu);
	ioapic_init();
	timer_calibrate();
	timer_init(cpu);
	sched_init(cpu);
	virt_init(cpu);
	log_root_reads = true;
	root_start(cpu, &boot_info);
}

/* Of the processor's generator, where there is one; of the time, which others may guess. */
static uint64_t random_word(void)
{
	uint64_t word = 0;
	if ((cpuid(1, 0).ecx & 1u << 30) != 0)
		__asm__ volatile("rdrand %0" : "=r"(word) : : "cc");
	return (word ^ tsc_read()) * 0x9e3779b97f4a7c15;
}

void __stack_chk_fail(void)
{
	panic("a function wrote beyond its arrays on the stack");
}

void core_main(uint64_t magic, uint64_t information)
{
	/* Nothing that has the old value on its stack returns: neither does this. */
	__stack_chk_guard = random_word() & ~0xffull;
	cpu_catch_faults();
	read_boot_information(magic, information);
	if (cpu_features.smap)
		smap_patch();
	paging_init(&boot_info.pool);
	cpu_init(&boot_cpu, 0);
	stack_switch(boot_cpu.stack_top, core_main_on_stack);
}
