/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/sched/deadline.c: the heap of deadlines. Every node's rank is at most its left child's, so the way down the right children is short.
 */
#include "core/sched/deadline.h"
#include "core/x86/cpu.h"
#include "core/x86/timer.h"

static uint32_t rank_of(const struct deadline *node)
{
	return node == NULL ? 0 : node->rank;
}

/* Children in the right order, and the rank: true when the rank has changed. */
static bool settle(struct deadline *node)
{
	if (rank_of(node->left) < rank_of(node->right)) {
		struct deadline *left = node->left;
		node->left = node->right;
		node->right = left;
	}
	uint32_t rank = rank_of(node->right) + 1;
	bool changed = rank != node->rank;
	node->rank = rank;
	return changed;
}

/* Two heaps become one: along their right children, whichever is earlier comes next. The result's parent is not set. */
static struct deadline *merge(struct deadline *a, struct deadline *b)
{
	struct deadline *top = NULL, *last = NULL;
	while (a != NULL || b != NULL) {
		if (a == NULL || (b != NULL && b->tsc < a->tsc)) {
			struct deadline *other = a;
			a = b;
			b = other;
		}
		if (last == NULL)
			top = a;
		else
			last->right = a;
		a->parent = last;
		if (b == NULL)
			break;
		last = a;
		a = a->right;
		last->right = NULL;
	}
	for (struct deadline *node = last; node != NULL; node = node->parent)
		settle(node);
	return top;
}

static void heap_remove(struct deadline **heap, struct deadline *node)
{
	struct deadline *parent = node->parent, *below = merge(node->left, node->right);
	if (below != NULL)
		below->parent = parent;
	if (parent == NULL) {
		*heap = below;
	} else {
		if (parent->left == node)
			parent->left = below;
		else
			parent->right = below;
		/* Each step upwards where the rank changes is one from a right child, so there are few. */
		while (parent != NULL && settle(parent))
			parent = parent->parent;
	}
	node->parent = node->left = node->right = NULL;
}

void deadline_cancel(struct deadline *deadline)
{
	struct cpu *cpu = deadline->cpu;
	if (cpu == NULL)
		return;
	heap_remove(&cpu->sched.deadlines, deadline);
	deadline->cpu = NULL;
	/* The timer stays armed: it comes early once, and is armed anew then. */
}

void deadline_set(struct cpu *cpu, struct deadline *deadline, uint64_t tsc)
{
	if (deadline->cpu != NULL) {
		if (deadline->tsc == tsc)
			return;
		deadline_cancel(deadline);
	}
	if (tsc == DEADLINE_NEVER)
		return;
	deadline->tsc = tsc;
	deadline->cpu = cpu;
	deadline->parent = deadline->left = deadline->right = NULL;
	deadline->rank = 1;
	cpu->sched.deadlines = merge(cpu->sched.deadlines, deadline);
	cpu->sched.deadlines->parent = NULL;
	if (cpu->sched.deadlines->tsc < cpu->timer_deadline)
		timer_arm(cpu, cpu->sched.deadlines->tsc);
}

void deadline_interrupt(struct cpu *cpu)
{
	for (unsigned int i = 0; i < DEADLINE_BATCH; i++) {
		struct deadline *first = cpu->sched.deadlines;
		if (first == NULL || first->tsc > tsc_read())
			break;
		deadline_cancel(first);
		first->expired(cpu, first);
	}
	timer_arm(cpu, cpu->sched.deadlines == NULL ? DEADLINE_NEVER : cpu->sched.deadlines->tsc);
}
