/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this room share. Who may touch what: the spool's own thread
 * everything but the fields of a job that runs; spool_job_run only the job, what
 * the job borrows (spans of the appends, the index of the segment to be sealed),
 * and the disk.
 */
#ifndef WAYBILL_SPOOL_SPOOL_PRIVATE_H
#define WAYBILL_SPOOL_SPOOL_PRIVATE_H

#include "list.h"
#include "map.h"
#include "spool_journal.h"
#include "spool_read.h"
#include "spool_segment.h"

#define SPOOL_MAGIC 0x53504f4fu
#define SEGMENTS_MAX 4096u           /* slots; with the default size 256 GiB */
#define SEGMENT_BYTES_DEFAULT (64u * 1024 * 1024)
#define JOURNAL_BYTES_DEFAULT (8u * 1024 * 1024)
#define JOURNAL_STEPS 8u             /* space is taken in such parts of journal_bytes */
#define CHECKPOINT_WAIT_JOBS 64u     /* after a failure, while the old journal still serves */
#define BATCH_BYTES_DEFAULT (8u * 1024 * 1024)
#define BATCH_COUNT_MAX 2048u
#define SPARE_SEGMENTS_DEFAULT 4u
#define NOTICE_COUNT 64u
#define NOTICE_BYTES 192u
#define PLACES_MAX 3
#define UNLINKS_PER_JOB 64u
#define RESERVE_NAME "reserve"
#define LARGE_NAME_PREFIX "large-"

/* A text that recipients share (reasons.c). */
struct reason {
	struct map_link by_text;
	uint32_t count;
	uint16_t len;
	char text[];
};

/* One recipient whose state is not PENDING, or that was added. */
struct recipient {
	uint64_t retry_at_ms;
	uint32_t attempts;
	uint32_t parent;      /* added: the one it replaces */
	uint32_t first_added; /* the index of the first that replaces it; 0: none */
	uint16_t address_len; /* 0: an accepted one */
	uint16_t orcpt_len;
	uint8_t state;
	uint8_t notify;       /* of an added one with own_options; so is the ORCPT */
	bool own_options;     /* else those of its parent */
	struct reason *reason; /* NULL: none */
	char *address;        /* behind it the ORCPT */
};

struct recipients {
	uint32_t count;
	uint32_t cap;
	struct recipient items[];
};

struct message {
	struct map_link by_id;
	struct list link;              /* in the order of arrival; alone until it is durable */
	struct id128 id;
	uint64_t arrival_ms : 48;      /* since 1970: until the year 10889 */
	uint64_t delay_notices : 8;
	uint64_t large : 1;
	uint64_t live : 1;             /* durable */
	struct recipients *recipients; /* NULL: all are pending, none was added */
	uint32_t bytes;                /* UINT32_MAX: that or more */
	uint32_t slot;
	uint32_t unit;
	uint32_t record_bytes;         /* head, envelope, content inside the record */
	uint32_t accepted_count;
	uint32_t open_count;           /* not final */
};

static inline uint32_t message_bytes(uint64_t bytes)
{
	return bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
}

enum segment_phase {
	SEGMENT_EMPTY,    /* what stood in it is retired; may be used again */
	SEGMENT_ACTIVE,
	SEGMENT_SEALED,   /* full, or closed by a restart */
	SEGMENT_FAILED,   /* closed after a failed write or sync, or damaged */
	SEGMENT_RETIRING, /* without live records; the journal that says so is being written */
	SEGMENT_REMOVED,  /* given back to the disk; known until its name is gone for certain */
};

struct segment {
	struct segment_head head;
	enum segment_phase phase;
	int file;             /* open only while active */
	uint32_t end_unit;    /* behind the last durable record */
	uint32_t limit;       /* void from here on */
	uint32_t written_unit; /* as in struct place */
	uint32_t live_count;
	uint64_t live_units;
	uint32_t record_count;
	uint32_t foot_record_count; /* what the foot says, at start-up; not checked */
	struct buf index;     /* while active */
	uint8_t *dead;        /* a bit for each unit */
	uint64_t generation_before; /* until the head of this use is durable the disk may show that one; or 0 */
	uint32_t durable_unit; /* after a restart: what stands behind may be in the machine's memory only */
	bool seal_due;        /* closed by a restart: index and foot are still to be written */
	bool failed;          /* never written again; given back to the disk when nothing in it lives */
	bool cut;             /* the file is shorter than its head says */
	bool hold;            /* has damage that nobody has dealt with: neither copied nor used again */
};

