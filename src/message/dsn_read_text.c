/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounces without a part for machines. qmail, Postfix and sendmail begin a line
 * with the address in angle brackets; Exim names the recipients in
 * X-Failed-Recipients and indents each before its reason. A reason ends at an
 * empty line. Of any other form, the first line with a reply code is the reason and
 * the first address the recipient. Read only where the message comes from a mail
 * system.
 */
#include "dsn_read_parts.h"

#define ADDRESS_BYTES_MAX 320

static bool contains_nocase(struct span in, struct span what)
{
	for (; in.len >= what.len; in = span_from(in, 1))
		if (span_starts_nocase(in, what))
			return true;
	return false;
}

static bool from_mail_system(struct span header, struct span *failed_out)
{
	struct span value;
	*failed_out = (struct span){ 0 };
	if (dsn_field_find(header, SPAN("x-failed-recipients:"), failed_out))
		return true;
	if (!dsn_field_find(header, SPAN("from:"), &value))
		return false;
	value = span_to(value, DSN_READ_VALUE_BYTES_MAX);
	return contains_nocase(value, SPAN("mailer-daemon")) || contains_nocase(value, SPAN("postmaster")) ||
		contains_nocase(value, SPAN("mail delivery"));
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

static bool original_begins(struct span line)
{
	return span_starts_nocase(line, SPAN("--- Below this line")) ||
		span_starts_nocase(line, SPAN("------ This is a copy"));
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

static void add_reason(struct dsn_reader_state *state, struct dsn_bounce_recipient *r, struct span *text)
{
	struct span line, address, behind;
	for (struct span rest = *text; dsn_line_take(&rest, &line); *text = rest) {
		if (dsn_line_empty(line) || bracketed(line, &address, &behind))
			break;
		dsn_value_add(state, &r->diagnostic, line);
	}
	dsn_value_end(state, &r->diagnostic);
	r->status = dsn_status_find(r->diagnostic);
}

/* Forms that nobody described: one recipient at most. */
static void guess(struct dsn_reader_state *state, struct span text)
{
	struct span line, address = { 0 };
	while (dsn_line_take(&text, &line) && !original_begins(line)) {
		if (address.len == 0)
			address = first_address(line);
		if (!has_reply_code(line))
			continue;
		struct dsn_bounce_recipient *r = dsn_recipient_new(state);
		if (r == NULL)
			return;
		r->diagnostic = span_to(span_trim(line), DSN_READ_VALUE_BYTES_MAX);
		add_reason(state, r, &text);
		r->recipient = address.len > 0 ? address : first_address(r->diagnostic);
		return;
	}
}

static void read_listed(struct dsn_reader_state *state, struct span failed, struct span text)
{
	struct span line, address, behind;
	while (!state->no_memory && dsn_line_take(&text, &line) && !original_begins(line)) {
		bool found = bracketed(line, &address, &behind);
		if (!found && in_list(failed, span_trim(line))) {
			address = span_trim(line);
			behind = (struct span){ 0 };
			found = true;
		}
		if (!found)
			continue;
		struct dsn_bounce_recipient *r = dsn_recipient_new(state);
		if (r == NULL)
			return;
		r->recipient = address;
		r->diagnostic = span_to(span_trim(behind), DSN_READ_VALUE_BYTES_MAX);
		add_reason(state, r, &text);
	}
}

void dsn_text_read(struct dsn_reader_state *state, struct span header, struct span text)
{
	struct span failed;
	if (!from_mail_system(header, &failed))
		return;
	read_listed(state, span_to(failed, DSN_READ_VALUE_BYTES_MAX), text);
	if (state->bounce->count == 0 && !state->no_memory)
		guess(state, text);
}
