/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Planning a job from what is queued, and applying what it did. Both run in the
 * spool's own thread and do no I/O; all I/O is in job_batch.c and job_journal.c.
 */
#include <assert.h>
#include <stdlib.h>

#include "spool_private.h"

#define SETTLE_TAG_BYTES_MAX (16u * 1024 * 1024)
#define UNLINK_BYTES_MAX (UNLINKS_PER_JOB * sizeof(struct id128))
#define NOTICES_BYTES_MAX 4096u

static bool work_due(const struct spool *s)
{
	bool journaled = s->journal.file >= 0 && (!journal_frame_empty(&s->settle) || s->unlinks.len > 0);
	if (!list_empty(&s->appends) || journaled || checkpoint_due(s))
		return true;
	if (s->seal_wanted && s->active != NULL)
		return true;
	return !s->held && !s->seal_wanted &&
		((s->retire_hint && s->journal.file >= 0) || compact_due(s) || remove_due(s) != NULL);
}

static uint32_t count_empty(const struct spool *s)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < s->slot_count; i++)
		count += s->segments[i] != NULL && s->segments[i]->phase == SEGMENT_EMPTY;
	return count;
}

static bool place_taken(const struct spool_job *job, uint32_t slot)
{
	for (int i = 0; i < job->place_count; i++) {
		if (job->places[i].head.slot == slot)
			return true;
	}
	return job->remove_wanted && job->remove_slot == slot;
}

/* Another segment for the batch: an empty one, else one to be created; false: no slot is left.
 * The last empty one is for winning back space, unless there is a reserve for that. */
static bool add_place(struct spool *s, struct spool_job *job, bool copies)
{
	uint32_t units = (uint32_t)(s->options.segment_bytes / SPOOL_UNIT);
	bool may_take = copies || s->reserve.present || count_empty(s) > 1;
	uint32_t slot = SEGMENTS_MAX, unused = SEGMENTS_MAX;
	for (uint32_t i = 0; i < SEGMENTS_MAX && slot == SEGMENTS_MAX; i++) {
		const struct segment *g = s->segments[i];
		if (place_taken(job, i))
			continue;
		if (g == NULL && unused == SEGMENTS_MAX)
			unused = i;
		if (g != NULL && may_take && g->phase == SEGMENT_EMPTY && !g->failed && g->head.units == units)
			slot = i;
		if (i >= s->slot_count && unused < SEGMENTS_MAX)
			break;
	}
	bool create = slot == SEGMENTS_MAX;
	if (create && unused == SEGMENTS_MAX)
		return false;
	struct place *place = &job->places[job->place_count++];
	*place = (struct place){ .file = -1, .end_unit = SEGMENT_FIRST_UNIT, .create = create, .fresh = true };
	place->head.slot = create ? unused : slot;
	place->head.generation = spool_chance(s);
	place->head.units = units;
	place->written_unit = create ? 0 : s->segments[slot]->written_unit;
	return true;
}

static void plan_seal(struct spool *s, struct spool_job *job)
{
	struct segment *g = s->active;
	job->seal = (struct seal){ .wanted = true, .head = g->head, .file = g->file, .end_unit = g->end_unit };
	job->seal.record_count = g->record_count;
	job->seal.index = buf_span(&g->index);
	if (g->index.failed)
		job->seal.error = -1;
}

/* Where to write: the active segment if the first record fits there, then others as a refuge
 * from write errors. */
static void plan_places(struct spool *s, struct spool_job *job, const struct append *first)
{
	const struct segment *g = s->active;
	uint64_t bytes = first != NULL ? first->record_bytes : SPOOL_UNIT;
	size_t head_bytes = first != NULL ? first->head.len : 0;
	bool fits = g != NULL && segment_fits(&g->head, g->end_unit, g->index.len, bytes, head_bytes);
	if (fits && !g->index.failed && !s->seal_wanted)
		job->places[job->place_count++] = (struct place){ .head = g->head, .file = g->file, .end_unit = g->end_unit,
			.written_unit = g->written_unit };
	else if (g != NULL)
		plan_seal(s, job);
	while (job->place_count < PLACES_MAX && (first != NULL || compact_due(s))) {
		if (!add_place(s, job, first == NULL))
			break;
	}
}

