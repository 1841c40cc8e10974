/* SPDX-License-Identifier: Apache-2.0 */
/* The waybill command: takes the options that all subcommands share, and finds the subcommand. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli.h"
#include "cli_check.h"
#include "cli_check_rcpt.h"
#include "cli_explain.h"
#include "cli_help.h"
#include "cli_spool.h"
#include "conf_show.h"
#include "version.h"

#define ARGS_MAX 256

static const char *const names[] = { "brake", "check", "demo", "explain", "greylist", "mailbox", "queue", "reload",
	"send", "spool", "status", "trace", "user" };

static int usage(FILE *out, int code)
{
	fprintf(out, "usage: waybill COMMAND [-c FILE] [--json]\n"
		"  explain CODE [CODE]     what a reply means, or how two differ: waybill explain 252 450\n"
		"  status                  what the running server is doing\n"
		"  queue [list|show|...]   what waits, and why; also hold, retry, remove (queue --help)\n"
		"  send RECIPIENT...       send a test message, and follow it with --wait\n"
		"  trace ID|ADDRESS|SESSION  what became of it, and why\n"
		"  user add|remove|list    who has a mailbox\n"
		"  mailbox show ADDRESS    can it take mail now? also disable and enable\n"
		"  greylist [list|allow|forget]  who has to come back, who is known\n"
		"  brake                   who suddenly sends very much and is held back; brake release\n"
		"  check config            is the configuration right?\n"
		"  check rcpt ADDRESS ...  what a client would be told, and which check says so\n"
		"  check list              the checks of clients, and how often each decided what\n"
		"  check domain NAME       is everything right in the DNS for this domain's mail?\n"
		"  reload                  have the server read its configuration again\n"
		"  spool check|export      look into the store of a server that is not running\n"
		"  demo [--dir DIR]        a server on 127.0.0.1 to play with\n"
		"FILE is " CLI_CONF_PATH_DEFAULT " unless given.\n");
	return code;
}

/* Takes -c FILE and --json out of the words; false when -c has no file. */
static bool take_options(int *argc, char **argv, struct cli_options *options)
{
	int kept = 0;
	for (int i = 0; i < *argc; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			options->json = true;
		} else if (strcmp(argv[i], "-c") == 0) {
			if (i + 1 == *argc)
				return false;
			options->conf_path = argv[++i];
		} else {
			argv[kept++] = argv[i];
		}
	}
	*argc = kept;
	argv[kept] = NULL;
	return true;
}

static int unknown(const char *word)
{
	struct conf_near near;
	conf_near_init(&near, span_str(word));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		conf_near_offer(&near, names[i]);
	fprintf(stderr, "waybill: there is no command \"%s\"", word);
	if (near.best != NULL)
		fprintf(stderr, "; did you mean \"%s\"?", near.best);
	fputc('\n', stderr);
	return usage(stderr, CLI_USAGE);
}

/* The spool's folder is named on the command line, or follows from the configuration. */
static int spool(int argc, char **argv, const struct cli_options *options)
{
	char folder[4096] = "";
	struct conf *conf = options->conf_path != NULL ? cli_conf_load(options->conf_path) : NULL;
	if (options->conf_path != NULL && conf == NULL)
		return CLI_NO;
	if (conf != NULL)
		snprintf(folder, sizeof(folder), "%.*s/spool", SPAN_FMT(conf->data));
	conf_free(conf);
	return cli_spool(argc, argv, folder[0] != 0 ? folder : NULL);
}

/* A configuration is not needed; without -c one that is not there is not missed. */
static int check_domain(const char *name, const struct cli_options *options)
{
	bool named = strcmp(options->conf_path, CLI_CONF_PATH_DEFAULT) != 0;
	struct conf *conf = named || access(options->conf_path, R_OK) == 0 ? cli_conf_load(options->conf_path) : NULL;
	if (named && conf == NULL)
		return CLI_NO;
	int code = cli_check_domain(name, conf, options->json);
	conf_free(conf);
	return code;
}

static const char check_help[] =
	"usage: waybill check config [FILE] [--json]\n"
	"       waybill check domain NAME [--json]\n"
	"       waybill check rcpt ADDRESS --from ADDRESS --client IP ... [--json]\n"
	"       waybill check list [--json]\n"
	"each with [-c FILE]; waybill check rcpt --help has more.\n";

static const char *const check_words[] = { "config", "domain", "rcpt", "list", NULL };

static int check(int argc, char **argv, const struct cli_options *options)
{
	if (argc >= 2 && strcmp(argv[1], "rcpt") == 0)
		return cli_check_rcpt(argc - 1, argv + 1, options);
	if (cli_help_asked(argc, argv))
		return cli_help(check_help);
	if (argc == 3 && strcmp(argv[1], "domain") == 0)
		return check_domain(argv[2], options);
	if (argc == 2 && strcmp(argv[1], "list") == 0)
		return cli_check_list(options);
	if (argc < 2 || argc > 3 || strcmp(argv[1], "config") != 0)
		return cli_wrong("waybill check", argv[1], check_words, check_help);
	return cli_check_config(argc == 3 ? argv[2] : options->conf_path, options->json);
}

/* A command that takes nothing but the options of all. */
static int wordless(int argc, char **argv, const char *help, int (*command)(const struct cli_options *options),
	const struct cli_options *options)
{
	if (cli_help_asked(argc, argv))
		return cli_help(help);
	return argc == 1 ? command(options) : cli_usage(help);
}

static int run(int argc, char **argv, struct cli_options *options)
{
	const char *word = argv[0];
	if (strcmp(word, "spool") == 0)
		return spool(argc, argv, options);
	if (options->conf_path == NULL)
		options->conf_path = CLI_CONF_PATH_DEFAULT;
	if (strcmp(word, "check") == 0)
		return check(argc, argv, options);
	if (strcmp(word, "brake") == 0)
		return cli_brake(argc, argv, options);
	if (strcmp(word, "queue") == 0)
		return cli_queue(argc, argv, options);
	if (strcmp(word, "greylist") == 0)
		return cli_greylist(argc, argv, options);
	if (strcmp(word, "send") == 0)
		return cli_send(argc, argv, options);
	if (strcmp(word, "trace") == 0)
		return cli_trace(argc, argv, options);
	if (strcmp(word, "mailbox") == 0)
		return cli_mailbox(argc, argv, options);
	if (strcmp(word, "user") == 0)
		return cli_user(argc, argv, options);
	if (strcmp(word, "status") == 0)
		return wordless(argc, argv, "usage: waybill status [-c FILE] [--json]\n"
			"Says what the running server is doing.\n", cli_status, options);
	if (strcmp(word, "reload") == 0)
		return wordless(argc, argv, "usage: waybill reload [-c FILE] [--json]\n"
			"Has the server read its configuration again, and says what changed.\n", cli_reload, options);
	return unknown(word);
}

int main(int argc, char **argv)
{
	struct cli_options options = { 0 };
	if (argc < 2 || argc > ARGS_MAX)
		return usage(stderr, CLI_USAGE);
	if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return usage(stdout, CLI_DONE);
	if (strcmp(argv[1], "--version") == 0)
		return puts("waybill " WAYBILL_VERSION) < 0;
	/* These two read their own options. */
	if (strcmp(argv[1], "explain") == 0)
		return cli_explain(argc - 1, argv + 1);
	if (strcmp(argv[1], "demo") == 0)
		return cli_demo(argc - 1, argv + 1);
	argc--;
	argv++;
	if (!take_options(&argc, argv, &options) || argc == 0)
		return usage(stderr, CLI_USAGE);
	return run(argc, argv, &options);
}
