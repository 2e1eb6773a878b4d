/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/test_svm_asid.c: no guest uses a translation that should be gone, by a TLB that keeps everything by ASID until it is flushed: with and without
 * flush by ASID. APM vol. 2, "TLB Control". And what follows from a processor's model: errata, barriers.
 */
/* unit-sources: core/virt/svm/errata.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "core/virt/barriers.h"
#include "core/virt/svm/svm.h"

/* ---- translations: a TLB that forgets nothing by itself ---- */
#define PAGES  8
#define GUESTS 24
struct translation {
	bool valid;
	uint32_t asid;
	unsigned page, frame;
};

static void no_translation_outlives_its_mapping(void **state)
{
	(void)state;
	for (int by_asid = 0; by_asid < 2; by_asid++) {
		struct translation tlb[64] = {0};
		struct asid_holder holder[GUESTS] = {0};
		struct asid_pool pool;
		unsigned frame[GUESTS][PAGES] = {0}, next_frame = 1, oldest = 0;
		bool flush[GUESTS] = {0};
		uint8_t pending[GUESTS] = {0};
		asid_pool_init(&pool, 16, by_asid, false);
		srand(6);
		for (unsigned round = 0; round < 200000; round++) {
			unsigned guest = (unsigned)rand() % GUESTS, page = (unsigned)rand() % PAGES;
			if (rand() % 8 == 0) { /* a mapping changes; the guest doesn't run */
				frame[guest][page] = next_frame++;
				flush[guest] = true;
				continue;
			}
			pending[guest] = asid_come(&pool, pending[guest]);
			struct asid_choice choice = asid_choose(&pool, &holder[guest], 0, flush[guest]);
			flush[guest] = false;
			pending[guest] = asid_pending(pending[guest], choice);
			if (rand() % 4 == 0) { /* it is kicked, and another one's turn comes */
				asid_leave(&pool, pending[guest]);
				continue;
			}
			assert_true(holder[guest].asid > 0 && holder[guest].asid < 16);
			assert_true(by_asid || pending[guest] != VMCB_TLB_THIS);
			for (unsigned i = 0; i < 64; i++)
				if (pending[guest] == VMCB_TLB_ALL ||
					(pending[guest] == VMCB_TLB_THIS && tlb[i].asid == holder[guest].asid))
					tlb[i].valid = false;
			pending[guest] = VMCB_TLB_NOTHING;
			/* It runs, and touches some pages. */
			for (unsigned touch = 0; touch < 3; touch++) {
				unsigned p = (unsigned)rand() % PAGES, i;
				for (i = 0; i < 64; i++)
					if (tlb[i].valid && tlb[i].asid == holder[guest].asid && tlb[i].page == p)
						break;
				if (i < 64)
					assert_int_equal(tlb[i].frame, frame[guest][p]);
				else
					tlb[oldest++ % 64] = (struct translation){
						true, holder[guest].asid, p, frame[guest][p]};
			}
		}
		assert_true(pool.generation > 1);
	}
}

static void a_guest_that_moves_to_another_processor_gets_its_asid(void **state)
{
	struct asid_pool pools[2];
	struct asid_holder holder = {0};
	(void)state;
	asid_pool_init(&pools[0], 16, true, false);
	asid_pool_init(&pools[1], 16, true, false);
	asid_choose(&pools[0], &holder, 0, false);
	pools[1].next = 9;
	assert_true(asid_choose(&pools[1], &holder, 1, false).changed);
	assert_int_equal(holder.asid, 9);
	assert_true(asid_choose(&pools[0], &holder, 0, false).changed);
	assert_int_equal(holder.asid, 2); /* never the old one, under which there may be old translations */
	asid_pool_init(&pools[0], 2, false, true);
	holder.generation = 0;
	for (int i = 0; i < 10; i++)
		assert_int_equal(asid_choose(&pools[0], &holder, 0, i & 1).tlb_control, VMCB_TLB_ALL);
}

static void errata_by_model(void **state)
{
	(void)state;
	assert_int_equal(svm_errata_of(0x0f, 0x41, 2), SVM_ERRATUM_170);
	assert_int_equal(svm_errata_of(0x0f, 0x6b, 2), 0);
	assert_int_equal(svm_errata_of(0x10, 4, 2), SVM_ERRATUM_383);
	assert_int_equal(svm_errata_of(0x12, 1, 0), SVM_ERRATUM_383);
	assert_int_equal(svm_errata_of(0x12, 1, 1), 0);
	assert_int_equal(svm_errata_of(0x15, 2, 0), 0);
	assert_int_equal(svm_errata_of(0x17, 0x31, 0), SVM_ERRATUM_1096);
	assert_int_equal(svm_errata_of(0x19, 0x21, 0), 0);
	for (uint32_t family = 0x0f; family < 0x30; family++) {
		uint32_t set = svm_barriers_of(family, 1);
		assert_int_equal(set & ~SVM_BARRIERS_HEAVIEST, 0);
		assert_int_not_equal(set & BARRIER_SWITCH_IBPB, 0);
		assert_int_not_equal(set & BARRIER_EXIT_RSB, 0);
		if (family >= 0x15 && family <= 0x19)
			assert_int_not_equal(set & BARRIER_EXIT_IBPB, 0);
		if (family >= 0x17)
			assert_int_not_equal(set & BARRIER_USER_IBPB, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_translation_outlives_its_mapping),
		cmocka_unit_test(a_guest_that_moves_to_another_processor_gets_its_asid),
		cmocka_unit_test(errata_by_model),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
