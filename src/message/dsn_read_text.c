/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounces without a part for machines. qmail, Postfix and sendmail begin a line
 * with the address in angle brackets; Exim names the recipients in
 * X-Failed-Recipients and indents each before its reason. A reason ends at an
 * empty line or at the next recipient; of one who has none, the line of the
 * transcript with a reply code is it. Of any other form, the first line with a reply
 * code is the reason and the first address the recipient. Read only where the
 * message comes from a mail system.
 */
#include "dsn_read_parts.h"

#define ADDRESS_BYTES_MAX 320
#define TRANSCRIPT_RECIPIENTS_MAX 16 /* for whom a reason is looked for there */

static bool contains_nocase(struct span in, struct span what)
{
	for (; in.len >= what.len; in = span_from(in, 1))
		if (span_starts_nocase(in, what))
			return true;
	return false;
}

static bool from_mail_system(struct span header, struct span *failed_out)
{
	static const struct span senders[] = { SPAN("mailer-daemon"), SPAN("mailerdaemon"), SPAN("mailer daemon"),
		SPAN("mdaemon"), SPAN("postmaster"), SPAN("post-master"), SPAN("mail delivery"), SPAN("system administrator") };
	struct span value;
	*failed_out = (struct span){ 0 };
	if (dsn_field_find(header, SPAN("x-failed-recipients:"), failed_out))
		return true;
	if (dsn_field_find(header, SPAN("return-path:"), &value) && contains_nocase(value, SPAN("<>")))
		return true;
	if (!dsn_field_find(header, SPAN("from:"), &value))
		return false;
	value = span_to(value, DSN_READ_VALUE_BYTES_MAX);
	for (size_t i = 0; i < sizeof(senders) / sizeof(senders[0]); i++) {
		if (contains_nocase(value, senders[i]))
			return true;
	}
	return false;
}

/* An address without blanks; names of local mailboxes have no '@'. */
static bool plausible(struct span address)
{
	if (address.len == 0 || address.len > ADDRESS_BYTES_MAX)
		return false;
	for (size_t i = 0; i < address.len; i++)
		if (address.ptr[i] <= ' ' || address.ptr[i] == '<' || address.ptr[i] == '>')
			return false;
	return true;
}

/* "<address>", then a colon, dots or nothing; the rest of the line is where the reason begins. */
static bool bracketed(struct span line, struct span *address_out, struct span *rest_out)
{
	if (line.len < 3 || line.ptr[0] != '<')
		return false;
	size_t close = span_find(line, '>');
	struct span address = span_from(span_to(line, close), 1), rest = span_from(line, close + 1);
	while (rest.len > 0 && (rest.ptr[0] == ':' || rest.ptr[0] == '.' || rest.ptr[0] == ' '))
		rest = span_from(rest, 1);
	*address_out = address;
	*rest_out = rest;
	return close < line.len && plausible(address);
}

/* Where Exim's list has this line as one of its members. */
static bool in_list(struct span list, struct span address)
{
	while (list.len > 0) {
		size_t comma = span_find(list, ',');
		struct span item = span_to(list, comma);
		while (item.len > 0 && item.ptr[0] <= ' ')
			item = span_from(item, 1);
		while (item.len > 0 && item.ptr[item.len - 1] <= ' ')
			item.len--;
		if (item.len > 0 && span_eq_nocase(item, address))
			return true;
		list = span_from(list, comma + 1);
	}
	return false;
}

bool dsn_original_begins(struct span line)
{
	static const struct span beginnings[] = { SPAN("below this line"), SPAN("this is a copy"), SPAN("original message"),
		SPAN("unsent message"), SPAN("message header"), SPAN("below is a copy of the original") };
	while (line.len > 0 && (line.ptr[0] == '-' || line.ptr[0] == ' '))
		line = span_from(line, 1);
	for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
		if (span_starts_nocase(line, beginnings[i]))
			return true;
	}
	return false;
}

static bool digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* A word like 550 or 452- that begins a reply, or an enhanced code. */
static bool has_reply_code(struct span line)
{
	for (size_t i = 0; i + 3 < line.len; i++) {
		const uint8_t *at = line.ptr + i;
		bool begins = i == 0 || at[-1] == ' ' || at[-1] == '\'' || at[-1] == '"' || at[-1] == '(' || at[-1] == ':';
		bool code = (at[0] == '4' || at[0] == '5') && at[1] >= '0' && at[1] <= '5' && digit(at[2]);
		if (begins && code && (at[3] == ' ' || at[3] == '-'))
			return true;
	}
	return dsn_status_find(line).len > 0;
}

