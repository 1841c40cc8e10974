/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What DNS lists say of the client's address, its name and the sender's domain: all of them
 * are asked at once, and who lists one for its text, and whether it lists everybody. At the
 * deadline what has come counts. The resolver keeps answers as long
 * as their TTL says; what was found is kept here for a moment (facts.c).
 */
#include <stdlib.h>

#include "dnslist.h"
#include "facts.h"
#include "policy_role.h"

#define SAY_AGAIN_MS 3600000
#define NAME_BYTES (DNSLIST_NAME_BYTES_MAX + 1)
#define QUESTIONS_MAX ((size_t)CONF_DNSLISTS_MAX * CONF_DNSLIST_OF_COUNT)

struct list_work {
	struct dnslists_work *of;
	struct policy_listing listing; /* its spans point here */
	struct dnslist_subject subject; /* its name points to the fact's work */
	uint8_t zone[NAME_BYTES];
	uint8_t text[DNSLIST_TEXT_BYTES_MAX + 1];
};

struct dnslists_work {
	struct fact *fact;
	size_t open;  /* questions, and the beginning itself */
	size_t count;
	uint8_t helo[ADDRESS_DOMAIN_BYTES_MAX], sender[ADDRESS_DOMAIN_BYTES_MAX];
	struct list_work lists[]; /* one for each list and what is looked up in it */
};

void fact_dnslists_late(struct fact *fact, struct facts_wait *wait)
{
	struct dnslists_work *w = fact->work;
	struct policy_listing listings[QUESTIONS_MAX];
	if (w == NULL)
		return;
	for (size_t i = 0; i < w->count; i++)
		listings[i] = w->lists[i].listing;
	fact_say(fact, wait, &(struct policy_facts){ .listings = listings, .listing_count = w->count });
}

static void close_one(struct dnslists_work *w)
{
	struct fact *fact = w->fact;
	if (--w->open > 0)
		return;
	fact_dnslists_late(fact, NULL);
	fact->work = NULL;
	free(w);
	fact_idle(fact);
}

static void text_make(struct list_work *l, struct span from_list)
{
	struct buf text;
	buf_init_over(&text, l->text, sizeof(l->text));
	dnslist_text(&text, &l->subject, l->listing.zone, from_list);
	l->listing.text = buf_span(&text);
}

static void on_text(void *arg, const struct dns_records_answer *answer)
{
	struct list_work *l = arg;
	if (answer->status == DNS_OK && answer->count > 0)
		text_make(l, answer->records[0].text);
	close_one(l->of);
}

/* What is wrong with a list: now and then, not for each client. True: now. */
static bool say_now(struct list_work *l)
{
	struct facts *facts = l->of->fact->facts;
	uint64_t now_ms = loop_now_ms(facts->owner->role.loop);
	if (facts->said_list_ms != 0 && now_ms - facts->said_list_ms < SAY_AGAIN_MS)
		return false;
	facts->said_list_ms = now_ms;
	return true;
}

static void say_closed(struct list_work *l, const struct netaddr *code)
{
	if (say_now(l))
		log_text(LOG_OPERATOR, "dnslist-closed",
			"%.*s answers 127.255.255.%u: it does not want to be asked from here, and has no opinion on any client; "
			"see its terms, or take it out of the configuration", SPAN_FMT(l->listing.zone), (unsigned)code->bytes[3]);
}

static void say_everybody(struct list_work *l)
{
	if (say_now(l))
		log_text(LOG_OPERATOR, "dnslist-everybody",
			"%.*s lists even what no list may (RFC 5782 section 5): it was given up, and has no opinion on any client; "
			"take it out of the configuration", SPAN_FMT(l->listing.zone));
}

static void ask(struct list_work *l, enum dns_type type, bool probe, dns_records_fn *fn)
{
	uint8_t memory[NAME_BYTES];
	struct buf name;
	buf_init_over(&name, memory, sizeof(memory));
	if (!(probe ? dnslist_probe : dnslist_question)(&name, &l->subject, l->listing.zone))
		return;
	l->of->open++;
	dns_ask_records(l->of->fact->facts->dns, type, buf_span(&name), fn, l);
}

