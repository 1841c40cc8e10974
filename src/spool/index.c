/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index of messages in memory. Measured with a million of one recipient: 103
 * bytes each while pending, 167 when deferred (the table's slot included; texts of
 * reasons are shared, reasons.c), and 48 for each further recipient when one of them
 * is not pending. The same function applies an entry of the journal when it has
 * just become durable and when it is read at start-up.
 * Invariant: a live message has a recipient that is not final; when the last one
 * becomes final the message is dropped and its record is dead.
 */
#include <assert.h>
#include <stdlib.h>

#include "spool_private.h"

static uint64_t hash_of(const struct spool *s, const struct id128 *id)
{
	return map_hash(s->hash_key, span_of(id->bytes, sizeof(id->bytes)));
}

struct message *index_find(const struct spool *s, const struct id128 *id)
{
	struct map_link *link = map_first(&s->by_id, hash_of(s, id));
	while (link != NULL && id128_cmp(&MAP_ENTRY(link, struct message, by_id)->id, id) != 0)
		link = map_next(link);
	return link != NULL ? MAP_ENTRY(link, struct message, by_id) : NULL;
}

struct message *index_add(struct spool *s, const struct id128 *id)
{
	uint64_t hash = hash_of(s, id);
	struct message *m = calloc(1, sizeof(*m));
	if (m == NULL)
		return NULL;
	m->id = *id;
	list_init(&m->link);
	if (!map_insert(&s->by_id, &m->by_id, hash)) {
		free(m);
		return NULL;
	}
	return m;
}

void index_make_live(struct spool *s, struct message *m)
{
	struct segment *g = s->segments[m->slot];
	m->live = true;
	m->open_count = m->accepted_count;
	list_append(&s->messages, &m->link);
	g->live_count++;
	g->live_units += spool_units(m->record_bytes);
	s->counts.messages++;
	s->counts.recipients += m->open_count;
	s->counts.bytes += m->bytes;
}

static void free_recipients(struct spool *s, struct recipients *list)
{
	for (uint32_t i = 0; list != NULL && i < list->count; i++) {
		reason_drop(s, list->items[i].reason);
		free(list->items[i].address);
	}
	free(list);
}

void index_free_message(struct spool *s, struct message *m)
{
	map_remove(&s->by_id, &m->by_id);
	free_recipients(s, m->recipients);
	free(m);
}

/* A cursor that stands on a message which goes away moves on. */
static void step_cursors(struct spool *s, struct message *m)
{
	for (struct list *l = s->cursors.next; l != &s->cursors; l = l->next) {
		struct spool_cursor *cursor = LIST_ENTRY(l, struct spool_cursor, link);
		if (cursor->at == &m->link)
			cursor->at = m->link.next;
	}
}

void index_drop(struct spool *s, struct message *m)
{
	if (m->live) {
		struct segment *g = s->segments[m->slot];
		step_cursors(s, m);
		list_remove(&m->link);
		assert(g->live_count > 0);
		g->live_count--;
		g->live_units -= spool_units(m->record_bytes);
		segment_mark_dead(g, m->unit);
		s->retire_hint |= g->live_count == 0;
		s->counts.messages--;
		s->counts.recipients -= m->open_count;
		s->counts.bytes -= m->bytes;
		if (m->large)
			buf_add(&s->unlinks, span_of(&m->id, sizeof(m->id)));
	}
	index_free_message(s, m);
}

uint32_t message_recipient_count(const struct message *m)
{
	return m->recipients != NULL ? m->recipients->count : m->accepted_count;
}

/* Room for recipients up to `count`; new ones are pending. */
static struct recipients *make_recipients(struct message *m, uint32_t count)
{
	struct recipients *list = m->recipients;
	uint32_t have = list != NULL ? list->count : 0;
	if (list != NULL && count <= list->cap) {
		list->count = count > have ? count : have;
		return list;
	}
	uint32_t cap = list != NULL && count < 2 * list->cap ? 2 * list->cap : count;
	struct recipients *grown = realloc(list, sizeof(*list) + cap * sizeof(list->items[0]));
	if (grown == NULL)
		abort();
	memset(grown->items + have, 0, (cap - have) * sizeof(grown->items[0]));
	grown->count = count;
	grown->cap = cap;
	m->recipients = grown;
	return grown;
}

static char *copy_text(struct span text)
{
	if (text.len == 0)
		return NULL;
	char *copy = malloc(text.len);
	if (copy == NULL)
		abort();
	memcpy(copy, text.ptr, text.len);
	return copy;
}

static void apply_recipient(struct spool *s, struct message *m, const struct journal_entry *entry)
{
	if (entry->recipient >= message_recipient_count(m))
		return;
	struct recipient *r = &make_recipients(m, message_recipient_count(m))->items[entry->recipient];
	bool was_final = spool_state_final(r->state), is_final = spool_state_final(entry->state);
	struct reason *reason = reason_take(s, entry->text); /* first: it may be the same one */
	reason_drop(s, r->reason);
	r->reason = reason;
	r->state = (uint8_t)entry->state;
	r->attempts = entry->attempts;
	r->retry_at_ms = entry->retry_at_ms;
	if (was_final == is_final)
		return;
	m->open_count += is_final ? -1u : 1u;
	s->counts.recipients += is_final ? -1ull : 1ull;
	if (m->open_count == 0)
		index_drop(s, m);
}

