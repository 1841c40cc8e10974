/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening and closing, and what submitters call: append and settle encode and
 * queue, nothing more; completions and notices wait here to be pulled. The work is
 * planned and applied in job.c.
 */
#include "spool.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "spool_private.h"

#define COMPLETION_BYTES_MAX (64u * 1024 * 1024)
#define TAG_BYTES_MAX (16u * 1024 * 1024)
#define LARGE_OPEN_MAX 4096u

bool spool_state_final(enum spool_state state)
{
	return state >= SPOOL_DELIVERED;
}

const char *spool_state_name(enum spool_state state)
{
	static const char *const names[] = {
		[SPOOL_PENDING] = "pending", [SPOOL_DEFERRED] = "deferred", [SPOOL_IN_DOUBT] = "in-doubt",
		[SPOOL_HELD] = "held", [SPOOL_BOUNCE_OWED] = "bounce-owed", [SPOOL_DELIVERED] = "delivered",
		[SPOOL_FAILED] = "failed", [SPOOL_EXPANDED] = "expanded",
	};
	return names[state];
}

void spool_notice(struct spool *s, const char *format, ...)
{
	if (s->notice_count == NOTICE_COUNT) {
		s->notice_lost++;
		return;
	}
	char *line = s->notices[(s->notice_first + s->notice_count) % NOTICE_COUNT];
	va_list args;
	va_start(args, format);
	vsnprintf(line, NOTICE_BYTES, format, args);
	va_end(args);
	s->notice_count++;
}

const char *spool_notice_next(struct spool *s)
{
	if (s->notice_count == 0 && s->notice_lost > 0) {
		uint32_t lost = s->notice_lost;
		s->notice_lost = 0;
		spool_notice(s, "%u more notices were dropped", lost);
	}
	if (s->notice_count == 0)
		return NULL;
	const char *line = s->notices[s->notice_first];
	s->notice_first = (s->notice_first + 1) % NOTICE_COUNT;
	s->notice_count--;
	return line;
}

void spool_complete(struct spool *s, uint64_t tag, bool settle, enum spool_outcome outcome)
{
	struct spool_completion done = { .tag = tag, .settle = settle, .outcome = outcome };
	if (s->completion_at == s->completions.len) {
		s->completion_at = 0;
		buf_clear(&s->completions);
	}
	buf_add(&s->completions, span_of(&done, sizeof(done)));
	/* Whoever waits for a lost completion would wait for ever: start again from the disk. */
	if (s->completions.failed)
		abort();
}

bool spool_completion_next(struct spool *s, struct spool_completion *done_out)
{
	if (s->completion_at == s->completions.len)
		return false;
	memcpy(done_out, s->completions.ptr + s->completion_at, sizeof(*done_out));
	s->completion_at += sizeof(*done_out);
	return true;
}

void append_free(struct append *a)
{
	buf_fini(&a->head);
	buf_fini(&a->copied);
	free(a);
}

static int check_message(const struct spool *s, const struct spool_message *m)
{
	if (m->recipient_count == 0)
		return -EINVAL;
	if (m->recipient_count > SPOOL_RECIPIENTS_MAX)
		return -EMSGSIZE;
	if (m->trace.len > SPOOL_CONTENT_BYTES_MAX || m->content.len > SPOOL_CONTENT_BYTES_MAX - m->trace.len)
		return -EMSGSIZE;
	return index_find(s, &m->id) != NULL ? -EEXIST : 0;
}

static int append_encode(const struct spool *s, const struct spool_message *m, struct append *a)
{
	buf_init(&a->head, RECORD_HEAD_BYTES_MAX);
	buf_init(&a->copied, 0);
	record_encode(&a->head, m);
	a->trace = m->trace;
	a->content = m->content;
	a->record_bytes = a->head.len + m->trace.len + m->content.len;
	a->large = m->large;
	a->large_bytes = m->large ? m->large_bytes : 0;
	struct segment_head empty = { .units = (uint32_t)(s->options.segment_bytes / SPOOL_UNIT) };
	bool fits = segment_fits(&empty, SEGMENT_FIRST_UNIT, 0, a->record_bytes, a->head.len);
	return a->head.failed || !fits ? -EMSGSIZE : 0;
}

/* Where an id stands in the list of open files, or the list's length. */
static size_t large_find(const struct spool *s, const struct id128 *id)
{
	size_t at = 0;
	while (at < s->large_open.len && memcmp(s->large_open.ptr + at, id->bytes, sizeof(*id)) != 0)
		at += sizeof(*id);
	return at;
}

bool large_is_open(const struct spool *s, const struct id128 *id)
{
	return large_find(s, id) < s->large_open.len;
}

/* Takes an id off the list of open files; false: it is not there. */
static bool large_close(struct spool *s, const struct id128 *id)
{
	size_t at = large_find(s, id);
	if (at == s->large_open.len)
		return false;
	s->large_open.len -= sizeof(*id);
	memmove(s->large_open.ptr + at, s->large_open.ptr + s->large_open.len, sizeof(*id));
	return true;
}

