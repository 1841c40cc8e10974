/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking into the store: what lives, what became of each recipient, and the
 * messages themselves. Nothing here changes anything; what the index knows costs
 * no disk access.
 */
#ifndef WAYBILL_SPOOL_SPOOL_READ_H
#define WAYBILL_SPOOL_SPOOL_READ_H

#include "spool.h"

struct spool_cursor;

/* One recipient as the index knows it. `address`, `orcpt` and `notify` are empty for accepted
 * recipients and for what added ones inherit: spool_read has them all. Spans live until the
 * next job ends. */
struct spool_recipient {
	struct span address;
	struct span orcpt; /* RFC 3461, encoded; empty: not given */
	uint8_t notify;    /* flags as they were given; 0: not given */
	enum spool_state state;
	uint32_t attempts;
	uint64_t retry_at_ms;
	struct span reason;
};

/* A live message as the index knows it, without reading the disk. */
struct spool_entry {
	struct id128 id;
	uint64_t arrival_ms;
	uint64_t bytes; /* trace and content */
	uint32_t recipient_count;
	uint8_t delay_notices; /* as spool_note said last */
	bool large;
};

/* False: not live. */
bool spool_find(struct spool *s, const struct id128 *id, struct spool_entry *entry_out);
bool spool_recipient_find(struct spool *s, const struct id128 *id, uint32_t recipient,
	struct spool_recipient *recipient_out);

/*
 * Walks the live messages, oldest record first. Messages may come and go meanwhile;
 * those that are there all the time are seen once. NULL: memory is short.
 */
struct spool_cursor *spool_cursor_open(struct spool *s);
bool spool_next(struct spool *s, struct spool_cursor *cursor, struct spool_entry *entry_out);
void spool_cursor_close(struct spool *s, struct spool_cursor *cursor);

/* A message read from the disk and checked. */
struct spool_view {
	struct spool_entry entry;
	uint32_t flags;
	enum spool_ret ret;
	struct span sender, client, helo, session, envid;
	struct spool_recipient *recipients; /* entry.recipient_count of them, addresses set */
	struct span content;                /* trace and content; of a large one: only the trace */
	uint64_t large_bytes;               /* what follows in the file of spool_content_open */
	uint32_t large_crc;
	void *memory;
};

/*
 * Reads and checks everything but a large one's file. -ENOENT: not live; -EILSEQ:
 * damaged (a notice is made). Spans point into the view but reasons and added
 * addresses, which live until the next job ends.
 */
int spool_read(struct spool *s, const struct id128 *id, struct spool_view *view_out);
void spool_view_fini(struct spool_view *view);

/* Reads the file of a large message and compares its checksum: 0, -EILSEQ, or the disk's error. */
int spool_large_check(struct spool *s, const struct spool_view *view);

/* A read-only descriptor of a large message's file; the caller closes it. */
int spool_content_open(struct spool *s, const struct id128 *id);

/* The same of a file that spool_large_open made and that is no message's yet. -ENOENT. */
int spool_large_reopen(struct spool *s, const struct id128 *id);

struct spool_counts {
	uint64_t messages;
	uint64_t recipients;      /* not final */
	uint64_t bytes;           /* trace and content of live messages */
	uint64_t disk_bytes;      /* segments and journal */
	uint32_t segments;
	uint32_t segments_empty;
	uint32_t segments_failed; /* closed after a failed write or sync */
	uint32_t damaged;         /* records set aside since the start, found in recovery or on reading */
	uint32_t torn;            /* unfinished records dropped by recovery */
	bool full;                /* the last append was refused for want of space */
};

void spool_counts(const struct spool *s, struct spool_counts *counts_out);

#endif
