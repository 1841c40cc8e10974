/* SPDX-License-Identifier: Apache-2.0 */
/* What would this client be told? The server's own checks say it, each with what it looked at. */
#include "cli_check_rcpt.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "address.h"
#include "checked.h"
#include "cli_ask.h"
#include "cli_help.h"
#include "cli_words.h"
#include "netaddr.h"
#include "smtp_command.h"

#define SIZE_MAX_BYTES (UINT64_C(1) << 40)

static const char help[] =
	"usage: waybill check rcpt ADDRESS --from ADDRESS --client IP [--helo NAME] [--tls]\n"
	"                          [--auth ACCOUNT] [--size BYTES] [-c FILE] [--json]\n"
	"Says what a client would be told that sends to ADDRESS, and why; nothing is changed by it.\n"
	"--from '' or '<>' is a bounce; both addresses may stand in angle brackets. Without --helo the\n"
	"client gives its address in brackets. It is asked about the first recipient of the first\n"
	"message of a session: a real reply can also depend on what the session did before, and on\n"
	"the address of this server that the client connected to. A check that is \"not asked\" can still\n"
	"refuse a real client.\n";

static bool words_read(int argc, char **argv, struct cli_check_words *words)
{
	static const struct option options[] = {
		{ "from", required_argument, NULL, 'f' },
		{ "client", required_argument, NULL, 'c' },
		{ "helo", required_argument, NULL, 'h' },
		{ "auth", required_argument, NULL, 'a' },
		{ "tls", no_argument, NULL, 't' },
		{ "size", required_argument, NULL, 's' },
		{ 0 },
	};
	int option;
	struct netaddr client;
	optind = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'f')
			words->from = optarg;
		else if (option == 'c')
			words->client = optarg;
		else if (option == 'h')
			words->helo = optarg;
		else if (option == 'a')
			words->account = optarg;
		else if (option == 't')
			words->tls = true;
		else if (option != 's' || !span_to_u64(span_str(optarg), SIZE_MAX_BYTES, &words->size))
			return false;
	}
	if (optind + 1 != argc || words->from == NULL || words->client == NULL)
		return false;
	words->rcpt = argv[optind];
	if (netaddr_parse(span_str(words->client), &client))
		return true;
	fprintf(stderr, "waybill: --client wants an address, like 192.0.2.7 or 2001:db8::7\n");
	return false;
}

/* --- what a session says before it asks any check --- */

struct path {
	char text[ADDRESS_PATH_BYTES_MAX + 2]; /* longer ones are no path */
	struct address address;
};

/* The word as MAIL or RCPT would have it, in angle brackets; *word becomes the mailbox, which is kept in `path`. */
static bool path_read(const char **word, enum address_path kind, struct path *path)
{
	int len = snprintf(path->text, sizeof(path->text), **word == '<' ? "%s" : "<%s>", *word);
	if (len < 0 || (size_t)len >= sizeof(path->text)
	    || address_parse_path(span_str(path->text), kind, &path->address) != (size_t)len)
		return false;
	path->text[len - 1] = 0; /* the mailbox ends before the bracket */
	*word = path->address.null_path ? "" : (const char *)path->address.mailbox.ptr;
	return true;
}

/* As a server answers it that nobody needs to ask. */
static json_t *refused(enum reply_key key, const char *stage, const char *why)
{
	const struct reply_entry *entry = reply_entry(key);
	struct buf reply;
	buf_init(&reply, REPLY_LINE_BYTES_MAX);
	checked_reply_put(&reply, &(struct policy_verdict){ .key = key }, &(struct policy_context){ 0 },
		&(struct policy_input){ 0 });
	json_t *answer = checked_json(&(struct ipc_checked){ .key = (uint16_t)key, .check = SPAN("session"),
		.reply = buf_span(&reply) });
	buf_fini(&reply);
	json_array_append_new(json_object_get(answer, "steps"), json_pack("{s:s, s:s, s:s, s:I, s:I, s:s, s:s, s:I}",
		"check", "session", "stage", stage, "opinion", "refuse", "seconds", (json_int_t)0, "line", (json_int_t)0,
		"why", why, "key", entry->name, "code", (json_int_t)entry->code));
	return answer;
}

/* The size is compared with the configuration, which is read for it alone; -1 without a usable one. */
static int too_large(const struct cli_check_words *words, const struct cli_options *options)
{
	struct conf *conf = words->size > 0 ? cli_conf_load(options->conf_path) : NULL;
	int answer = words->size == 0 ? 0 : conf == NULL ? -1 : words->size > conf->limits.message_bytes_max;
	conf_free(conf);
	return answer;
}

