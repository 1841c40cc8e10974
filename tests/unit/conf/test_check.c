/* SPDX-License-Identifier: Apache-2.0 */
/* waybill check config: what it prints, and its exit code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli_check.h"

#define GOOD "hostname = \"mx.example.org\"\nlisten \"smtp\" { address = {\"[::]:25\"} }\n"

struct check_case {
	const char *text; /* NULL: no such file */
	bool json;
	int code;
	const char *output; /* FILE stands for the file's name */
};

static const struct check_case cases[] = {
	{ GOOD, false, 0, "FILE is fine.\n" },
	{ GOOD "trust = \"0.0.0.0/0\"\n", false, 0,
	  "FILE:3: warning: trust: a network with the prefix /0 trusts everybody\nFILE is fine; 1 warning.\n" },
	{ GOOD "queue { retry = \"5minutes\" }\nlimit { }\n", false, 1,
	  "FILE:3: retry: \"5minutes\" is not a duration; write 5m, 2h or 1d\n"
	  "FILE:4: unknown section \"limit\"; did you mean \"limits\"?\n2 errors.\n" },
	{ NULL, false, 1, "FILE: cannot be read: No such file or directory\n1 error.\n" },
	{ GOOD, true, 0,
	  "{\"file\":\"FILE\",\"fine\":true,\"error_count\":0,\"warning_count\":0,\"errors\":[],\"warnings\":[]}\n" },
	{ GOOD "a\\b = 1\nlog { format = xml }\n", true, 1,
	  "{\"file\":\"FILE\",\"fine\":false,\"error_count\":2,\"warning_count\":0,\"errors\":["
	  "{\"line\":3,\"text\":\"unknown setting \\\"a\\\\x5cb\\\" here\"},"
	  "{\"line\":4,\"text\":\"format: \\\"xml\\\" is not known; write text or json\"}],\"warnings\":[]}\n" },
};

static void file_write(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fputs(text, file) >= 0, 1);
	assert_int_equal(fclose(file), 0);
}

/* Runs with stdout going into a file, and reads that. */
static int check_captured(const char *path, bool json, char *text_out, size_t text_max)
{
	FILE *capture = tmpfile();
	assert_non_null(capture);
	fflush(stdout);
	int old = dup(STDOUT_FILENO);
	dup2(fileno(capture), STDOUT_FILENO);
	int code = cli_check_config(path, json);
	dup2(old, STDOUT_FILENO);
	close(old);
	rewind(capture);
	size_t len = fread(text_out, 1, text_max - 1, capture);
	text_out[len] = 0;
	fclose(capture);
	return code;
}

/* The text with each FILE replaced by the path. */
static void name_fill(const char *text, const char *path, char *out, size_t out_max)
{
	size_t len = 0;
	for (const char *at = text; *at != 0; at++) {
		bool name = strncmp(at, "FILE", 4) == 0;
		len += (size_t)snprintf(out + len, out_max - len, name ? "%s" : "%.1s", name ? path : at);
		assert_true(len < out_max);
		at += name ? 3 : 0;
	}
}

static void test_check_config(void **state)
{
	char folder[] = "/tmp/conf-check-XXXXXX", path[64], got[4096], want[4096];
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/waybill.conf", folder);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (cases[i].text != NULL)
			file_write(path, cases[i].text);
		int code = check_captured(path, cases[i].json, got, sizeof(got));
		name_fill(cases[i].output, path, want, sizeof(want));
		if (code != cases[i].code || strcmp(got, want) != 0)
			fail_msg("%d and\n%s\ninstead of %d and\n%s", code, got, cases[i].code, want);
		unlink(path);
	}
	rmdir(folder);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check_config),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
