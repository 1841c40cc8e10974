/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `waybill queue`, `queue list`, `queue show`, `queue cat`: what the server says, in
 * words, or its JSON as it is. A list is printed while it comes.
 */
#include <stdio.h>
#include <stdlib.h>

#include "classify.h"
#include "cli_queue.h"
#include "cli_words.h"

#define TEXT_BYTES_MAX 65536
#define DESTINATION_COLUMNS 34
#define CAT_BYTES 65536

/* What the server's text says, safe for a terminal. */
static void add_text(struct buf *out, const char *text)
{
	buf_add_escaped(out, span_str(text));
}

static void add_time(struct buf *out, double at, double now)
{
	char text[CLI_WORDS_BYTES_MAX];
	buf_add_str(out, at > 0 ? cli_clock(at, now, text) : "some time");
}

void cli_queue_down(struct buf *out, const char *name, const json_t *of, double now)
{
	const char *since = json_object_get(of, "destination_since") != NULL ? "destination_since" : "since";
	bool recipient = since[0] == 'd';
	const char *reason = cli_text(of, recipient ? "destination_reason" : "reason");
	double until = cli_time(of, recipient ? "destination_until" : "until");
	if (name != NULL) {
		add_text(out, name);
		buf_add_str(out, " is ");
	}
	buf_add_str(out, "down since ");
	add_time(out, cli_time(of, since), now);
	if (reason[0] != 0) {
		buf_add_str(out, " (");
		add_text(out, reason);
		buf_add_byte(out, ')');
	}
	if (until > 0) {
		buf_add_str(out, "; next probe at ");
		add_time(out, until, now);
	} else {
		buf_add_str(out, "; a probe is under way");
	}
}

void cli_queue_waits(struct buf *out, const json_t *recipient, double now)
{
	const char *what = cli_text(recipient, "waits_for");
	const char *destination = cli_text(recipient, "destination");
	if (strcmp(what, "under-way") == 0) {
		buf_add_str(out, "being tried now");
	} else if (strcmp(what, "its-turn") == 0) {
		buf_add_str(out, "waits for its turn at ");
		add_text(out, destination);
	} else if (strcmp(what, "its-time") == 0) {
		buf_add_str(out, "next attempt at ");
		add_time(out, cli_time(recipient, "next_attempt"), now);
	} else if (strcmp(what, "destination-down") == 0) {
		cli_queue_down(out, destination, recipient, now);
	} else if (strcmp(what, "destination-paced") == 0) {
		add_text(out, destination);
		buf_add_str(out, " wants nothing before ");
		add_time(out, cli_time(recipient, "destination_until"), now);
	} else if (strcmp(what, "held") == 0) {
		buf_add_str(out, "held until waybill queue release");
	} else if (strcmp(what, "queue-paused") == 0) {
		buf_add_str(out, "the queue is paused");
	} else if (strcmp(what, "bounce") == 0) {
		buf_add_str(out, "failed; the sender is about to be told");
	} else if (strcmp(what, "settled") == 0) {
		add_text(out, cli_text(recipient, "state"));
	} else {
		buf_add_str(out, "due now");
	}
}

/* --- the summary --- */

static void add_group_state(struct buf *out, const json_t *g, double now)
{
	const char *kind = cli_text(g, "kind"), *state = cli_text(g, "state");
	double next = cli_time(g, "next_attempt");
	long long under_way = cli_number(g, "under_way");
	if (strcmp(state, "down") == 0) {
		cli_queue_down(out, NULL, g, now);
	} else if (strcmp(state, "paced") == 0) {
		buf_add_str(out, "wants nothing before ");
		add_time(out, cli_time(g, "until"), now);
	} else if (strcmp(kind, "destination") == 0) {
		buf_addf(out, "%lld of %lld connections", under_way, cli_number(g, "window"));
	} else if (strcmp(kind, "held") == 0) {
		buf_add_str(out, "until waybill queue release");
	} else if (next > 0) {
		buf_add_str(out, "next attempt at ");
		add_time(out, next, now);
	} else {
		buf_add_str(out, under_way > 0 ? "being tried" : "due now");
	}
}

