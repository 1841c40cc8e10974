/* SPDX-License-Identifier: Apache-2.0 */
/* waybill brake: whom the brake holds back, and letting one of them go on. */
#include <stdio.h>
#include <string.h>

#include "buf.h"
#include "cli.h"
#include "cli_ask.h"
#include "cli_help.h"
#include "cli_words.h"

#define WHO_BYTES_MAX 2048

static const char help[] =
	"usage: waybill brake [--json]                whom the brake holds back\n"
	"       waybill brake release WHO [--json]    let it send again; its held mail stays held\n"
	"WHO is an address, or a name as waybill brake shows it.\n";

static void print_one(const json_t *one, double now)
{
	char since[CLI_WORDS_BYTES_MAX], until[CLI_WORDS_BYTES_MAX], sent[CLI_WORDS_BYTES_MAX], usual[CLI_WORDS_BYTES_MAX];
	struct buf who;
	buf_init(&who, WHO_BYTES_MAX);
	buf_add_escaped(&who, span_str(cli_text(one, "who")));
	printf("%.*s is held back since %s: %s recipients within an hour; its busiest hours had %s.\n"
		"  It may send again at %s.\n", SPAN_FMT(buf_span(&who)), cli_clock(cli_time(one, "since"), now, since),
		cli_count(cli_number(one, "recipients"), sent), cli_count(cli_number(one, "usual"), usual),
		cli_clock(cli_time(one, "until"), now, until));
	printf("  To let it go on: waybill brake release %.*s\n  To let its mail go: waybill queue release --reason "
		"\"brake: %.*s,\"\n", SPAN_FMT(buf_span(&who)), SPAN_FMT(buf_span(&who)));
	buf_fini(&who);
}

static void print_all(const json_t *answer)
{
	char count[CLI_WORDS_BYTES_MAX], until[CLI_WORDS_BYTES_MAX];
	const json_t *held = json_object_get(answer, "held");
	double now = cli_now(), learns = cli_time(answer, "learns_until");
	size_t i;
	json_t *one;
	json_array_foreach(held, i, one)
		print_one(one, now);
	if (!json_is_true(json_object_get(answer, "active")))
		puts("The brake is off.");
	else if (learns > 0)
		printf("It learns what is usual until %s; nobody is stopped before.\n", cli_clock(learns, now, until));
	else if (json_array_size(held) == 0)
		printf("Nobody is held back; %s watched.\n", cli_count(cli_number(answer, "watched"), count));
}

static int list(const struct cli_options *options)
{
	int code;
	json_t *answer = cli_ask(options, json_pack("{s:s}", "do", "brake-list"), &code);
	if (answer == NULL)
		return code;
	if (cli_answer_plain(options, answer, &code))
		print_all(answer);
	json_decref(answer);
	return code;
}

static int release(const char *who, const struct cli_options *options)
{
	int code;
	json_t *answer = cli_ask(options, json_pack("{s:s, s:s}", "do", "brake-release", "who", who), &code);
	if (answer == NULL)
		return code;
	bool released = json_is_true(json_object_get(answer, "released"));
	if (cli_answer_plain(options, answer, &code)) {
		if (released)
			printf("%s may send again, and as much is usual from now on. Its held mail stays held until\n"
				"  waybill queue release --reason \"brake: %s,\"\n", who, who);
		else
			printf("%s is not held back.\n", who);
	}
	json_decref(answer);
	return code == CLI_DONE && !released ? CLI_NO : code;
}

int cli_brake(int argc, char **argv, const struct cli_options *options)
{
	static const char *const words[] = { "release", NULL };
	if (argc == 1)
		return list(options);
	if (cli_help_asked(argc, argv))
		return cli_help(help);
	if (argc == 3 && strcmp(argv[1], "release") == 0)
		return release(argv[2], options);
	return cli_wrong("waybill brake", argv[1], words, help);
}
