/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start-up, the segments: their heads, the records that are found in them, what is
 * damaged, and the closing of those that a crash left open. Nothing is written to a
 * segment but index and foot, and these only when its journal is safe.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "spool_private.h"

#define COPY_BLOCK_BYTES (64u * 1024)
#define SEGMENT_UNITS_MIN 4

/* A head that cannot be read: the foot may know the generation. */
static int head_from_foot(const struct disk *disk, int file, struct segment_head *head)
{
	uint8_t unit[SPOOL_UNIT];
	struct segment_foot foot;
	uint64_t offset = ((uint64_t)head->units - 1) * SPOOL_UNIT;
	if (disk->ops->read(disk->ctx, file, unit, sizeof(unit), offset) != (int64_t)sizeof(unit))
		return -EILSEQ;
	if (!segment_foot_decode(span_of(unit, sizeof(unit)), &foot) || foot.slot != head->slot)
		return -EILSEQ;
	head->generation = foot.generation;
	return 0;
}

/* *cut_out: the file is shorter than its head says. */
static int read_head(const struct disk *disk, int file, struct segment_head *head_out, bool *cut_out)
{
	uint8_t unit[SPOOL_UNIT] = { 0 };
	struct segment_head head;
	int64_t size = disk->ops->size(disk->ctx, file);
	if (size < 0)
		return (int)size;
	uint64_t units = (uint64_t)size / SPOOL_UNIT;
	*cut_out = false;
	uint32_t slot = head_out->slot;
	head_out->units = units < UINT32_MAX ? (uint32_t)units : UINT32_MAX - 1;
	disk->ops->read(disk->ctx, file, unit, sizeof(unit), 0);
	int rc = segment_head_decode(span_of(unit, sizeof(unit)), &head);
	if (rc == -EPROTO)
		return rc;
	if (rc < 0 || head.slot != slot)
		return head_out->units >= SEGMENT_UNITS_MIN ? head_from_foot(disk, file, head_out) : -EILSEQ;
	*cut_out = head.units > head_out->units;
	*head_out = head;
	return 0;
}

/* How many records the foot speaks of; no more than there is room for. */
static uint32_t foot_records(const struct disk *disk, int file, const struct segment_head *head)
{
	uint8_t unit[SPOOL_UNIT];
	struct segment_foot foot;
	uint64_t offset = ((uint64_t)head->units - 1) * SPOOL_UNIT;
	bool sealed = disk->ops->read(disk->ctx, file, unit, sizeof(unit), offset) == (int64_t)sizeof(unit) &&
		segment_foot_decode(span_of(unit, sizeof(unit)), &foot) && foot.generation == head->generation;
	if (!sealed)
		return 0;
	return foot.record_count < head->units ? foot.record_count : head->units;
}

/* Reads the head of one segment and enters it; one that cannot be read is kept and not used. */
int recover_head(struct spool *s, uint32_t slot)
{
	char name[DISK_NAME_MAX];
	struct segment_head head = { .slot = slot };
	bool cut = false;
	uint32_t records = 0;
	segment_name(name, slot);
	int file = s->disk->ops->open(s->disk->ctx, name, DISK_OPEN_READ);
	int rc = file >= 0 ? read_head(s->disk, file, &head, &cut) : file == -ELOOP ? -EILSEQ : file;
	if (rc == 0)
		records = foot_records(s->disk, file, &head);
	if (file >= 0)
		s->disk->ops->close(s->disk->ctx, file);
	if (rc < 0 && rc != -EILSEQ)
		return rc;
	if (rc == -EILSEQ && head.units < SEGMENT_UNITS_MIN)
		head.units = SEGMENT_UNITS_MIN;
	struct segment *g = segments_add(s, &head);
	if (g == NULL)
		return -ENOMEM;
	g->cut = cut;
	g->foot_record_count = records;
	if (rc == -EILSEQ) {
		g->hold = g->failed = true;
		g->phase = SEGMENT_FAILED;
		s->counts.damaged++;
		spool_notice(s, "%s has no readable head: nothing in it can be used, the file is kept", name);
	}
	return 0;
}

