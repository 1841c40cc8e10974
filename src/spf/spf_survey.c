/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A survey reads a whole record, with those that it includes or redirects to: no term
 * matches but an "all" of the outermost record, and what would end a check is counted
 * instead. Names that differ from client to client are counted and not asked for.
 */
#include "spf_private.h"

/* Whether each include on the way here passes whom its record passes. */
static bool passes(const struct spf *s)
{
	for (size_t i = 0; i < s->depth; i++)
		if (s->frames[i].term.qualifier != SPF_PASS)
			return false;
	return true;
}

static void open_note(struct spf *s, bool match)
{
	struct spf_frame *f = spf_top(s);
	struct spf_surveying *v = &s->surveying;
	if (v->known.open_term.len > 0 || !spf_scope_open(&f->term, match) || !passes(s))
		return;
	v->open_domain = f->domain;
	v->known.open_domain = spf_name_span(&v->open_domain);
	v->known.open_term = span_to(f->term.text, sizeof(v->open_term));
	memcpy(v->open_term, v->known.open_term.ptr, v->known.open_term.len);
	v->known.open_term.ptr = v->open_term;
}

void spf_survey_settle(struct spf *s, bool match)
{
	struct spf_frame *f = spf_top(s);
	open_note(s, match);
	if (f->term.kind == SPF_TERM_ALL)
		spf_frame_result(s, f->term.qualifier);
	else
		f->at = f->next;
}

bool spf_survey_lookup(struct spf *s)
{
	if (s->surveying.known.lookups == SPF_SURVEY_LOOKUPS_MAX) {
		s->surveying.known.cut = true;
		spf_end(s, SPF_PERMERROR, "The SPF record of %.*s needs more than %d terms that ask the DNS.",
			SPAN_FMT(s->verdict.domain), SPF_SURVEY_LOOKUPS_MAX);
		return false;
	}
	s->surveying.known.lookups++;
	return true;
}

void spf_survey_void(struct spf *s)
{
	struct spf_surveying *v = &s->surveying;
	if (v->known.voids++ < SPF_SURVEY_NAMES_MAX)
		v->names[v->known.voids - 1] = s->question;
}

const struct spf_survey *spf_survey(const struct spf *s)
{
	return &s->surveying.known;
}

struct span spf_survey_void_name(const struct spf *s, size_t index)
{
	return index < s->surveying.known.voids && index < SPF_SURVEY_NAMES_MAX
		? spf_name_span(&s->surveying.names[index]) : span_of(NULL, 0);
}
