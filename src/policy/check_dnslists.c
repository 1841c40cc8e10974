/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Do DNS lists have something against the client's address, its name or the sender's domain,
 * or speak for it? The weights of those that list one are added up, those of allow lists
 * taken off; a list counts once, whatever it lists. One that did not answer in time, or not
 * in a way that has a meaning, counts nothing.
 */
#include "policy_check.h"

uint8_t active_dnslists(const struct policy_context *context)
{
	return context->checks->list_count > 0 ? SMTP_STAGE(SMTP_AT_RCPT) : 0;
}

static const struct policy_listing *listing_of(const struct policy_facts *facts, struct span zone,
	enum conf_dnslist_of of)
{
	for (size_t i = 0; i < facts->listing_count; i++)
		if (facts->listings[i].of == of && span_eq(facts->listings[i].zone, zone))
			return &facts->listings[i];
	return NULL;
}

/* What is the matter with one list, of one thing that is looked up in it. */
struct opinion {
	const struct conf_dnslist *list;
	enum conf_dnslist_of of;
	enum dnslist_opinion opinion;
	struct netaddr code; /* family 0: none */
};

static void say(const struct policy_context *context, const struct opinion *o)
{
	static const char *const of[CONF_DNSLIST_OF_COUNT] = { "", "the name in HELO ", "the sender's domain " };
	static const char *const words[DNSLIST_OPINION_COUNT] = { [DNSLIST_NO_OPINION] = "no opinion",
		[DNSLIST_NOT_LISTED] = "not listed", [DNSLIST_LISTED] = "listed", [DNSLIST_CLOSED] = "does not answer us",
		[DNSLIST_EVERYBODY] = "no opinion, it lists everybody" };
	const struct conf_dnslist *list = o->list;
	if (context->why == NULL)
		return;
	if (list != context->checks->lists || o->of != (enum conf_dnslist_of)list->of.items[0])
		policy_because(context, "; ");
	buf_add(context->why, list->zone);
	policy_because(context, ": %s%s", of[o->of], words[o->opinion]);
	if (o->code.family != 0) {
		policy_because(context, " ");
		netaddr_write(context->why, &o->code);
	}
	if (o->opinion == DNSLIST_LISTED)
		policy_because(context, " (weight %s%llu)", list->allows && list->weight > 0 ? "-" : "",
			(unsigned long long)list->weight);
}

/* What all of them say together, and the block list that says most of it. */
struct weighing {
	int64_t sum;
	const struct conf_dnslist *list;
	const struct policy_listing *listing;
};

/* What one listing says; NULL: nothing was asked, or nothing came. */
static enum dnslist_opinion opinion_of(const struct policy_listing *listing, const struct conf_dnslist *list,
	struct netaddr *code_out)
{
	*code_out = (struct netaddr){ 0 };
	if (listing == NULL)
		return DNSLIST_NO_OPINION;
	enum dnslist_opinion opinion = dnslist_opinion(listing->answered, listing->codes, listing->code_count, &list->codes,
		code_out);
	return opinion == DNSLIST_LISTED && listing->everybody ? DNSLIST_EVERYBODY : opinion;
}

static void weigh(const struct policy_context *context, const struct policy_facts *facts,
	const struct conf_dnslist *list, struct weighing *w)
{
	const struct policy_listing *found = NULL;
	for (size_t i = 0; i < list->of.count; i++) {
		struct opinion o = { .list = list, .of = (enum conf_dnslist_of)list->of.items[i] };
		const struct policy_listing *listing = listing_of(facts, list->zone, o.of);
		o.opinion = opinion_of(listing, list, &o.code);
		say(context, &o);
		if (o.opinion == DNSLIST_LISTED && found == NULL)
			found = listing;
	}
	if (found == NULL)
		return;
	w->sum += list->allows ? -(int64_t)list->weight : (int64_t)list->weight;
	if (!list->allows && (w->list == NULL || list->weight > w->list->weight)) {
		w->list = list;
		w->listing = found;
	}
}

static enum reply_key key_of(enum conf_dnslist_of of, bool refused)
{
	if (of == CONF_DNSLIST_CLIENT)
		return refused ? REPLY_CLIENT_LISTED : REPLY_CLIENT_LISTED_FOR_NOW;
	return refused ? REPLY_NAME_LISTED : REPLY_NAME_LISTED_FOR_NOW;
}

struct policy_verdict check_dnslists(const struct policy_context *context, const struct policy_input *input,
	enum smtp_stage stage)
{
	const struct conf_checks *checks = context->checks;
	struct weighing w = { 0 };
	(void)stage;
	if (policy_is_postmaster(input)) {
		policy_because(context, "postmaster is reached whatever lists say");
		return policy_pass();
	}
	if ((input->facts.known & POLICY_FACT(POLICY_FACT_DNSLISTS)) == 0)
		return policy_needs(POLICY_FACT_DNSLISTS);
	for (size_t i = 0; i < checks->list_count; i++)
		weigh(context, &input->facts, &checks->lists[i], &w);
	bool refused = checks->dnslists.refuse_at > 0 && w.sum >= (int64_t)checks->dnslists.refuse_at;
	bool deferred = checks->dnslists.defer_at > 0 && w.sum >= (int64_t)checks->dnslists.defer_at;
	if (w.list == NULL || (!refused && !deferred))
		return policy_pass();
	struct policy_verdict verdict = policy_refuse(key_of(w.listing->of, refused), w.list->line);
	verdict.said.text = w.listing->text;
	return verdict;
}
