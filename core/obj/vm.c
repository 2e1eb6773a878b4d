/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/obj/vm.c: VMs as objects: how they begin and end, and their doorbells.
 */
#include "core/virt/vm.h"
#include "core/virt/vcpu.h"

static uint32_t vm_numbers;

int vm_create(struct process *owner, struct vm **out)
{
	if (virt_nested_format == NULL)
		return -GYRE_ENODEV;
	struct vm *vm = OBJECT_CREATE(owner, GYRE_OBJECT_VM, vm);
	if (vm == NULL)
		return -GYRE_ENOMEM;
	list_init(&vm->messages);
	list_init(&vm->vcpus);
	for (unsigned int i = 0; i < VM_DOORBELL_BUCKETS; i++)
		list_init(&vm->doorbells[i]);
	vm->number = vm_numbers++;
	int error = aspace_init(&vm->aspace, virt_nested_format, &virt_aspace_ops, &owner->quota);
	if (error < 0) {
		object_discard(&vm->object);
		return error;
	}
	*out = vm;
	return 0;
}

/* ---- doorbells ---- */

static struct list *bucket_of(struct vm *vm, uint16_t port)
{
	return &vm->doorbells[(port ^ port >> 4) % VM_DOORBELL_BUCKETS];
}

bool vm_doorbell(struct cpu *cpu, struct vm *vm, uint16_t port, unsigned int size, uint32_t value)
{
	LIST_EACH (struct doorbell, doorbell, bucket_of(vm, port), link) {
		if (doorbell->port != port || doorbell->size != size || (!doorbell->any && doorbell->value != value))
			continue;
		/* Its event may have died: then the monitor hears of the write. */
		if (doorbell->source.event == NULL)
			return false;
		event_source_signal(cpu, &doorbell->source);
		return true;
	}
	return false;
}

static struct doorbell *doorbell_find(struct vm *vm, const struct doorbell *wanted)
{
	LIST_EACH (struct doorbell, doorbell, bucket_of(vm, wanted->port), link) {
		if (doorbell->port == wanted->port && doorbell->size == wanted->size && doorbell->any == wanted->any &&
			doorbell->value == wanted->value)
			return doorbell;
	}
	return NULL;
}

static void doorbell_end(struct vm *vm, struct doorbell *doorbell)
{
	event_source_unbind(&doorbell->source);
	list_remove(&doorbell->link);
	vm->doorbell_count--;
	slab_free(&vm->object.owner->quota, doorbell, sizeof(*doorbell));
}

int vm_doorbell_set(struct vm *vm, const struct doorbell *wanted, struct event *event, uint64_t bit)
{
	struct doorbell *doorbell = doorbell_find(vm, wanted);
	if (event == NULL) {
		if (doorbell == NULL)
			return -GYRE_ENOENT;
		doorbell_end(vm, doorbell);
		return 0;
	}
	if (doorbell != NULL)
		return -GYRE_EEXIST;
	if (vm->doorbell_count >= GYRE_DOORBELLS)
		return -GYRE_ENOMEM;
	doorbell = slab_alloc(&vm->object.owner->quota, sizeof(*doorbell));
	if (doorbell == NULL)
		return -GYRE_ENOMEM;
	*doorbell = *wanted;
	int error = event_source_bind(&doorbell->source, event, bit, false);
	if (error < 0) {
		slab_free(&vm->object.owner->quota, doorbell, sizeof(*doorbell));
		return error;
	}
	/* Those for one value are found before the one for any. */
	if (doorbell->any)
		list_push_back(bucket_of(vm, doorbell->port), &doorbell->link);
	else
		list_push_front(bucket_of(vm, doorbell->port), &doorbell->link);
	vm->doorbell_count++;
	return 0;
}

/* ---- the end ---- */

int vm_end(struct object *object, unsigned int *budget)
{
	struct vm *vm = container_of(object, struct vm, object);
	while (!list_empty(&vm->vcpus)) {
		int result = object_destroy(&list_first(&vm->vcpus, struct vcpu, in_vm)->object, NULL, budget);
		if (result < 0)
			return result;
	}
	for (unsigned int i = 0; i < VM_DOORBELL_BUCKETS; i++) { /* GYRE_DOORBELLS in all */
		while (!list_empty(&vm->doorbells[i]))
			doorbell_end(vm, list_first(&vm->doorbells[i], struct doorbell, link));
	}
	while (!list_empty(&vm->messages)) {
		if (!budget_take(budget, 1))
			return -GYRE_EAGAIN;
		event_message_end(container_of(vm->messages.next, struct event_message, in_vm));
	}
	return aspace_end(&vm->aspace, budget) ? 0 : -GYRE_EAGAIN;
}
