/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rewriting the journal in small steps, so that a million states never stop the
 * spool: each job carries one chunk of the checkpoint into the new journal, behind
 * it whatever the job itself records. Messages first, segments last: a message that
 * dies on the way is dead either by its results or by its segment's bit.
 */
#include <errno.h>

#include "spool_private.h"

#define CHUNK_BYTES (512u * 1024)
#define CHUNK_MESSAGES 20000u

bool checkpoint_due(const struct spool *s)
{
	if (s->checkpoint != CHECKPOINT_NONE)
		return true;
	if (s->held)
		return false;
	uint64_t grown = s->journal.end - s->checkpoint_bytes;
	bool big = grown > s->options.journal_bytes && grown > s->checkpoint_bytes;
	return s->journal.file < 0 || (big && s->checkpoint_wait == 0);
}

static void begin(struct spool *s, struct spool_job *job)
{
	s->checkpoint_cursor = spool_cursor_open(s);
	if (s->checkpoint_cursor == NULL) {
		s->held = true;
		return;
	}
	s->checkpoint = CHECKPOINT_MESSAGES;
	s->checkpoint_slot = 0;
	job->checkpoint_start = true;
	job->next = (struct journal_file){ .file = -1, .number = ++s->journal_number_last };
	job->next.generation = spool_chance(s);
}

static void put_messages(struct spool *s, struct buf *body)
{
	struct spool_cursor *cursor = s->checkpoint_cursor;
	for (uint32_t i = 0; i < CHUNK_MESSAGES && body->len < CHUNK_BYTES; i++) {
		if (cursor->at == &s->messages) {
			s->checkpoint = CHECKPOINT_SEGMENTS;
			return;
		}
		index_snapshot(LIST_ENTRY(cursor->at, struct message, link), body);
		cursor->at = cursor->at->next;
	}
}

static void put_segments(struct spool *s, struct buf *body)
{
	for (; body->len < CHUNK_BYTES; s->checkpoint_slot++) {
		if (s->checkpoint_slot >= s->slot_count) {
			s->checkpoint = CHECKPOINT_END;
			return;
		}
		if (s->segments[s->checkpoint_slot] != NULL)
			segment_snapshot(s->segments[s->checkpoint_slot], body);
	}
}

void checkpoint_plan(struct spool *s, struct spool_job *job)
{
	if (!checkpoint_due(s))
		return;
	if (s->checkpoint == CHECKPOINT_NONE)
		begin(s, job);
	if (s->checkpoint == CHECKPOINT_MESSAGES)
		put_messages(s, &job->chunk.bytes);
	if (s->checkpoint == CHECKPOINT_SEGMENTS)
		put_segments(s, &job->chunk.bytes);
	job->checkpoint = s->checkpoint;
	job->checkpoint_finish = s->checkpoint == CHECKPOINT_END;
}

static void leave(struct spool *s)
{
	spool_cursor_close(s, s->checkpoint_cursor);
	s->checkpoint_cursor = NULL;
	s->checkpoint = CHECKPOINT_NONE;
}

static void close_file(struct spool *s, struct journal_file *j)
{
	if (j->file >= 0)
		s->disk->ops->close(s->disk->ctx, j->file);
	j->file = -1;
}

/* One that is forgotten for want of memory is found at the next start. */
static void add_old(struct spool *s, uint64_t number)
{
	buf_add(&s->journals_old, span_of(&number, sizeof(number)));
	s->journals_old.failed = false;
}

void checkpoint_done(struct spool *s, struct spool_job *job)
{
	if (job->checkpoint == CHECKPOINT_NONE)
		return;
	s->next = job->next;
	if (job->checkpoint_error != 0) {
		if (job->checkpoint_error != s->checkpoint_error)
			spool_notice(s, "the journal could not be rewritten: %s", strerror(-job->checkpoint_error));
		s->checkpoint_wait = CHECKPOINT_WAIT_JOBS;
		s->checkpoint_error = job->checkpoint_error;
		close_file(s, &s->next);
		leave(s);
		s->held = true;
		s->starved |= job->checkpoint_error == -ENOSPC;
		job->journal_failed |= job->names_unknown && s->journal.file >= 0;
		if (job->names_unknown)
			add_old(s, job->next.number);
		return;
	}
	if (!job->checkpoint_finish)
		return;
	close_file(s, &s->journal);
	s->journal = s->next;
	s->next.file = -1;
	buf_clear(&s->journals_old);
	add_old(s, s->journal.number);
	s->checkpoint_bytes = s->journal.end;
	job->journal_failed = false;
	s->checkpoint_error = 0;
	leave(s);
}