static void plan_appends(struct spool *s, struct spool_job *job)
{
	uint32_t end_unit = job->place_count > 0 ? job->places[0].end_unit : 0;
	size_t index_bytes = job->place_count > 0 && !job->places[0].fresh ? s->active->index.len : 0;
	uint64_t bytes = 0;
	while (!list_empty(&s->appends) && job->append_count < BATCH_COUNT_MAX) {
		struct append *a = LIST_ENTRY(s->appends.next, struct append, link);
		bool room = job->place_count == 0 ||
			segment_fits(&job->places[0].head, end_unit, index_bytes, a->record_bytes, a->head.len);
		if (!room || (bytes > 0 && bytes + a->record_bytes > s->options.batch_bytes_max))
			break;
		list_remove(&a->link);
		list_append(&job->appends, &a->link);
		job->append_count++;
		bytes += a->record_bytes;
		end_unit += spool_units(a->record_bytes);
		index_bytes += a->head.len + 2 * sizeof(uint32_t);
	}
	job->index_bytes = index_bytes;
	if (job->place_count > 0)
		job->append_bytes = (uint64_t)(end_unit - job->places[0].end_unit) * SPOOL_UNIT;
}

static void plan_settle(struct spool *s, struct spool_job *job)
{
	if (s->journal.file < 0)
		return;
	if (s->retire_hint)
		retire_plan(s, &s->settle.bytes);
	journal_frame_fini(&job->settle);
	buf_fini(&job->settle_tags);
	job->settle = s->settle;
	job->settle_tags = s->settle_tags;
	journal_frame_init(&s->settle);
	buf_init(&s->settle_tags, SETTLE_TAG_BYTES_MAX);
}

/* Not without a journal: at start-up what killed them may have been read from memory only. */
static void plan_unlinks(struct spool *s, struct spool_job *job)
{
	if (s->journal.file < 0)
		return;
	size_t len = s->unlinks.len < UNLINK_BYTES_MAX ? s->unlinks.len : UNLINK_BYTES_MAX;
	buf_add(&job->unlinks, span_to(buf_span(&s->unlinks), len));
	if (!job->unlinks.failed)
		buf_consume(&s->unlinks, len);
}

static struct spool_job *new_job(struct spool *s)
{
	struct spool_job *job = calloc(1, sizeof(*job));
	if (job == NULL)
		return NULL;
	job->disk = s->disk;
	job->used_place = -1;
	job->journal = s->journal;
	job->journals_old = buf_span(&s->journals_old);
	job->journal_step = s->options.journal_bytes / JOURNAL_STEPS / SPOOL_UNIT * SPOOL_UNIT + SPOOL_UNIT;
	s->checkpoint_wait -= s->checkpoint_wait > 0;
	job->next = s->next;
	job->reserve = s->reserve;
	list_init(&job->appends);
	journal_frame_init(&job->settle);
	journal_frame_init(&job->voids);
	journal_frame_init(&job->chunk);
	buf_init(&job->settle_tags, SETTLE_TAG_BYTES_MAX);
	buf_init(&job->unlinks, UNLINK_BYTES_MAX);
	buf_init(&job->notices, NOTICES_BYTES_MAX);
	return job;
}

struct spool_job *spool_job_begin(struct spool *s)
{
	if (s->job != NULL || s->options.read_only || !work_due(s))
		return NULL;
	struct spool_job *job = new_job(s);
	if (job == NULL)
		return NULL;
	const struct append *first =
		list_empty(&s->appends) ? NULL : LIST_ENTRY(s->appends.next, struct append, link);
	const struct segment *remove = s->held ? NULL : remove_due(s);
	if (remove != NULL) {
		job->remove_wanted = true;
		job->remove_slot = remove->head.slot;
	}
	plan_places(s, job, first);
	plan_appends(s, job);
	if (!s->held && !s->seal_wanted)
		compact_plan(s, job);
	checkpoint_plan(s, job);
	plan_settle(s, job);
	plan_unlinks(s, job);
	s->job = job;
	return job;
}

