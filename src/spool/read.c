/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking into the store. What comes from the disk is checked each time; a message
 * that fails the check stays in the index, so that its owner can tell the sender.
 */
#include "spool_read.h"

#include <errno.h>
#include <stdlib.h>

#include "crc32c.h"
#include "spool_private.h"

#define BLOCK_BYTES (256u * 1024)

static struct spool_entry entry_of(const struct message *m)
{
	return (struct spool_entry){
		.id = m->id,
		.arrival_ms = m->arrival_ms,
		.bytes = m->bytes,
		.recipient_count = message_recipient_count(m),
		.delay_notices = m->delay_notices,
		.large = m->large,
	};
}

static struct message *find_live(const struct spool *s, const struct id128 *id)
{
	struct message *m = index_find(s, id);
	return m != NULL && m->live ? m : NULL;
}

bool spool_find(struct spool *s, const struct id128 *id, struct spool_entry *entry_out)
{
	const struct message *m = find_live(s, id);
	if (m != NULL)
		*entry_out = entry_of(m);
	return m != NULL;
}

static struct spool_recipient recipient_of(const struct message *m, uint32_t index)
{
	if (m->recipients == NULL)
		return (struct spool_recipient){ .state = SPOOL_PENDING };
	const struct recipient *r = &m->recipients->items[index];
	return (struct spool_recipient){
		.address = span_of(r->address, r->address_len),
		.orcpt = r->orcpt_len > 0 ? span_of(r->address + r->address_len, r->orcpt_len) : SPAN(""),
		.notify = r->notify,
		.state = (enum spool_state)r->state,
		.attempts = r->attempts,
		.retry_at_ms = r->retry_at_ms,
		.reason = reason_text(r->reason),
	};
}

bool spool_recipient_find(struct spool *s, const struct id128 *id, uint32_t recipient,
	struct spool_recipient *recipient_out)
{
	const struct message *m = find_live(s, id);
	if (m == NULL || recipient >= message_recipient_count(m))
		return false;
	*recipient_out = recipient_of(m, recipient);
	return true;
}

struct spool_cursor *spool_cursor_open(struct spool *s)
{
	struct spool_cursor *cursor = calloc(1, sizeof(*cursor));
	if (cursor == NULL)
		return NULL;
	cursor->at = s->messages.next;
	list_append(&s->cursors, &cursor->link);
	return cursor;
}

bool spool_next(struct spool *s, struct spool_cursor *cursor, struct spool_entry *entry_out)
{
	if (cursor->at == &s->messages)
		return false;
	*entry_out = entry_of(LIST_ENTRY(cursor->at, struct message, link));
	cursor->at = cursor->at->next;
	return true;
}

void spool_cursor_close(struct spool *s, struct spool_cursor *cursor)
{
	(void)s;
	list_remove(&cursor->link);
	free(cursor);
}

int64_t segment_read(const struct spool *s, const struct segment *g, void *to, size_t len, uint64_t offset)
{
	char name[DISK_NAME_MAX];
	if (g->file >= 0)
		return s->disk->ops->read(s->disk->ctx, g->file, to, len, offset);
	segment_name(name, g->head.slot);
	int file = s->disk->ops->open(s->disk->ctx, name, DISK_OPEN_READ);
	if (file < 0)
		return file;
	int64_t got = s->disk->ops->read(s->disk->ctx, file, to, len, offset);
	s->disk->ops->close(s->disk->ctx, file);
	return got;
}

static void view_message_field(struct spool_view *view, enum record_field type, struct span value)
{
	struct span *const texts[] = { [RECORD_SENDER] = &view->sender, [RECORD_CLIENT] = &view->client,
		[RECORD_HELO] = &view->helo, [RECORD_SESSION] = &view->session, [RECORD_ENVID] = &view->envid };
	if (type == RECORD_RET)
		view->ret = (enum spool_ret)value.ptr[0];
	else if (type < sizeof(texts) / sizeof(texts[0]) && texts[type] != NULL)
		*texts[type] = value;
}

/* What an added recipient was not given is that of the one it replaces, which stands before it. */
static void view_inherited(const struct message *m, struct spool_view *view)
{
	for (uint32_t i = m->accepted_count; i < view->entry.recipient_count; i++) {
		const struct recipient *r = &m->recipients->items[i];
		if (r->own_options)
			continue;
		view->recipients[i].notify = view->recipients[r->parent].notify;
		view->recipients[i].orcpt = view->recipients[r->parent].orcpt;
	}
}

/* The record was decoded: options stand behind a recipient, and there are as many as accepted. */
static void view_envelope(const struct message *m, const struct record *record, struct spool_view *view)
{
	struct span rest = record->envelope, value;
	enum record_field type;
	struct spool_recipient *next = view->recipients;
	for (uint32_t i = 0; i < view->entry.recipient_count; i++)
		view->recipients[i] = recipient_of(m, i);
	while (record_field_next(&rest, &type, &value)) {
		if (type == RECORD_RECIPIENT)
			next++->address = value;
		else if (type == RECORD_NOTIFY)
			next[-1].notify = value.ptr[0];
		else if (type == RECORD_ORCPT)
			next[-1].orcpt = value;
		else
			view_message_field(view, type, value);
	}
	view_inherited(m, view);
}

