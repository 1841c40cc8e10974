/* SPDX-License-Identifier: Apache-2.0 */
/* Questions that wait for threads, threads that ask, and those that are not waited for any more. */
#include "lookups.h"

#include <assert.h>
#include <stdlib.h>

#include "clock.h"
#include "generation.h"

#define SWEEP_MS 250
#define PROBLEMS_AGAIN_US 10000000

struct lookup *lookup_begin(struct peer *peer, const struct channel_message *message)
{
	struct policy_role *p = peer->owner;
	if (p->lookups.set.count == 0 || p->used == NULL || p->lookups.count >= LOOKUPS_MAX)
		return NULL;
	struct lookup *l = calloc(1, sizeof(*l) + message->body.len);
	if (l == NULL)
		return NULL;
	l->role = p;
	l->peer = peer;
	l->incarnation = peer->incarnation;
	l->request = message->request;
	l->type = message->type;
	l->generation = generation_hold(p->used);
	l->body_len = message->body.len;
	memcpy(l->body, message->body.ptr, message->body.len);
	l->asking = (struct source_asking){ .set = &p->lookups.set, .now = true };
	directory_answers_init(&l->answers, l->generation->hash_key, source_set_ask, &l->asking);
	l->view = (struct directory_view){ l->generation->table, &l->answers };
	list_init(&l->link);
	p->lookups.count++;
	return l;
}

/* Without answers: what a source knows is unavailable. For a question whose thread is not waited for any more. */
static struct lookup *without_answers(const struct lookup *l)
{
	struct lookup *copy = malloc(sizeof(*copy) + l->body_len);
	if (copy == NULL)
		return NULL;
	memcpy(copy, l, sizeof(*copy) + l->body_len);
	generation_hold(copy->generation);
	directory_answers_init(&copy->answers, l->generation->hash_key, NULL, NULL);
	copy->view.answers = &copy->answers;
	list_init(&copy->link);
	l->role->lookups.count++;
	return copy;
}

void lookup_free(struct lookup *l)
{
	if (l == NULL)
		return;
	l->role->lookups.count--;
	list_remove(&l->link);
	directory_answers_fini(&l->answers);
	generation_release(l->generation);
	free(l);
}

struct policy_context lookup_context(struct lookup *l)
{
	struct policy_context context = generation_context_of(l->role, l->generation);
	context.directory = &l->view;
	return context;
}

struct channel_message lookup_message(const struct lookup *l)
{
	return (struct channel_message){ .from = l->peer->incarnation == l->incarnation ? l->peer->channel : NULL,
		.type = l->type, .request = l->request, .body = span_of(l->body, l->body_len), .fd = -1 };
}

static void run_next(struct policy_role *p, struct turns *turns);

/* Aliases with targets that are wrong: said now and then, not for each message to them. */
static void say_problems(struct policy_role *p, const struct directory_answers *answers)
{
	struct span rest = buf_span(&answers->problems);
	uint64_t now_us = clock_mono_us();
	if (rest.len == 0 || (p->lookups.problems_us > 0 && now_us - p->lookups.problems_us < PROBLEMS_AGAIN_US))
		return;
	p->lookups.problems_us = now_us;
	while (rest.len > 0) {
		size_t end = span_find(rest, '\n');
		log_text(LOG_OPERATOR, "directory-problem", "%.*s", SPAN_FMT(span_to(rest, end)));
		rest = span_from(rest, end + 1);
	}
}

/* Nobody is asked from here on. */
static void finish(struct lookup *l)
{
	l->answers.ask = NULL;
	l->done(l);
}

/* What was missed was asked for; more is known from memory alone, until it is asked for in its turn. */
static void finish_in_time(struct lookup *l)
{
	l->asking.but = 0;
	l->done(l);
}

