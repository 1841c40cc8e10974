/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a message as a Maildir file: CRLF becomes LF, sizes are counted on the
 * way, memory is one buffer. Private to this room. The first error sticks.
 */
#ifndef WAYBILL_MAILBOX_MAILDIR_WRITER_H
#define WAYBILL_MAILBOX_MAILDIR_WRITER_H

#include "span.h"

#define MAILDIR_CHUNK_BYTES ((size_t)64 << 10)

struct maildir_writer {
	int fd;
	uint8_t *out;
	size_t out_len, out_cap;
	uint64_t bytes;       /* of the file */
	uint64_t wire_bytes;  /* with every line end as CRLF: what POP and IMAP report */
	int error;            /* errno of the first failure */
	bool cr_held;         /* a CR ended the last chunk: is an LF next? */
	uint8_t last;         /* byte put out last */
};

/* Buffers up to `bytes_expected` or a chunk, whichever is less. False when memory is short. */
bool maildir_writer_init(struct maildir_writer *w, int fd, uint64_t bytes_expected);
void maildir_writer_fini(struct maildir_writer *w);

/* One header line; control characters in the value become "?". */
void maildir_writer_field(struct maildir_writer *w, const char *before, struct span value, const char *after);

/* A part of the message, cut anywhere. */
void maildir_writer_put(struct maildir_writer *w, struct span content);

/* Writes what is buffered. 0 or a negative errno of anything that failed. */
int maildir_writer_finish(struct maildir_writer *w);

#endif
