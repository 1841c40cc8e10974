/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In the job's thread: making a batch of records durable. This is where an
 * accepted message reaches stable storage: append_to writes all records with as
 * few writes as possible straight from the callers' memory, then syncs once.
 *
 * After an error the place is voided (durably, in the journal) before another
 * segment is tried; only when each place that was touched is void may the batch be
 * called refused, else its fate is unknown.
 */
#include <errno.h>
#include <stdio.h>

#include "crc32c.h"
#include "spool_private.h"

#define PIECES_PER_RECORD 4
#define AHEAD_PIECES 16
#define AHEAD_BATCH_UNITS 128u /* bigger batches gain less than the extra writing costs */

static const uint8_t zeroes[64 * 1024];

struct writer {
	const struct disk *disk;
	int file;
	struct iovec pieces[DISK_IOV_MAX];
	int count;
	uint64_t offset;
	uint64_t bytes;
};

static int writer_flush(struct writer *w)
{
	if (w->count == 0)
		return 0;
	int rc = w->disk->ops->write(w->disk->ctx, w->file, w->pieces, w->count, w->offset);
	w->offset += w->bytes;
	w->bytes = 0;
	w->count = 0;
	return rc;
}

static void writer_add(struct writer *w, struct span s)
{
	if (s.len == 0)
		return;
	w->pieces[w->count].iov_base = (void *)(uintptr_t)s.ptr;
	w->pieces[w->count].iov_len = s.len;
	w->count++;
	w->bytes += s.len;
}

static int writer_add_record(struct writer *w, const struct append *a)
{
	int rc = w->count + PIECES_PER_RECORD > DISK_IOV_MAX ? writer_flush(w) : 0;
	if (rc < 0)
		return rc;
	writer_add(w, buf_span(&a->head));
	writer_add(w, a->trace);
	writer_add(w, a->content);
	writer_add(w, span_of(zeroes, (SPOOL_UNIT - a->record_bytes % SPOOL_UNIT) % SPOOL_UNIT));
	return 0;
}

int seal_write(const struct disk *disk, struct seal *seal)
{
	uint8_t unit[SPOOL_UNIT];
	struct segment_foot foot = {
		.slot = seal->head.slot,
		.generation = seal->head.generation,
		.record_count = seal->record_count,
		.index_unit = seal->end_unit,
		.index_bytes = (uint32_t)seal->index.len,
		.index_crc = crc32c(0, seal->index),
		.end_unit = seal->end_unit,
	};
	struct writer w = { .disk = disk, .file = seal->file, .offset = (uint64_t)seal->end_unit * SPOOL_UNIT };
	writer_add(&w, seal->index);
	int rc = writer_flush(&w);
	segment_foot_encode(unit, &foot);
	w.offset = ((uint64_t)seal->head.units - 1) * SPOOL_UNIT;
	writer_add(&w, span_of(unit, sizeof(unit)));
	if (rc == 0)
		rc = writer_flush(&w);
	return rc == 0 ? disk->ops->sync(disk->ctx, seal->file) : rc;
}

/* A new file with a head and nothing else; its name is durable when this succeeds. */
static int create_segment(struct spool_job *job, struct place *place)
{
	const struct disk *disk = job->disk;
	bool copies = job->append_count == 0;
	char name[DISK_NAME_MAX];
	uint8_t unit[SPOOL_UNIT];
	int rc = copies ? 0 : job_reserve(job);
	if (rc < 0)
		return rc;
	disk->ops->unlink(disk->ctx, SEGMENT_NAME_NEW);
	place->file = disk->ops->open(disk->ctx, SEGMENT_NAME_NEW, DISK_OPEN_CREATE);
	if (place->file < 0)
		return place->file;
	rc = job_allocate(job, place->file, (uint64_t)place->head.units * SPOOL_UNIT, copies);
	if (rc < 0)
		return rc;
	struct writer w = { .disk = disk, .file = place->file };
	segment_head_encode(unit, &place->head);
	writer_add(&w, span_of(unit, sizeof(unit)));
	rc = writer_flush(&w);
	if (rc == 0)
		rc = disk->ops->sync(disk->ctx, place->file);
	segment_name(name, place->head.slot);
	if (rc == 0)
		rc = disk->ops->rename(disk->ctx, SEGMENT_NAME_NEW, name);
	return rc == 0 ? disk->ops->sync_names(disk->ctx) : rc;
}

static int open_place(struct spool_job *job, struct place *place)
{
	char name[DISK_NAME_MAX];
	if (place->file >= 0)
		return 0;
	if (!place->create) {
		segment_name(name, place->head.slot);
		place->file = job->disk->ops->open(job->disk->ctx, name, DISK_OPEN_WRITE);
		return place->file < 0 ? place->file : 0;
	}
	int rc = create_segment(job, place);
	if (rc < 0) {
		if (place->file >= 0)
			job->disk->ops->close(job->disk->ctx, place->file);
		place->file = -1;
		job->disk->ops->unlink(job->disk->ctx, SEGMENT_NAME_NEW);
	}
	return rc;
}

static uint32_t content_crc(const struct append *a)
{
	return a->message == NULL ? a->content_crc : crc32c(crc32c(0, a->trace), a->content);
}

/*
 * Space that was only reserved costs a change of metadata at each sync (half of the
 * rate of small batches, measured on ext4). So a small batch that comes to such space
 * writes zeroes over the next MiB, and the following ones overwrite them.
 */
