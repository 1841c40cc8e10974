/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts a notification together: header, the part for people, the part for
 * machines, the original. The parts are built first, then a boundary is chosen
 * that none of them holds.
 */
#include "dsn.h"

#include <assert.h>

#include "dsn_parts.h"
#include "timetext.h"
#include "utf8.h"

#define ID_BYTES_MAX 64
#define BOUNDARY_BYTES_MAX (ID_BYTES_MAX + 8)
#define BOUNDARY_TRIES 64
#define TEXT_BYTES_PER_RECIPIENT 24576
#define PART_BYTES_SPARE 16384

struct parts {
	struct buf text, fields, header; /* header: the original's, encoded */
	struct dsn_returned returned;
	bool utf8;          /* the message needs SMTPUTF8 */
	char boundary[BOUNDARY_BYTES_MAX];
	size_t boundary_len;
};

static bool orcpt_wide(struct span value)
{
	struct dsn_orcpt orcpt;
	return dsn_orcpt_parse(value, true, &orcpt) == DSN_PARAM_OK && orcpt.utf8;
}

/* SMTPUTF8 is asked for only where something needs it: a bounce should get home. */
static bool needs_utf8(const struct dsn_report *report)
{
	if (!report->smtputf8)
		return false;
	bool wide = !span_is_ascii(report->to) || !span_is_ascii(report->from) ||
		!span_is_ascii(dsn_original_header(report->original));
	for (size_t i = 0; i < dsn_recipient_count(report) && !wide; i++)
		wide = !span_is_ascii(report->recipients[i].mailbox) || orcpt_wide(report->recipients[i].orcpt);
	return wide;
}

static bool occurs(struct span in, struct span what)
{
	return what.len == 0 || (in.len >= what.len && memmem(in.ptr, in.len, what.ptr, what.len) != NULL);
}

static bool boundary_free(const struct parts *p)
{
	struct span b = span_of(p->boundary, p->boundary_len);
	return !occurs(buf_span(&p->text), b) && !occurs(buf_span(&p->fields), b) &&
		!occurs(buf_span(&p->header), b) && !occurs(p->returned.bytes, b);
}

static void add_id(struct buf *out, struct span id)
{
	id = span_to(id, ID_BYTES_MAX);
	for (size_t i = 0; i < id.len; i++) {
		uint8_t c = id.ptr[i];
		bool letter = byte_lower(c) >= 'a' && byte_lower(c) <= 'z';
		buf_add_byte(out, letter || (c >= '0' && c <= '9') ? c : '-');
	}
}

/* "=_" never occurs in quoted-printable (RFC 2045 section 6.7), nor in base64. */
static bool choose_boundary(struct parts *p, struct span id)
{
	struct buf text;
	bool found = false;
	for (unsigned i = 0; i < BOUNDARY_TRIES && !found; i++) {
		buf_init(&text, sizeof(p->boundary));
		buf_add(&text, SPAN("=_"));
		add_id(&text, id);
		buf_addf(&text, "_%u", i);
		p->boundary_len = text.failed ? 0 : text.len;
		if (!text.failed)
			memcpy(p->boundary, text.ptr, text.len);
		found = !text.failed && boundary_free(p);
		buf_fini(&text);
	}
	return found;
}

static void add_boundary(struct buf *out, const struct parts *p, bool last)
{
	buf_add(out, SPAN("\r\n--"));
	buf_add(out, span_of(p->boundary, p->boundary_len));
	buf_add(out, last ? SPAN("--\r\n") : SPAN("\r\n"));
}

/* The most serious of the actions names the notice. */
static enum dsn_action lead_action(const struct dsn_report *report)
{
	enum dsn_action lead = DSN_DELIVERED;
	for (size_t i = 0; i < report->recipient_count; i++)
		if (report->recipients[i].action < lead)
			lead = report->recipients[i].action;
	return lead;
}

static void add_subject(struct buf *out, const struct dsn_report *report, bool utf8)
{
	static const struct span names[] = {
		[DSN_FAILED] = SPAN("Not delivered: "), [DSN_DELAYED] = SPAN("Delayed: "),
		[DSN_RELAYED] = SPAN("Passed on: "), [DSN_EXPANDED] = SPAN("Passed on: "),
		[DSN_DELIVERED] = SPAN("Delivered: "),
	};
	enum dsn_action lead = lead_action(report);
	size_t count = 0;
	buf_add(out, SPAN("Subject: "));
	buf_add(out, names[lead]);
	for (size_t i = 0; i < report->recipient_count; i++) {
		if (report->recipients[i].action != lead)
			continue;
		if (count++ == 0)
			dsn_value_write(out, dsn_value_clip(report->recipients[i].mailbox), utf8);
	}
	if (count > 1)
		buf_addf(out, " and %zu more", count - 1);
	buf_add(out, SPAN("\r\n"));
}

/* Angle brackets outside of quotes would end the address early: no mailbox has them. */
static void add_mailbox(struct buf *out, struct span mailbox, bool utf8)
{
	bool quoted = false;
	mailbox = dsn_value_clip(mailbox);
	size_t start = out->len;
	dsn_value_write(out, mailbox, utf8);
	for (size_t i = start; i < out->len && !out->failed; i++) {
		uint8_t *c = &out->ptr[i];
		if (*c == '\\' && quoted)
			i++;
		else if (*c == '"')
			quoted = !quoted;
		else if (!quoted && (*c == '<' || *c == '>' || *c == ','))
			*c = '?';
	}
}

