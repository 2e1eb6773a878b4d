/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/vcpu_ops.h: what common code asks of a vendor: at set-up, to run, on a switch, and for a monitor's requests. Never on the exit path:
 * there the vendor's own loop calls the common code, directly. Common code has no way to ask which vendor it is.
 */
#ifndef CORE_VIRT_VCPU_OPS_H
#define CORE_VIRT_VCPU_OPS_H

#include "core/virt/vcpu.h"
#include "gyre/boot.h"

struct pagetable_format;

struct vcpu_ops {
	const char *name;    /* for people, never compared */
	bool keeps;	     /* registers of the guest stay in the processor between its exits: virt_disturbed() */
	uint32_t vcpu_bytes; /* of the vendor's struct, which begins with struct vcpu */

	/* Set-up. probe: is it there, and usable? It sets *features to GYRE_FEATURE_ in use. */
	enum gyre_virt_reason (*probe)(uint64_t *features);
	int (*cpu_enable)(struct cpu *cpu);
	const struct pagetable_format *(*nested_format)(void);
	uint32_t (*barriers)(uint32_t family, uint32_t model); /* BARRIER_, for a processor of this vendor */
	uint32_t heaviest;				       /* of all models' */

	/* A vCPU's life. create allocates what the hardware wants, paid by vcpu->process: -GYRE_ENOMEM. */
	int (*create)(struct vcpu *vcpu);
	void (*end)(struct vcpu *vcpu);
	/* The policy was set: intercepts follow. -GYRE_ENOTSUP: more than the hardware has; nothing has changed. */
	int (*policy)(struct vcpu *vcpu, const struct gyre_vcpu_policy *policy);

	/* The processor gets this vCPU's state, or gives it up. */
	void (*load)(struct cpu *cpu, struct vcpu *vcpu);
	void (*unload)(struct cpu *cpu, struct vcpu *vcpu);

	/*
	 * Runs the guest, and does not return: when something of enum vcpu_next other than VCPU_AGAIN is due, it calls vcpu_left() on an empty stack.
	 * Only VCPU_MONITOR has filled the page, but for what vcpu->exit says.
	 */
	void (*run)(struct cpu *cpu, struct vcpu *vcpu) __attribute__((noreturn));
	/*
	 * The same from the page: RIP, RFLAGS, RSP, RAX. completed: the shadow ends, a single step is owed. start_any: and all else that the page
	 * says: interruptibility, CR2 with a page fault to inject. Neither returns.
	 */
	void (*start)(struct cpu *cpu, struct vcpu *vcpu, uint32_t completed);
	void (*start_any)(struct cpu *cpu, struct vcpu *vcpu, uint32_t completed) __attribute__((noreturn));
	/* Fills the page as for an exit, without one. */
	void (*fill)(struct vcpu *vcpu);

	/* What the hardware has listed of the guest's writes, to the dirty log; NULL: it lists none. The vcpu is not in its guest. */
	void (*gather)(struct vcpu *vcpu);

	/* Hardware form to vcpu->state, these groups only. */
	void (*state_get)(struct vcpu *vcpu, uint32_t groups);
	/* It was checked; what the processor refuses all the same ends the entry. */
	void (*state_set)(struct vcpu *vcpu, const struct gyre_vcpu_state *state, uint32_t groups);
};

extern const struct vcpu_ops *vcpu_ops; /* of this machine; NULL: none */

#endif
