/* SPDX-License-Identifier: Apache-2.0 */
/* guests/common/cpu.h: instructions of 64-bit code for MSRs, CPUID, the TSC, control and debug registers. */
#ifndef GUESTS_COMMON_CPU_H
#define GUESTS_COMMON_CPU_H

#include <stdint.h>

static inline uint64_t rdtsc(void)
{
	uint32_t low, high;
	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}
static inline uint64_t rdmsr(uint32_t index)
{
	uint32_t low, high;
	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index));
	return (uint64_t)high << 32 | low;
}
static inline void wrmsr(uint32_t index, uint64_t value)
{
	__asm__ volatile("wrmsr" : : "c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}
static inline void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t word[4])
{
	__asm__ volatile("cpuid"
			 : "=a"(word[0]), "=b"(word[1]), "=c"(word[2]), "=d"(word[3])
			 : "a"(leaf), "c"(subleaf));
}
static inline void invlpg(uint64_t address)
{
	__asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

/* NAME() reads a register, set_NAME(value) writes it. */
#define REGISTER_ACCESS(name, register)                                                                                \
	static inline uint64_t name(void)                                                                              \
	{                                                                                                              \
		uint64_t value;                                                                                        \
		__asm__ volatile("mov %%" register ", %0" : "=r"(value));                                              \
		return value;                                                                                          \
	}                                                                                                              \
	static inline void set_##name(uint64_t value)                                                                  \
	{                                                                                                              \
		__asm__ volatile("mov %0, %%" register : : "r"(value) : "memory");                                     \
	}
REGISTER_ACCESS(cr0, "cr0")
REGISTER_ACCESS(cr2, "cr2")
REGISTER_ACCESS(cr3, "cr3")
REGISTER_ACCESS(cr4, "cr4")
REGISTER_ACCESS(cr8, "cr8")
REGISTER_ACCESS(dr0, "db0")
REGISTER_ACCESS(dr1, "db1")
REGISTER_ACCESS(dr2, "db2")
REGISTER_ACCESS(dr3, "db3")
REGISTER_ACCESS(dr6, "db6")
REGISTER_ACCESS(dr7, "db7")
#undef REGISTER_ACCESS

#endif
