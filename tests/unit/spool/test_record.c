/* SPDX-License-Identifier: Apache-2.0 */
/* The record codec: round trips, every cut, every flipped bit, limits. */
#include "spool_record.h"
#include "spool_test_disk.h"

static const struct span addresses[] = {
	{ (const uint8_t *)"alice@example.org", 17 }, { (const uint8_t *)"bob@example.org", 15 } };

static struct spool_message sample(void)
{
	return (struct spool_message){ .id = test_id(9), .arrival_ms = 1234567890123, .flags = SPOOL_SMTPUTF8,
		.sender = SPAN("s@example.net"), .recipients = addresses, .recipient_count = 2, .client = SPAN("192.0.2.1"),
		.helo = SPAN("client.test"), .session = SPAN("3fq8k2"), .trace = SPAN("Received: x\r\n"),
		.content = SPAN("Subject: y\r\n\r\nz\r\n") };
}

static void encode(struct buf *out, const struct spool_message *m)
{
	buf_init(out, RECORD_HEAD_BYTES_MAX);
	record_encode(out, m);
	assert_false(out->failed);
	record_seal(out->ptr, out->len, &(struct record_place){ 0x1122334455667788, 17, 5 }, 0xabcdef01);
}

static void test_what_was_encoded_is_decoded(void **state)
{
	(void)state;
	struct spool_message m = sample();
	struct record r;
	struct buf b;
	encode(&b, &m);
	assert_int_equal(record_peek(buf_span(&b)), b.len);
	assert_true(record_decode(buf_span(&b), &r));
	assert_true(r.place.generation == 0x1122334455667788 && r.place.unit == 17 && r.place.batch_unit == 5);
	assert_int_equal(id128_cmp(&r.id, &m.id), 0);
	assert_true(r.arrival_ms == m.arrival_ms && r.flags == SPOOL_SMTPUTF8 && !r.large);
	assert_int_equal(r.content_bytes, m.trace.len + m.content.len);
	assert_int_equal(r.content_crc, 0xabcdef01);
	assert_int_equal(r.recipient_count, 2);

	static const struct { enum record_field type; const char *text; } fields[] = {
		{ RECORD_SENDER, "s@example.net" }, { RECORD_RECIPIENT, "alice@example.org" },
		{ RECORD_RECIPIENT, "bob@example.org" }, { RECORD_CLIENT, "192.0.2.1" }, { RECORD_HELO, "client.test" },
		{ RECORD_SESSION, "3fq8k2" } };
	enum record_field type;
	struct span value;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		assert_true(record_field_next(&r.envelope, &type, &value));
		assert_int_equal(type, fields[i].type);
		assert_true(span_eq(value, span_str(fields[i].text)));
	}
	assert_false(record_field_next(&r.envelope, &type, &value));
	buf_fini(&b);
}

static const uint8_t notify[] = { 0, 6 };
static const struct span orcpt[] = { { (const uint8_t *)"rfc822;al+2Bice@example.org", 27 }, { NULL, 0 } };

static struct spool_message sample_with_options(void)
{
	struct spool_message m = sample();
	m.ret = SPOOL_RET_HEADERS;
	m.envid = SPAN("QQ314159");
	m.notify = notify;
	m.orcpt = orcpt;
	return m;
}

static void test_options_stand_behind_their_recipient(void **state)
{
	(void)state;
	static const struct { enum record_field type; const char *text; } fields[] = {
		{ RECORD_SENDER, "s@example.net" }, { RECORD_RET, "\x02" }, { RECORD_ENVID, "QQ314159" },
		{ RECORD_RECIPIENT, "alice@example.org" }, { RECORD_ORCPT, "rfc822;al+2Bice@example.org" },
		{ RECORD_RECIPIENT, "bob@example.org" }, { RECORD_NOTIFY, "\x06" }, { RECORD_CLIENT, "192.0.2.1" } };
	struct spool_message m = sample_with_options();
	struct record r;
	struct buf b;
	enum record_field type;
	struct span value;
	encode(&b, &m);
	assert_true(record_decode(buf_span(&b), &r));
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		assert_true(record_field_next(&r.envelope, &type, &value));
		assert_int_equal(type, fields[i].type);
		assert_true(span_eq(value, span_str(fields[i].text)));
	}
	buf_fini(&b);
}

static void cut_everywhere(const struct spool_message *m);

static void test_options_cut_at_every_byte_are_no_record(void **state)
{
	(void)state;
	struct spool_message m = sample_with_options();
	cut_everywhere(&m);
}

static void test_cut_at_every_byte_is_no_record(void **state)
{
	(void)state;
	struct spool_message m = sample();
	cut_everywhere(&m);
}

static void cut_everywhere(const struct spool_message *m)
{
	struct record r;
	struct buf b;
	encode(&b, m);
	for (size_t len = 0; len < b.len; len++) {
		uint8_t *exact = malloc(len + 1); /* so that an over-read is seen */
		memcpy(exact + 1, b.ptr, len);
		assert_false(record_decode(span_of(exact + 1, len), &r));
		free(exact);
	}
	buf_fini(&b);
}

