/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One page of a listing: messages that a filter lets through, each with the recipients
 * that it lets through and what each of them waits for. Sender and addresses stand on
 * the disk only, so every message shown is read; a page ends after a bounded number of
 * messages looked at, of reads and of bytes, and the next one goes on from there.
 */
#include <stdlib.h>

#include "clock.h"
#include "inspect.h"

struct page {
	struct queue_role *q;
	const struct ipc_queue_filter *filter;
	struct buf messages;
	uint32_t most, shown, examined, reads;
	uint32_t recipients_max; /* of one message that are shown */
	uint64_t read_bytes;
};

static enum ipc_blocker waits_for(const struct queue_role *q, const struct spool_recipient *r, bool attempting)
{
	if (r->state == SPOOL_HELD)
		return IPC_BLOCKER_HELD;
	if (r->state == SPOOL_BOUNCE_OWED)
		return IPC_BLOCKER_BOUNCE;
	if (spool_state_final(r->state))
		return IPC_BLOCKER_SETTLED;
	if ((r->state == SPOOL_DEFERRED || r->state == SPOOL_IN_DOUBT) && r->retry_at_ms > clock_unix_ms())
		return IPC_BLOCKER_TIME;
	return attempting ? IPC_BLOCKER_UNDER_WAY : q->paused ? IPC_BLOCKER_PAUSED : IPC_BLOCKER_NONE;
}

struct inspect_block inspect_block_of(const struct queue_role *q, const struct queue_message *m,
	const struct spool_recipient *r, const struct scheduler_unit *unit)
{
	struct inspect_block block = { .blocker = waits_for(q, r, m != NULL && m->attempting) };
	if (unit == NULL || r->state == SPOOL_HELD || r->state == SPOOL_BOUNCE_OWED || spool_state_final(r->state))
		return block;
	scheduler_unit_view(unit, &block.view);
	if (!scheduler_unit_waits(unit))
		block.blocker = IPC_BLOCKER_UNDER_WAY;
	else if (q->paused)
		block.blocker = IPC_BLOCKER_PAUSED;
	else if (block.view.down)
		block.blocker = IPC_BLOCKER_DOWN;
	else if (block.view.paced)
		block.blocker = IPC_BLOCKER_PACED;
	else
		block.blocker = IPC_BLOCKER_TURN;
	return block;
}

static void put_recipient(struct buf *list, const struct inspect_recipient *r, uint32_t index,
	const struct inspect_block *block)
{
	struct buf item;
	buf_init(&item, 8192);
	bool blocked = block->view.down || block->view.paced;
	struct ipc_queue_rcpt say = { .index = index, .address = r->at->address, .state = (uint8_t)r->at->state,
		.attempts = r->at->attempts, .retry_at_ms = r->at->retry_at_ms == SPOOL_NEVER ? 0 : r->at->retry_at_ms,
		.reason = r->at->reason, .blocker = (uint8_t)block->blocker, .destination = block->view.key,
		.since_ms = blocked ? block->view.since_ms : 0, .until_ms = blocked ? block->view.wake_ms : 0,
		.why = block->view.reason };
	ipc_put_queue_rcpt(&item, &say);
	ipc_list_add(list, buf_span(&item));
	buf_fini(&item);
}

/* Lists the recipients that fit; how many there are. */
static uint32_t list_recipients(const struct page *p, const struct spool_view *view, struct buf *list)
{
	const struct queue_message *m = message_find(p->q, &view->entry.id);
	struct scheduler_unit **units = message_units(p->q, &view->entry.id, view->entry.recipient_count);
	uint32_t matching = 0;
	for (uint32_t i = 0; i < view->entry.recipient_count; i++) {
		struct inspect_recipient r = { &view->recipients[i], units != NULL ? units[i] : NULL,
			inspect_reason_host(view->recipients[i].reason) };
		if (!inspect_filter_recipient(p->filter, &r) || matching++ >= p->recipients_max)
			continue;
		struct inspect_block block = inspect_block_of(p->q, m, r.at, r.unit);
		put_recipient(list, &r, i, &block);
	}
	free(units);
	return matching;
}

static void put_message(struct page *p, const struct ipc_queue_one *one)
{
	struct buf item;
	buf_init(&item, INSPECT_ITEM_BYTES_MAX);
	ipc_put_queue_one(&item, one);
	if (!item.failed) {
		ipc_list_add(&p->messages, buf_span(&item));
		p->shown++;
	}
	buf_fini(&item);
}

/* A message that cannot be read is shown by what the index knows, unless its envelope is asked about. */
static void show_unreadable(struct page *p, const struct spool_entry *entry)
{
	if (inspect_filter_needs_envelope(p->filter) || p->filter->reason.len > 0 || p->filter->states != 0)
		return;
	struct ipc_queue_one one = { .id = entry->id, .arrived_ms = entry->arrival_ms, .bytes = entry->bytes,
		.unreadable = 1, .recipients = entry->recipient_count, .matching = entry->recipient_count };
	put_message(p, &one);
}