/* A journal that is being written. */
struct journal_file {
	int file;             /* -1: none */
	uint64_t number;
	uint64_t generation;
	uint64_t end;
	uint64_t allocated;
};

struct append {
	struct list link;
	struct message *message; /* NULL: a copy, made to win back space */
	struct id128 id;
	uint64_t tag;
	struct buf head;
	struct span trace;
	struct span content;
	uint64_t record_bytes;
	uint64_t large_bytes;
	uint32_t content_crc;
	uint32_t unit;           /* where it was written */
	bool large;
	enum spool_outcome outcome;
	uint32_t from_unit;      /* a copy: where the original stands */
	struct buf copied;       /* and its content */
};

/* The segment whose last live records are copied forward. */
struct victim {
	bool wanted;
	struct segment_head head;
	uint32_t limit;
	const uint8_t *dead;     /* borrowed */
	uint32_t damaged;        /* records that could not be copied */
	int error;
};

/* A segment to which a job may write its batch. */
struct place {
	struct segment_head head;
	int file;             /* -1: to be opened or created */
	uint32_t end_unit;
	uint32_t written_unit; /* all before was written at some time: syncing it again changes no metadata */
	bool create;
	bool fresh;           /* its head is to be written with the batch */
	bool tried;           /* something may have been written */
	bool voided;          /* and the journal says durably that it is void */
	int error;            /* 0, or why it was not used */
};

enum checkpoint_phase { CHECKPOINT_NONE, CHECKPOINT_MESSAGES, CHECKPOINT_SEGMENTS, CHECKPOINT_END };

struct seal {
	bool wanted;
	int error;
	struct segment_head head;
	int file;
	uint32_t end_unit;
	uint32_t record_count;
	struct span index; /* borrowed */
};

struct reserve {
	uint64_t bytes;
	bool present;
};

struct spool_job {
	const struct disk *disk;
	struct list appends;
	uint32_t append_count;   /* without copies */
	uint64_t append_bytes;   /* in whole units */
	size_t index_bytes;      /* of the segment at places[0], with this batch */
	struct victim victim;
	struct place places[PLACES_MAX];
	int place_count;
	int used_place;          /* -1: none */
	struct seal seal;
	struct journal_file journal;
	bool journal_failed;
	struct journal_frame settle;
	struct buf settle_tags;
	enum spool_outcome settle_outcome;
	struct journal_frame voids;
	enum checkpoint_phase checkpoint;
	bool checkpoint_start, checkpoint_finish;
	uint64_t journal_step;
	struct span journals_old; /* borrowed; as in struct spool */
	int checkpoint_error;
	bool names_unknown;
	struct journal_file next;
	struct journal_frame chunk;
	struct buf unlinks;      /* ids of large messages that are gone */
	uint32_t remove_slot;    /* an empty segment to be given back */
	bool remove_wanted;
	int remove_error;
	struct reserve reserve;
	struct buf notices;      /* lines */
};

/* A second record of a live message. */
struct duplicate {
	struct id128 id;
	uint32_t slot;
	uint32_t unit;
};

struct spool_cursor {
	struct list link;
	struct list *at;         /* next message, or the head at the end */
};

struct spool {
	uint32_t magic;
	const struct disk *disk;
	struct spool_options options;
	struct id_source ids;
	uint64_t hash_key[2];
	struct map by_id;
	struct map reasons;
	struct list messages;
	struct list cursors;
	struct segment *segments[SEGMENTS_MAX];
	uint32_t slot_count;
	struct segment *active;
	struct list appends;
	struct journal_frame settle;
	struct buf settle_tags;
	struct journal_file journal;
	uint64_t journal_number_last;
	struct buf journals_old;    /* numbers (u64) of journals that may be on the disk and count no more */
	uint64_t checkpoint_bytes;  /* of the journal's first part */
	enum checkpoint_phase checkpoint;
	bool held;                  /* maintenance failed; again only along with other work */
	bool retire_hint;           /* a segment may have lost its last live record */
	bool seal_wanted;           /* closing */
	int checkpoint_error;
	uint32_t checkpoint_wait;   /* jobs until it is tried again */
	struct journal_file next;
	struct spool_cursor *checkpoint_cursor;
	uint32_t checkpoint_slot;
	struct buf unlinks;
	struct buf large_open;      /* ids: files that no message has yet */
	struct reserve reserve;
	bool starved;               /* no space for the journal: an empty segment is given up for it */
	struct buf duplicates;      /* during recovery: struct duplicate */
	struct spool_job *job;
	struct buf completions;
	size_t completion_at;
	char notices[NOTICE_COUNT][NOTICE_BYTES];
	uint32_t notice_first, notice_count, notice_lost;
	struct spool_counts counts;
};

