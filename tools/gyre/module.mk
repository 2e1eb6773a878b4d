# SPDX-License-Identifier: Apache-2.0
# The command shares frames and the table's checksum with the other end, and consoles with machines that have COM1 alone.
GYRE_SRCS += lib/frame.c lib/crc32.c lib/format.c $(filter-out services/console/main.c,$(wildcard services/console/*.c))
