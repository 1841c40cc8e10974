/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The delivery-status part (RFC 3464 section 2; RFC 6533 section 4). Addresses
 * stand on one line, because a fold would change them; the remote's words are
 * folded at blanks.
 */
#include "dsn_parts.h"
#include "netaddr.h"
#include "timetext.h"
#include "utf8.h"

/* A byte takes up to four when it is escaped: the longest word and the longest value still fit a line. */
#define FIELD_WORD_BYTES_MAX 200
#define VALUE_ASCII_BYTES_MAX 500
#define VALUE_UTF8_BYTES_MAX 280
#define VALUE_OTHER_BYTES_MAX 200

struct span dsn_value_clip(struct span value)
{
	if (span_is_ascii(value))
		return span_to(value, VALUE_ASCII_BYTES_MAX);
	return span_to(value, utf8_valid(value) ? VALUE_UTF8_BYTES_MAX : VALUE_OTHER_BYTES_MAX);
}

static bool c1_control(struct span s)
{
	return s.ptr[0] == 0xc2 && s.ptr[1] < 0xa0;
}

void dsn_value_write(struct buf *out, struct span value, bool utf8)
{
	while (value.len > 0) {
		size_t len = utf8_char_len(value);
		uint8_t c = value.ptr[0];
		if (len == 0)
			buf_addf(out, "\\x%02X", c);
		else if (len == 1)
			buf_add_byte(out, c < 0x20 || c == 0x7f ? ' ' : c);
		else if (utf8 && !(len == 2 && c1_control(value)))
			buf_add(out, span_to(value, len));
		else
			buf_addf(out, "\\x{%02X}", (unsigned)utf8_code_point(span_to(value, len)));
		value = span_from(value, len > 0 ? len : 1);
	}
}

static void add_date(struct buf *out, const char *name, uint64_t ms)
{
	if (ms == 0)
		return;
	buf_add_str(out, name);
	timetext_mail(out, ms);
	buf_add(out, SPAN("\r\n"));
}

/* "Name: type; address" for an address in plain form. */
static void add_address(struct buf *out, struct span type, struct span address, bool utf8)
{
	address = dsn_value_clip(address);
	buf_add(out, type);
	buf_add(out, SPAN("; "));
	if (span_eq_nocase(type, SPAN("utf-8")) && !utf8)
		dsn_utf8_xtext_write(out, address);
	else
		dsn_value_write(out, address, utf8);
	buf_add(out, SPAN("\r\n"));
}

static void add_original_recipient(struct buf *out, struct span orcpt_value, bool utf8)
{
	struct dsn_orcpt orcpt;
	struct buf plain;
	if (dsn_orcpt_parse(orcpt_value, true, &orcpt) != DSN_PARAM_OK)
		return;
	buf_init(&plain, DSN_ORCPT_BYTES_MAX);
	if (orcpt.utf8 ? dsn_utf8_xtext_decode(&plain, orcpt.address) : dsn_xtext_decode(&plain, orcpt.address)) {
		buf_add(out, SPAN("Original-Recipient: "));
		add_address(out, orcpt.type, buf_span(&plain), utf8);
	}
	buf_fini(&plain);
}

static bool digits(struct span *rest, size_t max)
{
	size_t len = 0;
	while (len < rest->len && rest->ptr[len] >= '0' && rest->ptr[len] <= '9')
		len++;
	*rest = span_from(*rest, len);
	return len > 0 && len <= max;
}

/* "class.subject.detail" of RFC 3463, and the class fits the action. */
static bool status_fits(struct span status, enum dsn_action action)
{
	if (status.len == 0)
		return false;
	uint8_t class = status.ptr[0];
	/* A failure may carry a 4: the time for retries ran out. */
	uint8_t wanted = action == DSN_DELAYED ? '4' : '2';
	bool fits = action == DSN_FAILED ? class == '5' || class == '4' : class == wanted;
	for (int part = 0; part < 3 && fits; part++) {
		fits = digits(&status, part == 0 ? 1 : 3);
		if (part < 2) {
			fits = fits && status.len > 0 && status.ptr[0] == '.';
			status = span_from(status, 1);
		}
	}
	return fits && status.len == 0;
}

static void add_status(struct buf *out, const struct dsn_recipient *r)
{
	static const struct span names[] = {
		[DSN_FAILED] = SPAN("failed"), [DSN_DELAYED] = SPAN("delayed"), [DSN_RELAYED] = SPAN("relayed"),
		[DSN_EXPANDED] = SPAN("expanded"), [DSN_DELIVERED] = SPAN("delivered"),
	};
	buf_add(out, SPAN("Action: "));
	buf_add(out, names[r->action]);
	buf_add(out, SPAN("\r\nStatus: "));
	if (status_fits(r->status, r->action))
		buf_add(out, r->status);
	else if (r->action == DSN_FAILED)
		buf_add(out, SPAN("5.0.0"));
	else
		buf_add(out, r->action == DSN_DELAYED ? SPAN("4.0.0") : SPAN("2.0.0"));
	buf_add(out, SPAN("\r\n"));
}

