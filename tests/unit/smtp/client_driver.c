/* SPDX-License-Identifier: Apache-2.0 */
/* The dialogue is played line by line; the client's output is taken when the script speaks of it. */
#include "client_driver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

struct play {
	const struct dialogue *d;
	const struct dialogue_cut *cut;
	struct smtp_client_options options;
	struct smtp_client_recipient recipients[DIALOGUE_RECIPIENTS_MAX];
	struct smtp_client_message message;
	struct content_facts facts;
	struct span content;
	struct smtp_client *client;
	struct buf transcript, error;
	size_t said;      /* bytes of the server so far */
	uint64_t now_ms;
	bool closed, starttls, unread, begun;
};

static const char *const outcomes[] = { "delivered", "deferred", "failed", "in-doubt" };

static void result_write(struct play *p, const struct smtp_client_result *r)
{
	buf_addf(&p->transcript, "%s %s", smtp_client_stage_name(r->stage), smtp_client_cause_name(r->cause));
	if (r->reply.code > 0)
		buf_addf(&p->transcript, " %u", r->reply.code);
	if (r->reply.enhanced[0] > 0)
		buf_addf(&p->transcript, " %u.%u.%u", r->reply.enhanced[0], r->reply.enhanced[1], r->reply.enhanced[2]);
	if (r->reply.text.len > 0)
		buf_addf(&p->transcript, " (%.*s)", SPAN_FMT(r->reply.text));
	buf_addf(&p->transcript, "%s\n", r->dsn_passed ? " dsn" : "");
}

static void content_give(struct play *p, uint64_t offset)
{
	struct span rest = span_from(p->content, offset);
	struct span piece = span_to(rest, p->cut->content_step);
	smtp_client_content(p->client, piece, piece.len == rest.len, p->now_ms);
}

static void pump(struct play *p)
{
	struct smtp_client_event e;
	for (;;) {
		switch (smtp_client_next(p->client, &e)) {
		case SMTP_CLIENT_RESULT:
			buf_addf(&p->transcript, "%zu %s ", e.result.recipient, outcomes[e.result.outcome]);
			result_write(p, &e.result);
			break;
		case SMTP_CLIENT_MESSAGE_DONE:
			buf_add_str(&p->transcript, e.reusable ? "done, reusable\n" : "done\n");
			break;
		case SMTP_CLIENT_WANT_CONTENT:
			if (p->unread)
				return;
			content_give(p, e.offset);
			break;
		case SMTP_CLIENT_STARTTLS:
			p->starttls = true;
			return;
		case SMTP_CLIENT_CLOSED:
			if (!p->closed) {
				buf_add_str(&p->transcript, "closed ");
				result_write(p, &e.result);
			}
			p->closed = true;
			return;
		case SMTP_CLIENT_NEED_INPUT:
			return;
		}
	}
}

static void feed(struct play *p, struct span bytes)
{
	while (bytes.len > 0) {
		struct span piece = span_to(bytes, p->cut->step);
		if (p->cut->cut > p->said && p->cut->cut - p->said < piece.len)
			piece.len = p->cut->cut - p->said;
		size_t taken = smtp_client_feed(p->client, piece, p->now_ms);
		pump(p);
		p->said += taken;
		bytes = span_from(bytes, taken);
		if (taken == 0 && piece.len > 0 && p->error.len == 0) {
			buf_add_str(&p->error, "the client takes nothing\n");
			return;
		}
	}
}

/* The client must have sent this line. */
static void expect(struct play *p, struct span line)
{
	pump(p);
	struct span out = smtp_client_output(p->client);
	size_t lf = span_find(out, '\n');
	bool whole = lf < out.len && lf > 0 && out.ptr[lf - 1] == '\r';
	if (!whole || !span_eq(span_to(out, lf - 1), line)) {
		if (p->error.len == 0)
			buf_addf(&p->error, "expected \"%.*s\", sent \"%.*s\"\n", SPAN_FMT(line), SPAN_FMT(out));
		return;
	}
	smtp_client_output_consume(p->client, lf + 1, p->now_ms);
	pump(p);
}

static void silence(struct play *p)
{
	struct span out = smtp_client_output(p->client);
	if (out.len > 0 && p->error.len == 0)
		buf_addf(&p->error, "sent without being asked: \"%.*s\"\n", SPAN_FMT(out));
}

static void timeout(struct play *p)
{
	uint64_t deadline = smtp_client_deadline_ms(p->client);
	if (deadline == UINT64_MAX && p->error.len == 0) {
		buf_add_str(&p->error, "no deadline\n");
		return;
	}
	smtp_client_expire(p->client, deadline - 1);
	buf_addf(&p->transcript, "after %u s\n", (unsigned)((deadline - p->now_ms) / 1000));
	p->now_ms = deadline;
	smtp_client_expire(p->client, deadline);
}

/* The server says something although the client's output has not reached it. */
static void early(struct play *p, struct span line)
{
	struct buf bytes;
	buf_init(&bytes, 1000);
	buf_add(&bytes, line);
	buf_add(&bytes, SPAN("\r\n"));
	feed(p, buf_span(&bytes));
	buf_fini(&bytes);
}

