/* SPDX-License-Identifier: Apache-2.0 */
/* Who looks for what, for whom, until when. */
#include "facts.h"

#include <stdlib.h>

#include "clock.h"
#include "policy_role.h"

#define SWEEP_MS 250
#define SAY_LATE_MS 60000

/* What a fact depends on: a set of bits. */
enum {
	ON_CLIENT = 1, ON_HELO = 2, ON_SENDER = 4, ON_SENDER_DOMAIN = 8, ON_RECIPIENT = 16 /* and the size */,
	ON_WAY_BACK = 32 /* that was asked too */
};

static const struct fact_form {
	const char *who;                 /* did not answer in time */
	unsigned depends;
	void (*begin)(struct fact *fact, const struct policy_context *context);
	void (*late)(struct fact *fact, struct facts_wait *wait); /* says a part at the deadline; or NULL */
	void (*drop)(struct fact *fact); /* or NULL */
	uint64_t patience_ms, kept_ms;
	size_t asking_max;               /* looked for at once; beyond, nothing is found */
	struct policy_facts not_found;
} forms[POLICY_FACT_COUNT] = {
	[POLICY_FACT_SPF] = { .who = "the DNS", .depends = ON_CLIENT | ON_HELO | ON_SENDER, .begin = fact_spf_begin,
		.drop = fact_spf_drop, .patience_ms = FACTS_SPF_PATIENCE_MS, .kept_ms = 30000,
		.asking_max = 500 /* of 64 KiB each */,
		.not_found = { .spf = { .result = SPF_TEMPERROR, .reason = SPAN("the DNS did not answer in time") } } },
	[POLICY_FACT_SENDER_DOMAIN] = { .who = "the DNS", .depends = ON_SENDER_DOMAIN, .begin = fact_domain_begin,
		.patience_ms = FACTS_DOMAIN_PATIENCE_MS, .kept_ms = 30000, .asking_max = 2000,
		.not_found = { .sender_domain = POLICY_DOMAIN_NOT_KNOWN } },
	[POLICY_FACT_HELO] = { .who = "the DNS", .depends = ON_HELO, .begin = fact_domain_begin,
		.patience_ms = FACTS_DOMAIN_PATIENCE_MS, .kept_ms = 30000, .asking_max = 2000,
		.not_found = { .helo_domain = POLICY_DOMAIN_NOT_KNOWN } },
	[POLICY_FACT_REVERSE] = { .who = "the DNS", .depends = ON_CLIENT, .begin = fact_reverse_begin,
		.late = fact_reverse_late, .patience_ms = FACTS_REVERSE_PATIENCE_MS, .kept_ms = 30000,
		.asking_max = 2000 /* of 1.5 KiB each */, .not_found = { .reverse = { .state = POLICY_REVERSE_NOT_KNOWN } } },
	[POLICY_FACT_DNSLISTS] = { .who = "a DNS list", .depends = ON_CLIENT, .begin = fact_dnslists_begin,
		.late = fact_dnslists_late, .patience_ms = FACTS_DNSLISTS_PATIENCE_MS, .kept_ms = 30000,
		.asking_max = 1000 /* of 0.6 KiB for each list and what is looked up in it */ },
	[POLICY_FACT_MAILBOX] = { .who = "delivery", .depends = ON_RECIPIENT, .begin = fact_mailbox_begin,
		.patience_ms = FACTS_MAILBOX_PATIENCE_MS, .asking_max = 10000,
		.not_found = { .mailbox = POLICY_MAILBOX_NOT_KNOWN } },
};

/* DNS lists are asked about what their configuration says, and so are the addresses of a name. */
static unsigned depends(enum policy_fact which, const struct policy_context *context)
{
	static const unsigned of[CONF_DNSLIST_OF_COUNT] = { [CONF_DNSLIST_CLIENT] = ON_CLIENT,
		[CONF_DNSLIST_HELO] = ON_HELO, [CONF_DNSLIST_SENDER] = ON_SENDER_DOMAIN };
	unsigned on = forms[which].depends;
	if (which == POLICY_FACT_REVERSE && policy_asks_way_back(context->checks))
		on |= ON_WAY_BACK;
	for (size_t i = 0; which == POLICY_FACT_DNSLISTS && i < context->checks->list_count; i++)
		for (size_t n = 0; n < context->checks->lists[i].of.count; n++)
			on |= of[context->checks->lists[i].of.items[n]];
	return on;
}

