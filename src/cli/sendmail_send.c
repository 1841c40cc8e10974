/* SPDX-License-Identifier: Apache-2.0 */
/* sendmail's ordinary use: a message on standard input, recipients as words or in the header. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "address.h"
#include "header.h"
#include "header_field.h"
#include "sendmail.h"
#include "submission.h"

#define READ_BYTES 65536
#define ADDRESS_TEXT_BYTES_MAX 1024

/* A list of addresses that grows in one buffer; spans are made at the end. */
struct recipients {
	struct buf text;
	size_t ends[DROP_RECIPIENTS_MAX];
	uint32_t count;
	struct span spans[DROP_RECIPIENTS_MAX];
	uint8_t notify[DROP_RECIPIENTS_MAX];
};

static int refuse(const struct sendmail_context *x, int code, const char *why, struct span what)
{
	struct buf text;
	buf_init(&text, 4096);
	buf_add_escaped(&text, span_to(what, 512));
	fprintf(stderr, "%s: %s%s%.*s\n", x->program, why, what.len > 0 ? ": " : "", SPAN_FMT(buf_span(&text)));
	buf_fini(&text);
	return code;
}

static int recipient_add(const struct sendmail_context *x, struct recipients *r, struct span mailbox)
{
	if (r->count == DROP_RECIPIENTS_MAX)
		return refuse(x, EX_USAGE, "more recipients than one message may have", mailbox);
	if (!submission_qualify(&r->text, mailbox, x->domain))
		return refuse(x, EX_NOUSER, "this is no mail address", mailbox);
	struct span added = span_from(buf_span(&r->text), r->count > 0 ? r->ends[r->count - 1] : 0);
	for (uint32_t i = 0; i < r->count; i++) {
		size_t from = i > 0 ? r->ends[i - 1] : 0;
		/* Named twice, sent once. */
		if (span_eq(added, span_of(r->text.ptr + from, r->ends[i] - from))) {
			r->text.len -= added.len;
			return EX_OK;
		}
	}
	r->ends[r->count++] = r->text.len;
	return EX_OK;
}

static int list_add(const struct sendmail_context *x, struct recipients *r, struct span text)
{
	struct address_list list = { .rest = text };
	enum address_list_step step;
	struct buf mailbox;
	int code = EX_OK;
	buf_init(&mailbox, ADDRESS_TEXT_BYTES_MAX);
	while (code == EX_OK && (step = address_list_next(&list, &mailbox)) != ADDRESS_LIST_END)
		code = step == ADDRESS_LIST_MAILBOX ? recipient_add(x, r, buf_span(&mailbox))
			: refuse(x, EX_NOUSER, "these are no mail addresses", span_trim(text));
	buf_fini(&mailbox);
	return code;
}

static bool names_recipients(struct span name, bool resent)
{
	if (resent)
		return span_eq_nocase(name, SPAN("resent-to")) || span_eq_nocase(name, SPAN("resent-cc"))
			|| span_eq_nocase(name, SPAN("resent-bcc"));
	return span_eq_nocase(name, SPAN("to")) || span_eq_nocase(name, SPAN("cc")) || span_eq_nocase(name, SPAN("bcc"));
}

static bool is_resent(struct span content)
{
	struct header_field field;
	while (header_field_next(&content, &field))
		if (names_recipients(field.name, true))
			return true;
	return false;
}

static int header_add(const struct sendmail_context *x, struct recipients *r, struct span content)
{
	struct header_field field;
	bool resent = is_resent(content);
	int code = EX_OK;
	while (code == EX_OK && header_field_next(&content, &field))
		if (names_recipients(field.name, resent))
			code = list_add(x, r, field.body);
	return code;
}

static int recipients_collect(const struct sendmail_context *x, struct recipients *r, struct span content)
{
	int code = EX_OK;
	for (int i = 0; i < x->options->recipient_count && code == EX_OK; i++)
		code = list_add(x, r, span_str(x->options->recipients[i]));
	if (code == EX_OK && x->options->from_header)
		code = header_add(x, r, content);
	if (code == EX_OK && r->count == 0)
		code = refuse(x, EX_USAGE, x->options->from_header ? "the header names no recipient"
			: "no recipients; name them, or use -t to take those of the header", span_str(""));
	for (uint32_t i = 0; i < r->count; i++) {
		size_t from = i > 0 ? r->ends[i - 1] : 0;
		r->spans[i] = span_of(r->text.ptr + from, r->ends[i] - from);
		r->notify[i] = x->options->notify;
	}
	return code;
}

