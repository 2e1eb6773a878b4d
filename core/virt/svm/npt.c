/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/svm/npt.c: the format of nested page tables. APM vol. 2, "Nested Paging": that of long mode, so that of a process; every access of a guest counts
 * as one of user mode, and the memory type is the host PAT's, combined with the guest's own. Only the sizes of pages can be forced off by themselves.
 */
#include "core/mem/pagetable.h"
#include "core/virt/svm/svm.h"

const struct pagetable_format *svm_nested_format(void)
{
	static struct pagetable_format nested;
	nested = pagetable_process;
	nested.max_leaf = svm_features.pages_1g ? 2 : svm_features.pages_2m ? 1 : 0;
	return &nested;
}