static void show(struct page *p, const struct spool_entry *entry)
{
	struct spool_view view;
	struct buf list;
	p->reads++;
	p->read_bytes += entry->bytes;
	if (spool_read(p->q->spool, &entry->id, &view) < 0) {
		show_unreadable(p, entry);
		return;
	}
	buf_init(&list, INSPECT_ITEM_BYTES_MAX / 2);
	uint32_t matching = inspect_filter_sender(p->filter, view.sender) ? list_recipients(p, &view, &list) : 0;
	struct ipc_queue_one one = { .id = entry->id, .arrived_ms = entry->arrival_ms,
		.bytes = entry->large ? view.content.len + view.large_bytes : entry->bytes, .sender = view.sender,
		.client = view.client, .helo = view.helo, .session = view.session, .recipients = entry->recipient_count,
		.matching = matching, .shown = buf_span(&list) };
	if (matching > 0)
		put_message(p, &one);
	buf_fini(&list);
	spool_view_fini(&view);
}

/* What the index alone can refuse costs no read. */
static bool index_fits(const struct page *p, const struct spool_entry *entry)
{
	struct spool_recipient r;
	if (!inspect_filter_entry(p->filter, entry))
		return false;
	if ((p->filter->states == 0 && p->filter->reason.len == 0) || inspect_filter_needs_envelope(p->filter))
		return true;
	for (uint32_t i = 0; i < entry->recipient_count; i++) {
		if (!spool_recipient_find(p->q->spool, &entry->id, i, &r))
			continue;
		struct inspect_recipient view = { &r, NULL, inspect_reason_host(r.reason) };
		if (inspect_filter_recipient(p->filter, &view))
			return true;
	}
	return false;
}

static bool page_full(const struct page *p)
{
	return p->shown >= p->most || p->examined >= INSPECT_PAGE_EXAMINED_MAX || p->reads >= INSPECT_PAGE_READS_MAX
		|| p->read_bytes >= INSPECT_PAGE_READ_BYTES_MAX || p->messages.len >= INSPECT_PAGE_BYTES_MAX;
}

/* True when the walk is at its end. */
static bool page_fill(struct page *p, struct inspect_walk *walk)
{
	struct spool_entry entry;
	while (!page_full(p)) {
		if (!spool_next(p->q->spool, walk->cursor, &entry))
			return true;
		p->examined++;
		if (index_fits(p, &entry))
			show(p, &entry);
	}
	return false;
}

/* A whole id needs no walk. */
static bool page_of_one(struct page *p)
{
	struct id128 id;
	struct spool_entry entry;
	if (!id128_parse(p->filter->id, &id))
		return false;
	if (spool_find(p->q->spool, &id, &entry) && index_fits(p, &entry))
		show(p, &entry);
	return true;
}

bool inspect_list(struct queue_role *q, const struct channel_message *message)
{
	struct ipc_queue_list_ask ask;
	struct ipc_queue_filter filter;
	if (!ipc_get_queue_list_ask(message->body, &ask) || !inspect_filter_read(ask.filter, &filter))
		return false;
	struct page p = { .q = q, .filter = &filter, .most = ask.most, .recipients_max = INSPECT_SHOWN_MAX };
	if (p.most == 0 || p.most > INSPECT_PAGE_MESSAGES_MAX)
		p.most = INSPECT_PAGE_MESSAGES_MAX;
	buf_init(&p.messages, INSPECT_PAGE_BYTES_MAX + INSPECT_ITEM_BYTES_MAX);
	struct ipc_queue_list say = { 0 };
	if (!page_of_one(&p)) {
		struct inspect_walk *walk = inspect_walk_get(q, ask.listing);
		say.lost = walk == NULL;
		say.listing = walk != NULL ? walk->number : 0;
		if (walk != NULL && page_fill(&p, walk)) {
			inspect_walk_end(q, walk);
			say.listing = 0;
		}
	}
	say.messages = buf_span(&p.messages);
	INSPECT_ANSWER(message, QUEUE_LIST, queue_list, &say);
	buf_fini(&p.messages);
	return true;
}

void inspect_oldest(struct queue_role *q, struct buf *list_out)
{
	static const struct ipc_queue_filter all;
	struct spool_cursor *cursor = spool_cursor_open(q->spool);
	struct page p = { .q = q, .filter = &all, .recipients_max = 1 };
	struct spool_entry entry;
	buf_init(&p.messages, 2 * INSPECT_ITEM_BYTES_MAX);
	if (cursor != NULL && spool_next(q->spool, cursor, &entry))
		show(&p, &entry);
	if (cursor != NULL)
		spool_cursor_close(q->spool, cursor);
	*list_out = p.messages;
}