static void test_every_flipped_bit_is_seen(void **state)
{
	(void)state;
	struct spool_message m = sample();
	struct record r;
	struct buf b;
	encode(&b, &m);
	for (size_t bit = 0; bit < b.len * 8; bit++) {
		b.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (record_decode(buf_span(&b), &r))
			fail_msg("bit %zu", bit);
		b.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_true(record_decode(buf_span(&b), &r));
	buf_fini(&b);
}

/* With a right checksum, so that only the envelope's own rules are left. */
static void test_a_wrong_envelope_is_no_record(void **state)
{
	(void)state;
	static const struct { const char *what; size_t at; uint8_t byte; } cases[] = {
		{ "no sender", RECORD_HEAD_BYTES, 9 },
		{ "two senders", RECORD_HEAD_BYTES + 3 + 13, RECORD_SENDER },
		{ "a length past the end", RECORD_HEAD_BYTES + 2, 0x7f },
		{ "more recipients than fields", 52, 3 },
		{ "another version", 4, 2 },
		{ "an unknown kind", 6, 2 },
		{ "too much content", 47, 0x7f },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct spool_message m = sample();
		struct record r;
		struct buf b;
		encode(&b, &m);
		b.ptr[cases[i].at] = cases[i].byte;
		record_seal(b.ptr, b.len, &(struct record_place){ 1, 1, 1 }, 0);
		if (record_decode(buf_span(&b), &r))
			fail_msg("accepted: %s", cases[i].what);
		buf_fini(&b);
	}
}

/* Where the options' fields begin in sample_with_options. */
enum {
	AT_RET = RECORD_HEAD_BYTES + 3 + 13,
	AT_ENVID = AT_RET + 3 + 1,
	AT_ALICE = AT_ENVID + 3 + 8,
};

static void test_wrong_options_are_no_record(void **state)
{
	(void)state;
	static const struct { const char *what; size_t at; uint8_t byte; bool good; } cases[] = {
		{ "nothing changed", AT_RET, RECORD_RET, true },
		{ "a field of later times", AT_RET, 200, true },
		{ "RET 3", AT_RET + 3, 3, false },
		{ "RET of 8 bytes", AT_ENVID, RECORD_RET, false },
		{ "NOTIFY of 8 bytes", AT_ENVID, RECORD_NOTIFY, false },
		{ "NOTIFY before any recipient", AT_RET, RECORD_NOTIFY, false },
		{ "ORCPT before any recipient", AT_ENVID, RECORD_ORCPT, false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct spool_message m = sample_with_options();
		struct record r;
		struct buf b;
		encode(&b, &m);
		assert_int_equal(b.ptr[AT_ALICE], RECORD_RECIPIENT);
		b.ptr[cases[i].at] = cases[i].byte;
		record_seal(b.ptr, b.len, &(struct record_place){ 1, 1, 1 }, 0);
		if (record_decode(buf_span(&b), &r) != cases[i].good)
			fail_msg("wrong: %s", cases[i].what);
		buf_fini(&b);
	}
}

static void test_options_have_limits(void **state)
{
	(void)state;
	static char text[SPOOL_ORCPT_BYTES_MAX + 1];
	memset(text, 'a', sizeof(text));
	for (int i = 0; i < 4; i++) {
		struct spool_message m = sample();
		struct span long_orcpt[2] = { SPAN("rfc822;a"), SPAN("") };
		struct buf b;
		m.orcpt = long_orcpt;
		if (i < 2)
			m.envid = span_of(text, SPOOL_ENVID_BYTES_MAX + (size_t)i);
		else
			long_orcpt[1] = span_of(text, SPOOL_ORCPT_BYTES_MAX + (size_t)i - 2);
		buf_init(&b, RECORD_HEAD_BYTES_MAX);
		record_encode(&b, &m);
		assert_int_equal(b.failed, i % 2);
		buf_fini(&b);
	}
}

static void test_an_address_that_is_too_long_is_refused(void **state)
{
	(void)state;
	static char text[SPOOL_ADDRESS_BYTES_MAX + 1];
	struct spool_message m = sample();
	struct buf b;
	memset(text, 'a', sizeof(text));
	m.sender = span_of(text, sizeof(text));
	buf_init(&b, RECORD_HEAD_BYTES_MAX);
	record_encode(&b, &m);
	assert_true(b.failed);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_encoded_is_decoded),
		cmocka_unit_test(test_options_stand_behind_their_recipient),
		cmocka_unit_test(test_options_cut_at_every_byte_are_no_record),
		cmocka_unit_test(test_wrong_options_are_no_record),
		cmocka_unit_test(test_options_have_limits),
		cmocka_unit_test(test_cut_at_every_byte_is_no_record),
		cmocka_unit_test(test_every_flipped_bit_is_seen),
		cmocka_unit_test(test_a_wrong_envelope_is_no_record),
		cmocka_unit_test(test_an_address_that_is_too_long_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