static int copy_range(struct spool *s, int from, int to, const struct segment_event *event)
{
	uint8_t *block = malloc(COPY_BLOCK_BYTES);
	if (block == NULL)
		return -ENOMEM;
	uint64_t at = 0, bytes = (uint64_t)event->units * SPOOL_UNIT, start = (uint64_t)event->unit * SPOOL_UNIT;
	int rc = 0;
	while (at < bytes && rc == 0) {
		size_t len = bytes - at < COPY_BLOCK_BYTES ? (size_t)(bytes - at) : COPY_BLOCK_BYTES;
		int64_t got = s->disk->ops->read(s->disk->ctx, from, block, len, start + at);
		if (got == 0)
			break;
		struct iovec piece = { block, got > 0 ? (size_t)got : len };
		if (got > 0)
			rc = s->disk->ops->write(s->disk->ctx, to, &piece, 1, at);
		at += piece.iov_len;
	}
	free(block);
	return rc == 0 ? s->disk->ops->sync(s->disk->ctx, to) : rc;
}

/* Copies damaged units into a file of their own: after that their place may be used again. */
static int set_aside(struct spool *s, int file, const struct segment *g, const struct segment_event *event)
{
	char name[DISK_NAME_MAX];
	snprintf(name, sizeof(name), "aside-%08x-%08x-%016llx", g->head.slot, event->unit,
		(unsigned long long)g->head.generation);
	int to = s->disk->ops->open(s->disk->ctx, name, DISK_OPEN_CREATE);
	if (to == -EEXIST)
		return 0;
	if (to < 0)
		return to;
	int rc = copy_range(s, file, to, event);
	s->disk->ops->close(s->disk->ctx, to);
	if (rc == 0)
		rc = s->disk->ops->sync_names(s->disk->ctx);
	if (rc < 0)
		s->disk->ops->unlink(s->disk->ctx, name);
	return rc;
}

/* How many records the sealed segments have that are not known to be dead: a guess, for the index. */
size_t recover_record_count(const struct spool *s)
{
	size_t count = 0;
	for (uint32_t i = 0; i < s->slot_count; i++) {
		const struct segment *g = s->segments[i];
		uint32_t dead = 0;
		if (g == NULL || g->limit == 0 || g->hold)
			continue;
		for (size_t k = 0; k < g->head.units / 8 + 1; k++)
			dead += (uint32_t)__builtin_popcount(g->dead[k]);
		count += g->foot_record_count > dead ? g->foot_record_count - dead : 0;
	}
	return count;
}

struct finder {
	struct spool *s;
	const struct segment_scan *scan;
	struct segment *g;
	int file;
	int error;
};

static void found_damage(struct finder *f, const struct segment_event *event)
{
	char id[ID128_TEXT_LEN + 1] = "unknown";
	struct segment *g = f->g;
	if (event->record.head.len > 0)
		id128_write(&event->record.id, id);
	f->s->counts.damaged++;
	bool kept = f->s->options.read_only || set_aside(f->s, f->file, g, event) < 0;
	if (kept)
		g->hold = true;
	else
		segment_mark_dead(g, event->unit);
	spool_notice(f->s, "segment %08x, units %u to %u: damaged (message %.26s), %s", g->head.slot, event->unit,
		event->unit + event->units - 1, id, kept ? "left where it is" : "set aside in its own file");
}

static bool found_record(struct finder *f, const struct segment_event *event)
{
	struct spool *s = f->s;
	const struct record *r = &event->record;
	if (!f->scan->sealed_out) /* else it has its index on the disk */
		segment_index_add(&f->g->index, event->unit, r->head);
	f->g->record_count++;
	if (index_find(s, &r->id) != NULL) {
		struct duplicate duplicate = { r->id, f->g->head.slot, event->unit };
		buf_add(&s->duplicates, span_of(&duplicate, sizeof(duplicate)));
		f->error = s->duplicates.failed ? -ENOMEM : 0;
		return f->error == 0;
	}
	struct message *m = index_add(s, &r->id);
	if (m == NULL) {
		f->error = -ENOMEM;
		return false;
	}
	m->slot = f->g->head.slot;
	m->unit = event->unit;
	m->arrival_ms = r->arrival_ms;
	m->bytes = message_bytes(r->content_bytes + r->large_bytes);
	m->record_bytes = (uint32_t)record_bytes(r);
	m->accepted_count = r->recipient_count;
	m->large = r->large;
	index_make_live(s, m);
	return true;
}

