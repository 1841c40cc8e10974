/* SPDX-License-Identifier: Apache-2.0 */
/* Records of each type from strangers: whole, cut at every byte, and without room to read or write beyond. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dns_record.h"
#include "id128.h"

struct record_case {
	const char *name;
	enum dns_type type;
	struct span rdata;
	bool ok;
	struct span text;
	const char *addr;
	uint16_t preference;
};

static const struct record_case cases[] = {
	{ "one string", DNS_TYPE_TXT, SPAN("\x0bv=spf1 -all"), true, SPAN("v=spf1 -all") },
	{ "strings are joined", DNS_TYPE_TXT, SPAN("\x03v=s\x00\x04pf1 \x01-"), true, SPAN("v=spf1 -") },
	{ "an empty string", DNS_TYPE_TXT, SPAN("\x00"), true, SPAN("") },
	{ "any bytes", DNS_TYPE_TXT, SPAN("\x04\x00\xff\n\xc3"), true, SPAN("\x00\xff\n\xc3") },
	{ "no string", DNS_TYPE_TXT, SPAN("") },
	{ "a string cut short", DNS_TYPE_TXT, SPAN("\x05" "abcd") },
	{ "a second string cut short", DNS_TYPE_TXT, SPAN("\x01" "a\x02" "b") },
	{ "an address", DNS_TYPE_A, SPAN("\xc0\x00\x02\x01"), true, .addr = "192.0.2.1" },
	{ "three bytes of one", DNS_TYPE_A, SPAN("\xc0\x00\x02") },
	{ "five bytes", DNS_TYPE_A, SPAN("\xc0\x00\x02\x01\x00") },
	{ "an IPv6 address", DNS_TYPE_AAAA, SPAN("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"), true, .addr = "2001:db8::1" },
	{ "an IPv4 address as IPv6", DNS_TYPE_AAAA, SPAN("\xc0\x00\x02\x01") },
	{ "a name", DNS_TYPE_PTR, SPAN("\x04Host\x07" "EXAMPLE\x00"), true, SPAN("host.example") },
	{ "an alias", DNS_TYPE_CNAME, SPAN("\x02Mx\x04test\x00"), true, SPAN("mx.test") },
	{ "the root", DNS_TYPE_PTR, SPAN("\x00"), true, SPAN("") },
	{ "a name with a dot in a label", DNS_TYPE_PTR, SPAN("\x03" "a.b\x00") },
	{ "a name without end", DNS_TYPE_PTR, SPAN("\x01" "a") },
	{ "a compressed name", DNS_TYPE_PTR, SPAN("\x01" "a\xc0\x0c") },
	{ "an exchanger", DNS_TYPE_MX, SPAN("\x01\x02\x02mx\x00"), true, SPAN("mx"), .preference = 258 },
	{ "null MX", DNS_TYPE_MX, SPAN("\x00\x00\x00"), true, SPAN("") },
	{ "an exchanger without name", DNS_TYPE_MX, SPAN("\x00\x01") },
	{ "a type that nobody asks for", (enum dns_type)6, SPAN("\x00") },
};

/* From memory that ends with the data into memory of the same size, so that any step beyond is seen. */
static bool parse_exact(enum dns_type type, struct span rdata, uint8_t **memory_out, struct dns_record *record_out)
{
	uint8_t *exact = malloc(rdata.len > 0 ? rdata.len : 1);
	*memory_out = malloc(rdata.len > 0 ? rdata.len : 1);
	if (rdata.len > 0)
		memcpy(exact, rdata.ptr, rdata.len);
	bool ok = dns_record_parse(type, span_of(exact, rdata.len), *memory_out, record_out);
	free(exact);
	if (ok && record_out->text.len > 0) {
		assert_true(record_out->text.ptr >= *memory_out);
		assert_true(record_out->text.ptr + record_out->text.len <= *memory_out + rdata.len);
	}
	return ok;
}

