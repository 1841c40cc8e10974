/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Do DNS lists have something against the client's address, or speak for it? The weights of
 * those that list it are added up, those of allow lists taken off. A list that did not
 * answer in time, or not in a way that has a meaning, counts nothing.
 */
#include "policy_check.h"

uint8_t active_dnslists(const struct policy_context *context)
{
	return context->checks->list_count > 0 ? SMTP_STAGE(SMTP_AT_RCPT) : 0;
}

static const struct policy_listing *listing_of(const struct policy_facts *facts, struct span zone)
{
	for (size_t i = 0; i < facts->listing_count; i++)
		if (span_eq(facts->listings[i].zone, zone))
			return &facts->listings[i];
	return NULL;
}

static void say(const struct policy_context *context, const struct conf_dnslist *list, enum dnslist_opinion opinion,
	const struct netaddr *code)
{
	static const char *const words[DNSLIST_OPINION_COUNT] = { [DNSLIST_NO_OPINION] = "no opinion",
		[DNSLIST_NOT_LISTED] = "not listed", [DNSLIST_LISTED] = "listed", [DNSLIST_CLOSED] = "does not answer us" };
	if (context->why == NULL)
		return;
	if (list != context->checks->lists)
		policy_because(context, "; ");
	buf_add(context->why, list->zone);
	policy_because(context, ": %s", words[opinion]);
	if (code->family != 0) {
		policy_because(context, " ");
		netaddr_write(context->why, code);
	}
	if (opinion == DNSLIST_LISTED)
		policy_because(context, " (weight %s%llu)", list->allows && list->weight > 0 ? "-" : "",
			(unsigned long long)list->weight);
}

/* What all of them say together, and the block list that says most of it. */
struct weighing {
	int64_t sum;
	const struct conf_dnslist *list;
	const struct policy_listing *listing;
};

static void weigh(const struct policy_context *context, const struct policy_facts *facts,
	const struct conf_dnslist *list, struct weighing *w)
{
	struct netaddr code = { 0 };
	const struct policy_listing *listing = listing_of(facts, list->zone);
	enum dnslist_opinion opinion = listing == NULL ? DNSLIST_NO_OPINION
		: dnslist_opinion(listing->answered, listing->codes, listing->code_count, &list->codes, &code);
	say(context, list, opinion, &code);
	if (opinion != DNSLIST_LISTED)
		return;
	w->sum += list->allows ? -(int64_t)list->weight : (int64_t)list->weight;
	if (!list->allows && (w->list == NULL || list->weight > w->list->weight)) {
		w->list = list;
		w->listing = listing;
	}
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
	struct policy_verdict verdict = policy_refuse(refused ? REPLY_CLIENT_LISTED : REPLY_CLIENT_LISTED_FOR_NOW,
		w.list->line);
	verdict.said.text = w.listing->text;
	return verdict;
}
