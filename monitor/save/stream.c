/* SPDX-License-Identifier: Apache-2.0 */
/* monitor/save/stream.c: see stream.h. Plain code. */
#include "monitor/save/stream.h"
#include "gyre/errors.h"
#include "lib/crc32.h"
#include "lib/format.h"
#include "lib/string.h"

/* Offsets in the header and in a section. */
#define AT_VERSION   8u
#define AT_BYTES     12u
#define AT_SECTIONS  16u
#define AT_CRC	     20u
#define AT_S_VERSION 16u
#define AT_S_BYTES   20u

static uint32_t get32(const uint8_t *at)
{
	return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void put32(uint8_t *at, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

/* ---- fields ---- */

static void put(uint8_t *at, uint64_t value, unsigned width)
{
	for (; width > 0; width--, value >>= 8)
		*at++ = (uint8_t)value;
}

static uint64_t get(const uint8_t *at, unsigned width)
{
	uint64_t value = 0;
	while (width > 0)
		value = value << 8 | at[--width];
	return value;
}

/* Where the next so many bytes go, or come from; what there is no room for is not written, and reads as 0. */
static size_t advance(struct save *save, size_t count)
{
	size_t at = save->at;
	if (save->failed || count > save->bytes - at) {
		save->failed = 1;
		return SIZE_MAX;
	}
	save->at += count;
	return at;
}

static uint64_t number(struct save *save, uint64_t value, unsigned width)
{
	size_t at = advance(save, width);
	if (at == SIZE_MAX)
		return save_loading(save) ? 0 : value;
	if (!save_loading(save)) {
		put(save->out + at, value, width);
		return value;
	}
	return get(save->in + at, width);
}

void save_u8(struct save *save, uint8_t *value)
{
	*value = (uint8_t)number(save, *value, 1);
}

void save_u16(struct save *save, uint16_t *value)
{
	*value = (uint16_t)number(save, *value, 2);
}

void save_u32(struct save *save, uint32_t *value)
{
	*value = (uint32_t)number(save, *value, 4);
}

void save_u64(struct save *save, uint64_t *value)
{
	*value = number(save, *value, 8);
}

void save_i64(struct save *save, int64_t *value)
{
	*value = (int64_t)number(save, (uint64_t)*value, 8);
}

void save_bytes(struct save *save, void *bytes, size_t count)
{
	size_t at = advance(save, count);
	if (at == SIZE_MAX) {
		if (save_loading(save))
			memset(bytes, 0, count);
	} else if (save_loading(save)) {
		memcpy(bytes, save->in + at, count);
	} else {
		memcpy(save->out + at, bytes, count);
	}
}

/* ---- writing ---- */

void save_begin(struct save *save, void *buffer, size_t bytes)
{
	*save = (struct save){.out = buffer, .bytes = bytes};
	if (advance(save, SAVE_HEADER_BYTES) == 0)
		memset(save->out, 0, SAVE_HEADER_BYTES);
}

static void section_end(struct save *save)
{
	if (save->section != 0 && !save->failed)
		put32(save->out + save->section + AT_S_BYTES,
			(uint32_t)(save->at - save->section - SAVE_SECTION_BYTES));
	save->section = 0;
}

void save_section(struct save *save, const char *name, uint32_t version)
{
	section_end(save);
	size_t at = advance(save, SAVE_SECTION_BYTES), length = strlen(name);
	if (at == SIZE_MAX || length >= SAVE_NAME_BYTES || save->sections == SAVE_SECTIONS) {
		save->failed = 1;
		return;
	}
	memset(save->out + at, 0, SAVE_SECTION_BYTES);
	memcpy(save->out + at, name, length);
	put32(save->out + at + AT_S_VERSION, version);
	save->section = at;
	save->sections++;
}

size_t save_end_quick(struct save *save)
{
	section_end(save);
	if (save->failed || save->at > UINT32_MAX)
		return 0;
	memcpy(save->out, SAVE_MAGIC, 8);
	put32(save->out + AT_VERSION, SAVE_VERSION);
	put32(save->out + AT_BYTES, (uint32_t)save->at);
	put32(save->out + AT_SECTIONS, save->sections);
	return save->at;
}

size_t save_end(struct save *save)
{
	size_t bytes = save_end_quick(save);
	if (bytes != 0)
		put32(save->out + AT_CRC, gyre_crc32(0, save->out, bytes));
	return bytes;
}

/* ---- reading ---- */

#define WRONG(stream, error, ...) (gyre_snprintf((stream)->why, sizeof((stream)->why), __VA_ARGS__), -(error))

static int name_valid(const uint8_t *name)
{
	unsigned length = 0;
	while (length < SAVE_NAME_BYTES && name[length] != 0) {
		uint8_t c = name[length++];
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'))
			return 0;
	}
	if (length == 0 || length == SAVE_NAME_BYTES)
		return 0;
	for (unsigned i = length; i < SAVE_NAME_BYTES; i++)
		if (name[i] != 0)
			return 0;
	return 1;
}

static const char *name_of(const struct save_stream *stream, uint32_t index)
{
	return (const char *)stream->data + stream->section[index].at;
}

static int crc_check(struct save_stream *stream)
{
	uint8_t header[SAVE_HEADER_BYTES];
	memcpy(header, stream->data, sizeof(header));
	put32(header + AT_CRC, 0);
	uint32_t crc = gyre_crc32(0, header, sizeof(header));
	if (gyre_crc32(crc, stream->data + sizeof(header), stream->bytes - sizeof(header)) !=
		get32(stream->data + AT_CRC))
		return WRONG(stream, GYRE_EPROTO, "the saved state is damaged: its checksum is wrong");
	return 0;
}

static int header_check(struct save_stream *stream)
{
	const uint8_t *data = stream->data;
	if (stream->bytes < SAVE_HEADER_BYTES || memcmp(data, SAVE_MAGIC, 8) != 0)
		return WRONG(stream, GYRE_EPROTO, "this is no saved state");
	if (get32(data + AT_VERSION) != SAVE_VERSION)
		return WRONG(stream, GYRE_EPROTO,
			"the saved state has version %u of the format, and this is version %u",
			get32(data + AT_VERSION), SAVE_VERSION);
	uint32_t bytes = get32(data + AT_BYTES);
	if (bytes > stream->bytes)
		return WRONG(stream, GYRE_EPROTO, "the saved state is cut off: %lu of its %u bytes are there",
			(unsigned long)stream->bytes, bytes);
	if (bytes < SAVE_HEADER_BYTES)
		return WRONG(stream, GYRE_EPROTO, "the saved state is damaged: its length is wrong");
	stream->bytes = bytes; /* what follows is not part of it */
	stream->sections = get32(data + AT_SECTIONS);
	if (stream->sections > SAVE_SECTIONS)
		return WRONG(
			stream, GYRE_EPROTO, "the saved state has %u sections, which are too many", stream->sections);
	return 0;
}

static int sections_find(struct save_stream *stream)
{
	size_t at = SAVE_HEADER_BYTES;
	for (uint32_t i = 0; i < stream->sections; i++) {
		if (stream->bytes - at < SAVE_SECTION_BYTES || !name_valid(stream->data + at))
			return WRONG(stream, GYRE_EPROTO, "the saved state is damaged: its section %u is none", i);
		stream->section[i].at = at;
		stream->section[i].version = get32(stream->data + at + AT_S_VERSION);
		stream->section[i].bytes = get32(stream->data + at + AT_S_BYTES);
		at += SAVE_SECTION_BYTES;
		if (stream->section[i].bytes > stream->bytes - at)
			return WRONG(stream, GYRE_EPROTO, "the saved state is damaged: section %s ends behind it",
				name_of(stream, i));
		at += stream->section[i].bytes;
		for (uint32_t j = 0; j < i; j++)
			if (strcmp(name_of(stream, i), name_of(stream, j)) == 0)
				return WRONG(stream, GYRE_EPROTO, "the saved state has section %s twice",
					name_of(stream, i));
	}
	if (at != stream->bytes)
		return WRONG(stream, GYRE_EPROTO, "the saved state is damaged: more follows its last section");
	return 0;
}

int save_open_own(struct save_stream *stream, const void *data, size_t bytes)
{
	memset(stream, 0, sizeof(*stream));
	stream->data = data;
	stream->bytes = bytes;
	int error = header_check(stream);
	return error < 0 ? error : sections_find(stream);
}

/* The checksum is looked at last: until then nothing has been used. */
int save_open(struct save_stream *stream, const void *data, size_t bytes)
{
	int error = save_open_own(stream, data, bytes);
	return error < 0 ? error : crc_check(stream);
}

int save_take(struct save_stream *stream, const char *name, uint32_t version, struct save *save)
{
	static const uint8_t nothing;
	*save = (struct save){.in = &nothing, .failed = 1};
	for (uint32_t i = 0; i < stream->sections; i++) {
		if (strncmp(name_of(stream, i), name, SAVE_NAME_BYTES) != 0)
			continue;
		if (stream->section[i].version != version)
			return WRONG(stream, GYRE_ENOTSUP,
				"section %s of the saved state has version %u, and this is version %u", name,
				stream->section[i].version, version);
		stream->section[i].taken = 1;
		*save = (struct save){.in = stream->data + stream->section[i].at + SAVE_SECTION_BYTES,
			.bytes = stream->section[i].bytes};
		return 0;
	}
	return WRONG(stream, GYRE_ENOENT, "the saved state has no section %s", name);
}

int save_close(struct save_stream *stream, const char *name, const struct save *save)
{
	if (save->failed || save->at != save->bytes)
		return WRONG(stream, GYRE_EPROTO, "section %s of the saved state has too %s fields", name,
			save->failed ? "few" : "many");
	return 0;
}

int save_all_taken(struct save_stream *stream)
{
	for (uint32_t i = 0; i < stream->sections; i++)
		if (!stream->section[i].taken)
			return WRONG(stream, GYRE_ENOTSUP, "section %s of the saved state is unknown here",
				name_of(stream, i));
	return 0;
}
