/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a session asks of policy: may this client go on, and, for trusted ones, who is
 * this name? Without an answer a recipient is put off; at the stages before, and at the
 * end of a message, the client goes on, and the question travels with the next one.
 */
#include <stdio.h>

#include "smtpd.h"

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
	bool rcpt = smtp_server_pending(conn->session) == SMTP_ASK_RCPT;
	return (struct smtp_server_answer){ .key = rcpt ? REPLY_POLICY_UNAVAILABLE : REPLY_MAIL_OK, .unasked = true };
}

static void on_checked(void *arg, const struct channel_message *message)
{
	struct smtpd_conn *conn = arg;
	struct ipc_checked verdict;
	struct smtp_server_answer answer = { .key = REPLY_POLICY_UNAVAILABLE };
	if (message != NULL && ipc_get_checked(message->body, &verdict)) {
		keep_reasons(conn, &verdict);
		answer.key = smtpd_key(verdict.key, REPLY_POLICY_UNAVAILABLE);
		answer.seconds = verdict.seconds;
		answer.mailboxes = &verdict.moved_to;
		answer.mailbox_count = verdict.moved_to.len > 0;
		answer.stage = verdict.stage < SMTP_STAGE_COUNT ? (enum smtp_stage)verdict.stage : SMTP_AT_CONNECT;
	} else if (conn->fd >= 0) {
		answer = no_answer(conn);
	}
	smtpd_answer_arrived(conn, &answer);
}

void smtpd_ask_client(struct smtpd_conn *conn, const struct smtp_server_question *q)
{
	const struct smtp_transaction *t = q->transaction;
	struct ipc_check_ask ask = { .at = (uint8_t)q->at, .stages = q->stages, .client = conn->peer,
		.server = conn->local, .trusted = conn->trusted, .lmtp = conn->lmtp, .talked_first = conn->talked_first,
		.helo = smtp_server_helo(conn->session), .recipient = q->address };
	if (t != NULL) {
		ask.sender = t->sender;
		ask.size = t->size_declared;
		ask.bytes = q->at == SMTP_AT_END ? t->content_bytes : 0;
	}
	struct channel_question question = { IPC_CHECK_ASK, -1, SMTPD_ASK_TIMEOUT_MS, on_checked, conn };
	struct buf *out = conn->smtpd->policy != NULL ? channel_ask(conn->smtpd->policy, &question) : NULL;
	if (out == NULL) {
		struct smtp_server_answer answer = no_answer(conn);
		smtpd_answer(conn, &answer);
		return;
	}
	conn->asking = true;
	ipc_put_check_ask(out, &ask);
	channel_end(conn->smtpd->policy);
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
