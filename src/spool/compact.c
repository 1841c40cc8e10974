/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Winning back space. A segment without live records is retired: the journal says
 * so, then it may be used again. One with few live records is the victim: they are
 * copied forward along with a batch, a bounded number at a time, until none is
 * left. Empty segments beyond the spare ones, and failed ones, are given back to the disk.
 */
#include <errno.h>
#include <stdlib.h>

#include "crc32c.h"
#include "spool_private.h"

#define VICTIM_LIVE_SHARE 4u            /* at most a quarter of the segment lives */
#define COPY_BYTES_MAX (1024u * 1024)   /* for each job */
#define COPY_COUNT_MAX 256u

static bool closed(const struct segment *g)
{
	return g != NULL && (g->phase == SEGMENT_SEALED || g->phase == SEGMENT_FAILED);
}

static struct segment *find_victim(const struct spool *s)
{
	struct segment *best = NULL;
	for (uint32_t i = 0; i < s->slot_count; i++) {
		struct segment *g = s->segments[i];
		if (!closed(g) || g->hold || g->live_count == 0 || g->live_units > g->head.units / VICTIM_LIVE_SHARE)
			continue;
		if (best == NULL || g->live_units < best->live_units)
			best = g;
	}
	return best;
}

bool compact_due(const struct spool *s)
{
	return !s->held && !s->seal_wanted && s->journal.file >= 0 && find_victim(s) != NULL;
}

void compact_plan(struct spool *s, struct spool_job *job)
{
	const struct segment *g = s->journal.file >= 0 && job->place_count > 0 ? find_victim(s) : NULL;
	if (g == NULL)
		return;
	job->victim = (struct victim){ .wanted = true, .head = g->head, .limit = g->limit, .dead = g->dead };
}

void compact_done(struct spool *s, const struct append *a, struct segment *to)
{
	struct message *m = index_find(s, &a->id);
	struct segment *from = m != NULL && m->live ? s->segments[m->slot] : NULL;
	/* It may have died, or be a second copy, since the job was planned. */
	if (from == NULL || from == to || m->unit != a->from_unit || from->head.slot != a->tag) {
		segment_mark_dead(to, a->unit);
		return;
	}
	uint32_t units = spool_units(m->record_bytes);
	from->live_count--;
	from->live_units -= units;
	segment_mark_dead(from, m->unit);
	s->retire_hint |= from->live_count == 0;
	to->live_count++;
	to->live_units += units;
	m->slot = to->head.slot;
	m->unit = a->unit;
}

void compact_finish(struct spool *s, const struct spool_job *job)
{
	struct segment *g = job->victim.wanted ? s->segments[job->victim.head.slot] : NULL;
	if (g == NULL)
		return;
	if (job->victim.damaged > 0) {
		s->counts.damaged += job->victim.damaged;
		g->hold = true;
		spool_notice(s, "segment %08x: %u damaged records; it is kept as it is", g->head.slot, job->victim.damaged);
	}
	/* Nothing was won: not again before something else happens. */
	s->held |= job->victim.error != 0 || job->used_place < 0;
}

void retire_plan(struct spool *s, struct buf *body)
{
	s->retire_hint = false;
	for (uint32_t i = 0; i < s->slot_count; i++) {
		struct segment *g = s->segments[i];
		if (!closed(g) || g->live_count > 0 || g->hold)
			continue;
		struct journal_entry entry = { .type = JOURNAL_SEGMENT, .slot = i, .generation = g->head.generation };
		journal_entry_put(body, &entry);
		g->phase = SEGMENT_RETIRING;
	}
}

void retire_done(struct spool *s, bool durable)
{
	for (uint32_t i = 0; i < s->slot_count; i++) {
		struct segment *g = s->segments[i];
		if (g == NULL || g->phase != SEGMENT_RETIRING)
			continue;
		g->phase = durable ? SEGMENT_EMPTY : g->failed ? SEGMENT_FAILED : SEGMENT_SEALED;
		s->retire_hint |= !durable;
	}
}

struct segment *remove_due(const struct spool *s)
{
	uint32_t empty = 0;
	struct segment *last = NULL;
	for (uint32_t i = 0; i < s->slot_count; i++) {
		struct segment *g = s->segments[i];
		if (g == NULL || g->phase != SEGMENT_EMPTY)
			continue;
		if (g->failed || (uint64_t)g->head.units * SPOOL_UNIT != s->options.segment_bytes)
			return g;
		empty++;
		last = g;
	}
	return empty > s->options.spare_segments_max || s->starved ? last : NULL;
}

