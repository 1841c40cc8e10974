/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What DNS lists say of the client's address: all of them are asked at once, and who lists
 * it for its text. At the deadline what has come counts. The resolver keeps answers as long
 * as their TTL says; what was found is kept here for a moment (facts.c).
 */
#include <stdlib.h>

#include "dnslist.h"
#include "facts.h"
#include "policy_role.h"

#define SAY_CLOSED_MS 3600000
#define NAME_BYTES (DNSLIST_NAME_BYTES_MAX + 1)

struct list_work {
	struct dnslists_work *of;
	struct policy_listing listing; /* its spans point here */
	uint8_t zone[NAME_BYTES];
	uint8_t text[DNSLIST_TEXT_BYTES_MAX + 1];
};

struct dnslists_work {
	struct fact *fact;
	size_t open;  /* questions, and the beginning itself */
	size_t count;
	struct list_work lists[CONF_DNSLISTS_MAX];
};

void fact_dnslists_late(struct fact *fact)
{
	struct dnslists_work *w = fact->work;
	struct policy_listing listings[CONF_DNSLISTS_MAX];
	if (w == NULL)
		return;
	for (size_t i = 0; i < w->count; i++)
		listings[i] = w->lists[i].listing;
	fact_answer(fact, &(struct policy_facts){ .listings = listings, .listing_count = w->count });
}

static void close_one(struct dnslists_work *w)
{
	struct fact *fact = w->fact;
	if (--w->open > 0)
		return;
	fact_dnslists_late(fact);
	fact->work = NULL;
	free(w);
	fact_idle(fact);
}

static void text_make(struct list_work *l, struct span from_list)
{
	struct buf text;
	buf_init_over(&text, l->text, sizeof(l->text));
	dnslist_text(&text, &l->of->fact->input.client, l->listing.zone, from_list);
	l->listing.text = buf_span(&text);
}

static void on_text(void *arg, const struct dns_records_answer *answer)
{
	struct list_work *l = arg;
	if (answer->status == DNS_OK && answer->count > 0)
		text_make(l, answer->records[0].text);
	close_one(l->of);
}

/* That a list does not want to be asked: now and then, not for each client. */
static void say_closed(struct list_work *l, const struct netaddr *code)
{
	struct facts *facts = l->of->fact->facts;
	uint64_t now_ms = loop_now_ms(facts->owner->role.loop);
	if (facts->said_closed_ms != 0 && now_ms - facts->said_closed_ms < SAY_CLOSED_MS)
		return;
	facts->said_closed_ms = now_ms;
	log_text(LOG_OPERATOR, "dnslist-closed",
		"%.*s answers 127.255.255.%u: it does not want to be asked from here, and has no opinion on any client; see "
		"its terms, or take it out of the configuration", SPAN_FMT(l->listing.zone), (unsigned)code->bytes[3]);
}

static void ask(struct list_work *l, enum dns_type type, dns_records_fn *fn)
{
	uint8_t memory[NAME_BYTES];
	struct buf name;
	buf_init_over(&name, memory, sizeof(memory));
	if (!dnslist_name(&name, &l->of->fact->input.client, l->listing.zone))
		return;
	l->of->open++;
	dns_ask_records(l->of->fact->facts->dns, type, buf_span(&name), fn, l);
}

static void on_codes(void *arg, const struct dns_records_answer *answer)
{
	static const struct netblock all = { .addr = { 4, { 127 } }, .prefix_bits = 8 };
	static const struct conf_networks any = { &all, 1 };
	struct list_work *l = arg;
	struct policy_listing *listing = &l->listing;
	struct netaddr code;
	listing->answered = answer->status == DNS_OK || answer->status == DNS_NO_NAME || answer->status == DNS_NO_DATA;
	for (size_t i = 0; i < answer->count && listing->code_count < DNSLIST_CODES_MAX; i++)
		listing->codes[listing->code_count++] = answer->records[i].addr;
	enum dnslist_opinion opinion = dnslist_opinion(listing->answered, listing->codes, listing->code_count, &any, &code);
	if (opinion == DNSLIST_CLOSED)
		say_closed(l, &code);
	if (opinion == DNSLIST_LISTED) {
		text_make(l, (struct span){ NULL, 0 });
		if (!l->of->fact->answered)
			ask(l, DNS_TYPE_TXT, on_text);
	}
	close_one(l->of);
}

static struct dnslists_work *work_new(struct fact *fact, const struct conf_checks *checks)
{
	struct dnslists_work *w = fact->facts->dns != NULL ? calloc(1, sizeof(*w)) : NULL;
	if (w == NULL)
		return NULL;
	w->fact = fact;
	w->open = 1;
	for (size_t i = 0; i < checks->list_count; i++) {
		struct list_work *l = &w->lists[w->count];
		struct span zone = checks->lists[i].zone;
		if (zone.len == 0 || zone.len > sizeof(l->zone))
			continue;
		memcpy(l->zone, zone.ptr, zone.len);
		l->of = w;
		l->listing.zone = span_of(l->zone, zone.len);
		w->count++;
	}
	return w;
}

void fact_dnslists_begin(struct fact *fact, const struct policy_context *context)
{
	struct dnslists_work *w = work_new(fact, context->checks);
	if (w == NULL) {
		fact_answer(fact, &(struct policy_facts){ .listing_count = 0 });
		return;
	}
	fact->work = w;
	fact->working = true;
	for (size_t i = 0; i < w->count; i++)
		ask(&w->lists[i], DNS_TYPE_A, on_codes);
	close_one(w);
}
