/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public suite for RFC 7208, each of its cases with the zone that it brings: the result, and the explanation
 * where the suite names one. The data are read in place and the test is skipped where they are absent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <jansson.h>

#include "spf.h"

#define TESTS 203
#define RECORDS_MAX 64
#define TEXT_BYTES_MAX 8192
#define CNAMES_MAX 8

struct zone {
	json_t *names;
	struct spf_record records[RECORDS_MAX];
	uint8_t texts[RECORDS_MAX][TEXT_BYTES_MAX];
	unsigned questions;
};

static json_t *load(void)
{
	char path[1024];
	json_error_t error;
	const char *root = getenv("WAYBILL_CONFORMANCE");
	snprintf(path, sizeof(path), "%s/spf/rfc7208-tests.json", root != NULL ? root : "../shared/conformance");
	return json_load_file(path, JSON_ALLOW_NUL, &error);
}

/* The suite writes octets as the code points of the same number. */
static size_t octets(json_t *string, uint8_t *out)
{
	struct span text = span_of(json_string_value(string), json_string_length(string));
	size_t len = 0;
	for (size_t i = 0; i < text.len; i++) {
		bool two = text.ptr[i] >= 0x80;
		assert_true(!two || (text.ptr[i] <= 0xc3 && i + 1 < text.len));
		assert_true(len < TEXT_BYTES_MAX);
		out[len++] = two ? (uint8_t)(text.ptr[i] << 6 | (text.ptr[i + 1] & 0x3f)) : text.ptr[i];
		i += two;
	}
	return len;
}

static json_t *name_find(const struct zone *z, struct span name)
{
	const char *key;
	json_t *records;
	json_object_foreach(z->names, key, records)
		if (span_eq_nocase(span_str(key), name))
			return records;
	return NULL;
}

/* A record's value when it is of this type. Records of type SPF stand for TXT where a name has no TXT of its own. */
static json_t *value_of(json_t *records, json_t *record, const char *type)
{
	size_t index;
	json_t *other, *value = json_object_get(record, type);
	if (value != NULL || strcmp(type, "TXT") != 0)
		return value;
	json_array_foreach(records, index, other)
		if (json_object_get(other, "TXT") != NULL)
			return NULL;
	return json_object_get(record, "SPF");
}

static void record_add(struct zone *z, json_t *value, struct spf_answer *answer)
{
	uint8_t *text = z->texts[answer->count];
	size_t len = 0, index;
	json_t *string;
	assert_true(answer->count < RECORDS_MAX);
	if (json_is_string(value)) {
		if (strcmp(json_string_value(value), "NONE") == 0)
			return;
		len = octets(value, text);
	} else {
		/* An MX, or the strings of a TXT record. */
		json_array_foreach(value, index, string)
			if (json_is_string(string))
				len += octets(string, text + len);
	}
	struct spf_record *r = &z->records[answer->count++];
	*r = (struct spf_record){ .text = span_of(text, len) };
	netaddr_parse(r->text, &r->addr);
}

static void answer_from(struct zone *z, json_t *records, const char *type, struct spf_answer *answer)
{
	size_t index;
	json_t *record, *value;
	bool timeout = false;
	json_array_foreach(records, index, record) {
		timeout |= json_is_string(record);
		value = value_of(records, record, type);
		if (value != NULL)
			record_add(z, value, answer);
	}
	answer->records = z->records;
	answer->status = answer->count > 0 ? SPF_ANSWERED : timeout ? SPF_NO_ANSWER : SPF_NO_DATA;
}

static void ask(void *arg, const struct spf_question *question, struct spf_answer *answer_out)
{
	struct zone *z = arg;
	struct span name = question->name;
	z->questions++;
	for (int i = 0; i < CNAMES_MAX; i++) {
		json_t *records = name_find(z, name);
		*answer_out = (struct spf_answer){ .status = SPF_NO_NAME };
		if (records == NULL)
			return;
		json_t *alias = json_object_get(json_array_get(records, 0), "CNAME");
		if (alias == NULL) {
			answer_from(z, records, spf_type_name(question->type), answer_out);
			return;
		}
		name = span_str(json_string_value(alias));
		if (name.len > 0 && name.ptr[name.len - 1] == '.')
			name.len--;
	}
	answer_out->status = SPF_NO_ANSWER; /* aliases in a circle */
}

static bool is_one_of(json_t *expected, const char *name)
{
	size_t index;
	json_t *one;
	if (json_is_string(expected))
		return strcmp(json_string_value(expected), name) == 0;
	json_array_foreach(expected, index, one)
		if (strcmp(json_string_value(one), name) == 0)
			return true;
	return false;
}

static struct span string_of(json_t *test, const char *key)
{
	json_t *value = json_object_get(test, key);
	return span_of(json_string_value(value), json_string_length(value));
}

static void case_run(struct zone *z, const char *name, json_t *test)
{
	struct spf_input input = { .helo = string_of(test, "helo"), .mail_from = string_of(test, "mailfrom"), .now_s = 1 };
	json_t *explanation = json_object_get(test, "explanation");
	assert_true(netaddr_parse(string_of(test, "host"), &input.client));
	z->questions = 0;
	struct spf *s = spf_new(&input);
	assert_non_null(s);
	const struct spf_verdict *v = spf_run(s, ask, z);
	if (!is_one_of(json_object_get(test, "result"), spf_result_name(v->result)))
		fail_msg("%s: %s %s", name, spf_result_name(v->result), v->reason);
	if (explanation != NULL) {
		struct span ours = v->explanation.len > 0 ? v->explanation : SPAN("DEFAULT");
		if (!span_eq(ours, span_str(json_string_value(explanation))))
			fail_msg("%s: explained as '%.*s'", name, SPAN_FMT(ours));
	}
	assert_true(z->questions <= SPF_QUESTIONS_MAX);
	assert_true((v->reason[0] != 0) == (v->result == SPF_NONE || v->result >= SPF_TEMPERROR));
	spf_free(s);
}

static void test_rfc7208_suite(void **state)
{
	static struct zone zone;
	size_t index, count = 0;
	json_t *suite = load(), *scenario, *test;
	const char *name;
	(void)state;
	if (suite == NULL)
		skip();
	json_array_foreach(suite, index, scenario) {
		zone.names = json_object_get(scenario, "zonedata");
		json_object_foreach(json_object_get(scenario, "tests"), name, test) {
			case_run(&zone, name, test);
			count++;
		}
	}
	assert_int_equal(count, TESTS);
	json_decref(suite);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rfc7208_suite) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