static const char *group_name(const json_t *g)
{
	const char *kind = cli_text(g, "kind");
	if (strcmp(kind, "local") == 0)
		return "mailboxes here";
	if (strcmp(kind, "new") == 0)
		return "(not tried yet)";
	if (strcmp(kind, "held") == 0)
		return "(held)";
	if (strcmp(kind, "bounce") == 0)
		return "(bounces to be written)";
	return strcmp(kind, "others") == 0 ? "(others)" : cli_text(g, "name");
}

static int by_messages(const void *a, const void *b)
{
	long long x = cli_number(*(const json_t *const *)a, "messages");
	long long y = cli_number(*(const json_t *const *)b, "messages");
	return x < y ? 1 : x > y ? -1 : 0;
}

static void print_group(const json_t *g, bool paused, double now)
{
	char count[CLI_WORDS_BYTES_MAX], age[CLI_WORDS_BYTES_MAX];
	struct buf name, state;
	buf_init(&name, TEXT_BYTES_MAX);
	buf_init(&state, TEXT_BYTES_MAX);
	add_text(&name, group_name(g));
	if (strcmp(cli_text(g, "kind"), "held") == 0 && cli_text(g, "name")[0] != 0) {
		buf_add_str(&name, " by the brake: ");
		add_text(&name, cli_text(g, "name"));
	}
	if (paused && strcmp(cli_text(g, "kind"), "held") != 0 && cli_number(g, "under_way") == 0)
		buf_add_str(&state, "paused");
	else
		add_group_state(&state, g, now);
	printf("%-*s %9s  %-8s %.*s\n", DESTINATION_COLUMNS, buf_cstr(&name), cli_count(cli_number(g, "messages"), count),
		cli_age(now - cli_time(g, "oldest"), age), SPAN_FMT(buf_span(&state)));
	buf_fini(&name);
	buf_fini(&state);
}

static void print_groups(const json_t *groups, bool paused, double now)
{
	size_t count = json_array_size(groups);
	const json_t **sorted = calloc(count + 1, sizeof(json_t *));
	if (sorted == NULL || count == 0) {
		free(sorted);
		return;
	}
	for (size_t i = 0; i < count; i++)
		sorted[i] = json_array_get(groups, i);
	qsort(sorted, count, sizeof(sorted[0]), by_messages);
	printf("%-*s %9s  %-8s %s\n", DESTINATION_COLUMNS, "destination", "messages", "oldest", "state");
	for (size_t i = 0; i < count; i++)
		print_group(sorted[i], paused, now);
	free(sorted);
}

static void print_summary(const json_t *answer)
{
	char messages[CLI_WORDS_BYTES_MAX], recipients[CLI_WORDS_BYTES_MAX], text[CLI_WORDS_BYTES_MAX];
	double now = cli_now();
	long long m = cli_number(answer, "messages"), r = cli_number(answer, "recipients");
	bool paused = json_is_true(json_object_get(answer, "paused"));
	print_groups(json_object_get(answer, "groups"), paused, now);
	if (m == 0)
		printf("The queue is empty.");
	else
		printf("%s message%s, %s recipient%s. Oldest: %s.", cli_count(m, messages), cli_plural(m),
			cli_count(r, recipients), cli_plural(r), cli_age(now - cli_time(answer, "oldest"), text));
	printf(" Disk: %s.\n", cli_size(cli_number(answer, "disk_bytes"), text));
	if (paused)
		printf("Paused: nothing is attempted (waybill queue resume).\n");
}

int cli_queue_summary(const struct cli_options *options)
{
	int code;
	json_t *answer = cli_ask(options, json_pack("{s:s}", "do", "queue-summary"), &code);
	if (answer == NULL)
		return code;
	if (cli_answer_plain(options, answer, &code))
		print_summary(answer);
	json_decref(answer);
	return code;
}

/* --- messages --- */

static void add_sender(struct buf *out, const json_t *message)
{
	const char *sender = cli_text(message, "sender");
	if (sender[0] == 0)
		buf_add_str(out, "<> (a bounce or notice)");
	add_text(out, sender);
}