static void happen(struct play *p, struct span what)
{
	static const struct span early_word = SPAN("early ");
	if (span_starts_nocase(what, early_word)) {
		early(p, span_from(what, early_word.len));
		return;
	}
	if (span_eq(what, SPAN("lost")))
		smtp_client_lost(p->client);
	else if (span_eq(what, SPAN("timeout")))
		timeout(p);
	else if (span_eq(what, SPAN("quit")))
		smtp_client_quit(p->client, p->now_ms);
	else if (span_eq(what, SPAN("content-failed")))
		smtp_client_content_failed(p->client);
	else if (span_eq(what, SPAN("begin")))
		smtp_client_begin(p->client, &p->message, p->now_ms);
	else if (span_eq(what, SPAN("unread")))
		p->unread = true; /* content is asked for and not given */
	else if (span_eq(what, SPAN("tls")) && p->starttls)
		smtp_client_tls_started(p->client, p->now_ms);
	else
		buf_addf(&p->error, "cannot do \"%.*s\"\n", SPAN_FMT(what));
	pump(p);
}

static struct span line_take(struct span *script)
{
	size_t lf = span_find(*script, '\n');
	struct span line = span_to(*script, lf);
	*script = span_from(*script, lf + 1);
	return line;
}

/* Consecutive lines of the server are one piece of bytes. */
static void server_says(struct play *p, struct span *script)
{
	struct buf bytes;
	buf_init(&bytes, 1 << 20);
	silence(p);
	while (script->len > 2 && script->ptr[0] == 'S') {
		buf_add(&bytes, span_from(line_take(script), 3));
		buf_add(&bytes, SPAN("\r\n"));
	}
	feed(p, buf_span(&bytes));
	buf_fini(&bytes);
}

static void message_fill(struct play *p)
{
	const struct dialogue *d = p->d;
	struct span list = span_str(d->recipients != NULL ? d->recipients : "b@y.test");
	p->content = span_str(d->content != NULL ? d->content : "Subject: t\r\n\r\nhi\r\n");
	if (d->content_len > 0)
		p->content.len = d->content_len;
	p->message = (struct smtp_client_message){
		.sender = span_str(d->sender != NULL ? d->sender : "a@x.test"), .recipients = p->recipients,
		.smtputf8 = d->smtputf8, .binary = d->binary, .ret = d->ret, .envid = span_str(d->envid),
	};
	while (list.len > 0) {
		size_t len = span_find(list, ' ');
		p->recipients[p->message.recipient_count++] = (struct smtp_client_recipient){
			.mailbox = span_to(list, len), .orcpt = span_str(d->orcpt), .notify = d->notify };
		list = span_from(list, len + 1);
	}
	if (d->facts) {
		struct content_scan scan;
		content_scan_init(&scan);
		content_scan_feed(&scan, p->content);
		content_scan_finish(&scan);
		p->facts = scan.facts;
		if (d->facts_bytes > 0)
			p->facts.bytes = d->facts_bytes;
		p->message.facts = &p->facts;
	}
}

static void options_fill(struct play *p)
{
	const struct smtp_client_options defaults = SMTP_CLIENT_OPTIONS_DEFAULT;
	p->options = p->d->options;
	p->options.timeouts = defaults.timeouts;
	p->options.helo = SPAN("me.test");
	if (p->options.recipients_max == 0)
		p->options.recipients_max = defaults.recipients_max;
}

static void play_script(struct play *p)
{
	struct span script = span_str(p->d->script);
	while (script.len > 0) {
		if (script.ptr[0] == 'S') {
			server_says(p, &script);
			continue;
		}
		struct span line = line_take(&script);
		if (line.ptr[0] == 'C')
			expect(p, span_from(line, 3));
		else
			happen(p, span_from(line, 2));
	}
	silence(p);
}

bool dialogue_run(const struct dialogue *d, const struct dialogue_cut *cut, const char **error_out)
{
	static char report[8192];
	struct play p = { .d = d, .cut = cut, .now_ms = 1000 };
	buf_init(&p.transcript, 1 << 16);
	buf_init(&p.error, 1 << 16);
	options_fill(&p);
	message_fill(&p);
	p.client = smtp_client_new(&p.options, p.now_ms);
	if (!d->no_message)
		smtp_client_begin(p.client, &p.message, p.now_ms);
	if (d->script[0] == 'S')
		smtp_client_connected(p.client, p.now_ms);
	play_script(&p);
	bool same = span_eq(buf_span(&p.transcript), span_str(d->results));
	bool good = same && p.error.len == 0;
	snprintf(report, sizeof(report), "%s, cut %zu, step %zu, content step %zu\n%.*s--- got\n%.*s--- wanted\n%s",
		d->name, cut->cut, cut->step, cut->content_step, SPAN_FMT(buf_span(&p.error)),
		SPAN_FMT(buf_span(&p.transcript)), d->results);
	*error_out = report;
	smtp_client_free(p.client);
	buf_fini(&p.transcript);
	buf_fini(&p.error);
	return good;
}

static size_t server_bytes(const struct dialogue *d)
{
	size_t bytes = 0;
	struct span script = span_str(d->script);
	while (script.len > 0) {
		struct span line = line_take(&script);
		bytes += line.ptr[0] == 'S' ? line.len - 3 + 2 : 0;
	}
	return bytes;
}

void dialogue_check(const struct dialogue *d)
{
	const char *error;
	static const struct dialogue_cut cuts[] = {
		{ SIZE_MAX, SIZE_MAX, SIZE_MAX }, { SIZE_MAX, 1, 1 }, { SIZE_MAX, 2, 3 }, { SIZE_MAX, 7, 5 },
	};
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++)
		if (!dialogue_run(d, &cuts[i], &error))
			fail_msg("%s", error);
	for (size_t at = 1; at < server_bytes(d); at++) {
		struct dialogue_cut cut = { at, SIZE_MAX, 1 + at % 9 };
		if (!dialogue_run(d, &cut, &error))
			fail_msg("%s", error);
	}
}
