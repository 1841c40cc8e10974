/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listing and summing up the queue. A listing is asked for page by page; the next page
 * is asked for only when the client has taken the one before, so that neither this
 * process nor the queue holds more than a page for a client that is slow.
 */
#include "console.h"

#define LOST "the listing was interrupted by too many others; ask again"

static struct span text_of(const json_t *filter, const char *key)
{
	const json_t *value = json_object_get(filter, key);
	if (!json_is_string(value))
		return (struct span){ NULL, 0 };
	return span_of(json_string_value(value), json_string_length(value));
}

static uint64_t time_of(const json_t *filter, const char *key)
{
	double seconds = json_number_value(json_object_get(filter, key));
	return seconds > 0 && seconds < 1e12 ? (uint64_t)(seconds * 1000) : 0;
}

bool queue_filter_take(struct client *c)
{
	static const char *const keys[] = { "id", "sender", "recipient", "destination", "reason", "before", "after",
		"states", "settled" };
	const json_t *filter = json_object_get(c->request, "filter");
	struct ipc_queue_filter say = { .id = text_of(filter, "id"), .sender = text_of(filter, "sender"),
		.recipient = text_of(filter, "recipient"), .destination = text_of(filter, "destination"),
		.reason = text_of(filter, "reason"), .before_ms = time_of(filter, "before"),
		.after_ms = time_of(filter, "after"),
		.states = (uint8_t)json_integer_value(json_object_get(filter, "states")),
		.settled = json_is_true(json_object_get(filter, "settled")) };
	size_t known = 0;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		known += json_object_get(filter, keys[i]) != NULL;
	ipc_put_queue_filter(&c->filter, &say);
	if (known == json_object_size(filter) && say.id.len <= ID128_TEXT_LEN && !c->filter.failed)
		return true;
	client_error(c, "the filter is not understood");
	return false;
}

static void on_list(void *arg, const struct channel_message *message);

static bool ask_page(struct client *c)
{
	uint64_t left = c->listed_max > 0 ? c->listed_max - c->listed : UINT32_MAX;
	struct ipc_queue_list_ask say = { .listing = c->listing, .most = left > UINT32_MAX ? UINT32_MAX : (uint32_t)left,
		.filter = buf_span(&c->filter) };
	struct buf *out = client_ask(c, c->console->queue, IPC_QUEUE_LIST_ASK, on_list);
	if (out == NULL)
		return false;
	ipc_put_queue_list_ask(out, &say);
	channel_end(c->console->queue);
	return false;
}

static void on_list(void *arg, const struct channel_message *message)
{
	struct client *c = arg;
	struct ipc_queue_list page;
	struct ipc_queue_one one;
	struct span item;
	if (!client_answered(c))
		return;
	if (message == NULL || !ipc_get_queue_list(message->body, &page) || page.lost != 0) {
		client_error(c, message != NULL ? LOST : "the queue does not answer; try again in a moment");
		return;
	}
	while (ipc_list_next(&page.messages, &item))
		if (ipc_get_queue_one(item, &one)) {
			client_line(c, queue_json_message(&one));
			c->listed++;
		}
	c->listing = page.listing;
	timer_set(c->timer, CONSOLE_PATIENCE_MS);
	if (page.listing != 0 && (c->listed_max == 0 || c->listed < c->listed_max)) {
		c->more = ask_page;
		client_send(c);
	} else {
		client_reply(c, json_pack("{s:b, s:I, s:b}", "ok", 1, "listed", (json_int_t)c->listed,
			"complete", page.listing == 0));
	}
}

void queue_list(struct client *c)
{
	json_int_t most = json_integer_value(json_object_get(c->request, "most"));
	c->listed_max = most > 0 ? (uint64_t)most : 0;
	if (queue_filter_take(c))
		ask_page(c);
}

static void on_summary(void *arg, const struct channel_message *message);

static void ask_summary(struct client *c)
{
	struct ipc_queue_summary_ask say = { .listing = c->listing };
	struct buf *out = client_ask(c, c->console->queue, IPC_QUEUE_SUMMARY_ASK, on_summary);
	if (out == NULL)
		return;
	ipc_put_queue_summary_ask(out, &say);
	channel_end(c->console->queue);
}

static void reply_summary(struct client *c, struct ipc_queue_summary *sum)
{
	json_t *groups = json_array();
	struct ipc_queue_group group;
	struct span item;
	while (ipc_list_next(&sum->groups, &item))
		if (ipc_get_queue_group(item, &group))
			json_array_append_new(groups, queue_json_group(&group));
	client_reply(c, json_pack("{s:b, s:I, s:I, s:o, s:I, s:b, s:o}", "ok", 1, "messages", (json_int_t)sum->messages,
		"recipients", (json_int_t)sum->recipients, "oldest", queue_json_time(sum->oldest_ms),
		"disk_bytes", (json_int_t)sum->disk_bytes, "paused", sum->paused != 0, "groups", groups));
}

static void on_summary(void *arg, const struct channel_message *message)
{
	struct client *c = arg;
	struct ipc_queue_summary sum;
	if (!client_answered(c))
		return;
	if (message == NULL || !ipc_get_queue_summary(message->body, &sum) || sum.lost != 0) {
		client_error(c, message != NULL ? LOST : "the queue does not answer; try again in a moment");
		return;
	}
	timer_set(c->timer, CONSOLE_PATIENCE_MS);
	c->listing = sum.listing;
	if (sum.listing == 0)
		reply_summary(c, &sum);
	else
		ask_summary(c);
}

void queue_summary(struct client *c)
{
	ask_summary(c);
}
