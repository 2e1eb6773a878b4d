/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/vmx/tlb.c: the format of EPT, what the TLB may keep of it and of the guest's own tables, and the log of modified pages. SDM vol. 3, "The Extended
 * Page Table Mechanism (EPT)", "Invalidation of Cached Mappings", "Page-Modification Logging".
 */
#include "core/mem/pagetable.h"
#include "core/virt/vm.h"
#include "core/virt/vmx/vmx.h"
#include "gyre/rights.h"

#define EPT_READ       0x1ull
#define EPT_WRITE      0x2ull
#define EPT_EXECUTE    0x4ull
#define EPT_TYPE_SHIFT 3
#define EPT_IGNORE_PAT 0x40ull
#define EPT_LARGE      0x80ull
#define EPT_ACCESSED   0x100ull
#define EPT_DIRTY      0x200ull
#define PML_ENTRIES    512

/*
 * RAM is write-back whatever the guest's PAT says: it can't slow others down, or see memory past the caches. A device's memory is what the guest makes of it
 * within uncached. What is mapped counts as modified already, so that the processor logs only what was made clean.
 */
static uint64_t ept_leaf(unsigned int level, unsigned int rights, enum memory_cache cache)
{
	uint64_t type = cache == MEMORY_WRITE_BACK ? 6 : cache == MEMORY_WRITE_COMBINING ? 1 : 0;
	uint64_t bits = EPT_READ | type << EPT_TYPE_SHIFT | (level > 0 ? EPT_LARGE : 0);
	bits |= cache == MEMORY_WRITE_BACK ? EPT_IGNORE_PAT : 0;
	bits |= (rights & GYRE_RIGHT_WRITE) != 0 ? EPT_WRITE : 0;
	bits |= (rights & GYRE_RIGHT_EXEC) != 0 ? EPT_EXECUTE : 0;
	return bits | (vmx_features.ept_ad ? EPT_ACCESSED | EPT_DIRTY : 0);
}

const struct pagetable_format *vmx_nested_format(void)
{
	SEALED static struct pagetable_format ept = {
		.address = FRAME_BITS,
		.present = EPT_READ | EPT_WRITE | EPT_EXECUTE,
		.large = EPT_LARGE,
		.write = EPT_WRITE,
		.table = EPT_READ | EPT_WRITE | EPT_EXECUTE,
		.ignored = EPT_ACCESSED | EPT_DIRTY,
		.leaf = ept_leaf,
	};
	ept.max_leaf = vmx_features.ept_1g ? 2 : vmx_features.ept_2m ? 1 : 0;
	ept.dirty = vmx_features.pml ? EPT_DIRTY : 0;
	return &ept;
}

void vmx_flush_now(struct vmx_vcpu *v)
{
	struct cpu *cpu = v->vcpu.cpu;
	struct asid_choice choice = asid_choose(&vmx_cpus[cpu->index].vpids, &v->vpid, cpu->index, true);
	vcpu_hazard_clear(&v->vcpu, VCPU_HAZARD_FLUSH);
	/* All that was found by way of these tables, under whatever VPID: so one that is used again has nothing of them. */
	vmx_invept(vmx_features.invept_single ? INVALIDATE_SINGLE : INVALIDATE_ALL, v->eptp);
	if (vmx_features.vpid && choice.changed)
		vmx_write(VMCS_VPID, v->vpid.asid);
	v->vcpu.counters->tlb_flushes++;
	v->vcpu.counters->asid_generations += choice.new_generation;
}

void vmx_flush_linear(struct vmx_vcpu *v)
{
	uint32_t here = cpu_current()->index;
	/* Without VPIDs each entry and exit does it. */
	if (!vmx_features.vpid || v->vpid.generation == 0)
		return;
	if (v->vpid.cpu != here || v->vpid.generation != vmx_cpus[here].vpids.generation)
		v->vpid.generation = 0; /* another one, when it comes to a processor */
	else
		vmx_invvpid(vmx_features.invvpid_single ? INVALIDATE_SINGLE : INVALIDATE_ALL, v->vpid.asid);
}

void vmx_gather(struct vcpu *vcpu)
{
	struct vmx_vcpu *v = vmx_of(vcpu), *before;
	if (v->pml == NULL)
		return;
	before = vmx_reach(v);
	vmx_pml_drain(v);
	vmx_return(before);
}

/* The processor fills its page from the end; what is left of it says the index of the next entry. */
void vmx_pml_drain(struct vmx_vcpu *v)
{
	uint64_t next = vmx_read(VMCS_PML_INDEX);
	/* Below the first entry it is 0xffff. */
	for (uint64_t i = (next + 1) & 0xffff; i < PML_ENTRIES; i++)
		aspace_dirty_logged(&v->vcpu.vm->aspace, v->pml[i] >> 12);
	vmx_write(VMCS_PML_INDEX, PML_ENTRIES - 1);
}
