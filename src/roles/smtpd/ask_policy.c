/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a session asks of policy: may this client go on, and, for trusted ones, who is
 * this name? Without an answer a recipient is put off, and so is a message at its end
 * where policy has to see that; elsewhere the client goes on, and the question travels
 * with the next one.
 */
#include <stdio.h>

#include "smtpd.h"

#define HEADERS_MAX 32 /* fields that one answer may want before the message */

/* For the note that the session makes of a refusal. */
static void keep_reasons(struct smtpd_conn *conn, const struct ipc_checked *verdict)
{
	snprintf(conn->check, sizeof(conn->check), "%.*s", SPAN_FMT(span_to(verdict->check, sizeof(conn->check) - 1)));
	conn->why_line = verdict->line;
	buf_clear(&conn->why);
	if (verdict->why.len > 0)
		buf_add(&conn->why, span_to(verdict->why, SMTPD_WHY_BYTES_MAX));
}

/* When nobody can say. */
static struct smtp_server_answer no_answer(const struct smtpd_conn *conn)
{
	enum smtp_question_kind pending = smtp_server_pending(conn->session);
	bool needed = pending == SMTP_ASK_RCPT || (pending == SMTP_ASK_END && conn->smtpd->stages.end_needed);
	return (struct smtp_server_answer){ .key = needed ? REPLY_POLICY_UNAVAILABLE : REPLY_MAIL_OK, .unasked = true };
}

/* What another program said, and wants done. */
static void take_service(const struct ipc_checked *verdict, struct smtp_server_answer *answer, struct span *headers)
{
	ipc_list rest = verdict->headers;
	answer->said.code = verdict->code;
	answer->said.text = verdict->text;
	struct span enhanced = span_to(verdict->enhanced, sizeof(answer->said.enhanced) - 1);
	if (enhanced.len > 0)
		memcpy(answer->said.enhanced, enhanced.ptr, enhanced.len);
	while (answer->header_count < HEADERS_MAX && ipc_list_next(&rest, &headers[answer->header_count]))
		answer->header_count++;
	answer->headers = headers;
	answer->discard = verdict->discard != 0;
	answer->hold = verdict->hold != 0;
}

static void on_checked(void *arg, const struct channel_message *message)
{
	struct smtpd_conn *conn = arg;
	struct ipc_checked verdict;
	struct span headers[HEADERS_MAX];
	struct smtp_server_answer answer = { .key = REPLY_POLICY_UNAVAILABLE };
	if (message != NULL && ipc_get_checked(message->body, &verdict)) {
		keep_reasons(conn, &verdict);
		answer.key = smtpd_key(verdict.key, REPLY_POLICY_UNAVAILABLE);
		answer.seconds = verdict.seconds;
		answer.mailboxes = &verdict.moved_to;
		answer.mailbox_count = verdict.moved_to.len > 0;
		take_service(&verdict, &answer, headers);
		answer.again = verdict.again;
		answer.counted = verdict.counted;
		answer.stage = verdict.stage < SMTP_STAGE_COUNT ? (enum smtp_stage)verdict.stage : SMTP_AT_CONNECT;
	} else if (conn->fd >= 0) {
		answer = no_answer(conn);
	}
	smtpd_answer_arrived(conn, &answer);
}

void smtpd_ask_client(struct smtpd_conn *conn, const struct smtp_server_question *q)
{
	const struct smtp_transaction *t = q->transaction;
	struct buf recipients;
	char id[ID128_TEXT_LEN];
	struct ipc_check_ask ask = { .at = (uint8_t)q->at, .stages = q->stages, .counted = q->counted, .client = conn->peer,
		.server = conn->local, .trusted = conn->trusted, .lmtp = conn->lmtp, .talked_first = conn->talked_first,
		.helo = smtp_server_helo(conn->session), .recipient = q->address,
		.extended = smtp_server_extended(conn->session), .instance = smtp_server_session_id(conn->session),
		.client_port = conn->peer_port, .server_port = conn->local_port };
	if (t != NULL) {
		id128_write(&t->id, id);
		ask.instance = span_of(id, sizeof(id));
		ask.recipient_count = (uint32_t)t->recipient_count;
		ask.sender = t->sender;
		ask.size = t->size_declared;
		ask.bytes = q->at == SMTP_AT_END ? t->content_bytes : 0;
		if (q->at == SMTP_AT_END && t->recipient_count == 1)
			ask.recipient = t->recipients[0];
	}
	buf_init(&recipients, CHANNEL_BODY_BYTES_MAX / 2);
	for (size_t i = 0; q->at == SMTP_AT_END && t != NULL && i < t->recipient_count; i++)
		ipc_list_add(&recipients, t->recipients[i]);
	if (!recipients.failed)
		ask.recipients = buf_span(&recipients);
	struct channel_question question = { IPC_CHECK_ASK, -1, SMTPD_ASK_TIMEOUT_MS, on_checked, conn };
	struct buf *out = conn->smtpd->policy != NULL ? channel_ask(conn->smtpd->policy, &question) : NULL;
	if (out == NULL) {
		struct smtp_server_answer answer = no_answer(conn);
		buf_fini(&recipients);
		smtpd_answer(conn, &answer);
		return;
	}
	conn->asking = true;
	ipc_put_check_ask(out, &ask);
	channel_end(conn->smtpd->policy);
	buf_fini(&recipients);
}

static void on_verified(void *arg, const struct channel_message *message)
{
	/* One more than are shown: a longer list shall be known as one. */
	struct span lines[SMTP_SERVER_EXPN_LINES_MAX + 1];
	struct ipc_verified verified = { .key = REPLY_POLICY_UNAVAILABLE };
	struct smtp_server_answer answer = { .mailboxes = lines };
	if (message != NULL)
		ipc_get_verified(message->body, &verified);
	answer.key = smtpd_key(verified.key, REPLY_POLICY_UNAVAILABLE);
	while (answer.mailbox_count <= SMTP_SERVER_EXPN_LINES_MAX
	       && ipc_list_next(&verified.mailboxes, &lines[answer.mailbox_count]))
		answer.mailbox_count++;
	smtpd_answer_arrived(arg, &answer);
}

void smtpd_ask_verify(struct smtpd_conn *conn, const struct smtp_server_question *q)
{
	struct ipc_verify_ask ask = { .expand = q->kind == SMTP_ASK_EXPN, .address = q->address };
	struct channel_question question = { IPC_VERIFY_ASK, -1, SMTPD_ASK_TIMEOUT_MS, on_verified, conn };
	struct buf *out = conn->smtpd->policy != NULL ? channel_ask(conn->smtpd->policy, &question) : NULL;
	if (out == NULL) {
		smtpd_answer(conn, &(struct smtp_server_answer){ .key = REPLY_POLICY_UNAVAILABLE });
		return;
	}
	conn->asking = true;
	ipc_put_verify_ask(out, &ask);
	channel_end(conn->smtpd->policy);
}
