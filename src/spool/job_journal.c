/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In the job's thread: the journal. Results are durable when their frame is synced;
 * what a failed batch may have left is void when its frame is. After a failed
 * write or sync a journal is never written again: the next checkpoint begins a new
 * one. Running out of space is no such failure, because space is taken before
 * anything is written; and when the disk is full the reserve is given up for it.
 */
#include <errno.h>
#include <stdio.h>

#include "spool_private.h"

static uint8_t zeroes[64 * 1024];

void job_notice(struct spool_job *job, const char *format, ...)
{
	char line[NOTICE_BYTES];
	va_list args;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	buf_addf(&job->notices, "%s\n", line);
}

int job_allocate(struct spool_job *job, int file, uint64_t bytes, bool may_use_reserve)
{
	int rc = job->disk->ops->allocate(job->disk->ctx, file, bytes);
	if (rc != -ENOSPC || !may_use_reserve || !job->reserve.present)
		return rc;
	if (job->disk->ops->unlink(job->disk->ctx, RESERVE_NAME) < 0)
		return rc;
	job->reserve.present = false;
	job_notice(job, "the disk is full: the reserve was given up to record results");
	return job->disk->ops->allocate(job->disk->ctx, file, bytes);
}

/* Makes sure that the reserve is there. */
int job_reserve(struct spool_job *job)
{
	if (job->reserve.present)
		return 0;
	const struct disk *disk = job->disk;
	disk->ops->unlink(disk->ctx, RESERVE_NAME);
	int file = disk->ops->open(disk->ctx, RESERVE_NAME, DISK_OPEN_CREATE);
	if (file < 0)
		return file;
	int rc = disk->ops->allocate(disk->ctx, file, job->reserve.bytes);
	if (rc == 0)
		rc = disk->ops->sync(disk->ctx, file);
	disk->ops->close(disk->ctx, file);
	job->reserve.present = rc == 0;
	if (rc < 0)
		disk->ops->unlink(disk->ctx, RESERVE_NAME);
	return rc;
}

/* Takes space for `len` more bytes; -ENOSPC leaves the journal as good as it was. */
static int take_space(struct spool_job *job, struct journal_file *j, uint64_t len)
{
	if (j->end + len <= j->allocated)
		return 0;
	uint64_t want = (j->end + len + job->journal_step - 1) / job->journal_step * job->journal_step;
	int rc = job_allocate(job, j->file, want, true);
	/* Written once, so that syncing a frame changes no metadata; what comes now needs no zeroes. */
	uint64_t from = j->end + len > j->allocated ? j->end + len : j->allocated;
	for (uint64_t at = from; rc == 0 && at < want; at += sizeof(zeroes)) {
		struct iovec piece = { zeroes, want - at < sizeof(zeroes) ? (size_t)(want - at) : sizeof(zeroes) };
		rc = job->disk->ops->write(job->disk->ctx, j->file, &piece, 1, at);
	}
	if (rc == 0)
		j->allocated = want;
	return rc;
}

/* Writes a frame behind the last one. *broken_out: the file must not be used any more. */
static int write_frame(struct spool_job *job, struct journal_file *j, struct journal_frame *f, bool *broken_out)
{
	if (!journal_frame_finish(f, j->generation, j->end))
		return -ENOMEM;
	int rc = take_space(job, j, f->bytes.len);
	if (rc < 0)
		return rc;
	struct iovec piece = { f->bytes.ptr, f->bytes.len };
	rc = job->disk->ops->write(job->disk->ctx, j->file, &piece, 1, j->end);
	if (rc < 0)
		*broken_out = true;
	else
		j->end += f->bytes.len;
	return rc;
}

static int write_synced(struct spool_job *job, struct journal_frame *f)
{
	if (job->journal.file < 0 || job->journal_failed)
		return -EIO;
	int rc = write_frame(job, &job->journal, f, &job->journal_failed);
	if (rc < 0)
		return rc;
	rc = job->disk->ops->sync(job->disk->ctx, job->journal.file);
	job->journal_failed = rc < 0;
	return rc;
}

