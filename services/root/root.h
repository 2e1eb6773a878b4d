/* SPDX-License-Identifier: Apache-2.0 */
/*
 * services/root/root.h: the first process. It owns what the core does not keep, starts a monitor for each VM of the description, carries what they say
 * to the other end of COM2, reports how each VM ended, and switches the machine off.
 *
 *   main.c     start, the one loop, the end          output.c   log lines and frames out, frames in
 *   lives.c    which VMs run: starts, ends, restarts control.c  what is asked for from outside
 *   vm.c       a VM's memory and process             server.c   the endpoint: monitors' ends and faults
 *   crash.c    reports of monitors' faults           accounts.c what is held, and whether all of it came back
 *   files.c    boot modules                          power.c    ACPI power-off
 *   console.c  the console service, where it has COM1
 *   measure.c  figures for bench/                    churn.c    tests: starts and ends at random moments
 *   recreate.c tests: a VM goes on in another process
 *   config.c, pool.c, s5.c, rtc.c    plain code, tested on Linux
 *
 * Threads   The main thread does everything but answer the endpoint; the server's thread only writes a VM's report (vm.h) and signals.
 * Trust     The description, the modules, and all that monitors and COM2 send are hostile. The core and its boot information are not.
 */
#ifndef ROOT_ROOT_H
#define ROOT_ROOT_H

#include <stdint.h>
#include "lib/calls.h"
#include "services/root/config.h"
#include "services/root/pool.h"
#include "services/root/s5.h"

/* Bits of root's event; GYRE_ROOT_EVENT_CHANNEL (3) is the monitors'. */
#define ROOT_EVENT_UART	  0u
#define ROOT_EVENT_TIMER  1u
#define ROOT_EVENT_SERVER 2u

/* Root's address space beside its image. Each VM's start block and channel have WINDOW_VM_BYTES. */
#define WINDOW_LOG	0x1000000000ull
#define WINDOW_FIRMWARE 0x1100000000ull
#define WINDOW_FILES	0x1200000000ull
#define WINDOW_IMAGE	0x1300000000ull
#define WINDOW_CONFIG	0x1500000000ull
#define WINDOW_VMS	0x1400000000ull
#define WINDOW_VM_BYTES 0x10000ull
#define WINDOW_CONSOLE	0x1600000000ull

#define ROOT_PRIORITY	 48u
#define MONITOR_PRIORITY 32u

struct root {
	const struct gyre_boot_info *boot;
	struct gyre_machine_info machine; /* as it was at the start */
	uint64_t start_tsc;
	handle_t event, endpoint;
	handle_t rest;	       /* an event that nobody signals */
	uint64_t aside;	       /* ticks spent on starts and ends of VMs */
	struct config config;  /* header NULL: none that is right */
	int emulated;	       /* the gyre command is at the other end of COM2 */
	int accounts;	       /* tests: counts of all that is held are compared after each end of a VM (accounts.h) */
	uint64_t quota_most;   /* tests: less than a VM needs; 0: what it needs */
	int quit;	       /* the other end wants the machine to end */
	uint64_t wall_seconds; /* at start_tsc; 0: unknown */
	uint64_t ipc_ticks;    /* measure.c */
	struct pool pool;
	struct fadt fadt;
};
extern struct root root;

static inline uint64_t tsc(void)
{
	uint32_t low, high;
	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

/* ---- main.c: words of the core's command line ---- */
int option_given(const char *word);
/* KEY=NUMBER: 1, else 0. */
int option_number(const char *key, uint64_t *number);

/* ---- files.c: boot modules. NULL: no such module ---- */
const struct gyre_boot_module *file_find(const char *name);
const struct gyre_boot_module *file_numbered(uint32_t number);
/* Maps a module read-only into root; NULL: not possible. It stays until file_unmap. */
const void *file_map(const struct gyre_boot_module *module);
void file_unmap(const struct gyre_boot_module *module);
/* The pages of all modules. */
uint64_t file_pages_all(void);
/* Clears what lies behind each module in its last page: it is handed on. */
void files_clear_tails(void);

/* ---- power.c ---- */
void power_init(void); /* reads the tables that power_off and the clock need */
void power_off(void) __attribute__((noreturn));

/* ---- measure.c: how long a call and reply between two processes take: root.ipc_ticks ---- */
void measure_ipc(void);

/* ---- server.c ---- */
int server_start(void);
/* A call that it had in hand or waiting when this was called has been dealt with. */
void server_settle(void);

#endif
