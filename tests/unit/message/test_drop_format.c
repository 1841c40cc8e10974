/* SPDX-License-Identifier: Apache-2.0 */
/* Drop files: what is written is read again; cut, changed or wrong ones are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "crc32c.h"
#include "drop_format.h"
#include "wire.h"

static struct span found[DROP_RECIPIENTS_MAX], found_orcpts[DROP_RECIPIENTS_MAX];
static uint8_t found_notify[DROP_RECIPIENTS_MAX];
static const struct drop_lists lists = { found, found_orcpts, found_notify };

static struct buf envelope_of(const struct drop_envelope *e)
{
	struct buf out;
	buf_init(&out, DROP_ENVELOPE_BYTES_MAX);
	drop_envelope_write(&out, e);
	assert_false(out.failed);
	return out;
}

/* The problem of an envelope under a head that fits it. */
static const char *problem_of(struct span envelope, struct drop_envelope *e)
{
	struct drop_head head = { .envelope_bytes = (uint32_t)envelope.len, .envelope_crc = crc32c(0, envelope) };
	return drop_envelope_read(&head, envelope, &lists, e);
}

static void test_what_is_written_is_read(void **state)
{
	(void)state;
	const struct span recipients[] = { SPAN("alice@example.org"), SPAN("jürgen@müller.test") };
	struct drop_envelope in = { .id = { { 1, 2, 3 } }, .sender = SPAN("x@y.test"), .recipients = recipients,
		.recipient_count = 2, .notify = (const uint8_t[]){ DSN_NOTIFY_NEVER, 0 },
		.orcpts = (const struct span[]){ { NULL, 0 }, SPAN("utf-8;jürgen@y.test") },
		.ret = DSN_RET_HEADERS, .envid = SPAN("QQ+2B314") }, e;
	struct buf envelope = envelope_of(&in), head_text;
	struct drop_head head;
	buf_init(&head_text, DROP_HEAD_BYTES);
	drop_head_write(&head_text, buf_span(&envelope), 5, 77);
	assert_int_equal(head_text.len, DROP_HEAD_BYTES);
	assert_true(drop_head_read(buf_span(&head_text), DROP_HEAD_BYTES + envelope.len + 5, &head));
	assert_int_equal(head.content_bytes, 5);
	assert_int_equal(head.content_crc, 77);
	assert_null(drop_envelope_read(&head, buf_span(&envelope), &lists, &e));
	assert_int_equal(id128_cmp(&e.id, &in.id), 0);
	assert_true(span_eq(e.sender, in.sender) && e.utf8 && e.recipient_count == 2);
	assert_true(span_eq(e.recipients[1], recipients[1]));
	assert_memory_equal(e.notify, in.notify, 2);
	assert_true(e.orcpts[0].len == 0 && span_eq(e.orcpts[1], in.orcpts[1]));
	assert_true(e.ret == DSN_RET_HEADERS && span_eq(e.envid, in.envid));
	buf_fini(&envelope);
	buf_fini(&head_text);
}

static void test_a_changed_or_cut_head_is_refused(void **state)
{
	(void)state;
	uint8_t bytes[DROP_HEAD_BYTES];
	struct buf text;
	struct drop_head head;
	buf_init(&text, DROP_HEAD_BYTES);
	drop_head_write(&text, SPAN("12345"), 10, 0);
	assert_true(drop_head_read(buf_span(&text), DROP_HEAD_BYTES + 15, &head));
	assert_false(drop_head_read(buf_span(&text), DROP_HEAD_BYTES + 14, &head));
	assert_false(drop_head_read(buf_span(&text), DROP_HEAD_BYTES + 16, &head));
	for (size_t i = 0; i < DROP_HEAD_BYTES; i++) {
		assert_false(drop_head_read(span_to(buf_span(&text), i), DROP_HEAD_BYTES + 15, &head));
		memcpy(bytes, text.ptr, sizeof(bytes));
		bytes[i] ^= 1;
		if (drop_head_read(span_of(bytes, sizeof(bytes)), DROP_HEAD_BYTES + 15, &head))
			fail_msg("changed at %zu", i);
	}
	buf_fini(&text);
}

static void field(struct buf *out, uint16_t type, struct span value)
{
	wire_put_u16(out, type);
	wire_put_span(out, value);
}

#define FIELDS_MAX 6
#define WHOLE { 1, SPAN("0123456789abcdef") }, { 2, SPAN("") }, { 3, SPAN("c@d.test") }

