/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/virt/svm/errata.c: what this vendor's processors get wrong, and which barriers their models need. Plain code. AMD's revision guides, by family:
 * "Revision Guide for AMD Family 10h Processors" and its sisters; "Software Techniques for Managing Speculation on AMD Processors".
 */
#include "core/virt/barriers.h"
#include "core/virt/svm/svm.h"

uint32_t svm_errata_of(uint32_t family, uint32_t model, uint32_t stepping)
{
	uint32_t errata = 0;
	/* 170: in 0Fh before model 68h a TLB entry can carry the wrong ASID. */
	if (family == 0x0f && model < 0x68)
		errata |= SVM_ERRATUM_170;
	/* 383: 10h, and 12h's first step: a guest that changes a page between small and large raises #MC. */
	if (family == 0x10 || (family == 0x12 && model == 1 && stepping == 0))
		errata |= SVM_ERRATUM_383;
	/* 1096: 17h and its relatives: no bytes from decode assists when SMAP forbids the microcode to read them. */
	if (family == 0x17 || family == 0x18)
		errata |= SVM_ERRATUM_1096;
	return errata;
}

/*
 * Which barriers. Before 17h: branch targets are shared with no tag (Spectre variant 2). 15h to 18h: returns follow the branch predictor's guess (retbleed).
 * 19h: returns can be guided by what user or guest trained (SRSO), and store data sampled (TSA). 17h on: the monitor's branches by its guest's (VMSCAPE).
 */
uint32_t svm_barriers_of(uint32_t family, uint32_t model)
{
	(void)model;
	if (family < 0x15)
		return BARRIER_EXIT_RSB | BARRIER_USER_IBPB | BARRIER_SWITCH_IBPB;
	if (family <= 0x18)
		return BARRIER_EXIT_RSB | BARRIER_EXIT_IBPB | BARRIER_USER_IBPB | BARRIER_SWITCH_IBPB;
	if (family == 0x19)
		return SVM_BARRIERS_HEAVIEST;
	/* 1Ah, and what comes after it until it is known. */
	return BARRIER_EXIT_RSB | BARRIER_USER_IBPB | BARRIER_SWITCH_IBPB;
}