static void add_recipient(struct buf *out, const json_t *r, double now)
{
	long long attempts = cli_number(r, "attempts");
	const char *reason = cli_text(r, "reason");
	buf_add_str(out, "    ");
	add_text(out, cli_text(r, "address"));
	buf_add_str(out, "  ");
	cli_queue_waits(out, r, now);
	if (attempts > 0)
		buf_addf(out, "; tried %lld time%s", attempts, cli_plural(attempts));
	if (reason[0] != 0) {
		buf_add_str(out, ": ");
		add_text(out, reason);
	}
	buf_add_byte(out, '\n');
}

void cli_queue_print(const json_t *message, double now)
{
	char age[CLI_WORDS_BYTES_MAX], size[CLI_WORDS_BYTES_MAX];
	json_t *recipients = json_object_get(message, "recipients"), *r;
	size_t i;
	struct buf out;
	buf_init(&out, 4u << 20);
	buf_addf(&out, "%s  %s  %s  from ", cli_text(message, "id"), cli_age(now - cli_time(message, "arrived"), age),
		cli_size(cli_number(message, "bytes"), size));
	add_sender(&out, message);
	buf_add_byte(&out, '\n');
	if (json_is_true(json_object_get(message, "unreadable")))
		buf_add_str(&out, "    cannot be read from the disk; see waybill spool check\n");
	json_array_foreach(recipients, i, r)
		add_recipient(&out, r, now);
	long long more = cli_number(message, "matching") - (long long)json_array_size(recipients);
	if (more > 0 && json_array_size(recipients) > 0)
		buf_addf(&out, "    and %lld more recipient%s\n", more, cli_plural(more));
	fwrite(out.ptr, 1, out.len, stdout);
	buf_fini(&out);
}

static int list_end(const struct cli_queue_request *r, json_t *last, long long count, int code)
{
	char text[CLI_WORDS_BYTES_MAX];
	if (last == NULL)
		return code;
	bool ok = json_is_true(json_object_get(last, "ok")), complete = json_is_true(json_object_get(last, "complete"));
	if (!ok)
		cli_answer_plain(r->options, last, &code);
	json_decref(last);
	if (!ok)
		return CLI_NO;
	if (!r->options->json && count == 0)
		puts(r->filter != NULL ? "No message matches." : "The queue is empty.");
	else if (!r->options->json)
		printf("%s message%s%s.\n", cli_count(count, text), cli_plural(count),
			complete ? "" : ", and there may be more");
	return count > 0 ? CLI_DONE : CLI_NO;
}

int cli_queue_list(const struct cli_queue_request *r)
{
	struct cli_talk talk;
	json_t *line, *last;
	long long count = 0;
	int code;
	if (!cli_talk_open(&talk, r->options, cli_queue_list_request(r->filter, r->most), &code))
		return code;
	while ((line = cli_talk_next(&talk, &last, &code)) != NULL) {
		count++;
		if (r->options->json) {
			json_dumpf(line, stdout, JSON_COMPACT);
			putchar('\n');
		} else {
			cli_queue_print(line, cli_now());
		}
		json_decref(line);
	}
	cli_talk_close(&talk);
	return list_end(r, last, count, code);
}

/* --- one message --- */

void cli_queue_meaning(struct buf *out, const char *reason)
{
	struct classify_input input;
	struct classify_answer answer;
	struct span words = span_str(reason);
	const char *colon = strstr(reason, ": ");
	uint64_t code;
	bool by_code = span_to_u64(span_to(words, 3), 999, &code) && reason[3] != '.';
	if (!by_code && colon != NULL)
		words = span_str(colon + 2);
	classify_input_parse(words, &input);
	classify_reply(&input, &answer);
	const struct classify_reason_info *info = classify_reason_info(answer.reason);
	if (answer.reason == REASON_ACCEPTED)
		return;
	buf_addf(out, "      %s: %s.\n      %s\n", info->name, info->sentence, info->advice);
}

static void show_recipient(struct buf *out, const json_t *r, double now)
{
	long long attempts = cli_number(r, "attempts");
	const char *reason = cli_text(r, "reason");
	buf_add_str(out, "  ");
	add_text(out, cli_text(r, "address"));
	buf_addf(out, ": %s", attempts > 0 ? "" : "not tried yet; ");
	cli_queue_waits(out, r, now);
	if (attempts > 0)
		buf_addf(out, ", after %lld attempt%s", attempts, cli_plural(attempts));
	buf_add_str(out, ".\n");
	if (reason[0] == 0)
		return;
	buf_add_str(out, "      last: ");
	add_text(out, reason);
	buf_add_byte(out, '\n');
	if (strcmp(cli_text(r, "waits_for"), "settled") != 0)
		cli_queue_meaning(out, reason);
}