/* Waits for its turn at the source whose answer was missed. */
static void wait_turn(struct lookup *l)
{
	struct lookups *all = &l->role->lookups;
	assert(l->asking.missed > 0);
	l->turns = &all->turns[l->asking.missed - 1];
	l->asking.but = l->asking.missed;
	l->asking.missed = 0;
	l->answers.missing = false;
	list_append(&l->turns->waiting, &l->link);
	run_next(l->role, l->turns);
}

static void on_looked(void *arg)
{
	struct lookup *l = arg;
	struct policy_role *p = l->role;
	struct turns *turns = l->turns;
	p->lookups.running--;
	turns->running--;
	list_remove(&l->link);
	sources_tell(p);
	if (l->abandoned) {
		lookup_free(l);
	} else if (l->answers.missing && l->asking.missed > 0 && clock_mono_us() < l->deadline_us) {
		wait_turn(l);
	} else {
		say_problems(p, &l->answers);
		finish_in_time(l);
	}
	run_next(p, turns);
}

static void on_thread(void *arg)
{
	struct lookup *l = arg;
	l->look(l);
}

static void run_next(struct policy_role *p, struct turns *turns)
{
	while (turns->running < turns->threads && !list_empty(&turns->waiting)) {
		struct lookup *l = LIST_ENTRY(turns->waiting.next, struct lookup, link);
		list_remove(&l->link);
		if (work_submit(p->role.loop, on_thread, on_looked, l) < 0) {
			finish(l);
			continue;
		}
		list_append(&p->lookups.asking, &l->link);
		p->lookups.running++;
		turns->running++;
	}
}

/* Who waits for a thread needs none any more. Patience differs, so all are looked at. */
static void sweep_waiting(struct turns *turns, uint64_t now_us, struct list *over)
{
	for (struct list *at = turns->waiting.next, *next; at != &turns->waiting; at = next) {
		struct lookup *l = LIST_ENTRY(at, struct lookup, link);
		next = at->next;
		if (l->deadline_us <= now_us) {
			list_remove(&l->link);
			list_append(over, &l->link);
		}
	}
}

/* Those whose time is over: who has a thread is answered without it. */
static void on_sweep(void *arg)
{
	struct policy_role *p = arg;
	uint64_t now_us = clock_mono_us();
	struct list over;
	list_init(&over);
	for (size_t i = 0; i < p->lookups.set.count; i++)
		sweep_waiting(&p->lookups.turns[i], now_us, &over);
	for (struct list *at = p->lookups.asking.next; at != &p->lookups.asking; at = at->next) {
		struct lookup *l = LIST_ENTRY(at, struct lookup, link);
		bool late = !l->abandoned && l->deadline_us + LOOKUP_GRACE_MS * 1000ull <= now_us;
		struct lookup *copy = late ? without_answers(l) : NULL;
		if (copy != NULL) {
			l->abandoned = true;
			list_append(&over, &copy->link);
		}
	}
	while (!list_empty(&over)) {
		struct lookup *l = LIST_ENTRY(over.next, struct lookup, link);
		list_remove(&l->link);
		finish(l);
	}
	if (p->lookups.count > 0)
		timer_set(p->lookups.sweep, SWEEP_MS);
}

void lookup_go(struct lookup *l, uint32_t ms, lookup_fn *look, lookup_fn *done)
{
	struct policy_role *p = l->role;
	l->look = look;
	l->done = done;
	l->deadline_us = clock_mono_us() + ms * 1000ull;
	l->asking.deadline_us = l->deadline_us;
	timer_set(p->lookups.sweep, SWEEP_MS);
	wait_turn(l);
}

void lookups_init(struct policy_role *p)
{
	for (size_t i = 0; i < SOURCE_SET_MAX; i++)
		list_init(&p->lookups.turns[i].waiting);
	list_init(&p->lookups.asking);
	p->lookups.sweep = timer_open(p->role.loop, on_sweep, p);
	if (p->lookups.sweep == NULL)
		role_fail(&p->role, "out of memory");
}
