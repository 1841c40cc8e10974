/* SPDX-License-Identifier: Apache-2.0 */
/* Subcommands about the running server as a whole: status and reload. */
#include <stdio.h>

#include "cli_ask.h"

static void print_roles(json_t *roles)
{
	size_t i;
	json_t *role;
	json_array_foreach(roles, i, role)
		printf("  %-10s %lld  process %-8lld %s%s\n", cli_text(role, "role"), cli_number(role, "index"),
			cli_number(role, "pid"), json_is_true(json_object_get(role, "ready")) ? "ready" : "starting",
			cli_number(role, "restarts") > 0 ? ", was restarted" : "");
}

int cli_status(const struct cli_options *options)
{
	int code;
	json_t *answer = cli_ask(options, json_pack("{s:s}", "do", "status"), &code);
	if (answer == NULL)
		return code;
	if (cli_answer_plain(options, answer, &code)) {
		json_t *queue = json_object_get(answer, "queue");
		bool paused = json_is_true(json_object_get(queue, "paused"));
		printf("waybill %s\n", cli_text(answer, "version"));
		printf("queue: %lld messages for %lld recipients, %lld KiB on disk%s\n", cli_number(queue, "messages"),
			cli_number(queue, "recipients"), cli_number(queue, "disk_bytes") / 1024,
			paused ? "; paused, nothing is attempted (waybill queue resume)" : "");
		printf("since the start: %lld accepted, %lld deliveries\n", cli_number(queue, "accepted"),
			cli_number(queue, "delivered"));
		print_roles(json_object_get(answer, "roles"));
	}
	json_decref(answer);
	return code;
}

int cli_reload(const struct cli_options *options)
{
	int code;
	json_t *answer = cli_ask(options, json_pack("{s:s}", "do", "reload"), &code);
	if (answer == NULL)
		return code;
	if (cli_answer_plain(options, answer, &code))
		printf("%sThe configuration was reloaded.\n", cli_text(answer, "text"));
	json_decref(answer);
	return code;
}
