/* SPDX-License-Identifier: Apache-2.0 */
/* The driver; see the header. */
#include "session_driver.h"

#include <assert.h>
#include <stdlib.h>

#include "crc32c.h"

#define TRANSCRIPT_BYTES_MAX (64 * 1024 * 1024)

void session_driver_init(struct session_driver *d)
{
	*d = (struct session_driver){
		.options = { .hostname = SPAN("mx.example.org"), .limits = SMTP_SERVER_LIMITS_DEFAULT },
		.spill_key = REPLY_MAIL_OK,
		.commit_key = REPLY_MESSAGE_QUEUED,
		.now_ms = DRIVER_TIME_MS,
	};
	buf_init(&d->transcript, TRANSCRIPT_BYTES_MAX);
	buf_init(&d->replies, TRANSCRIPT_BYTES_MAX);
	buf_init(&d->content, TRANSCRIPT_BYTES_MAX);
	buf_init(&d->spilled, TRANSCRIPT_BYTES_MAX);
	buf_init(&d->envelope, TRANSCRIPT_BYTES_MAX);
}

void session_driver_open(struct session_driver *d, bool trusted)
{
	struct smtp_server_peer peer = { .trusted = trusted, .now_ms = d->now_ms, .ask_stages = d->ask_stages };
	bool parsed = netaddr_parse(SPAN("192.0.2.7"), &peer.addr);
	assert(parsed);
	d->ids = (struct id_source){ { 1, 2 } };
	d->options.ids = &d->ids;
	d->server = smtp_server_new(&d->options, &peer);
	assert(d->server != NULL);
	session_driver_pump(d);
}

void session_driver_fini(struct session_driver *d)
{
	smtp_server_free(d->server);
	buf_fini(&d->transcript);
	buf_fini(&d->replies);
	buf_fini(&d->content);
	buf_fini(&d->spilled);
	buf_fini(&d->envelope);
}

static enum reply_key rcpt_key(struct span mailbox)
{
	if (span_starts_nocase(mailbox, SPAN("no")))
		return REPLY_MAILBOX_UNKNOWN;
	if (span_starts_nocase(mailbox, SPAN("gray")))
		return REPLY_GREYLISTED;
	return REPLY_RCPT_OK;
}

static void answer_expn(struct smtp_server_question q, struct smtp_server_answer *answer)
{
	static const struct span members[] = { SPAN("alice@example.org"), SPAN("bob@example.org") };
	answer->key = REPLY_NOT_A_LIST;
	if (span_eq_nocase(q.address, SPAN("team"))) {
		answer->key = REPLY_VERIFIED;
		answer->mailboxes = members;
		answer->mailbox_count = 2;
	}
}

/* "a@b RET=1 ENVID=x BINARY c@d NOTIFY=4 ORCPT=rfc822;c@d" */
static void envelope_record(struct buf *out, const struct smtp_transaction *t)
{
	buf_add(out, t->sender);
	if (t->ret != DSN_RET_UNSET)
		buf_addf(out, " RET=%d", (int)t->ret);
	if (t->envid.len > 0)
		buf_addf(out, " ENVID=%.*s", SPAN_FMT(t->envid));
	if (t->body_binary)
		buf_add_str(out, " BINARY");
	if (t->hold)
		buf_add_str(out, " HOLD");
	if (t->discard)
		buf_add_str(out, " DISCARD");
	for (size_t i = 0; i < t->recipient_count; i++) {
		buf_addf(out, " %.*s", SPAN_FMT(t->recipients[i]));
		if (t->notify[i] != 0)
			buf_addf(out, " NOTIFY=%u", t->notify[i]);
		if (t->orcpts[i].len > 0)
			buf_addf(out, " ORCPT=%.*s", SPAN_FMT(t->orcpts[i]));
	}
}

static void commit_record(struct session_driver *d, const struct smtp_transaction *t)
{
	if (t->spilled) {
		buf_clear(&d->content);
		buf_add(&d->content, buf_span(&d->spilled));
	} else {
		buf_clear(&d->content);
		buf_add(&d->content, t->trace);
		buf_add(&d->content, t->content);
		assert(span_eq(buf_span(&d->content), t->stored));
	}
	buf_clear(&d->spilled);
	assert(t->stored_bytes == d->content.len);
	assert(t->stored_crc32c == crc32c(0, buf_span(&d->content)));
	d->commits++;
	d->crc = t->stored_crc32c;
	d->body_8bit = t->body_8bit;
	buf_clear(&d->envelope);
	envelope_record(&d->envelope, t);
	buf_add_str(&d->transcript, "= ");
	buf_add(&d->transcript, buf_span(&d->envelope));
	buf_add_byte(&d->transcript, '\n');
	buf_add(&d->transcript, buf_span(&d->content));
}

static enum reply_key result_key(struct span mailbox)
{
	if (span_starts_nocase(mailbox, SPAN("full")))
		return REPLY_MAILBOX_FULL;
	if (span_starts_nocase(mailbox, SPAN("busy")))
		return REPLY_MAILBOX_LOCKED;
	return span_starts_nocase(mailbox, SPAN("queue")) ? REPLY_MESSAGE_QUEUED : REPLY_LMTP_DELIVERED;
}