static int remove_segment(struct spool_job *job)
{
	char name[DISK_NAME_MAX];
	segment_name(name, job->remove_slot);
	int rc = job->disk->ops->unlink(job->disk->ctx, name);
	return rc < 0 ? rc : job->disk->ops->sync_names(job->disk->ctx);
}

static void unlink_large(struct spool_job *job)
{
	for (size_t at = 0; at < job->unlinks.len; at += sizeof(struct id128)) {
		struct id128 id;
		char name[DISK_NAME_MAX];
		memcpy(&id, job->unlinks.ptr + at, sizeof(id));
		large_name(name, &id);
		/* What is left over vanishes at the next start. */
		job->disk->ops->unlink(job->disk->ctx, name);
	}
}

void spool_job_run(struct spool_job *job)
{
	if (job->remove_wanted)
		job->remove_error = remove_segment(job);
	if (job->seal.wanted && job->seal.error == 0)
		job->seal.error = seal_write(job->disk, &job->seal);
	job_collect_copies(job);
	job_append(job);
	job_settle(job);
	job_checkpoint(job);
	unlink_large(job);
}

/* The segment as its place has become. */
static struct segment *begin_segment(struct spool *s, const struct place *place)
{
	struct segment *g = s->segments[place->head.slot];
	if (g == NULL)
		g = segments_add(s, &place->head);
	if (g == NULL)
		abort(); /* memory; the disk knows all */
	g->generation_before = place->create ? 0 : g->head.generation;
	g->head = place->head;
	g->phase = SEGMENT_ACTIVE;
	g->file = -1;
	g->end_unit = SEGMENT_FIRST_UNIT;
	g->limit = SEGMENT_NO_LIMIT;
	g->live_count = g->record_count = 0;
	g->live_units = 0;
	g->seal_due = false;
	buf_clear(&g->index);
	memset(g->dead, 0, g->head.units / 8 + 1);
	return g;
}

static void close_segment(struct spool *s, struct segment *g, enum segment_phase phase)
{
	if (g->file >= 0)
		s->disk->ops->close(s->disk->ctx, g->file);
	g->file = -1;
	g->phase = phase;
	buf_release(&g->index);
	s->retire_hint |= g->live_count == 0;
	if (s->active == g)
		s->active = NULL;
}

static void end_seal(struct spool *s, const struct spool_job *job)
{
	struct segment *g = s->active;
	if (!job->seal.wanted)
		return;
	if (job->seal.error != 0) {
		/* Its records are durable; only the index is missing, and start-up will walk. */
		g->limit = g->end_unit;
		g->failed = true;
		spool_notice(s, "segment %08x was closed without its index", g->head.slot);
	}
	close_segment(s, g, job->seal.error != 0 ? SEGMENT_FAILED : SEGMENT_SEALED);
}

static void end_place(struct spool *s, const struct spool_job *job, int index)
{
	const struct place *place = &job->places[index];
	bool used = index == job->used_place;
	struct segment *g = s->segments[place->head.slot];
	if (!used && !place->tried) {
		if (place->file >= 0 && (g == NULL || place->file != g->file))
			s->disk->ops->close(s->disk->ctx, place->file);
		return;
	}
	if (place->fresh)
		g = begin_segment(s, place);
	g->file = place->file;
	g->written_unit = place->written_unit;
	if (used) {
		g->generation_before = 0;
		s->active = g;
		return;
	}
	g->failed = true;
	g->limit = place->fresh ? 0 : place->end_unit;
	close_segment(s, g, SEGMENT_FAILED);
	s->counts.segments_failed++;
	spool_notice(s, "segment %08x was closed after a failed write: %s", g->head.slot, strerror(-place->error));
}