/* Facts with the same key are the same. */
static void key_make(enum policy_fact which, unsigned on, const struct policy_input *input, struct buf *key)
{
	struct address sender;
	buf_add_byte(key, (uint8_t)which);
	buf_add_byte(key, (uint8_t)on);
	if ((on & ON_CLIENT) != 0) {
		buf_add_byte(key, input->client.family);
		buf_add(key, span_of(input->client.bytes, sizeof(input->client.bytes)));
	}
	if ((on & ON_HELO) != 0)
		buf_add(key, input->helo);
	buf_add_byte(key, 0);
	if ((on & ON_SENDER) != 0)
		buf_add(key, input->sender);
	if ((on & ON_SENDER_DOMAIN) != 0 && address_parse(input->sender, &sender))
		buf_add(key, sender.domain);
	if ((on & ON_RECIPIENT) != 0) {
		buf_add_u64(key, input->size);
		buf_add(key, input->recipient);
	}
}

static void on_sweep(void *arg);

void facts_init(struct facts *facts, struct policy_role *owner, struct dns *dns)
{
	struct id_source chance = clock_id_source();
	*facts = (struct facts){ .owner = owner, .dns = dns };
	facts->hash_key[0] = id_source_u64(&chance);
	facts->hash_key[1] = id_source_u64(&chance);
	map_init(&facts->map);
	list_init(&facts->waiting);
	for (int which = 0; which < POLICY_FACT_COUNT; which++) {
		list_init(&facts->of[which].asking);
		list_init(&facts->of[which].kept);
	}
	facts->timer = timer_open(owner->role.loop, on_sweep, facts);
	if (facts->timer == NULL)
		role_fail(&owner->role, "out of memory");
}

static uint64_t now_of(const struct facts *facts)
{
	return loop_now_ms(facts->owner->role.loop);
}

/* --- one fact --- */

/* Without an arena it is one that needs no copy. */
static struct span copied(struct arena *text, struct span from)
{
	struct span copy;
	if (text == NULL)
		return from;
	return arena_copy(text, from, &copy) ? copy : (struct span){ NULL, 0 };
}

/* Without memory, as of lists that were not asked. */
static void listings_copy(const struct policy_facts *from, struct policy_facts *to, struct arena *text)
{
	struct policy_listing *copy = text != NULL && from->listing_count > 0
		? arena_alloc(text, from->listing_count * sizeof(*copy)) : NULL;
	to->listings = copy;
	to->listing_count = copy != NULL ? from->listing_count : 0;
	for (size_t i = 0; i < to->listing_count; i++) {
		copy[i] = from->listings[i];
		copy[i].zone = copied(text, copy[i].zone);
		copy[i].text = copied(text, copy[i].text);
	}
}

/* One fact of `from` into `to`. */
static void known_copy(enum policy_fact which, const struct policy_facts *from, struct policy_facts *to,
	struct arena *text)
{
	to->known |= (uint8_t)POLICY_FACT(which);
	switch (which) {
	case POLICY_FACT_SPF:
		to->spf = (struct policy_spf){ .result = from->spf.result, .scope = from->spf.scope,
			.domain = copied(text, from->spf.domain), .mechanism = copied(text, from->spf.mechanism),
			.reason = copied(text, from->spf.reason) };
		break;
	case POLICY_FACT_SENDER_DOMAIN:
		to->sender_domain = from->sender_domain;
		break;
	case POLICY_FACT_HELO:
		to->helo_domain = from->helo_domain;
		break;
	case POLICY_FACT_REVERSE:
		to->reverse = (struct policy_reverse){ from->reverse.state, copied(text, from->reverse.name) };
		break;
	case POLICY_FACT_DNSLISTS:
		listings_copy(from, to, text);
		break;
	case POLICY_FACT_MAILBOX:
		to->mailbox = from->mailbox;
		break;
	case POLICY_FACT_COUNT:
		break;
	}
}


