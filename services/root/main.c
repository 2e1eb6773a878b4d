/* SPDX-License-Identifier: Apache-2.0 */
/* services/root/main.c: root's start, its one loop, and the machine's end. */
#include "services/root/root.h"
#include "services/root/output.h"
#include "services/root/rtc.h"
#include "services/root/vm.h"
#include "lib/format.h"
#include "lib/native.h"
#include "lib/string.h"
#include "gyre/frame.h"

#define POLL_MS	   250u /* how soon is seen what nobody signals: lines of the core's log, a monitor that just went */
#define FIRST_PAGE 256u /* what lies below 1 MiB stays the firmware's */

struct root root;
struct vm vms[GYRE_CONFIG_VMS];

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

static int word_in(const char *line, const char *word)
{
	size_t length = strlen(word);
	for (const char *at = line; (at = strstr(at, word)) != NULL; at++)
		if ((at == line || at[-1] == ' ') && (at[length] == 0 || at[length] == ' '))
			return 1;
	return 0;
}

/* ---- what the other end says ---- */

void frame_received(uint8_t type, uint8_t vm, const uint8_t *data, size_t bytes)
{
	if (type == GYRE_FRAME_QUIT)
		root.quit = 1;
	else if (type == GYRE_FRAME_CONSOLE && vm < GYRE_CONFIG_VMS)
		vm_input(&vms[vm], data, bytes);
}

/* ---- VMs' ends ---- */

static int32_t end_code(uint32_t reason, uint32_t code)
{
	switch (reason) {
	case GYRE_END_POWER_OFF:
	case GYRE_END_RESET: return GYRE_STATUS_OFF;
	case GYRE_END_DEBUG_EXIT: return (int32_t)((2 * code + 1) & 255);
	case GYRE_END_TRIPLE_FAULT:
	case GYRE_END_CRASHED: return GYRE_STATUS_CRASHED;
	case GYRE_END_REFUSED:
		return code == GYRE_STATUS_USAGE || code == GYRE_STATUS_NOT_FOUND || code == GYRE_STATUS_LACKS ||
				       code == GYRE_STATUS_REFUSED
			       ? (int32_t)code
			       : GYRE_STATUS_FAILED;
	case GYRE_END_KILLED: return GYRE_STATUS_STATE;
	default: return GYRE_STATUS_FAILED;
	}
}

static void crash_report(struct vm *vm)
{
	static const char *const names[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10",
		"r11", "r12", "r13", "r14", "r15"};
	const struct vm_report *report = &vm->report;
	char text[GYRE_CHANNEL_TEXT];
	gyre_snprintf(text, sizeof(text), "its monitor crashed: trap %u, error %lx, address %lx, at %lx",
		(unsigned)report->trap, (unsigned long)report->error, (unsigned long)report->address,
		(unsigned long)report->rip);
	root_log("%s: %s", vm->entry->name, text);
	for (int i = 0; i < 16; i += 4)
		root_log("%s: %s %016lx %s %016lx %s %016lx %s %016lx", vm->entry->name, names[i],
			report->registers.gpr[i], names[i + 1], report->registers.gpr[i + 1], names[i + 2],
			report->registers.gpr[i + 2], names[i + 3], report->registers.gpr[i + 3]);
	vm_end(vm, GYRE_END_MONITOR, GYRE_STATUS_FAILED, text);
}

/* Starting what runs changes nothing. Nobody but root has a handle of this thread, so it never stands still. */
static int monitor_gone(const struct vm *vm)
{
	return thread_start(vm->thread) == -GYRE_EDEAD;
}

static void reports_take(void)
{
	for (uint32_t i = 0; i < root.config.header->vms; i++) {
		struct vm *vm = &vms[i];
		if (vm->state != VM_RUNNING)
			continue;
		int gone = monitor_gone(vm); /* before its report: what it said last counts */
		switch (__atomic_load_n(&vm->report.what, __ATOMIC_ACQUIRE)) {
		case REPORT_END:
			vm_end(vm, vm->report.reason, end_code(vm->report.reason, vm->report.code),
				vm->channel->end_text);
			break;
		case REPORT_FAULT: crash_report(vm); break;
		default:
			if (gone)
				vm_end(vm, GYRE_END_MONITOR, GYRE_STATUS_FAILED, "its monitor went without a word");
			break;
		}
	}
}

static int all_ended(void)
{
	for (uint32_t i = 0; i < root.config.header->vms; i++)
		if (vms[i].state != VM_ENDED)
			return 0;
	return 1;
}

/* ---- the machine ---- */

static void machine_end(int32_t code)
{
	output_core_log(OUTPUT_ALL);
	output_frame(GYRE_FRAME_MACHINE_END, GYRE_FRAME_MACHINE, &code, sizeof(code), NULL, 0);
	power_off();
}

/* A test build of the core looks at its own books while the monitors run. */
static void invariants_check(void)
{
	static int said;
	long result = root.accounts ? machine_check(GYRE_ROOT_MACHINE) : 0;
	if (result < 0 && result != -GYRE_ENOSYS && !said++)
		root_log("the core's invariants do not hold (error %ld)", result);
}

static void accounts_log(const char *when)
{
	struct gyre_machine_info machine;
	struct gyre_process_info own;
	if (!root.accounts || machine_info(&machine) < 0 || process_info(0, &own) < 0)
		return;
	invariants_check();
	root_log("accounts %s: %lu pages free, %lu frames, %lu objects, %lu handles; root %lu frames, %u handles", when,
		(unsigned long)pool_free(&root.pool), (unsigned long)machine.frames_used,
		(unsigned long)machine.objects_live, (unsigned long)machine.handles_live, own.used_frames, own.handles);
}

static void loop(void)
{
	uint64_t poll = root.machine.tsc_khz * POLL_MS;
	while (!all_ended() && !root.quit) {
		uint64_t bits;
		event_timer(root.event, ROOT_EVENT_TIMER, tsc() + poll);
		if (event_wait(root.event, GYRE_FOREVER, &bits) < 0)
			continue;
		if ((bits & 1ull << ROOT_EVENT_UART) != 0)
			output_interrupt();
		vm_channels_pump(vms, root.config.header->vms);
		output_core_log(OUTPUT_ROOM);
		reports_take();
		invariants_check();
	}
	for (uint32_t i = 0; i < root.config.header->vms; i++)
		if (vms[i].state == VM_RUNNING)
			vm_end(&vms[i], GYRE_END_KILLED, GYRE_STATUS_STATE, "ended with the machine");
}

static void vms_start(void)
{
	for (uint32_t i = 0; i < root.config.header->vms; i++)
		vm_start(&vms[i], i);
}

static long root_init(const struct gyre_boot_info *boot)
{
	root.boot = boot;
	long error = machine_info(&root.machine);
	if (error < 0)
		return error;
	long event = event_create(), endpoint = endpoint_create();
	if (event < 0 || endpoint < 0)
		return event < 0 ? event : endpoint;
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
	root.accounts = word_in(boot->command_line, "accounts=on");
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
	if (word_in(boot->command_line, "measure=ipc"))
		measure_ipc();
	accounts_log("before");
	vms_start();
	loop();
	accounts_log("after");
	machine_end(vms[0].code);
}
