/* SPDX-License-Identifier: Apache-2.0 */
/* tools/gyre/emulate.c: `gyre emulate`: boots Gyre with VMs on an emulated machine and stays with it. */
#include "tools/gyre/arguments.h"
#include "tools/gyre/commands.h"
#include "tools/gyre/control.h"
#include "tools/gyre/iso.h"
#include "tools/gyre/machine.h"
#include "tools/gyre/process.h"
#include "tools/gyre/session.h"
#include "tools/gyre/trace_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

static const char help[] =
	"usage: gyre emulate --machine M [options] VM... [-- MORE]\n"
	"\n"
	"Boots Gyre on an emulated machine with these VMs. Standard output and input are the first VM's serial "
	"console; the other\n"
	"consoles and Gyre's own words go to standard error. On a terminal, one console is shown: Ctrl-] and then a "
	"digit shows\n"
	"that VM's, [ looks back in it, q quits, Ctrl-] sends Ctrl-] (docs/console.md).\n"
	"\n"
	"  --machine amd                 an AMD machine with SVM and nested paging, on QEMU\n"
	"            amd-shadow          the same without nested paging, on which this version of Gyre refuses to run\n"
	"            intel               an Intel machine with VT-x and EPT, on Bochs (2G of memory at most, BIOS, no "
	"network)\n"
	"            intel-shadow        the same without EPT, on which this version of Gyre refuses to run\n"
	"  --cpu-model NAME              a processor in its place, of the same vendor: a model of QEMU's, exactly as "
	"given\n"
	"                                (EPYC,-svm), or one of Bochs's, which then runs the machine "
	"(corei7_skylake_x, ryzen)\n"
	"  --host-memory SIZE            the machine's memory; left out: what the VMs need and 256M\n"
	"  --machine-firmware bios|uefi  left out: bios\n"
	"  --timeout SECONDS             ends the machine after that long, with exit code 14\n"
	"  --no-reboot                   a reset ends the VM, a triple fault with exit code 16\n"
	"  --icount                      the machine's time counts instructions, its date is fixed and nothing is "
	"random:\n"
	"                                every run is the same (Bochs's time counts instructions in any case)\n"
	"  --core-option KEY=VALUE       for the core's command line; may be repeated\n"
	"  --gdb PORT                    a debugger may come to 127.0.0.1:PORT: gdb KERNEL -ex 'target remote :PORT'. "
	"The first VM\n"
	"                                waits for it before its first instruction\n"
	"  --gdb-run                     it does not wait\n"
	"  --trace FILE                  every exit of the VMs, to be read by gyre trace\n"
	"  --counters FILE               how often each kind of exit came, as JSON\n"
	"  --test-recreate first:N,every:N,seed:N\n"
	"                                the first VM is saved and goes on in a new monitor at each of its first "
	"exits, "
	"then\n"
	"                                at one in so many by chance (a test of the saved state)\n"
	"  --control SOCKET              listens on a Unix socket of this name: gyre control SOCKET lists, starts, "
	"stops "
	"and kills\n"
	"                                the VMs. The machine ends, as ever, when none runs or is to be started again, "
	"but "
	"not\n"
	"                                before one was started\n"
	"  --lib-dir FOLDER              where gyre-core.elf, root.elf and monitor.elf are, if not beside gyre\n"
	"  -- MORE                       for QEMU arguments; for Bochs lines of its configuration, each in one word\n"
	"\n"
	"VM: NAME.yaml (gyre show --help has its keys), or inline:\n"
	"  --vm NAME --kernel FILE [--append TEXT] [--initrd 'FILE [ARGUMENTS]']... [--memory SIZE] [--cpus N]\n"
	"  [--level portable-1|host] [--test-device]\n"
	"\n"
	"The exit code is the first VM's; gyre --help has the list.\n";

/* Beside the VMs' memory: Gyre itself, and firmware. */
#define HOST_MEMORY_REST  (256 * MIB)
/* Below this neither firmware nor GRUB starts, and nobody would say so. */
#define HOST_MEMORY_LEAST (16 * MIB)
#define HOST_MEMORY_TIGHT (64 * MIB)

struct emulate {
	struct iso iso;
	const char *machine, *cpu, *firmware, *trace, *counters, *recreate, *control;
	uint64_t host_memory;
	double timeout;
	bool icount;
	uint16_t gdb; /* 0: none */
	bool gdb_run;
	char **more;
};

static int set_machine(void *command, const char *value)
{
	((struct emulate *)command)->machine = value;
	return machine_name_check(value);
}

