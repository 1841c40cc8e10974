/* SPDX-License-Identifier: Apache-2.0 */
/* The console's questions about the queue, and its wishes. */
#include "queue_parts.h"

#define ANSWER(NAME, name, say) do { \
	struct buf *out = channel_answer_begin(message->from, IPC_##NAME, message->request, -1); \
	if (out != NULL) { \
		ipc_put_##name(out, (say)); \
		channel_end(message->from); \
	} \
} while (0)

static bool status(struct queue_role *q, const struct channel_message *message)
{
	struct spool_counts counts;
	spool_counts(q->spool, &counts);
	struct ipc_queue_status say = { .messages = counts.messages, .recipients = counts.recipients,
		.bytes = counts.disk_bytes, .paused = q->paused, .accepted = q->accepted, .delivered = q->delivered };
	ANSWER(QUEUE_STATUS, queue_status, &say);
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
	struct ipc_queue_paused say = { .paused = q->paused };
	ANSWER(QUEUE_PAUSED, queue_paused, &say);
	return true;
}

bool inspect_message(void *arg, const struct channel_message *message)
{
	struct queue_peer *peer = arg;
	switch (message->type) {
	case IPC_QUEUE_STATUS_ASK:
		return status(peer->owner, message);
	case IPC_QUEUE_PAUSE_ASK:
		return pause_or_resume(peer->owner, message);
	default:
		return false;
	}
}
