/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `waybill trace`: the story of a message, an address, a client or a session, from the
 * events that the server keeps in memory and from the queue. Each subject is told by
 * itself: what happened when, what it means, what comes next.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cli_queue.h"
#include "cli_help.h"
#include "cli_words.h"
#include "classify.h"
#include "reply.h"

#define TEXT_BYTES_MAX (4u << 20)

struct story {
	const struct cli_options *options;
	struct buf out;
	double now;
	/* Of the subject that is being told. */
	double began;
	long long delivered, given_up, refused, accepted;
	double last;
};

static void add_text(struct buf *out, const char *text)
{
	buf_add_escaped(out, span_str(text));
}

static void add_moment(struct story *s, const json_t *event)
{
	char text[CLI_WORDS_BYTES_MAX];
	buf_addf(&s->out, "  %s  ", cli_clock(cli_time(event, "at"), s->now, text));
}

/* "550 5.1.1 No such mailbox here", by the key of the catalogue. */
static void add_reply(struct buf *out, const char *name)
{
	enum reply_key key;
	if (!reply_find(span_str(name), &key)) {
		add_text(out, name);
		return;
	}
	const struct reply_entry *entry = reply_entry(key);
	buf_addf(out, "%u %s%s%s", entry->code, entry->enhanced, entry->enhanced[0] != 0 ? " " : "", entry->topic.title);
}

static void add_description(struct story *s, const char *name)
{
	enum reply_key key;
	if (reply_find(span_str(name), &key))
		buf_addf(&s->out, "            %s\n", reply_entry(key)->topic.description);
}

/* Which check it was, what it looked at, and where its setting stands. */
static void add_check(struct story *s, const json_t *e, const char *check)
{
	const char *file = strrchr(s->options->conf_path, '/');
	long long line = cli_number(e, "number");
	buf_add_str(&s->out, "            decided by the check ");
	add_text(&s->out, check);
	if (cli_text(e, "text")[0] != 0) {
		buf_add_str(&s->out, ": ");
		add_text(&s->out, cli_text(e, "text"));
	}
	if (line > 0)
		buf_addf(&s->out, " (%s:%lld)", file != NULL ? file + 1 : s->options->conf_path, line);
	buf_add_byte(&s->out, '\n');
}

static void tell_refused(struct story *s, const json_t *e)
{
	const char *verb = cli_text(e, "verb"), *address = cli_text(e, "address"), *check = cli_text(e, "check");
	s->refused++;
	add_moment(s, e);
	buf_add_str(&s->out, verb[0] != 0 ? verb : "the session");
	if (address[0] != 0) {
		buf_add_byte(&s->out, ' ');
		add_text(&s->out, address);
	}
	buf_add_str(&s->out, " was answered ");
	add_reply(&s->out, cli_text(e, "key"));
	buf_add_byte(&s->out, '\n');
	if (check[0] != 0)
		add_check(s, e, check);
	add_description(s, cli_text(e, "key"));
}

static void tell_accepted(struct story *s, const json_t *e)
{
	char size[CLI_WORDS_BYTES_MAX];
	s->accepted++;
	const char *check = cli_text(e, "check"), *session = cli_text(e, "session");
	add_moment(s, e);
	buf_add_str(&s->out, "accepted from ");
	if (session[0] == 0) {
		buf_add_str(&s->out, "a program here (");
		add_text(&s->out, check);
		buf_add_byte(&s->out, ')');
	} else {
		add_text(&s->out, cli_text(e, "client"));
		buf_addf(&s->out, "%s, session %s", strcmp(check, "trusted") == 0 ? " (trusted)" : "", session);
	}
	buf_add_str(&s->out, ", for ");
	add_text(&s->out, cli_text(e, "text"));
	buf_addf(&s->out, "; %s, on disk", cli_size(cli_number(e, "number"), size));
	if (cli_number(e, "took_us") > 0)
		buf_addf(&s->out, " after %.1f ms", (double)cli_number(e, "took_us") / 1000);
	buf_add_byte(&s->out, '\n');
}

/* Words of another server or of ours, without the host in front. */
static const char *words_of(const char *reason)
{
	const char *colon = strstr(reason, ": ");
	uint64_t code;
	bool by_code = span_to_u64(span_to(span_str(reason), 3), 999, &code) && reason[3] != '.';
	return !by_code && colon != NULL ? colon + 2 : reason;
}

static void tell_meaning(struct story *s, const json_t *e, bool advice)
{
	char text[CLI_WORDS_BYTES_MAX];
	struct classify_input input;
	struct classify_answer answer;
	double next = cli_time(e, "next_attempt");
	classify_input_parse(span_str(words_of(cli_text(e, "text"))), &input);
	classify_reply(&input, &answer);
	const struct classify_reason_info *info = classify_reason_info(answer.reason);
	buf_addf(&s->out, "            %s: %s", info->name, info->sentence);
	if (answer.delay_s > 0)
		buf_addf(&s->out, "; it named %u s", answer.delay_s);
	if (next > 0)
		buf_addf(&s->out, "; next attempt at %s", cli_clock(next, s->now, text));
	buf_add_str(&s->out, ".\n");
	if (advice)
		buf_addf(&s->out, "            %s\n", info->advice);
}

