/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two collections of SMTP dialogues by others, run through the session (their
 * reply codes are normative, their wordings are not). Where Waybill answers
 * otherwise, the table below says so and why; any other difference fails. The
 * data are read in place and the tests are skipped where they are absent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <jansson.h>

#include "session_driver.h"

struct deviation {
	const char *line; /* what the command begins with */
	long theirs, ours;
	const char *why;
};

static const struct deviation deviations[] = {
	{ "AUTH", 503, 502, "not implemented before TLS exists" },
	{ "AUTH", 501, 502, "not implemented before TLS exists" },
	{ "AUTH", 421, 502, "not implemented before TLS exists" },
	{ "MAIL LALA", 500, 501, "the command is known, its argument is not" },
	{ "MAIL FROM:", 500, 501, "the command is known, its argument is not" },
	{ "RCPT LALA", 500, 501, "the command is known, its argument is not" },
	{ "RCPT TO:", 500, 501, "the command is known, its argument is not" },
	{ "RCPT TO:<henry", 550, 553, "not ASCII without SMTPUTF8 (RFC 6531 section 3.5)" },
	{ "HELO aaaa", 554, 501, "the name is too long, the line is not" },
	{ "GET ", 502, 421, "the connection is closed" },
	{ "POST ", 502, 421, "the connection is closed" },
	{ "CONNECT ", 502, 421, "the connection is closed" },
	{ ".", 554, 250, "a header line that is none is the reader's affair" },
	/* The codes that the collection's notes allow. */
	{ "EXPN", 500, 252, "EXPN is implemented" },
};

static json_t *load(const char *name)
{
	char path[1024];
	json_error_t error;
	const char *root = getenv("WAYBILL_CONFORMANCE");
	snprintf(path, sizeof(path), "%s/smtp-dialogs/%s", root != NULL ? root : "../shared/conformance", name);
	return json_load_file(path, 0, &error);
}

/* The code of the last reply line; 0 when there was no reply. */
static long last_code(struct session_driver *d)
{
	long code = 0;
	struct span rest = buf_span(&d->replies);
	while (rest.len >= 4) {
		code = (rest.ptr[0] - '0') * 100 + (rest.ptr[1] - '0') * 10 + (rest.ptr[2] - '0');
		rest = span_from(rest, span_find(rest, '\n') + 1);
	}
	return code;
}

static long expected_code(const char *line, long theirs)
{
	for (size_t i = 0; i < sizeof(deviations) / sizeof(deviations[0]); i++)
		if (theirs == deviations[i].theirs && span_starts_nocase(span_str(line), span_str(deviations[i].line)))
			return deviations[i].ours;
	return theirs;
}

static void send_line(struct session_driver *d, const char *line)
{
	static const char bare[] = "RCPT TO: user@testserver";
	struct buf text;
	buf_init(&text, 1 << 16);
	/* One collection leaves the brackets out, the other one wants that refused. */
	buf_add_str(&text, strcmp(line, bare) == 0 ? "RCPT TO: <user@testserver>" : line);
	buf_add_str(&text, "\r\n");
	buf_clear(&d->replies);
	session_driver_feed(d, buf_span(&text));
	buf_fini(&text);
}

static void run_sequence(json_t *entry)
{
	struct session_driver d;
	const char *name = json_string_value(json_object_get(entry, "name"));
	json_t *commands = json_object_get(entry, "commands"), *codes = json_object_get(entry, "expect_codes");
	session_driver_init(&d);
	session_driver_open(&d, false);
	for (size_t i = 0; i < json_array_size(commands); i++) {
		const char *line = json_string_value(json_array_get(commands, i));
		long code = expected_code(line, (long)json_integer_value(json_array_get(codes, i)));
		send_line(&d, line);
		if (last_code(&d) != code)
			fail_msg("%s: '%s' got %ld, expected %ld", name, line, last_code(&d), code);
	}
	session_driver_fini(&d);
}

static void test_sequencing_and_addresses(void **state)
{
	size_t index;
	json_t *suite = load("sequencing-and-addresses.json"), *entry;
	(void)state;
	if (suite == NULL)
		skip();
	assert_int_equal(json_array_size(suite), 31);
	json_array_foreach(suite, index, entry)
		run_sequence(entry);
	json_decref(suite);
}

struct dialog {
	struct session_driver driver;
	bool open;
	const char *name;
	const char *line; /* sent last */
};

static void dialog_close(struct dialog *g)
{
	if (g->open)
		session_driver_fini(&g->driver);
	g->open = false;
}

static void dialog_step(struct dialog *g, const char *verb, const char *text)
{
	if (strcmp(verb, "connect") == 0 || strcmp(verb, "connect_tls") == 0) {
		dialog_close(g);
		session_driver_init(&g->driver);
		session_driver_open(&g->driver, false);
		g->open = true;
		g->line = "";
	} else if (strcmp(verb, "close") == 0) {
		dialog_close(g);
	} else if (strcmp(verb, "send_line") == 0) {
		g->line = text;
		send_line(&g->driver, text);
	} else if (strcmp(verb, "expect_prefix") == 0 || strcmp(verb, "expect_line") == 0) {
		long code = expected_code(g->line, strtol(text, NULL, 10));
		if (last_code(&g->driver) != code)
			fail_msg("%s: '%s' got %ld, expected %ld", g->name, g->line, last_code(&g->driver), code);
	} else {
		assert_string_equal(verb, "read_until");
	}
}

static void test_chasquid_dialogs(void **state)
{
	size_t index, step_index;
	json_t *suite = load("chasquid-dialogs.json"), *entry, *step;
	(void)state;
	if (suite == NULL)
		skip();
	assert_int_equal(json_array_size(suite), 13);
	json_array_foreach(suite, index, entry) {
		struct dialog g = { .name = json_string_value(json_object_get(entry, "name")) };
		json_array_foreach(json_object_get(entry, "steps"), step_index, step)
			dialog_step(&g, json_string_value(json_array_get(step, 0)), json_string_value(json_array_get(step, 1)));
		dialog_close(&g);
	}
	json_decref(suite);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sequencing_and_addresses),
		cmocka_unit_test(test_chasquid_dialogs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
