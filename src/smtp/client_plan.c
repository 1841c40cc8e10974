/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Before anything of a message is sent: can this next hop take it, and how? The
 * facts of its content against what EHLO offered (RFC 1870, 3030, 6152, 6531).
 * What cannot go is settled here and nothing is said to the next hop.
 */
#include <assert.h>

#include "address.h"
#include "client_private.h"
#include "utf8.h"

/* The address can be written without SMTPUTF8: its domain has an ASCII form. */
static bool ascii_form(const struct address *a)
{
	uint8_t domain[ADDRESS_DOMAIN_BYTES_MAX];
	return span_is_ascii(a->local) && (!a->utf8 || address_domain_ascii(a->domain, domain) > 0);
}

/* The cause to refuse `mailbox`, or SMTP_CAUSE_REPLY for none. */
static enum smtp_client_cause address_cause(const struct smtp_client *c, struct span mailbox, bool *utf8)
{
	struct address a;
	if (span_eq_nocase(mailbox, SPAN("postmaster")))
		return SMTP_CAUSE_REPLY;
	if (!address_parse(mailbox, &a))
		return SMTP_CAUSE_ADDRESS_SYNTAX;
	*utf8 = *utf8 || a.utf8;
	return c->extensions.smtputf8 || ascii_form(&a) ? SMTP_CAUSE_REPLY : SMTP_CAUSE_ADDRESS_UTF8;
}

/* One cause at a time: the others' turn comes when these are settled. */
static bool recipients_fit(struct smtp_client *c, bool *utf8)
{
	enum smtp_client_cause first = SMTP_CAUSE_REPLY;
	for (size_t i = 0; i < c->message->recipient_count; i++) {
		if (client_state(c, i) == RECIPIENT_REPORTED)
			continue;
		enum smtp_client_cause cause = address_cause(c, c->message->recipients[i].mailbox, utf8);
		if (cause == SMTP_CAUSE_REPLY || (first != SMTP_CAUSE_REPLY && cause != first))
			continue;
		first = cause;
		client_state_set(c, i, RECIPIENT_UNFIT);
	}
	if (first != SMTP_CAUSE_REPLY)
		client_refuse(c, first, false);
	return first == SMTP_CAUSE_REPLY;
}

static bool sender_fits(struct smtp_client *c, bool *utf8)
{
	enum smtp_client_cause cause = SMTP_CAUSE_REPLY;
	if (c->message->sender.len > 0)
		cause = address_cause(c, c->message->sender, utf8);
	if (cause != SMTP_CAUSE_REPLY)
		client_refuse(c, cause, true);
	return cause == SMTP_CAUSE_REPLY;
}

static void pass_read(struct smtp_client *c, enum content_pass pass)
{
	c->phase = CLIENT_READING;
	client_pass_begin(c, pass);
}

/* All is known: in size, too? */
static void plan_size(struct smtp_client *c)
{
	uint64_t size_max = c->extensions.size_max;
	if (size_max > 0 && c->content.size > size_max) {
		client_refuse(c, SMTP_CAUSE_TOO_LARGE, true);
		return;
	}
	c->content.planned = true;
	client_envelope_begin(c);
}

static void plan_conversion(struct smtp_client *c)
{
	c->content.convert = convert_new(c->extensions.mime8bit);
	buf_init(&c->content.converted, SMTP_CLIENT_OUTPUT_BYTES_MAX);
	if (c->content.convert == NULL)
		client_close(c, SMTP_CAUSE_LOCAL, SMTP_CLIENT_DEFERRED);
	else
		pass_read(c, PASS_PLAN);
}

/* Whether the content has something that the next hop's extensions do not carry. */
static bool conversion_needed(const struct smtp_client *c)
{
	const struct content_facts *f = &c->content.facts;
	bool high = f->body_8bit || (f->header_8bit && !c->content.utf8);
	return content_facts_binary(f) || (high && !c->extensions.mime8bit);
}

