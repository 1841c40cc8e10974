/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue's answers as JSON, in the shapes that waybill(1) documents. Bytes that are
 * not UTF-8 are escaped, numbers beyond the tables below become "?".
 */
#include "console.h"
#include "utf8.h"

static const char *const states[] = { "pending", "deferred", "in-doubt", "held", "bounce-owed", "delivered", "failed",
	"expanded" };
static const char *const blockers[IPC_BLOCKER_COUNT] = { [IPC_BLOCKER_NONE] = "nothing",
	[IPC_BLOCKER_UNDER_WAY] = "under-way", [IPC_BLOCKER_TURN] = "its-turn", [IPC_BLOCKER_TIME] = "its-time",
	[IPC_BLOCKER_DOWN] = "destination-down", [IPC_BLOCKER_PACED] = "destination-paced", [IPC_BLOCKER_HELD] = "held",
	[IPC_BLOCKER_PAUSED] = "queue-paused", [IPC_BLOCKER_BOUNCE] = "bounce", [IPC_BLOCKER_SETTLED] = "settled" };
static const char *const groups[IPC_GROUP_COUNT] = { [IPC_GROUP_DESTINATION] = "destination", [IPC_GROUP_HOST] = "host",
	[IPC_GROUP_LOCAL] = "local", [IPC_GROUP_NEW] = "new", [IPC_GROUP_HELD] = "held", [IPC_GROUP_BOUNCE] = "bounce",
	[IPC_GROUP_OTHERS] = "others" };

#define NAME_OF(names, number) ((number) < sizeof(names) / sizeof((names)[0]) ? (names)[number] : "?")

const char *queue_json_state(unsigned state)
{
	return NAME_OF(states, state);
}

json_t *queue_json_text(struct span text)
{
	struct buf safe;
	buf_init(&safe, 4 * text.len + 1);
	while (text.len > 0) {
		size_t len = text.ptr[0] != 0 ? utf8_char_len(text) : 0;
		if (len > 0)
			buf_add(&safe, span_to(text, len));
		else
			buf_add_escaped(&safe, span_to(text, 1));
		text = span_from(text, len > 0 ? len : 1);
	}
	json_t *json = json_stringn(safe.len > 0 ? (const char *)safe.ptr : "", safe.len);
	buf_fini(&safe);
	return json;
}

json_t *queue_json_id(const struct id128 *id)
{
	char text[ID128_TEXT_LEN];
	id128_write(id, text);
	return json_stringn(text, sizeof(text));
}

json_t *queue_json_time(uint64_t unix_ms)
{
	return unix_ms != 0 && unix_ms < UINT64_MAX / 2 ? json_real((double)unix_ms / 1000) : json_null();
}

static json_t *recipient(const struct ipc_queue_rcpt *r)
{
	json_t *one = json_pack("{s:I, s:o, s:s, s:I, s:o, s:o, s:s}", "index", (json_int_t)r->index,
		"address", queue_json_text(r->address), "state", NAME_OF(states, r->state),
		"attempts", (json_int_t)r->attempts, "next_attempt", queue_json_time(r->retry_at_ms),
		"reason", queue_json_text(r->reason), "waits_for", NAME_OF(blockers, r->blocker));
	if (one == NULL || r->destination.len == 0)
		return one;
	json_object_set_new(one, "destination", queue_json_text(r->destination));
	json_object_set_new(one, "destination_since", queue_json_time(r->since_ms));
	json_object_set_new(one, "destination_until", queue_json_time(r->until_ms));
	json_object_set_new(one, "destination_reason", queue_json_text(r->why));
	return one;
}

json_t *queue_json_message(const struct ipc_queue_one *one)
{
	json_t *recipients = json_array();
	ipc_list shown = one->shown;
	struct ipc_queue_rcpt r;
	struct span item;
	while (ipc_list_next(&shown, &item))
		if (ipc_get_queue_rcpt(item, &r))
			json_array_append_new(recipients, recipient(&r));
	return json_pack("{s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:I, s:I, s:b, s:o}", "id", queue_json_id(&one->id),
		"arrived", queue_json_time(one->arrived_ms), "bytes", (json_int_t)one->bytes,
		"sender", queue_json_text(one->sender), "client", queue_json_text(one->client),
		"helo", queue_json_text(one->helo), "session", queue_json_text(one->session),
		"recipient_count", (json_int_t)one->recipients, "matching", (json_int_t)one->matching,
		"unreadable", one->unreadable != 0, "recipients", recipients);
}

json_t *queue_json_group(const struct ipc_queue_group *g)
{
	json_t *one = json_pack("{s:s, s:o, s:I, s:I, s:o, s:o, s:I}", "kind", NAME_OF(groups, g->kind),
		"name", queue_json_text(g->name), "messages", (json_int_t)g->messages,
		"recipients", (json_int_t)g->recipients, "oldest", queue_json_time(g->oldest_ms),
		"next_attempt", queue_json_time(g->next_ms), "under_way", (json_int_t)g->in_flight);
	if (one == NULL || g->kind != IPC_GROUP_DESTINATION)
		return one;
	const char *state = g->blocker == IPC_BLOCKER_DOWN ? "down" : g->blocker == IPC_BLOCKER_PACED ? "paced" : "up";
	bool blocked = state[0] != 'u';
	json_object_set_new(one, "state", json_string(state));
	json_object_set_new(one, "window", json_integer((json_int_t)g->window));
	json_object_set_new(one, "since", queue_json_time(blocked ? g->since_ms : 0));
	json_object_set_new(one, "until", queue_json_time(blocked ? g->until_ms : 0));
	json_object_set_new(one, "reason", queue_json_text(g->why));
	return one;
}

json_t *queue_json_down(const struct ipc_queue_down *down)
{
	return json_pack("{s:o, s:I, s:o, s:o, s:o}", "name", queue_json_text(down->name),
		"messages", (json_int_t)down->messages, "since", queue_json_time(down->since_ms),
		"until", queue_json_time(down->probe_ms), "reason", queue_json_text(down->why));
}