static bool blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The next word of `rest`, cut at FIELD_WORD_BYTES_MAX but not inside a character. */
static struct span take_word(struct span *rest)
{
	size_t skip = 0, len = 0;
	while (skip < rest->len && blank(rest->ptr[skip]))
		skip++;
	*rest = span_from(*rest, skip);
	while (len < rest->len && !blank(rest->ptr[len])) {
		size_t step = utf8_char_len(span_from(*rest, len));
		if (len + step > FIELD_WORD_BYTES_MAX)
			break;
		len += step > 0 ? step : 1;
	}
	struct span word = span_to(*rest, len);
	*rest = span_from(*rest, len);
	return word;
}

/* The words folded at DSN_LINE_COLUMNS; `column` is where the line stands. */
static void add_folded(struct buf *out, struct span value, size_t column, bool utf8)
{
	for (struct span word = take_word(&value); word.len > 0; word = take_word(&value)) {
		size_t before = out->len;
		bool fold = column + 1 + word.len > DSN_LINE_COLUMNS;
		buf_add(out, fold ? SPAN("\r\n ") : SPAN(" "));
		dsn_value_write(out, word, utf8);
		column = (fold ? 1 : column) + (out->len - before);
	}
	buf_add(out, SPAN("\r\n"));
}

bool dsn_words_theirs(const struct dsn_recipient *r)
{
	uint64_t code;
	struct span words = span_trim(r->words);
	uint8_t after = words.len > 3 ? words.ptr[3] : ' ';
	return r->remote_host.len > 0 && words.len >= 3 && span_to_u64(span_to(words, 3), 999, &code)
		&& (after == ' ' || after == '-');
}

/* A name, or an address as a literal (RFC 3461 section 9.3). */
static void add_remote_mta(struct buf *out, struct span host, bool utf8)
{
	struct netaddr addr;
	bool literal = netaddr_parse(host, &addr);
	buf_add(out, SPAN("Remote-MTA: dns; "));
	if (literal)
		buf_add(out, addr.family == 6 ? SPAN("[IPv6:") : SPAN("["));
	dsn_value_write(out, dsn_value_clip(host), utf8);
	buf_add(out, literal ? SPAN("]\r\n") : SPAN("\r\n"));
}

static void add_remote(struct buf *out, const struct dsn_recipient *r, bool utf8)
{
	if (r->remote_host.len > 0)
		add_remote_mta(out, r->remote_host, utf8);
	struct span words = span_trim(span_to(r->words, DSN_WORDS_BYTES_MAX));
	if (words.len == 0)
		return;
	/* Only a server's reply is of the type smtp (RFC 3464 section 2.3.6). */
	struct span type = SPAN("Diagnostic-Code: x-waybill;");
	if (dsn_words_theirs(r))
		type = SPAN("Diagnostic-Code: smtp;");
	buf_add(out, type);
	add_folded(out, words, type.len, utf8);
}

static void add_recipient(struct buf *out, const struct dsn_recipient *r, bool utf8)
{
	buf_add(out, SPAN("\r\n"));
	add_original_recipient(out, r->orcpt, utf8);
	buf_add(out, SPAN("Final-Recipient: "));
	add_address(out, span_is_ascii(r->mailbox) ? SPAN("rfc822") : SPAN("utf-8"), r->mailbox, utf8);
	add_status(out, r);
	add_remote(out, r, utf8);
	add_date(out, "Last-Attempt-Date: ", r->attempt_ms);
	if (r->action == DSN_DELAYED)
		add_date(out, "Will-Retry-Until: ", r->retry_until_ms);
}

static void add_envelope_id(struct buf *out, struct span envid)
{
	struct buf plain;
	if (dsn_envid_check(envid) != DSN_PARAM_OK)
		return;
	buf_init(&plain, DSN_ENVID_BYTES_MAX);
	if (dsn_xtext_decode(&plain, envid)) {
		buf_add(out, SPAN("Original-Envelope-Id: "));
		dsn_value_write(out, buf_span(&plain), false);
		buf_add(out, SPAN("\r\n"));
	}
	buf_fini(&plain);
}

void dsn_fields_write(struct buf *out, const struct dsn_report *report, bool utf8)
{
	add_envelope_id(out, report->envid);
	buf_add(out, SPAN("Reporting-MTA: dns; "));
	dsn_value_write(out, dsn_value_clip(report->hostname), utf8);
	buf_add(out, SPAN("\r\n"));
	add_date(out, "Arrival-Date: ", report->arrival_ms);
	for (size_t i = 0; i < dsn_recipient_count(report); i++)
		add_recipient(out, &report->recipients[i], utf8);
}
