/* SPDX-License-Identifier: Apache-2.0 */
/* unit-sources: services/root/control.c lib/format.c lib/string.c lib/string_more.c */
/* tests/unit/test_root_control.c: what root makes of CONTROL frames, rubbish included; what stands behind them is a model. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "services/root/accounts.h"
#include "services/root/lives.h"
#include "services/root/output.h"
#include "services/root/root.h"

struct root root;
uint8_t call_by_interrupt; /* no call is made: no VM has a process */
struct vm vms[GYRE_CONFIG_VMS];
uint64_t accounts_compared = 5, accounts_differed = 1;

static struct gyre_config_header header;
static struct gyre_config_vm entry[GYRE_CONFIG_VMS];
static size_t room;
static int asked[6], answer;
static const struct vm *asked_of;

#define REPLIES 8u
static struct {
	struct gyre_control_reply reply;
	uint8_t data[GYRE_FRAME_DATA];
	size_t bytes;
} got[REPLIES];
static unsigned replies;

int output_fits(size_t bytes)
{
	return bytes <= room;
}

void output_frame(uint8_t type, uint8_t vm, const void *head, size_t head_bytes, const void *data, size_t bytes)
{
	assert_int_equal(type, GYRE_FRAME_CONTROL);
	assert_int_equal(vm, GYRE_FRAME_MACHINE);
	assert_int_equal(head_bytes, sizeof(got[0].reply));
	assert_true(head_bytes + bytes <= GYRE_FRAME_DATA);
	assert_true(replies < REPLIES);
	assert_true(room >= GYRE_FRAME_LINE(head_bytes + bytes)); /* else it would have waited */
	room -= GYRE_FRAME_LINE(head_bytes + bytes);
	memcpy(&got[replies].reply, head, head_bytes);
	if (bytes > 0)
		memcpy(got[replies].data, data, bytes);
	got[replies++].bytes = bytes;
}

void accounts_now(struct accounts *accounts)
{
	*accounts = (struct accounts){.pages_free = 11, .root_handles = 12};
}

uint32_t lives_state(const struct vm *vm)
{
	return vm->state == VM_RUNNING ? GYRE_STATE_RUNNING : GYRE_STATE_ENDED;
}

static int ask(int what, const struct vm *vm, struct config_fault *fault)
{
	asked[what]++;
	asked_of = vm;
	if (answer != 0)
		strcpy(fault->text, "words");
	return answer;
}

int lives_start(struct vm *vm, struct config_fault *fault)
{
	return ask(GYRE_CONTROL_START, vm, fault);
}

int lives_stop(struct vm *vm, struct config_fault *fault)
{
	return ask(GYRE_CONTROL_STOP, vm, fault);
}

int lives_kill(struct vm *vm, struct config_fault *fault)
{
	return ask(GYRE_CONTROL_KILL, vm, fault);
}

static int setup(void **state)
{
	(void)state;
	header.vms = 3;
	root.config = (struct config){.header = &header, .vm = entry};
	root.accounts = 1;
	for (unsigned i = 0; i < GYRE_CONFIG_VMS; i++) {
		vms[i] = (struct vm){.number = i, .entry = &entry[i], .state = VM_ENDED};
		entry[i].memory = (i + 1) << 21;
		entry[i].name[0] = (char)('a' + i % 26);
	}
	memset(vms[1].end.text, 'x', sizeof(vms[1].end.text));
	memset(asked, 0, sizeof(asked));
	asked_of = NULL;
	room = 32768;
	replies = 0;
	answer = 0;
	return 0;
}

static void request(uint8_t vm, uint32_t what)
{
	struct gyre_control_request request = {.id = 77, .what = what};
	control_request(vm, (const uint8_t *)&request, sizeof(request));
}

static void a_request_reaches_its_vm_and_is_answered(void **state)
{
	(void)state;
	for (uint32_t what = GYRE_CONTROL_START; what <= GYRE_CONTROL_KILL; what++) {
		answer = what == GYRE_CONTROL_KILL ? GYRE_STATUS_STATE : GYRE_STATUS_OFF;
		request(2, what);
		assert_int_equal(asked[what], 1);
		assert_ptr_equal(asked_of, &vms[2]);
		const struct gyre_control_reply *reply = &got[replies - 1].reply;
		assert_int_equal(reply->id, 77);
		assert_int_equal(reply->what, what);
		assert_int_equal(reply->code, answer);
		assert_string_equal(reply->text, answer ? "words" : "");
	}
	assert_int_equal(replies, 3);
}

