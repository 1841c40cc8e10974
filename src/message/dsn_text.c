/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part for people: what happened and what to do in two sentences, the other
 * server's words, what will be done next. Recipients with the same story are told
 * together. Lines are filled to DSN_LINE_COLUMNS; a remote's words are indented,
 * so that nothing of theirs begins a line.
 */
#include "dsn_parts.h"
#include "timetext.h"
#include "utf8.h"

#define TEXT_WORD_BYTES_MAX 200 /* a longer word is broken; its bytes may each take four */
#define PARAGRAPH_BYTES_MAX 8192
#define WORDS_LINES_MAX 20
#define WORDS_INDENT 2
#define REFERENCE_BYTES_MAX 64

struct group {
	const struct dsn_report *report;
	const struct dsn_recipient *first;
	size_t members[DSN_RECIPIENTS_MAX]; /* indexes of those with the same story as the first */
	size_t count;
};

size_t dsn_recipient_count(const struct dsn_report *report)
{
	return report->recipient_count < DSN_RECIPIENTS_MAX ? report->recipient_count : DSN_RECIPIENTS_MAX;
}

static void add_indent(struct buf *out, size_t indent)
{
	for (size_t i = 0; i < indent; i++)
		buf_add_byte(out, ' ');
}

/* The next word of `rest`, at most TEXT_WORD_BYTES_MAX bytes; its columns are its characters. */
static struct span take_word(struct span *rest, size_t *columns_out)
{
	size_t len = 0, columns = 0;
	while (rest->len > 0 && (rest->ptr[0] <= ' '))
		*rest = span_from(*rest, 1);
	while (len < rest->len && rest->ptr[len] > ' ') {
		size_t step = utf8_char_len(span_from(*rest, len));
		step = step > 0 ? step : 1;
		if (len + step > TEXT_WORD_BYTES_MAX)
			break;
		len += step;
		columns++;
	}
	struct span word = span_to(*rest, len);
	*rest = span_from(*rest, len);
	*columns_out = columns;
	return word;
}

/* The text as lines; those after the first are indented two more where there is an indent. */
static void add_filled(struct buf *out, struct span text, size_t indent)
{
	size_t columns, column = 0;
	for (struct span word = take_word(&text, &columns); word.len > 0; word = take_word(&text, &columns)) {
		if (column > 0 && column + 1 + columns > DSN_LINE_COLUMNS) {
			buf_add(out, SPAN("\r\n"));
			add_indent(out, indent > 0 ? indent + 2 : 0);
			column = indent > 0 ? indent + 2 : 0;
		} else if (column > 0) {
			buf_add_byte(out, ' ');
			column++;
		} else {
			add_indent(out, indent);
			column = indent;
		}
		dsn_value_write(out, word, true);
		column += columns;
	}
	if (column > 0)
		buf_add(out, SPAN("\r\n"));
}

/* "23 Nov 2026, 14:07 UTC" */
static void add_time(struct buf *out, uint64_t ms)
{
	struct buf mail;
	buf_init(&mail, 64);
	timetext_mail(&mail, ms);
	struct span date = span_from(buf_span(&mail), 5);
	size_t clock = span_find(date, ':');
	if (!mail.failed && clock >= 3) {
		struct span day = span_to(date, clock - 3);
		buf_add(out, day.ptr[0] == '0' ? span_from(day, 1) : day);
		buf_add(out, SPAN(", "));
		buf_add(out, span_to(span_from(date, clock - 2), 5));
		buf_add(out, SPAN(" UTC"));
	}
	buf_fini(&mail);
}

/* Names the message so that its sender knows which one it is. */
static void add_message_name(struct buf *out, const struct dsn_report *report)
{
	bool report_itself = report->for_postmaster && report->sender.len == 0;
	if (report_itself)
		buf_add(out, SPAN("A report "));
	else
		buf_add(out, report->for_postmaster ? SPAN("The message ") : SPAN("Your message "));
	size_t quote = out->len;
	buf_add_byte(out, '"');
	dsn_original_subject(out, report->original);
	if (out->len == quote + 1) {
		out->len = quote;
		buf_add(out, SPAN("of "));
		add_time(out, report->arrival_ms);
	} else {
		buf_add_byte(out, '"');
	}
	if (report_itself) {
		buf_add(out, SPAN(", which has no sender who could be told,"));
	} else if (report->for_postmaster) {
		buf_add(out, SPAN(" from "));
		buf_add(out, dsn_value_clip(report->sender));
	}
}

static const char *happened(enum dsn_action action)
{
	switch (action) {
	case DSN_FAILED:
		return " could not be delivered to ";
	case DSN_DELAYED:
		return " has not yet been delivered to ";
	case DSN_RELAYED:
		return " was passed on to the next mail server for ";
	case DSN_EXPANDED:
		return " was sent on to the members of ";
	case DSN_DELIVERED:
		return " was delivered to ";
	}
	return " ";
}

static void add_because(struct buf *out, struct span because)
{
	because = span_trim(span_to(because, DSN_TEXT_BYTES_MAX));
	while (because.len > 0 && because.ptr[because.len - 1] == '.')
		because.len--;
	if (because.len == 0)
		return;
	buf_add(out, SPAN(", because "));
	buf_add(out, because);
}

