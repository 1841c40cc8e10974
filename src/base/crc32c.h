/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C (Castagnoli), as in iSCSI (RFC 3720 B.4); the processor's instruction where it has one. */
#ifndef WAYBILL_BASE_CRC32C_H
#define WAYBILL_BASE_CRC32C_H

#include "span.h"

/* Extends `crc` (0 to begin with) by `s`. */
uint32_t crc32c(uint32_t crc, struct span s);

/* The table-driven form, for processors without the instruction and for tests. */
uint32_t crc32c_portable(uint32_t crc, struct span s);

#endif
