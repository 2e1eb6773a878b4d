# SPDX-License-Identifier: Apache-2.0
# The command shares frames and the table's checksum with the other end.
GYRE_SRCS += lib/frame.c lib/crc32.c
