/* SPDX-License-Identifier: Apache-2.0 */
/* tools/gyre/counters.c: see counters.h. */
#include "tools/gyre/counters.h"
#include "include/gyre/vcpu.h"

#include <jansson.h>
#include <string.h>

/* Figures of the core behind the counters of a vcpu, in the order that services/root sends them. */
static const char *const core_figures[] = {"core0", "core1", "core2", "core3", "core4", "core5", "core6", "core7"};
#define CORE_FIGURES (sizeof(core_figures) / sizeof(core_figures[0]))

static json_t *all;

static void exits_json(json_t *json, const struct gyre_vcpu_counters *counters)
{
#define EXIT_COUNT(name, number) json_object_set_new(json, #name, json_integer((json_int_t)counters->exits[number]));
	GYRE_EXITS(EXIT_COUNT)
}

void counters_add(const char *vm, const void *data, size_t bytes)
{
	struct gyre_vcpu_counters counters;
	uint64_t core[CORE_FIGURES];

	if (bytes != sizeof(counters) + sizeof(core)) {
		say("%s: counters of %zu bytes instead of %zu are left out", vm, bytes,
			sizeof(counters) + sizeof(core));
		return;
	}
	memcpy(&counters, data, sizeof(counters));
	memcpy(core, (const uint8_t *)data + sizeof(counters), sizeof(core));
	json_t *json = json_object(), *exits = json_object(), *figures = json_object();
	json_object_set_new(json, "vm", json_string(vm));
	exits_json(exits, &counters);
	json_object_set_new(json, "exits", exits);
#define COUNTER(name) json_object_set_new(json, #name, json_integer((json_int_t)counters.name));
	COUNTER(entries)
	COUNTER(guest_tsc_ticks)
	COUNTER(injected)
	COUNTER(reinjected)
	COUNTER(tlb_flushes)
	COUNTER(asid_generations)
	COUNTER(fpu_loads)
	COUNTER(fpu_saves)
	COUNTER(hypercalls_foreign)
	for (size_t i = 0; i < CORE_FIGURES; i++)
		json_object_set_new(figures, core_figures[i], json_integer((json_int_t)core[i]));
	json_object_set_new(json, "core", figures);
	if (!all)
		all = json_array();
	json_array_append_new(all, json);
}

int counters_write(const char *path)
{
	if (!all)
		all = json_array();
	if (json_dump_file(all, path, JSON_INDENT(2)) < 0)
		return fail(GYRE_STATUS_FAILED, "%s: the counters cannot be written", path);
	return 0;
}
