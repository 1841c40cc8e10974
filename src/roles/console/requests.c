/* SPDX-License-Identifier: Apache-2.0 */
/* What a client's line asks for: {"do": NAME, ...}, or the name alone. */
#include "console.h"

static void pause_now(struct client *c)
{
	server_pause(c, true);
}

static void resume(struct client *c)
{
	server_pause(c, false);
}

static const struct {
	const char *name;
	void (*fn)(struct client *c);
} requests[] = {
	{ "status", server_status },
	{ "pause", pause_now },
	{ "resume", resume },
	{ "reload", server_reload },
	{ "queue-summary", queue_summary },
	{ "queue-list", queue_list },
	{ "queue-change", queue_change },
	{ "queue-content", queue_content },
	{ "trace", trace_ask },
	{ "check-rcpt", checks_rcpt },
	{ "check-list", checks_list },
	{ "greylist-list", greylist_list },
	{ "greylist-change", greylist_change },
	{ "mailbox", mailbox_ask },
	{ "brake-list", brake_ask_list },
	{ "brake-release", brake_ask_release },
};

void request_take(struct client *c, struct span line)
{
	if (line.len > 0 && line.ptr[0] == '{')
		c->request = json_loadb((const char *)line.ptr, line.len, JSON_REJECT_DUPLICATES, NULL);
	else
		c->request = json_pack("{s:o}", "do", queue_json_text(line));
	const char *name = json_string_value(json_object_get(c->request, "do"));
	for (size_t i = 0; name != NULL && i < sizeof(requests) / sizeof(requests[0]); i++)
		if (strcmp(requests[i].name, name) == 0) {
			requests[i].fn(c);
			return;
		}
	client_error(c, "unknown command");
}
