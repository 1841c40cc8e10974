/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keywords of an EHLO or LHLO reply (RFC 5321 section 4.1.1.1, RFC 9422 for
 * LIMITS). What is not understood is passed over; what an option switches off is
 * not seen.
 */
#include "client_private.h"

static struct span word_take(struct span *line)
{
	*line = span_trim(*line);
	struct span word = span_to(*line, span_find(*line, ' '));
	*line = span_trim(span_from(*line, word.len));
	return word;
}

static void limit_read(struct client_extensions *e, struct span limit)
{
	size_t equals = span_find(limit, '=');
	struct span name = span_to(limit, equals);
	uint64_t value;
	if (!span_to_u64(span_from(limit, equals + 1), UINT32_MAX, &value) || value == 0)
		return;
	if (span_eq_nocase(name, SPAN("MAILMAX")))
		e->mail_max = (uint32_t)value;
	else if (span_eq_nocase(name, SPAN("RCPTMAX")))
		e->rcpt_max = (uint32_t)value;
	else if (span_eq_nocase(name, SPAN("RCPTDOMAINMAX")))
		e->rcpt_domain_max = (uint32_t)value;
}

static void size_read(struct client_extensions *e, struct span value)
{
	e->size = true;
	if (!span_to_u64(word_take(&value), UINT64_MAX, &e->size_max))
		e->size_max = 0;
}

static void keyword_read(struct client_extensions *e, struct span line)
{
	struct span keyword = word_take(&line);
	const struct {
		struct span name;
		bool *seen;
	} plain[] = {
		{ SPAN("PIPELINING"), &e->pipelining }, { SPAN("CHUNKING"), &e->chunking },
		{ SPAN("BINARYMIME"), &e->binarymime }, { SPAN("8BITMIME"), &e->mime8bit },
		{ SPAN("SMTPUTF8"), &e->smtputf8 }, { SPAN("DSN"), &e->dsn }, { SPAN("STARTTLS"), &e->starttls },
	};
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (span_eq_nocase(keyword, plain[i].name))
			*plain[i].seen = true;
	if (span_eq_nocase(keyword, SPAN("SIZE")))
		size_read(e, line);
	while (span_eq_nocase(keyword, SPAN("LIMITS")) && line.len > 0)
		limit_read(e, word_take(&line));
}

void client_extensions_read(struct client_extensions *e, struct span text,
	const struct smtp_client_options *options)
{
	*e = (struct client_extensions){ 0 };
	/* The first line is the greeting. */
	for (size_t at = span_find(text, '\n') + 1; at < text.len;) {
		struct span rest = span_from(text, at);
		size_t len = span_find(rest, '\n');
		keyword_read(e, span_to(rest, len));
		at += len + 1;
	}
	e->pipelining = e->pipelining && !options->no_pipelining;
	e->chunking = e->chunking && !options->no_chunking;
	e->binarymime = e->binarymime && e->chunking && !options->no_8bitmime;
	e->mime8bit = e->mime8bit && !options->no_8bitmime;
	e->smtputf8 = e->smtputf8 && !options->no_smtputf8;
	e->dsn = e->dsn && !options->no_dsn;
	e->size = e->size && !options->no_size;
	e->size_max = e->size ? e->size_max : 0;
}
