/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A question about a client on its way: the checks are asked; what they need to know is
 * found; they are asked again, until they decide. Most need nothing and are answered at
 * once, without a copy of anything.
 */
#include <stdlib.h>

#include "policy_role.h"

struct inquiry {
	struct policy_role *owner;
	struct policy_input input;
	struct facts_wait wait;
	struct arena text;        /* what input points to */
	inquiry_fn *fn;
	struct inquirer from;
};

static void go_on(struct inquiry *q);

static void on_found(void *arg)
{
	go_on(arg);
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
	list_init(&q->wait.link);
	if (!arena_copy(&q->text, input->helo, &q->input.helo) || !arena_copy(&q->text, input->sender, &q->input.sender)
	    || !arena_copy(&q->text, input->recipient, &q->input.recipient)) {
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
	arena_reset(&q->text);
	free(q);
}

/* Each round finds one fact more, so there are few. */
static void go_on(struct inquiry *q)
{
	struct policy_role *p = q->owner;
	struct policy_trail trail;
	struct policy_verdict verdict;
	struct policy_context context = generation_context(p);
	while ((verdict = policy_ask(&context, &q->input, &trail)).opinion == POLICY_NEEDS)
		if (!facts_find(&p->facts, verdict.fact, &q->input, &q->wait))
			return;
	q->fn(&q->from, &(struct inquiry_answer){ &context, &q->input, &trail, &verdict });
	inquiry_free(q);
}

void inquiry_begin(struct policy_role *p, struct policy_input *input, inquiry_fn *fn, const struct inquirer *from)
{
	struct policy_trail trail;
	struct policy_context context = generation_context(p);
	struct policy_verdict verdict = policy_ask(&context, input, &trail);
	struct inquiry *q = verdict.opinion == POLICY_NEEDS ? inquiry_new(p, input) : NULL;
	if (q != NULL) {
		q->fn = fn;
		q->from = *from;
		go_on(q);
		return;
	}
	/* Too many wait already: this one goes without what it cannot wait for. */
	while (verdict.opinion == POLICY_NEEDS) {
		facts_not_found(verdict.fact, &input->facts);
		verdict = policy_ask(&context, input, &trail);
	}
	fn(from, &(struct inquiry_answer){ &context, input, &trail, &verdict });
}
