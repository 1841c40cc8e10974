/* SPDX-License-Identifier: Apache-2.0 */
/* `waybill queue`: the words of the command line. */
#include "cli_queue.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli_help.h"
#include "cli_words.h"
#include "conf_value.h"

static const char help[] =
	"usage: waybill queue                             where mail waits, and why\n"
	"       waybill queue list [FILTER]               the messages\n"
	"       waybill queue show|cat ID                 all about one message; its content\n"
	"       waybill queue retry|hold|release ID...|FILTER\n"
	"       waybill queue remove ID...|FILTER [--yes] [--bounce]\n"
	"       waybill queue pause|resume                accept and keep mail, attempt nothing; go on\n"
	"each with [-c FILE] [--json]. An ID may be cut to its first 6 characters or more.\n"
	"FILTER is one or more of\n"
	"  --sender ADDRESS|@DOMAIN|<>   --recipient ADDRESS|@DOMAIN\n"
	"  --destination TEXT            its next hop, the server that answered last, or the recipient's domain\n"
	"  --reason NAME|TEXT            why it waits: a reason's name (greylisted), or words of the reply\n"
	"  --older TIME, --newer TIME    than 30s, 5m, 2h or 1d\n"
	"  --state STATE                 pending, deferred, in-doubt, held or bounce-owed\n"
	"  --all                         every message\n"
	"list also takes --limit N. remove asks before it removes what a filter finds; --yes says yes, and\n"
	"--bounce tells the senders.\n";

static int usage(const char *why, const char *word)
{
	if (why != NULL)
		fprintf(stderr, "waybill queue: %s%s%s\n", why, word != NULL ? " " : "", word != NULL ? word : "");
	return cli_usage(help);
}

/* An age as the moment it began. */
static bool take_age(json_t *filter, const char *key, const char *value)
{
	uint64_t ms;
	const char *why;
	if (!conf_value_duration(span_str(value), &ms, &why))
		return false;
	return json_object_set_new(filter, key, json_real(cli_now() - (double)ms / 1000)) == 0;
}

static bool take_state(json_t *filter, const char *value)
{
	static const char *const states[] = { "pending", "deferred", "in-doubt", "held", "bounce-owed" };
	for (unsigned i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (strcmp(states[i], value) == 0)
			return json_object_set_new(filter, "states", json_integer(1 << i)) == 0;
	return false;
}

static bool take_value(struct cli_queue_request *r, const char *name, const char *value)
{
	static const char *const texts[] = { "sender", "recipient", "destination", "reason" };
	uint64_t most;
	if (strcmp(name, "limit") == 0) {
		bool good = span_to_u64(span_str(value), 1u << 30, &most) && most > 0;
		r->most = good ? (long long)most : 0;
		return good;
	}
	if (r->filter == NULL)
		r->filter = json_object();
	if (strcmp(name, "older") == 0)
		return take_age(r->filter, "before", value);
	if (strcmp(name, "newer") == 0)
		return take_age(r->filter, "after", value);
	if (strcmp(name, "state") == 0)
		return take_state(r->filter, value);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strcmp(texts[i], name) == 0)
			return value[0] != 0 && json_object_set_new(r->filter, name, json_string(value)) == 0;
	return false;
}

/* Options that stand alone; false: not one of these. */
static bool take_flag(struct cli_queue_request *r, const char *word)
{
	if (strcmp(word, "--yes") == 0)
		r->yes = true;
	else if (strcmp(word, "--bounce") == 0)
		r->bounce = true;
	else if (strcmp(word, "--all") != 0)
		return false;
	else if (r->filter == NULL)
		r->filter = json_object();
	return true;
}

/* What follows the subcommand; 0, or CLI_USAGE after a complaint. Words that are no options are ids. */
static int take_words(struct cli_queue_request *r, int argc, char **argv)
{
	for (int i = 2; i < argc; i++) {
		const char *word = argv[i];
		if (strncmp(word, "--", 2) != 0) {
			argv[2 + r->id_count++] = argv[i];
		} else if (!take_flag(r, word)) {
			if (i + 1 == argc)
				return usage("unknown option, or one without its value:", word);
			if (!take_value(r, word + 2, argv[++i]))
				return usage("not understood:", word);
		}
	}
	r->ids = argv + 2;
	return 0;
}

static int pause_or_resume(const struct cli_options *options, bool pause)
{
	int code;
	json_t *answer = cli_ask(options, json_pack("{s:s}", "do", pause ? "pause" : "resume"), &code);
	if (answer == NULL)
		return code;
	if (cli_answer_plain(options, answer, &code))
		puts(pause ? "The queue is paused: mail is accepted and kept, nothing is attempted."
			: "The queue attempts what is due.");
	json_decref(answer);
	return code;
}

static int unknown(const char *what)
{
	static const char *const words[] = { "list", "show", "cat", "retry", "hold", "release", "remove", "pause", "resume",
		NULL };
	return cli_wrong("waybill queue", what, words, help);
}

static int run(struct cli_queue_request *r, const char *what)
{
	bool is_list = strcmp(what, "list") == 0, is_remove = strcmp(what, "remove") == 0;
	bool filtered = r->filter != NULL;
	if ((r->most > 0 && !is_list) || ((r->yes || r->bounce) && !is_remove))
		return usage("an option that does not belong to", what);
	if (is_list)
		return r->id_count > 0 ? usage("list takes no ids; see show", NULL) : cli_queue_list(r);
	if (strcmp(what, "show") == 0)
		return r->id_count != 1 || filtered ? usage("show takes one id", NULL) : cli_queue_show(r);
	if (strcmp(what, "cat") == 0)
		return r->id_count != 1 || filtered ? usage("cat takes one id", NULL) : cli_queue_cat(r);
	if (!is_remove && strcmp(what, "retry") != 0 && strcmp(what, "hold") != 0 && strcmp(what, "release") != 0)
		return unknown(what);
	if ((r->id_count > 0) == filtered)
		return usage("either ids or a filter, for", what);
	return cli_queue_change(r, what);
}

int cli_queue(int argc, char **argv, const struct cli_options *options)
{
	struct cli_queue_request r = { .options = options };
	if (argc == 1)
		return cli_queue_summary(options);
	if (cli_help_asked(argc, argv) || strcmp(argv[1], "help") == 0)
		return cli_help(help);
	if (argc == 2 && (strcmp(argv[1], "pause") == 0 || strcmp(argv[1], "resume") == 0))
		return pause_or_resume(options, argv[1][0] == 'p');
	int code = take_words(&r, argc, argv);
	if (code == 0)
		code = run(&r, argv[1]);
	json_decref(r.filter);
	return code;
}