static int write_ahead(struct writer *w, struct place *place, uint32_t end_unit)
{
	uint32_t last_unit = place->head.units - 1, units = sizeof(zeroes) / SPOOL_UNIT;
	if (end_unit <= place->written_unit)
		return 0;
	place->written_unit = end_unit;
	if (end_unit - place->end_unit > AHEAD_BATCH_UNITS || end_unit >= last_unit)
		return 0;
	int rc = writer_flush(w);
	uint32_t left = last_unit - end_unit;
	for (int i = 0; rc == 0 && i < AHEAD_PIECES && left > 0; i++) {
		uint32_t more = left < units ? left : units;
		writer_add(w, span_of(zeroes, (size_t)more * SPOOL_UNIT));
		left -= more;
		place->written_unit += more;
	}
	return rc;
}

/* Writes the batch to an open place and syncs it. */
static int append_to(struct spool_job *job, struct place *place, uint32_t *end_unit_out)
{
	uint8_t head[SPOOL_UNIT];
	uint32_t unit = place->end_unit;
	struct writer w = { .disk = job->disk, .file = place->file };
	if (place->fresh) {
		segment_head_encode(head, &place->head);
		writer_add(&w, span_of(head, sizeof(head)));
	} else {
		w.offset = (uint64_t)unit * SPOOL_UNIT;
	}
	int rc = 0;
	for (struct list *l = job->appends.next; l != &job->appends && rc == 0; l = l->next) {
		struct append *a = LIST_ENTRY(l, struct append, link);
		if (a->outcome != SPOOL_DURABLE)
			continue;
		struct record_place at = { place->head.generation, unit, place->end_unit };
		record_seal(a->head.ptr, a->head.len, &at, content_crc(a));
		a->unit = unit;
		unit += spool_units(a->record_bytes);
		rc = writer_add_record(&w, a);
	}
	if (rc == 0)
		rc = write_ahead(&w, place, unit);
	if (rc == 0)
		rc = writer_flush(&w);
	*end_unit_out = unit;
	return rc == 0 ? job->disk->ops->sync(job->disk->ctx, place->file) : rc;
}

/* The content of a large message in its own file: there, as long as was said, and durable. */
static int sync_large(struct spool_job *job, const struct append *a)
{
	char name[DISK_NAME_MAX];
	large_name(name, &a->id);
	int file = job->disk->ops->open(job->disk->ctx, name, DISK_OPEN_WRITE);
	if (file < 0)
		return file;
	int64_t size = job->disk->ops->size(job->disk->ctx, file);
	int rc = size < 0 ? (int)size : (uint64_t)size != a->large_bytes ? -EINVAL : 0;
	if (rc == 0)
		rc = job->disk->ops->sync(job->disk->ctx, file);
	job->disk->ops->close(job->disk->ctx, file);
	return rc;
}

static enum spool_outcome refusal(int error)
{
	return error == -ENOSPC || error == -EDQUOT ? SPOOL_REFUSED_FULL : SPOOL_REFUSED_ERROR;
}

/* Contents and names of large messages before their records. Nothing was written yet for
 * those that fail here, so they are simply refused. */
static void sync_larges(struct spool_job *job)
{
	bool names = false;
	for (struct list *l = job->appends.next; l != &job->appends; l = l->next) {
		struct append *a = LIST_ENTRY(l, struct append, link);
		int rc = a->message != NULL && a->large ? sync_large(job, a) : 0;
		names |= a->message != NULL && a->large && rc == 0;
		if (rc < 0)
			a->outcome = refusal(rc);
	}
	int rc = names ? job->disk->ops->sync_names(job->disk->ctx) : 0;
	for (struct list *l = job->appends.next; rc < 0 && l != &job->appends; l = l->next) {
		struct append *a = LIST_ENTRY(l, struct append, link);
		if (a->message != NULL && a->large)
			a->outcome = refusal(rc);
	}
}

static bool any_left(const struct spool_job *job)
{
	for (const struct list *l = job->appends.next; l != &job->appends; l = l->next) {
		if (LIST_ENTRY(l, struct append, link)->outcome == SPOOL_DURABLE)
			return true;
	}
	return false;
}

static void refuse_all(struct spool_job *job, enum spool_outcome outcome)
{
	for (struct list *l = job->appends.next; l != &job->appends; l = l->next) {
		struct append *a = LIST_ENTRY(l, struct append, link);
		if (a->outcome == SPOOL_DURABLE)
			a->outcome = outcome;
	}
}

static void note_failure(struct spool_job *job, const struct place *place, int error)
{
	if (error != -ENOSPC)
		job_notice(job, "segment %08x could not be %s: %s", place->head.slot, place->tried ? "written" : "opened",
			strerror(-error));
}

void job_append(struct spool_job *job)
{
	bool all_void = true;
	int first_error = job->place_count == 0 ? -ENOSPC : 0;
	sync_larges(job);
	if (!any_left(job))
		return;
	for (int i = 0; i < job->place_count; i++) {
		struct place *place = &job->places[i];
		uint32_t end_unit;
		place->error = open_place(job, place);
		if (place->error == 0) {
			place->tried = true;
			place->error = append_to(job, place, &end_unit);
		}
		if (place->error == 0) {
			place->end_unit = end_unit;
			job->used_place = i;
			return;
		}
		first_error = first_error != 0 ? first_error : place->error;
		note_failure(job, place, place->error);
		if (place->tried) {
			job_void(job, place, place->fresh ? 0 : place->end_unit);
			all_void &= place->voided;
		}
	}
	refuse_all(job, all_void ? refusal(first_error) : SPOOL_UNKNOWN);
}
