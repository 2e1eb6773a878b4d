/* SPDX-License-Identifier: Apache-2.0 */
/* services/root/main.c: root's start, its one loop, and the machine's end. */
#include "services/root/root.h"
#include "services/root/accounts.h"
#include "services/root/console.h"
#include "services/root/lives.h"
#include "services/root/output.h"
#include "services/root/rtc.h"
#include "services/root/share.h"
#include "services/root/vm.h"
#include "lib/format.h"
#include "lib/native.h"
#include "lib/string.h"
#include "gyre/frame.h"

#define POLL_MS	   250u /* how soon is seen what nobody signals: lines of the core's log, a monitor that just went */
#define FIRST_PAGE 256u /* what lies below 1 MiB stays the firmware's */

struct root root;

/* ---- start ---- */

static void memory_init(void)
{
	for (uint32_t i = 0; i < root.boot->ranges && i < GYRE_BOOT_RANGES; i++)
		pool_give(&root.pool, root.boot->range[i].first_page, root.boot->range[i].pages);
	pool_reserve(&root.pool, 0, FIRST_PAGE);
	for (uint32_t i = 0; i < root.boot->modules && i < GYRE_BOOT_MODULES; i++)
		pool_reserve(&root.pool, root.boot->module[i].first_page, (root.boot->module[i].bytes + 4095) / 4096);
}

static void clock_init(void)
{
	root.start_tsc = tsc();
	if (root.config.header != NULL && root.config.header->wall_clock != 0) {
		root.wall_seconds = root.config.header->wall_clock;
		return;
	}
	long ports = ioports_create(GYRE_ROOT_MACHINE, 0x70, 2);
	if (ports > 0 && ioports_grant(0, (handle_t)ports) == 0) {
		root.wall_seconds = rtc_read(root.fadt.century);
		root.start_tsc = tsc();
	}
	if (ports > 0)
		object_destroy((handle_t)ports);
	if (root.wall_seconds == 0)
		root_log("the clock shows no date: guests start in 1970");
}

/* The description stays mapped, in a window of its own. */
static int config_load(struct config_fault *fault)
{
	const struct gyre_boot_module *module = file_find("config");
	if (module == NULL)
		return VM_FAULT(
			fault, GYRE_STATUS_NOT_FOUND, "the boot module \"config\" is missing: make the image again");
	uint64_t pages = (module->bytes + 4095) / 4096;
	if (pages == 0)
		return VM_FAULT(fault, GYRE_STATUS_FAILED, "the boot module \"config\" is empty: make the image again");
	if (memory_map_all(0, GYRE_ROOT_RAM, module->first_page, WINDOW_CONFIG, pages, GYRE_RIGHT_READ) < 0)
		return VM_FAULT(fault, GYRE_STATUS_LACKS, "too little memory for the description");
	int error = config_check((const void *)WINDOW_CONFIG, module->bytes, &root.config, fault);
	if (error < 0)
		root.config.header = NULL;
	return error;
}

/* The value of KEY=, or NULL; key with its "=". */
static const char *option_value(const char *key)
{
	const char *line = root.boot->command_line;
	size_t length = strlen(key);
	for (const char *at = line; (at = strstr(at, key)) != NULL; at++)
		if (at == line || at[-1] == ' ')
			return at + length;
	return NULL;
}

int option_given(const char *word)
{
	const char *behind = option_value(word);
	return behind != NULL && (*behind == 0 || *behind == ' ');
}

int option_number(const char *key, uint64_t *number)
{
	const char *text = option_value(key);
	uint64_t value = 0;
	unsigned digits = 0;
	for (; text != NULL && *text >= '0' && *text <= '9' && digits < 18; digits++)
		value = value * 10 + (uint64_t)(*text++ - '0');
	*number = value;
	return digits > 0 && (*text == 0 || *text == ' ');
}

/* ---- what the other end says ---- */

void frame_received(uint8_t type, uint8_t vm, const uint8_t *data, size_t bytes)
{
	if (type == GYRE_FRAME_QUIT)
		root.quit = 1;
	else if (type == GYRE_FRAME_CONSOLE && vm < GYRE_CONFIG_VMS)
		vm_input(&vms[vm], data, bytes);
	else if (type == GYRE_FRAME_DEBUG && vm < GYRE_CONFIG_VMS)
		vm_debug(&vms[vm], data, bytes);
	else if (type == GYRE_FRAME_CONTROL)
		control_request(vm, data, bytes);
}

