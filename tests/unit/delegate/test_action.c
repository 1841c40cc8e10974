/* SPDX-License-Identifier: Apache-2.0 */
/* Actions: what each word means, which codes are taken from its text, and what is none. */
#include "delegate_test.h"

static const struct {
	const char *line;
	enum delegate_kind kind;
	unsigned code;
	const char *enhanced, *text;
} words[] = {
	{ "DUNNO", DELEGATE_DUNNO, 0, "", "" },
	{ "dunno", DELEGATE_DUNNO, 0, "", "" },
	{ "Dunno whatever", DELEGATE_DUNNO, 0, "", "whatever" },
	{ "OK", DELEGATE_OK, 0, "", "" },
	{ "permit", DELEGATE_OK, 0, "", "" },
	{ "200", DELEGATE_OK, 0, "", "" },
	{ "1234567890123456789012345", DELEGATE_OK, 0, "", "" },
	{ "600 more", DELEGATE_OK, 0, "", "more" },
	{ "REJECT", DELEGATE_REFUSE, 554, "", "" },
	{ "reject no, thank you", DELEGATE_REFUSE, 554, "", "no, thank you" },
	{ "REJECT 5.7.23 SPF says no", DELEGATE_REFUSE, 554, "5.7.23", "SPF says no" },
	{ "REJECT 4.7.1 of another class", DELEGATE_REFUSE, 554, "5.7.1", "of another class" },
	{ "DEFER", DELEGATE_REFUSE, 450, "", "" },
	{ "DEFER 2.1.5 odd", DELEGATE_REFUSE, 450, "4.1.5", "odd" },
	{ "550", DELEGATE_REFUSE, 550, "", "" },
	{ "550 5.1.1 no such user", DELEGATE_REFUSE, 550, "5.1.1", "no such user" },
	{ "450 \t 4.7.1\twait", DELEGATE_REFUSE, 450, "4.7.1", "wait" },
	{ "421 4.7.0", DELEGATE_REFUSE, 421, "4.7.0", "" },
	{ "400 a", DELEGATE_REFUSE, 400, "", "a" },
	{ "599 a", DELEGATE_REFUSE, 599, "", "a" },
	{ "451 5.3.0 soon", DELEGATE_REFUSE, 451, "4.3.0", "soon" },
	{ "550 5.7.1x no code", DELEGATE_REFUSE, 550, "", "5.7.1x no code" },
	{ "550 5.7. no code", DELEGATE_REFUSE, 550, "", "5.7. no code" },
	{ "550 5..1 no code", DELEGATE_REFUSE, 550, "", "5..1 no code" },
	{ "550 5.1234.1 no code", DELEGATE_REFUSE, 550, "", "5.1234.1 no code" },
	{ "550 5.7.1234 no code", DELEGATE_REFUSE, 550, "", "5.7.1234 no code" },
	{ "550 3.7.1 no code", DELEGATE_REFUSE, 550, "", "3.7.1 no code" },
	{ "550 5.222.333 long", DELEGATE_REFUSE, 550, "5.222.333", "long" },
	{ "DEFER_IF_PERMIT Greylisted, see http://a.test/", DELEGATE_DEFER_IF_PERMIT, 450, "", "Greylisted, see http://a.test/" },
	{ "defer_if_permit 4.2.0 later", DELEGATE_DEFER_IF_PERMIT, 450, "4.2.0", "later" },
	{ "DEFER_IF_REJECT later", DELEGATE_DEFER_IF_REJECT, 450, "", "later" },
	{ "HOLD", DELEGATE_HOLD, 0, "", "" },
	{ "HOLD look at it", DELEGATE_HOLD, 0, "", "look at it" },
	{ "DISCARD", DELEGATE_DISCARD, 0, "", "" },
	{ "WARN odd client", DELEGATE_NOTE, 0, "", "odd client" },
	{ "INFO 4.7.1 hm", DELEGATE_NOTE, 0, "", "4.7.1 hm" },
	{ "PREPEND X-Greylist: delayed 300 seconds", DELEGATE_PREPEND, 0, "", "X-Greylist: delayed 300 seconds" },
	{ "prepend Received-SPF:\tpass", DELEGATE_PREPEND, 0, "", "Received-SPF:\tpass" },
	{ "PREPEND", DELEGATE_IGNORED, 0, "", "" },
	{ "PREPEND no colon", DELEGATE_IGNORED, 0, "", "no colon" },
	{ "PREPEND X-Empty:", DELEGATE_IGNORED, 0, "", "X-Empty:" },
	{ "PREPEND : x", DELEGATE_IGNORED, 0, "", ": x" },
	{ "PREPEND X Y: x", DELEGATE_IGNORED, 0, "", "X Y: x" },
	{ "PREPEND X-\xc3\xa4: x", DELEGATE_IGNORED, 0, "", "X-\xc3\xa4: x" },
	{ "PREPEND X: \xc3\xa4", DELEGATE_IGNORED, 0, "", "X: \xc3\xa4" },
	{ "PREPEND X: a\x0b" "b", DELEGATE_IGNORED, 0, "", "X: a\x0b" "b" },
	{ "REDIRECT a@b.test", DELEGATE_IGNORED, 0, "", "a@b.test" },
	{ "FILTER smtp:[127.0.0.1]", DELEGATE_IGNORED, 0, "", "smtp:[127.0.0.1]" },
	{ "BCC a@b.test", DELEGATE_IGNORED, 0, "", "a@b.test" },
	{ "", DELEGATE_WRONG, 0, "", "" },
	{ "REJECTED", DELEGATE_WRONG, 0, "", "" },
	{ "reject_unknown_client", DELEGATE_WRONG, 0, "", "" },
	{ "4xx what", DELEGATE_WRONG, 0, "", "what" },
	{ "DUNNO=1", DELEGATE_WRONG, 0, "", "" },
};