/* Those that replace one recipient stand side by side, so that an entry that is read twice
 * finds the one it made. */
static void apply_added(struct spool *s, struct message *m, const struct journal_entry *entry)
{
	uint32_t count = message_recipient_count(m);
	if (entry->recipient >= count || count >= SPOOL_RECIPIENTS_MAX)
		return;
	struct recipient *parent = &make_recipients(m, count)->items[entry->recipient];
	if (parent->first_added == 0)
		parent->first_added = count;
	uint64_t index = (uint64_t)parent->first_added + entry->ordinal;
	if (index != count)
		return;
	struct recipient *r = &make_recipients(m, count + 1)->items[index];
	r->parent = entry->recipient;
	r->address = copy_text(entry->text);
	r->address_len = (uint16_t)entry->text.len;
	m->open_count++;
	s->counts.recipients++;
}

/* Of the recipient that was added just before; read twice it says the same. */
static void apply_options(struct message *m, const struct journal_entry *entry)
{
	uint32_t count = message_recipient_count(m);
	if (m->recipients == NULL || entry->recipient >= count)
		return;
	uint64_t index = (uint64_t)m->recipients->items[entry->recipient].first_added + entry->ordinal;
	if (index < m->accepted_count || index >= count)
		return;
	struct recipient *r = &m->recipients->items[index];
	char *grown = realloc(r->address, r->address_len + entry->text.len);
	if (grown == NULL)
		abort();
	if (entry->text.len > 0)
		memcpy(grown + r->address_len, entry->text.ptr, entry->text.len);
	r->address = grown;
	r->orcpt_len = (uint16_t)entry->text.len;
	r->notify = entry->value;
	r->own_options = true;
}

static void apply_fresh(struct spool *s, struct message *m)
{
	free_recipients(s, m->recipients);
	m->recipients = NULL;
	m->delay_notices = 0;
	s->counts.recipients += (uint64_t)m->accepted_count - m->open_count;
	m->open_count = m->accepted_count;
}

void index_apply(struct spool *s, const struct journal_entry *entry)
{
	if (entry->type == JOURNAL_SEGMENT)
		segment_apply(s, entry);
	else if (entry->type != JOURNAL_END)
		index_apply_to(s, index_find(s, &entry->id), entry);
}

void index_apply_to(struct spool *s, struct message *m, const struct journal_entry *entry)
{
	if (m == NULL || !m->live)
		return;
	if (entry->type == JOURNAL_RECIPIENT)
		apply_recipient(s, m, entry);
	else if (entry->type == JOURNAL_ADDED)
		apply_added(s, m, entry);
	else if (entry->type == JOURNAL_OPTIONS)
		apply_options(m, entry);
	else if (entry->type == JOURNAL_NOTE)
		m->delay_notices = entry->value;
	else
		apply_fresh(s, m);
}

void index_apply_body(struct spool *s, struct span body)
{
	struct journal_entry entry;
	while (journal_entry_next(&body, &entry) == JOURNAL_ENTRY)
		index_apply(s, &entry);
}

static void snapshot_added(const struct message *m, struct buf *body)
{
	const struct recipients *list = m->recipients;
	for (uint32_t i = m->accepted_count; i < list->count; i++) {
		const struct recipient *r = &list->items[i];
		struct journal_entry entry = { .type = JOURNAL_ADDED, .id = m->id, .recipient = r->parent };
		entry.ordinal = i - list->items[r->parent].first_added;
		entry.text = span_of(r->address, r->address_len);
		journal_entry_put(body, &entry);
		if (!r->own_options)
			continue;
		entry.type = JOURNAL_OPTIONS;
		entry.value = r->notify;
		entry.text = span_of(r->address + r->address_len, r->orcpt_len);
		journal_entry_put(body, &entry);
	}
}

static void snapshot_states(const struct message *m, struct buf *body)
{
	const struct recipients *list = m->recipients;
	for (uint32_t i = 0; i < list->count; i++) {
		const struct recipient *r = &list->items[i];
		struct journal_entry entry = { .type = JOURNAL_RECIPIENT, .id = m->id, .recipient = i };
		if (r->state == SPOOL_PENDING && r->attempts == 0 && r->reason == NULL)
			continue;
		entry.state = (enum spool_state)r->state;
		entry.attempts = r->attempts;
		entry.retry_at_ms = r->retry_at_ms;
		entry.text = reason_text(r->reason);
		journal_entry_put(body, &entry);
	}
}

void index_snapshot(const struct message *m, struct buf *body)
{
	struct journal_entry note = { .type = JOURNAL_NOTE, .id = m->id, .value = m->delay_notices };
	if (m->recipients == NULL && m->delay_notices == 0)
		return;
	journal_entry_put(body, &(struct journal_entry){ .type = JOURNAL_FRESH, .id = m->id });
	if (m->delay_notices != 0)
		journal_entry_put(body, &note);
	if (m->recipients == NULL)
		return;
	snapshot_added(m, body);
	snapshot_states(m, body);
}
