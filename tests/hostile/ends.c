/* SPDX-License-Identifier: Apache-2.0 */
/* tests/hostile/ends.c: objects that end in pieces, with others ending between. */
#include "tests/hostile/hostile.h"

#define VCPU_AT ((void *)(VCPU_ADDRESS + 0x180000))

/* What had been the VM's is page tables soon, each full, none of large pages. */
static void tables_fill(handle_t vm)
{
	for (uint64_t i = 0; i < 20; i++)
		for (uint64_t done = 0; done < 512;) {
			long n = vm_map(vm, hostile.start->ram, 1 + done, i * 512 + done, 512 - done, GYRE_RIGHT_READ);
			if (n <= 0)
				return;
			done += (uint64_t)n;
		}
}

/*
 * A vcpu whose first piece is done, and its VM gone before the second: that took the lock of what had been the VM, and the processor waited for ever.
 * Each event that kicks costs a step, so that the first piece ends elsewhere in every round. How often there was a second.
 */
unsigned vcpus_that_outlive_their_vm(void)
{
	unsigned outlived = 0;
	for (unsigned events = 150; events < 320; events += 6) {
		/* Four to a frame: those around it go with it. */
		handle_t vms[8];
		for (unsigned i = 0; i < 8; i++)
			vms[i] = (handle_t)vm_create(0);
		const handle_t other = vms[0], vm = vms[4];
		const handle_t vcpu = (handle_t)vcpu_create(vm, 0, VCPU_AT);
		handle_t event[320];
		guest_policy(vcpu);
		for (unsigned i = 0; i < events; i++) {
			event[i] = (handle_t)event_create();
			vcpu_kick_on(vcpu, event[i]);
		}
		const bool pieces = call1(GYRE_CALL_object_destroy, vcpu) == -GYRE_EAGAIN;
		for (unsigned i = 1; i < 8; i++)
			object_destroy(vms[i]);
		tables_fill(other);
		object_destroy(vcpu);
		object_destroy(other);
		for (unsigned i = 0; i < events; i++)
			object_destroy(event[i]);
		memory_unmap(0, (uintptr_t)VCPU_AT, GYRE_VCPU_PAGES);
		outlived += pieces;
	}
	return outlived;
}
