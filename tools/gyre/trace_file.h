/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/gyre/trace_file.h: the file of --trace: a header, the VMs' names, then pieces, each a piece header and records of trace.h. All
 * numbers little-endian.
 */
#ifndef TOOLS_GYRE_TRACE_FILE_H
#define TOOLS_GYRE_TRACE_FILE_H

#include "include/gyre/config.h"
#include "include/gyre/trace.h"

#define TRACE_FILE_MAGIC   0x46545947u /* "GYTF" */
#define TRACE_FILE_VERSION 1u

struct trace_file_header {
	uint32_t magic, version;
	uint32_t record_bytes;
	uint32_t vms; /* that many names follow, GYRE_NAME_BYTES each, zero-padded */
};
struct trace_file_piece {
	uint32_t vm; /* its place among the names */
	uint32_t records;
};

#endif
