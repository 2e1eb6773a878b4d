/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/core_guest.c: what a vendor gives to core/virt, for a guest of which nothing is executed: the program says what it touches and why it is left.
 * The nested tables come in two formats: one whose right to write is the dirty log, and one whose dirty bits the processor sets and lists.
 */
#include "tests/fuzz/core_machine.h"
#include "core/mem/pagetable_entry.h"
#include "core/virt/barriers.h"
#include "core/virt/fpu.h"
#include "core/virt/left.h"
#include "core/virt/virt.h"
#include "core/x86/paging.h"

#define LISTED 8

struct fuzz_vcpu {
	struct vcpu vcpu;
	struct held held; /* of its guest-physical memory */
	uint64_t listed[LISTED];
	unsigned int listed_count;
	hpa_t block;
};

static struct pagetable_format nested;
static bool refuses; /* policies that ask for exceptions */
const struct pagetable_format *virt_nested_format = &nested;
const struct vcpu_ops *vcpu_ops;
enum gyre_virt_reason virt_reason;
uint64_t virt_features;

static struct fuzz_vcpu *of(struct vcpu *vcpu)
{
	return container_of(vcpu, struct fuzz_vcpu, vcpu);
}

/* ---- life ---- */

static int guest_create(struct vcpu *vcpu)
{
	if (!frame_alloc(&vcpu->process->quota, &of(vcpu)->block))
		return -GYRE_ENOMEM;
	vcpu->block_address = of(vcpu)->block.value;
	return 0;
}
static void guest_end(struct vcpu *vcpu)
{
	if (vcpu->block_address != 0)
		frame_free(&vcpu->process->quota, of(vcpu)->block);
	vcpu->block_address = 0;
}
static int guest_policy(struct vcpu *vcpu, const struct gyre_vcpu_policy *policy)
{
	(void)vcpu;
	return refuses && (policy->flags & GYRE_POLICY_RDTSC_EXIT) != 0 ? -GYRE_ENOTSUP : 0;
}
static void guest_load(struct cpu *cpu, struct vcpu *vcpu)
{
	(void)cpu;
	*(uint64_t *)frame_virtual(of(vcpu)->block) = 1;
}
static void guest_unload(struct cpu *cpu, struct vcpu *vcpu)
{
	(void)cpu;
	*(uint64_t *)frame_virtual(of(vcpu)->block) = 0;
}
static void guest_fill(struct vcpu *vcpu)
{
	vcpu->page->rip++;
	/* core_resume() is assembly: with something due, the core is left by the way that C has. */
	machine.cpu->hazard |= HAZARD_RESCHEDULE;
}
static void guest_state_get(struct vcpu *vcpu, uint32_t groups)
{
	vcpu->state->cr0 = 0x11;
	vcpu->state->dr6 = groups;
}
static void guest_state_set(struct vcpu *vcpu, const struct gyre_vcpu_state *state, uint32_t groups)
{
	(void)groups;
	vcpu->page->cr0 = state->cr0;
}

/* ---- memory ---- */

static void guest_gather(struct vcpu *vcpu)
{
	struct fuzz_vcpu *v = of(vcpu);
	while (v->listed_count > 0)
		aspace_dirty_logged(&vcpu->vm->aspace, v->listed[--v->listed_count]);
}

/* The processor writes to a page: by the right that the tables give, or the core hears of it. */
static void guest_writes(struct vcpu *vcpu, uint64_t page)
{
	struct pagetable *table = &vcpu->vm->aspace.table;
	struct path path;
	struct fuzz_vcpu *v = of(vcpu);
	unsigned int level = path_walk(table, page, 0, &path);
	uint64_t *leaf = path.at[level];
	if (!entry_present(&nested, *leaf) || (*leaf & nested.write) == 0) {
		aspace_dirty_fault(&vcpu->vm->aspace, page);
	} else if (nested.dirty != 0 && (*leaf & nested.dirty) == 0) {
		*leaf |= nested.dirty;
		v->listed[v->listed_count++] = page;
		if (v->listed_count == LISTED)
			guest_gather(vcpu);
	}
}

