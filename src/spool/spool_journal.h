/* SPDX-License-Identifier: Apache-2.0 */
/* The journal as bytes: entries, frames, the head of the file; and its reader. journal.c has the layout. */
#ifndef WAYBILL_SPOOL_SPOOL_JOURNAL_H
#define WAYBILL_SPOOL_SPOOL_JOURNAL_H

#include "spool_record.h"

#define JOURNAL_NAME_FORMAT "journal-%016llx"
#define JOURNAL_NAME_NEW "journal.new"
#define JOURNAL_FRAME_BYTES_MAX (32u * 1024 * 1024)

enum journal_entry_type {
	JOURNAL_RECIPIENT = 1, /* what became of a recipient */
	JOURNAL_ADDED = 2,     /* an address added by expansion */
	JOURNAL_SEGMENT = 3,   /* what is void or dead in a segment */
	JOURNAL_END = 4,       /* the checkpoint is complete */
	JOURNAL_FRESH = 5,     /* what was said about this message before does not count */
	JOURNAL_OPTIONS = 6,   /* NOTIFY and ORCPT of an address that was added just before */
	JOURNAL_NOTE = 7,      /* how many notices of delay were sent */
};

struct journal_entry {
	enum journal_entry_type type;
	struct id128 id;           /* all but SEGMENT and END */
	uint32_t recipient;        /* RECIPIENT: which; ADDED, OPTIONS: the one it replaces */
	enum spool_state state;
	uint32_t attempts;
	uint64_t retry_at_ms;
	struct span text;          /* RECIPIENT: the reason; ADDED: the address; OPTIONS: the ORCPT; SEGMENT: a
	                            * bit for each dead unit */
	uint32_t ordinal;          /* ADDED, OPTIONS: 0, 1, 2 ... among those that replace the same one */
	uint8_t value;             /* OPTIONS: the flags of NOTIFY; NOTE: the number */
	uint32_t slot;             /* SEGMENT */
	uint64_t generation;
	uint32_t limit;            /* SEGMENT: void from this unit on, or SEGMENT_NO_LIMIT */
};

void journal_entry_put(struct buf *body, const struct journal_entry *entry);

enum journal_next { JOURNAL_ENTRY, JOURNAL_DONE, JOURNAL_BAD };

/* Takes the next entry off a frame's body; entries of unknown type are skipped. */
enum journal_next journal_entry_next(struct span *body, struct journal_entry *entry_out);

/* A frame in the making: begin, put entries into `bytes`, finish, write bytes at its offset. */
struct journal_frame {
	struct buf bytes;
	size_t body_bytes;
};

void journal_frame_init(struct journal_frame *f);
void journal_frame_fini(struct journal_frame *f);
bool journal_frame_empty(const struct journal_frame *f);
struct span journal_frame_body(const struct journal_frame *f);

/* Pads and checksums it for one place; can be called again for another one. False: too big or
 * memory was short while entries were put. */
bool journal_frame_finish(struct journal_frame *f, uint64_t generation, uint64_t offset);

void journal_head_encode(uint8_t unit_out[static SPOOL_UNIT], uint64_t number, uint64_t generation);
int journal_head_decode(struct span unit, uint64_t *number_out, uint64_t *generation_out);

typedef void (*journal_entry_fn)(void *arg, const struct journal_entry *entry);

struct journal_scan {
	const struct disk *disk;
	int file;
	uint64_t number_out;
	uint64_t generation_out;
	bool complete_out;       /* the checkpoint at its beginning is whole */
	uint32_t damaged_out;    /* frames that were lost between good ones */
	uint64_t end_offset_out; /* behind the last good frame */
};

/* Tells all entries of all good frames in order. 0, -EILSEQ when the file's head is none, or an error. */
int journal_scan(struct journal_scan *scan, journal_entry_fn each, void *arg);

#endif