static bool found(void *arg, const struct segment_event *event)
{
	struct finder *f = arg;
	if (event->kind == SEGMENT_RECORD)
		return found_record(f, event);
	if (event->kind == SEGMENT_DAMAGED) {
		found_damage(f, event);
	} else {
		f->s->counts.torn++;
		segment_mark_dead(f->g, event->unit);
	}
	return true;
}

/* What is missing cannot be known but by the messages that nobody finds any more. */
static void found_cut(struct spool *s, struct segment *g, uint32_t missing)
{
	g->failed = true;
	g->phase = SEGMENT_FAILED;
	if (missing == 0) {
		spool_notice(s, "segment-%08x is cut short, behind all that counts in it; it is not used again", g->head.slot);
		return;
	}
	g->hold = true;
	s->counts.damaged++;
	spool_notice(s, "segment-%08x is cut short: units %u to %u are missing, messages there are lost; %u before"
		" are whole, the file is kept", g->head.slot, g->head.units - missing, g->head.units - 1, g->record_count);
}

/* Enters what lives in a segment; afterwards it is empty, sealed, failed, or to be sealed. */
int recover_segment(struct spool *s, struct segment *g)
{
	char name[DISK_NAME_MAX];
	if (g->hold)
		return 0;
	if (g->limit == 0) {
		if (g->cut)
			found_cut(s, g, 0);
		g->phase = SEGMENT_EMPTY;
		g->written_unit = g->head.units;
		return 0;
	}
	segment_name(name, g->head.slot);
	struct segment_scan scan = { .disk = s->disk, .head = g->head, .limit = g->limit, .dead = g->dead };
	scan.whole = s->options.read_only;
	scan.file = s->disk->ops->open(s->disk->ctx, name, DISK_OPEN_READ);
	if (scan.file < 0)
		return scan.file;
	struct finder f = { .s = s, .scan = &scan, .g = g, .file = scan.file };
	int rc = segment_scan(&scan, found, &f);
	s->disk->ops->close(s->disk->ctx, scan.file);
	g->failed = g->limit != SEGMENT_NO_LIMIT;
	g->phase = g->failed ? SEGMENT_FAILED : SEGMENT_SEALED;
	g->end_unit = scan.end_unit_out;
	g->written_unit = g->head.units; /* nearly */
	g->durable_unit = scan.durable_unit_out;
	if (g->cut && rc == 0)
		found_cut(s, g, scan.missing_out);
	g->seal_due = !scan.sealed_out && !g->failed && g->record_count > 0;
	if (!g->seal_due)
		buf_release(&g->index);
	return rc < 0 ? rc : f.error;
}

static int rewrite_range(struct spool *s, int file, uint64_t from, uint64_t to)
{
	uint8_t *block = malloc(COPY_BLOCK_BYTES);
	int rc = block != NULL ? 0 : -ENOMEM;
	while (rc == 0 && from < to) {
		size_t len = to - from < COPY_BLOCK_BYTES ? (size_t)(to - from) : COPY_BLOCK_BYTES;
		int64_t got = s->disk->ops->read(s->disk->ctx, file, block, len, from);
		struct iovec piece = { block, len };
		rc = got == (int64_t)len ? s->disk->ops->write(s->disk->ctx, file, &piece, 1, from) : -EIO;
		from += len;
	}
	free(block);
	return rc;
}

/*
 * A sync of the last batch may have failed just before the process died. Then its
 * records are read from memory as if they were well, and syncing them again says
 * yes and does nothing. So they are written again, with the head, before that sync.
 */
static int rewrite_last_batch(struct spool *s, int file, const struct segment *g)
{
	uint64_t from = (uint64_t)g->durable_unit * SPOOL_UNIT, to = (uint64_t)g->end_unit * SPOOL_UNIT;
	int rc = rewrite_range(s, file, 0, SPOOL_UNIT);
	return rc == 0 ? rewrite_range(s, file, from, to) : rc;
}