/* The record in `bytes` is the one that the index means, with the right content. */
static bool record_right(const struct spool *s, const struct message *m, struct span bytes, struct record *record)
{
	if (!record_decode(bytes, record) || record_bytes(record) != bytes.len)
		return false;
	struct span content = span_from(bytes, RECORD_HEAD_BYTES + record->envelope.len);
	return record->place.generation == s->segments[m->slot]->head.generation && record->place.unit == m->unit &&
		id128_cmp(&record->id, &m->id) == 0 && record->recipient_count == m->accepted_count &&
		crc32c(0, content) == record->content_crc;
}

static int view_record(struct spool *s, const struct message *m, uint8_t *bytes, struct spool_view *view)
{
	struct record record;
	uint64_t offset = (uint64_t)m->unit * SPOOL_UNIT;
	int64_t got = segment_read(s, s->segments[m->slot], bytes, m->record_bytes, offset);
	if (got < 0 && got != -EIO)
		return (int)got;
	if (got != m->record_bytes || !record_right(s, m, span_of(bytes, m->record_bytes), &record)) {
		char text[ID128_TEXT_LEN];
		id128_write(&m->id, text);
		spool_notice(s, "message %.*s is damaged (segment %08x, unit %u)", ID128_TEXT_LEN, text, m->slot, m->unit);
		s->counts.damaged++;
		return -EILSEQ;
	}
	view->flags = record.flags;
	view->large_bytes = record.large_bytes;
	view->large_crc = record.large_crc;
	view->content = span_from(span_of(bytes, m->record_bytes), RECORD_HEAD_BYTES + record.envelope.len);
	view_envelope(m, &record, view);
	return 0;
}

int spool_read(struct spool *s, const struct id128 *id, struct spool_view *view_out)
{
	const struct message *m = find_live(s, id);
	if (m == NULL)
		return -ENOENT;
	size_t list_bytes = message_recipient_count(m) * sizeof(struct spool_recipient);
	uint8_t *memory = malloc(list_bytes + m->record_bytes);
	if (memory == NULL)
		return -ENOMEM;
	*view_out = (struct spool_view){ .entry = entry_of(m), .memory = memory };
	view_out->recipients = (struct spool_recipient *)(void *)memory;
	int rc = view_record(s, m, memory + list_bytes, view_out);
	if (rc < 0)
		spool_view_fini(view_out);
	return rc;
}

void spool_view_fini(struct spool_view *view)
{
	free(view->memory);
	*view = (struct spool_view){ 0 };
}

static int open_large(struct spool *s, const struct id128 *id)
{
	char name[DISK_NAME_MAX];
	large_name(name, id);
	return s->disk->ops->open(s->disk->ctx, name, DISK_OPEN_READ);
}

int spool_large_check(struct spool *s, const struct spool_view *view)
{
	int file = open_large(s, &view->entry.id);
	if (file < 0)
		return file == -ENOENT ? -EILSEQ : file;
	uint8_t *block = malloc(BLOCK_BYTES);
	int64_t got = block != NULL ? 1 : -ENOMEM;
	uint64_t at = 0;
	uint32_t crc = 0;
	while (got > 0) {
		got = s->disk->ops->read(s->disk->ctx, file, block, BLOCK_BYTES, at);
		if (got > 0) {
			crc = crc32c(crc, span_of(block, (size_t)got));
			at += (uint64_t)got;
		}
	}
	free(block);
	s->disk->ops->close(s->disk->ctx, file);
	if (got < 0)
		return (int)got;
	return at == view->large_bytes && crc == view->large_crc ? 0 : -EILSEQ;
}

static int large_descriptor(struct spool *s, const struct id128 *id)
{
	int file = open_large(s, id);
	if (file < 0)
		return file;
	int fd = s->disk->ops->descriptor(s->disk->ctx, file);
	s->disk->ops->close(s->disk->ctx, file);
	return fd;
}

int spool_content_open(struct spool *s, const struct id128 *id)
{
	const struct message *m = find_live(s, id);
	return m != NULL && m->large ? large_descriptor(s, id) : -ENOENT;
}

int spool_large_reopen(struct spool *s, const struct id128 *id)
{
	return large_is_open(s, id) ? large_descriptor(s, id) : -ENOENT;
}

void spool_counts(const struct spool *s, struct spool_counts *counts_out)
{
	*counts_out = s->counts;
	counts_out->segments = counts_out->segments_empty = 0;
	counts_out->disk_bytes = s->journal.allocated;
	for (uint32_t i = 0; i < s->slot_count; i++) {
		const struct segment *g = s->segments[i];
		if (g == NULL)
			continue;
		counts_out->segments++;
		counts_out->segments_empty += g->phase == SEGMENT_EMPTY;
		counts_out->disk_bytes += (uint64_t)g->head.units * SPOOL_UNIT;
	}
}
