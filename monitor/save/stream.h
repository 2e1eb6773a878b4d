/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor/save/stream.h: the saved form of a VM: named sections of plain fields, little-endian, one after the other. docs/saved-state.md has the format and
 * all sections.
 *
 * Fields   One function visits the fields of a section, and serves both ways: save_u32(save, &x) writes x, or reads it. So what is saved is what is
 *          restored, in the same order and width, and no compiler's layout is part of the format.
 * Trust    A stream that is read is hostile. save_open() checks all that can be checked without knowing the sections; a field beyond its section's end reads
 *          as 0 and makes save_close() fail. What the values mean is for their owner to check, before anything is used.
 */
#ifndef MONITOR_SAVE_STREAM_H
#define MONITOR_SAVE_STREAM_H

#include <stddef.h>
#include <stdint.h>

#define SAVE_MAGIC	   "GYRESAVE"
#define SAVE_VERSION	   1u
#define SAVE_HEADER_BYTES  24u /* magic, version, bytes of all, number of sections, CRC-32 of all with this field 0 */
#define SAVE_SECTION_BYTES 24u /* name, version, bytes of its fields, which follow */
#define SAVE_NAME_BYTES	   16u /* [a-z0-9-], padded with zeros, at least one of them */
#define SAVE_SECTIONS	   64u
#define SAVE_WHY_BYTES	   112u

/* A place in a stream that is being written, or in one section that is being read. */
struct save {
	uint8_t *out;	   /* NULL: this one reads */
	const uint8_t *in; /* NULL: this one writes */
	size_t bytes, at;
	size_t section; /* writing: where the present section began, 0: none */
	uint32_t sections;
	int failed; /* no room, or no more fields */
};

static inline int save_loading(const struct save *save)
{
	return save->in != NULL;
}

/* ---- fields, both ways ---- */
void save_u8(struct save *save, uint8_t *value);
void save_u16(struct save *save, uint16_t *value);
void save_u32(struct save *save, uint32_t *value);
void save_u64(struct save *save, uint64_t *value);
void save_i64(struct save *save, int64_t *value);
void save_bytes(struct save *save, void *bytes, size_t count);

/* ---- writing ---- */
void save_begin(struct save *save, void *buffer, size_t bytes);
void save_section(struct save *save, const char *name, uint32_t version); /* ends the one before */
size_t save_end(struct save *save); /* how long the stream is; 0: the buffer was too small */

size_t save_end_quick(struct save *save); /* without a checksum: for save_open_own() */

/* ---- reading ---- */
struct save_stream {
	const uint8_t *data;
	size_t bytes;
	uint32_t sections;
	struct {
		size_t at; /* of its name */
		uint32_t version, bytes;
		int taken;
	} section[SAVE_SECTIONS];
	char why[SAVE_WHY_BYTES]; /* what is wrong, for people */
};
/* 0, or -GYRE_EPROTO with why. The data must not change as long as the stream is used. */
int save_open(struct save_stream *stream, const void *data, size_t bytes);
/* The same for one that was made here and has not left since: without a look at its checksum, which it may not have (save_end_quick). */
int save_open_own(struct save_stream *stream, const void *data, size_t bytes);
/* Its fields: -GYRE_ENOENT: there is no such section; -GYRE_ENOTSUP: it has another version. */
int save_take(struct save_stream *stream, const char *name, uint32_t version, struct save *save);
/* After its last field: -GYRE_EPROTO if it had more or fewer. */
int save_close(struct save_stream *stream, const char *name, const struct save *save);
/* -GYRE_ENOTSUP if there is a section that nobody took: what it says would be lost. */
int save_all_taken(struct save_stream *stream);

#endif
