/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/svm/npt.c: the format of nested page tables. APM vol. 2, "Nested Paging": that of long mode; every access of a guest counts as one of user mode,
 * and the memory type is the host PAT's, combined with the guest's own.
 */
#include "core/mem/pagetable.h"
#include "core/virt/svm/svm.h"
#include "core/x86/paging.h"

static struct pagetable_format nested = {
	.name = "nested",
	.address = PTE_ADDRESS,
	.present = PTE_PRESENT,
	.large = PTE_LARGE,
	.write = PTE_WRITE,
	.table = PTE_PRESENT | PTE_WRITE | PTE_USER,
	.ignored = PTE_ACCESSED | PTE_DIRTY,
	.pat_small = PTE_PAT_4K,
	.pat_large = PTE_PAT_2M,
	.leaf = pagetable_x86_leaf,
};

const struct pagetable_format *svm_nested_format(void)
{
	nested.max_leaf = svm_features.pages_1g ? 2 : svm_features.pages_2m ? 1 : 0;
	return &nested;
}
