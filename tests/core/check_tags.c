/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/core/check_tags.c: what must be true of TLB tags (ASID, VPID) and their generations. No emulator shows a wrong one, so the books are what there is
 * to look at: a tag of the present generation is one that was given out, to one guest alone; and what a processor holds belongs to a guest that lives.
 */
#include "core/obj/process.h"
#include "core/sched/thread.h"
#include "core/virt/svm/svm.h"
#include "core/virt/vcpu_ops.h"
#include "core/virt/vmx/vmx.h"
#include "core/x86/log.h"
#include "lib/string.h"
#include "tests/core/check.h"

#define TAGS 4096 /* of a generation, that are looked at */

extern const struct vcpu_ops svm_vcpu_ops;

static uint64_t given[TAGS / 64];
static int result;

static void fault(const struct vcpu *vcpu, const char *what, uint64_t number)
{
	log_error("check: vcpu %u: %s (%lu)", vcpu->number, what, (unsigned long)number);
	result = -GYRE_EIO;
}

static void check_tag(const struct vcpu *vcpu, const struct asid_pool *pool, const struct asid_holder *holder)
{
	if (holder->generation > pool->generation)
		fault(vcpu, "its tag's generation is yet to come", holder->generation);
	if (holder->generation != pool->generation)
		return;
	if (holder->asid == 0 || holder->asid >= pool->next || pool->next > pool->count)
		fault(vcpu, "its tag was not given out", holder->asid);
	if (holder->asid >= TAGS)
		return;
	if ((given[holder->asid / 64] >> holder->asid % 64 & 1) != 0)
		fault(vcpu, "its tag is another guest's, too", holder->asid);
	given[holder->asid / 64] |= 1ul << holder->asid % 64;
}

static void check_vcpu(const struct vcpu *vcpu)
{
	const struct cpu *cpu = vcpu->cpu;
	if (vcpu->object.state != OBJECT_ALIVE)
		return;
	if (vcpu->in_guest && vcpu->thread == NULL && cpu->thread == NULL)
		fault(vcpu, "it is in its guest, and no thread runs", 0);
	if (vcpu->thread != NULL && vcpu->thread->vcpu != vcpu)
		fault(vcpu, "its thread does not know of it", 0);
	if (vcpu_ops == &svm_vcpu_ops) {
		const struct svm_vcpu *v = container_of(vcpu, struct svm_vcpu, vcpu);
		check_tag(vcpu, &svm_cpus[v->asid.cpu].asids, &v->asid);
	} else {
		const struct vmx_vcpu *v = container_of(vcpu, struct vmx_vcpu, vcpu);
		check_tag(vcpu, &vmx_cpus[v->vpid.cpu].vpids, &v->vpid);
	}
}

int check_tags(void)
{
	bool held = boot_cpu.vcpu == NULL;
	result = 0;
	memset(given, 0, sizeof(given));
	for (struct process *process = root_process; process != NULL; process = process_next(process)) {
		for (struct list *link = process->objects.next; link != &process->objects; link = link->next) {
			struct object *object = container_of(link, struct object, owned);
			if (object->type != GYRE_OBJECT_VCPU)
				continue;
			struct vcpu *vcpu = container_of(object, struct vcpu, object);
			held = held || boot_cpu.vcpu == vcpu;
			check_vcpu(vcpu);
		}
	}
	if (!held) {
		log_error("check: the processor holds a guest that nobody has");
		result = -GYRE_EIO;
	}
	return result;
}
