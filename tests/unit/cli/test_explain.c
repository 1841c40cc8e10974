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
		{ { "450 4.2.0 <u@example.net>: Greylisted" }, 0, "4.2.0 Mailbox in the way", NULL },
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
		cmocka_unit_test(test_no_colour_where_there_is_no_terminal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