static void tell_result(struct story *s, const json_t *e)
{
	const char *state = cli_text(e, "state"), *text = cli_text(e, "text");
	bool delivered = strcmp(state, "delivered") == 0, expanded = strcmp(state, "expanded") == 0;
	bool given_up = strcmp(state, "bounce-owed") == 0 || strcmp(state, "failed") == 0;
	s->delivered += delivered;
	s->given_up += given_up;
	if (delivered)
		s->last = cli_time(e, "at");
	add_moment(s, e);
	add_text(&s->out, cli_text(e, "address"));
	if (expanded)
		buf_add_str(&s->out, " was replaced by the addresses that it stands for");
	else
		buf_addf(&s->out, ", attempt %lld: %s", cli_number(e, "attempt"), delivered ? "delivered" : "");
	if (text[0] != 0) {
		buf_add_str(&s->out, delivered ? "; " : "");
		add_text(&s->out, text);
	}
	buf_add_byte(&s->out, '\n');
	if (!delivered && !expanded)
		tell_meaning(s, e, given_up);
}

static void tell_changed(struct story *s, const json_t *e)
{
	static const char *const changes[] = { "made due by", "held by", "released by", "removed by",
		"removed, with a bounce, by" };
	long long what = cli_number(e, "number");
	add_moment(s, e);
	if (cli_text(e, "text")[0] != 0)
		add_text(&s->out, cli_text(e, "text"));
	else
		buf_addf(&s->out, "%s an operator", what >= 0 && what < 5 ? changes[what] : "changed by");
	buf_add_byte(&s->out, '\n');
}

static void tell_unreachable(struct story *s, const json_t *e)
{
	char text[CLI_WORDS_BYTES_MAX];
	double next = cli_time(e, "next_attempt");
	add_moment(s, e);
	buf_add_str(&s->out, "the server could not be spoken with: ");
	add_text(&s->out, cli_text(e, "text"));
	if (next > 0)
		buf_addf(&s->out, "; it is probed at %s", cli_clock(next, s->now, text));
	buf_add_byte(&s->out, '\n');
}

static void tell_event(struct story *s, const json_t *e)
{
	const char *kind = cli_text(e, "kind");
	if (strcmp(kind, "refused") == 0) {
		tell_refused(s, e);
	} else if (strcmp(kind, "accepted") == 0) {
		tell_accepted(s, e);
	} else if (strcmp(kind, "result") == 0) {
		tell_result(s, e);
	} else if (strcmp(kind, "changed") == 0) {
		tell_changed(s, e);
	} else if (strcmp(kind, "unreachable") == 0) {
		tell_unreachable(s, e);
	} else if (strcmp(kind, "bounced") == 0) {
		add_moment(s, e);
		buf_add_str(&s->out, "told by a bounce: ");
		add_text(&s->out, cli_text(e, "address"));
		buf_add_byte(&s->out, '\n');
	} else {
		add_moment(s, e);
		buf_add_str(&s->out, kind);
		buf_add_byte(&s->out, '\n');
	}
}

static void tell_head(struct story *s, const json_t *first)
{
	const char *id = cli_text(first, "id"), *sender = cli_text(first, "sender");
	bool message = id[0] != 0 && strcmp(cli_text(first, "kind"), "refused") != 0;
	if (message) {
		buf_addf(&s->out, "%s  from %s", id, sender[0] != 0 ? "" : "<>");
		add_text(&s->out, sender);
	} else {
		buf_addf(&s->out, "session %s from ", cli_text(first, "session"));
		add_text(&s->out, cli_text(first, "client"));
	}
	buf_add_byte(&s->out, '\n');
}

/* How it ends, or what it waits for. */
static void tell_end(struct story *s, const char *id)
{
	char age[CLI_WORDS_BYTES_MAX];
	int code;
	json_t *left = id[0] != 0 ? cli_queue_left(s->options, id, &code) : NULL, *r;
	size_t i;
	json_array_foreach(json_object_get(left, "recipients"), i, r) {
		buf_add_str(&s->out, "  now: ");
		add_text(&s->out, cli_text(r, "address"));
		buf_add_str(&s->out, ", ");
		cli_queue_waits(&s->out, r, s->now);
		buf_add_str(&s->out, ".\n");
	}
	const json_t *first = json_array_get(json_object_get(left, "recipients"), 0);
	bool held = strcmp(cli_text(first, "waits_for"), "held") == 0;
	if (left != NULL)
		buf_add_str(&s->out, held ? "" : "  Nothing to do; it goes on by itself (waybill queue retry tries it now).\n");
	else if (s->given_up > 0)
		buf_addf(&s->out, "  %lld recipient%s did not get it; nothing more is tried.\n", s->given_up,
			cli_plural(s->given_up));
	else if (s->delivered > 0 && s->began > 0)
		buf_addf(&s->out, "  delivered after %s. Nothing to do.\n", cli_age(s->last - s->began, age));
	else if (s->refused > 0 && s->accepted == 0)
		buf_add_str(&s->out, "  Nothing was accepted.\n");
	json_decref(left);
}

