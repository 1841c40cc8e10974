/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of a message, an address, a client or a session. Events that fit name
 * subjects, a message or else a session; all events of the subjects that were met last
 * are given, in the order in which they came.
 */
#include "clock.h"
#include "console.h"

#define SUBJECTS_MAX 20
#define EVENTS_MAX 1000
#define BEGINNING_CHARS_MIN 6

/* A message, or a session when the id is zero. */
struct subject {
	struct id128 id;
	uint8_t session[ID_SHORT_LEN];
};

struct search {
	struct span of;
	struct subject subjects[SUBJECTS_MAX]; /* a ring */
	size_t met;
};

static const char *const kinds[IPC_EVENT_COUNT] = { [IPC_EVENT_CONNECTED] = "connected",
	[IPC_EVENT_REFUSED] = "refused", [IPC_EVENT_ACCEPTED] = "accepted", [IPC_EVENT_DISCONNECTED] = "disconnected",
	[IPC_EVENT_RESULT] = "result", [IPC_EVENT_UNREACHABLE] = "unreachable", [IPC_EVENT_BOUNCED] = "bounced",
	[IPC_EVENT_CHANGED] = "changed" };

bool trace_event_take(struct console *console, const struct channel_message *message)
{
	struct ipc_event event;
	struct ipc_events_dropped dropped;
	switch (message->type) {
	case IPC_EVENT:
		if (!ipc_get_event(message->body, &event) || event.kind >= IPC_EVENT_COUNT)
			return false;
		trace_store_add(&console->events, message->body, clock_unix_ms());
		return true;
	case IPC_EVENTS_DROPPED:
		if (!ipc_get_events_dropped(message->body, &dropped))
			return false;
		console->events.dropped += dropped.count;
		return true;
	default:
		return false;
	}
}

static bool has_id(const struct ipc_event *event)
{
	static const struct id128 none;
	return id128_cmp(&event->message, &none) != 0;
}

/* Whether an address stands in a list of them: "a@b.test, c@d.test". */
static bool listed(struct span list, struct span address)
{
	while (list.len > 0) {
		size_t end = span_find(list, ',');
		if (span_eq_nocase(span_trim(span_to(list, end)), address))
			return true;
		list = span_from(list, end + 1);
	}
	return false;
}

/* Whether the words of the search name this event. */
static bool fits(struct span of, const struct ipc_event *event)
{
	char id[ID128_TEXT_LEN];
	if (span_find(of, '@') < of.len)
		return span_eq_nocase(of, event->address) || span_eq_nocase(of, event->sender)
			|| (event->kind == IPC_EVENT_ACCEPTED && listed(event->text, of));
	if (span_eq_nocase(of, event->session) || span_eq(of, event->client))
		return true;
	id128_write(&event->message, id);
	return of.len >= BEGINNING_CHARS_MIN && has_id(event) && span_starts_nocase(span_of(id, sizeof(id)), of);
}

static struct subject subject_of(struct span of, const struct ipc_event *event)
{
	struct subject s = { 0 };
	bool by_session = span_eq_nocase(of, event->session);
	if (has_id(event) && !by_session)
		s.id = event->message;
	else if (event->session.len == sizeof(s.session))
		memcpy(s.session, event->session.ptr, sizeof(s.session));
	return s;
}

static bool concerns(const struct subject *s, const struct ipc_event *event)
{
	static const struct id128 none;
	if (id128_cmp(&s->id, &none) != 0)
		return id128_cmp(&s->id, &event->message) == 0;
	return span_eq(span_of(s->session, sizeof(s->session)), event->session);
}

static void meet(struct search *search, const struct ipc_event *event)
{
	struct subject s = subject_of(search->of, event);
	size_t have = search->met < SUBJECTS_MAX ? search->met : SUBJECTS_MAX;
	for (size_t i = 0; i < have; i++)
		if (memcmp(&search->subjects[i], &s, sizeof(s)) == 0)
			return;
	search->subjects[search->met++ % SUBJECTS_MAX] = s;
}

static json_t *event_json(const struct ipc_event *e, size_t subject)
{
	json_t *one = json_pack("{s:I, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "subject", (json_int_t)subject,
		"kind", kinds[e->kind], "at", queue_json_time(e->at_ms),
		"id", has_id(e) ? queue_json_id(&e->message) : json_null(),
		"session", queue_json_text(e->session), "client", queue_json_text(e->client),
		"sender", queue_json_text(e->sender), "address", queue_json_text(e->address));
	if (one == NULL)
		return NULL;
	json_object_set_new(one, "verb", queue_json_text(e->verb));
	json_object_set_new(one, "key", queue_json_text(e->key));
	json_object_set_new(one, "check", queue_json_text(e->check));
	json_object_set_new(one, "text", queue_json_text(e->text));
	json_object_set_new(one, "attempt", json_integer((json_int_t)e->attempt));
	json_object_set_new(one, "number", json_integer((json_int_t)e->number));
	if (e->kind == IPC_EVENT_ACCEPTED)
		json_object_set_new(one, "took_us", json_integer((json_int_t)e->until_ms));
	else
		json_object_set_new(one, "next_attempt", queue_json_time(e->until_ms));
	if (e->kind == IPC_EVENT_RESULT)
		json_object_set_new(one, "state", json_string(queue_json_state((unsigned)e->number)));
	return one;
}

/* Lines for the events of all subjects; how many. */
static size_t tell_events(struct client *c, const struct search *search)
{
	struct trace_position at = { 0 };
	struct ipc_event event;
	struct span body;
	size_t told = 0, have = search->met < SUBJECTS_MAX ? search->met : SUBJECTS_MAX;
	while (told < EVENTS_MAX && trace_store_next(&c->console->events, &at, &body)) {
		if (!ipc_get_event(body, &event))
			continue;
		for (size_t i = 0; i < have; i++)
			if (concerns(&search->subjects[i], &event)) {
				client_line(c, event_json(&event, i));
				told++;
				break;
			}
	}
	return told;
}

void trace_ask(struct client *c)
{
	json_t *of = json_object_get(c->request, "of");
	struct search search = { .of = span_of(json_string_value(of), json_string_length(of)) };
	struct trace_position at = { 0 };
	struct ipc_event event;
	struct span body;
	if (search.of.len == 0) {
		client_error(c, "trace of what?");
		return;
	}
	while (trace_store_next(&c->console->events, &at, &body))
		if (ipc_get_event(body, &event) && fits(search.of, &event))
			meet(&search, &event);
	size_t told = tell_events(c, &search);
	client_reply(c, json_pack("{s:b, s:I, s:b, s:I}", "ok", 1, "events", (json_int_t)told,
		"complete", search.met <= SUBJECTS_MAX && told < EVENTS_MAX,
		"dropped", (json_int_t)c->console->events.dropped));
}