static void check(const struct record_case *c)
{
	struct dns_record r;
	uint8_t *memory, text[64];
	struct buf addr;
	bool ok = parse_exact(c->type, c->rdata, &memory, &r);
	buf_init_over(&addr, text, sizeof(text));
	netaddr_write(&addr, &r.addr);
	if (ok != c->ok)
		fail_msg("%s: %d", c->name, ok);
	if (ok && (!span_eq(r.text, c->text) || r.preference != c->preference ||
			!span_eq(buf_span(&addr), span_str(c->addr != NULL ? c->addr : "local"))))
		fail_msg("%s: '%.*s', %u, %.*s", c->name, SPAN_FMT(r.text), r.preference, SPAN_FMT(buf_span(&addr)));
	free(memory);
}

static void test_records_are_read_and_nonsense_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check(&cases[i]);
}

/* A TXT record cut between two strings is one; all others are nothing without their last byte. */
static void test_every_cut_is_whole_or_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t len = 0; cases[i].ok && len < cases[i].rdata.len; len++) {
			struct dns_record r;
			uint8_t *memory;
			bool ok = parse_exact(cases[i].type, span_to(cases[i].rdata, len), &memory, &r);
			bool between = cases[i].type == DNS_TYPE_TXT && r.text.len > 0;
			if (ok && !between)
				fail_msg("%s cut at %zu", cases[i].name, len);
			free(memory);
		}
}

static void test_random_bytes_stay_within_their_memory(void **state)
{
	static const enum dns_type types[] = { DNS_TYPE_A, DNS_TYPE_AAAA, DNS_TYPE_MX, DNS_TYPE_PTR, DNS_TYPE_TXT };
	struct id_source chance = { { 7, 9 } };
	unsigned good = 0;
	(void)state;
	for (int round = 0; round < 100000; round++) {
		uint8_t bytes[24];
		size_t len = id_source_u64(&chance) % sizeof(bytes);
		for (size_t i = 0; i < len; i++) {
			uint64_t r = id_source_u64(&chance);
			bytes[i] = r % 3 == 0 ? (uint8_t)(r >> 8) % 5 : 'a' + (uint8_t)(r >> 8) % 26;
		}
		struct dns_record record;
		uint8_t *memory;
		good += parse_exact(types[round % 5], span_of(bytes, len), &memory, &record);
		free(memory);
	}
	assert_in_range(good, 1000, 90000);
}

static void test_names_as_the_library_reads_them(void **state)
{
	char out[DNS_PRESENTED_BYTES_MAX + 1];
	uint8_t longest[DNS_NAME_BYTES_MAX + 1];
	(void)state;
	assert_true(dns_name_present(SPAN("a b/c:d%e.example"), out));
	assert_string_equal(out, "a b/c:d%e.example");
	assert_true(dns_name_present(SPAN("a\\.b\\"), out));
	assert_string_equal(out, "a\\\\.b\\\\");
	assert_false(dns_name_present(SPAN("a\0b"), out));
	assert_false(dns_name_present(SPAN(""), out));
	assert_true(dns_name_present(SPAN("a.b."), out));
	assert_false(dns_name_present(SPAN("."), out));
	assert_false(dns_name_present(SPAN("a.b.."), out));
	assert_false(dns_name_present(SPAN(".a"), out));
	assert_false(dns_name_present(SPAN("a..b"), out));
	memset(longest, '\\', sizeof(longest));
	for (size_t i = 63; i < sizeof(longest); i += 64)
		longest[i] = '.';
	assert_true(dns_name_present(span_of(longest, DNS_NAME_BYTES_MAX), out));
	assert_int_equal(strlen(out), 2 * DNS_NAME_BYTES_MAX - 3); /* all but its dots */
	assert_false(dns_name_present(span_of(longest, DNS_NAME_BYTES_MAX + 1), out));
	longest[63] = 'a';
	assert_false(dns_name_present(span_of(longest, 64), out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records_are_read_and_nonsense_is_refused),
		cmocka_unit_test(test_every_cut_is_whole_or_refused),
		cmocka_unit_test(test_random_bytes_stay_within_their_memory),
		cmocka_unit_test(test_names_as_the_library_reads_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