static void end_append(struct spool *s, struct append *a, struct segment *g)
{
	bool durable = a->outcome == SPOOL_DURABLE;
	if (durable) {
		segment_index_add(&g->index, a->unit, buf_span(&a->head));
		g->record_count++;
		g->end_unit = a->unit + spool_units(a->record_bytes);
	}
	if (a->message == NULL) {
		if (durable)
			compact_done(s, a, g);
		return;
	}
	if (durable) {
		a->message->slot = g->head.slot;
		a->message->unit = a->unit;
		index_make_live(s, a->message);
	} else {
		/* Of an unknown one the next start decides. */
		if (a->large && a->outcome != SPOOL_UNKNOWN)
			buf_add(&s->unlinks, span_of(&a->id, sizeof(a->id)));
		index_free_message(s, a->message);
	}
	s->counts.full = a->outcome == SPOOL_REFUSED_FULL || (s->counts.full && !durable);
	spool_complete(s, a->tag, false, a->outcome);
}

static void end_appends(struct spool *s, struct spool_job *job)
{
	struct segment *g = job->used_place >= 0 ? s->active : NULL;
	while (!list_empty(&job->appends)) {
		struct append *a = LIST_ENTRY(job->appends.next, struct append, link);
		list_remove(&a->link);
		end_append(s, a, g);
		append_free(a);
	}
}

static void complete_settles(struct spool *s, const struct buf *tags, enum spool_outcome outcome)
{
	for (size_t at = 0; at < tags->len; at += sizeof(uint64_t)) {
		uint64_t tag;
		memcpy(&tag, tags->ptr + at, sizeof(tag));
		spool_complete(s, tag, true, outcome);
	}
}

static void end_settles(struct spool *s, struct spool_job *job)
{
	bool durable = job->settle_outcome == SPOOL_DURABLE;
	if (durable && !journal_frame_empty(&job->settle))
		index_apply_body(s, journal_frame_body(&job->settle));
	retire_done(s, durable);
	complete_settles(s, &job->settle_tags, job->settle_outcome);
	s->held |= !durable;
	s->starved |= job->settle_outcome == SPOOL_REFUSED_FULL;
	if (job->journal_failed) {
		spool_notice(s, "journal %llu was closed after a failed write", (unsigned long long)s->journal.number);
		s->disk->ops->close(s->disk->ctx, s->journal.file);
		s->journal.file = -1;
	}
	/* Without a journal and without hope of one nobody shall wait. */
	if (s->journal.file < 0 && s->checkpoint == CHECKPOINT_NONE && s->held) {
		complete_settles(s, &s->settle_tags, SPOOL_REFUSED_ERROR);
		buf_clear(&s->settle_tags);
		journal_frame_fini(&s->settle);
		journal_frame_init(&s->settle);
	}
}

static void end_removal(struct spool *s, const struct spool_job *job)
{
	struct segment *g = job->remove_wanted ? s->segments[job->remove_slot] : NULL;
	if (g == NULL)
		return;
	if (job->remove_error == 0)
		segments_free(s, g);
	else
		g->phase = SEGMENT_REMOVED;
	s->starved = false;
}

static void end_notices(struct spool *s, const struct spool_job *job)
{
	struct span rest = buf_span(&job->notices);
	while (rest.len > 0) {
		size_t len = span_find(rest, '\n');
		spool_notice(s, "%.*s", SPAN_FMT(span_to(rest, len)));
		rest = span_from(rest, len + 1);
	}
}

static void free_job(struct spool_job *job)
{
	journal_frame_fini(&job->settle);
	journal_frame_fini(&job->voids);
	journal_frame_fini(&job->chunk);
	buf_fini(&job->settle_tags);
	buf_fini(&job->unlinks);
	buf_fini(&job->notices);
	free(job);
}

void spool_job_end(struct spool *s, struct spool_job *job)
{
	assert(s->job == job);
	s->job = NULL;
	s->reserve.present = job->reserve.present;
	s->journal.end = job->journal.end;
	s->journal.allocated = job->journal.allocated;
	end_removal(s, job);
	end_seal(s, job);
	for (int i = 0; i < job->place_count; i++)
		end_place(s, job, i);
	checkpoint_done(s, job);
	end_settles(s, job);
	end_appends(s, job);
	compact_finish(s, job);
	end_notices(s, job);
	free_job(job);
}