static void a_vm_that_is_none_is_not_found(void **state)
{
	(void)state;
	request(3, GYRE_CONTROL_KILL);
	request(GYRE_FRAME_MACHINE, GYRE_CONTROL_START);
	assert_int_equal(replies, 2);
	assert_int_equal(got[0].reply.code, GYRE_STATUS_NOT_FOUND);
	assert_int_equal(got[1].reply.code, GYRE_STATUS_NOT_FOUND);
	assert_null(asked_of);
}

/* As many frames as it takes, each within its size, every VM once and in order. */
static void a_list_is_whole(void **state)
{
	(void)state;
	header.vms = GYRE_CONFIG_VMS;
	request(0, GYRE_CONTROL_LIST);
	uint32_t seen = 0;
	for (unsigned i = 0; i < replies; i++) {
		assert_int_equal(got[i].bytes, got[i].reply.count * sizeof(struct gyre_control_vm));
		assert_int_equal(got[i].reply.more, i + 1 < replies);
		for (uint32_t j = 0; j < got[i].reply.count; j++) {
			struct gyre_control_vm vm;
			memcpy(&vm, got[i].data + j * sizeof(vm), sizeof(vm));
			assert_int_equal(vm.memory, entry[seen++].memory);
		}
	}
	assert_int_equal(seen, GYRE_CONFIG_VMS);
}

/* Half a list would keep whoever asked waiting, and waiting for room would keep root. */
static void without_room_there_is_no_answer(void **state)
{
	(void)state;
	header.vms = GYRE_CONFIG_VMS;
	room = GYRE_CONFIG_VMS * sizeof(struct gyre_control_vm);
	request(0, GYRE_CONTROL_LIST);
	room = 10;
	request(0, GYRE_CONTROL_KILL);
	request(0, GYRE_CONTROL_ACCOUNTS);
	assert_int_equal(replies, 0);
	assert_null(asked_of); /* what is not answered is not done */
}

static void accounts_are_told_where_they_are_kept(void **state)
{
	(void)state;
	struct gyre_control_accounts accounts;
	request(0, GYRE_CONTROL_ACCOUNTS);
	memcpy(&accounts, got[0].data, sizeof(accounts));
	assert_int_equal(got[0].bytes, sizeof(accounts));
	assert_int_equal(accounts.pages_free, 11);
	assert_int_equal(accounts.differed, 1);
	root.accounts = 0;
	request(0, GYRE_CONTROL_ACCOUNTS);
	assert_int_equal(got[1].reply.code, GYRE_STATUS_STATE);
	assert_int_equal(got[1].bytes, 0);
}

static void rubbish_is_refused(void **state)
{
	(void)state;
	uint8_t bytes[64];
	srand(1);
	for (unsigned round = 0; round < 20000; round++) {
		size_t length = (size_t)rand() % sizeof(bytes);
		uint8_t *exact = malloc(length ? length : 1); /* so that reading beyond it is seen */
		for (size_t i = 0; i < length; i++)
			exact[i] = (uint8_t)rand();
		if (length >= 8 && rand() % 2)
			exact[4] = (uint8_t)(rand() % 8), exact[5] = exact[6] = exact[7] = 0;
		replies = 0;
		room = 32768;
		control_request((uint8_t)rand(), exact, length);
		assert_int_equal(replies, 1);
		if (length != sizeof(struct gyre_control_request))
			assert_int_equal(got[0].reply.code, GYRE_STATUS_USAGE);
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_request_reaches_its_vm_and_is_answered, setup),
		cmocka_unit_test_setup(a_vm_that_is_none_is_not_found, setup),
		cmocka_unit_test_setup(a_list_is_whole, setup),
		cmocka_unit_test_setup(without_room_there_is_no_answer, setup),
		cmocka_unit_test_setup(accounts_are_told_where_they_are_kept, setup),
		cmocka_unit_test_setup(rubbish_is_refused, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