static void plan_content(struct smtp_client *c)
{
	const struct content_facts *f = &c->content.facts;
	const struct client_extensions *e = &c->extensions;
	bool high = f->body_8bit || f->header_8bit;
	if (f->header_8bit && c->message->smtputf8 && !c->content.utf8) {
		client_refuse(c, SMTP_CAUSE_HEADER_UTF8, true);
		return;
	}
	if (f->header_8bit && !e->mime8bit && !c->content.utf8) {
		client_refuse(c, SMTP_CAUSE_HEADER_8BIT, true);
		return;
	}
	c->content.size = f->bytes + (f->unterminated ? 2 : 0);
	c->content.body_8bit = high && e->mime8bit;
	c->content.chunks = c->content.body_binary = c->message->binary && e->binarymime;
	if (!c->content.chunks && conversion_needed(c))
		plan_conversion(c);
	else
		plan_size(c);
}

static void plan(struct smtp_client *c)
{
	bool utf8 = false;
	c->phase = CLIENT_IDLE; /* settled recipients leave it there; the plan begins again without them */
	if (!sender_fits(c, &utf8) || !recipients_fit(c, &utf8))
		return;
	c->content.utf8 = c->extensions.smtputf8 && (c->message->smtputf8 || utf8);
	plan_content(c);
}

static void facts_known(struct smtp_client *c)
{
	c->phase = CLIENT_IDLE;
	if (!c->content.facts.bare_newline || c->message->binary)
		plan(c);
	else if (c->options->repair_newlines) {
		/* What is sent is another content: look at that. */
		c->content.repair = true;
		buf_init(&c->content.mended, 2 * SMTP_CLIENT_PIECE_BYTES_MAX + 4);
		pass_read(c, PASS_FACTS);
	} else {
		client_refuse(c, SMTP_CAUSE_BARE_NEWLINE, true);
	}
}

static void verdict_known(struct smtp_client *c)
{
	c->phase = CLIENT_IDLE;
	switch (convert_verdict(c->content.convert)) {
	case CONVERT_NOT_NEEDED:
		plan_size(c);
		break;
	case CONVERT_POSSIBLE:
		if (c->extensions.size)
			pass_read(c, PASS_MEASURE);
		else
			plan_size(c);
		break;
	case CONVERT_HEADER:
		client_refuse(c, SMTP_CAUSE_HEADER_8BIT, true);
		break;
	case CONVERT_SEALED:
		client_refuse(c, SMTP_CAUSE_SIGNED, true);
		break;
	case CONVERT_STRUCTURE:
		client_refuse(c, SMTP_CAUSE_STRUCTURE, true);
		break;
	case CONVERT_NO_MEMORY:
		client_close(c, SMTP_CAUSE_LOCAL, SMTP_CLIENT_DEFERRED);
		break;
	}
}

void client_message_start(struct smtp_client *c)
{
	if (c->content.planned) {
		client_envelope_begin(c);
	} else if (c->content.raw_bytes > 0 || c->content.facts.bytes > 0) {
		plan(c); /* again, after some recipients were refused */
	} else if (c->message->facts != NULL) {
		c->content.facts = *c->message->facts;
		c->content.raw_bytes = c->content.facts.bytes;
		facts_known(c);
	} else {
		pass_read(c, PASS_FACTS);
	}
}

void client_plan_pass_done(struct smtp_client *c)
{
	struct client_content *t = &c->content;
	enum content_pass pass = t->pass;
	t->pass = PASS_NONE;
	if (pass == PASS_FACTS) {
		content_scan_finish(&t->scan);
		t->facts = t->scan.facts;
		if (!t->repair)
			t->raw_bytes = t->offset;
		else
			t->facts.bare_newline = false;
		facts_known(c);
	} else if (pass == PASS_PLAN) {
		verdict_known(c);
	} else {
		c->phase = CLIENT_IDLE;
		plan_size(c);
	}
}