static int set_cpu(void *command, const char *value)
{
	if (!*value || *value == ',')
		return fail(GYRE_STATUS_USAGE, "--cpu-model: name a processor, as EPYC or corei7_skylake_x");
	((struct emulate *)command)->cpu = value;
	return 0;
}

static int set_host_cpus(void *command, const char *value)
{
	uint64_t cpus;

	(void)command;
	if (!number_parse(value, 1, 4096, &cpus))
		return fail(GYRE_STATUS_USAGE, "--host-cpus %s: write a number of CPUs", value);
	if (cpus > 1)
		return fail(GYRE_STATUS_USAGE, "--host-cpus %s: this version of Gyre runs on one CPU only", value);
	return 0;
}

static int set_host_memory(void *command, const char *value)
{
	struct emulate *emulate = command;
	const char *wrong = size_parse(value, &emulate->host_memory);

	if (wrong)
		return fail(GYRE_STATUS_USAGE, "--host-memory: \"%s\" %s", value, wrong);
	if (emulate->host_memory % MIB || !emulate->host_memory)
		return fail(GYRE_STATUS_USAGE, "--host-memory %s: write whole MiB", value);
	return 0;
}

static int set_firmware(void *command, const char *value)
{
	if (strcmp(value, "bios") && strcmp(value, "uefi"))
		return fail(GYRE_STATUS_USAGE, "--machine-firmware %s: write bios or uefi", value);
	((struct emulate *)command)->firmware = value;
	return 0;
}

static int set_timeout(void *command, const char *value)
{
	if (!seconds_parse(value, 1e8, &((struct emulate *)command)->timeout))
		return fail(GYRE_STATUS_USAGE, "--timeout %s: write a number of seconds", value);
	return 0;
}

static int set_no_reboot(void *command, const char *value)
{
	struct emulate *emulate = command;

	(void)value;
	emulate->iso.header_flags |= GYRE_CONFIG_NO_REBOOT;
	emulate->iso.vm_flags |= GYRE_VM_NO_REBOOT;
	return 0;
}

static int set_icount(void *command, const char *value)
{
	(void)value;
	((struct emulate *)command)->icount = true;
	((struct emulate *)command)->iso.repeatable = true;
	return 0;
}

static int set_core_option(void *command, const char *value)
{
	return iso_core_option(&((struct emulate *)command)->iso, value);
}

static int set_trace(void *command, const char *value)
{
	struct emulate *emulate = command;

	emulate->trace = value;
	emulate->iso.vm_flags |= GYRE_VM_TRACE;
	return *value ? 0 : fail(GYRE_STATUS_USAGE, "--trace needs a file's name");
}

static int set_counters(void *command, const char *value)
{
	struct emulate *emulate = command;

	emulate->counters = value;
	emulate->iso.vm_flags |= GYRE_VM_COUNTERS;
	return *value ? 0 : fail(GYRE_STATUS_USAGE, "--counters needs a file's name");
}

static int set_recreate(void *command, const char *value)
{
	((struct emulate *)command)->recreate = value;
	return 0;
}

static int set_control(void *command, const char *value)
{
	struct emulate *emulate = command;

	emulate->control = value;
	emulate->iso.header_flags |= GYRE_CONFIG_CONTROL;
	return *value ? 0 : fail(GYRE_STATUS_USAGE, "--control needs the name of a socket");
}

static int set_gdb(void *command, const char *value)
{
	uint64_t port;

	if (!number_parse(value, 1, 65535, &port))
		return fail(GYRE_STATUS_USAGE, "--gdb %s: write the number of a TCP port, 1 to 65535", value);
	((struct emulate *)command)->gdb = (uint16_t)port;
	return 0;
}

static int set_gdb_run(void *command, const char *value)
{
	(void)value;
	((struct emulate *)command)->gdb_run = true;
	return 0;
}

static int set_lib_dir(void *command, const char *value)
{
	((struct emulate *)command)->iso.lib_dir = value;
	return 0;
}

