/* SPDX-License-Identifier: Apache-2.0 */
/* What the console is told of attempts, for waybill trace. */
#include <stdio.h>

#include "clock.h"
#include "drop_file.h"
#include "events.h"
#include "queue_parts.h"

static void send_event(struct queue_role *q, struct ipc_event *event)
{
	event->at_ms = clock_unix_ms();
	event_send(q->console.channel, &q->events_dropped, event);
}

void event_dropped(struct queue_role *q, const struct drop *drop)
{
	struct buf who;
	char owner[32];
	buf_init(&who, EVENT_TEXT_BYTES_MAX);
	event_recipients_write(&who, drop->envelope.recipients, drop->envelope.recipient_count);
	snprintf(owner, sizeof(owner), "uid %lu", (unsigned long)drop->uid);
	struct ipc_event event = { .kind = IPC_EVENT_ACCEPTED, .message = drop->id, .sender = drop->envelope.sender,
		.client = SPAN(CLIENT_LOCAL), .address = drop->envelope.recipients[0],
		.key = span_str(reply_entry(REPLY_MESSAGE_QUEUED)->name), .check = span_str(owner), .text = buf_span(&who),
		.attempt = drop->envelope.recipient_count, .number = drop->head.content_bytes };
	send_event(q, &event);
	buf_fini(&who);
}

void event_result(struct queue_role *q, const struct result_form *form, const struct spool_result *r, const char *key)
{
	const struct spool_view *view = form->view;
	struct ipc_event event = { .kind = IPC_EVENT_RESULT, .message = r->id, .session = view->session,
		.sender = view->sender, .address = view->recipients[form->recipient].address, .key = span_str(key),
		.text = r->reason, .attempt = r->attempts,
		.until_ms = r->state == SPOOL_DEFERRED || r->state == SPOOL_IN_DOUBT ? r->retry_at_ms : 0,
		.number = r->state };
	send_event(q, &event);
}

void event_delivered(struct queue_role *q, const struct ipc_submit_ask *ask, struct span address)
{
	struct ipc_event event = { .kind = IPC_EVENT_RESULT, .message = ask->id, .session = ask->session,
		.sender = ask->sender, .address = address, .key = span_str(reply_entry(REPLY_LMTP_DELIVERED)->name),
		.attempt = 1, .number = SPOOL_DELIVERED };
	send_event(q, &event);
}

void event_unreachable(struct queue_role *q, const struct spool_view *view, const struct scheduler_unit *unit)
{
	struct scheduler_view destination;
	scheduler_unit_view(unit, &destination);
	struct ipc_event event = { .kind = IPC_EVENT_UNREACHABLE, .message = unit->id, .session = view->session,
		.sender = view->sender, .address = view->recipients[unit->recipients[0]].address, .text = destination.reason,
		.until_ms = destination.down ? destination.wake_ms : 0 };
	send_event(q, &event);
}

void event_bounced(struct queue_role *q, const struct spool_view *view, struct span to, uint32_t recipients)
{
	struct ipc_event event = { .kind = IPC_EVENT_BOUNCED, .message = view->entry.id, .session = view->session,
		.sender = view->sender, .address = to, .number = recipients };
	send_event(q, &event);
}

void event_changed(struct queue_role *q, const struct id128 *id, enum ipc_change what, uint32_t recipients,
	struct span reason)
{
	struct ipc_event event = { .kind = IPC_EVENT_CHANGED, .message = *id, .attempt = recipients, .number = what,
		.text = reason };
	send_event(q, &event);
}
