/* SPDX-License-Identifier: Apache-2.0 */
/* Subcommands about the running server as a whole: status and reload. */
#include <stdio.h>

#include "cli_queue.h"
#include "cli_words.h"

#define DOWN_BYTES_MAX 16384

static void print_roles(json_t *roles)
{
	size_t i;
	json_t *role;
	json_array_foreach(roles, i, role)
		printf("  %-10s %lld  process %-8lld %s%s\n", cli_text(role, "role"), cli_number(role, "index"),
			cli_number(role, "pid"), json_is_true(json_object_get(role, "ready")) ? "ready" : "starting",
			cli_number(role, "restarts") > 0 ? ", was restarted" : "");
}

static void print_queue(const json_t *queue)
{
	char messages[CLI_WORDS_BYTES_MAX], recipients[CLI_WORDS_BYTES_MAX], disk[CLI_WORDS_BYTES_MAX];
	long long m = cli_number(queue, "messages"), r = cli_number(queue, "recipients");
	bool paused = json_is_true(json_object_get(queue, "paused"));
	if (m > 0)
		printf("queue: %s message%s for %s recipient%s, ", cli_count(m, messages), cli_plural(m),
			cli_count(r, recipients), cli_plural(r));
	else
		printf("queue: empty%s, ", cli_number(queue, "destinations_down_count") == 0 ? ", no destination is down" : "");
	printf("%s on disk%s\n", cli_size(cli_number(queue, "disk_bytes"), disk),
		paused ? "; paused, nothing is attempted (waybill queue resume)" : "");
}

static void print_down_one(const json_t *one, double now)
{
	char messages[CLI_WORDS_BYTES_MAX];
	long long m = cli_number(one, "messages");
	struct buf out;
	buf_init(&out, DOWN_BYTES_MAX);
	buf_add_escaped(&out, span_str(cli_text(one, "name")));
	buf_addf(&out, ": %s message%s, ", cli_count(m, messages), cli_plural(m));
	cli_queue_down(&out, NULL, one, now);
	printf("    %.*s\n", SPAN_FMT(buf_span(&out)));
	buf_fini(&out);
}

static void print_down(const json_t *queue, double now)
{
	char text[CLI_WORDS_BYTES_MAX];
	json_t *worst = json_object_get(queue, "destinations_down"), *one;
	long long count = cli_number(queue, "destinations_down_count");
	long long more = count - (long long)json_array_size(worst);
	size_t i;
	if (count == 0)
		puts("down: no destination");
	else
		printf("down: %s destination%s\n", cli_count(count, text), cli_plural(count));
	json_array_foreach(worst, i, one)
		print_down_one(one, now);
	if (more > 0)
		printf("    and %s more (waybill queue)\n", cli_count(more, text));
}

/* What waits longest and which destinations are down; nothing when all is well and nothing waits. */
static void print_waiting(const json_t *queue)
{
	const json_t *oldest = json_object_get(queue, "oldest");
	double now = cli_now();
	if (json_is_object(oldest)) {
		printf("oldest: ");
		cli_queue_print(oldest, now);
	}
	if (json_is_object(oldest) || cli_number(queue, "destinations_down_count") > 0)
		print_down(queue, now);
}

/* Something outside that cannot be asked now, and since when. */
static void print_outside(const char *what, const json_t *one)
{
	char since[CLI_WORDS_BYTES_MAX];
	struct buf out;
	buf_init(&out, DOWN_BYTES_MAX);
	buf_add_escaped(&out, span_str(cli_text(one, "name")));
	buf_addf(&out, " for %s: ", cli_age(cli_now() - (double)cli_number(one, "since_ms") / 1000, since));
	buf_add_escaped(&out, span_str(cli_text(one, "why")));
	printf("%s down: %.*s\n", what, SPAN_FMT(buf_span(&out)));
	buf_fini(&out);
}

/* Who cannot be asked for users and aliases, or about clients; nothing when all can. */
static void print_outsides(const json_t *answer)
{
	size_t i;
	json_t *one;
	json_array_foreach(json_object_get(answer, "directories_down"), i, one) {
		print_outside("directory", one);
		puts("    its recipients get 451, and mail for them waits");
	}
	json_array_foreach(json_object_get(answer, "services_down"), i, one) {
		print_outside("policy service", one);
		puts(json_is_true(json_object_get(one, "passed")) ? "    clients go on without it"
			: "    clients are told 451 until it answers");
	}
}

int cli_status(const struct cli_options *options)
{
	int code;
	json_t *answer = cli_ask(options, json_pack("{s:s}", "do", "status"), &code);
	if (answer == NULL)
		return code;
	if (cli_answer_plain(options, answer, &code)) {
		char accepted[CLI_WORDS_BYTES_MAX], delivered[CLI_WORDS_BYTES_MAX];
		const json_t *queue = json_object_get(answer, "queue");
		printf("waybill %s\n", cli_text(answer, "version"));
		print_queue(queue);
		print_waiting(queue);
		print_outsides(answer);
		printf("since the start: %s accepted, %s deliveries\n", cli_count(cli_number(queue, "accepted"), accepted),
			cli_count(cli_number(queue, "delivered"), delivered));
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