static const struct option_spec options[] = {
	{.name = "--machine", .takes_value = true, .set = set_machine},
	{.name = "--cpu-model", .takes_value = true, .set = set_cpu},
	{.name = "--host-cpus", .takes_value = true, .set = set_host_cpus},
	{.name = "--host-memory", .takes_value = true, .set = set_host_memory},
	{.name = "--machine-firmware", .takes_value = true, .set = set_firmware},
	{.name = "--timeout", .takes_value = true, .set = set_timeout},
	{.name = "--no-reboot", .set = set_no_reboot},
	{.name = "--icount", .set = set_icount},
	{.name = "--core-option", .takes_value = true, .set = set_core_option},
	{.name = "--gdb", .takes_value = true, .set = set_gdb},
	{.name = "--gdb-run", .set = set_gdb_run},
	{.name = "--trace", .takes_value = true, .set = set_trace},
	{.name = "--counters", .takes_value = true, .set = set_counters},
	{.name = "--test-recreate", .takes_value = true, .set = set_recreate},
	{.name = "--control", .takes_value = true, .set = set_control},
	{.name = "--lib-dir", .takes_value = true, .set = set_lib_dir},
	{.name = NULL},
};

/* The machine's memory, or an exit code in *status. */
static uint64_t host_memory(const struct emulate *emulate, const struct emulator *emulator,
	const struct description *description, int *status)
{
	uint64_t need = HOST_MEMORY_REST + 2 * description_file_bytes(description);
	struct sysinfo here;

	*status = 0;
	if (emulate->host_memory) {
		if (emulate->host_memory > emulator->memory_most)
			*status = fail(GYRE_STATUS_USAGE, "--host-memory %s is more than the %s of a machine on %s",
				size_text(emulate->host_memory), size_text(emulator->memory_most), emulator->name);
		else if (emulate->host_memory < HOST_MEMORY_LEAST)
			*status = fail(GYRE_STATUS_LACKS,
				"--host-memory %s: the machine needs 16M at least to start Gyre",
				size_text(emulate->host_memory));
		return emulate->host_memory;
	}
	for (unsigned i = 0; i < description->vms; i++)
		need += description->vm[i].memory;
	need = (need + MIB - 1) / MIB * MIB;
	if (sysinfo(&here) == 0 && need > (uint64_t)here.totalram * here.mem_unit)
		*status = fail(GYRE_STATUS_LACKS,
			"the VMs need a machine of %s, and this computer has %lluM of memory: give them less by "
			"--memory",
			size_text(need), (unsigned long long)((uint64_t)here.totalram * here.mem_unit / MIB));
	else if (need > emulator->memory_most)
		*status = fail(GYRE_STATUS_LACKS,
			"the VMs need a machine of %s, and one on %s has %s at most: give them less by --memory",
			size_text(need), emulator->name, size_text(emulator->memory_most));
	return need;
}

/* The core's pool, where the VMs need more of it than the share of the machine's memory that the core takes by itself. */
#define POOL_SHARE     256
#define POOL_REST      (1 * MIB) /* for the core and for root */
#define POOL_FRAMES_VM 16	 /* that root needs for each */
static int core_pool(struct emulate *emulate, const struct description *description, uint64_t memory)
{
	uint64_t need = POOL_REST;

	for (unsigned i = 0; i < description->vms; i++)
		need += 4096 * (POOL_FRAMES_VM +
				       gyre_vm_frames(description->vm[i].memory, vm_file_bytes(&description->vm[i])));
	if (need <= memory / POOL_SHARE || need <= 4 * MIB)
		return 0;
	char *option = text_format("pool=%lluM", (unsigned long long)((need + 2 * MIB - 1) / (2 * MIB) * 2));
	int status = iso_core_option_default(&emulate->iso, option);
	free(option);
	return status;
}

static int trace_open(FILE **file, const char *path, const struct description *description)
{
	struct trace_file_header header = {
		.magic = TRACE_FILE_MAGIC,
		.version = TRACE_FILE_VERSION,
		.record_bytes = sizeof(struct gyre_trace_record),
		.vms = description->vms,
	};

	*file = fopen(path, "wbe");
	if (!*file)
		return fail(GYRE_STATUS_FAILED, "--trace %s: %s", path, strerror(errno));
	bool good = fwrite(&header, sizeof(header), 1, *file) == 1;
	for (unsigned i = 0; i < description->vms; i++) {
		char name[GYRE_NAME_BYTES] = {0};
		strncpy(name, description->vm[i].name, sizeof(name) - 1);
		good = good && fwrite(name, sizeof(name), 1, *file) == 1;
	}
	return good ? 0 : fail(GYRE_STATUS_FAILED, "--trace %s: it cannot be written", path);
}

