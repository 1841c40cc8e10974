/* SPDX-License-Identifier: Apache-2.0 */
/* Attempts as steps of a story, each with what it is told. */
#ifndef WAYBILL_TESTS_GREYLIST_TEST_H
#define WAYBILL_TESTS_GREYLIST_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "greylist_rows.h"

#define MINUTE 60
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define EPOCH_S 1800000000

static const struct greylist_options usual = { .delay_ms = 300000, .return_ms = UINT64_C(2) * DAY * 1000,
	.keep_ms = UINT64_C(35) * DAY * 1000, .known_after = 3, .entries_max = 1000 };
static const uint64_t secret[2] = { 11, 22 };

struct step {
	int64_t at_s;               /* since the story began; may go back */
	const char *client;
	bool spf;                   /* passes for the sender's domain */
	const char *sender, *recipient; /* NULL: as in the step before */
	enum greylist_outcome outcome;
	uint64_t wait_s;
	const char *origin;         /* NULL: not looked at */
};

static struct greylist_question question(const char *client, const char *sender, const char *recipient, bool spf)
{
	static struct greylist_question made[4]; /* what copies point into */
	static unsigned at;
	struct greylist_question *q = &made[at++ % 4];
	struct greylist_attempt attempt = { .helo = SPAN("mail.helo.test"), .sender = span_str(sender),
		.recipient = span_str(recipient) };
	assert_true(netaddr_parse(span_str(client), &attempt.client));
	greylist_question_make(q, &attempt);
	q->authenticated = spf;
	return *q;
}

static inline struct greylist *greylist_with(const struct greylist_options *options)
{
	struct greylist *g = greylist_new(secret);
	assert_non_null(g);
	greylist_tune(g, options);
	return g;
}

static inline uint64_t story_ms(int64_t at_s)
{
	return (uint64_t)(EPOCH_S + at_s) * 1000;
}

/* One attempt: the answer, which is also recorded. */
static inline struct greylist_verdict attempt_at(struct greylist *g, const struct greylist_question *q, int64_t at_s)
{
	struct greylist_verdict verdict = greylist_look(g, q, story_ms(at_s));
	greylist_settle(g, q, story_ms(at_s));
	return verdict;
}

static inline void tell(struct greylist *g, const struct step *steps, size_t count)
{
	const char *sender = NULL, *recipient = NULL, *client = NULL;
	for (size_t i = 0; i < count; i++) {
		const struct step *s = &steps[i];
		sender = s->sender != NULL ? s->sender : sender;
		recipient = s->recipient != NULL ? s->recipient : recipient;
		client = s->client != NULL ? s->client : client;
		struct greylist_question q = question(client, sender, recipient, s->spf);
		struct greylist_verdict v = greylist_look(g, &q, story_ms(s->at_s));
		if (v.outcome != s->outcome || v.wait_ms != s->wait_s * 1000
		    || (s->origin != NULL && !span_eq(v.origin, span_str(s->origin))))
			fail_msg("step %zu, %s from %s: outcome %d, %llu ms to wait, origin %.*s", i, sender, client, v.outcome,
				(unsigned long long)v.wait_ms, SPAN_FMT(v.origin));
		greylist_settle(g, &q, story_ms(s->at_s));
	}
}

#define TELL(g, steps) tell(g, steps, sizeof(steps) / sizeof((steps)[0]))

#endif