/* The first word with an '@' inside, without the marks around it; empty when there is none. */
static struct span first_address(struct span line)
{
	size_t at = span_find(line, '@'), start = at, end = at;
	while (start > 0 && line.ptr[start - 1] > ' ' && strchr("<>\"'(:,;[", line.ptr[start - 1]) == NULL)
		start--;
	while (end < line.len && line.ptr[end] > ' ' && strchr("<>\"'):,;]", line.ptr[end]) == NULL)
		end++;
	if (start == at || end <= at + 1)
		return (struct span){ 0 };
	struct span address = span_to(span_from(line, start), end - start);
	return plausible(address) ? address : (struct span){ 0 };
}

/* What a plain text is read with. */
struct prose {
	struct dsn_reader_state *state;
	struct span failed; /* Exim's list */
	struct span text;   /* what is not read yet */
};

/* The line names a recipient: in angle brackets, or because Exim's list has it. */
static bool recipient_begins(const struct prose *p, struct span line, struct span *address_out, struct span *rest_out)
{
	if (bracketed(line, address_out, rest_out))
		return true;
	*address_out = span_trim(line);
	*rest_out = (struct span){ 0 };
	return in_list(p->failed, *address_out);
}

static void add_reason(struct prose *p, struct dsn_bounce_recipient *r)
{
	struct span line, address, behind;
	for (struct span rest = p->text; dsn_line_take(&rest, &line); p->text = rest) {
		if (dsn_line_empty(line) || recipient_begins(p, line, &address, &behind))
			break;
		dsn_value_add(p->state, &r->diagnostic, line);
	}
	dsn_value_end(p->state, &r->diagnostic);
	r->status = dsn_status_find(r->diagnostic);
}

/* "<host.test #5.2.2>": a code that says its words in the line before. */
static bool code_alone(struct span line)
{
	line = span_trim(line);
	return line.len > 2 && line.ptr[0] == '<' && line.ptr[line.len - 1] == '>' && span_find(line, '#') < line.len;
}

/* Forms that nobody described: one recipient at most. */
static void guess(struct prose *p)
{
	struct span line, before = { 0 }, address = { 0 };
	for (; dsn_line_take(&p->text, &line) && !dsn_original_begins(line); before = line) {
		if (address.len == 0 || contains_nocase(line, SPAN("rcpt to")))
			address = first_address(line);
		if (!has_reply_code(line))
			continue;
		struct dsn_bounce_recipient *r = dsn_recipient_new(p->state);
		if (r == NULL)
			return;
		r->diagnostic = span_to(span_trim(code_alone(line) ? before : line), DSN_READ_VALUE_BYTES_MAX);
		if (code_alone(line))
			dsn_value_add(p->state, &r->diagnostic, line);
		add_reason(p, r);
		r->recipient = address.len > 0 ? address : first_address(r->diagnostic);
		return;
	}
}

static void read_listed(struct prose *p)
{
	struct span line, address, behind;
	while (!p->state->no_memory && dsn_line_take(&p->text, &line) && !dsn_original_begins(line)) {
		if (!recipient_begins(p, line, &address, &behind))
			continue;
		struct dsn_bounce_recipient *r = dsn_recipient_new(p->state);
		if (r == NULL)
			return;
		r->recipient = address;
		r->diagnostic = span_to(span_trim(behind), DSN_READ_VALUE_BYTES_MAX);
		add_reason(p, r);
	}
}

/* The transcript's line with a reply code and the recipient, else its first line with a reply code; may be empty. */
static struct span transcript_reason(struct span text, struct span recipient)
{
	struct span line, found = { 0 };
	while (dsn_line_take(&text, &line) && !dsn_original_begins(line)) {
		if (!has_reply_code(line))
			continue;
		if (contains_nocase(line, recipient))
			return line;
		found = found.len > 0 ? found : line;
	}
	return found;
}

static void reasons_from_transcript(struct dsn_reader_state *state, struct span text)
{
	size_t count = state->bounce->count < TRANSCRIPT_RECIPIENTS_MAX ? state->bounce->count : TRANSCRIPT_RECIPIENTS_MAX;
	for (size_t i = 0; i < count; i++) {
		struct dsn_bounce_recipient *r = &state->bounce->recipients[i];
		if (r->diagnostic.len > 0)
			continue;
		r->diagnostic = span_to(span_trim(transcript_reason(text, r->recipient)), DSN_READ_VALUE_BYTES_MAX);
		r->status = dsn_status_find(r->diagnostic);
	}
}

void dsn_text_read(struct dsn_reader_state *state, struct span header, struct span text)
{
	struct prose p = { .state = state, .text = text };
	if (!from_mail_system(header, &p.failed))
		return;
	p.failed = span_to(p.failed, DSN_READ_VALUE_BYTES_MAX);
	read_listed(&p);
	if (state->bounce->count > 0) {
		reasons_from_transcript(state, text);
	} else if (!state->no_memory) {
		p.text = text;
		guess(&p);
	}
}
