/* SPDX-License-Identifier: Apache-2.0 */
/* MX records from strangers: parsed whole, cut at every byte and flush against a page without access; sorted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "dns_mx.h"

#define PAGE 4096

struct rdata_case {
	const char *name;
	const char *bytes;
	size_t len;
	bool ok;
	uint16_t preference;
	const char *host;
};

#define RDATA(text) .bytes = (text), .len = sizeof(text) - 1

static const struct rdata_case cases[] = {
	{ .name = "plain", RDATA("\x00\x0a\x02mx\x07" "example\x03org\x00"), .ok = true, .preference = 10,
	  .host = "mx.example.org" },
	{ .name = "letters are folded", RDATA("\xff\xff\x02MX\x04TeSt\x00"), .ok = true, .preference = 65535,
	  .host = "mx.test" },
	{ .name = "the root: null MX", RDATA("\x00\x00\x00"), .ok = true, .preference = 0, .host = "" },
	{ .name = "hyphen, digit, underscore", RDATA("\x00\x01\x05" "a-1_b\x00"), .ok = true, .preference = 1, .host = "a-1_b" },
	{ .name = "a label's length is a letter", RDATA("\x00\x01\x2d" "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\x00"),
	  .ok = true, .preference = 1, .host = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
	{ .name = "nothing", RDATA("") },
	{ .name = "half a preference", RDATA("\x00") },
	{ .name = "no name", RDATA("\x00\x0a") },
	{ .name = "bytes behind the root", RDATA("\x00\x0a\x00\x00") },
	{ .name = "bytes behind the name", RDATA("\x00\x0a\x01" "a\x00x") },
	{ .name = "a compression pointer", RDATA("\x00\x0a\xc0\x0c") },
	{ .name = "a pointer after a label", RDATA("\x00\x0a\x01" "a\xc0\x0c") },
	{ .name = "a label of 64", RDATA("\x00\x0a\x40" "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\x00") },
	{ .name = "a dot inside a label", RDATA("\x00\x0a\x03" "a.b\x00") },
	{ .name = "a NUL inside a label", RDATA("\x00\x0a\x03" "a\x00" "b\x00") },
	{ .name = "a line end inside a label", RDATA("\x00\x0a\x03" "a\r\n\x00") },
	{ .name = "a slash", RDATA("\x00\x0a\x03" "a/b\x00") },
	{ .name = "a byte beyond ASCII", RDATA("\x00\x0a\x02" "\xc3\xa4\x00") },
	{ .name = "no root at the end", RDATA("\x00\x0a\x01" "a") },
};

/* The bytes end where access ends, so that an over-read crashes. */
static bool parse_flush(const void *bytes, size_t len, struct dns_mx_host *host_out)
{
	static uint8_t *pages;
	if (pages == NULL) {
		pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		assert_true(pages != MAP_FAILED);
		assert_int_equal(mprotect(pages + PAGE, PAGE, PROT_NONE), 0);
	}
	uint8_t *at = pages + PAGE - len;
	if (len > 0)
		memcpy(at, bytes, len);
	return dns_mx_parse(span_of(at, len), host_out);
}

static void test_rdata_is_parsed_and_nonsense_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct rdata_case *c = &cases[i];
		struct dns_mx_host host;
		bool ok = parse_flush(c->bytes, c->len, &host);
		if (ok != c->ok)
			fail_msg("%s: %d", c->name, ok);
		if (ok && (host.preference != c->preference || strcmp(host.name, c->host) != 0))
			fail_msg("%s: %u %s", c->name, host.preference, host.name);
	}
}

static void test_every_cut_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t len = 0; cases[i].ok && len < cases[i].len; len++) {
			struct dns_mx_host host;
			if (parse_flush(cases[i].bytes, len, &host))
				fail_msg("%s cut at %zu gives %s", cases[i].name, len, host.name);
		}
}

