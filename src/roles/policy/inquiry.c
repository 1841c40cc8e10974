/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A question about a client on its way: the checks are asked; what they need to know is
 * found; they are asked again, until they decide. Most need nothing and are answered at
 * once, without a copy of anything.
 */
#include <stdlib.h>

#include "lookups.h"

#define RECIPIENTS_BYTES_MAX (INQUIRY_TEXT_BYTES_MAX / 2) /* of more nobody's message is counted (check_rate.c) */

struct inquiry {
	struct policy_role *owner;
	struct policy_input input;
	struct facts_wait wait;
	uint64_t asked_ms, waited_ms; /* since when it waits for the DNS, 0: it does not; and how long it did before */
	struct service_question service_wait;
	struct policy_said (*said)[SMTP_STAGE_COUNT]; /* of each service; NULL: none was asked yet */
	uint64_t said_by;         /* the settings by which they were asked */
	struct arena text;        /* what input points to */
	struct lookup *lookup;    /* has what sources said; or NULL */
	unsigned looks;           /* how often they were asked: for the domain, if need be, and for the name */
	inquiry_fn *fn;
	struct inquirer from;
};

static void go_on(struct inquiry *q);

/*
 * How long one question waits for the DNS in all, whatever its checks need. What is looked for
 * by names that the client chose, whose name servers may be its own and hang, uses up no more
 * than the first part, so that DNS lists are asked in any case.
 */
#define DNS_MS_MAX 8000
#define DNS_NAMES_MS_MAX 5000

static void on_found(void *arg)
{
	struct inquiry *q = arg;
	if (q->asked_ms > 0)
		q->waited_ms += loop_now_ms(q->owner->role.loop) - q->asked_ms;
	q->asked_ms = 0;
	go_on(q);
}

static struct inquiry *inquiry_new(struct policy_role *p, const struct policy_input *input)
{
	struct inquiry *q = p->inquiry_count < POLICY_INQUIRIES_MAX ? calloc(1, sizeof(*q)) : NULL;
	if (q == NULL)
		return NULL;
	arena_init(&q->text, INQUIRY_TEXT_BYTES_MAX);
	q->owner = p;
	q->input = *input;
	q->wait = (struct facts_wait){ .fn = on_found, .arg = q, .into = &q->input.facts, .text = &q->text };
	q->service_wait = (struct service_question){ .fn = on_found, .arg = q, .text = &q->text };
	list_init(&q->wait.link);
	list_init(&q->wait.place);
	if (!arena_copy(&q->text, input->helo, &q->input.helo) || !arena_copy(&q->text, input->sender, &q->input.sender)
	    || !arena_copy(&q->text, input->recipient, &q->input.recipient)
	    || !arena_copy(&q->text, input->only_recipient, &q->input.only_recipient)
	    || !arena_copy(&q->text, input->instance, &q->input.instance)
	    || !arena_copy(&q->text, input->recipients.len <= RECIPIENTS_BYTES_MAX ? input->recipients : SPAN(""),
		    &q->input.recipients)) {
		arena_reset(&q->text);
		free(q);
		return NULL;
	}
	p->inquiry_count++;
	return q;
}

static void inquiry_free(struct inquiry *q)
{
	q->owner->inquiry_count--;
	lookup_free(q->lookup);
	arena_reset(&q->text);
	free(q);
}

/* After a reload another service may stand in the place of one that was asked. */
static void service_forget(struct inquiry *q)
{
	if (q->said_by == q->owner->services.tunes)
		return;
	q->said = NULL;
	q->input.facts.said = NULL;
	q->said_by = q->owner->services.tunes;
}

static struct delegate_request request_of(const struct policy_input *input, enum smtp_stage stage)
{
	const struct policy_reverse *reverse = &input->facts.reverse;
	struct span confirmed = reverse->state == POLICY_REVERSE_CONFIRMED ? reverse->name : (struct span){ NULL, 0 };
	return (struct delegate_request){ .stage = stage, .extended = input->extended, .client = input->client,
		.server = input->server, .client_port = input->client_port, .server_port = input->server_port,
		.client_name = confirmed, .reverse_client_name = reverse->name,
		.helo = input->helo, .sender = input->sender,
		.recipient = stage == SMTP_AT_END ? input->only_recipient : input->recipient,
		.recipient_count = input->recipient_count, .size = stage == SMTP_AT_END ? input->bytes : input->size,
		.instance = input->instance };
}

/* True: its answer is there, or there will be none. */
static bool service_find(struct inquiry *q, const struct conf_service *service, const struct policy_verdict *needs)
{
	if (q->said == NULL)
		q->said = arena_alloc(&q->text, POLICY_SERVICES_MAX * sizeof(*q->said));
	if (q->said == NULL) {
		q->input.facts.said_lost = true;
		return true;
	}
	q->input.facts.said = (const struct policy_said (*)[SMTP_STAGE_COUNT])q->said;
	q->service_wait.into = &q->said[needs->service][needs->stage];
	struct delegate_request request = request_of(&q->input, needs->stage);
	return services_ask(&q->owner->services, service, &request, &q->service_wait);
}