static void test_each_action(void **state)
{
	for (size_t i = 0; i < COUNT(words); i++) {
		struct buf line;
		struct delegate_action action;
		buf_init(&line, 1024);
		buf_addf(&line, "%s\n", words[i].line);
		struct span rest = buf_span(&line);
		assert_true(delegate_action_next(&rest, &action));
		if (action.kind != words[i].kind || action.code != words[i].code || strcmp(action.enhanced, words[i].enhanced) != 0
		    || !span_eq(action.text, span_str(words[i].text)))
			fail_msg("%s: kind %d, code %u, enhanced %s, text %.*s", words[i].line, action.kind, action.code, action.enhanced,
				SPAN_FMT(action.text));
		assert_int_equal(delegate_actions_are_wrong(buf_span(&line)), action.kind == DELEGATE_WRONG);
		assert_false(delegate_action_next(&rest, &action));
		buf_fini(&line);
	}
	(void)state;
}

static void test_several_actions_in_their_order(void **state)
{
	struct span rest = SPAN("PREPEND X-A: b\nDUNNO\n550 no\n");
	struct delegate_action action;
	assert_true(delegate_action_next(&rest, &action) && action.kind == DELEGATE_PREPEND);
	assert_true(delegate_action_next(&rest, &action) && action.kind == DELEGATE_DUNNO);
	assert_true(delegate_action_next(&rest, &action) && action.kind == DELEGATE_REFUSE);
	assert_false(delegate_action_next(&rest, &action));
	assert_false(delegate_actions_are_wrong(SPAN("DUNNO\nOK\n")));
	assert_true(delegate_actions_are_wrong(SPAN("DUNNO\n\n")));
	assert_true(delegate_actions_are_wrong(SPAN("OK\nBLA bla\n")));
	(void)state;
}

/* Of a field that is too long nothing is used; a reply's text is cut. */
static void test_long_texts(void **state)
{
	static const struct { const char *head; size_t bytes; enum delegate_kind kind; size_t kept; } cases[] = {
		{ "PREPEND X: ", 3 + 995, DELEGATE_PREPEND, 998 }, { "PREPEND X: ", 3 + 996, DELEGATE_IGNORED, DELEGATE_TEXT_BYTES_MAX },
		{ "REJECT a: ", 3 + 5000, DELEGATE_REFUSE, DELEGATE_TEXT_BYTES_MAX },
		{ "WARN a: ", 3 + 397, DELEGATE_NOTE, DELEGATE_TEXT_BYTES_MAX },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf line;
		struct delegate_action action;
		buf_init(&line, 8192);
		buf_add_str(&line, cases[i].head);
		for (size_t n = 3; n < cases[i].bytes; n++)
			buf_add_byte(&line, 'y');
		struct span rest = buf_span(&line);
		assert_true(delegate_action_next(&rest, &action));
		assert_int_equal(action.kind, cases[i].kind);
		assert_int_equal(action.text.len, cases[i].kept);
		buf_fini(&line);
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_action),
		cmocka_unit_test(test_several_actions_in_their_order),
		cmocka_unit_test(test_long_texts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