static const char unclean[] = "it holds a control character, or what is not UTF-8";

/* The refusal of the session itself, as EHLO, MAIL and RCPT give it; NULL: the checks are asked. */
static json_t *session_refuses(struct cli_check_words *words, bool large, struct path *from, struct path *rcpt)
{
	if (!smtp_text_clean(span_str(words->helo)))
		return refused(REPLY_SYNTAX_ERROR, "helo", unclean);
	if (!smtp_helo_acceptable(span_trim(span_str(words->helo))))
		return refused(REPLY_HELO_SYNTAX, "helo", "the name is not one word of ASCII");
	if (!smtp_text_clean(span_str(words->from)))
		return refused(REPLY_SYNTAX_ERROR, "mail", unclean);
	if (!path_read(&words->from, ADDRESS_REVERSE, from))
		return refused(REPLY_SENDER_SYNTAX, "mail", "the sender is not an address");
	if (large)
		return refused(REPLY_MESSAGE_TOO_LARGE, "mail", "the size is over limits { message-size }");
	if (!smtp_text_clean(span_str(words->rcpt)))
		return refused(REPLY_SYNTAX_ERROR, "rcpt", unclean);
	if (!path_read(&words->rcpt, ADDRESS_FORWARD, rcpt))
		return refused(REPLY_RECIPIENT_SYNTAX, "rcpt", "the recipient is not an address");
	if (rcpt->address.null_path)
		return refused(REPLY_RECIPIENT_NOT_ALLOWED, "rcpt", "<> is no recipient");
	return NULL;
}

/* "pass", "450", "not asked". */
static const char *verdict_of(const json_t *step, char text[static 16])
{
	const char *opinion = cli_text(step, "opinion");
	bool asked = strcmp(opinion, "skip") != 0 && strcmp(opinion, "not-asked") != 0;
	if (strcmp(opinion, "refuse") == 0)
		snprintf(text, 16, "%lld", cli_number(step, "code"));
	else
		snprintf(text, 16, "%s", asked ? opinion : "not asked");
	return text;
}

static void print_step(const json_t *step, const char *conf_path)
{
	char text[16];
	const char *file = strrchr(conf_path, '/');
	long long line = cli_number(step, "line");
	struct buf why;
	buf_init(&why, 65536);
	buf_add_escaped(&why, span_str(cli_text(step, "why")));
	if (line > 0)
		buf_addf(&why, " (%s:%lld)", file != NULL ? file + 1 : conf_path, line);
	printf("  %-15s %-10s %.*s\n", cli_text(step, "check"), verdict_of(step, text), SPAN_FMT(buf_span(&why)));
	buf_fini(&why);
}

/* "greylist and mailbox" */
static void names_write(struct buf *out, const json_t *names)
{
	size_t count = json_array_size(names);
	for (size_t i = 0; i < count; i++) {
		buf_add_str(out, i == 0 ? "" : i + 1 < count ? ", " : " and ");
		buf_add_escaped(out, span_str(json_string_value(json_array_get(names, i))));
	}
}

static void print_answer(const json_t *answer, const struct cli_options *options, bool running)
{
	const json_t *steps = json_object_get(answer, "steps"), *not_asked = json_object_get(answer, "not_asked");
	size_t i, count = json_array_size(not_asked);
	json_t *step;
	struct buf reply, names;
	json_array_foreach(steps, i, step)
		print_step(step, options->conf_path);
	buf_init(&reply, 4096);
	buf_init(&names, 4096);
	buf_add_escaped(&reply, span_str(cli_text(answer, "reply")));
	names_write(&names, not_asked);
	printf("A client would be told:  %.*s\n", SPAN_FMT(buf_span(&reply)));
	if (count > 0)
		printf("if %.*s, which %s, %s nothing against it.\n", SPAN_FMT(buf_span(&names)),
			running ? "a dry run does not ask" : "only a running server can ask", count == 1 ? "has" : "have");
	puts("Nothing was changed.");
	buf_fini(&reply);
	buf_fini(&names);
}

static json_t *ask(struct cli_check_words *words, const struct cli_options *options, bool running, int *code)
{
	if (!running)
		return cli_check_offline(words, options);
	return cli_ask(options, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:I}",
		"do", "check-rcpt", "rcpt", words->rcpt, "from", words->from, "client", words->client, "helo", words->helo,
		"account", words->account, "tls", words->tls, "size", (json_int_t)words->size), code);
}