static bool fact_find(struct inquiry *q, const struct policy_context *context, enum policy_fact fact)
{
	uint64_t now_ms = loop_now_ms(q->owner->role.loop);
	uint64_t most = fact == POLICY_FACT_DNSLISTS || fact == POLICY_FACT_SPF ? DNS_MS_MAX : DNS_NAMES_MS_MAX;
	bool dns = fact != POLICY_FACT_MAILBOX;
	q->wait.until_ms = !dns ? UINT64_MAX : now_ms + (most > q->waited_ms ? most - q->waited_ms : 0);
	bool there = facts_find(&q->owner->facts, fact, context, &q->input, &q->wait);
	q->asked_ms = dns && !there ? now_ms : 0;
	return there;
}

static bool find(struct inquiry *q, const struct policy_context *context, const struct policy_verdict *needs)
{
	return needs->fact == POLICY_FACT_SERVICE ? service_find(q, &context->checks->services[needs->service], needs)
		: fact_find(q, context, needs->fact);
}

#define LOOKS_MAX 2

/* The recipient; the inquiry may be over before the thread is that looks it up. */
static bool recipient_of(struct lookup *l, uint8_t domain_text[static ADDRESS_DOMAIN_BYTES_MAX],
	struct directory_address *address)
{
	struct ipc_check_ask ask;
	return ipc_get_check_ask(span_of(l->body, l->body_len), &ask)
		&& policy_address(ask.recipient, domain_text, address);
}

/* On a thread: the one name that the checks look up, and those that it is an alias for. */
static void look(struct lookup *l)
{
	struct directory_address address;
	uint8_t domain_text[ADDRESS_DOMAIN_BYTES_MAX];
	if (!recipient_of(l, domain_text, &address))
		return;
	struct policy_context context = lookup_context(l);
	struct directory_match match = directory_lookup(&l->view, address);
	policy_end_find(&context, address, &match);
}

/* On a thread: the domain alone. Whether the name is looked up after it, the checks say. */
static void look_domain(struct lookup *l)
{
	struct directory_address address;
	uint8_t domain_text[ADDRESS_DOMAIN_BYTES_MAX];
	if (recipient_of(l, domain_text, &address))
		directory_domain_kind(&l->view, address.domain);
}

/* Whether an answer is missed that can be asked for. */
static bool misses(const struct lookup *l)
{
	return l != NULL && l->answers.missing && l->answers.ask != NULL;
}

static bool misses_domain(const struct inquiry *q)
{
	struct lookup *l = q->lookup;
	struct span domain = q->input.address.domain;
	l->answers.missing = false;
	if (domain.len > 0)
		directory_domain_kind(&l->view, domain);
	bool missing = l->answers.missing;
	l->answers.missing = true;
	return missing;
}

static void looked(struct lookup *l)
{
	struct inquiry *q = l->arg;
	q->lookup = l;
	go_on(q);
}

static struct policy_context context_with(const struct policy_role *p, struct lookup *lookup)
{
	return lookup != NULL ? lookup_context(lookup) : generation_context(p);
}

static struct policy_verdict decide(const struct policy_context *context, struct policy_input *input,
	struct policy_trail *trail)
{
	return input->dry ? policy_ask_dry(context, input, trail) : policy_ask(context, input, trail);
}

/* Each round finds names or one fact more, so there are few. A client that is refused anyway asks for no names: that
 * would cost time, and show in it. */
static void go_on(struct inquiry *q)
{
	struct policy_role *p = q->owner;
	struct policy_trail trail;
	struct policy_verdict verdict;
	struct policy_context context = context_with(p, q->lookup);
	service_forget(q);
	while (true) {
		verdict = decide(&context, &q->input, &trail);
		if (misses(q->lookup) && q->looks < LOOKS_MAX) {
			bool domain = q->looks == 0 && misses_domain(q);
			q->looks = domain ? 1 : LOOKS_MAX;
			q->lookup->arg = q;
			lookup_go(q->lookup, LOOKUP_MS_MAX, domain ? look_domain : look, looked);
			return;
		}
		if (verdict.opinion != POLICY_NEEDS)
			break;
		if (!find(q, &context, &verdict))
			return;
	}
	q->fn(&q->from, &(struct inquiry_answer){ &context, &q->input, &trail, &verdict });
	inquiry_free(q);
}

void inquiry_begin(const struct channel_message *question, struct policy_input *input, inquiry_fn *fn,
	const struct inquirer *from)
{
	struct policy_trail trail;
	struct policy_role *p = from->peer->owner;
	struct lookup *lookup = input->at == SMTP_AT_RCPT ? lookup_begin(from->peer, question) : NULL;
	struct policy_context context = context_with(p, lookup);
	struct policy_verdict verdict = decide(&context, input, &trail);
	bool open = verdict.opinion == POLICY_NEEDS || (lookup != NULL && lookup->answers.missing);
	struct inquiry *q = open ? inquiry_new(p, input) : NULL;
	if (q != NULL) {
		q->fn = fn;
		q->from = *from;
		q->lookup = lookup;
		go_on(q);
		return;
	}
	/* Too many wait already: this one goes without what it cannot wait for. */
	while (verdict.opinion == POLICY_NEEDS) {
		if (verdict.fact == POLICY_FACT_SERVICE)
			input->facts.said_lost = true;
		else
			facts_not_found(verdict.fact, &input->facts);
		verdict = decide(&context, input, &trail);
	}
	fn(from, &(struct inquiry_answer){ &context, input, &trail, &verdict });
	lookup_free(lookup);
}