static enum dnslist_opinion opinion_of(const struct dns_records_answer *answer, struct policy_listing *into,
	struct netaddr *code_out)
{
	static const struct netblock all = { .addr = { 4, { 127 } }, .prefix_bits = 8 };
	static const struct conf_networks any = { &all, 1 };
	into->answered = answer->status == DNS_OK || answer->status == DNS_NO_NAME || answer->status == DNS_NO_DATA;
	for (size_t i = 0; i < answer->count && into->code_count < DNSLIST_CODES_MAX; i++)
		into->codes[into->code_count++] = answer->records[i].addr;
	return dnslist_opinion(into->answered, into->codes, into->code_count, &any, code_out);
}

static void on_probe(void *arg, const struct dns_records_answer *answer)
{
	struct list_work *l = arg;
	struct policy_listing probe = { .answered = false };
	struct netaddr code;
	l->listing.everybody = opinion_of(answer, &probe, &code) == DNSLIST_LISTED;
	if (l->listing.everybody)
		say_everybody(l);
	close_one(l->of);
}

static void on_codes(void *arg, const struct dns_records_answer *answer)
{
	struct list_work *l = arg;
	struct netaddr code;
	enum dnslist_opinion opinion = opinion_of(answer, &l->listing, &code);
	if (opinion == DNSLIST_CLOSED)
		say_closed(l, &code);
	if (opinion == DNSLIST_LISTED) {
		text_make(l, (struct span){ NULL, 0 });
		if (!l->of->fact->answered) {
			ask(l, DNS_TYPE_A, true, on_probe);
			ask(l, DNS_TYPE_TXT, false, on_text);
		}
	}
	close_one(l->of);
}

/* As a list is asked for it; empty when it is no name of the DNS. */
static struct span name_of(struct span text, uint8_t out[static ADDRESS_DOMAIN_BYTES_MAX])
{
	if (text.len > 0 && text.ptr[text.len - 1] == '.')
		text = span_to(text, text.len - 1);
	bool good = span_find(text, '.') < text.len && span_find(text, '[') == text.len;
	return span_of(out, good ? address_domain_ascii(text, out) : 0);
}

/* What is looked up; false: the client does not have it. */
static bool subject_of(struct dnslists_work *w, enum conf_dnslist_of of, struct dnslist_subject *out)
{
	struct address sender;
	*out = (struct dnslist_subject){ .of = of, .client = w->fact->input.client };
	if (of == CONF_DNSLIST_CLIENT)
		return true;
	if (of == CONF_DNSLIST_HELO)
		out->name = name_of(w->fact->input.helo, w->helo);
	else if (address_parse(w->fact->input.sender, &sender) && !sender.literal)
		out->name = name_of(sender.domain, w->sender);
	return out->name.len > 0;
}

static void list_add(struct dnslists_work *w, struct span zone, enum conf_dnslist_of of)
{
	struct list_work *l = &w->lists[w->count];
	if (zone.len == 0 || zone.len > sizeof(l->zone) || !subject_of(w, of, &l->subject))
		return;
	memcpy(l->zone, zone.ptr, zone.len);
	l->of = w;
	l->listing.zone = span_of(l->zone, zone.len);
	l->listing.of = of;
	w->count++;
}

static struct dnslists_work *work_new(struct fact *fact, const struct conf_checks *checks)
{
	size_t most = 0;
	for (size_t i = 0; i < checks->list_count; i++)
		most += checks->lists[i].of.count;
	struct dnslists_work *w = fact->facts->dns != NULL ? calloc(1, sizeof(*w) + most * sizeof(w->lists[0])) : NULL;
	if (w == NULL)
		return NULL;
	w->fact = fact;
	w->open = 1;
	for (size_t i = 0; i < checks->list_count; i++)
		for (size_t n = 0; n < checks->lists[i].of.count; n++)
			list_add(w, checks->lists[i].zone, (enum conf_dnslist_of)checks->lists[i].of.items[n]);
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
		ask(&w->lists[i], DNS_TYPE_A, false, on_codes);
	close_one(w);
}
