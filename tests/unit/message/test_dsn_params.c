/* SPDX-License-Identifier: Apache-2.0 */
/* NOTIFY, RET, ENVID, ORCPT and their encodings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dsn_params.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static void test_notify_takes_known_words_once(void **state)
{
	static const struct {
		const char *value;
		enum dsn_param_error error;
		uint8_t notify;
		const char *written;
	} cases[] = {
		{ "NEVER", DSN_PARAM_OK, DSN_NOTIFY_NEVER, "NEVER" },
		{ "never", DSN_PARAM_OK, DSN_NOTIFY_NEVER, "NEVER" },
		{ "SUCCESS", DSN_PARAM_OK, DSN_NOTIFY_SUCCESS, "SUCCESS" },
		{ "delay,Failure", DSN_PARAM_OK, DSN_NOTIFY_DELAY | DSN_NOTIFY_FAILURE, "FAILURE,DELAY" },
		{ "SUCCESS,FAILURE,DELAY", DSN_PARAM_OK, 14, "SUCCESS,FAILURE,DELAY" },
		{ "", DSN_PARAM_EMPTY, 0, "" },
		{ ",", DSN_PARAM_EMPTY, 0, "" },
		{ "SUCCESS,", DSN_PARAM_EMPTY, 0, "" },
		{ ",SUCCESS", DSN_PARAM_EMPTY, 0, "" },
		{ "SUCCESS,,DELAY", DSN_PARAM_EMPTY, 0, "" },
		{ "NEVER,SUCCESS", DSN_PARAM_NEVER_ALONE, 0, "" },
		{ "DELAY,NEVER", DSN_PARAM_NEVER_ALONE, 0, "" },
		{ "DELAY,DELAY", DSN_PARAM_REPEATED, 0, "" },
		{ "NEVER,NEVER", DSN_PARAM_REPEATED, 0, "" },
		{ "SUCCES", DSN_PARAM_KEYWORD, 0, "" },
		{ "SUCCESS, DELAY", DSN_PARAM_KEYWORD, 0, "" },
		{ "SUCCESS;DELAY", DSN_PARAM_KEYWORD, 0, "" },
		{ "FAILURE,FAILURE,FAILURE,FAILURE,FAILURE,FAILURE,FAILURE,FAILURE,X", DSN_PARAM_TOO_LONG, 0, "" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf out;
		uint8_t notify = 0xff;
		enum dsn_param_error error = dsn_notify_parse(span_str(cases[i].value), &notify);
		buf_init(&out, 100);
		dsn_notify_write(&out, notify);
		if (error != cases[i].error || notify != cases[i].notify || strcmp(buf_cstr(&out), cases[i].written) != 0)
			fail_msg("\"%s\": error %d, notify %u, written %s", cases[i].value, error, notify, buf_cstr(&out));
		buf_fini(&out);
	}
}

static void test_ret_is_full_or_hdrs(void **state)
{
	static const struct {
		const char *value;
		enum dsn_param_error error;
		enum dsn_ret ret;
	} cases[] = {
		{ "FULL", DSN_PARAM_OK, DSN_RET_FULL }, { "full", DSN_PARAM_OK, DSN_RET_FULL },
		{ "HDRS", DSN_PARAM_OK, DSN_RET_HEADERS }, { "Hdrs", DSN_PARAM_OK, DSN_RET_HEADERS },
		{ "", DSN_PARAM_EMPTY, DSN_RET_UNSET }, { "HEADERS", DSN_PARAM_KEYWORD, DSN_RET_UNSET },
		{ "FULL ", DSN_PARAM_KEYWORD, DSN_RET_UNSET }, { "FUL", DSN_PARAM_KEYWORD, DSN_RET_UNSET },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		enum dsn_ret ret = DSN_RET_FULL;
		enum dsn_param_error error = dsn_ret_parse(span_str(cases[i].value), &ret);
		if (error != cases[i].error || ret != cases[i].ret)
			fail_msg("\"%s\": error %d, ret %d", cases[i].value, error, ret);
	}
}

static const char hundred[] = "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggggghhhhhhhhhhiiiiiiiiiijjjjjjjjjj";

static void test_envid_is_printable_xtext(void **state)
{
	static const struct {
		const char *value;
		enum dsn_param_error error;
	} cases[] = {
		{ "QQ314159", DSN_PARAM_OK }, { "a+2Bb+3D+20c", DSN_PARAM_OK }, { "<x@y>", DSN_PARAM_OK }, { hundred, DSN_PARAM_OK },
		{ "", DSN_PARAM_EMPTY }, { "a=b", DSN_PARAM_XTEXT }, { "a b", DSN_PARAM_XTEXT }, { "a+2bb", DSN_PARAM_XTEXT },
		{ "a+", DSN_PARAM_XTEXT }, { "a+2", DSN_PARAM_XTEXT }, { "a+G0", DSN_PARAM_XTEXT }, { "a\tb", DSN_PARAM_XTEXT },
		{ "a+0D+0ABcc:+20x", DSN_PARAM_XTEXT }, { "a+00", DSN_PARAM_XTEXT }, { "a+7F", DSN_PARAM_XTEXT },
		{ "a+C3+A9", DSN_PARAM_XTEXT }, { "caf\xc3\xa9", DSN_PARAM_XTEXT },
	};
	char longer[102] = "x";
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		enum dsn_param_error error = dsn_envid_check(span_str(cases[i].value));
		if (error != cases[i].error)
			fail_msg("\"%s\": error %d", cases[i].value, error);
	}
	memcpy(longer + 1, hundred, sizeof(hundred));
	assert_int_equal(dsn_envid_check(span_str(longer)), DSN_PARAM_TOO_LONG);
}

static const struct orcpt_case {
	const char *value;
	bool smtputf8;
	enum dsn_param_error error;
	const char *type, *address;
	const char *ascii; /* what a next hop without SMTPUTF8 gets */
} orcpt_cases[] = {
	{ "rfc822;bob@example.org", false, DSN_PARAM_OK, "rfc822", "bob@example.org", "rfc822;bob@example.org" },
	{ "RFC822;bob+2Bx@example.org", false, DSN_PARAM_OK, "RFC822", "bob+2Bx@example.org", "RFC822;bob+2Bx@example.org" },
	{ "x400;/C+3DUS/", false, DSN_PARAM_OK, "x400", "/C+3DUS/", "x400;/C+3DUS/" },
	{ "rfc822;a;b", false, DSN_PARAM_OK, "rfc822", "a;b", "rfc822;a;b" },
	{ "utf-8;b\\x{F6}b@example.org", false, DSN_PARAM_OK, "utf-8", "b\\x{F6}b@example.org", "utf-8;b\\x{F6}b@example.org" },
	{ "UTF-8;bob\\x{2B}x@example.org", false, DSN_PARAM_OK, "UTF-8", "bob\\x{2B}x@example.org", "UTF-8;bob\\x{2B}x@example.org" },
	{ "utf-8;b\xc3\xb6" "b@example.org", true, DSN_PARAM_OK, "utf-8", "b\xc3\xb6" "b@example.org", "utf-8;b\\x{F6}b@example.org" },
	{ "utf-8;\xf0\x9f\x93\xac@x", true, DSN_PARAM_OK, "utf-8", "\xf0\x9f\x93\xac@x", "utf-8;\\x{1F4EC}@x" },
	{ "utf-8;b\xc3\xb6" "b@example.org", false, DSN_PARAM_NEEDS_SMTPUTF8, "", "", NULL },
	{ "", false, DSN_PARAM_EMPTY, "", "", NULL },
	{ "rfc822;", false, DSN_PARAM_EMPTY, "", "", NULL },
	{ "bob@example.org", false, DSN_PARAM_ADDRESS_TYPE, "", "", NULL },
	{ ";bob@example.org", false, DSN_PARAM_ADDRESS_TYPE, "", "", NULL },
	{ "rfc 822;bob", false, DSN_PARAM_ADDRESS_TYPE, "", "", NULL },
	{ "rf(c)822;bob", false, DSN_PARAM_ADDRESS_TYPE, "", "", NULL },
	{ "rfc822;a b@x", false, DSN_PARAM_XTEXT, "", "", NULL },
	{ "rfc822;a=b@x", false, DSN_PARAM_XTEXT, "", "", NULL },
	{ "rfc822;a+0D+0AX-Bad:+20y", false, DSN_PARAM_XTEXT, "", "", NULL },
	{ "rfc822;b\xc3\xb6" "b@x", true, DSN_PARAM_XTEXT, "", "", NULL },
	{ "utf-8;a+2Bb@x", false, DSN_PARAM_XTEXT, "", "", NULL },
	{ "utf-8;a\\x{A}b@x", false, DSN_PARAM_XTEXT, "", "", NULL },
	{ "utf-8;a\\x{0A}b@x", false, DSN_PARAM_XTEXT, "", "", NULL },
	{ "utf-8;a\\x{41}b@x", false, DSN_PARAM_XTEXT, "", "", NULL },
	{ "utf-8;a\\x{e9}@x", false, DSN_PARAM_XTEXT, "", "", NULL },
	{ "utf-8;a\\x{0E9}@x", false, DSN_PARAM_XTEXT, "", "", NULL },
	{ "utf-8;a\\x{D800}@x", false, DSN_PARAM_XTEXT, "", "", NULL },
	{ "utf-8;a\\x{110000}@x", false, DSN_PARAM_XTEXT, "", "", NULL },
	{ "utf-8;a\\x{1234567}@x", false, DSN_PARAM_XTEXT, "", "", NULL },
	{ "utf-8;a\\x{E9@x", false, DSN_PARAM_XTEXT, "", "", NULL },
	{ "utf-8;a\\@x", false, DSN_PARAM_XTEXT, "", "", NULL },
	{ "utf-8;a\xc3@x", true, DSN_PARAM_XTEXT, "", "", NULL },
};

