/* SPDX-License-Identifier: Apache-2.0 */
/* Trace fields: their exact form, and that nothing hostile gets out of its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "trace.h"

#define NOW UINT64_C(1795442531000)

static struct id128 some_id;

static void write(struct buf *out, const struct trace_received *r)
{
	buf_init(out, 4096);
	trace_received_write(out, r);
	assert_false(out->failed);
	assert_true(out->len <= TRACE_BYTES_MAX);
}

static void test_received_has_all_clauses(void **state)
{
	struct buf out;
	struct trace_received r = { .helo = SPAN("client.test"), .hostname = SPAN("mx.example.org"), .protocol = "ESMTP",
		.id = &some_id, .recipient = SPAN("alice@example.org"), .now_ms = NOW };
	(void)state;
	assert_true(netaddr_parse(SPAN("2001:db8::1"), &r.client));
	write(&out, &r);
	assert_string_equal(buf_cstr(&out), "Received: from client.test ([IPv6:2001:db8::1])\r\n"
		"\tby mx.example.org with ESMTP\r\n\tid 00000000000000000000000000\r\n"
		"\tfor <alice@example.org>;\r\n\tMon, 23 Nov 2026 14:02:11 +0000\r\n");
	buf_fini(&out);
}

static void test_received_without_recipient_and_address(void **state)
{
	struct buf out;
	struct trace_received r = { .hostname = SPAN("mx"), .protocol = "SMTP", .id = &some_id, .now_ms = NOW };
	(void)state;
	write(&out, &r);
	assert_string_equal(buf_cstr(&out), "Received: from unknown\r\n\tby mx with SMTP\r\n"
		"\tid 00000000000000000000000000;\r\n\tMon, 23 Nov 2026 14:02:11 +0000\r\n");
	buf_fini(&out);
}

static void test_no_byte_of_a_name_can_end_the_field(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		struct buf out;
		uint8_t byte = (uint8_t)c;
		uint8_t mailbox[3] = { 'a', byte, 'b' };
		struct trace_received r = { .helo = span_of(&byte, 1), .hostname = SPAN("mx"), .protocol = "SMTP",
			.id = &some_id, .recipient = span_of(mailbox, 3), .now_ms = NOW };
		write(&out, &r);
		size_t lines = 0;
		for (size_t i = 0; i < out.len; i++) {
			bool line_end = out.ptr[i] == '\n' && out.ptr[i - 1] == '\r';
			lines += line_end;
			assert_true(out.ptr[i] >= 0x20 || line_end || out.ptr[i] == '\t' || out.ptr[i] == '\r');
		}
		assert_int_equal(lines, 5);
		buf_fini(&out);
	}
}

static void test_long_names_are_bounded(void **state)
{
	struct buf out;
	uint8_t name[5000];
	struct trace_received r = { .helo = span_of(name, sizeof(name)), .hostname = span_of(name, sizeof(name)),
		.protocol = "SMTP", .id = &some_id, .recipient = span_of(name, sizeof(name)), .now_ms = NOW };
	(void)state;
	memset(name, 'x', sizeof(name));
	write(&out, &r);
	buf_fini(&out);
}

static void test_return_path(void **state)
{
	struct buf out;
	(void)state;
	buf_init(&out, 4096);
	trace_return_path_write(&out, SPAN(""));
	trace_return_path_write(&out, SPAN("\"a b\"@x"));
	trace_return_path_write(&out, SPAN("a\r\nb"));
	assert_string_equal(buf_cstr(&out),
		"Return-Path: <>\r\nReturn-Path: <\"a b\"@x>\r\nReturn-Path: <a??b>\r\n");
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_received_has_all_clauses),
		cmocka_unit_test(test_received_without_recipient_and_address),
		cmocka_unit_test(test_no_byte_of_a_name_can_end_the_field),
		cmocka_unit_test(test_long_names_are_bounded),
		cmocka_unit_test(test_return_path),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
