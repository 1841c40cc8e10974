/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store of accepted messages: a log of records on disk, a journal of what
 * became of each recipient, and an index of live messages in memory.
 *
 * Asynchronous without threads: append and settle only queue; the owner takes
 * what is queued as one job, runs it where blocking is allowed, ends it, and
 * pulls completions. What is queued while a job runs forms the next one, so that
 * one sync serves all who wait (group commit).
 *
 *     spool_append, spool_settle ...          any number, at any time
 *     while ((job = spool_job_begin(s))) {    NULL: nothing to do
 *         spool_job_run(job);                 in any thread; all I/O is here
 *         spool_job_end(s, job);
 *         while (spool_completion_next(s, &done)) ...
 *     }
 *
 * Guarantees
 *  1. DURABLE for an append: envelope, content and the names of their files are on
 *     stable storage; the message is found after any crash.
 *  2. REFUSED_*: no trace of it will ever come alive, in no later start.
 *  3. UNKNOWN: neither can be said; the client must get no answer at all.
 *  4. DURABLE for a settle: the state is found after any crash. A message all of whose
 *     recipients are settled finally never comes back.
 *  5. Space of a record is used again only after what retires it is on stable storage.
 *  6. A damaged record is reported and set aside; it stops nothing else.
 *  7. On a full disk appends are refused, and settling still works.
 *  8. One owner at a time.
 *
 * No clock is read, nothing is logged: what the operator must know is a notice.
 */
#ifndef WAYBILL_SPOOL_SPOOL_H
#define WAYBILL_SPOOL_SPOOL_H

#include "disk.h"
#include "spool_message.h"

struct spool;
struct spool_job;

struct spool_options {
	const struct disk *disk;     /* outlives the spool */
	uint64_t seed[2];            /* random: generations must not be guessable by who sends mail */
	uint64_t segment_bytes;      /* 0: 64 MiB; a multiple of 512 */
	uint64_t journal_bytes;      /* 0: 8 MiB; the journal is rewritten when it has grown by this */
	uint32_t batch_bytes_max;    /* 0: 8 MiB of records in one job */
	uint32_t spare_segments_max; /* 0: 4; empty segments beyond are given back to the disk */
	bool read_only;              /* check and export: shared lock, nothing is written */
};

/*
 * Recovers the folder and takes its lock. Blocks. Notices about what was found
 * and set aside wait in the spool afterwards. -EWOULDBLOCK: another instance has
 * it; -EPROTO: a newer format; else the disk's error.
 */
int spool_open(const struct spool_options *options, struct spool **spool_out);

/* Runs what is queued, seals the log, frees everything (read-only: frees). Completions that were
 * not pulled are lost; a job must not be in flight. */
void spool_close(struct spool *s);

/*
 * Queues a message; its completion carries `tag`. -EEXIST: the id is taken;
 * -EMSGSIZE: a limit above is passed; -EINVAL: no recipient; -ENOMEM. After an
 * error there is no completion. The file of a large message belongs to the store from
 * here on: with an error, and with a completion that refuses, it goes away.
 */
int spool_append(struct spool *s, const struct spool_message *m, uint64_t tag);

/*
 * A file for the content of message `id` beyond SPOOL_CONTENT_BYTES_MAX (or
 * whenever its size is unknown): *fd_out is writable, content begins at offset 0,
 * the caller closes it. It becomes part of the message by spool_append with
 * `large` set, or vanishes when that fails, by spool_large_discard, or at the next
 * start. To discard what is not open, or was appended, does nothing.
 * -ENOSPC: no room; -EEXIST: the id is taken; -EMFILE: too many at once.
 */
int spool_large_open(struct spool *s, const struct id128 *id, int *fd_out);
void spool_large_discard(struct spool *s, const struct id128 *id);

/*
 * Queues a result; everything is copied. Visible in the index from its completion
 * on. -ENOENT: no such message or recipient; -E2BIG: too many recipients; -ENOMEM.
 */
int spool_settle(struct spool *s, const struct spool_result *r, uint64_t tag);

/*
 * Queues a remark about a message: how many notices of delay were sent. Durable and visible
 * (spool_entry) from its completion on, which is one of a settle. -ENOENT; -ENOMEM.
 */
int spool_note(struct spool *s, const struct id128 *id, uint8_t delay_notices, uint64_t tag);

/*
 * All that is queued (and due maintenance) as one job; NULL when there is nothing
 * to do or when one is in flight. spool_job_run touches nothing but the job and
 * the disk. Every job that began must be run and ended.
 */
struct spool_job *spool_job_begin(struct spool *s);
void spool_job_run(struct spool_job *job);
void spool_job_end(struct spool *s, struct spool_job *job);

enum spool_outcome {
	SPOOL_DURABLE,
	SPOOL_REFUSED_FULL,  /* 452 4.3.1 */
	SPOOL_REFUSED_ERROR, /* 451 4.3.0; for a settle: not recorded, submit it again later */
	SPOOL_UNKNOWN,       /* appends only: drop the client without an answer */
};

struct spool_completion {
	uint64_t tag;
	bool settle; /* a settle or a note; else an append */
	enum spool_outcome outcome;
};

bool spool_completion_next(struct spool *s, struct spool_completion *done_out);

/* One fact for the operator: a text without a line end, valid until the next call; NULL: no more. */
const char *spool_notice_next(struct spool *s);

#endif
