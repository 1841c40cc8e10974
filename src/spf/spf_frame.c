/* SPDX-License-Identifier: Apache-2.0 */
/* A record from the question for it to its result (RFC 7208 sections 4.4 to 4.7, 5.2, 6.1). */
#include "spf_private.h"

#include <assert.h>

#define EXCERPT_BYTES_MAX 100 /* of a term, in a reason */

void spf_frame_begin(struct spf *s, const struct spf_name *domain, bool redirected)
{
	struct spf_frame *f = spf_top(s);
	f->domain = *domain;
	f->redirected = redirected;
	if (spf_name_is_domain(domain)) {
		spf_ask(s, SPF_WAIT_RECORD, SPF_TXT, domain);
		return;
	}
	struct spf_answer none = { .status = SPF_NO_NAME };
	spf_frame_answer(s, &none);
}

/* There is no record: for the domain that is checked that is an answer, for others an error. */
static void none(struct spf *s)
{
	struct span domain = spf_name_span(&spf_top(s)->domain);
	const char *leads = spf_top(s)->redirected ? "A redirect" : "An include";
	if (s->depth == 1 && !spf_top(s)->redirected)
		spf_end(s, SPF_NONE, "%.*s has no SPF record.", SPAN_FMT(domain));
	else
		spf_end(s, SPF_PERMERROR, "%s leads to %.*s, which has no SPF record.", leads, SPAN_FMT(domain));
}

static void syntax_error(struct spf *s, const struct spf_term *t)
{
	uint8_t bytes[4 * EXCERPT_BYTES_MAX + 1];
	struct buf excerpt;
	buf_init_over(&excerpt, bytes, sizeof(bytes));
	buf_add_escaped(&excerpt, span_to(t->text, EXCERPT_BYTES_MAX));
	spf_end(s, SPF_PERMERROR, "The SPF record of %.*s has an error: \"%.*s%s\" %s.",
		SPAN_FMT(spf_name_span(&spf_top(s)->domain)), SPAN_FMT(buf_span(&excerpt)),
		t->text.len > EXCERPT_BYTES_MAX ? "..." : "", t->problem);
}

static void take(struct spf *s, struct span record)
{
	struct spf_frame *f = spf_top(s);
	struct spf_term wrong;
	if (record.len > SPF_RECORD_BYTES_MAX) {
		spf_end(s, SPF_PERMERROR, "The SPF record of %.*s has %zu bytes; more than %d are not read.",
			SPAN_FMT(spf_name_span(&f->domain)), record.len, SPF_RECORD_BYTES_MAX);
		return;
	}
	memcpy(f->text, record.ptr, record.len);
	f->len = record.len;
	f->at = SPF_RECORD_BEGIN;
	if (!spf_record_check(span_of(f->text, f->len), &f->modifiers, &wrong))
		syntax_error(s, &wrong);
}

void spf_frame_answer(struct spf *s, const struct spf_answer *answer)
{
	size_t found = 0;
	struct span record = { NULL, 0 };
	if (answer->status == SPF_NO_ANSWER) {
		spf_end_no_answer(s);
		return;
	}
	for (size_t i = 0; answer->status == SPF_ANSWERED && i < answer->count; i++)
		if (spf_record_is(answer->records[i].text)) {
			record = answer->records[i].text;
			found++;
		}
	if (found == 0)
		none(s);
	else if (found > 1)
		spf_end(s, SPF_PERMERROR, "%.*s has %zu SPF records; only one is allowed.",
			SPAN_FMT(spf_name_span(&spf_top(s)->domain)), found);
	else
		take(s, record);
}

static void decided(struct spf *s, enum spf_result result)
{
	struct spf_frame *f = spf_top(s);
	s->verdict.result = result;
	s->verdict.mechanism = f->term.text;
	bool explained = result == SPF_FAIL && f->modifiers.exp.len > 0 && !s->survey;
	s->phase = explained ? SPF_PHASE_EXPLANATION_NAME : SPF_PHASE_DONE;
}

void spf_frame_result(struct spf *s, enum spf_result result)
{
	while (s->depth > 1) {
		s->depth--;
		struct spf_frame *f = spf_top(s);
		assert(f->term.kind == SPF_TERM_INCLUDE);
		if (result != SPF_PASS || s->survey) {
			f->at = f->next;
			return;
		}
		result = f->term.qualifier;
	}
	decided(s, result);
}
