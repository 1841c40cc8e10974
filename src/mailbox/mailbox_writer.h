/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a message as mailboxes hold it: CRLF becomes LF, sizes are counted on the
 * way, memory is one buffer. Private to this room. The first error sticks.
 */
#ifndef WAYBILL_MAILBOX_MAILBOX_WRITER_H
#define WAYBILL_MAILBOX_MAILBOX_WRITER_H

#include "span.h"

#define MAILBOX_CHUNK_BYTES ((size_t)64 << 10)

struct mailbox_writer {
	int fd;
	uint8_t *out;
	size_t out_len, out_cap;
	uint64_t bytes;       /* of the file */
	uint64_t wire_bytes;  /* with every line end as CRLF: what POP and IMAP report */
	uint32_t crc;         /* crc32c of what was written */
	int error;            /* errno of the first failure */
	bool cr_held;         /* a CR ended the last chunk: is an LF next? */
	uint8_t last;         /* byte put out last */
	/* For an mbox: a line of the content that reads "From " behind any number of ">" gets one ">" more; and
	 * mailbox_message_put leaves out the fields that are kept for mail programs. */
	bool mbox;
	unsigned from_seen;   /* bytes of "From " that are held back at the start of a line; past it: in a line */
};

/* Buffers up to `bytes_expected` or a chunk, whichever is less. False when memory is short. */
bool mailbox_writer_init(struct mailbox_writer *w, int fd, uint64_t bytes_expected);
void mailbox_writer_fini(struct mailbox_writer *w);

/* Bytes as they are. */
void mailbox_writer_raw(struct mailbox_writer *w, struct span bytes);

/* One header line; control characters in the value become "?". */
void mailbox_writer_field(struct mailbox_writer *w, const char *before, struct span value, const char *after);

/* A part of the message, cut anywhere. */
void mailbox_writer_put(struct mailbox_writer *w, struct span content);

/* The content is over: gives what was held back. Further raw bytes may follow. */
void mailbox_writer_end(struct mailbox_writer *w);

/* Ends the content and writes what is buffered. 0 or a negative errno of anything that failed. */
int mailbox_writer_finish(struct mailbox_writer *w);

#endif