static int input_read(const struct sendmail_context *x, struct submission_lines *lines)
{
	uint8_t bytes[READ_BYTES];
	while (!x->options->no_input && !lines->ended && !lines->out->failed) {
		ssize_t got = read(STDIN_FILENO, bytes, sizeof(bytes));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return refuse(x, EX_IOERR, "standard input cannot be read", span_str(strerror(errno)));
		if (got == 0)
			break;
		submission_lines_feed(lines, span_of(bytes, (size_t)got));
	}
	submission_lines_finish(lines);
	return EX_OK;
}

/* What the server would refuse from anybody. */
static int content_check(const struct sendmail_context *x, const struct submission_lines *lines)
{
	const struct conf_limits *limits = &x->conf->limits;
	struct header_scan received;
	struct content_scan scan;
	struct span content = buf_span(lines->out);
	if (lines->out->failed)
		return refuse(x, EX_DATAERR, "the message is larger than this server takes (message-size), or memory is short",
			span_str(""));
	if (lines->nul)
		return refuse(x, EX_DATAERR, "the message holds a NUL, which mail cannot carry", span_str(""));
	content_scan_init(&scan);
	content_scan_feed(&scan, content);
	content_scan_finish(&scan);
	if (scan.facts.line_bytes_longest > DROP_LINE_BYTES_MAX)
		return refuse(x, EX_DATAERR, "the message has a line that is longer than mail can carry", span_str(""));
	header_scan_init(&received);
	header_scan_feed(&received, content);
	if (limits->received_max > 0 && received.received_count > limits->received_max)
		return refuse(x, EX_DATAERR, "the message went through too many servers: a mail loop", span_str(""));
	return EX_OK;
}

/* <> is the null sender; a name alone gets our domain. */
static int sender_find(struct sendmail_context *x, struct buf *sender)
{
	const char *given = x->options->sender;
	struct span text = span_trim(span_str(given));
	struct address_list list = { .rest = text };
	struct buf mailbox;
	if (given == NULL) {
		buf_add(sender, buf_span(&x->from));
		return EX_OK;
	}
	if (text.len == 0 || span_eq(text, SPAN("<>")))
		return EX_OK;
	buf_init(&mailbox, ADDRESS_TEXT_BYTES_MAX);
	bool ok = address_list_next(&list, &mailbox) == ADDRESS_LIST_MAILBOX
		&& submission_qualify(sender, buf_span(&mailbox), x->domain);
	ok = ok && address_list_next(&list, &mailbox) == ADDRESS_LIST_END;
	buf_fini(&mailbox);
	return ok ? EX_OK : refuse(x, EX_USAGE, "the sender is no mail address", text);
}

int sendmail_send(struct sendmail_context *x)
{
	static struct recipients r;
	uint64_t max = x->conf->limits.message_bytes_max;
	struct buf content, sender, envid;
	struct submission_lines lines = { .out = &content, .dot_ends = !x->options->dot_is_text };
	buf_init(&content, max > 0 && max < DROP_CONTENT_BYTES_MAX ? max : DROP_CONTENT_BYTES_MAX);
	buf_init(&sender, ADDRESS_TEXT_BYTES_MAX);
	buf_init(&envid, DSN_ENVID_BYTES_MAX);
	buf_init(&r.text, DROP_ENVELOPE_BYTES_MAX);
	if (x->options->envid != NULL)
		dsn_xtext_write(&envid, span_str(x->options->envid));
	int code = sender_find(x, &sender);
	if (code == EX_OK && x->options->recipient_count == 0 && !x->options->from_header)
		code = recipients_collect(x, &r, span_str(""));
	if (code == EX_OK)
		code = input_read(x, &lines);
	if (code == EX_OK)
		code = content_check(x, &lines);
	if (code == EX_OK)
		code = recipients_collect(x, &r, buf_span(&content));
	if (code == EX_OK) {
		struct drop_envelope envelope = { .id = id128_next(&x->chance, clock_unix_ms()),
			.sender = buf_span(&sender), .recipients = r.spans, .notify = r.notify, .recipient_count = r.count,
			.ret = x->options->ret, .envid = buf_span(&envid) };
		code = x->hand_over(x, &(struct sendmail_message){ envelope, buf_span(&content) });
	}
	buf_fini(&content);
	buf_fini(&sender);
	buf_fini(&envid);
	buf_fini(&r.text);
	return code;
}
