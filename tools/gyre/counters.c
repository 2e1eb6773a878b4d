/* SPDX-License-Identifier: Apache-2.0 */
/* tools/gyre/counters.c: see counters.h. */
#include "tools/gyre/counters.h"
#include "include/gyre/channel.h"
#include "include/gyre/vcpu.h"

#include <jansson.h>
#include <string.h>

/* {"core": figures of the machine as the last frame had them, "vcpus": [counters, ...]} */
static json_t *core, *vcpus;
static bool full;
#define VCPUS_MOST 1024u

static void exits_json(json_t *json, const struct gyre_vcpu_counters *counters)
{
#define EXIT_COUNT(name, number) json_object_set_new(json, #name, json_integer((json_int_t)counters->exits[number]));
	GYRE_EXITS(EXIT_COUNT)
}

void counters_add(const char *vm, const void *data, size_t bytes)
{
	struct gyre_vcpu_counters counters;
	struct gyre_root_figures figures;

	if (bytes != sizeof(counters) + sizeof(figures)) {
		say("%s: counters of %zu bytes instead of %zu are left out", vm, bytes,
			sizeof(counters) + sizeof(figures));
		return;
	}
	memcpy(&counters, data, sizeof(counters));
	memcpy(&figures, (const uint8_t *)data + sizeof(counters), sizeof(figures));
	/* A monitor that is its guest's may send them without end. */
	if (json_array_size(vcpus) >= VCPUS_MOST) {
		if (!full)
			say("%s: more counters than %u are left out", vm, VCPUS_MOST);
		full = true;
		return;
	}
	json_t *json = json_object(), *exits = json_object(), *others = json_object();
	json_object_set_new(json, "vm", json_string(vm));
	exits_json(exits, &counters);
	json_object_set_new(json, "exits", exits);
#define COUNTER(name) json_object_set_new(json, #name, json_integer((json_int_t)counters.name));
	COUNTER(guest_tsc_ticks)
	COUNTER(injected)
	COUNTER(reinjected)
	COUNTER(tlb_flushes)
	COUNTER(asid_generations)
	COUNTER(fpu_loads)
	COUNTER(fpu_saves)
	COUNTER(hypercalls_foreign)
#define FIGURE(name) json_object_set_new(others, #name, json_integer((json_int_t)figures.name));
	GYRE_ROOT_FIGURES(FIGURE)
	json_decref(core);
	core = others;
	if (!vcpus)
		vcpus = json_array();
	json_array_append_new(vcpus, json);
}

int counters_write(const char *path)
{
	json_t *all = json_object();

	json_object_set_new(all, "core", core ? core : json_object());
	json_object_set_new(all, "vcpus", vcpus ? vcpus : json_array());
	bool written = json_dump_file(all, path, JSON_INDENT(2)) == 0;
	json_decref(all);
	core = vcpus = NULL;
	return written ? 0 : fail(GYRE_STATUS_FAILED, "%s: the counters cannot be written", path);
}
