/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket, found in files that are wrong elsewhere; and what the command says when it is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli.h"
#include "conf.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define GOOD "hostname = \"mx.example.org\"\nlisten \"smtp\" { address = {\"[::]:25\"} }\n"
#define DEFAULT "/var/lib/waybill/control"

struct control_case {
	const char *text;
	const char *path; /* NULL: not found */
};

static const struct control_case cases[] = {
	{ GOOD, DEFAULT },
	{ GOOD "data = \"/srv/w\"", "/srv/w/control" },
	{ GOOD "data = \"/srv/w/\"", "/srv/w/control" },
	{ GOOD "data = \"/\"", "/control" },
	{ GOOD "control = \"/run/c\" data = \"/srv/w\"", "/run/c" },
	{ GOOD "control = \"\" data = \"/srv/w\"", "/srv/w/control" },

	/* wrong elsewhere */
	{ "hostnam = 1", DEFAULT },
	{ "data = \"/srv/w\"\nlisten \"smtp\" { address = {\"[::]:25\" }\n", "/srv/w/control" },
	{ "hostname = \"unclosed\ndata = \"/srv/w\"\n", "/srv/w/control" },
	{ "limits {\nrecipients = 5\ndata = \"/srv/w\"\nlog { }\n}", "/srv/w/control" },
	{ "limits {\nrecipients = \ncontrol = \"/run/c\"\n}", "/run/c" },
	{ "log {\ndata = \"/a\"\n}\ndata = \"/srv/w\"", "/srv/w/control" },
	{ "}\n}\nxxx\n= 5\ndata = \"/srv/w\"\n\xff\n{", "/srv/w/control" },
	{ "data = \"/srv/w\"\ndata = \"/srv/x\"", "/srv/w/control" },
	{ "control = \"/run/c\"\ndata = srv", "/run/c" },

	/* nothing usable */
	{ "", NULL },
	{ "root:x:0:0:root:/bin/sh\n", NULL },
	{ "data = \"srv\"", NULL },
	{ "data = /srv/w", NULL },
	{ "data = {\"/srv/w\"}", NULL },
	{ "data = \"\"", NULL },
	{ "data = \"/srv/w\ncontrol = \"\"", NULL },
	{ "data = ", NULL },
	{ "control = \"run\"\ndata = \"/srv/w\"", NULL },
};

static void test_control_is_found_in_half_edited_files(void **state)
{
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf path;
		buf_init(&path, 128);
		bool found = conf_find_control(span_str(cases[i].text), &path);
		if (found != (cases[i].path != NULL) || (found && !span_eq(buf_span(&path), span_str(cases[i].path))))
			fail_msg("found %d, \"%.*s\" in\n%s", found, SPAN_FMT(buf_span(&path)), cases[i].text);
		buf_fini(&path);
	}
	(void)state;
}

static void test_every_cut_is_survived(void **state)
{
	for (size_t i = 0; i < COUNT(cases); i++)
		for (size_t len = 0; len < strlen(cases[i].text); len++) {
			uint8_t *cut = malloc(len + 1);
			assert_non_null(cut);
			memcpy(cut + 1, cases[i].text, len);
			struct buf path;
			buf_init(&path, 128);
			bool found = conf_find_control(span_of(cut + 1, len), &path);
			assert_true(!found || (path.len > 0 && path.ptr[0] == '/'));
			buf_fini(&path);
			free(cut);
		}
	(void)state;
}

static void test_path_too_long_for_a_socket_is_not_found(void **state)
{
	char text[200];
	struct buf path;
	buf_init(&path, 1000);
	for (int len = 105; len < 112; len++) {
		snprintf(text, sizeof(text), "control = \"/%0*d\"", len - 1, 0);
		assert_int_equal(conf_find_control(span_str(text), &path), len <= 107);
	}
	buf_fini(&path);
	(void)state;
}

static void test_too_large_a_file_is_not_read(void **state)
{
	struct buf text, path;
	buf_init(&text, CONF_TEXT_BYTES_MAX + 64);
	buf_init(&path, 128);
	buf_add_str(&text, "data = \"/srv/w\"\n");
	while (text.len < CONF_TEXT_BYTES_MAX)
		buf_add_byte(&text, '\n');
	assert_true(conf_find_control(buf_span(&text), &path));
	buf_add_byte(&text, '\n');
	assert_false(conf_find_control(buf_span(&text), &path));
	buf_fini(&text);
	buf_fini(&path);
	(void)state;
}

/* What cli_control_path says on the standard error output goes into `said`. */
static bool path_asked(const char *file, struct buf *path, char *said, size_t said_max)
{
	FILE *capture = tmpfile();
	assert_non_null(capture);
	fflush(stderr);
	int old = dup(STDERR_FILENO);
	dup2(fileno(capture), STDERR_FILENO);
	bool found = cli_control_path(file, path);
	fflush(stderr);
	dup2(old, STDERR_FILENO);
	close(old);
	rewind(capture);
	said[fread(said, 1, said_max - 1, capture)] = 0;
	fclose(capture);
	return found;
}

static void file_write_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void test_command_says_the_errors_only_when_nothing_is_found(void **state)
{
	char folder[] = "/tmp/conf-control-XXXXXX", file[64], said[4096], want[256];
	struct buf path;
	buf_init(&path, 128);
	assert_non_null(mkdtemp(folder));
	snprintf(file, sizeof(file), "%s/waybill.conf", folder);

	file_write_text(file, "data = \"/srv/w\"\nlimit {");
	assert_true(path_asked(file, &path, said, sizeof(said)));
	assert_string_equal(buf_cstr(&path), "/srv/w/control");
	assert_string_equal(said, "");

	file_write_text(file, GOOD "data = \"srv\"\n");
	assert_false(path_asked(file, &path, said, sizeof(said)));
	snprintf(want, sizeof(want), "%s:3: data: \"srv\" is not an absolute path; it must begin with /\n", file);
	assert_string_equal(said, want);

	unlink(file);
	assert_false(path_asked(file, &path, said, sizeof(said)));
	snprintf(want, sizeof(want), "waybill: %s cannot be read: No such file or directory; name the file with -c\n", file);
	assert_string_equal(said, want);
	rmdir(folder);
	buf_fini(&path);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_control_is_found_in_half_edited_files),
		cmocka_unit_test(test_every_cut_is_survived),
		cmocka_unit_test(test_path_too_long_for_a_socket_is_not_found),
		cmocka_unit_test(test_too_large_a_file_is_not_read),
		cmocka_unit_test(test_command_says_the_errors_only_when_nothing_is_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