static void check_orcpt(const struct orcpt_case *c)
{
	struct dsn_orcpt orcpt;
	struct buf out;
	enum dsn_param_error error = dsn_orcpt_parse(span_str(c->value), c->smtputf8, &orcpt);
	if (error != c->error || !span_eq(orcpt.type, span_str(c->type)) || !span_eq(orcpt.address, span_str(c->address)))
		fail_msg("\"%s\": error %d, type %.*s, address %.*s", c->value, error, SPAN_FMT(orcpt.type), SPAN_FMT(orcpt.address));
	if (c->ascii == NULL)
		return;
	buf_init(&out, 1000);
	assert_true(dsn_orcpt_pass_on(&out, span_str(c->value), true));
	assert_string_equal(buf_cstr(&out), c->value);
	buf_clear(&out);
	assert_true(dsn_orcpt_pass_on(&out, span_str(c->value), false));
	assert_string_equal(buf_cstr(&out), c->ascii);
	buf_fini(&out);
}

static void test_orcpt_is_a_type_and_an_encoded_address(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(orcpt_cases); i++)
		check_orcpt(&orcpt_cases[i]);
}

/* A value that is cut never becomes something else that lies outside of it. */
static void test_orcpt_cut_at_every_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(orcpt_cases); i++) {
		struct span whole = span_str(orcpt_cases[i].value);
		for (size_t len = 0; len < whole.len; len++) {
			uint8_t flush[DSN_ORCPT_BYTES_MAX];
			struct dsn_orcpt orcpt;
			uint8_t *at = flush + sizeof(flush) - len;
			if (len > 0)
				memcpy(at, whole.ptr, len);
			if (dsn_orcpt_parse(span_of(at, len), true, &orcpt) == DSN_PARAM_OK)
				assert_int_equal(orcpt.type.len + 1 + orcpt.address.len, len);
		}
	}
}