static void show_message(const json_t *message)
{
	char text[CLI_WORDS_BYTES_MAX], age[CLI_WORDS_BYTES_MAX];
	json_t *recipients = json_object_get(message, "recipients"), *r;
	double now = cli_now(), arrived = cli_time(message, "arrived");
	size_t i;
	struct buf out;
	buf_init(&out, 4u << 20);
	buf_addf(&out, "%s, %s, from ", cli_text(message, "id"), cli_size(cli_number(message, "bytes"), text));
	add_sender(&out, message);
	buf_addf(&out, "\n  accepted at %s, %s ago", cli_clock(arrived, now, text), cli_age(now - arrived, age));
	if (cli_text(message, "client")[0] != 0) {
		buf_add_str(&out, ", from ");
		add_text(&out, cli_text(message, "client"));
		buf_add_str(&out, " (");
		add_text(&out, cli_text(message, "helo"));
		buf_addf(&out, "), session %s", cli_text(message, "session"));
	}
	buf_add_byte(&out, '\n');
	if (json_is_true(json_object_get(message, "unreadable")))
		buf_add_str(&out, "  It cannot be read from the disk; see waybill spool check.\n");
	json_array_foreach(recipients, i, r)
		show_recipient(&out, r, now);
	long long more = cli_number(message, "matching") - (long long)json_array_size(recipients);
	if (more > 0 && json_array_size(recipients) > 0)
		buf_addf(&out, "  and %lld more recipient%s\n", more, cli_plural(more));
	fwrite(out.ptr, 1, out.len, stdout);
	buf_fini(&out);
}

int cli_queue_show(const struct cli_queue_request *r)
{
	char id[27];
	int code;
	struct cli_talk talk;
	json_t *line, *last = NULL;
	if (!cli_queue_find(r->options, r->ids[0], id, &code))
		return code;
	json_t *filter = json_pack("{s:s, s:b}", "id", id, "settled", 1);
	bool open = cli_talk_open(&talk, r->options, cli_queue_list_request(filter, 1), &code);
	json_decref(filter);
	if (!open)
		return code;
	code = CLI_NO;
	while ((line = cli_talk_next(&talk, &last, &code)) != NULL) {
		code = CLI_DONE;
		if (r->options->json) {
			json_dumpf(line, stdout, JSON_COMPACT);
			putchar('\n');
		} else {
			show_message(line);
		}
		json_decref(line);
	}
	cli_talk_close(&talk);
	json_decref(last);
	return code;
}

/* Copies what follows to standard output; false unless all of it came and could be written. */
static bool copy_content(struct cli_talk *talk, long long bytes)
{
	static uint8_t piece[CAT_BYTES];
	while (bytes > 0) {
		ssize_t got = cli_talk_read(talk, piece, sizeof(piece));
		if (got <= 0 || fwrite(piece, 1, (size_t)got, stdout) != (size_t)got)
			return false;
		bytes -= got;
	}
	return fflush(stdout) == 0;
}

int cli_queue_cat(const struct cli_queue_request *r)
{
	char id[27];
	int code;
	struct cli_talk talk;
	json_t *line, *last = NULL;
	if (!cli_queue_find(r->options, r->ids[0], id, &code)
	    || !cli_talk_open(&talk, r->options, json_pack("{s:s, s:s}", "do", "queue-content", "id", id), &code))
		return code;
	while ((line = cli_talk_next(&talk, &last, &code)) != NULL)
		json_decref(line);
	if (last != NULL && !json_is_true(json_object_get(last, "ok"))) {
		struct cli_options words = { .conf_path = r->options->conf_path };
		cli_answer_plain(&words, last, &code);
	} else if (last != NULL) {
		code = copy_content(&talk, cli_number(last, "bytes")) ? CLI_DONE : CLI_NO;
		if (code != CLI_DONE)
			fprintf(stderr, "waybill: the message did not come whole\n");
	}
	json_decref(last);
	cli_talk_close(&talk);
	return code;
}
