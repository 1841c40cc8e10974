/* SPDX-License-Identifier: Apache-2.0 */
/* The writer of reply lines: exact bytes, hostile values, the limit of a line, one constant 252. */
#include <stdio.h>

#include "reply_test.h"

#include <stdlib.h>
#include "utf8.h"

#define LONG_BYTES 2000

static struct buf out;

static int begin(void **state)
{
	(void)state;
	buf_init(&out, 65536);
	return 0;
}

static int end(void **state)
{
	(void)state;
	buf_fini(&out);
	return 0;
}

static const struct reply_params usual = {
	.hostname = { (const uint8_t *)"mx.example.org", 14 },
	.id = { (const uint8_t *)"01jd7y3kq8m60000000000000a", 26 },
	.mailbox = { (const uint8_t *)"alice@example.org", 17 },
	.session = { (const uint8_t *)"3fq8k2", 6 },
	.seconds = 300,
	.octets = 18446744073709551615u,
};

static void test_lines_are_exact(void **state)
{
	(void)state;
	static const struct {
		enum reply_key key;
		const char *line;
	} cases[] = {
		{ REPLY_SERVICE_READY, "220 mx.example.org ESMTP Waybill\r\n" },
		{ REPLY_EHLO_OK, "250 mx.example.org\r\n" },
		{ REPLY_MESSAGE_QUEUED, "250 2.0.0 Queued as 01jd7y3kq8m60000000000000a\r\n" },
		{ REPLY_CHUNK_OK, "250 2.0.0 18446744073709551615 octets received\r\n" },
		{ REPLY_CANNOT_VERIFY, "252 2.5.0 Cannot verify; send the message and delivery will be tried\r\n" },
		{ REPLY_VERIFIED, "250 2.1.5 <alice@example.org>\r\n" },
		{ REPLY_MAILBOX_UNKNOWN, "550 5.1.1 No such mailbox here [s 3fq8k2]\r\n" },
		{ REPLY_MAILBOX_FULL, "452 4.2.2 Mailbox is full; try again later [s 3fq8k2]\r\n" },
		{ REPLY_GREYLISTED, "450 4.7.1 Greylisted; try again in 300 seconds [s 3fq8k2]\r\n" },
		{ REPLY_DATA_GO_AHEAD, "354 Send the message; end it with <CRLF>.<CRLF>\r\n" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_clear(&out);
		reply_write(&out, cases[i].key, &usual);
		assert_string_equal(buf_cstr(&out), cases[i].line);
	}
}

static void test_more_lines_follow_a_hyphen(void **state)
{
	(void)state;
	reply_write_more(&out, REPLY_EHLO_OK, &usual);
	reply_write_more(&out, REPLY_VERIFIED, &usual);
	assert_string_equal(buf_cstr(&out), "250-mx.example.org\r\n250-2.1.5 <alice@example.org>\r\n");
}

static void test_text_alone_has_no_code_and_no_end(void **state)
{
	(void)state;
	reply_write_text(&out, REPLY_GREYLISTED, &usual);
	assert_string_equal(buf_cstr(&out), "Greylisted; try again in 300 seconds");
}

static void test_params_may_be_missing(void **state)
{
	(void)state;
	reply_write(&out, REPLY_VERIFIED, NULL);
	reply_write(&out, REPLY_MAILBOX_UNKNOWN, NULL);
	assert_string_equal(buf_cstr(&out), "250 2.1.5 <>\r\n550 5.1.1 No such mailbox here\r\n");
}

static void test_values_cannot_end_the_line(void **state)
{
	(void)state;
	static const struct {
		struct span value;
		bool utf8;
		const char *line;
	} cases[] = {
		{ SPAN("a\r\n250 ok"), false, "250 2.1.5 <a\\x0d\\x0a250 ok>\r\n" },
		{ SPAN("a\0b\x7f\x1b[2J"), false, "250 2.1.5 <a\\x00b\\x7f\\x1b[2J>\r\n" },
		{ SPAN("\"a\\\"b\"@x"), false, "250 2.1.5 <\"a\\\"b\"@x>\r\n" },
		{ SPAN("j\xc3\xbcrgen"), false, "250 2.1.5 <j\\xc3\\xbcrgen>\r\n" },
		{ SPAN("j\xc3\xbcrgen"), true, "250 2.1.5 <j\xc3\xbcrgen>\r\n" },
		{ SPAN("c1 \xc2\x85"), true, "250 2.1.5 <c1 \\xc2\\x85>\r\n" },
		{ SPAN("torn \xc3"), true, "250 2.1.5 <torn \\xc3>\r\n" },
		{ SPAN("{hostname}"), false, "250 2.1.5 <{hostname}>\r\n" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct reply_params params = { .mailbox = cases[i].value, .utf8 = cases[i].utf8 };
		buf_clear(&out);
		reply_write(&out, REPLY_VERIFIED, &params);
		assert_string_equal(buf_cstr(&out), cases[i].line);
	}
}

static void test_session_ids_cannot_end_the_line(void **state)
{
	(void)state;
	struct reply_params params = { .session = SPAN("ab\r\n250 ok") };
	reply_write(&out, REPLY_MAILBOX_UNKNOWN, &params);
	assert_string_equal(buf_cstr(&out), "550 5.1.1 No such mailbox here [s ab]\r\n");
}

/* One CRLF, at the end; at most 512 octets; nothing but printable ASCII before. */
static void assert_line(const char *name)
{
	if (out.len > REPLY_LINE_BYTES_MAX || out.len < 6)
		fail_msg("%s has %zu octets", name, out.len);
	for (size_t i = 0; i + 2 < out.len; i++) {
		if (out.ptr[i] < 0x20 || out.ptr[i] > 0x7e)
			fail_msg("%s has byte %02x at %zu", name, out.ptr[i], i);
	}
	assert_memory_equal(out.ptr + out.len - 2, "\r\n", 2);
}

static void test_what_another_program_said(void **state)
{
	static const struct { enum reply_key key; struct reply_said said; const char *line; } cases[] = {
		{ REPLY_SERVICE_REFUSED, { .code = 0 }, "550 5.7.1 Refused by a policy service\r\n" },
		{ REPLY_SERVICE_REFUSED, { 552, "5.2.2", SPAN("too much") }, "552 5.2.2 too much\r\n" },
		{ REPLY_SERVICE_REFUSED, { 452, "4.2.2", SPAN("x") }, "550 5.7.1 x\r\n" },
		{ REPLY_SERVICE_REFUSED, { 571, "", SPAN("x") }, "550 5.7.1 x\r\n" },
		{ REPLY_SERVICE_DEFERRED, { 451, "", SPAN("a\r\n250 b") }, "451 4.7.1 a\\x0d\\x0a250 b\r\n" },
		{ REPLY_SERVICE_DEFERRED, { 550, "5.1.1", SPAN("x") }, "450 4.7.1 x\r\n" },
		{ REPLY_SERVICE_UNAVAILABLE, { 421, "", { NULL, 0 } }, "421 4.3.0 A check cannot be made right now; try again later\r\n" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct reply_params params = { .said = cases[i].said };
		buf_clear(&out);
		reply_write(&out, cases[i].key, &params);
		assert_string_equal(buf_cstr(&out), cases[i].line);
		assert_int_equal(reply_code(cases[i].key, &cases[i].said), strtoul(cases[i].line, NULL, 10));
	}
}

static void test_no_value_makes_a_line_too_long(void **state)
{
	(void)state;
	uint8_t junk[LONG_BYTES];
	for (unsigned byte = 0; byte < 256; byte += 5) {
		memset(junk, (int)byte, sizeof(junk));
		struct span value = span_of(junk, sizeof(junk));
		struct reply_params params = { .hostname = value, .id = value, .mailbox = value, .seconds = UINT64_MAX,
			.octets = UINT64_MAX, .said = { .text = value }, .session = value };
		for (unsigned key = 0; key < REPLY_KEY_COUNT; key++) {
			buf_clear(&out);
			reply_write(&out, (enum reply_key)key, &params);
			assert_line(reply_entry((enum reply_key)key)->name);
		}
	}
}

static void test_every_wording_is_whole_with_the_longest_real_values(void **state)
{
	(void)state;
	char host[256], mailbox[321];
	memset(host, 'h', sizeof(host));
	memset(mailbox, 'm', sizeof(mailbox));
	struct reply_params params = usual;
	params.hostname = span_of(host, sizeof(host) - 1);
	params.mailbox = span_of(mailbox, sizeof(mailbox) - 1);
	for (unsigned key = 0; key < REPLY_KEY_COUNT; key++) {
		struct buf text;
		buf_init(&text, 65536);
		reply_write_text(&text, (enum reply_key)key, &params);
		buf_clear(&out);
		reply_write(&out, (enum reply_key)key, &params);
		if (memmem(out.ptr, out.len, text.ptr, text.len) == NULL)
			fail_msg("%s was cut", reply_entry((enum reply_key)key)->name);
		buf_fini(&text);
	}
}

/* The same 252 for every argument: the params have nowhere to put one, and what they hold is not shown. */
static void test_252_is_one_constant_line(void **state)
{
	(void)state;
	reply_write(&out, REPLY_CANNOT_VERIFY, NULL);
	struct buf other;
	buf_init(&other, 1024);
	struct reply_params params = usual;
	params.mailbox = SPAN("nobody-in-particular");
	reply_write(&other, REPLY_CANNOT_VERIFY, &params);
	assert_true(span_eq(buf_span(&out), buf_span(&other)));
	buf_fini(&other);
	for (unsigned key = 0; key < REPLY_KEY_COUNT; key++) {
		const struct reply_entry *entry = reply_entry((enum reply_key)key);
		if (entry->code == 252)
			assert_null(strchr(entry->wording, '{'));
	}
}

static void test_find_knows_exactly_the_keys(void **state)
{
	(void)state;
	enum reply_key found;
	for (unsigned key = 0; key < REPLY_KEY_COUNT; key++) {
		assert_true(reply_find(span_str(reply_entry((enum reply_key)key)->name), &found));
		assert_int_equal(found, key);
	}
	assert_false(reply_find(SPAN(""), &found));
	assert_false(reply_find(SPAN("greyliste"), &found));
	assert_false(reply_find(SPAN("greylistedd"), &found));
	assert_false(reply_find(SPAN("450"), &found));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lines_are_exact, begin, end),
		cmocka_unit_test_setup_teardown(test_more_lines_follow_a_hyphen, begin, end),
		cmocka_unit_test_setup_teardown(test_text_alone_has_no_code_and_no_end, begin, end),
		cmocka_unit_test_setup_teardown(test_params_may_be_missing, begin, end),
		cmocka_unit_test_setup_teardown(test_values_cannot_end_the_line, begin, end),
		cmocka_unit_test_setup_teardown(test_session_ids_cannot_end_the_line, begin, end),
		cmocka_unit_test_setup_teardown(test_what_another_program_said, begin, end),
		cmocka_unit_test_setup_teardown(test_no_value_makes_a_line_too_long, begin, end),
		cmocka_unit_test_setup_teardown(test_every_wording_is_whole_with_the_longest_real_values, begin, end),
		cmocka_unit_test_setup_teardown(test_252_is_one_constant_line, begin, end),
		cmocka_unit_test(test_find_knows_exactly_the_keys),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