static uint64_t guest_page(void)
{
	uint64_t page = byte();
	return page < 128 ? page : page < 192 ? (page - 128) * 64 : (page - 192) << 18;
}

/* ---- running ---- */

static void guest_touches(struct cpu *cpu, struct vcpu *vcpu)
{
	uint8_t what = byte();
	switch (what % 8) {
	case 7:
	case 0: guest_writes(vcpu, guest_page()); break;
	case 1: held_take(&of(vcpu)->held, &vcpu->vm->aspace, guest_page()); break;
	case 2: vm_doorbell(cpu, vcpu->vm, 0x100 + byte() % 4u, 1u << byte() % 3u, byte() % 4u); break;
	case 3: machine_time(byte() * 100u); break;
	case 4: vlapic_mmio_write(&vcpu->lapic, byte() % 64u * 16, (uint32_t)byte() << byte() % 24u); break;
	case 5: machine_line(byte() % 24u); break;
	default:
		/* MOV to CR4 and XSETBV. */
		cpuid_table_cr4(vcpu->cpuid, (uint64_t)byte() << 16);
		cpuid_table_xcr0(vcpu->cpuid, byte());
		break;
	}
}

/* The order is a vendor's: inside for all to see, what is due, the guest, and out. */
static __attribute__((noreturn)) void guest_run(struct cpu *cpu, struct vcpu *vcpu)
{
	struct fuzz_vcpu *v = of(vcpu);
	struct inject inject;
	vcpu_hold(cpu, vcpu);
	__atomic_store_n(&vcpu->in_guest, true, __ATOMIC_SEQ_CST);
	EXPECT(cpu->vcpu == vcpu && cpu->fpu_owner == vcpu->fpu, "another guest's state is in the processor");
	if ((vcpu->hazard & (VCPU_HAZARD_KICK | VCPU_HAZARD_END)) != 0 || cpu->hazard != 0)
		vcpu_left(cpu, vcpu, VCPU_DUE);
	if ((vcpu->hazard & VCPU_HAZARD_FLUSH) != 0) {
		vcpu_hazard_clear(vcpu, VCPU_HAZARD_FLUSH);
		v->held.aspace = NULL;
	}
	held_check(&v->held);
	uint8_t gate = byte();
	enum vcpu_next next = inject_next(vcpu, (struct inject_gate){(gate & 1) != 0, (gate & 2) != 0}, &inject);
	for (unsigned int i = gate >> 5; next == VCPU_AGAIN && i > 0; i--)
		guest_touches(cpu, vcpu);
	if (next == VCPU_AGAIN) {
		if (vcpu->trace != NULL)
			trace_exit(vcpu, 0, 0, 0, 0, 0);
		uint8_t why = program_ended() ? 0 : byte();
		if (why % 16 == 15)
			vcpu->activity = VCPU_HALTED;
		if (why % 16 == 14)
			inject_again(vcpu, GYRE_EVENT_VALID | GYRE_EVENT_INTERRUPT | 0x40, 0, 0);
		next = why % 16 < 9 ? VCPU_MONITOR : why % 16 < 11 ? VCPU_YIELD : VCPU_DUE;
		if (next == VCPU_MONITOR)
			vcpu_to_monitor(vcpu, why % 16 == 0 ? GYRE_EXIT_KICK : 1 + why % 16u, 2, why, 0, 0);
		if (next != VCPU_MONITOR)
			vcpu->counters->exits[GYRE_EXIT_CORE_INTERRUPT + why % 16]++;
		if (vcpu->trace != NULL && !trace_done(vcpu, next, 100 + why % 2u))
			vcpu_to_monitor(vcpu, GYRE_EXIT_LOG_FULL, 0, 0, 0, 0), next = VCPU_MONITOR;
	}
	if (next == VCPU_MONITOR)
		guest_fill(vcpu);
	/* A guest that nobody leaves any more would go on for ever. */
	if (program_ended() && next != VCPU_HALT)
		vcpu_kick(vcpu);
	vcpu_left(cpu, vcpu, next);
}