void spool_large_discard(struct spool *s, const struct id128 *id)
{
	if (large_close(s, id))
		buf_add(&s->unlinks, span_of(id, sizeof(*id)));
}

static int queue_append(struct spool *s, const struct spool_message *m, uint64_t tag)
{
	int rc = check_message(s, m);
	if (rc < 0)
		return rc;
	struct append *a = calloc(1, sizeof(*a));
	if (a == NULL)
		return -ENOMEM;
	a->id = m->id;
	a->tag = tag;
	rc = append_encode(s, m, a);
	if (rc == 0 && (a->message = index_add(s, &m->id)) == NULL)
		rc = -ENOMEM;
	if (rc < 0) {
		append_free(a);
		return rc;
	}
	a->message->arrival_ms = m->arrival_ms;
	a->message->bytes = message_bytes(m->trace.len + m->content.len + a->large_bytes);
	a->message->record_bytes = (uint32_t)a->record_bytes;
	a->message->accepted_count = m->recipient_count;
	a->message->large = m->large;
	list_append(&s->appends, &a->link);
	s->held = false;
	return 0;
}

int spool_append(struct spool *s, const struct spool_message *m, uint64_t tag)
{
	assert(s->magic == SPOOL_MAGIC && !s->options.read_only);
	int rc = queue_append(s, m, tag);
	if (m->large && rc == 0)
		large_close(s, &m->id);
	else if (m->large)
		spool_large_discard(s, &m->id);
	return rc;
}

int spool_large_open(struct spool *s, const struct id128 *id, int *fd_out)
{
	char name[DISK_NAME_MAX];
	if (s->large_open.len >= LARGE_OPEN_MAX * sizeof(*id))
		return -EMFILE;
	if (index_find(s, id) != NULL)
		return -EEXIST;
	large_name(name, id);
	int file = s->disk->ops->open(s->disk->ctx, name, DISK_OPEN_CREATE);
	if (file < 0)
		return file;
	*fd_out = s->disk->ops->descriptor(s->disk->ctx, file);
	s->disk->ops->close(s->disk->ctx, file);
	if (*fd_out < 0) {
		s->disk->ops->unlink(s->disk->ctx, name);
		return *fd_out;
	}
	buf_add(&s->large_open, span_of(id, sizeof(*id)));
	return 0;
}

static int check_result(const struct message *m, const struct spool_result *r)
{
	if (m == NULL || !m->live || r->recipient >= message_recipient_count(m))
		return -ENOENT;
	if (m->recipients != NULL && spool_state_final((enum spool_state)m->recipients->items[r->recipient].state))
		return -ENOENT;
	if (r->added_count > 0 && r->state != SPOOL_EXPANDED)
		return -EINVAL;
	if (r->added_count > SPOOL_RECIPIENTS_MAX - message_recipient_count(m))
		return -E2BIG;
	for (uint32_t i = 0; i < r->added_count; i++) {
		if (r->added[i].len == 0 || r->added[i].len > SPOOL_ADDRESS_BYTES_MAX)
			return -EINVAL;
		if (r->added_orcpt != NULL && r->added_orcpt[i].len > SPOOL_ORCPT_BYTES_MAX)
			return -EINVAL;
	}
	return 0;
}

/* Entries were put behind len_before: they go along with the tag, or go away. */
static int queue_entries(struct spool *s, size_t len_before, uint64_t tag)
{
	struct buf *body = &s->settle.bytes;
	if (!body->failed)
		buf_add(&s->settle_tags, span_of(&tag, sizeof(tag)));
	if (body->failed || s->settle_tags.failed) {
		body->len = len_before;
		body->failed = s->settle_tags.failed = false;
		return -ENOMEM;
	}
	s->held = false;
	return 0;
}

static void put_added(struct buf *body, const struct spool_result *r, uint32_t i)
{
	struct journal_entry entry = { .type = JOURNAL_ADDED, .id = r->id, .recipient = r->recipient };
	entry.ordinal = i;
	entry.text = r->added[i];
	journal_entry_put(body, &entry);
	if (r->added_notify == NULL && r->added_orcpt == NULL)
		return;
	entry.type = JOURNAL_OPTIONS;
	entry.value = r->added_notify != NULL ? r->added_notify[i] : 0;
	entry.text = r->added_orcpt != NULL ? r->added_orcpt[i] : SPAN("");
	journal_entry_put(body, &entry);
}

int spool_settle(struct spool *s, const struct spool_result *r, uint64_t tag)
{
	assert(s->magic == SPOOL_MAGIC && !s->options.read_only);
	int rc = check_result(index_find(s, &r->id), r);
	if (rc < 0)
		return rc;
	size_t len_before = s->settle.bytes.len;
	for (uint32_t i = 0; i < r->added_count; i++)
		put_added(&s->settle.bytes, r, i);
	struct journal_entry entry = { .type = JOURNAL_RECIPIENT, .id = r->id, .recipient = r->recipient };
	entry.state = r->state;
	entry.attempts = r->attempts;
	entry.retry_at_ms = r->retry_at_ms;
	entry.text = span_to(r->reason, SPOOL_REASON_BYTES_MAX);
	journal_entry_put(&s->settle.bytes, &entry);
	return queue_entries(s, len_before, tag);
}

