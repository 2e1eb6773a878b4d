# SPDX-License-Identifier: Apache-2.0
# In a core for tests these functions are called through tests/core (the linker's --wrap): nothing of it stands in the core's own sources.
ifeq ($(TEST_CORE),1)
TEST_CORE_MEASURED := interrupt_dispatch core_resume svm_enter svm_enter_barriers svm_enter_traced svm_exit svm_exit_traced \
	vmx_enter_first vmx_enter vmx_enter_barriers vmx_enter_traced vmx_exit vmx_exit_traced
TEST_CORE_STARTED := paging_init paging_seal
TEST_CORE_PLANTED := guarded_copy frame_free object_destroy tree_empty memory_create_core virt_leave
CORE_LINK_FLAGS += $(foreach f,$(TEST_CORE_MEASURED) $(TEST_CORE_STARTED) $(TEST_CORE_PLANTED),--wrap=$(f))
endif
