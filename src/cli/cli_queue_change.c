/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Retry, hold, release, remove. With a filter, the messages are listed and counted
 * first, and only these are changed: what arrives meanwhile is not meant. The server
 * says done when it is on stable storage.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cli_queue.h"
#include "cli_words.h"

#define BATCH 200

/* Ids of the messages meant, and what was done so far. */
struct sum {
	json_t *ids;
	const char *wish;   /* as the server calls it */
	long long matching; /* recipients that the filter finds */
	long long messages, recipients, busy, missing, failed;
};

/* Collects what the filter finds; false with an exit code. */
static bool collect(const struct cli_queue_request *r, struct sum *sum, int *exit_out)
{
	struct cli_talk talk;
	json_t *line, *last;
	if (!cli_talk_open(&talk, r->options, cli_queue_list_request(r->filter, 0), exit_out))
		return false;
	while ((line = cli_talk_next(&talk, &last, exit_out)) != NULL) {
		sum->matching += cli_number(line, "matching");
		json_array_append(sum->ids, json_object_get(line, "id"));
		json_decref(line);
	}
	cli_talk_close(&talk);
	bool ok = last != NULL && json_is_true(json_object_get(last, "ok"));
	if (last != NULL && !ok)
		cli_answer_plain(r->options, last, exit_out);
	json_decref(last);
	return ok;
}

static bool find_all(const struct cli_queue_request *r, struct sum *sum, int *exit_out)
{
	char id[27];
	for (int i = 0; i < r->id_count; i++) {
		if (!cli_queue_find(r->options, r->ids[i], id, exit_out))
			return false;
		json_array_append_new(sum->ids, json_string(id));
	}
	return true;
}

static bool confirmed(const struct cli_queue_request *r, const struct sum *sum, const char *what)
{
	char line[16], count[CLI_WORDS_BYTES_MAX], recipients[CLI_WORDS_BYTES_MAX];
	long long n = (long long)json_array_size(sum->ids);
	if (r->id_count > 0 || r->options->json)
		return true;
	printf("%s message%s with %s recipient%s match%s.\n", cli_count(n, count), cli_plural(n),
		cli_count(sum->matching, recipients), cli_plural(sum->matching), n == 1 ? "es" : "");
	if (r->yes || strcmp(what, "remove") != 0)
		return true;
	printf(r->bounce ? "Remove and tell the sender%s? [y/N] " : "Remove without telling the sender%s? [y/N] ",
		cli_plural(n));
	fflush(stdout);
	if (fgets(line, sizeof(line), stdin) != NULL && (line[0] == 'y' || line[0] == 'Y'))
		return true;
	puts("Nothing was removed.");
	return false;
}

/* The wish for at most BATCH messages, the first of which is `from`. False with an exit code. */
static bool change_batch(const struct cli_queue_request *r, struct sum *sum, size_t from, int *exit_out)
{
	json_t *ids = json_array();
	for (size_t i = from; i < from + BATCH && i < json_array_size(sum->ids); i++)
		json_array_append(ids, json_array_get(sum->ids, i));
	json_t *request = json_pack("{s:s, s:s, s:o}", "do", "queue-change", "what", sum->wish, "ids", ids);
	if (r->filter != NULL)
		json_object_set(request, "filter", r->filter);
	json_t *answer = cli_ask(r->options, request, exit_out);
	if (answer == NULL)
		return false;
	bool ok = json_is_true(json_object_get(answer, "ok"));
	if (!ok)
		cli_answer_plain(r->options, answer, exit_out);
	sum->messages += cli_number(answer, "messages");
	sum->recipients += cli_number(answer, "recipients");
	sum->busy += cli_number(answer, "busy");
	sum->missing += cli_number(answer, "missing");
	sum->failed += cli_number(answer, "failed");
	json_decref(answer);
	return ok;
}

static void print_json(const struct sum *sum, const char *what)
{
	json_t *say = json_pack("{s:b, s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "ok", sum->messages > 0, "what", what,
		"matched", (json_int_t)json_array_size(sum->ids), "messages", (json_int_t)sum->messages,
		"recipients", (json_int_t)sum->recipients, "busy", (json_int_t)sum->busy,
		"missing", (json_int_t)sum->missing, "failed", (json_int_t)sum->failed);
	json_dumpf(say, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(say);
}

static void print_words(const struct sum *sum, const char *what)
{
	const char *done = strcmp(what, "retry") == 0 ? "due now" : strcmp(what, "hold") == 0 ? "held"
		: strcmp(what, "release") == 0 ? "released" : "removed";
	char count[CLI_WORDS_BYTES_MAX], recipients[CLI_WORDS_BYTES_MAX];
	printf("%s message%s with %s recipient%s: %s.\n", cli_count(sum->messages, count), cli_plural(sum->messages),
		cli_count(sum->recipients, recipients), cli_plural(sum->recipients), done);
	if (sum->busy > 0)
		printf("%s left alone, because an attempt runs at this moment; ask again when it is over.\n",
			cli_count(sum->busy, count));
	if (sum->missing > 0)
		printf("%s not in the queue any more.\n", cli_count(sum->missing, count));
	if (sum->failed > 0)
		printf("%s could not be recorded; look at the log.\n", cli_count(sum->failed, count));
}

static int change(const struct cli_queue_request *r, struct sum *sum, const char *what)
{
	int code = CLI_NO;
	if (!(r->id_count > 0 ? find_all(r, sum, &code) : collect(r, sum, &code)))
		return code;
	if (json_array_size(sum->ids) == 0) {
		if (r->options->json)
			print_json(sum, what);
		else
			puts("No message matches.");
		return CLI_NO;
	}
	if (!confirmed(r, sum, what))
		return CLI_NO;
	sum->wish = strcmp(what, "remove") == 0 && r->bounce ? "bounce" : what;
	for (size_t from = 0; from < json_array_size(sum->ids); from += BATCH)
		if (!change_batch(r, sum, from, &code))
			return code;
	if (r->options->json)
		print_json(sum, what);
	else
		print_words(sum, what);
	return sum->messages > 0 ? CLI_DONE : CLI_NO;
}

int cli_queue_change(const struct cli_queue_request *r, const char *what)
{
	struct sum sum = { .ids = json_array() };
	if (r->options->json && r->id_count == 0 && !r->yes && strcmp(what, "remove") == 0) {
		fprintf(stderr, "waybill queue remove --json asks no question: add --yes\n");
		json_decref(sum.ids);
		return CLI_USAGE;
	}
	int code = change(r, &sum, what);
	json_decref(sum.ids);
	return code;
}