/* index.c */
struct message *index_find(const struct spool *s, const struct id128 *id);
struct message *index_add(struct spool *s, const struct id128 *id); /* NULL: memory; not live yet */
void index_make_live(struct spool *s, struct message *m);
void index_drop(struct spool *s, struct message *m); /* its record becomes dead, if it is live */
uint32_t message_recipient_count(const struct message *m);
/* One entry of the journal, live or in recovery. Memory shortage ends the process: the disk
 * knows better than a half-changed index. */
void index_apply(struct spool *s, const struct journal_entry *entry);
/* The same for a message that was found already (or NULL). */
void index_apply_to(struct spool *s, struct message *m, const struct journal_entry *entry);
void index_apply_body(struct spool *s, struct span body);
void index_free_message(struct spool *s, struct message *m);
/* What of a message is not default, as entries. */
void index_snapshot(const struct message *m, struct buf *body);

/* reasons.c; memory shortage ends the process */
struct reason *reason_take(struct spool *s, struct span text); /* NULL for an empty one */
void reason_drop(struct spool *s, struct reason *r);

static inline struct span reason_text(const struct reason *r)
{
	return r != NULL ? span_of(r->text, r->len) : span_of(NULL, 0);
}

/* segments.c */
void segment_apply(struct spool *s, const struct journal_entry *entry);
struct segment *segments_add(struct spool *s, const struct segment_head *head);
void segments_free(struct spool *s, struct segment *g);
void segment_mark_dead(struct segment *g, uint32_t unit);
void segment_snapshot(const struct segment *g, struct buf *body);
void segment_name(char name_out[static DISK_NAME_MAX], uint32_t slot);
void journal_name(char name_out[static DISK_NAME_MAX], uint64_t number);
void large_name(char name_out[static DISK_NAME_MAX], const struct id128 *id);
uint64_t spool_chance(struct spool *s); /* 64 bits, never 0 */

/* spool.c */
/* Whether spool_large_open made a file for this id that is no message's yet. */
bool large_is_open(const struct spool *s, const struct id128 *id);
void spool_notice(struct spool *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void spool_complete(struct spool *s, uint64_t tag, bool settle, enum spool_outcome outcome);
void append_free(struct append *a);

/* compact.c */
void compact_plan(struct spool *s, struct spool_job *job);
void compact_done(struct spool *s, const struct append *a, struct segment *to);
void compact_finish(struct spool *s, const struct spool_job *job);
bool compact_due(const struct spool *s);
void retire_plan(struct spool *s, struct buf *body);
void retire_done(struct spool *s, bool durable);
struct segment *remove_due(const struct spool *s);
void job_collect_copies(struct spool_job *job); /* in the job's thread */

/* checkpoint.c */
bool checkpoint_due(const struct spool *s);
void checkpoint_plan(struct spool *s, struct spool_job *job);
void checkpoint_done(struct spool *s, struct spool_job *job);

/* job_batch.c: in the job's thread */
void job_append(struct spool_job *job);
int seal_write(const struct disk *disk, struct seal *seal);

/* job_journal.c: in the job's thread */
void job_settle(struct spool_job *job);
void job_void(struct spool_job *job, struct place *place, uint32_t unit);
void job_checkpoint(struct spool_job *job);
int job_allocate(struct spool_job *job, int file, uint64_t bytes, bool may_use_reserve);
int job_reserve(struct spool_job *job);
void job_notice(struct spool_job *job, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* recover.c */
int spool_recover(struct spool *s);

/* recover_segments.c */
int recover_head(struct spool *s, uint32_t slot);
int recover_segment(struct spool *s, struct segment *g);
size_t recover_record_count(const struct spool *s);
void recover_seals(struct spool *s);
void recover_dead_duplicates(struct spool *s);
int recover_duplicates(struct spool *s);

/* read.c */
int64_t segment_read(const struct spool *s, const struct segment *g, void *to, size_t len, uint64_t offset);

#endif