static void add_addresses(struct buf *out, const struct dsn_report *report, bool utf8)
{
	buf_add(out, SPAN("From: Mail delivery <"));
	add_mailbox(out, report->from, utf8);
	buf_add(out, SPAN(">\r\nTo: <"));
	add_mailbox(out, report->to, utf8);
	buf_add(out, SPAN(">\r\n"));
}

static bool body_8bit(const struct parts *p)
{
	return p->utf8 || (p->returned.whole && !p->returned.ascii);
}

static void add_header(struct buf *out, const struct dsn_report *report, const struct parts *p)
{
	add_addresses(out, report, p->utf8);
	add_subject(out, report, p->utf8);
	buf_add(out, SPAN("Date: "));
	timetext_mail(out, report->now_ms);
	buf_add(out, SPAN("\r\nMessage-ID: <"));
	add_id(out, report->id);
	buf_add_byte(out, '@');
	dsn_value_write(out, dsn_value_clip(report->hostname), p->utf8);
	buf_add(out, SPAN(">\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
		"Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\""));
	buf_add(out, span_of(p->boundary, p->boundary_len));
	buf_add(out, SPAN("\"\r\n"));
	if (body_8bit(p))
		buf_add(out, SPAN("Content-Transfer-Encoding: 8bit\r\n"));
}

static void add_text_part(struct buf *out, const struct parts *p)
{
	bool ascii = span_is_ascii(buf_span(&p->text));
	add_boundary(out, p, false);
	buf_add(out, SPAN("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "));
	buf_add(out, ascii ? SPAN("7bit\r\n\r\n") : SPAN("quoted-printable\r\n\r\n"));
	if (ascii)
		buf_add(out, buf_span(&p->text));
	else
		dsn_qp_write(out, buf_span(&p->text));
}

static void add_fields_part(struct buf *out, const struct parts *p)
{
	add_boundary(out, p, false);
	buf_add(out, SPAN("Content-Type: "));
	buf_add(out, p->utf8 ? SPAN("message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit")
		: SPAN("message/delivery-status"));
	buf_add(out, SPAN("\r\n\r\n"));
	buf_add(out, buf_span(&p->fields));
}

static struct span original_type(const struct parts *p)
{
	const struct dsn_returned *r = &p->returned;
	bool global = p->utf8 && !span_is_ascii(dsn_original_header(r->bytes));
	if (r->whole)
		return global ? SPAN("message/global") : SPAN("message/rfc822");
	if (global)
		return SPAN("message/global-headers");
	if (r->ascii)
		return SPAN("text/rfc822-headers");
	return utf8_valid(r->bytes) ? SPAN("text/rfc822-headers; charset=utf-8")
		: SPAN("text/rfc822-headers; charset=unknown-8bit");
}

static void add_original_part(struct buf *out, const struct parts *p)
{
	const struct dsn_returned *r = &p->returned;
	add_boundary(out, p, false);
	buf_add(out, SPAN("Content-Type: "));
	buf_add(out, original_type(p));
	if (r->encode)
		buf_add(out, SPAN("\r\nContent-Transfer-Encoding: quoted-printable"));
	else if (!r->ascii)
		buf_add(out, SPAN("\r\nContent-Transfer-Encoding: 8bit"));
	buf_add(out, SPAN("\r\n\r\n"));
	buf_add(out, r->encode ? buf_span(&p->header) : r->bytes);
}

static void build(struct parts *p, const struct dsn_report *report)
{
	p->utf8 = needs_utf8(report);
	p->returned = dsn_original_choose(report);
	dsn_text_write(&p->text, report);
	dsn_fields_write(&p->fields, report, p->utf8);
	if (p->returned.encode)
		dsn_qp_write(&p->header, p->returned.bytes);
}

/* For an original that holds every boundary on purpose: its header, encoded, can hold none. */
static void build_without_body(struct parts *p, const struct dsn_report *report)
{
	p->returned.whole = false;
	p->returned.encode = true;
	p->returned.bytes = dsn_original_header(report->original);
	p->returned.ascii = span_is_ascii(p->returned.bytes);
	dsn_qp_write(&p->header, p->returned.bytes);
	p->returned.bytes = (struct span){ 0 };
}

bool dsn_write(struct buf *out, const struct dsn_report *report, struct dsn_needs *needs_out)
{
	struct parts p = { 0 };
	size_t part_max = TEXT_BYTES_PER_RECIPIENT * dsn_recipient_count(report) + PART_BYTES_SPARE;
	assert(report->recipient_count > 0);
	buf_init(&p.text, part_max);
	buf_init(&p.fields, part_max);
	buf_init(&p.header, 3 * DSN_HEADERS_BYTES_MAX + 3 * DSN_HEADERS_BYTES_MAX / 25);
	build(&p, report);
	bool good = choose_boundary(&p, report->id);
	if (!good) {
		build_without_body(&p, report);
		good = choose_boundary(&p, report->id);
	}
	good = good && !p.text.failed && !p.fields.failed && !p.header.failed;
	if (good) {
		add_header(out, report, &p);
		add_text_part(out, &p);
		add_fields_part(out, &p);
		add_original_part(out, &p);
		add_boundary(out, &p, true);
	}
	*needs_out = (struct dsn_needs){ .smtputf8 = p.utf8, .body_8bit = body_8bit(&p) };
	buf_fini(&p.text);
	buf_fini(&p.fields);
	buf_fini(&p.header);
	return good && !out->failed;
}
