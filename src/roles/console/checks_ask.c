/* SPDX-License-Identifier: Apache-2.0 */
/* Questions about clients: what would this one be told, and how often did each check decide what? */
#include "checked.h"
#include "console.h"

static void on_checked(void *arg, const struct channel_message *message)
{
	struct client *c = arg;
	struct ipc_checked checked;
	if (client_understood(c, message != NULL && ipc_get_checked(message->body, &checked)))
		client_reply(c, checked_json(&checked));
}

void checks_rcpt(struct client *c)
{
	json_int_t size = json_integer_value(json_object_get(c->request, "size"));
	unsigned stages = SMTP_STAGE(SMTP_AT_CONNECT) | SMTP_STAGE(SMTP_AT_HELO) | SMTP_STAGE(SMTP_AT_MAIL)
		| SMTP_STAGE(SMTP_AT_RCPT);
	struct ipc_check_ask say = { .at = SMTP_AT_RCPT, .stages = (uint8_t)stages, .helo = client_text(c, "helo"),
		.sender = client_text(c, "from"), .recipient = client_text(c, "rcpt"),
		.account = client_text(c, "account"),
		.encrypted = json_is_true(json_object_get(c->request, "tls")), .size = size > 0 ? (uint64_t)size : 0,
		.dry = 1 };
	if (!netaddr_parse(client_text(c, "client"), &say.client)) {
		client_error(c, "the client's address is not understood");
		return;
	}
	struct buf *out = client_ask(c, c->console->policy, IPC_CHECK_ASK, on_checked);
	if (out == NULL)
		return;
	ipc_put_check_ask(out, &say);
	channel_end(c->console->policy);
}

static json_t *stages_json(unsigned stages)
{
	json_t *list = json_array();
	for (unsigned i = 0; i < SMTP_STAGE_COUNT; i++)
		if ((stages & SMTP_STAGE(i)) != 0)
			json_array_append_new(list, json_string(checked_stage(i)));
	return list;
}

static json_t *counts_json(const struct ipc_check_counts *one)
{
	return json_pack("{s:o, s:I, s:o, s:b, s:I, s:I, s:I, s:I}", "name", queue_json_text(one->name),
		"place", (json_int_t)one->place, "stages", stages_json(one->stages), "everybody", one->everybody != 0,
		"asked", (json_int_t)one->asked, "accepted", (json_int_t)one->accepted,
		"deferred", (json_int_t)one->deferred, "refused", (json_int_t)one->refused);
}

static json_t *services_json(ipc_list services)
{
	struct ipc_service_counts one;
	struct span item;
	json_t *list = json_array();
	while (ipc_list_next(&services, &item))
		if (ipc_get_service_counts(item, &one))
			json_array_append_new(list, json_pack("{s:o, s:o, s:b, s:I, s:I, s:I}", "name", queue_json_text(one.name),
				"address", queue_json_text(one.address), "down", one.down != 0, "asked", (json_int_t)one.asked,
				"unanswered", (json_int_t)one.unanswered, "ignored", (json_int_t)one.ignored));
	return list;
}

static void on_counts(void *arg, const struct channel_message *message)
{
	struct client *c = arg;
	struct ipc_checks all;
	struct ipc_check_counts one;
	struct span item;
	if (!client_understood(c, message != NULL && ipc_get_checks(message->body, &all)))
		return;
	json_t *list = json_array();
	while (ipc_list_next(&all.counts, &item))
		if (ipc_get_check_counts(item, &one))
			json_array_append_new(list, counts_json(&one));
	client_reply(c, json_pack("{s:b, s:o, s:o}", "ok", 1, "checks", list, "services",
		services_json(all.services)));
}

void checks_list(struct client *c)
{
	struct ipc_checks_ask say = { 0 };
	struct buf *out = client_ask(c, c->console->policy, IPC_CHECKS_ASK, on_counts);
	if (out == NULL)
		return;
	ipc_put_checks_ask(out, &say);
	channel_end(c->console->policy);
}
