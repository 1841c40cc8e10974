/* SPDX-License-Identifier: Apache-2.0 */
/* Questions about the server as a whole: status, pause and resume, reload. */
#include "console.h"

/* Texts of JSON objects, one after another; the supervisor wrote them. */
static json_t *objects_of(ipc_list lines)
{
	struct span line;
	json_t *list = json_array();
	while (ipc_list_next(&lines, &line)) {
		json_t *one = json_loadb((const char *)line.ptr, line.len, 0, NULL);
		if (one != NULL)
			json_array_append_new(list, one);
	}
	return list;
}

static void on_roles(void *arg, const struct channel_message *message)
{
	struct client *c = arg;
	struct ipc_roles roles;
	if (!client_answered(c))
		return;
	if (message == NULL || !ipc_get_roles(message->body, &roles)) {
		client_error(c, "the supervisor does not answer");
		return;
	}
	json_object_set_new(c->status, "roles", objects_of(roles.lines));
	json_object_set_new(c->status, "directories_down", objects_of(roles.directories));
	json_object_set_new(c->status, "services_down", objects_of(roles.services));
	client_reply(c, json_incref(c->status));
}

static void ask_roles(struct client *c)
{
	struct ipc_roles_ask say = { 0 };
	struct buf *out = client_ask(c, c->console->role.control, IPC_ROLES_ASK, on_roles);
	if (out == NULL)
		return;
	ipc_put_roles_ask(out, &say);
	channel_end(c->console->role.control);
}

/* The message that waits longest, as a listing shows it; null when there is none. */
static json_t *oldest_of(const struct ipc_queue_status *s)
{
	ipc_list list = s->oldest;
	struct ipc_queue_one one;
	struct span item;
	bool there = ipc_list_next(&list, &item) && ipc_get_queue_one(item, &one);
	return there ? queue_json_message(&one) : json_null();
}

static json_t *down_of(const struct ipc_queue_status *s)
{
	ipc_list list = s->down;
	json_t *all = json_array();
	struct ipc_queue_down down;
	struct span item;
	while (ipc_list_next(&list, &item))
		if (ipc_get_queue_down(item, &down))
			json_array_append_new(all, queue_json_down(&down));
	return all;
}

static void on_status(void *arg, const struct channel_message *message)
{
	struct client *c = arg;
	struct ipc_queue_status s;
	if (!client_answered(c))
		return;
	if (message == NULL || !ipc_get_queue_status(message->body, &s)) {
		client_error(c, "the queue does not answer; try again in a moment");
		return;
	}
	c->status = json_pack("{s:b, s:s, s:{s:I, s:I, s:I, s:b, s:I, s:I, s:o, s:I, s:o}}", "ok", 1,
		"version", c->console->version, "queue", "messages", (json_int_t)s.messages,
		"recipients", (json_int_t)s.recipients, "disk_bytes", (json_int_t)s.bytes, "paused", s.paused != 0,
		"accepted", (json_int_t)s.accepted, "delivered", (json_int_t)s.delivered, "oldest", oldest_of(&s),
		"destinations_down_count", (json_int_t)s.down_count, "destinations_down", down_of(&s));
	ask_roles(c);
}

void server_status(struct client *c)
{
	struct ipc_queue_status_ask say = { 0 };
	struct buf *out = client_ask(c, c->console->queue, IPC_QUEUE_STATUS_ASK, on_status);
	if (out == NULL)
		return;
	ipc_put_queue_status_ask(out, &say);
	channel_end(c->console->queue);
}

static void on_paused(void *arg, const struct channel_message *message)
{
	struct client *c = arg;
	struct ipc_queue_paused said;
	if (!client_answered(c))
		return;
	if (message == NULL || !ipc_get_queue_paused(message->body, &said))
		client_error(c, "the queue does not answer; try again in a moment");
	else
		client_reply(c, json_pack("{s:b, s:b}", "ok", 1, "paused", said.paused != 0));
}

void server_pause(struct client *c, bool paused)
{
	struct ipc_queue_pause_ask say = { .paused = paused };
	struct buf *out = client_ask(c, c->console->queue, IPC_QUEUE_PAUSE_ASK, on_paused);
	if (out == NULL)
		return;
	ipc_put_queue_pause_ask(out, &say);
	channel_end(c->console->queue);
}

static void on_reloaded(void *arg, const struct channel_message *message)
{
	struct client *c = arg;
	struct ipc_reloaded said;
	if (!client_answered(c))
		return;
	if (message == NULL || !ipc_get_reloaded(message->body, &said))
		client_error(c, "the supervisor does not answer");
	else
		client_reply(c, json_pack("{s:b, s:o}", "ok", said.ok != 0, said.ok != 0 ? "text" : "error",
			queue_json_text(said.text)));
}

void server_reload(struct client *c)
{
	struct ipc_reload_ask say = { 0 };
	struct buf *out = client_ask(c, c->console->role.control, IPC_RELOAD_ASK, on_reloaded);
	if (out == NULL)
		return;
	ipc_put_reload_ask(out, &say);
	channel_end(c->console->role.control);
}