static void test_orcpt_is_bounded(void **state)
{
	char value[DSN_ORCPT_BYTES_MAX + 2] = "rfc822;";
	struct dsn_orcpt orcpt;
	struct buf out;
	(void)state;
	memset(value + 7, 'a', DSN_ORCPT_BYTES_MAX - 6);
	assert_int_equal(dsn_orcpt_parse(span_of(value, DSN_ORCPT_BYTES_MAX), false, &orcpt), DSN_PARAM_OK);
	assert_int_equal(dsn_orcpt_parse(span_of(value, DSN_ORCPT_BYTES_MAX + 1), false, &orcpt), DSN_PARAM_TOO_LONG);
	/* Characters beyond ASCII grow on the way to a next hop without SMTPUTF8. */
	memcpy(value, "utf-8;", 6);
	for (size_t i = 6; i + 1 < DSN_ORCPT_BYTES_MAX; i += 2)
		memcpy(value + i, "\xc3\xa9", 2);
	buf_init(&out, 5000);
	assert_int_equal(dsn_orcpt_parse(span_of(value, DSN_ORCPT_BYTES_MAX), true, &orcpt), DSN_PARAM_OK);
	assert_true(dsn_orcpt_pass_on(&out, span_of(value, DSN_ORCPT_BYTES_MAX), true));
	buf_clear(&out);
	assert_false(dsn_orcpt_pass_on(&out, span_of(value, DSN_ORCPT_BYTES_MAX), false));
	assert_int_equal(out.len, 0);
	buf_fini(&out);
}

