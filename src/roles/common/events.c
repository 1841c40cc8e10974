/* SPDX-License-Identifier: Apache-2.0 */
/* Sending events, or counting those that are dropped. */
#include "events.h"

static void cut(struct span *text)
{
	*text = span_to(*text, EVENT_TEXT_BYTES_MAX);
}

static bool say_dropped(struct channel *to, uint64_t count)
{
	struct ipc_events_dropped say = { .count = count };
	struct buf *out = channel_begin(to, IPC_EVENTS_DROPPED, -1);
	if (out == NULL)
		return false;
	ipc_put_events_dropped(out, &say);
	channel_end(to);
	return true;
}

void event_recipients_write(struct buf *out, const struct span *recipients, size_t count)
{
	for (size_t i = 0; i < count && !out->failed; i++) {
		if (i > 0)
			buf_add_str(out, ", ");
		buf_add(out, recipients[i]);
	}
}

void event_send(struct channel *to, uint64_t *dropped_io, const struct ipc_event *event)
{
	struct ipc_event say = *event;
	bool room = to != NULL && channel_unsent_bytes(to) < EVENTS_UNSENT_BYTES_MAX;
	if (room && *dropped_io > 0 && say_dropped(to, *dropped_io))
		*dropped_io = 0;
	struct buf *out = room ? channel_begin(to, IPC_EVENT, -1) : NULL;
	if (out == NULL) {
		(*dropped_io)++;
		return;
	}
	cut(&say.session);
	cut(&say.sender);
	cut(&say.address);
	cut(&say.text);
	ipc_put_event(out, &say);
	channel_end(to);
}
