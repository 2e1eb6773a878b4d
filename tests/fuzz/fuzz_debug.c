/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever comes to the debugger's port leaves the monitor alive, and its guest's page tables may say anything meanwhile. The first bytes make these, the rest is the
 * debugger's: as it is, or, where it begins with a line end, one packet a line with its frame put on. */
/* unit-sources: monitor/debug/rsp.c monitor/debug/target.c monitor/debug/breaks.c monitor/debug/command.c monitor/machine/memory.c */
/* unit-sources: monitor/engine/fake.c monitor/save/stream.c lib/format.c lib/crc32.c */
#include "tests/unit/debug_fixture.h"

#define HEAD 16u

static void packet(const uint8_t *data, size_t bytes)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t sum = 0, end[3];
	for (size_t i = 0; i < bytes; i++)
		sum = (uint8_t)(sum + data[i]);
	end[0] = '#', end[1] = (uint8_t)digits[sum >> 4], end[2] = (uint8_t)digits[sum & 15];
	fixture_feed((const uint8_t *)"$", 1);
	fixture_feed(data, bytes);
	fixture_feed(end, 3);
}

static void lines(const uint8_t *data, size_t bytes)
{
	while (bytes > 0) {
		const uint8_t *end = memchr(data, '\n', bytes);
		size_t length = end != NULL ? (size_t)(end - data) : bytes;
		packet(data, length);
		length += end != NULL;
		data += length;
		bytes -= length;
		fake.debugged_bytes = 0;
		/* Between packets the guest runs, as far as breakpoints are concerned. */
		if (!fixture.debug.stopped) {
			breaks_plant(&fixture.debug, length % 2);
			breaks_at(&fixture.debug);
			breaks_lift(&fixture.debug);
			fixture.debug.stopped = true;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	jmp_buf at_end;
	uint64_t entry;
	if (bytes < HEAD)
		return 0;
	fixture_make();
	fake.at_end = &at_end;
	memcpy(&entry, data, 8);
	entry_put(FIXTURE_PML4 + (data[8] & 0xff8u), data[9], entry);
	fixture.page.mode ^= (uint32_t)data[10] & (GYRE_MODE_PG | GYRE_MODE_PAE | GYRE_MODE_PSE | GYRE_MODE_LMA);
	fixture.page.cr3 = data[11] & 0x80 ? entry : FIXTURE_PML4 + ((uint64_t)data[11] << 12);
	fixture.debug.wide = data[12] & 1;
	fixture.page.rip = FIXTURE_WIDE + data[13];
	data += HEAD;
	bytes -= HEAD;
	if (setjmp(at_end) == 0) {
		if (bytes > 0 && data[0] == '\n')
			lines(data + 1, bytes - 1);
		else
			fixture_feed(data, bytes);
	}
	debug_let_go(&fixture.debug);
	return 0;
}
