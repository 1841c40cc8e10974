/* SPDX-License-Identifier: Apache-2.0 */
/* `waybill explain`: exit codes, and which stream says what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli_explain.h"

#define WORDS_MAX 6
#define OUTPUT_BYTES_MAX 32768

static char said[2][OUTPUT_BYTES_MAX]; /* on stdout, on stderr */

/* Puts a temporary file in the place of a descriptor; gives the old one. */
static int divert(int fd, FILE *file)
{
	int kept = dup(fd);
	assert_true(kept >= 0);
	assert_true(dup2(fileno(file), fd) >= 0);
	return kept;
}

static void restore(int fd, int kept, FILE *file, char *text)
{
	assert_true(dup2(kept, fd) >= 0);
	close(kept);
	rewind(file);
	text[fread(text, 1, OUTPUT_BYTES_MAX - 1, file)] = '\0';
	fclose(file);
}

static int run(const char *const words[WORDS_MAX])
{
	char *argv[WORDS_MAX + 2] = { strdup("explain") };
	int argc = 1;
	for (; words[argc - 1] != NULL; argc++)
		argv[argc] = strdup(words[argc - 1]);
	FILE *files[] = { tmpfile(), tmpfile() };
	fflush(stdout);
	int kept[] = { divert(STDOUT_FILENO, files[0]), divert(STDERR_FILENO, files[1]) };
	int code = cli_explain(argc, argv);
	fflush(stdout);
	fflush(stderr);
	restore(STDOUT_FILENO, kept[0], files[0], said[0]);
	restore(STDERR_FILENO, kept[1], files[1], said[1]);
	for (int i = 0; i < argc; i++)
		free(argv[i]);
	return code;
}

