/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hold, release, retry and remove: {"do": "queue-change", "what": ..., "ids": [...],
 * "filter": {...}}. The ids say which messages; the filter, which of their recipients.
 */
#include "console.h"

#define IDS_MAX 200

static const char *const changes[IPC_CHANGE_COUNT] = { [IPC_CHANGE_RETRY] = "retry", [IPC_CHANGE_HOLD] = "hold",
	[IPC_CHANGE_RELEASE] = "release", [IPC_CHANGE_REMOVE] = "remove", [IPC_CHANGE_REMOVE_BOUNCE] = "bounce" };

static void on_changed(void *arg, const struct channel_message *message)
{
	struct client *c = arg;
	struct ipc_queue_changed said;
	if (!client_answered(c))
		return;
	if (message == NULL || !ipc_get_queue_changed(message->body, &said))
		client_error(c, "the queue did not say whether it was done; look with waybill queue list");
	else
		client_reply(c, json_pack("{s:b, s:I, s:I, s:I, s:I, s:I}", "ok", 1, "messages", (json_int_t)said.messages,
			"recipients", (json_int_t)said.recipients, "busy", (json_int_t)said.busy,
			"missing", (json_int_t)said.missing, "failed", (json_int_t)said.failed));
}

/* False when one is no id. */
static bool take_ids(const json_t *ids, struct buf *list)
{
	size_t i;
	json_t *item;
	json_array_foreach(ids, i, item) {
		struct id128 id;
		if (!json_is_string(item) || !id128_parse(span_str(json_string_value(item)), &id))
			return false;
		ipc_list_add(list, span_of(id.bytes, sizeof(id.bytes)));
	}
	return json_is_array(ids) && i <= IDS_MAX;
}

void queue_change(struct client *c)
{
	const char *what = json_string_value(json_object_get(c->request, "what"));
	unsigned number = 0;
	struct buf ids;
	while (what != NULL && number < IPC_CHANGE_COUNT && strcmp(changes[number], what) != 0)
		number++;
	if (what == NULL || number == IPC_CHANGE_COUNT) {
		client_error(c, "unknown change");
		return;
	}
	if (!queue_filter_take(c))
		return;
	buf_init(&ids, IDS_MAX * (sizeof(struct id128) + 4));
	struct buf *out = NULL;
	if (take_ids(json_object_get(c->request, "ids"), &ids) && !ids.failed)
		out = client_ask(c, c->console->queue, IPC_QUEUE_CHANGE_ASK, on_changed);
	else
		client_error(c, "the ids are not understood");
	struct ipc_queue_change_ask say = { .what = (uint8_t)number, .filter = out != NULL ? buf_span(&c->filter)
		: (struct span){ NULL, 0 }, .ids = buf_span(&ids) };
	if (out != NULL) {
		ipc_put_queue_change_ask(out, &say);
		channel_end(c->console->queue);
	}
	buf_fini(&ids);
}
