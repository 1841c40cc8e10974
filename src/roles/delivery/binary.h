/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mailbox file is lines of text: what came with BODY=BINARYMIME is encoded as
 * base64 or quoted-printable before it is put there (RFC 3030 section 4), so that
 * every octet can be read back. Knows no mailbox. Runs on a delivery's thread.
 */
#ifndef WAYBILL_ROLES_DELIVERY_BINARY_H
#define WAYBILL_ROLES_DELIVERY_BINARY_H

#include "span.h"

/* Binary content: `inlined`, or `bytes` at `offset` of `fd` when that is not -1. */
struct binary_source {
	struct span inlined;
	int fd;
	uint64_t offset, bytes;
	uint32_t crc32c; /* of those */
};

/* The text, in a file in memory that the caller closes; fd -1: there is none. */
struct binary_text {
	int fd;
	uint64_t bytes;
	uint32_t crc32c;
};

/*
 * NULL: done. Else the name of a key: "conversion-impossible" (what is signed, or is
 * no MIME, cannot be encoded), "content-damaged" (the checksum differs) or
 * "mailbox-io-error" (it can be tried again).
 */
const char *binary_convert(const struct binary_source *source, struct binary_text *text_out);

#endif