/* ---- the machine ---- */

static void machine_end(int32_t code)
{
	output_core_log(OUTPUT_ALL);
	console_flush();
	output_frame(GYRE_FRAME_MACHINE_END, GYRE_FRAME_MACHINE, &code, sizeof(code), NULL, 0);
	power_off();
}

/* A test build of the core looks at its own books while the monitors run: that takes long, with interrupts off, so not each time that anything happens. */
static void invariants_check(int now)
{
	static int said;
	static uint64_t next;
	if (!now && tsc() < next)
		return;
	long result = root.accounts ? machine_check(GYRE_ROOT_MACHINE) : 0;
	next = tsc() + root.machine.tsc_khz * POLL_MS;
	if (result < 0 && result != -GYRE_ENOSYS && !said++)
		root_log("the core's invariants do not hold (error %ld)", result);
}

/* What monitors made it do since `begin`; starts and ends of VMs are another matter. */
static void rest(uint64_t begin, uint64_t aside)
{
	static struct share share;
	uint64_t bits, end = tsc(),
		       until = share_spend(&share, begin + (root.aside - aside), end, root.machine.tsc_khz);
	if (until > end && lives_running() > 1)
		event_wait(root.rest, until, &bits);
}

static void loop(void)
{
	uint64_t poll = root.machine.tsc_khz * POLL_MS;
	while (!lives_over() && !root.quit) {
		uint64_t bits, due = lives_due(tsc() + poll);
		event_timer(root.event, ROOT_EVENT_TIMER, due);
		if (event_wait(root.event, GYRE_FOREVER, &bits) < 0)
			continue;
		uint64_t begin = tsc(), aside = root.aside;
		if ((bits & 1ull << ROOT_EVENT_UART) != 0)
			output_interrupt();
		console_turn();
		lives_turn();
		output_core_log(OUTPUT_ROOM);
		rest(begin, aside);
		invariants_check(0);
	}
	lives_end();
}

static long root_init(const struct gyre_boot_info *boot)
{
	root.boot = boot;
	long error = machine_info(&root.machine);
	if (error < 0)
		return error;
	long event = event_create(), rest_event = event_create(), endpoint = endpoint_create();
	if (event < 0 || rest_event < 0 || endpoint < 0)
		return -GYRE_ENOMEM;
	root.rest = (handle_t)rest_event;
	root.event = (handle_t)event;
	root.endpoint = (handle_t)endpoint;
	if ((error = thread_schedule(GYRE_ROOT_THREAD, ROOT_PRIORITY, 0, 0, 0, 0)) < 0)
		return error;
	return server_start();
}

void native_main(void *argument)
{
	struct config_fault fault;
	const struct gyre_boot_info *boot = argument;
	if (boot->magic != GYRE_BOOT_MAGIC)
		native_panic("root and core are of different versions");
	long error = root_init(boot);
	if (error < 0)
		native_panic("root cannot start (error %ld)", error);
	root.accounts = option_given("accounts=on");
	memory_init();
	output_init();
	files_clear_tails();
	error = config_load(&fault);
	/* Without a description nobody knows who listens on COM2: what is wrong with it is said there too. */
	if (error == 0 && (root.config.header->flags & GYRE_CONFIG_EMULATED) == 0)
		output_no_frames();
	root.emulated = output_has_frames();
	if (root.emulated && error == 0)
		output_quick();
	output_core_log(OUTPUT_ALL);
	output_frame(GYRE_FRAME_READY, GYRE_FRAME_MACHINE, NULL, 0, NULL, 0);
	power_init();
	if (error < 0) {
		root_log("%s", fault.text);
		machine_end(fault.status);
	}
	clock_init();
	if (option_given("measure=ipc"))
		measure_ipc();
	console_begin();
	accounts_begin();
	accounts_log("before");
	lives_begin();
	loop();
	invariants_check(1);
	accounts_log("after");
	machine_end(lives_code());
}