/* The rest runs in the job's thread. */
struct collector {
	struct spool_job *job;
	int file;
	uint32_t count;
	uint64_t bytes;       /* of the batch, in whole units */
	size_t index_bytes;   /* of the segment where the batch goes, the batch included */
};

static struct append *new_copy(const struct segment_event *event)
{
	struct append *a = calloc(1, sizeof(*a));
	if (a == NULL)
		return NULL;
	buf_init(&a->head, RECORD_HEAD_BYTES_MAX);
	buf_init(&a->copied, SPOOL_CONTENT_BYTES_MAX);
	a->id = event->record.id;
	a->from_unit = event->unit;
	a->record_bytes = record_bytes(&event->record);
	a->large = event->record.large;
	return a;
}

/* Head and content as they are on the disk, checked: 0 or an error. */
static int read_copy(const struct collector *c, const struct segment_event *event, struct append *a)
{
	const struct disk *disk = c->job->disk;
	const struct record *r = &event->record;
	struct record again;
	size_t head_bytes = RECORD_HEAD_BYTES + r->envelope.len;
	uint64_t offset = (uint64_t)event->unit * SPOOL_UNIT;
	uint8_t *head = buf_reserve(&a->head, head_bytes);
	uint8_t *content = r->content_bytes > 0 ? buf_reserve(&a->copied, r->content_bytes) : NULL;
	if (head == NULL || (content == NULL && r->content_bytes > 0))
		return -ENOMEM;
	if (disk->ops->read(disk->ctx, c->file, head, head_bytes, offset) != (int64_t)head_bytes)
		return -EILSEQ;
	a->head.len = head_bytes;
	if (!record_decode(buf_span(&a->head), &again) || id128_cmp(&again.id, &r->id) != 0)
		return -EILSEQ;
	if (content != NULL &&
		disk->ops->read(disk->ctx, c->file, content, r->content_bytes, offset + head_bytes) != r->content_bytes)
		return -EILSEQ;
	a->copied.len = r->content_bytes;
	a->content = buf_span(&a->copied);
	a->content_crc = r->content_crc;
	return crc32c(0, a->content) == r->content_crc ? 0 : -EILSEQ;
}

/* Whether the batch still has room in the segment where it goes, the reserve for the index included. */
static bool room_for(const struct collector *c, const struct append *a, size_t head_bytes)
{
	const struct place *place = &c->job->places[0];
	uint64_t bytes = c->bytes + (uint64_t)spool_units(a->record_bytes) * SPOOL_UNIT;
	return segment_fits(&place->head, place->end_unit, c->index_bytes, bytes, head_bytes);
}

static bool collect(void *arg, const struct segment_event *event)
{
	struct collector *c = arg;
	if (event->kind != SEGMENT_RECORD)
		return true;
	struct append *a = new_copy(event);
	if (a == NULL)
		return false;
	if (!room_for(c, a, RECORD_HEAD_BYTES + event->record.envelope.len)) {
		append_free(a);
		return false;
	}
	int rc = read_copy(c, event, a);
	if (rc < 0) {
		c->job->victim.damaged += rc == -EILSEQ;
		append_free(a);
		return true;
	}
	a->tag = c->job->victim.head.slot;
	list_append(&c->job->appends, &a->link);
	c->count++;
	c->index_bytes += a->head.len + 2 * sizeof(uint32_t);
	c->bytes += (uint64_t)spool_units(a->record_bytes) * SPOOL_UNIT;
	return c->count < COPY_COUNT_MAX && c->bytes < COPY_BYTES_MAX;
}

void job_collect_copies(struct spool_job *job)
{
	char name[DISK_NAME_MAX];
	if (!job->victim.wanted)
		return;
	segment_name(name, job->victim.head.slot);
	int file = job->disk->ops->open(job->disk->ctx, name, DISK_OPEN_READ);
	if (file < 0) {
		job->victim.error = file;
		return;
	}
	struct segment_scan scan = { .disk = job->disk, .file = file, .head = job->victim.head };
	scan.limit = job->victim.limit;
	scan.dead = job->victim.dead;
	struct collector c = { .job = job, .file = file, .bytes = job->append_bytes, .index_bytes = job->index_bytes };
	job->victim.error = segment_scan(&scan, collect, &c);
	job->disk->ops->close(job->disk->ctx, file);
	if (job->victim.error == 0 && c.count == 0)
		job->victim.error = -ENOSPC;
}
