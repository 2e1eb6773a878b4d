/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/fuzz_core.c: the core's own sources (memory, objects, handles, calls, threads, endpoints, events, deadlines, VMs and vcpus as far as they are no
 * instructions) under programs of calls that several threads of several processes make, right ones and hostile ones, with time, interrupts and exits of
 * guests between them (A33, A45, A57, A58). Its books are checked meanwhile, and at the end everything is destroyed and must be gone. core_machine.h has the parts.
 */
/* unit-sources: core/mem/aspace.c core/mem/dirty.c core/mem/memory.c core/mem/memory_change.c core/mem/memory_end.c core/mem/memory_tree.c core/mem/pagetable.c core/mem/pagetable_process.c */
/* unit-sources: core/obj/call.c core/obj/call_endpoint.c core/obj/call_machine.c core/obj/call_memory.c core/obj/call_process.c core/obj/call_vm.c core/obj/device.c core/obj/event.c core/obj/handle.c core/obj/object.c core/obj/process.c core/obj/vm.c */
/* unit-sources: core/sched/deadline.c core/sched/endpoint.c core/sched/endpoint_end.c core/sched/sched.c core/sched/thread.c */
/* unit-sources: core/virt/calls.c core/virt/cpuid_table.c core/virt/fetch.c core/virt/inject.c core/virt/msr.c core/virt/policy.c core/virt/run.c core/virt/trace.c core/virt/vm.c */
/* unit-sources: core/virt/vlapic.c core/virt/vlapic_bus.c core/virt/vlapic_regs.c core/virt/vlapic_state.c core/virt/vlapic_timer.c */
/* unit-sources: tests/core/check.c tests/core/pagetable_check.c tests/fuzz/core_arguments.c tests/fuzz/core_guest.c tests/fuzz/core_machine.c tests/fuzz/core_pool.c tests/fuzz/core_program.c tests/fuzz/core_report.c tests/fuzz/core_vcpu.c */
#include "tests/fuzz/core_machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	machine.at = data;
	machine.end = data + size;
	machine_begin();
	program_run();
	machine_end();
	return 0;
}