static void add_opening(struct buf *out, const struct group *g)
{
	struct buf text;
	buf_init(&text, PARAGRAPH_BYTES_MAX);
	add_message_name(&text, g->report);
	buf_add_str(&text, happened(g->first->action));
	if (g->count == 1)
		buf_add(&text, dsn_value_clip(g->first->mailbox));
	else
		buf_addf(&text, "these %zu recipients", g->count);
	add_because(&text, g->first->because);
	buf_add_byte(&text, g->count == 1 ? '.' : ':');
	add_filled(out, buf_span(&text), 0);
	buf_fini(&text);
	for (size_t i = 0; i < g->count && g->count > 1; i++)
		add_filled(out, dsn_value_clip(g->report->recipients[g->members[i]].mailbox), WORDS_INDENT);
}

static bool same_words(const struct dsn_recipient *a, const struct dsn_recipient *b)
{
	return span_eq(a->words, b->words) && span_eq_nocase(a->remote_host, b->remote_host);
}

static bool all_same_words(const struct group *g)
{
	for (size_t i = 1; i < g->count; i++)
		if (!same_words(g->first, &g->report->recipients[g->members[i]]))
			return false;
	return true;
}

static void add_words_heading(struct buf *out, const struct dsn_recipient *r, bool name_it)
{
	struct buf text;
	buf_init(&text, PARAGRAPH_BYTES_MAX);
	bool remote = r->remote_host.len > 0;
	buf_add(&text, dsn_words_theirs(r) ? SPAN("The other server's words") : SPAN("What this server noted"));
	if (name_it) {
		buf_add(&text, SPAN(" about "));
		buf_add(&text, dsn_value_clip(r->mailbox));
	}
	if (remote || r->attempt_ms > 0)
		buf_add(&text, SPAN(" ("));
	buf_add(&text, dsn_value_clip(r->remote_host));
	if (remote && r->attempt_ms > 0)
		buf_add(&text, SPAN(", "));
	if (r->attempt_ms > 0)
		add_time(&text, r->attempt_ms);
	buf_add(&text, remote || r->attempt_ms > 0 ? SPAN("):") : SPAN(":"));
	add_filled(out, buf_span(&text), 0);
	buf_fini(&text);
}

static void add_words(struct buf *out, const struct dsn_recipient *r, bool name_it)
{
	struct span words = span_trim(span_to(r->words, DSN_WORDS_BYTES_MAX));
	if (words.len == 0)
		return;
	buf_add(out, SPAN("\r\n"));
	add_words_heading(out, r, name_it);
	size_t lines = 0;
	for (; words.len > 0 && lines < WORDS_LINES_MAX; lines++) {
		size_t lf = span_find(words, '\n');
		add_filled(out, span_to(words, lf), WORDS_INDENT);
		words = span_from(words, lf + 1);
	}
	if (words.len > 0 || r->words.len > DSN_WORDS_BYTES_MAX)
		buf_add(out, SPAN("  (the rest of a long reply is left out)\r\n"));
}

static void add_next(struct buf *text, const struct group *g)
{
	switch (g->first->action) {
	case DSN_FAILED:
		buf_addf(text, "Nothing more will be tried for %s.", g->count == 1 ? "this recipient" : "these recipients");
		break;
	case DSN_DELAYED:
		buf_add(text, SPAN("Delivery is still being tried"));
		if (g->first->retry_until_ms > 0) {
			buf_add(text, SPAN(", until "));
			add_time(text, g->first->retry_until_ms);
		}
		buf_add(text, SPAN("; there is no need to send it again."));
		break;
	case DSN_RELAYED:
		buf_add(text, SPAN("That server does not confirm deliveries; you hear more only if it cannot deliver."));
		break;
	case DSN_EXPANDED:
		buf_add(text, SPAN("Their deliveries are not confirmed one by one."));
		break;
	case DSN_DELIVERED:
		buf_add(text, SPAN("There is nothing more to do."));
		break;
	}
}

static void add_closing(struct buf *out, const struct group *g)
{
	struct buf text;
	buf_init(&text, PARAGRAPH_BYTES_MAX);
	add_next(&text, g);
	buf_add(out, SPAN("\r\n"));
	add_filled(out, buf_span(&text), 0);
	if (g->report->original_id.len > 0) {
		buf_clear(&text);
		buf_add(&text, SPAN("Reference: "));
		buf_add(&text, span_to(g->report->original_id, REFERENCE_BYTES_MAX));
		add_filled(out, buf_span(&text), 0);
	}
	buf_fini(&text);
}

static void add_group(struct buf *out, const struct group *g)
{
	add_opening(out, g);
	add_filled(out, span_to(g->first->advice, DSN_TEXT_BYTES_MAX), 0);
	bool once = all_same_words(g);
	for (size_t i = 0; i < (once ? 1 : g->count); i++)
		add_words(out, &g->report->recipients[g->members[i]], !once);
	add_closing(out, g);
}

static bool same_story(const struct dsn_recipient *a, const struct dsn_recipient *b)
{
	return a->action == b->action && span_eq(a->because, b->because) && span_eq(a->advice, b->advice) &&
		a->retry_until_ms == b->retry_until_ms;
}

void dsn_text_write(struct buf *out, const struct dsn_report *report)
{
	bool told[DSN_RECIPIENTS_MAX] = { false };
	size_t count = dsn_recipient_count(report);
	struct group g = { .report = report };
	for (size_t i = 0; i < count; i++) {
		if (told[i])
			continue;
		g.first = &report->recipients[i];
		g.count = 0;
		for (size_t j = i; j < count; j++) {
			if (told[j] || !same_story(g.first, &report->recipients[j]))
				continue;
			told[j] = true;
			g.members[g.count++] = j;
		}
		if (i > 0)
			buf_add(out, SPAN("\r\n\r\n"));
		add_group(out, &g);
	}
	if (report->recipient_count > count)
		buf_addf(out, "\r\n%zu more recipients are not listed here.\r\n", report->recipient_count - count);
}