/* LMTP: what became of each recipient, in memory of its own so that a reader past its end is found. */
static void commit_each(struct session_driver *d, const struct smtp_transaction *t, struct smtp_server_answer *a)
{
	if (!d->options.lmtp || reply_entry(d->commit_key)->code >= 300)
		return;
	enum reply_key *keys = malloc(t->recipient_count * sizeof(*keys));
	assert(keys != NULL);
	for (size_t i = 0; i < t->recipient_count; i++)
		keys[i] = result_key(t->recipients[i]);
	a->keys = keys;
	a->key_count = t->recipient_count;
}

/* "chmr" with a dash for each that is not in the set. */
static void stages_record(struct buf *out, unsigned stages)
{
	static const char letters[SMTP_STAGE_COUNT + 1] = "chmre";
	for (unsigned i = 0; i < SMTP_STAGE_COUNT; i++)
		buf_add_byte(out, (stages & SMTP_STAGE(i)) != 0 ? (uint8_t)letters[i] : '-');
	buf_add_byte(out, ' ');
}

static void answer(struct session_driver *d, struct smtp_server_question q)
{
	static const char *const names[] = { [SMTP_ASK_CONNECT] = "connect", [SMTP_ASK_HELO] = "helo",
		[SMTP_ASK_MAIL] = "mail", [SMTP_ASK_RCPT] = "rcpt", [SMTP_ASK_VRFY] = "vrfy", [SMTP_ASK_EXPN] = "expn",
		[SMTP_ASK_SPILL] = "spill", [SMTP_ASK_END] = "end", [SMTP_ASK_COMMIT] = "commit" };
	struct smtp_server_answer a = { .seconds = 300 };
	d->questions++;
	buf_addf(&d->transcript, "? %s ", names[q.kind]);
	if (q.stages != 0)
		stages_record(&d->transcript, q.stages);
	buf_addf(&d->transcript, "%.*s\n", SPAN_FMT(q.address));
	if (q.kind == SMTP_ASK_RCPT) {
		a = d->stages[SMTP_AT_RCPT];
		if (reply_entry(a.key)->code < 300 && !a.unasked)
			a.key = rcpt_key(q.address);
	} else if (q.stages != 0) {
		a = d->stages[q.at];
	} else if (q.kind == SMTP_ASK_VRFY) {
		a.key = rcpt_key(q.address) == REPLY_RCPT_OK ? REPLY_VERIFIED : REPLY_VERIFY_UNKNOWN;
	} else if (q.kind == SMTP_ASK_EXPN) {
		answer_expn(q, &a);
	} else if (q.kind == SMTP_ASK_SPILL) {
		a.key = d->spill_key;
	} else {
		commit_record(d, q.transaction);
		a.key = d->commit_key;
		commit_each(d, q.transaction, &a);
	}
	smtp_server_answer(d->server, &a, d->now_ms);
	free((void *)a.keys);
}

static void output_take(struct session_driver *d)
{
	struct span out = smtp_server_output(d->server);
	struct span rest = out;
	buf_add(&d->replies, out);
	while (rest.len > 0) {
		size_t lf = span_find(rest, '\n');
		assert(lf < rest.len);
		buf_add_str(&d->transcript, "> ");
		buf_add(&d->transcript, span_to(rest, lf + 1));
		rest = span_from(rest, lf + 1);
	}
	smtp_server_output_consume(d->server, out.len);
}

void session_driver_pump(struct session_driver *d)
{
	struct smtp_server_event e;
	for (;;) {
		enum smtp_server_event_kind kind = smtp_server_next(d->server, &e);
		assert(kind == e.kind);
		output_take(d);
		if (kind == SMTP_SERVER_CLOSE || (kind == SMTP_SERVER_IDLE && !smtp_server_saying(d->server))) {
			d->closed = kind == SMTP_SERVER_CLOSE;
			return;
		}
		if (kind == SMTP_SERVER_ASK) {
			answer(d, e.question);
		} else if (kind == SMTP_SERVER_CONTENT) {
			buf_add(&d->spilled, e.content);
		} else if (kind == SMTP_SERVER_DISCARD) {
			buf_clear(&d->spilled);
			d->discards++;
		} else if (kind == SMTP_SERVER_NOTE) {
			d->notes++;
			buf_addf(&d->transcript, "! %s %s %.*s\n", reply_entry(e.note.key)->name, e.note.verb,
				SPAN_FMT(e.note.address));
		}
	}
}

void session_driver_feed(struct session_driver *d, struct span bytes)
{
	while (bytes.len > 0 && !d->closed) {
		size_t taken = smtp_server_feed(d->server, bytes, d->now_ms);
		assert(taken > 0); /* all was pulled and sent */
		bytes = span_from(bytes, taken);
		session_driver_pump(d);
	}
}

void session_driver_feed_cut(struct session_driver *d, struct span bytes, size_t cut)
{
	session_driver_feed(d, span_to(bytes, cut));
	session_driver_feed(d, span_from(bytes, cut));
}

void session_driver_feed_steps(struct session_driver *d, struct span bytes, size_t step)
{
	while (bytes.len > 0) {
		session_driver_feed(d, span_to(bytes, step));
		bytes = span_from(bytes, step);
	}
}

void session_driver_codes(const struct session_driver *d, struct buf *out)
{
	struct span rest = buf_span(&d->replies);
	while (rest.len > 0) {
		size_t lf = span_find(rest, '\n');
		if (rest.len >= 4 && rest.ptr[3] == ' ') {
			if (out->len > 0)
				buf_add_byte(out, ' ');
			buf_add(out, span_to(rest, 3));
		}
		rest = span_from(rest, lf + 1);
	}
}
