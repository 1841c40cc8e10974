/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Terms, one at a time and from left to right (RFC 7208 sections 4.6.2, 5 and 6). A term that has to wait for an
 * answer is looked at again when it is only the client's names that it waited for; else its answer settles it.
 */
#include "spf_private.h"

#include <assert.h>

static void settle(struct spf *s, bool match)
{
	struct spf_frame *f = spf_top(s);
	if (s->survey) {
		spf_survey_settle(s, match);
		return;
	}
	if (!match) {
		f->at = f->next;
		return;
	}
	s->verdict.scope = spf_scope_match(s);
	spf_frame_result(s, f->term.qualifier);
}

/* False when that ended the check. */
static bool lookup_count(struct spf *s)
{
	s->term_void = false;
	if (s->survey)
		return spf_survey_lookup(s);
	if (++s->lookups <= SPF_LOOKUPS_MAX)
		return true;
	spf_end(s, SPF_PERMERROR, "The SPF record of %.*s needs more than %d terms that ask the DNS.",
		SPAN_FMT(s->verdict.domain), SPF_LOOKUPS_MAX);
	return false;
}

/*
 * Counts the term when it asked for what is not there; false when that ended the check. A host that has IPv4
 * addresses alone is no mistake of the record: a client with IPv6 would make it one.
 */
static bool void_count(struct spf *s, const struct spf_answer *answer)
{
	bool no_data = answer->status == SPF_NO_DATA || (answer->status == SPF_ANSWERED && answer->count == 0);
	if (answer->status != SPF_NO_NAME && (!no_data || s->type == SPF_AAAA))
		return true;
	if (s->survey && !s->term_void)
		spf_survey_void(s);
	s->voids += !s->survey && !s->term_void;
	s->term_void = true;
	if (s->voids <= SPF_VOIDS_MAX)
		return true;
	spf_end(s, SPF_PERMERROR, "The SPF record of %.*s names more than %d hosts that do not exist; the last is %.*s.",
		SPAN_FMT(s->verdict.domain), SPF_VOIDS_MAX, SPAN_FMT(spf_name_span(&s->question)));
	return false;
}

/* What every answer of a term is looked at for; false when that ended the check. */
static bool answer_usable(struct spf *s, const struct spf_answer *answer)
{
	if (answer->status != SPF_NO_ANSWER)
		return void_count(s, answer);
	spf_end_no_answer(s);
	return false;
}

static enum spf_type address_type(const struct spf *s)
{
	return s->client.family == 6 ? SPF_AAAA : SPF_A;
}

static uint8_t prefix_bits(struct spf *s)
{
	const struct spf_term *t = &spf_top(s)->term;
	return s->client.family == 6 ? t->bits6 : t->bits4;
}

static void push(struct spf *s, const struct spf_name *domain)
{
	assert(s->depth < SPF_DEPTH_MAX);
	bool varies = spf_scope_varies(spf_top(s)->term.target);
	s->depth++;
	spf_top(s)->varies = varies;
	spf_frame_begin(s, domain, false);
}

/* The first question of a term that has a name to ask about. */
static void target_ask(struct spf *s, const struct spf_name *name)
{
	switch (spf_top(s)->term.kind) {
	case SPF_TERM_INCLUDE:
		/* Deeper, a survey has counted more than enough. */
		if (s->survey && s->depth == SPF_DEPTH_MAX)
			settle(s, false);
		else
			push(s, name);
		break;
	case SPF_TERM_A:
		spf_ask(s, SPF_WAIT_ADDRESSES, address_type(s), name);
		break;
	case SPF_TERM_MX:
		spf_ask(s, SPF_WAIT_MX, SPF_MX, name);
		break;
	case SPF_TERM_EXISTS:
		/* Even for a client with IPv6 (RFC 7208 section 5.7). */
		spf_ask(s, SPF_WAIT_EXISTS, SPF_A, name);
		break;
	default:
		assert(spf_top(s)->term.kind == SPF_TERM_PTR);
		settle(s, spf_hosts_match(s, spf_name_span(name)));
	}
}

static void no_name(struct spf *s, struct span spec)
{
	/* RFC 7208 section 4.8 leaves it open for "a" and the like: as a name that does not exist. */
	if (spf_top(s)->term.kind != SPF_TERM_INCLUDE && spf_top(s)->term.kind != SPF_TERM_END)
		settle(s, false);
	else
		spf_end(s, SPF_PERMERROR, "In the SPF record of %.*s, %.*s expands to no domain.",
			SPAN_FMT(spf_name_span(&spf_top(s)->domain)), SPAN_FMT(span_to(spec, SPF_NAME_BYTES_MAX)));
}

