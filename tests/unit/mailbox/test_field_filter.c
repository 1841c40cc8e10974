/* SPDX-License-Identifier: Apache-2.0 */
/* Headers with and without fields that go, whole and cut at every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "buf.h"
#include "field_filter.h"

static void keep(void *out, struct span bytes)
{
	buf_add(out, bytes);
}

struct filter_case {
	const char *name, *in, *out;
};

/* Of a rule with one name, whose header ends at a line that is no field too. */
static const struct filter_case cases[] = {
	{ "none", "Received: x\r\nSubject: y\r\n\r\nbody\r\n", "Received: x\r\nSubject: y\r\n\r\nbody\r\n" },
	{ "first", "Return-Path: <a@b>\r\nSubject: y\r\n\r\n", "Subject: y\r\n\r\n" },
	{ "behind others", "Received: x\r\n y\r\nReturn-Path: <a@b>\r\nTo: z\r\n\r\n", "Received: x\r\n y\r\nTo: z\r\n\r\n" },
	{ "last, without an end", "To: z\r\nReturn-Path: <a@b>", "To: z\r\n" },
	{ "several", "return-path:<>\r\nTo: z\r\nRETURN-PATH: b\r\nReturn-Path: c\r\n\r\n", "To: z\r\n\r\n" },
	{ "folded", "Return-Path:\r\n <a@b>\r\n\t(x: y)\r\nTo: z\r\n w\r\n\r\n", "To: z\r\n w\r\n\r\n" },
	{ "a fold of another field stays", "To: z\r\n Return-Path: <a>\r\n\r\n", "To: z\r\n Return-Path: <a>\r\n\r\n" },
	{ "white space before the colon", "Return-Path \t : <a>\r\nTo: z\r\n\r\n", "To: z\r\n\r\n" },
	{ "in the body", "To: z\r\n\r\nReturn-Path: <a>\r\n", "To: z\r\n\r\nReturn-Path: <a>\r\n" },
	{ "no header", "\r\nReturn-Path: <a>\r\n", "\r\nReturn-Path: <a>\r\n" },
	{ "behind a line that is no field", "To: z\r\nno field\r\nReturn-Path: <a>\r\n", "To: z\r\nno field\r\nReturn-Path: <a>\r\n" },
	{ "longer names", "Return-Paths: a\r\nReturn-Path-X: b\r\nX-Return-Path: c\r\n\r\n",
		"Return-Paths: a\r\nReturn-Path-X: b\r\nX-Return-Path: c\r\n\r\n" },
	{ "shorter names", "Return: a\r\nR: b\r\nReturn-Pat: c\r\n\r\n", "Return: a\r\nR: b\r\nReturn-Pat: c\r\n\r\n" },
	{ "the name alone", "To: z\r\nReturn-Path\r\nReturn-Path: <a>\r\n", "To: z\r\nReturn-Path\r\nReturn-Path: <a>\r\n" },
	{ "much white space", "Return-Path                                  : a\r\n\r\n",
		"\r\n" },
	{ "the end within the name", "To: z\r\nRetu", "To: z\r\nRetu" },
	{ "LF alone", "Return-Path: a\nTo: z\n\nReturn-Path: b\n", "To: z\n\nReturn-Path: b\n" },
	{ "nothing", "", "" },
};

/* Of one with several, which begin alike, up to the empty line. */
static const struct filter_case several_cases[] = {
	{ "each", "Status: RO\r\nX-Status: D\r\nTo: z\r\nX-UID: 5\r\nX-Id: a\r\nSTATUS: a\r\nx-idbase: 1\r\n 2\r\n\t3\r\n\r\n",
		"To: z\r\n\r\n" },
	{ "longer and shorter names", "Stat: a\r\nStatuses: b\r\nX: c\r\nX-I: d\r\nX-Idba: e\r\nX-Idbases: f\r\nX-UIDL: g\r\n\r\n",
		"Stat: a\r\nStatuses: b\r\nX: c\r\nX-I: d\r\nX-Idba: e\r\nX-Idbases: f\r\nX-UIDL: g\r\n\r\n" },
	{ "white space", "X-Id\t : a\r\nX-Id base: b\r\nX -Id: c\r\nStatus                                        : d\r\n\r\n",
		"X-Id base: b\r\nX -Id: c\r\n\r\n" },
	{ "behind a line that is no field", "To: z\r\nno field\r\nStatus: a\r\nX-Id\r\nX-Status: b\r\n\r\nStatus: c\r\n",
		"To: z\r\nno field\r\nX-Id\r\n\r\nStatus: c\r\n" },
	{ "in a part of the message", "To: z\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nStatus: a\r\n\r\nx\r\n",
		"To: z\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nStatus: a\r\n\r\nx\r\n" },
	{ "the end within a name", "To: z\r\nX-Id", "To: z\r\nX-Id" },
};

static const struct span one_name[] = { SPAN("return-path") };
static const struct span several_names[] = { SPAN("status"), SPAN("x-status"), SPAN("x-id"), SPAN("x-idbase"), SPAN("x-uid") };
static const struct field_filter_rule one = { one_name, 1, false };
static const struct field_filter_rule several = { several_names, 5, true };

static void check(const struct field_filter_rule *rule, const struct filter_case *c, size_t cut, size_t step)
{
	struct field_filter filter = { .rule = rule };
	struct span in = span_str(c->in);
	struct buf out;
	buf_init(&out, 10000);
	field_filter_feed(&filter, span_to(in, cut), keep, &out);
	for (size_t at = cut; at < in.len; at += step)
		field_filter_feed(&filter, span_to(span_from(in, at), step), keep, &out);
	field_filter_finish(&filter, keep, &out);
	if (!span_eq(buf_span(&out), span_str(c->out)))
		fail_msg("%s, cut at %zu, then every %zu: \"%.*s\"", c->name, cut, step, SPAN_FMT(buf_span(&out)));
	buf_fini(&out);
}

static void check_everywhere(const struct field_filter_rule *rule, const struct filter_case *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (size_t cut = 0; cut <= strlen(list[i].in); cut++) {
			check(rule, &list[i], cut, 10000);
			check(rule, &list[i], cut, 1);
		}
}

static void test_return_path_fields_go_and_all_else_stays(void **state)
{
	(void)state;
	check_everywhere(&one, cases, sizeof(cases) / sizeof(cases[0]));
}

static void test_several_fields_go_wherever_the_header_has_them(void **state)
{
	(void)state;
	check_everywhere(&several, several_cases, sizeof(several_cases) / sizeof(several_cases[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_return_path_fields_go_and_all_else_stays),
		cmocka_unit_test(test_several_fields_go_wherever_the_header_has_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
