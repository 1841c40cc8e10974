/* SPDX-License-Identifier: Apache-2.0 */
/* Headers with and without Return-Path fields, whole and cut at every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "buf.h"
#include "return_path.h"

static void keep(void *out, struct span bytes)
{
	buf_add(out, bytes);
}

static const struct {
	const char *name, *in, *out;
} cases[] = {
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
	{ "too much white space", "Return-Path                                  : a\r\n\r\n",
		"Return-Path                                  : a\r\n\r\n" },
	{ "the end within the name", "To: z\r\nRetu", "To: z\r\nRetu" },
	{ "LF alone", "Return-Path: a\nTo: z\n\nReturn-Path: b\n", "To: z\n\nReturn-Path: b\n" },
	{ "nothing", "", "" },
};

static void check(size_t i, size_t cut, size_t step)
{
	struct return_path_filter filter = { 0 };
	struct span in = span_str(cases[i].in);
	struct buf out;
	buf_init(&out, 10000);
	return_path_feed(&filter, span_to(in, cut), keep, &out);
	for (size_t at = cut; at < in.len; at += step)
		return_path_feed(&filter, span_to(span_from(in, at), step), keep, &out);
	return_path_finish(&filter, keep, &out);
	if (!span_eq(buf_span(&out), span_str(cases[i].out)))
		fail_msg("%s, cut at %zu, then every %zu: \"%.*s\"", cases[i].name, cut, step, SPAN_FMT(buf_span(&out)));
	buf_fini(&out);
}

static void test_return_path_fields_go_and_all_else_stays(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t cut = 0; cut <= strlen(cases[i].in); cut++) {
			check(i, cut, 10000);
			check(i, cut, 1);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_return_path_fields_go_and_all_else_stays) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