static const struct {
	const char *name;
	struct {
		uint16_t type;
		struct span value;
	} fields[FIELDS_MAX];
	bool good;
} envelopes[] = {
	{ "complete", { { 1, SPAN("0123456789abcdef") }, { 2, SPAN("a@b.test") }, { 3, SPAN("c@d.test") } }, true },
	{ "null sender", { { 1, SPAN("0123456789abcdef") }, { 2, SPAN("") }, { 3, SPAN("c@d.test") } }, true },
	{ "no id", { { 2, SPAN("a@b.test") }, { 3, SPAN("c@d.test") } }, false },
	{ "short id", { { 1, SPAN("0123456789abcde") }, { 2, SPAN("a@b.test") }, { 3, SPAN("c@d.test") } }, false },
	{ "two ids", { { 1, SPAN("0123456789abcdef") }, { 1, SPAN("0123456789abcdef") }, { 2, SPAN("") }, { 3, SPAN("c@d.test") } },
		false },
	{ "no sender", { { 1, SPAN("0123456789abcdef") }, { 3, SPAN("c@d.test") } }, false },
	{ "two senders", { { 1, SPAN("0123456789abcdef") }, { 2, SPAN("") }, { 2, SPAN("") }, { 3, SPAN("c@d.test") } }, false },
	{ "no recipient", { { 1, SPAN("0123456789abcdef") }, { 2, SPAN("") } }, false },
	{ "sender is no mailbox", { { 1, SPAN("0123456789abcdef") }, { 2, SPAN("a b@c.test") }, { 3, SPAN("c@d.test") } }, false },
	{ "recipient without domain", { { 1, SPAN("0123456789abcdef") }, { 2, SPAN("") }, { 3, SPAN("root") } }, false },
	{ "recipient with CRLF", { { 1, SPAN("0123456789abcdef") }, { 2, SPAN("") }, { 3, SPAN("a@b.test\r\nRCPT TO:<x@y.test>") } },
		false },
	{ "empty recipient", { { 1, SPAN("0123456789abcdef") }, { 2, SPAN("") }, { 3, SPAN("") } }, false },
	{ "RET", { WHOLE, { 4, SPAN("\x01") } }, true },
	{ "RET of no meaning", { WHOLE, { 4, SPAN("\x03") } }, false },
	{ "RET unset", { WHOLE, { 4, SPAN("\0") } }, false },
	{ "two RETs", { WHOLE, { 4, SPAN("\x01") }, { 4, SPAN("\x02") } }, false },
	{ "ENVID", { WHOLE, { 5, SPAN("a+2Bb") } }, true },
	{ "ENVID that is no xtext", { WHOLE, { 5, SPAN("a+b") } }, false },
	{ "ENVID with CRLF", { WHOLE, { 5, SPAN("a\r\nb") } }, false },
	{ "two ENVIDs", { WHOLE, { 5, SPAN("a") }, { 5, SPAN("b") } }, false },
	{ "NOTIFY and ORCPT", { WHOLE, { 6, SPAN("\x0e") }, { 7, SPAN("rfc822;x@y.test") } }, true },
	{ "NOTIFY not alone", { WHOLE, { 6, SPAN("\x03") } }, false },
	{ "NOTIFY of no meaning", { WHOLE, { 6, SPAN("\x10") } }, false },
	{ "NOTIFY of nothing", { WHOLE, { 6, SPAN("\0") } }, false },
	{ "NOTIFY of no byte", { WHOLE, { 6, SPAN("") } }, false },
	{ "two NOTIFYs", { WHOLE, { 6, SPAN("\x02") }, { 6, SPAN("\x02") } }, false },
	{ "NOTIFY of nobody", { { 1, SPAN("0123456789abcdef") }, { 6, SPAN("\x02") }, { 2, SPAN("") }, { 3, SPAN("c@d.test") } },
		false },
	{ "ORCPT without type", { WHOLE, { 7, SPAN("x@y.test") } }, false },
	{ "ORCPT with CRLF", { WHOLE, { 7, SPAN("rfc822;x\r\nRSET") } }, false },
	{ "two ORCPTs", { WHOLE, { 7, SPAN("rfc822;x@y.test") }, { 7, SPAN("rfc822;x@y.test") } }, false },
	{ "ORCPT of nobody", { { 7, SPAN("rfc822;x@y.test") }, WHOLE }, false },
	{ "unknown field", { { 1, SPAN("0123456789abcdef") }, { 2, SPAN("") }, { 3, SPAN("c@d.test") }, { 9, SPAN("x") } }, false },
};