static void test_every_byte_survives_xtext(void **state)
{
	uint8_t bytes[256];
	struct buf coded, plain;
	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	buf_init(&coded, 1000);
	buf_init(&plain, 1000);
	dsn_xtext_write(&coded, span_of(bytes, sizeof(bytes)));
	for (size_t i = 0; i < coded.len; i++)
		assert_true(coded.ptr[i] > 0x20 && coded.ptr[i] < 0x7f && coded.ptr[i] != '=');
	assert_true(dsn_xtext_decode(&plain, buf_span(&coded)));
	assert_int_equal(plain.len, sizeof(bytes));
	assert_memory_equal(plain.ptr, bytes, sizeof(bytes));
	buf_fini(&coded);
	buf_fini(&plain);
}

static void test_utf8_addresses_survive_utf8_xtext(void **state)
{
	static const char *const addresses[] = { "bob@example.org", "b\xc3\xb6" "b+x=y@ex.org", "a\\b@\xe4\xbe\x8b.test",
		"\xf0\x9f\x93\xac@x", "\"a b\"@x" };
	(void)state;
	for (size_t i = 0; i < COUNT(addresses); i++) {
		struct buf coded, plain;
		buf_init(&coded, 1000);
		buf_init(&plain, 1000);
		dsn_utf8_xtext_write(&coded, span_str(addresses[i]));
		for (size_t j = 0; j < coded.len; j++)
			assert_true(coded.ptr[j] > 0x20 && coded.ptr[j] < 0x7f && coded.ptr[j] != '=' && coded.ptr[j] != '+');
		assert_true(dsn_utf8_xtext_decode(&plain, buf_span(&coded)));
		assert_string_equal(buf_cstr(&plain), addresses[i]);
		buf_fini(&coded);
		buf_fini(&plain);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_notify_takes_known_words_once),
		cmocka_unit_test(test_ret_is_full_or_hdrs),
		cmocka_unit_test(test_envid_is_printable_xtext),
		cmocka_unit_test(test_orcpt_is_a_type_and_an_encoded_address),
		cmocka_unit_test(test_orcpt_cut_at_every_byte),
		cmocka_unit_test(test_orcpt_is_bounded),
		cmocka_unit_test(test_every_byte_survives_xtext),
		cmocka_unit_test(test_utf8_addresses_survive_utf8_xtext),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