static void guest_start(struct cpu *cpu, struct vcpu *vcpu, uint32_t completed)
{
	(void)completed;
	guest_run(cpu, vcpu);
}
static __attribute__((noreturn)) void guest_start_any(struct cpu *cpu, struct vcpu *vcpu, uint32_t completed)
{
	(void)completed;
	guest_run(cpu, vcpu);
}

/* ---- the vendors ---- */

static const struct vcpu_ops with_log = {"fuzz", true, sizeof(struct fuzz_vcpu), NULL, NULL, NULL, NULL, 0,
	guest_create, guest_end, guest_policy, guest_load, guest_unload, guest_run, guest_start, guest_start_any,
	guest_fill, guest_gather, guest_state_get, guest_state_set};
static const struct vcpu_ops plain = {"fuzz", false, sizeof(struct fuzz_vcpu), NULL, NULL, NULL, NULL, 0, guest_create,
	guest_end, guest_policy, guest_load, guest_unload, guest_run, guest_start, guest_start_any, guest_fill, NULL,
	guest_state_get, guest_state_set};

/* A format and a vendor for this program; few have no virtualization at all. */
void guest_reset(unsigned int kind)
{
	nested = pagetable_process;
	nested.max_leaf = kind % 3;
	nested.dirty = (kind & 8) != 0 ? PTE_DIRTY : 0;
	refuses = (kind & 16) != 0;
	bool none = kind % 32 == 31;
	virt_nested_format = none ? NULL : &nested;
	vcpu_ops = none ? NULL : (kind & 8) != 0 ? &with_log : &plain;
	virt_features = (kind & 64) != 0 ? GYRE_FEATURE_UNRESTRICTED : 0;
	virt_reason = none ? GYRE_VIRT_NOT_THERE : GYRE_VIRT_OK;
}

/* The monitor writes to the pages that it shares with the core, at any time. */
void guest_pages_poke(struct vcpu *vcpu)
{
	if (!object_alive(&vcpu->object))
		return;
	uint8_t what = byte();
	struct gyre_vcpu_page *page = vcpu->page;
	uint64_t *state = (uint64_t *)vcpu->state;
	switch (what % 8) {
	case 0: page->entry_flags = byte() & 0x7fu; break;
	case 1: page->event = GYRE_EVENT_VALID | (uint32_t)byte() << 8 % 12u | byte() % 40u; break;
	case 2: page->extint_line = byte() % 2u; break;
	case 3:
		page->apic_register = byte() % 64u * 16;
		page->apic_value = byte() * 0x101u;
		page->apic_gpr = byte() % 17u;
		page->apic_register <<= byte() % 16u == 0 ? 4 : 0;
		page->extint_vector = byte() * 2u;
		page->entry_flags = GYRE_ENTRY_NO_RUN | (byte() % 4u) << 2;
		break;
	case 4: page->event = 0, page->entry_flags = 0; break;
	case 5: state[byte() % (sizeof(*vcpu->state) / 8)] = (uint64_t)byte() << byte() % 64u; break;
	case 7:
		/* A local APIC in another mode, with its timer set. */
		vcpu->state->apic_base = 0xfee00800 | (byte() % 2u) << 10;
		vcpu->state->apic[2] = (vcpu->state->apic_base & 0x400) != 0 ? vcpu->number : vcpu->number << 24;
		vcpu->state->apic[0x32] = 0x40u | (byte() % 4u) << 17;
		vcpu->state->apic[0x38] = vcpu->state->apic_timer_left = byte();
		vcpu->state->apic[0xf] = 0xffu | (byte() % 2u) << 8;
		vcpu->state->spec_ctrl = byte() % 2u;
		break;
	case 6: ((uint8_t *)vcpu->fpu_page)[512] = byte() % 9u; break;
	default: ((uint32_t *)page)[byte()] = byte(); break;
	}
}
