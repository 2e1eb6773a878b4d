/* SPDX-License-Identifier: Apache-2.0 */
/* lib/crc32.h: the checksum of Ethernet and gzip (IEEE 802.3, reflected), which the configuration table carries. */
#ifndef LIB_CRC32_H
#define LIB_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* Of bytes that follow those which gave `crc`; 0 for the first. */
uint32_t gyre_crc32(uint32_t crc, const void *data, size_t bytes);

#endif