int cli_check_rcpt(int argc, char **argv, const struct cli_options *options)
{
	char literal[64];
	int code = CLI_NO;
	struct path from, rcpt;
	struct cli_check_words words = { .rcpt = "", .account = "" };
	if (cli_help_asked(argc, argv))
		return cli_help(help);
	if (!words_read(argc, argv, &words))
		return cli_usage(help);
	if (words.helo == NULL) {
		snprintf(literal, sizeof(literal), strchr(words.client, ':') != NULL ? "[IPv6:%s]" : "[%s]", words.client);
		words.helo = literal;
	}
	bool running = cli_server_runs(options);
	int large = too_large(&words, options);
	if (large < 0)
		return CLI_NO;
	json_t *answer = session_refuses(&words, large > 0, &from, &rcpt);
	if (answer == NULL)
		answer = ask(&words, options, running, &code);
	if (answer == NULL)
		return code;
	if (cli_answer_plain(options, answer, &code)) {
		if (!running)
			puts("No server runs with this configuration; this is what its files say.");
		print_answer(answer, options, running);
	}
	bool accepted = json_is_true(json_object_get(answer, "accepted"));
	json_decref(answer);
	return code == CLI_DONE && !accepted ? CLI_NO : code;
}

static void print_check(const json_t *one)
{
	char asked[CLI_WORDS_BYTES_MAX], refused[CLI_WORDS_BYTES_MAX], deferred[CLI_WORDS_BYTES_MAX],
		accepted[CLI_WORDS_BYTES_MAX];
	const json_t *stages = json_object_get(one, "stages");
	const char *stage = json_string_value(json_array_get(stages, 0));
	bool in_order = cli_number(one, "place") > 0;
	bool several = json_array_size(stages) > 1;
	const char *where = !in_order ? "left out" : stage == NULL ? "no rule" : several ? "several" : stage;
	printf("%-15s %-9s %10s %10s %10s %10s\n", cli_text(one, "name"), where, cli_count(cli_number(one, "asked"), asked),
		cli_count(cli_number(one, "refused"), refused), cli_count(cli_number(one, "deferred"), deferred),
		cli_count(cli_number(one, "accepted"), accepted));
}

static void print_service(const json_t *one)
{
	char asked[CLI_WORDS_BYTES_MAX], unanswered[CLI_WORDS_BYTES_MAX], ignored[CLI_WORDS_BYTES_MAX];
	bool down = json_is_true(json_object_get(one, "down"));
	printf("%-15s %-9s %10s %10s %10s\n", cli_text(one, "name"), down ? "down" : "up",
		cli_count(cli_number(one, "asked"), asked), cli_count(cli_number(one, "unanswered"), unanswered),
		cli_count(cli_number(one, "ignored"), ignored));
}

static void print_services(const json_t *services)
{
	size_t count = json_array_size(services);
	if (count > 0)
		puts("\npolicy service  is             asked   no answer    ignored");
	for (size_t i = 0; i < count; i++)
		print_service(json_array_get(services, i));
}

static int by_place(const void *a, const void *b)
{
	long long x = cli_number(*(json_t *const *)a, "place"), y = cli_number(*(json_t *const *)b, "place");
	x = x > 0 ? x : INT32_MAX;
	y = y > 0 ? y : INT32_MAX;
	return (x > y) - (x < y);
}

int cli_check_list(const struct cli_options *options)
{
	int code;
	json_t *answer = cli_ask(options, json_pack("{s:s}", "do", "check-list"), &code);
	if (answer == NULL)
		return code;
	if (cli_answer_plain(options, answer, &code)) {
		const json_t *checks = json_object_get(answer, "checks");
		size_t count = json_array_size(checks);
		json_t **sorted = calloc(count + 1, sizeof(json_t *));
		for (size_t i = 0; sorted != NULL && i < count; i++)
			sorted[i] = json_array_get(checks, i);
		puts("check           at             asked    refused    put off    excused");
		if (sorted != NULL)
			qsort(sorted, count, sizeof(json_t *), by_place);
		for (size_t i = 0; sorted != NULL && i < count; i++)
			print_check(sorted[i]);
		free(sorted);
		print_services(json_object_get(answer, "services"));
	}
	json_decref(answer);
	return code;
}