static int write_seal(struct spool *s, struct segment *g)
{
	char name[DISK_NAME_MAX];
	struct seal seal = { .head = g->head, .end_unit = g->end_unit, .record_count = g->record_count };
	if (g->index.failed || !segment_fits(&g->head, g->end_unit, g->index.len, 0, 0))
		return -ENOSPC;
	seal.index = buf_span(&g->index);
	segment_name(name, g->head.slot);
	seal.file = s->disk->ops->open(s->disk->ctx, name, DISK_OPEN_WRITE);
	if (seal.file < 0)
		return seal.file;
	int rc = rewrite_last_batch(s, seal.file, g);
	if (rc == 0)
		rc = seal_write(s->disk, &seal);
	s->disk->ops->close(s->disk->ctx, seal.file);
	return rc;
}

/* Makes sure that this use's head is on the disk, where the journal still knows of an earlier
 * use; where that fails the segment is not used again. */
static void confirm_head(struct spool *s, struct segment *g)
{
	char name[DISK_NAME_MAX];
	segment_name(name, g->head.slot);
	int file = s->disk->ops->open(s->disk->ctx, name, DISK_OPEN_WRITE);
	int rc = file >= 0 ? rewrite_range(s, file, 0, SPOOL_UNIT) : file;
	if (rc == 0)
		rc = s->disk->ops->sync(s->disk->ctx, file);
	if (file >= 0)
		s->disk->ops->close(s->disk->ctx, file);
	if (rc == 0)
		g->generation_before = 0;
	else
		g->failed = true;
}

void recover_seals(struct spool *s)
{
	for (uint32_t i = 0; i < s->slot_count; i++) {
		struct segment *g = s->segments[i];
		if (g != NULL && g->generation_before != 0 && !g->hold)
			confirm_head(s, g);
		if (g == NULL || !g->seal_due)
			continue;
		g->seal_due = false;
		if (write_seal(s, g) == 0) {
			g->durable_unit = g->end_unit;
		} else {
			g->limit = g->end_unit;
			g->failed = true;
			g->phase = SEGMENT_FAILED;
		}
		buf_release(&g->index);
	}
}

static void move_message(struct spool *s, struct message *m, const struct duplicate *to)
{
	struct segment *from = s->segments[m->slot], *g = s->segments[to->slot];
	uint32_t units = spool_units(m->record_bytes);
	from->live_count--;
	from->live_units -= units;
	segment_mark_dead(from, m->unit);
	g->live_count++;
	g->live_units += units;
	m->slot = to->slot;
	m->unit = to->unit;
}

/* Before the checkpoint: a second record of a message that is dead is dead too. */
void recover_dead_duplicates(struct spool *s)
{
	for (size_t at = 0; at < s->duplicates.len; at += sizeof(struct duplicate)) {
		struct duplicate d;
		memcpy(&d, s->duplicates.ptr + at, sizeof(d));
		if (index_find(s, &d.id) == NULL)
			segment_mark_dead(s->segments[d.slot], d.unit);
	}
}

/*
 * Of two records of one message keep one that is on the disk for certain: the other
 * may be what a failed write left in the machine's memory. When neither is certain
 * the disk fails right now, and nothing may begin.
 */
int recover_duplicates(struct spool *s)
{
	for (size_t at = 0; at < s->duplicates.len; at += sizeof(struct duplicate)) {
		struct duplicate d;
		memcpy(&d, s->duplicates.ptr + at, sizeof(d));
		struct segment *g = s->segments[d.slot];
		struct message *m = index_find(s, &d.id);
		bool kept_certain = m == NULL || m->unit < s->segments[m->slot]->durable_unit;
		if (kept_certain)
			segment_mark_dead(g, d.unit);
		else if (d.unit < g->durable_unit)
			move_message(s, m, &d);
		else
			return -EIO;
	}
	buf_release(&s->duplicates);
	s->retire_hint = true;
	return 0;
}
