/* SPDX-License-Identifier: Apache-2.0 */
/* `waybill send --wait`: looks until there is nothing more to see for now. */
#include <poll.h>

#include "cli_queue.h"
#include "cli_send.h"

#define WAIT_MS 60000u
#define LOOK_EVERY_MS 100

const char *send_outcome_name(enum send_outcome outcome)
{
	static const char *const names[] = { [SEND_DELIVERED] = "delivered", [SEND_DEFERRED] = "deferred",
		[SEND_FAILED] = "failed", [SEND_OPEN] = "open" };
	return names[outcome];
}

/* Deferred when nothing of what is left moves by itself within moments. */
static enum send_outcome of_queued(const json_t *left)
{
	static const char *const moving[] = { "nothing", "under-way", "its-turn", "bounce" };
	json_t *recipients = json_object_get(left, "recipients"), *r;
	size_t i;
	json_array_foreach(recipients, i, r)
		for (size_t m = 0; m < sizeof(moving) / sizeof(moving[0]); m++)
			if (strcmp(cli_text(r, "waits_for"), moving[m]) == 0)
				return SEND_OPEN;
	return json_array_size(recipients) > 0 ? SEND_DEFERRED : SEND_OPEN;
}

/* Of a message that is not in the queue. Without any result it may not have come into it yet. */
static enum send_outcome of_events(const json_t *events)
{
	enum send_outcome outcome = SEND_OPEN;
	json_t *e;
	size_t i;
	json_array_foreach(events, i, e) {
		const char *state = cli_text(e, "state");
		if (strcmp(state, "failed") == 0 || strcmp(state, "bounce-owed") == 0)
			return SEND_FAILED;
		if (strcmp(state, "delivered") == 0)
			outcome = SEND_DELIVERED;
	}
	return outcome;
}

/* The queue first: what left it has told its results before. */
static bool look(const struct send *s, enum send_outcome *outcome_out, int *exit_out)
{
	json_t *last = NULL, *left = cli_queue_left(s->options, s->id, exit_out);
	if (*exit_out != CLI_DONE)
		return false;
	if (left != NULL) {
		*outcome_out = of_queued(left);
		json_decref(left);
		return true;
	}
	json_t *events = cli_trace_fetch(s->options, s->id, &last, exit_out);
	bool answered = events != NULL && last != NULL;
	if (answered)
		*outcome_out = of_events(events);
	json_decref(events);
	json_decref(last);
	return answered;
}

bool send_wait(const struct send *s, enum send_outcome *outcome_out, int *exit_out)
{
	uint64_t until_ms = clock_mono_us() / 1000 + WAIT_MS;
	while (look(s, outcome_out, exit_out)) {
		if (*outcome_out != SEND_OPEN || clock_mono_us() / 1000 >= until_ms)
			return true;
		poll(NULL, 0, LOOK_EVERY_MS);
	}
	return false;
}
