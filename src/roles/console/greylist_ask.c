/* SPDX-License-Identifier: Apache-2.0 */
/* The greylist for operators: senders first, then domains and networks, page by page; what to allow and to forget. */
#include "console.h"

#define ORIGINS 1 /* enum greylist_kind: senders are 0 */

static json_t *one_json(const struct ipc_greylist_one *one, bool origin)
{
	if (origin)
		return json_pack("{s:s, s:o, s:o, s:I, s:b}", "state",
			one->allowed != 0 ? "allowed" : one->known != 0 ? "known" : "learning",
			"origin", queue_json_text(one->origin), "seen", queue_json_time(one->seen_ms),
			"returns", (json_int_t)one->returns, "allowed", one->allowed != 0);
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I}", "state",
		one->passed_ms > 0 ? "passed" : "waiting",
		"origin", queue_json_text(one->origin), "sender", queue_json_text(one->sender),
		"recipient", queue_json_text(one->recipient), "first", queue_json_time(one->first_ms),
		"seen", queue_json_time(one->seen_ms), "passed", queue_json_time(one->passed_ms),
		"passes", queue_json_time(one->passes_ms), "attempts", (json_int_t)one->attempts);
}

static void on_list(void *arg, const struct channel_message *message);

static bool ask_page(struct client *c)
{
	struct ipc_greylist_list_ask say = { .kind = (uint8_t)c->part, .after = c->listing,
		.about = client_text(c, "about") };
	struct buf *out = client_ask(c, c->console->policy, IPC_GREYLIST_LIST_ASK, on_list);
	if (out == NULL)
		return false;
	ipc_put_greylist_list_ask(out, &say);
	channel_end(c->console->policy);
	return false;
}

static json_t *end_json(const struct ipc_greylist_list *page, uint64_t listed)
{
	return json_pack("{s:b, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "ok", 1, "off", queue_json_text(page->off),
		"delay", (json_int_t)page->seconds, "waiting", (json_int_t)page->waiting, "passed", (json_int_t)page->passed,
		"known", (json_int_t)page->known, "allowed", (json_int_t)page->allowed,
		"forgotten", (json_int_t)page->forgotten, "let_through", (json_int_t)page->let_through,
		"listed", (json_int_t)listed);
}

static void on_list(void *arg, const struct channel_message *message)
{
	struct client *c = arg;
	struct ipc_greylist_list page;
	struct ipc_greylist_one one;
	struct span item;
	bool summary = json_is_true(json_object_get(c->request, "summary"));
	if (!client_understood(c, message != NULL && ipc_get_greylist_list(message->body, &page)))
		return;
	while (!summary && ipc_list_next(&page.items, &item))
		if (ipc_get_greylist_one(item, &one)) {
			client_line(c, one_json(&one, c->part == ORIGINS));
			c->listed++;
		}
	timer_set(c->timer, CONSOLE_PATIENCE_MS);
	c->listing = page.last;
	if (page.last == 0)
		c->part++;
	if (summary || c->part > ORIGINS) {
		client_reply(c, end_json(&page, c->listed));
	} else {
		c->more = ask_page;
		client_send(c);
	}
}

void greylist_list(struct client *c)
{
	ask_page(c);
}

static void on_changed(void *arg, const struct channel_message *message)
{
	struct client *c = arg;
	struct ipc_greylist_changed changed;
	if (client_understood(c, message != NULL && ipc_get_greylist_changed(message->body, &changed)))
		client_reply(c, json_pack("{s:b, s:o, s:I, s:o}", "ok", 1, "name", queue_json_text(changed.name),
			"count", (json_int_t)changed.count, "error", queue_json_text(changed.error)));
}

void greylist_change(struct client *c)
{
	struct ipc_greylist_change_ask say = { .allow = json_is_true(json_object_get(c->request, "allow")),
		.name = client_text(c, "name") };
	struct buf *out = client_ask(c, c->console->policy, IPC_GREYLIST_CHANGE_ASK, on_changed);
	if (out == NULL)
		return;
	ipc_put_greylist_change_ask(out, &say);
	channel_end(c->console->policy);
}