void job_settle(struct spool_job *job)
{
	if (journal_frame_empty(&job->settle))
		return;
	int rc = write_synced(job, &job->settle);
	if (rc == 0)
		return;
	job->settle_outcome = rc == -ENOSPC ? SPOOL_REFUSED_FULL : SPOOL_REFUSED_ERROR;
	job_notice(job, "results could not be recorded: %s", strerror(-rc));
}

void job_void(struct spool_job *job, struct place *place, uint32_t unit)
{
	struct journal_entry entry = { .type = JOURNAL_SEGMENT, .slot = place->head.slot };
	entry.generation = place->head.generation;
	entry.limit = unit;
	struct journal_frame frame;
	journal_frame_init(&frame);
	journal_entry_put(&frame.bytes, &entry);
	place->voided = write_synced(job, &frame) == 0;
	journal_frame_fini(&frame);
	journal_entry_put(&job->voids.bytes, &entry);
}

static int begin_next(struct spool_job *job)
{
	const struct disk *disk = job->disk;
	uint8_t unit[SPOOL_UNIT];
	disk->ops->unlink(disk->ctx, JOURNAL_NAME_NEW);
	job->next.file = disk->ops->open(disk->ctx, JOURNAL_NAME_NEW, DISK_OPEN_CREATE);
	if (job->next.file < 0)
		return job->next.file;
	job->next.end = job->next.allocated = 0;
	int rc = take_space(job, &job->next, SPOOL_UNIT);
	if (rc < 0)
		return rc;
	journal_head_encode(unit, job->next.number, job->next.generation);
	struct iovec piece = { unit, sizeof(unit) };
	job->next.end = SPOOL_UNIT;
	return disk->ops->write(disk->ctx, job->next.file, &piece, 1, 0);
}

static int write_next(struct spool_job *job, struct journal_frame *f)
{
	bool broken = false;
	return journal_frame_empty(f) ? 0 : write_frame(job, &job->next, f, &broken);
}

static int write_end(struct spool_job *job)
{
	struct journal_frame end;
	journal_frame_init(&end);
	journal_entry_put(&end.bytes, &(struct journal_entry){ .type = JOURNAL_END });
	int rc = write_next(job, &end);
	journal_frame_fini(&end);
	return rc == 0 ? job->disk->ops->sync(job->disk->ctx, job->next.file) : rc;
}

/* Makes the new journal the one that counts. Between rename and the end of sync_names nobody
 * knows which name a crash would leave, so an error there ends the old journal too. */
static int switch_journals(struct spool_job *job)
{
	const struct disk *disk = job->disk;
	char name[DISK_NAME_MAX];
	journal_name(name, job->next.number);
	int rc = disk->ops->rename(disk->ctx, JOURNAL_NAME_NEW, name);
	if (rc == 0)
		rc = disk->ops->sync_names(disk->ctx);
	if (rc < 0) {
		job->names_unknown = true;
		return rc;
	}
	for (size_t at = 0; at < job->journals_old.len; at += sizeof(uint64_t)) {
		uint64_t number;
		memcpy(&number, job->journals_old.ptr + at, sizeof(number));
		journal_name(name, number);
		disk->ops->unlink(disk->ctx, name);
	}
	return 0;
}

void job_checkpoint(struct spool_job *job)
{
	if (job->checkpoint == CHECKPOINT_NONE)
		return;
	int rc = job->checkpoint_start ? begin_next(job) : 0;
	if (rc == 0)
		rc = write_next(job, &job->chunk);
	if (rc == 0 && job->settle_outcome == SPOOL_DURABLE)
		rc = write_next(job, &job->settle);
	if (rc == 0)
		rc = write_next(job, &job->voids);
	if (rc == 0 && job->checkpoint_finish)
		rc = write_end(job);
	if (rc == 0 && job->checkpoint_finish)
		rc = switch_journals(job);
	/* The reserve was used or is new: best renewed while the old journal's space is free. */
	if (rc == 0 && job->checkpoint_finish)
		job_reserve(job);
	job->checkpoint_error = rc;
}
