/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `waybill explain NAME [NAME]`: reads arguments, asks the terminal for its
 * width, prints what the reply room writes. Reads no configuration and talks to
 * no process, so it works anywhere and within milliseconds.
 */
#include "cli_explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "explain.h"

#define EXIT_UNKNOWN 1
#define EXIT_USAGE 2
#define NAMES_MAX 2
#define WIDTH_UNKNOWN 80
#define MESSAGE_BYTES_MAX 4096

static const char help[] =
	"usage: waybill explain [--json] NAME [NAME]\n"
	"\n"
	"Explains a reply: what happened, when one sees it, how to fix it. With two names it\n"
	"sets them side by side. A NAME is one of\n"
	"  450              a basic reply code\n"
	"  4.2.2            an enhanced status code\n"
	"  mailbox-locked   a key of Waybill's own replies, as the log shows it\n"
	"  '450 4.2.0 ...'  a reply as it came; its codes are explained, not yet its words\n"
	"\n"
	"  --json           the same for programs\n"
	"  --help           this text\n"
	"\n"
	"Exit code: 0 done, 1 nothing is known about it, 2 wrong use.\n"
	"\n"
	"Examples:\n"
	"  waybill explain 450\n"
	"  waybill explain 252 450\n"
	"  waybill explain greylisted mailbox-locked\n";

struct request {
	const char *names[NAMES_MAX];
	int name_count;
	bool json;
	bool help;
};

/* Prints a complaint on stderr; what came from outside is escaped. */
static int complain(const char *before, const char *word, const char *after, int exit_code)
{
	struct buf message;
	buf_init(&message, MESSAGE_BYTES_MAX);
	buf_addf(&message, "waybill explain: %s\"", before);
	buf_add_escaped(&message, span_to(span_str(word), MESSAGE_BYTES_MAX / 16));
	buf_addf(&message, "\"%s\n", after);
	fwrite(message.ptr, 1, message.len, stderr);
	buf_fini(&message);
	return exit_code;
}

/* 0, or EXIT_USAGE after a complaint. */
static int arguments_read(int argc, char **argv, struct request *request)
{
	bool options = true;
	for (int i = 1; i < argc; i++) {
		const char *word = argv[i];
		if (options && strcmp(word, "--") == 0)
			options = false;
		else if (options && strcmp(word, "--json") == 0)
			request->json = true;
		else if (options && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0))
			request->help = true;
		else if (options && word[0] == '-')
			return complain("unknown option ", word, "; see waybill explain --help", EXIT_USAGE);
		else if (request->name_count == NAMES_MAX)
			return complain("two names at most, so ", word, " is one too many", EXIT_USAGE);
		else
			request->names[request->name_count++] = word;
	}
	return 0;
}

static unsigned terminal_width(void)
{
	struct winsize size;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return WIDTH_UNKNOWN;
}

static struct explain_style terminal_style(void)
{
	const char *no_color = getenv("NO_COLOR");
	return (struct explain_style){
		.width = terminal_width(),
		.color = isatty(STDOUT_FILENO) && (no_color == NULL || no_color[0] == '\0'),
	};
}

static int unknown(const char *name)
{
	char hint[EXPLAIN_NAME_BYTES_MAX + 64];
	snprintf(hint, sizeof(hint), "; did you mean \"%s\"?", explain_nearest(span_str(name)));
	return complain("nothing is known about ", name, hint, EXIT_UNKNOWN);
}

static void answer_write(struct buf *out, const struct request *request, const struct explain_subject *subjects)
{
	struct explain_style style = terminal_style();
	if (request->json && request->name_count == 1)
		explain_write_json(out, &subjects[0]);
	else if (request->json)
		explain_write_pair_json(out, subjects);
	else if (request->name_count == 1)
		explain_write(out, &subjects[0], &style);
	else
		explain_write_pair(out, subjects, &style);
}

static int answer(const struct request *request)
{
	struct explain_subject subjects[NAMES_MAX];
	for (int i = 0; i < request->name_count; i++) {
		struct span name = span_str(request->names[i]);
		if (!explain_find(name, &subjects[i]) && !explain_find_in_reply(name, &subjects[i]))
			return unknown(request->names[i]);
	}
	struct buf out;
	buf_init(&out, EXPLAIN_BYTES_MAX);
	answer_write(&out, request, subjects);
	bool good = !out.failed && fwrite(out.ptr, 1, out.len, stdout) == out.len && fflush(stdout) == 0;
	buf_fini(&out);
	return good ? 0 : EXIT_UNKNOWN;
}

int cli_explain(int argc, char **argv)
{
	struct request request = { 0 };
	int usage = arguments_read(argc, argv, &request);
	if (usage != 0)
		return usage;
	if (request.help) {
		fputs(help, stdout);
		return 0;
	}
	if (request.name_count == 0) {
		fputs(help, stderr);
		return EXIT_USAGE;
	}
	return answer(&request);
}