int spool_note(struct spool *s, const struct id128 *id, uint8_t delay_notices, uint64_t tag)
{
	assert(s->magic == SPOOL_MAGIC && !s->options.read_only);
	const struct message *m = index_find(s, id);
	if (m == NULL || !m->live)
		return -ENOENT;
	size_t len_before = s->settle.bytes.len;
	struct journal_entry entry = { .type = JOURNAL_NOTE, .id = *id, .value = delay_notices };
	journal_entry_put(&s->settle.bytes, &entry);
	return queue_entries(s, len_before, tag);
}

static void set_defaults(struct spool *s, const struct spool_options *options)
{
	struct spool_options *o = &s->options;
	*o = *options;
	o->segment_bytes = o->segment_bytes > 0 ? o->segment_bytes : SEGMENT_BYTES_DEFAULT;
	o->journal_bytes = o->journal_bytes > 0 ? o->journal_bytes : JOURNAL_BYTES_DEFAULT;
	o->batch_bytes_max = o->batch_bytes_max > 0 ? o->batch_bytes_max : BATCH_BYTES_DEFAULT;
	o->spare_segments_max = o->spare_segments_max > 0 ? o->spare_segments_max : SPARE_SEGMENTS_DEFAULT;
	s->disk = options->disk;
	memcpy(s->ids.state, options->seed, sizeof(s->ids.state));
	s->hash_key[0] = id_source_u64(&s->ids);
	s->hash_key[1] = id_source_u64(&s->ids);
	s->reserve.bytes = o->segment_bytes + o->journal_bytes;
}

static struct spool *new_spool(const struct spool_options *options)
{
	struct spool *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->magic = SPOOL_MAGIC;
	set_defaults(s, options);
	map_init(&s->by_id);
	map_init(&s->reasons);
	list_init(&s->messages);
	list_init(&s->cursors);
	list_init(&s->appends);
	journal_frame_init(&s->settle);
	buf_init(&s->settle_tags, TAG_BYTES_MAX);
	buf_init(&s->completions, COMPLETION_BYTES_MAX);
	buf_init(&s->unlinks, TAG_BYTES_MAX);
	buf_init(&s->duplicates, TAG_BYTES_MAX);
	buf_init(&s->journals_old, TAG_BYTES_MAX);
	buf_init(&s->large_open, LARGE_OPEN_MAX * sizeof(struct id128));
	s->journal.file = s->next.file = -1;
	return s;
}

static void free_spool(struct spool *s)
{
	while (!list_empty(&s->messages)) {
		struct message *m = LIST_ENTRY(s->messages.next, struct message, link);
		list_remove(&m->link);
		index_free_message(s, m);
	}
	for (uint32_t i = 0; i < s->slot_count; i++) {
		if (s->segments[i] != NULL)
			segments_free(s, s->segments[i]);
	}
	while (!list_empty(&s->appends)) {
		struct append *a = LIST_ENTRY(s->appends.next, struct append, link);
		list_remove(&a->link);
		index_free_message(s, a->message);
		append_free(a);
	}
	map_fini(&s->by_id);
	assert(s->reasons.count == 0);
	map_fini(&s->reasons);
	while (!list_empty(&s->cursors))
		spool_cursor_close(s, LIST_ENTRY(s->cursors.next, struct spool_cursor, link));
	if (s->journal.file >= 0)
		s->disk->ops->close(s->disk->ctx, s->journal.file);
	if (s->next.file >= 0)
		s->disk->ops->close(s->disk->ctx, s->next.file);
	journal_frame_fini(&s->settle);
	buf_fini(&s->settle_tags);
	buf_fini(&s->completions);
	buf_fini(&s->unlinks);
	buf_fini(&s->duplicates);
	buf_fini(&s->journals_old);
	buf_fini(&s->large_open);
	free(s);
}

int spool_open(const struct spool_options *options, struct spool **spool_out)
{
	uint64_t units = options->segment_bytes / SPOOL_UNIT;
	if (options->segment_bytes % SPOOL_UNIT != 0 || units >= UINT32_MAX || (options->segment_bytes > 0 && units < 8))
		return -EINVAL;
	struct spool *s = new_spool(options);
	if (s == NULL)
		return -ENOMEM;
	int rc = spool_recover(s);
	if (rc < 0) {
		free_spool(s);
		return rc;
	}
	*spool_out = s;
	return 0;
}

void spool_close(struct spool *s)
{
	assert(s->magic == SPOOL_MAGIC && s->job == NULL);
	struct spool_job *job;
	s->seal_wanted = !s->options.read_only;
	while ((job = spool_job_begin(s)) != NULL) {
		spool_job_run(job);
		spool_job_end(s, job);
	}
	free_spool(s);
}