/* Names at the limit of RFC 1035: 253 characters of text pass, more do not, and nothing is written beyond. */
static void test_the_longest_name_passes_and_no_longer_one(void **state)
{
	(void)state;
	for (size_t last = 1; last <= 63; last++) {
		uint8_t rdata[300] = { 0, 1 };
		size_t len = 2;
		for (int label = 0; label < 4; label++) {
			size_t bytes = label < 3 ? 63 : last;
			rdata[len++] = (uint8_t)bytes;
			memset(rdata + len, 'a', bytes);
			len += bytes;
		}
		rdata[len++] = 0;
		struct dns_mx_host host;
		size_t text = 3 * 64 + last;
		bool ok = parse_flush(rdata, len, &host);
		if (ok && strlen(host.name) != text)
			fail_msg("%zu characters instead of %zu", strlen(host.name), text);
		if (ok != (text <= DNS_NAME_BYTES_MAX))
			fail_msg("a name of %zu characters: %d", text, ok);
	}
}

static void test_random_bytes_give_a_clean_name_or_nothing(void **state)
{
	struct id_source chance = { { 11, 12 } };
	(void)state;
	for (int round = 0; round < 200000; round++) {
		uint8_t rdata[40];
		size_t len = id_source_u64(&chance) % sizeof(rdata);
		for (size_t i = 0; i < len; i++) {
			uint64_t r = id_source_u64(&chance);
			/* Mostly small lengths and letters, so that some are well formed. */
			rdata[i] = r % 4 == 0 ? (uint8_t)(r >> 8) % 4 : r % 4 == 1 ? (uint8_t)(r >> 8) : 'a' + (uint8_t)(r >> 8) % 26;
		}
		struct dns_mx_host host;
		if (!parse_flush(rdata, len, &host))
			continue;
		assert_true(strspn(host.name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == strlen(host.name));
		assert_true(strlen(host.name) == (len == 3 ? 0 : len - 4));
	}
}

static struct dns_mx_answer answer_of(const uint16_t *preferences, size_t count)
{
	struct dns_mx_answer answer = { .status = DNS_OK, .count = count };
	for (size_t i = 0; i < count; i++) {
		answer.hosts[i].preference = preferences[i];
		answer.hosts[i].name[0] = (char)('a' + i);
	}
	return answer;
}

static void test_lower_preference_comes_first_and_equals_are_shuffled(void **state)
{
	static const uint16_t preferences[] = { 65535, 10, 20, 10, 0, 10 };
	struct id_source chance = { { 1, 1 } };
	unsigned first_of_ten[6] = { 0 };
	(void)state;
	for (int round = 0; round < 3000; round++) {
		struct dns_mx_answer answer = answer_of(preferences, 6);
		dns_mx_sort(&answer, &chance);
		assert_int_equal(answer.hosts[0].name[0], 'e');
		assert_int_equal(answer.hosts[4].name[0], 'c');
		assert_int_equal(answer.hosts[5].name[0], 'a');
		assert_int_equal(answer.hosts[1].preference, 10);
		first_of_ten[answer.hosts[1].name[0] - 'a']++;
	}
	/* Each of the three is first in about a third of the rounds (RFC 5321 section 5.1). */
	static const size_t tens[] = { 1, 3, 5 };
	for (size_t i = 0; i < 3; i++)
		assert_in_range(first_of_ten[tens[i]], 850, 1150);
}

static void test_null_mx_is_the_root_alone(void **state)
{
	static const uint16_t two[] = { 0, 10 };
	struct dns_mx_answer answer = answer_of(two, 1);
	(void)state;
	assert_false(dns_mx_is_null(&answer));
	answer.hosts[0].name[0] = 0;
	assert_true(dns_mx_is_null(&answer));
	answer = answer_of(two, 2);
	answer.hosts[0].name[0] = 0;
	assert_false(dns_mx_is_null(&answer)); /* RFC 7505 section 3: with others it means nothing */
	answer.count = 0;
	assert_false(dns_mx_is_null(&answer));
	dns_mx_sort(&answer, &(struct id_source){ { 1, 2 } });
	assert_int_equal(answer.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rdata_is_parsed_and_nonsense_is_refused),
		cmocka_unit_test(test_every_cut_is_refused),
		cmocka_unit_test(test_the_longest_name_passes_and_no_longer_one),
		cmocka_unit_test(test_random_bytes_give_a_clean_name_or_nothing),
		cmocka_unit_test(test_lower_preference_comes_first_and_equals_are_shuffled),
		cmocka_unit_test(test_null_mx_is_the_root_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
