/* SPDX-License-Identifier: Apache-2.0 */
/* monitor/debug/breaks.c: breakpoints are INT3, written into the guest's RAM past its page tables' rights, and only while it runs. */
#include "monitor/debug/inside.h"
#include "gyre/errors.h"

#define INT3 0xccu

static struct debug_break *find(struct debug *debug, uint64_t address, bool passing)
{
	for (unsigned i = 0; i < DEBUG_BREAKS; i++)
		if (debug->breaks[i].used && debug->breaks[i].address == address && debug->breaks[i].passing == passing)
			return &debug->breaks[i];
	return NULL;
}

int breaks_set(struct debug *debug, uint64_t address, bool passing)
{
	uint64_t gpa;
	if (find(debug, address, passing) != NULL)
		return 0;
	if (!debug_translate(debug, address, &gpa) || machine_ram(debug->machine, gpa, 1) == NULL)
		return -GYRE_EINVAL;
	for (unsigned i = 0; i < DEBUG_BREAKS; i++)
		if (!debug->breaks[i].used) {
			debug->breaks[i] = (struct debug_break){
				.used = true, .passing = passing, .address = address, .gpa = gpa};
			return 0;
		}
	return -GYRE_ENOMEM;
}

int breaks_clear(struct debug *debug, uint64_t address)
{
	struct debug_break *found = find(debug, address, false);
	if (found != NULL)
		found->used = false;
	return 0;
}

void breaks_clear_all(struct debug *debug)
{
	breaks_lift(debug);
	for (unsigned i = 0; i < DEBUG_BREAKS; i++)
		debug->breaks[i].used = false;
}

void breaks_plant(struct debug *debug, bool passing)
{
	debug->started = debug->machine->started;
	for (unsigned i = 0; i < DEBUG_BREAKS; i++) {
		struct debug_break *one = &debug->breaks[i];
		uint8_t *byte = machine_ram(debug->machine, one->gpa, 1);
		if (!one->used || one->passing != passing || byte == NULL)
			continue;
		one->original = *byte;
		one->planted = true;
		*byte = INT3;
	}
}

/* Backwards: of two at one place, the first one has the guest's own byte. */
void breaks_lift(struct debug *debug)
{
	for (unsigned i = DEBUG_BREAKS; i-- > 0;) {
		struct debug_break *one = &debug->breaks[i];
		uint8_t *byte = one->planted ? machine_ram(debug->machine, one->gpa, 1) : NULL;
		/* What the guest has written there since is its own. */
		if (byte != NULL && *byte == INT3)
			*byte = one->original;
		one->planted = false;
		if (one->passing)
			one->used = false;
	}
}

void breaks_forget(struct debug *debug)
{
	for (unsigned i = 0; i < DEBUG_BREAKS; i++)
		debug->breaks[i].planted = false;
}

bool breaks_at(struct debug *debug)
{
	uint64_t gpa;
	if (!debug_translate(debug, debug_linear(debug, debug->machine->vcpu.page->rip), &gpa))
		return false;
	for (unsigned i = 0; i < DEBUG_BREAKS; i++)
		if (debug->breaks[i].planted && debug->breaks[i].gpa == gpa)
			return true;
	return false;
}
