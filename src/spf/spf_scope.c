/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much a match says about the client: whether the term names hosts of the domain's, or
 * would have matched whoever asked. Only the term that matched is judged, and how its record
 * was found; that many narrow terms together mean everybody is not noticed.
 */
#include "spf_private.h"

#define V4_BITS_MIN 8  /* a network with more addresses than that is nobody's */
#define V6_BITS_MIN 16

bool spf_scope_varies(struct span spec)
{
	return spf_macro_uses(spec, "lsiph");
}

static bool v4_open(const struct spf_term *t)
{
	return (t->kind == SPF_TERM_IP4 ? t->network.prefix_bits : t->bits4) < V4_BITS_MIN;
}

static bool v6_open(const struct spf_term *t)
{
	return (t->kind == SPF_TERM_IP6 ? t->network.prefix_bits : t->bits6) < V6_BITS_MIN;
}

bool spf_scope_open(const struct spf_term *t, bool match)
{
	switch (t->kind) {
	case SPF_TERM_ALL:
		return true;
	case SPF_TERM_IP4:
		return v4_open(t);
	case SPF_TERM_IP6:
		return v6_open(t);
	case SPF_TERM_A:
	case SPF_TERM_MX:
		return v4_open(t) || v6_open(t);
	case SPF_TERM_EXISTS:
		return match && !spf_scope_varies(t->target);
	default:
		return false;
	}
}

static enum spf_scope scope_of_term(const struct spf *s, const struct spf_term *t)
{
	switch (t->kind) {
	case SPF_TERM_A:
	case SPF_TERM_MX:
		return (s->client.family == 6 ? v6_open(t) : v4_open(t)) ? SPF_SCOPE_EVERYBODY : SPF_SCOPE_HOSTS;
	case SPF_TERM_EXISTS:
		return spf_scope_varies(t->target) ? SPF_SCOPE_UNKNOWN : SPF_SCOPE_EVERYBODY;
	case SPF_TERM_PTR:
		/* A part of a domain may be a top-level one, below which everybody has names. */
		return spf_macro_uses(t->target, "do") ? SPF_SCOPE_UNKNOWN : SPF_SCOPE_HOSTS;
	default:
		return spf_scope_open(t, true) ? SPF_SCOPE_EVERYBODY : SPF_SCOPE_HOSTS;
	}
}

enum spf_scope spf_scope_match(const struct spf *s)
{
	const struct spf_term *t = &s->frames[s->depth - 1].term;
	enum spf_scope scope = scope_of_term(s, t);
	bool varies = spf_scope_varies(t->target);
	for (size_t i = 0; i < s->depth; i++)
		varies |= s->frames[i].varies;
	return scope == SPF_SCOPE_HOSTS && varies ? SPF_SCOPE_UNKNOWN : scope;
}
