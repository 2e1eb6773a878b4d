/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/gyre/description.h: a VM as a person describes it, by a YAML or JSON file or by flags. One table of keys serves every form: what a
 * key is called, what it takes, and whether this version has it.
 */
#ifndef TOOLS_GYRE_DESCRIPTION_H
#define TOOLS_GYRE_DESCRIPTION_H

#include "include/gyre/config.h"
#include "tools/gyre/util.h"

#define VM_APPEND_BYTES	    4096u
#define VM_MEMORY_DEFAULT   (256 * MIB)
#define VM_RESTARTS_DEFAULT 10u
#define VM_RESTARTS_MOST    1000000u
#define VM_MEMORY_STEP	    (2 * MIB)
#define VM_MEMORY_MOST	    (256 * GIB)

struct vm_initrd {
	char *file;	 /* path, from where the command runs */
	char *name;	 /* as it was given */
	char *arguments; /* or NULL */
};

struct vm_description {
	char *name;
	char *kernel;	   /* path, from where the command runs */
	char *kernel_name; /* as it was given */
	char *append;	   /* or NULL */
	struct vm_initrd initrd[GYRE_CONFIG_INITRDS];
	unsigned initrds;
	uint64_t memory;
	uint32_t cpus;
	enum gyre_level level;
	bool test_device, no_reboot, accept_leaks, start;
	enum gyre_restart restart;
	uint32_t restart_limit; /* 0: none */
	bool recreate;		/* --test-recreate, of no description */
	uint32_t recreate_first, recreate_every, recreate_seed;
	bool debug, debug_run; /* --gdb: the first VM's, of no description */
	char *source;	       /* for messages: the file, or "--vm NAME" */
	uint32_t given;	       /* 1 << enum vm_key */
};

struct description {
	struct vm_description vm[GYRE_CONFIG_VMS];
	unsigned vms;
};

/* X-macro: the key of a file, its flag, kind, "later" if this version has it not. The order is that of `gyre show`. */
#define VM_KEYS(K)                                                                                                     \
	K(NAME, "name", "--vm", VM_TEXT, false)                                                                        \
	K(MEMORY, "memory", "--memory", VM_SIZE, false)                                                                \
	K(CPUS, "cpus", "--cpus", VM_COUNT, false)                                                                     \
	K(LEVEL, "level", "--level", VM_TEXT, false)                                                                   \
	K(KERNEL, "kernel", "--kernel", VM_PATH, false)                                                                \
	K(APPEND, "append", "--append", VM_TEXT, false)                                                                \
	K(INITRD, "initrd", "--initrd", VM_INITRDS, false)                                                             \
	K(TEST_DEVICE, "test_device", "--test-device", VM_BOOLEAN, false)                                              \
	K(NO_REBOOT, "no_reboot", NULL, VM_BOOLEAN, false)                                                             \
	K(ACCEPT_LEAKS, "accept_leaks", NULL, VM_BOOLEAN, false)                                                       \
	K(START, "start", NULL, VM_BOOLEAN, false)                                                                     \
	K(RESTART, "restart", "--restart", VM_TEXT, false)                                                             \
	K(RESTART_LIMIT, "restart_limit", "--restart-limit", VM_COUNT, false)                                          \
	K(FIRMWARE, "firmware", "--firmware", VM_TEXT, true)                                                           \
	K(CDROM, "cdrom", "--cdrom", VM_PATH, true)                                                                    \
	K(DISK, "disk", "--disk", VM_PATH, true)                                                                       \
	K(NETWORK, "network", "--network", VM_TEXT, true)

enum vm_kind { VM_TEXT, VM_PATH, VM_SIZE, VM_COUNT, VM_BOOLEAN, VM_INITRDS };
#define VM_KEY_ENUM(id, name, flag, kind, later) VM_KEY_##id,
enum vm_key { VM_KEYS(VM_KEY_ENUM) VM_KEY_COUNT };

struct vm_key_info {
	const char *name, *flag;
	enum vm_kind kind;
	bool later;
};
extern const struct vm_key_info vm_key[VM_KEY_COUNT];

/* Why a value is refused. */
struct problem {
	int status;
	char *text;
};

void vm_init(struct vm_description *vm, const char *source);
/* Sets one key (VM_INITRDS: adds one, by its file alone) from text. Paths are taken from `folder` if it isn't NULL. False: problem says why. */
bool vm_set(struct vm_description *vm, enum vm_key key, const char *value, const char *folder, struct problem *problem);
bool vm_add_initrd(struct vm_description *vm, const char *file, const char *arguments, const char *folder,
	struct problem *problem);
/* first:N,every:N,seed:N, each of them or none. 0 or an exit code, said. */
int vm_set_recreate(struct vm_description *vm, const char *value);
/* All that can be said only when all keys are known: what is missing, files that aren't there. 0 or an exit code, said. */
int vm_check(const struct vm_description *vm);
/* No two VMs of a name. */
int description_check(const struct description *description);
/* The sizes of a VM's files, and of all. */
uint64_t vm_file_bytes(const struct vm_description *vm);
uint64_t description_file_bytes(const struct description *description);

/* Reads FILE.yaml, .yml or .json into a new VM. 0 or an exit code, said. */
int description_read(struct description *description, const char *path);

const char *level_name(enum gyre_level level);
const char *restart_name(enum gyre_restart restart);

#endif
