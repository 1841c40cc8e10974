/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `waybill explain NAME [NAME]`, a reply, or a file with a bounce: reads arguments,
 * asks the terminal for its width, prints what the reply room writes. Reads no
 * configuration and talks to no process, so it works anywhere and within milliseconds.
 */
#include "cli_explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli_explain_mail.h"

#define EXIT_UNKNOWN 1
#define EXIT_USAGE 2
#define NAMES_MAX 2
#define WIDTH_UNKNOWN 80
#define MESSAGE_BYTES_MAX 4096

static const char help[] =
	"usage: waybill explain [--json | --html] NAME [NAME]\n"
	"       waybill explain [--json] REPLY | FILE | -\n"
	"\n"
	"Explains a reply: what happened, when one sees it, how to fix it. With two names it\n"
	"sets them side by side. A NAME is one of\n"
	"  450              a basic reply code\n"
	"  4.2.2            an enhanced status code\n"
	"  mailbox-locked   a key of Waybill's own replies, as the log shows it\n"
	"\n"
	"A REPLY of any server ('450 4.2.0 ...', quoted) is classified: why, temporary or\n"
	"permanent in truth, whose concern, what to do, and the rule that decided. So is each\n"
	"recipient of a bounce in a FILE, or each reply line of another text; - is standard input.\n"
	"\n"
	"  --json           the same for programs\n"
	"  --html           codes and keys as a part of a page\n"
	"  --help           this text\n"
	"\n"
	"Exit code: 0 done, 1 nothing is known about it, 2 wrong use.\n"
	"\n"
	"Examples:\n"
	"  waybill explain 450\n"
	"  waybill explain 252 450\n"
	"  waybill explain greylisted mailbox-locked\n"
	"  waybill explain '452 4.2.2 The mailbox is full'\n"
	"  waybill explain bounce.eml\n";

struct request {
	const char *names[NAMES_MAX];
	int name_count;
	bool json;
	bool html;
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
		else if (options && strcmp(word, "--html") == 0)
			request->html = true;
		else if (options && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0))
			request->help = true;
		else if (options && word[0] == '-' && word[1] != '\0')
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
	bool pair = request->name_count == 2;
	if (request->html && pair)
		explain_write_pair_html(out, subjects);
	else if (request->html)
		explain_write_html(out, &subjects[0]);
	else if (request->json && pair)
		explain_write_pair_json(out, subjects);
	else if (request->json)
		explain_write_json(out, &subjects[0]);
	else if (pair)
		explain_write_pair(out, subjects, &style);
	else
		explain_write(out, &subjects[0], &style);
}

/* Prints what was written; EXIT_UNKNOWN when it failed. */
static int print(struct buf *out)
{
	bool good = !out->failed && fwrite(out->ptr, 1, out->len, stdout) == out->len && fflush(stdout) == 0;
	buf_fini(out);
	return good ? 0 : EXIT_UNKNOWN;
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
	buf_init(&out, 2 * EXPLAIN_BYTES_MAX);
	answer_write(&out, request, subjects);
	return print(&out);
}

/* What a word that is no name stands for. */
enum mail { MAIL_NOT, MAIL_REPLY, MAIL_FILE };

static enum mail mail_kind(const char *word)
{
	struct stat info;
	struct explain_subject subject;
	if (explain_find(span_str(word), &subject))
		return MAIL_NOT;
	if (strcmp(word, "-") == 0 || (stat(word, &info) == 0 && !S_ISDIR(info.st_mode)))
		return MAIL_FILE;
	bool reply = strchr(word, ' ') != NULL && span_trim(span_str(word)).len > 0;
	return reply ? MAIL_REPLY : MAIL_NOT;
}

static int answer_reply(const struct request *request)
{
	struct buf out;
	struct explain_style style = terminal_style();
	struct span reply = span_str(request->names[0]);
	buf_init(&out, EXPLAIN_BYTES_MAX);
	if (request->json)
		cli_explain_reply_json(&out, reply);
	else
		cli_explain_reply(&out, reply, &style);
	return print(&out);
}

static int answer_file(const struct request *request)
{
	struct buf content, out;
	struct explain_style style = terminal_style();
	buf_init(&content, CLI_EXPLAIN_FILE_BYTES_MAX);
	buf_init(&out, CLI_EXPLAIN_OUTPUT_BYTES_MAX);
	int error = cli_explain_read(request->names[0], &content);
	bool any = false;
	if (error == 0 && request->json)
		any = cli_explain_text_json(&out, buf_span(&content));
	else if (error == 0)
		any = cli_explain_text(&out, buf_span(&content), &style);
	buf_fini(&content);
	if (any)
		return print(&out);
	buf_fini(&out);
	return complain(error != 0 ? "cannot read " : "there is nothing in ", request->names[0], "", EXIT_UNKNOWN);
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
	enum mail kind = request.name_count == 1 && !request.html ? mail_kind(request.names[0]) : MAIL_NOT;
	if (kind == MAIL_FILE)
		return answer_file(&request);
	return kind == MAIL_REPLY ? answer_reply(&request) : answer(&request);
}
