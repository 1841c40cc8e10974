/* SPDX-License-Identifier: Apache-2.0 */
/* `waybill greylist`: who waits, who came back, who is known; whom to allow and what to forget. */
#include <stdio.h>
#include <string.h>

#include "cli_ask.h"
#include "cli_help.h"
#include "cli_words.h"

#define LINE_BYTES_MAX 8192

static const char help[] =
	"usage: waybill greylist                  how many wait, came back, are known\n"
	"       waybill greylist list [TEXT]      all of them, or those with TEXT in a name or an address\n"
	"       waybill greylist allow NAME...    let a domain or a network pass for good\n"
	"       waybill greylist forget NAME...   what is known of a domain, a network or an address\n"
	"each with [-c FILE] [--json]. A NAME is example.net, 192.0.2.0/24, 2001:db8::/64, or a host's address for\n"
	"its network; for forget alice@example.org as well. Networks are /24 for IPv4 and /64 for IPv6, also\n"
	"written [2001:db8::]/64. What allow says, forget takes back.\n"
	"A domain's mail passes from hosts that its SPF record names; for other hosts allow their network.\n";

static int usage(const char *why, const char *word)
{
	fprintf(stderr, "waybill greylist: %s \"%s\"\n", why, word);
	return cli_usage(help);
}

/* --- what is remembered --- */

static void add_sender(struct buf *out, const json_t *one)
{
	const char *sender = cli_text(one, "sender");
	buf_add_str(out, sender[0] != 0 ? "" : "<>");
	buf_add_escaped(out, span_str(sender));
	buf_add_str(out, " to ");
	buf_add_escaped(out, span_str(cli_text(one, "recipient")));
}

/* "may come back in 3 min", "came back 2 h ago", "came back 7 times, last seen 2 h ago". */
static void add_story(struct buf *out, const json_t *one, double now)
{
	char age[CLI_WORDS_BYTES_MAX];
	const char *state = cli_text(one, "state");
	double left = cli_time(one, "passes") - now;
	long long attempts = cli_number(one, "attempts"), returns = cli_number(one, "returns");
	if (strcmp(state, "waiting") == 0 && left > 0)
		buf_addf(out, "may come back in %s; %lld attempt%s so far", cli_age(left, age), attempts, cli_plural(attempts));
	else if (strcmp(state, "waiting") == 0)
		buf_addf(out, "may come back since %s; %lld attempt%s so far", cli_age(-left, age), attempts,
			cli_plural(attempts));
	else if (strcmp(state, "passed") == 0)
		buf_addf(out, "passes, last seen %s ago", cli_age(now - cli_time(one, "seen"), age));
	else if (strcmp(state, "allowed") == 0)
		buf_addf(out, "allowed by an operator, last seen %s ago", cli_age(now - cli_time(one, "seen"), age));
	else
		buf_addf(out, "%scame back %lld time%s, last seen %s ago", strcmp(state, "known") == 0 ? "known: " : "",
			returns, cli_plural(returns), cli_age(now - cli_time(one, "seen"), age));
}

static void print_one(const json_t *one, double now)
{
	struct buf line;
	buf_init(&line, LINE_BYTES_MAX);
	buf_add_escaped(&line, span_str(cli_text(one, "origin")));
	while (line.len < 24)
		buf_add_byte(&line, ' ');
	buf_add_byte(&line, ' ');
	if (json_object_get(one, "sender") != NULL) {
		add_sender(&line, one);
		buf_add_str(&line, ": ");
	}
	add_story(&line, one, now);
	printf("%.*s\n", SPAN_FMT(buf_span(&line)));
	buf_fini(&line);
}

static void print_summary(const json_t *end)
{
	char a[CLI_WORDS_BYTES_MAX], b[CLI_WORDS_BYTES_MAX], c[CLI_WORDS_BYTES_MAX], delay[CLI_WORDS_BYTES_MAX];
	const char *off = cli_text(end, "off");
	long long known = cli_number(end, "known") + cli_number(end, "allowed");
	if (off[0] != 0)
		printf("Nobody is greylisted: %s.\n", off);
	else
		printf("Senders that were never seen are asked to come back after %s.\n",
			cli_age((double)cli_number(end, "delay"), delay));
	printf("%s sender%s wait%s, %s came back; known domains and networks: %s, of which operators allowed %lld.\n",
		cli_count(cli_number(end, "waiting"), a), cli_plural(cli_number(end, "waiting")),
		cli_number(end, "waiting") == 1 ? "s" : "", cli_count(cli_number(end, "passed"), b), cli_count(known, c),
		cli_number(end, "allowed"));
	if (cli_number(end, "let_through") > 0)
		printf("%s were let through since the start, for want of room to remember them; see greylist { entries }.\n",
			cli_count(cli_number(end, "let_through"), a));
}