static int by_time(const void *a, const void *b)
{
	double x = cli_time(*(const json_t *const *)a, "at"), y = cli_time(*(const json_t *const *)b, "at");
	return x < y ? -1 : x > y ? 1 : 0;
}

static void tell_subject(struct story *s, const json_t *events, long long subject)
{
	size_t count = 0, i;
	json_t *e;
	const json_t **own = calloc(json_array_size(events) + 1, sizeof(json_t *));
	if (own == NULL)
		return;
	json_array_foreach(events, i, e)
		if (cli_number(e, "subject") == subject)
			own[count++] = e;
	if (count > 0) {
		qsort(own, count, sizeof(own[0]), by_time);
		s->began = cli_time(own[0], "at");
		s->delivered = s->given_up = s->refused = s->accepted = 0;
		tell_head(s, own[0]);
		for (i = 0; i < count; i++)
			tell_event(s, own[i]);
		tell_end(s, s->accepted + s->delivered + s->given_up > 0 || s->refused == 0 ? cli_text(own[0], "id") : "");
	}
	free(own);
}

json_t *cli_trace_fetch(const struct cli_options *options, const char *of, json_t **last_out, int *exit_out)
{
	struct cli_talk talk;
	json_t *line, *events;
	if (!cli_talk_open(&talk, options, json_pack("{s:s, s:s}", "do", "trace", "of", of), exit_out))
		return NULL;
	events = json_array();
	while ((line = cli_talk_next(&talk, last_out, exit_out)) != NULL)
		json_array_append_new(events, line);
	cli_talk_close(&talk);
	return events;
}

/* What the events do not know, the queue may: a message from before the last start, or an address. */
static int from_queue(const struct cli_options *options, char *of)
{
	struct cli_queue_request r = { .options = options, .ids = &of, .id_count = 1 };
	char id[27];
	int code;
	size_t len = strlen(of);
	if (strchr(of, '@') != NULL) {
		r.filter = json_pack("{s:s}", "recipient", of);
		if (!options->json)
			puts("No event of it is kept. In the queue, for this recipient:");
		code = cli_queue_list(&r);
		json_decref(r.filter);
		return code;
	}
	if (len < CLI_QUEUE_ID_CHARS_MIN || len > 26 || strchr(of, '.') != NULL || strchr(of, ':') != NULL) {
		fprintf(stderr, "waybill: nothing is known of %s\n", of);
		return CLI_NO;
	}
	return cli_queue_find(options, of, id, &code) ? cli_queue_show(&r) : code;
}

static void tell(const struct cli_options *options, const json_t *events, const json_t *last)
{
	struct story s = { .options = options, .now = cli_now() };
	long long subjects = 0;
	size_t i;
	json_t *e;
	buf_init(&s.out, TEXT_BYTES_MAX);
	json_array_foreach(events, i, e)
		if (cli_number(e, "subject") >= subjects)
			subjects = cli_number(e, "subject") + 1;
	for (long long subject = 0; subject < subjects; subject++)
		tell_subject(&s, events, subject);
	if (!json_is_true(json_object_get(last, "complete")))
		buf_add_str(&s.out, "There is more; ask for one message or session.\n");
	if (cli_number(last, "dropped") > 0)
		buf_addf(&s.out, "%lld events could not be kept since the start; some may be missing here.\n",
			cli_number(last, "dropped"));
	fwrite(s.out.ptr, 1, s.out.len, stdout);
	buf_fini(&s.out);
}

static const char help[] = "usage: waybill trace ID|ADDRESS|SESSION|CLIENT [-c FILE] [--json]\n"
	"An ID may be cut to its first 6 characters or more.\n";

int cli_trace(int argc, char **argv, const struct cli_options *options)
{
	int code = CLI_NO;
	json_t *last = NULL, *e;
	size_t i;
	if (cli_help_asked(argc, argv))
		return cli_help(help);
	if (argc != 2 || argv[1][0] == 0 || argv[1][0] == '-')
		return cli_usage(help);
	json_t *events = cli_trace_fetch(options, argv[1], &last, &code);
	if (events != NULL && last != NULL && !json_is_true(json_object_get(last, "ok"))) {
		cli_answer_plain(options, last, &code);
	} else if (events != NULL && last != NULL) {
		code = json_array_size(events) > 0 ? CLI_DONE : from_queue(options, argv[1]);
		if (json_array_size(events) > 0 && !options->json)
			tell(options, events, last);
		json_array_foreach(events, i, e)
			if (options->json) {
				json_dumpf(e, stdout, JSON_COMPACT);
				putchar('\n');
			}
	}
	json_decref(events);
	json_decref(last);
	return code;
}
