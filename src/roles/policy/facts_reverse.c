/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The name of the client's address, and whether it leads back: the PTR records of the
 * address, then the addresses of the first few names, all at once; one that has the
 * client's is enough. What these names say, and where a chain of CNAMEs of a part of a
 * network passes by (RFC 2317), is nothing to us.
 */
#include <stdlib.h>

#include "facts.h"
#include "policy_role.h"

#define NAMES_MAX 5 /* that are looked up; an address has one as a rule */
#define NAME_BYTES (DNSLIST_NAME_BYTES_MAX + 1)

struct reverse_work {
	struct fact *fact;
	bool both_ways;  /* whether it leads back is asked too */
	bool unanswered; /* for one of the names at least */
	size_t open;     /* questions, and the beginning itself */
	size_t count;
	struct policy_reverse found; /* its name points here */
	struct reverse_name {
		struct reverse_work *of;
		uint8_t text[DNS_NAME_BYTES_MAX];
		size_t len;
	} names[NAMES_MAX];
};

void fact_reverse_late(struct fact *fact, struct facts_wait *wait)
{
	struct reverse_work *w = fact->work;
	if (w != NULL)
		fact_say(fact, wait, &(struct policy_facts){ .reverse = w->found });
}

static void close_one(struct reverse_work *w)
{
	struct fact *fact = w->fact;
	if (--w->open > 0)
		return;
	if (w->found.state == POLICY_REVERSE_NAMED && w->both_ways && !w->unanswered)
		w->found.state = POLICY_REVERSE_ASTRAY;
	fact_reverse_late(fact, NULL);
	fact->work = NULL;
	free(w);
	fact_idle(fact);
}

static void on_addresses(void *arg, const struct dns_records_answer *answer)
{
	struct reverse_name *name = arg;
	struct reverse_work *w = name->of;
	const struct netaddr *client = &w->fact->input.client;
	bool same = false;
	w->unanswered |= answer->status == DNS_TEMPORARY || answer->status == DNS_BOGUS;
	for (size_t i = 0; i < answer->count; i++)
		same |= netaddr_eq(&answer->records[i].addr, client);
	if (same && w->found.state == POLICY_REVERSE_NAMED) {
		w->found = (struct policy_reverse){ POLICY_REVERSE_CONFIRMED, span_of(name->text, name->len) };
		fact_reverse_late(w->fact, NULL); /* nobody has to wait for the others */
	}
	close_one(w);
}

static void names_take(struct reverse_work *w, const struct dns_records_answer *answer)
{
	for (size_t i = 0; i < answer->count && w->count < NAMES_MAX; i++) {
		struct span text = answer->records[i].text;
		struct reverse_name *name = &w->names[w->count];
		if (text.len == 0 || text.len > sizeof(name->text))
			continue;
		memcpy(name->text, text.ptr, text.len);
		name->len = text.len;
		name->of = w;
		w->count++;
	}
}

static void on_names(void *arg, const struct dns_records_answer *answer)
{
	struct reverse_work *w = arg;
	enum dns_type type = w->fact->input.client.family == 4 ? DNS_TYPE_A : DNS_TYPE_AAAA;
	names_take(w, answer);
	if (w->count > 0)
		w->found = (struct policy_reverse){ POLICY_REVERSE_NAMED, span_of(w->names[0].text, w->names[0].len) };
	else if (answer->status != DNS_TEMPORARY && answer->status != DNS_BOGUS)
		w->found.state = answer->status == DNS_OK ? POLICY_REVERSE_UNUSABLE : POLICY_REVERSE_NONE;
	for (size_t i = 0; i < w->count && w->both_ways && !w->fact->answered; i++) {
		w->open++;
		dns_ask_records(w->fact->facts->dns, type, span_of(w->names[i].text, w->names[i].len), on_addresses,
			&w->names[i]);
	}
	close_one(w);
}

void fact_reverse_begin(struct fact *fact, const struct policy_context *context)
{
	uint8_t memory[NAME_BYTES];
	struct buf name;
	const struct netaddr *client = &fact->input.client;
	buf_init_over(&name, memory, sizeof(memory));
	bool good = dnslist_name(&name, client, client->family == 4 ? SPAN("in-addr.arpa") : SPAN("ip6.arpa"));
	struct reverse_work *w = good && fact->facts->dns != NULL ? calloc(1, sizeof(*w)) : NULL;
	if (w == NULL) {
		fact_answer(fact, &(struct policy_facts){ .reverse = { .state = POLICY_REVERSE_NOT_KNOWN } });
		return;
	}
	*w = (struct reverse_work){ .fact = fact, .both_ways = policy_asks_way_back(context->checks), .open = 1 };
	fact->work = w;
	fact->working = true;
	dns_ask_records(fact->facts->dns, DNS_TYPE_PTR, buf_span(&name), on_names, w);
}