void facts_not_found(enum policy_fact which, struct policy_facts *into)
{
	known_copy(which, &forms[which].not_found, into, NULL);
}

static struct fact *first_of(struct list *order)
{
	return list_empty(order) ? NULL : LIST_ENTRY(order->next, struct fact, order);
}

static void fact_free(struct fact *fact)
{
	struct facts_of *of = &fact->facts->of[fact->which];
	if (fact->filed) {
		map_remove(&fact->facts->map, &fact->link);
		list_remove(&fact->order);
		if (fact->answered)
			of->kept_count--;
		else
			of->asking_count--;
		fact->filed = false;
	}
	if (fact->working)
		return; /* fact_idle does it */
	arena_reset(&fact->text);
	free(fact);
}

static void tell(struct fact *fact)
{
	while (!list_empty(&fact->waits)) {
		struct facts_wait *wait = LIST_ENTRY(fact->waits.next, struct facts_wait, link);
		list_remove(&wait->link);
		list_remove(&wait->place);
		known_copy(fact->which, &fact->known, wait->into, wait->text);
		wait->fn(wait->arg);
	}
}

void fact_answer(struct fact *fact, const struct policy_facts *known)
{
	struct facts_of *of = &fact->facts->of[fact->which];
	if (fact->answered)
		return; /* too late */
	known_copy(fact->which, known, &fact->known, &fact->text);
	list_remove(&fact->order);
	of->asking_count--;
	if (of->kept_count >= FACTS_KEPT_MAX)
		fact_free(first_of(&of->kept));
	of->kept_count++;
	fact->answered = true;
	fact->until_ms = now_of(fact->facts) + forms[fact->which].kept_ms;
	list_append(&of->kept, &fact->order);
	tell(fact);
}

void fact_say(struct fact *fact, struct facts_wait *wait, const struct policy_facts *known)
{
	if (wait != NULL)
		known_copy(fact->which, known, wait->into, wait->text);
	else
		fact_answer(fact, known);
}

void fact_idle(struct fact *fact)
{
	fact->working = false;
	if (!fact->filed)
		fact_free(fact);
}

/* --- all of them --- */

static void say_late(struct facts *facts, uint64_t now_ms)
{
	if (facts->said_late_ms != 0 && now_ms - facts->said_late_ms < SAY_LATE_MS)
		return;
	for (int which = 0; which < POLICY_FACT_COUNT; which++) {
		struct facts_of *of = &facts->of[which];
		if (of->late == 0)
			continue;
		log_text(LOG_TRANSIENT, "facts-late",
			"%llu times %s did not answer within %llu ms; nobody is refused for good for it",
			(unsigned long long)of->late, forms[which].who, (unsigned long long)forms[which].patience_ms);
		of->late = 0;
		facts->said_late_ms = now_ms;
	}
}

static bool sweep(struct facts *facts, enum policy_fact which, uint64_t now_ms)
{
	struct facts_of *of = &facts->of[which];
	struct fact *fact;
	while ((fact = first_of(&of->asking)) != NULL && fact->until_ms <= now_ms) {
		of->late++;
		if (forms[which].late != NULL)
			forms[which].late(fact, NULL);
		fact_answer(fact, &forms[which].not_found);
		if (forms[which].drop != NULL)
			forms[which].drop(fact);
	}
	while ((fact = first_of(&of->kept)) != NULL && fact->until_ms <= now_ms)
		fact_free(fact);
	return of->asking_count + of->kept_count > 0;
}

/* Goes on without the fact, or with what has come of it. */
static void wait_end(struct facts_wait *wait)
{
	enum policy_fact which = wait->fact->which;
	list_remove(&wait->link);
	list_remove(&wait->place);
	known_copy(which, &forms[which].not_found, wait->into, wait->text);
	if (forms[which].late != NULL)
		forms[which].late(wait->fact, wait);
	wait->fn(wait->arg);
}

