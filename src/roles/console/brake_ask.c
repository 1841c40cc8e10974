/* SPDX-License-Identifier: Apache-2.0 */
/* Whom the brake holds back, and letting one of them go on. */
#include "console.h"

static json_t *one_json(const struct ipc_brake_one *one)
{
	return json_pack("{s:o, s:o, s:o, s:I, s:I}", "who", queue_json_text(one->who),
		"since", queue_json_time(one->since_ms), "until", queue_json_time(one->until_ms),
		"recipients", (json_int_t)one->sent, "usual", (json_int_t)one->usual);
}

static void on_brakes(void *arg, const struct channel_message *message)
{
	struct client *c = arg;
	struct ipc_brakes all;
	struct ipc_brake_one one;
	struct span item;
	if (!client_understood(c, message != NULL && ipc_get_brakes(message->body, &all)))
		return;
	json_t *list = json_array();
	while (ipc_list_next(&all.held, &item))
		if (ipc_get_brake_one(item, &one))
			json_array_append_new(list, one_json(&one));
	client_reply(c, json_pack("{s:b, s:b, s:o, s:I, s:o}", "ok", 1, "active", all.active != 0,
		"learns_until", queue_json_time(all.learns_until_ms), "watched", (json_int_t)all.watched, "held", list));
}

void brake_ask_list(struct client *c)
{
	struct ipc_brakes_ask say = { 0 };
	struct buf *out = client_ask(c, c->console->policy, IPC_BRAKES_ASK, on_brakes);
	if (out == NULL)
		return;
	ipc_put_brakes_ask(out, &say);
	channel_end(c->console->policy);
}

static void on_released(void *arg, const struct channel_message *message)
{
	struct client *c = arg;
	struct ipc_brake_released released;
	if (client_understood(c, message != NULL && ipc_get_brake_released(message->body, &released)))
		client_reply(c, json_pack("{s:b, s:b}", "ok", 1, "released", released.found != 0));
}

void brake_ask_release(struct client *c)
{
	const json_t *who = json_object_get(c->request, "who");
	struct ipc_brake_release_ask say = { .who = span_of(json_string_value(who), json_string_length(who)) };
	struct buf *out = client_ask(c, c->console->policy, IPC_BRAKE_RELEASE_ASK, on_released);
	if (out == NULL)
		return;
	ipc_put_brake_release_ask(out, &say);
	channel_end(c->console->policy);
}
