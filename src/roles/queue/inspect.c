/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The console's questions about the queue, and its wishes: what is small is answered
 * here; lists, sums and changes have files of their own.
 */
#include "inspect.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* The worst of the destinations that are down; how many there are. */
static size_t put_down(const struct queue_role *q, struct buf *list)
{
	struct scheduler_view worst[INSPECT_DOWN_MAX];
	size_t count = scheduler_down(q->scheduler, worst, INSPECT_DOWN_MAX);
	for (size_t i = 0; i < count && i < INSPECT_DOWN_MAX; i++) {
		struct buf item;
		buf_init(&item, INSPECT_DOWN_BYTES_MAX);
		struct ipc_queue_down say = { .name = worst[i].key, .since_ms = worst[i].since_ms,
			.messages = (uint64_t)worst[i].waiting + worst[i].in_flight, .probe_ms = worst[i].wake_ms,
			.why = worst[i].reason };
		ipc_put_queue_down(&item, &say);
		ipc_list_add(list, buf_span(&item));
		buf_fini(&item);
	}
	return count;
}

/* As quick with a million messages as with one: counters, one message read, and the top of a heap. */
static bool status(struct queue_role *q, const struct channel_message *message)
{
	struct spool_counts counts;
	struct buf oldest, down;
	spool_counts(q->spool, &counts);
	buf_init(&down, INSPECT_DOWN_MAX * INSPECT_DOWN_BYTES_MAX);
	inspect_oldest(q, &oldest);
	size_t down_count = put_down(q, &down);
	struct ipc_queue_status say = { .messages = counts.messages, .recipients = counts.recipients,
		.bytes = counts.disk_bytes, .paused = q->paused, .accepted = q->accepted, .delivered = q->delivered,
		.oldest = buf_span(&oldest), .down_count = down_count, .down = buf_span(&down) };
	INSPECT_ANSWER(message, QUEUE_STATUS, queue_status, &say);
	buf_fini(&oldest);
	buf_fini(&down);
	return true;
}

static bool pause_or_resume(struct queue_role *q, const struct channel_message *message)
{
	struct ipc_queue_pause_ask ask;
	if (!ipc_get_queue_pause_ask(message->body, &ask))
		return false;
	q->paused = ask.paused != 0;
	log_text(LOG_INFO, q->paused ? "paused" : "resumed", "by the control socket");
	attempts_run(q);
	units_run(q);
	struct ipc_queue_paused say = { .paused = q->paused };
	INSPECT_ANSWER(message, QUEUE_PAUSED, queue_paused, &say);
	return true;
}

static bool content(struct queue_role *q, const struct channel_message *message)
{
	struct ipc_queue_content_ask ask;
	struct ipc_queue_content say = { 0 };
	struct spool_view view;
	int fd = -1;
	if (!ipc_get_queue_content_ask(message->body, &ask))
		return false;
	int error = spool_read(q->spool, &ask.id, &view);
	bool have = error == 0;
	if (have && view.entry.large)
		fd = error = spool_content_open(q->spool, &ask.id);
	if (error >= 0)
		say = (struct ipc_queue_content){ .found = 1, .file_bytes = fd >= 0 ? view.large_bytes : 0,
			.content = view.content };
	else if (error != -ENOENT)
		say.error = span_str(strerror(-error));
	struct buf *out = channel_answer_begin(message->from, IPC_QUEUE_CONTENT, message->request, fd);
	if (out != NULL) {
		ipc_put_queue_content(out, &say);
		channel_end(message->from);
	}
	if (fd >= 0)
		close(fd);
	if (have)
		spool_view_fini(&view);
	return true;
}

static struct inspect_walk *walk_find(const struct inspect *inspect, uint32_t number)
{
	for (size_t i = 0; i < INSPECT_WALKS_MAX; i++)
		if (inspect->walks[i].number == number)
			return (struct inspect_walk *)(uintptr_t)&inspect->walks[i];
	return NULL;
}

/* A place for a new walk: a free one, or that of the one that rested longest. */
static struct inspect_walk *walk_place(struct queue_role *q)
{
	struct inspect_walk *oldest = &q->inspect->walks[0];
	for (size_t i = 0; i < INSPECT_WALKS_MAX; i++) {
		struct inspect_walk *walk = &q->inspect->walks[i];
		if (walk->number == 0)
			return walk;
		if (walk->used < oldest->used)
			oldest = walk;
	}
	inspect_walk_end(q, oldest);
	return oldest;
}

struct inspect_walk *inspect_walk_get(struct queue_role *q, uint32_t number)
{
	if (q->inspect == NULL)
		q->inspect = calloc(1, sizeof(*q->inspect));
	if (q->inspect == NULL)
		return NULL;
	struct inspect_walk *walk = number != 0 ? walk_find(q->inspect, number) : walk_place(q);
	if (walk == NULL)
		return NULL;
	if (number == 0) {
		walk->cursor = spool_cursor_open(q->spool);
		if (walk->cursor == NULL)
			return NULL;
		if (++q->inspect->last_number == 0)
			q->inspect->last_number = 1;
		walk->number = q->inspect->last_number;
	}
	walk->used = ++q->inspect->turns;
	return walk;
}

void inspect_walk_end(struct queue_role *q, struct inspect_walk *walk)
{
	if (walk->number == 0)
		return;
	spool_cursor_close(q->spool, walk->cursor);
	summary_free(walk->summary);
	*walk = (struct inspect_walk){ 0 };
}

void inspect_peer_gone(struct queue_role *q)
{
	for (size_t i = 0; q->inspect != NULL && i < INSPECT_WALKS_MAX; i++)
		inspect_walk_end(q, &q->inspect->walks[i]);
}

bool inspect_message(void *arg, const struct channel_message *message)
{
	const struct queue_peer *peer = arg;
	switch (message->type) {
	case IPC_QUEUE_STATUS_ASK:
		return status(peer->owner, message);
	case IPC_QUEUE_PAUSE_ASK:
		return pause_or_resume(peer->owner, message);
	case IPC_QUEUE_LIST_ASK:
		return inspect_list(peer->owner, message);
	case IPC_QUEUE_SUMMARY_ASK:
		return inspect_summary(peer->owner, message);
	case IPC_QUEUE_CHANGE_ASK:
		return inspect_change(peer->owner, message);
	case IPC_QUEUE_CONTENT_ASK:
		return content(peer->owner, message);
	default:
		return false;
	}
}