/* Whose patience is over. */
static void waits_sweep(struct facts *facts, uint64_t now_ms)
{
	struct list over;
	list_init(&over);
	for (struct list *at = facts->waiting.next, *next; at != &facts->waiting; at = next) {
		next = at->next;
		if (LIST_ENTRY(at, struct facts_wait, place)->until_ms > now_ms)
			continue;
		list_remove(at);
		list_append(&over, at);
	}
	while (!list_empty(&over))
		wait_end(LIST_ENTRY(over.next, struct facts_wait, place));
}

static void on_sweep(void *arg)
{
	struct facts *facts = arg;
	uint64_t now_ms = now_of(facts);
	facts->sweeping = false;
	waits_sweep(facts, now_ms);
	for (int which = 0; which < POLICY_FACT_COUNT; which++)
		facts->sweeping |= sweep(facts, (enum policy_fact)which, now_ms);
	say_late(facts, now_ms);
	if (facts->sweeping)
		timer_set(facts->timer, SWEEP_MS);
}

/* The fact of that key, if it is looked for or still good. */
static struct fact *find(const struct facts *facts, struct span key, uint64_t hash)
{
	struct map_link *link = map_first(&facts->map, hash);
	for (; link != NULL; link = map_next(link)) {
		struct fact *fact = MAP_ENTRY(link, struct fact, link);
		if (!span_eq(span_of(fact->key, fact->key_bytes), key))
			continue;
		if (!fact->answered || fact->until_ms > now_of(facts))
			return fact;
		fact_free(fact);
		return NULL;
	}
	return NULL;
}

static void begin_file(struct fact *fact, const struct policy_input *input)
{
	struct facts *facts = fact->facts;
	struct facts_of *of = &facts->of[fact->which];
	fact->filed = true;
	fact->until_ms = now_of(facts) + forms[fact->which].patience_ms;
	list_init(&fact->waits);
	arena_init(&fact->text, FACTS_TEXT_BYTES_MAX);
	fact->input = (struct policy_input){ .client = input->client, .trusted = input->trusted, .lmtp = input->lmtp,
		.size = input->size,
		.helo = copied(&fact->text, input->helo), .sender = copied(&fact->text, input->sender),
		.recipient = copied(&fact->text, input->recipient) };
	list_append(&of->asking, &fact->order);
	of->asking_count++;
	if (!facts->sweeping)
		timer_set(facts->timer, SWEEP_MS);
	facts->sweeping = true;
}

static struct fact *begin(struct facts *facts, enum policy_fact which, const struct policy_context *context,
	const struct policy_input *input, struct span key)
{
	bool room = facts->of[which].asking_count < forms[which].asking_max;
	struct fact *fact = room ? calloc(1, sizeof(*fact) + key.len) : NULL;
	if (fact == NULL)
		return NULL;
	*fact = (struct fact){ .facts = facts, .which = which, .key_bytes = key.len };
	memcpy(fact->key, key.ptr, key.len);
	if (!map_insert(&facts->map, &fact->link, map_hash(facts->hash_key, key))) {
		free(fact);
		return NULL;
	}
	begin_file(fact, input);
	forms[which].begin(fact, context);
	return fact;
}

bool facts_find(struct facts *facts, enum policy_fact which, const struct policy_context *context,
	const struct policy_input *input, struct facts_wait *wait)
{
	struct buf key;
	uint8_t memory[FACTS_KEY_BYTES_MAX];
	struct fact *fact = NULL;
	bool patient = wait->until_ms > now_of(facts);
	buf_init_over(&key, memory, sizeof(memory));
	key_make(which, depends(which, context), input, &key);
	if (!key.failed) {
		fact = find(facts, buf_span(&key), map_hash(facts->hash_key, buf_span(&key)));
		if (fact == NULL && patient)
			fact = begin(facts, which, context, input, buf_span(&key));
	}
	if (fact != NULL && !fact->answered && patient) {
		wait->fact = fact;
		list_append(&fact->waits, &wait->link);
		list_append(&facts->waiting, &wait->place);
		return false;
	}
	if (fact != NULL && fact->answered)
		known_copy(which, &fact->known, wait->into, wait->text);
	else
		facts_not_found(which, wait->into);
	return true;
}