static void print_json(const json_t *line)
{
	json_dumpf(line, stdout, JSON_COMPACT);
	putchar('\n');
}

static int list(const char *about, const struct cli_options *options)
{
	struct cli_talk talk;
	json_t *line, *last;
	int code = CLI_DONE;
	double now = cli_now();
	json_t *request = json_pack("{s:s, s:s, s:b}", "do", "greylist-list", "about", about != NULL ? about : "",
		"summary", about == NULL);
	if (!cli_talk_open(&talk, options, request, &code))
		return code;
	while ((line = cli_talk_next(&talk, &last, &code)) != NULL) {
		if (options->json)
			print_json(line);
		else
			print_one(line, now);
		json_decref(line);
	}
	if (last != NULL && cli_answer_plain(options, last, &code) && (about == NULL || cli_number(last, "listed") == 0)) {
		if (about != NULL && about[0] != 0)
			puts("Nothing is remembered with this text.");
		else
			print_summary(last);
	}
	json_decref(last);
	cli_talk_close(&talk);
	return code;
}

/* --- changes --- */

static void print_changed(bool allow, const json_t *answer)
{
	const char *name = cli_text(answer, "name");
	long long count = cli_number(answer, "count");
	struct buf safe;
	buf_init(&safe, LINE_BYTES_MAX);
	buf_add_escaped(&safe, span_str(name));
	if (allow)
		printf("Mail of %.*s is not asked to come back any more%s.\n", SPAN_FMT(buf_span(&safe)),
			strchr(name, '/') != NULL ? "" : ", from hosts that SPF says the domain sends from;\n"
			"for mail from other hosts allow their network");
	else if (count == 0)
		printf("Nothing was known of %.*s.\n", SPAN_FMT(buf_span(&safe)));
	else
		printf("What was known of %.*s is forgotten (%lld row%s); it is a stranger again.\n",
			SPAN_FMT(buf_span(&safe)), count, cli_plural(count));
	buf_fini(&safe);
}

/* One name; the exit code. */
static int change(const char *name, bool allow, const struct cli_options *options)
{
	int code;
	json_t *request = json_pack("{s:s, s:b, s:s}", "do", "greylist-change", "allow", allow, "name", name);
	json_t *answer = cli_ask(options, request, &code);
	if (answer == NULL)
		return code;
	const char *error = cli_text(answer, "error");
	if (cli_answer_plain(options, answer, &code)) {
		if (error[0] != 0)
			fprintf(stderr, "waybill: %s: %s\n", name, error);
		else
			print_changed(allow, answer);
	}
	/* Nothing to forget is an answer of no. */
	if (code == CLI_DONE && (error[0] != 0 || cli_number(answer, "count") == 0))
		code = CLI_NO;
	json_decref(answer);
	return code;
}

int cli_greylist(int argc, char **argv, const struct cli_options *options)
{
	static const char *const words[] = { "list", "allow", "forget", NULL };
	int worst = CLI_DONE;
	if (argc == 1)
		return list(NULL, options);
	const char *what = argv[1];
	if (cli_help_asked(argc, argv) || strcmp(what, "help") == 0)
		return cli_help(help);
	for (int i = 2; i < argc; i++)
		if (argv[i][0] == '-' || argv[i][0] == 0)
			return usage("unknown option", argv[i]);
	if (strcmp(what, "list") == 0)
		return argc > 3 ? usage("too many words before", argv[3]) : list(argc == 3 ? argv[2] : "", options);
	bool allow = strcmp(what, "allow") == 0;
	if (!allow && strcmp(what, "forget") != 0)
		return cli_wrong("waybill greylist", what, words, help);
	if (argc == 2)
		return usage("a name is missing behind", what);
	for (int i = 2; i < argc; i++) {
		int code = change(argv[i], allow, options);
		worst = code > worst ? code : worst;
	}
	return worst;
}