/* The image without a name: whatever becomes of us, nothing of it stays. */
static int make_iso(struct emulate *emulate, int *iso)
{
	char *folder = folder_make();

	if (!folder)
		return GYRE_STATUS_FAILED;
	char *path = text_format("%s/gyre.iso", folder);
	emulate->iso.output = path;
	int status = iso_make(&emulate->iso, folder);
	if (!status && (*iso = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		status = fail(GYRE_STATUS_FAILED, "%s: %s", path, strerror(errno));
	folder_remove(folder);
	free(path);
	free(folder);
	return status;
}

/* A firmware reads the image slowly, and an emulator too. */
#define SILENCE_SECONDS 180.0
static double silence(const struct emulator *emulator, int iso)
{
	struct stat about;

	return SILENCE_SECONDS +
	       (fstat(iso, &about) == 0 ? emulator->megabyte_seconds * (double)about.st_size / MIB : 0);
}

/* What was asked for as far as it depends on the machine. */
static int choose_machine(struct emulate *emulate, struct machine_model *model, bool uefi)
{
	int status = machine_model(model, emulate->machine, emulate->cpu);

	if (!status && uefi && !model->emulator->has_uefi)
		status = fail(GYRE_STATUS_USAGE, "--machine-firmware uefi: a machine on %s has a BIOS only",
			model->emulator->name);
	if (!status && model->core_option)
		status = iso_core_option(&emulate->iso, model->core_option);
	if (!status && model->emulator->core_option)
		status = iso_core_option_default(&emulate->iso, model->emulator->core_option);
	return status;
}

static int run(struct emulate *emulate, const struct description *description)
{
	struct machine_config config = {.icount = emulate->icount,
		.more = emulate->more,
		.terminal = isatty(STDIN_FILENO),
		.patience = emulate->timeout};
	struct session_config session = {
		.description = description, .timeout = emulate->timeout, .counters = emulate->counters};
	struct debug_port debug;
	struct machine_model model;
	int status, interrupted = 0;

	config.uefi = session.uefi = emulate->firmware && !strcmp(emulate->firmware, "uefi");
	status = choose_machine(emulate, &model, config.uefi);
	if (status)
		return status;
	struct machine machine = {.emulator = model.emulator};
	config.cpu = model.cpu;
	config.memory = host_memory(emulate, model.emulator, description, &status);
	session.tight = config.memory < HOST_MEMORY_TIGHT;
	if (!status)
		status = model.emulator->check(config.uefi);
	if (status)
		return status;
	if ((status = core_pool(emulate, description, config.memory)) != 0)
		return status;
	emulate->iso.bios = !config.uefi;
	emulate->iso.uefi = config.uefi;
	status = make_iso(emulate, &config.iso);
	/* Only now, so that nothing is lost of an older trace when the command is wrong. */
	if (!status && emulate->trace)
		status = trace_open(&session.trace, emulate->trace, description);
	if (!status && emulate->control)
		status = control_open(&session.control, emulate->control, description);
	if (!status && emulate->gdb)
		status = debug_open(session.debug = &debug, emulate->gdb);
	if (!status)
		session.silence = silence(model.emulator, config.iso);
	if (!status)
		status = model.emulator->start(&machine, &config);
	if (status) {
		control_close(session.control);
		return status;
	}
	close(config.iso);
	status = session_run(&session, &machine, &interrupted);
	control_close(session.control);
	if (session.trace && fclose(session.trace) && !status)
		status = fail(GYRE_STATUS_FAILED, "--trace %s: it cannot be written", emulate->trace);
	if (interrupted)
		die_of_signal(interrupted);
	return status;
}

int command_emulate(char **argv)
{
	static struct description description;
	struct emulate emulate = {.iso = {.description = &description,
					  .core_line = text_copy("console=frames"),
					  .header_flags = GYRE_CONFIG_EMULATED,
					  .vm_flags = GYRE_VM_ACCEPT_LEAKS,
					  .emulated = true}};
	struct arguments arguments = {.options = options,
		.command = &emulate,
		.help = help,
		.description = &description,
		.rest = &emulate.more};

	int status = arguments_parse(&arguments, argv);
	if (status >= 0)
		return status;
	if (!emulate.machine)
		return fail(GYRE_STATUS_USAGE, "emulate: name the machine: --machine amd or intel");
	if (!description.vms)
		return fail(GYRE_STATUS_USAGE, "emulate: name a VM: a file NAME.yaml, or --vm NAME --kernel FILE");
	if (emulate.gdb_run && !emulate.gdb)
		return fail(GYRE_STATUS_USAGE, "emulate: --gdb-run needs --gdb PORT");
	description.vm[0].debug = emulate.gdb != 0;
	description.vm[0].debug_run = emulate.gdb_run;
	status = description_check(&description);
	if (!status && emulate.recreate)
		status = vm_set_recreate(&description.vm[0], emulate.recreate);
	return status ? status : run(&emulate, &description);
}
