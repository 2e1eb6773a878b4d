/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/save/recreate.h: the test of the saved state (GYRE_VM_RECREATE): at many exits the VM is saved, this process ends, and a new one with a new vm
 * and new vcpus goes on from the stream. The guest does not notice.
 *
 * When     At each of the first exits, then at one in so many, chosen by random numbers from a seed. Every other time before the exit is answered, where
 *          its kind allows that (so its instruction is done again: the contract of gyre/vcpu.h), else after.
 * Checks   The new machine is saved again before it runs, twice, and has to say the same as the stream that it came from: before its devices go on,
 *          and after, where the time between has not changed their lines.
 */
#ifndef MONITOR_SAVE_RECREATE_H
#define MONITOR_SAVE_RECREATE_H

struct machine;
/* The machine was built by a new process: its state is that of the stream, and is checked to be. An error leaves a machine that must not run. */
int recreate_restore(struct machine *machine, const char **why);
/* In place of the machine's loop. */
void recreate_run(struct machine *machine) __attribute__((noreturn));
/* At the VM's end: what there was of it, to the log. */
void recreate_report(const struct machine *machine);

#endif