static void test_exit_codes_and_streams(void **state)
{
	(void)state;
	static const struct {
		const char *words[WORDS_MAX];
		int code;
		const char *out, *err; /* what must occur; NULL: nothing at all */
	} cases[] = {
		{ { "450" }, 0, "450 Mailbox unavailable", NULL },
		{ { "4.2.2" }, 0, "4.2.2 Mailbox full", NULL },
		{ { "mailbox-locked" }, 0, "450 4.2.0 Mailbox is in use", NULL },
		{ { "450 4.2.0 <u@example.net>: Greylisted" }, 0, "greylisted: the other server asks", NULL },
		{ { "450 4.2.0 <u@example.net>: Greylisted" }, 0, "4.2.0 Mailbox in the way", NULL },
		{ { "--json", "550 5.1.1 no such user" }, 0, "{\"reason\":\"user-unknown\"", NULL },
		{ { "--html", "450" }, 0, "<article class=\"reply\" id=\"reply-450\">", NULL },
		{ { "--html", "252", "450" }, 0, "<section class=\"reply-pair\">", NULL },
		{ { "--html", "450 a b" }, 0, "<article class=\"reply\" id=\"reply-450\">", NULL },
		{ { "/nowhere at all" }, 0, "unknown: ", NULL },
		{ { "/nowhere" }, 1, NULL, "nothing is known about" },
		{ { "252", "450" }, 0, "Key differences", NULL },
		{ { "450", "450" }, 0, "the same reply", NULL },
		{ { "--json", "450" }, 0, "{\"name\":\"450\"", NULL },
		{ { "252", "450", "--json" }, 0, "{\"summary\":\"252 (", NULL },
		{ { "--help" }, 0, "usage: waybill explain", NULL },
		{ { "mailbox-loked" }, 1, NULL, "did you mean \"mailbox-locked\"?" },
		{ { "450", "999" }, 1, NULL, "nothing is known about \"999\"" },
		{ { "\033[2J" }, 1, NULL, "about \"\\x1b[2J\"" },
		{ { "" }, 1, NULL, "nothing is known" },
		{ { NULL }, 2, NULL, "usage: waybill explain" },
		{ { "--jsn", "450" }, 2, NULL, "unknown option \"--jsn\"" },
		{ { "450", "451", "452" }, 2, NULL, "\"452\" is one too many" },
		{ { "--", "--json" }, 1, NULL, "nothing is known about \"--json\"" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int code = run(cases[i].words);
		const char *expected[] = { cases[i].out, cases[i].err };
		if (code != cases[i].code)
			fail_msg("case %zu: exit code %d", i, code);
		for (int k = 0; k < 2; k++) {
			if (expected[k] == NULL ? said[k][0] != '\0' : strstr(said[k], expected[k]) == NULL)
				fail_msg("case %zu: stream %d says: %s", i, k, said[k]);
		}
	}
}

/* Writes `text` to a file and explains that; what must occur in the answer. */
static void assert_file_explained(const char *text, const char *json, const char *const *phrases)
{
	char path[] = "/tmp/waybill-explain-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	assert_int_equal(run((const char *const[WORDS_MAX]){ path, json }), 0);
	unlink(path);
	for (; *phrases != NULL; phrases++) {
		if (strstr(said[0], *phrases) == NULL)
			fail_msg("\"%s\" is missing in:\n%s", *phrases, said[0]);
	}
}

static const char bounce[] =
	"Subject: Undelivered\nMIME-Version: 1.0\nContent-Type: multipart/report; boundary=\"b\"\n\n"
	"--b\n\nsorry\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.a.test\n\n"
	"Final-Recipient: rfc822; full@b.test\nAction: delayed\nStatus: 4.2.2\nDiagnostic-Code: smtp; 452 \033[1mfull\n\n"
	"Final-Recipient: rfc822; who@b.test\nAction: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550 No such user\n\n--b--\n";

static void test_bounce_is_explained_for_each_recipient(void **state)
{
	(void)state;
	assert_file_explained(bounce, NULL, (const char *const[]){ "full@b.test\n", "still being tried", "mailbox-full: ",
		"\\x1b[1mfull", "who@b.test\n", "given up", "user-unknown: ", "(\"No such user\")", NULL });
	assert_null(strchr(said[0], '\033'));
	assert_file_explained(bounce, "--json", (const char *const[]){ "{\"replies\":[{\"recipient\":\"full@b.test\"",
		"\"reason\":\"mailbox-full\"", "\\\\x1b[1mfull", "\"reason\":\"user-unknown\"", NULL });
}

static void test_reply_lines_of_a_log_are_explained(void **state)
{
	(void)state;
	assert_file_explained("12:00 sent ok\n12:01 said: 450 4.7.1 greylisted, wait 60 s\n"
		"550-5.1.1 no such\n550 5.1.1 user\nport 5500 is open\n", NULL, (const char *const[]){
		"> 450 4.7.1 greylisted, wait 60 s\n", "it names a delay: 60 s.", "> 550-5.1.1 no such\\x0a550 5.1.1 user\n",
		"user-unknown: ", NULL });
	assert_file_explained("the mailbox is full", NULL, (const char *const[]){ "mailbox-full: ", NULL });
}

/* Without any code: the line that speaks of an address, or behind one, rather than what is around it. */
static void test_bounces_in_mere_words_are_explained(void **state)
{
	(void)state;
	assert_file_explained("From: x\nSubject: Undeliverable\n\nYour message\n  Subject: mailbox full\nwas not delivered, because:\n"
		"  Nobody (a@b.test) not listed in Domino Directory\n", NULL,
		(const char *const[]){ "> Nobody (a@b.test) not listed in Domino Directory\n", "user-unknown: ", NULL });
	assert_file_explained("From: x\n\nEach recipient was rejected.\n\nTo: c@b.test\na@b.test on Monday\n"
		"  The mailbox is full\n\nOriginal message\n\nsee a@b.test: user unknown\n", NULL,
		(const char *const[]){ "> The mailbox is full\n", "mailbox-full: ", NULL });
	assert_file_explained("From: x\n\nqwertz\n", NULL, (const char *const[]){ "> qwertz\n", "unknown: ", NULL });
}

static void test_an_empty_file_has_nothing_in_it(void **state)
{
	(void)state;
	assert_int_equal(run((const char *const[WORDS_MAX]){ "/dev/null" }), 1);
	assert_non_null(strstr(said[1], "there is nothing in"));
}

static void test_no_colour_where_there_is_no_terminal(void **state)
{
	(void)state;
	assert_int_equal(run((const char *const[WORDS_MAX]){ "252", "450" }), 0);
	assert_null(strchr(said[0], '\033'));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exit_codes_and_streams),
		cmocka_unit_test(test_bounce_is_explained_for_each_recipient),
		cmocka_unit_test(test_reply_lines_of_a_log_are_explained),
		cmocka_unit_test(test_bounces_in_mere_words_are_explained),
		cmocka_unit_test(test_an_empty_file_has_nothing_in_it),
		cmocka_unit_test(test_no_colour_where_there_is_no_terminal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