/* A cut after the recipient that ends where a field ends leaves an envelope. */
static bool is_whole(struct span text, size_t cut)
{
	struct wire_reader r = { .rest = text };
	bool recipient = false;
	while (r.rest.len > text.len - cut) {
		recipient |= wire_get_u16(&r) == 3;
		wire_get_span(&r);
	}
	return recipient && r.rest.len == text.len - cut;
}

static void test_envelopes(void **state)
{
	(void)state;
	struct drop_envelope e;
	for (size_t i = 0; i < sizeof(envelopes) / sizeof(envelopes[0]); i++) {
		struct buf text;
		buf_init(&text, 4096);
		for (size_t f = 0; f < FIELDS_MAX && envelopes[i].fields[f].type != 0; f++)
			field(&text, envelopes[i].fields[f].type, envelopes[i].fields[f].value);
		if ((problem_of(buf_span(&text), &e) == NULL) != envelopes[i].good)
			fail_msg("%s", envelopes[i].name);
		/* Every cut is refused that lacks a recipient or ends inside a field. */
		for (size_t cut = 0; cut < text.len; cut++)
			if (!is_whole(buf_span(&text), cut) && problem_of(span_to(buf_span(&text), cut), &e) == NULL && envelopes[i].good)
				fail_msg("%s cut at %zu", envelopes[i].name, cut);
		struct drop_head wrong = { .envelope_bytes = (uint32_t)text.len, .envelope_crc = crc32c(0, buf_span(&text)) ^ 1 };
		assert_non_null(drop_envelope_read(&wrong, buf_span(&text), &lists, &e));
		buf_fini(&text);
	}
}

static void test_recipients_are_bounded(void **state)
{
	(void)state;
	static struct span many[DROP_RECIPIENTS_MAX + 1];
	struct drop_envelope in = { .recipients = many, .recipient_count = DROP_RECIPIENTS_MAX }, e;
	for (size_t i = 0; i < DROP_RECIPIENTS_MAX + 1; i++)
		many[i] = SPAN("c@d.test");
	struct buf text = envelope_of(&in);
	assert_null(problem_of(buf_span(&text), &e));
	buf_fini(&text);
	in.recipient_count++;
	text = envelope_of(&in);
	assert_string_equal(problem_of(buf_span(&text), &e), "too many recipients");
	buf_fini(&text);
}

static void test_names(void **state)
{
	(void)state;
	struct id128 id = { { 0x01, 0x92, 3, 4, 5, 6, 7, 8, 9, 10 } }, again;
	char name[DROP_NAME_BYTES + 1];
	drop_name_write("new-", &id, name);
	assert_true(drop_name_parse(span_str(name), "new-", &again) && id128_cmp(&id, &again) == 0);
	assert_false(drop_name_parse(span_str(name), "tmp-", &again));
	assert_false(drop_name_parse(span_to(span_str(name), DROP_NAME_BYTES - 1), "new-", &again));
	name[DROP_NAME_BYTES - 1] = '/';
	assert_false(drop_name_parse(span_str(name), "new-", &again));
	assert_false(drop_name_parse(SPAN("new-01M867EY3QNN78XHMEH2TWFQ64"), "new-", &again));
	assert_false(drop_name_parse(SPAN(".."), "new-", &again));
}

static const struct {
	struct span text;
	bool good;
} contents[] = {
	{ SPAN(""), true }, { SPAN("a\r\n\r\nb\r\n"), true }, { SPAN("\xff\r\n"), true }, { SPAN("a"), false },
	{ SPAN("a\r\nb"), false }, { SPAN("a\nb\r\n"), false }, { SPAN("a\rb\r\n"), false }, { SPAN("a\0b\r\n"), false },
	{ SPAN("a\r\n\r"), false },
};

static void test_contents(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
		struct content_scan scan;
		content_scan_init(&scan);
		content_scan_feed(&scan, contents[i].text);
		content_scan_finish(&scan);
		if ((drop_content_problem(&scan.facts) == NULL) != contents[i].good)
			fail_msg("content %zu", i);
	}
	struct content_facts facts = { .line_bytes_longest = DROP_LINE_BYTES_MAX };
	assert_null(drop_content_problem(&facts));
	facts.line_bytes_longest++;
	assert_non_null(drop_content_problem(&facts));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_written_is_read),
		cmocka_unit_test(test_a_changed_or_cut_head_is_refused),
		cmocka_unit_test(test_envelopes),
		cmocka_unit_test(test_recipients_are_bounded),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_contents),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