static void too_long(struct spf *s)
{
	spf_end(s, SPF_PERMERROR, "A name in the SPF record of %.*s expands to more than %d bytes.",
		SPAN_FMT(spf_name_span(&spf_top(s)->domain)), SPF_MACRO_BYTES_MAX);
}

static void lookup_term(struct spf *s)
{
	struct spf_name name;
	struct span spec = spf_top(s)->term.target;
	bool ptr = spf_top(s)->term.kind == SPF_TERM_PTR;
	if (s->survey && (ptr || spf_scope_varies(spec))) {
		if (lookup_count(s))
			settle(s, false);
		return;
	}
	if (ptr && !s->hosts_known) {
		spf_hosts_begin(s);
		return;
	}
	enum spf_target target = spf_target_expand(s, spec, &name);
	if (target == SPF_TARGET_WAIT || !lookup_count(s))
		return;
	if (target == SPF_TARGET_OK)
		target_ask(s, &name);
	else if (target == SPF_TARGET_NO_NAME)
		no_name(s, spec);
	else if (target == SPF_TARGET_NO_MATCH)
		settle(s, false);
	else
		too_long(s);
}

/* No term matched: another record decides, or nothing is said (RFC 7208 sections 4.7 and 6.1). */
static void end_of_terms(struct spf *s)
{
	struct spf_name name;
	struct span spec = spf_top(s)->modifiers.redirect;
	if (s->survey && spf_scope_varies(spec)) {
		if (lookup_count(s))
			spf_frame_result(s, SPF_NEUTRAL);
		return;
	}
	enum spf_target target = spec.len > 0 ? spf_target_expand(s, spec, &name) : SPF_TARGET_NO_MATCH;
	if (target == SPF_TARGET_WAIT)
		return;
	if (target == SPF_TARGET_NO_MATCH)
		spf_frame_result(s, SPF_NEUTRAL);
	else if (!lookup_count(s))
		return;
	else if (target == SPF_TARGET_OK) {
		spf_top(s)->varies |= spf_scope_varies(spec);
		spf_frame_begin(s, &name, true);
	} else if (target == SPF_TARGET_NO_NAME)
		no_name(s, spec);
	else
		too_long(s);
}

void spf_terms_step(struct spf *s)
{
	struct spf_frame *f = spf_top(s);
	f->next = f->at;
	spf_record_next(span_of(f->text, f->len), &f->next, &f->term);
	switch (f->term.kind) {
	case SPF_TERM_END:
		end_of_terms(s);
		break;
	case SPF_TERM_ALL:
		settle(s, true);
		break;
	case SPF_TERM_IP4:
	case SPF_TERM_IP6:
		settle(s, netblock_contains(&f->term.network, &s->client));
		break;
	case SPF_TERM_INCLUDE:
	case SPF_TERM_A:
	case SPF_TERM_MX:
	case SPF_TERM_PTR:
	case SPF_TERM_EXISTS:
		lookup_term(s);
		break;
	case SPF_TERM_REDIRECT:
	case SPF_TERM_EXP:
	case SPF_TERM_UNKNOWN:
		settle(s, false);
		break;
	case SPF_TERM_BAD:
		assert(!"a checked record");
	}
}

static void mx_next(struct spf *s)
{
	bool enough = s->survey && s->surveying.known.lookups > SPF_LOOKUPS_MAX;
	if (s->mx.at == s->mx.count || enough)
		settle(s, false);
	else
		spf_ask(s, SPF_WAIT_MX_ADDRESSES, address_type(s), &s->mx.names[s->mx.at]);
}

static void mx_answer(struct spf *s, const struct spf_answer *answer)
{
	/* All count before any is looked at, so that the order of the records decides nothing. */
	if (answer->status == SPF_ANSWERED && answer->count > SPF_HOSTS_MAX) {
		spf_end(s, SPF_PERMERROR, "%.*s has more than %d MX records, which SPF does not look through.",
			SPAN_FMT(spf_name_span(&s->question)), SPF_HOSTS_MAX);
		return;
	}
	spf_hosts_take(&s->mx, answer);
	mx_next(s);
}

void spf_terms_answer(struct spf *s, enum spf_wait wait, const struct spf_answer *answer)
{
	if (!answer_usable(s, answer))
		return;
	switch (wait) {
	case SPF_WAIT_ADDRESSES:
		settle(s, spf_has_client(s, answer, prefix_bits(s)));
		break;
	case SPF_WAIT_EXISTS:
		settle(s, answer->status == SPF_ANSWERED && answer->count > 0);
		break;
	case SPF_WAIT_MX:
		mx_answer(s, answer);
		break;
	default:
		assert(wait == SPF_WAIT_MX_ADDRESSES);
		s->mx.at++;
		if (spf_has_client(s, answer, prefix_bits(s)))
			settle(s, true);
		else
			mx_next(s);
	}
}
