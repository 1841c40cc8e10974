/* SPDX-License-Identifier: Apache-2.0 */
/* Answers: whole and cut at every byte, too long, and against the protocol. */
#include "delegate_test.h"

struct outcome {
	enum delegate_read read;
	size_t taken;
	struct buf actions;
	const char *why;
};

/* Feeds in pieces of so many bytes. */
static struct outcome read_in_pieces(struct span text, size_t piece)
{
	struct delegate_answer answer;
	struct outcome o = { .read = DELEGATE_MORE };
	delegate_answer_init(&answer);
	while (o.read == DELEGATE_MORE && o.taken < text.len) {
		size_t taken;
		struct span part = span_to(span_from(text, o.taken), piece);
		o.read = delegate_answer_feed(&answer, part, &taken);
		assert_true(taken <= part.len && (taken == part.len || o.read != DELEGATE_MORE));
		o.taken += taken;
	}
	buf_init(&o.actions, DELEGATE_ANSWER_BYTES_MAX);
	buf_add(&o.actions, buf_span(&answer.actions));
	o.why = answer.why;
	delegate_answer_fini(&answer);
	return o;
}

static void test_answers(void **state)
{
	static const struct { const char *text; enum delegate_read read; const char *actions; size_t left; } cases[] = {
		{ "action=DUNNO\n\n", DELEGATE_DONE, "DUNNO\n", 0 },
		{ "action=DUNNO\r\n\r\n", DELEGATE_DONE, "DUNNO\n", 0 },
		{ "action = DEFER_IF_PERMIT a=b \n\n", DELEGATE_DONE, "DEFER_IF_PERMIT a=b\n", 0 },
		{ "other=1\naction=OK\nmore=\n\n", DELEGATE_DONE, "OK\n", 0 },
		{ "action=PREPEND X: y\naction=DUNNO\n\n", DELEGATE_DONE, "PREPEND X: y\nDUNNO\n", 0 },
		{ "action=\n\n", DELEGATE_DONE, "\n", 0 },
		{ "action=OK\n\naction=REJECT\n\n", DELEGATE_DONE, "OK\n", 15 },
		{ "action=OK\n", DELEGATE_MORE, "OK\n", 0 },
		{ "action=OK", DELEGATE_MORE, "", 0 },
		{ "", DELEGATE_MORE, "", 0 },
		{ "\n", DELEGATE_BAD, "", 0 },
		{ "Action=OK\n\n", DELEGATE_BAD, "", 0 },
		{ "actions=OK\n\n", DELEGATE_BAD, "", 0 },
		{ "OK\n\n", DELEGATE_BAD, "", 1 },
		{ "action=OK\nHTTP/1.1 400 Bad Request\n\n", DELEGATE_BAD, "OK\n", 1 },
		{ "action=O\x01K\n\n", DELEGATE_BAD, "", 1 },
		{ "action=OK\rX\n\n", DELEGATE_BAD, "", 1 },
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		for (size_t piece = 1; piece <= strlen(cases[i].text) + 1; piece++) {
			struct span text = span_str(cases[i].text);
			struct outcome o = read_in_pieces(text, piece);
			bool good = o.read == cases[i].read && text.len - o.taken == cases[i].left
				&& span_eq(buf_span(&o.actions), span_str(cases[i].actions)) && (o.why[0] != 0) == (o.read == DELEGATE_BAD);
			if (!good)
				fail_msg("%s in pieces of %zu: %d, %zu left, %s", cases[i].text, piece, o.read, text.len - o.taken, o.why);
			buf_fini(&o.actions);
		}
	struct outcome nul = read_in_pieces(SPAN("action=OK\0\n\n"), 100);
	assert_int_equal(nul.read, DELEGATE_BAD);
	buf_fini(&nul.actions);
	(void)state;
}

/* A line without end, lines without end, and many actions: all are given up at their limit. */
static void test_answers_are_bounded(void **state)
{
	static const struct { const char *unit; const char *why; } cases[] = {
		{ "x", "it is too long" }, { "name=value\n", "it is too long" }, { "action=DUNNO\n", "it named too many actions" },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf text;
		buf_init(&text, 10u << 20);
		while (text.len + 100 < text.max)
			buf_add_str(&text, cases[i].unit);
		static const size_t pieces[] = { 1, 1000, 65536, SIZE_MAX };
		for (size_t p = 0; p < COUNT(pieces); p++) {
			struct outcome o = read_in_pieces(buf_span(&text), pieces[p]);
			assert_int_equal(o.read, DELEGATE_BAD);
			assert_string_equal(o.why, cases[i].why);
			assert_true(o.taken <= DELEGATE_ANSWER_BYTES_MAX);
			buf_fini(&o.actions);
		}
		buf_fini(&text);
	}
	struct buf most;
	buf_init(&most, DELEGATE_ANSWER_BYTES_MAX);
	buf_add_str(&most, "action=DUNNO\nx=");
	while (most.len < most.max - 2)
		buf_add_byte(&most, 'x');
	buf_add_str(&most, "\n\n");
	struct outcome o = read_in_pieces(buf_span(&most), SIZE_MAX);
	assert_int_equal(o.read, DELEGATE_DONE);
	buf_fini(&o.actions);
	buf_fini(&most);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_answers_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
