/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the console is told, so that waybill trace can say why: refusals with the check
 * that decided, and messages. A session in which nothing is refused costs no event of
 * its own.
 */
#include <stdlib.h>

#include "clock.h"
#include "events.h"
#include "smtpd.h"


static void send_event(struct smtpd_conn *conn, struct ipc_event *event)
{
	struct buf peer;
	buf_init(&peer, 64);
	netaddr_write(&peer, &conn->peer);
	event->session = smtp_server_session_id(conn->session);
	event->client = buf_span(&peer);
	event_send(conn->smtpd->console, &conn->smtpd->events_dropped, event);
	buf_fini(&peer);
}

static void tell_connected(struct smtpd_conn *conn)
{
	struct ipc_event event = { .kind = IPC_EVENT_CONNECTED, .at_ms = conn->since_ms,
		.check = conn->trusted ? SPAN("trusted") : SPAN("") };
	if (!conn->told)
		send_event(conn, &event);
	conn->told = true;
}

void smtpd_tell_note(struct smtpd_conn *conn, const struct smtp_server_note *n)
{
	struct ipc_event event = { .kind = IPC_EVENT_REFUSED, .at_ms = clock_unix_ms(), .address = n->address,
		.verb = span_str(n->verb), .key = span_str(reply_entry(n->key)->name),
		.check = span_str(conn->check), .text = buf_span(&conn->why), .number = conn->why_line,
		.sender = smtp_server_helo(conn->session) };
	if (n->has_transaction)
		event.message = n->transaction;
	tell_connected(conn);
	send_event(conn, &event);
}

/* Those of the recipients whose key says so, into `taken`; how many. */
static size_t taken_list(const struct smtp_transaction *t, const enum reply_key *keys, struct span *taken)
{
	size_t count = 0;
	for (size_t i = 0; i < t->recipient_count; i++)
		if (keys == NULL || reply_entry(keys[i])->code < 300)
			taken[count++] = t->recipients[i];
	return count;
}

void smtpd_tell_accepted(struct smtpd_conn *conn, const enum reply_key *keys)
{
	const struct smtp_transaction *t = conn->committing;
	uint64_t took_us = clock_mono_us() - conn->asked_us;
	struct span *taken = calloc(t->recipient_count + 1, sizeof(*taken));
	if (taken == NULL)
		return;
	size_t count = taken_list(t, keys, taken);
	struct buf who;
	buf_init(&who, EVENT_TEXT_BYTES_MAX);
	event_recipients_write(&who, taken, count);
	struct ipc_event event = { .kind = IPC_EVENT_ACCEPTED, .at_ms = clock_unix_ms() - took_us / 1000,
		.message = conn->message_id, .sender = t->sender,
		.address = taken[0],
		.key = span_str(reply_entry(REPLY_MESSAGE_QUEUED)->name), .check = conn->trusted ? SPAN("trusted") : SPAN(""),
		.text = buf_span(&who), .attempt = (uint32_t)count, .until_ms = took_us,
		.number = t->stored_bytes };
	send_event(conn, &event);
	buf_fini(&who);
	free(taken);
}

void smtpd_tell_end(struct smtpd_conn *conn, const char *why)
{
	struct ipc_event event = { .kind = IPC_EVENT_DISCONNECTED, .at_ms = clock_unix_ms(), .text = span_str(why) };
	if (conn->told)
		send_event(conn, &event);
}
