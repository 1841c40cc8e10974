/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open questions of a channel: a growing table of slots, whose index and generation
 * make the request number, so that a late answer finds nobody. One coarse timer
 * sweeps the deadlines. The peer counts a question until it has answered it, so a slot
 * whose deadline passed stays taken until the answer came: both sides agree on the credits.
 */
#include "channel_private.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#define SLOT_BITS 14
#define SLOT_NONE UINT32_MAX
#define SLOTS_FIRST 64
#define SWEEP_MS 250

static_assert(CHANNEL_QUESTIONS_MAX == 1u << SLOT_BITS, "a slot's index fits its bits");

bool channel_type_asks(unsigned type)
{
	static bool known[IPC_TYPE_COUNT], filled;
	if (!filled) {
		for (unsigned i = 0; i < IPC_TYPE_COUNT; i++) {
			struct span name = span_str(ipc_type_name(i));
			known[i] = name.len > 4 && span_eq(span_from(name, name.len - 4), SPAN("_ASK"));
		}
		filled = true;
	}
	return type < IPC_TYPE_COUNT && known[type];
}

static uint32_t request_of(const struct channel *c, uint32_t slot)
{
	return slot | c->waiting[slot].generation << SLOT_BITS;
}

static void slot_release(struct channel *c, uint32_t slot)
{
	struct channel_waiting *w = &c->waiting[slot];
	c->waiting_count -= w->fn != NULL;
	w->fn = NULL;
	w->given_up = false;
	w->generation++;
	w->next_free = c->waiting_free;
	c->waiting_free = slot;
}

/* Ends a question. The slot is free before the caller's function runs: it may ask again. */
static void conclude(struct channel *c, uint32_t slot, const struct channel_message *answer)
{
	struct channel_waiting w = c->waiting[slot];
	slot_release(c, slot);
	w.fn(w.arg, answer);
}

/* Its deadline passed. */
static void give_up(struct channel *c, uint32_t slot)
{
	struct channel_waiting *w = &c->waiting[slot];
	channel_answer_fn *fn = w->fn;
	if (w->deadline_ms == 0) {
		conclude(c, slot, NULL);
		return;
	}
	w->fn = NULL;
	w->given_up = true;
	c->waiting_count--;
	fn(w->arg, NULL);
}

static void sweep(void *arg)
{
	struct channel *c = arg;
	uint64_t now = loop_now_ms(c->loop);
	channel_enter(c);
	c->deadline_set = false;
	for (uint32_t i = 0; i < c->waiting_cap && !c->closed; i++)
		if (c->waiting[i].fn != NULL && c->waiting[i].deadline_ms <= now)
			give_up(c, i);
	if (!c->closed && c->waiting_count > 0) {
		timer_set(c->deadline_timer, SWEEP_MS);
		c->deadline_set = true;
	}
	channel_leave(c);
}

bool channel_questions_init(struct channel *c)
{
	c->frame_at = CHANNEL_NO_FRAME;
	c->waiting_free = SLOT_NONE;
	c->deadline_timer = timer_open(c->loop, sweep, c);
	return c->deadline_timer != NULL;
}

void channel_questions_fini(struct channel *c)
{
	free(c->waiting);
}

void channel_questions_abandon(struct channel *c)
{
	timer_close(c->deadline_timer);
	c->deadline_timer = NULL;
	for (uint32_t i = 0; i < c->waiting_cap; i++)
		if (c->waiting[i].fn != NULL)
			conclude(c, i, NULL);
}

static bool slots_grow(struct channel *c)
{
	uint32_t cap = c->waiting_cap > 0 ? c->waiting_cap * 2 : SLOTS_FIRST;
	if (cap > CHANNEL_QUESTIONS_MAX)
		return false;
	struct channel_waiting *grown = realloc(c->waiting, cap * sizeof(*grown));
	if (grown == NULL)
		return false;
	c->waiting = grown;
	for (uint32_t i = cap; i-- > c->waiting_cap;) {
		grown[i] = (struct channel_waiting){ .next_free = c->waiting_free };
		c->waiting_free = i;
	}
	c->waiting_cap = cap;
	return true;
}

bool channel_question_add(struct channel *c, const struct channel_question *question, uint32_t *request_out)
{
	assert(channel_type_asks(question->type));
	if (c->waiting_free == SLOT_NONE && !slots_grow(c))
		return false;
	uint32_t slot = c->waiting_free;
	struct channel_waiting *w = &c->waiting[slot];
	c->waiting_free = w->next_free;
	c->waiting_count++;
	w->fn = question->fn;
	w->arg = question->arg;
	w->type = question->type;
	w->deadline_ms = loop_now_ms(c->loop) + question->timeout_ms;
	*request_out = request_of(c, slot);
	if (!c->deadline_set) {
		timer_set(c->deadline_timer, SWEEP_MS);
		c->deadline_set = true;
	}
	return true;
}

void channel_question_drop(struct channel *c, uint32_t request)
{
	slot_release(c, request & (CHANNEL_QUESTIONS_MAX - 1));
}

void channel_question_expire(struct channel *c, uint32_t request)
{
	c->waiting[request & (CHANNEL_QUESTIONS_MAX - 1)].deadline_ms = 0;
}

/* The question's slot, or NULL: none of this number was asked, or it got its answer. */
static struct channel_waiting *slot_of(struct channel *c, uint32_t request)
{
	uint32_t slot = request & (CHANNEL_QUESTIONS_MAX - 1);
	bool known = slot < c->waiting_cap && request_of(c, slot) == request;
	return known && (c->waiting[slot].fn != NULL || c->waiting[slot].given_up) ? &c->waiting[slot] : NULL;
}

/* An answer to a question that was answered before harms nobody. */
static bool was_asked(const struct channel *c, uint32_t request)
{
	uint32_t slot = request & (CHANNEL_QUESTIONS_MAX - 1);
	return slot < c->waiting_cap && request_of(c, slot) != request;
}

bool channel_question_unanswered(struct channel *c, uint32_t request)
{
	struct channel_waiting *w = slot_of(c, request);
	if (w == NULL)
		return was_asked(c, request);
	if (w->given_up)
		slot_release(c, (uint32_t)(w - c->waiting));
	else
		conclude(c, (uint32_t)(w - c->waiting), NULL);
	return true;
}

bool channel_question_answered(struct channel *c, const struct channel_message *answer)
{
	struct channel_waiting *w = slot_of(c, answer->request);
	bool fits = w != NULL && answer->type == w->type + 1 && ipc_body_valid(answer->type, answer->body);
	if (w == NULL ? !was_asked(c, answer->request) : !fits)
		return false;
	if (w != NULL && !w->given_up) {
		conclude(c, (uint32_t)(w - c->waiting), answer);
		return true;
	}
	if (w != NULL)
		slot_release(c, (uint32_t)(w - c->waiting));
	if (answer->fd >= 0)
		close(answer->fd);
	return true;
}
