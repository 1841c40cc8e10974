/* SPDX-License-Identifier: Apache-2.0 */
/* Records as terms: what each term says, what is wrong with others, and records as a whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "spf_record.h"

struct term_case {
	const char *text;
	enum spf_term_kind kind;
	enum spf_result qualifier;
	const char *target;
	const char *network;
	unsigned prefix, bits4, bits6;
};

static const struct term_case good[] = {
	{ "all", SPF_TERM_ALL, SPF_PASS },
	{ "-ALL", SPF_TERM_ALL, SPF_FAIL },
	{ "~all", SPF_TERM_ALL, SPF_SOFTFAIL },
	{ "?all", SPF_TERM_ALL, SPF_NEUTRAL },
	{ "+all", SPF_TERM_ALL, SPF_PASS },
	{ "include:_spf.example.org", SPF_TERM_INCLUDE, SPF_PASS, "_spf.example.org" },
	{ "-Include:%{d}", SPF_TERM_INCLUDE, SPF_FAIL, "%{d}" },
	{ "a", SPF_TERM_A, SPF_PASS, "", .bits4 = 32, .bits6 = 128 },
	{ "a/24", SPF_TERM_A, SPF_PASS, "", .bits4 = 24, .bits6 = 128 },
	{ "A//64", SPF_TERM_A, SPF_PASS, "", .bits4 = 32, .bits6 = 64 },
	{ "a:x.example/0//0", SPF_TERM_A, SPF_PASS, "x.example", .bits4 = 0, .bits6 = 0 },
	{ "mx:x.example./32//128", SPF_TERM_MX, SPF_PASS, "x.example.", .bits4 = 32, .bits6 = 128 },
	{ "mx:a/b:c.example/9", SPF_TERM_MX, SPF_PASS, "a/b:c.example", .bits4 = 9, .bits6 = 128 },
	{ "mx:%{l1r/}/9", SPF_TERM_MX, SPF_PASS, "%{l1r/}", .bits4 = 9, .bits6 = 128 },
	{ "ptr", SPF_TERM_PTR, SPF_PASS, "" },
	{ "?ptr:x.example", SPF_TERM_PTR, SPF_NEUTRAL, "x.example" },
	{ "ip4:192.0.2.77", SPF_TERM_IP4, SPF_PASS, "", "192.0.2.77", 32 },
	{ "~IP4:192.0.2.77/9", SPF_TERM_IP4, SPF_SOFTFAIL, "", "192.0.2.77", 9 },
	{ "ip6:2001:DB8::1", SPF_TERM_IP6, SPF_PASS, "", "2001:db8::1", 128 },
	{ "ip6:2001:db8::1/0", SPF_TERM_IP6, SPF_PASS, "", "2001:db8::1", 0 },
	{ "ip6:::ffff:192.0.2.1/96", SPF_TERM_IP6, SPF_PASS, "", "::ffff:192.0.2.1", 96 },
	{ "exists:%{ir}.%%.example", SPF_TERM_EXISTS, SPF_PASS, "%{ir}.%%.example" },
	{ "redirect=_spf.example", SPF_TERM_REDIRECT, SPF_NONE, "_spf.example" },
	{ "redirect=a.example", SPF_TERM_REDIRECT, SPF_NONE, "a.example" },
	{ "EXP=a.example", SPF_TERM_EXP, SPF_NONE, "a.example" },
	{ "exp=%{d3}.a.example.", SPF_TERM_EXP, SPF_NONE, "%{d3}.a.example." },
	{ "exp-x=", SPF_TERM_UNKNOWN, SPF_NONE, "" },
	{ "a.b_c-1=%{t}x:/=y", SPF_TERM_UNKNOWN, SPF_NONE, "" },
	{ "op=helo", SPF_TERM_UNKNOWN, SPF_NONE, "" },
};

struct problem_case {
	const char *text;
	const char *problem; /* a part of it */
};

static const struct problem_case wrong[] = {
	{ "all:x.example", "nothing behind" },
	{ "all/24", "nothing behind" },
	{ "all.", "no mechanism" },
	{ "al", "no mechanism" },
	{ "-", "no mechanism" },
	{ "+-all", "no mechanism" },
	{ "-redirect=a.example", "no mechanism" },
	{ "1x=a", "no mechanism" },
	{ "=a", "no mechanism" },
	{ "ipv4:192.0.2.1", "no mechanism" },
	{ "exp:a.example", "equals sign" },
	{ "Redirect:a.example", "equals sign" },
	{ "include", "needs a domain" },
	{ "exists", "needs a domain" },
	{ "include:", "names no domain" },
	{ "a:", "names no domain" },
	{ "ptr:", "names no domain" },
	{ "exp=", "names no domain" },
	{ "redirect=", "names no domain" },
	{ "include/24", "something else than a domain" },
	{ "ptr/24", "something else than a domain" },
	{ "a/", "something else than a domain" },
	{ "a//", "something else than a domain" },
	{ "a/24/64", "prefix length" },
	{ "a/12/24", "something else than a domain" },
	{ "a/33", "prefix length" },
	{ "a//129", "prefix length" },
	{ "mx/01", "prefix length" },
	{ "mx//00", "prefix length" },
	{ "a/99999999999999999999999", "prefix length" },
	{ "a:x.example/", "end in a domain" },
	{ "exists:x.example/24", "end in a domain" },
	{ "include:example", "end in a domain" },
	{ "include:example.", "end in a domain" },
	{ "include:.example..", "end in a domain" },
	{ "include:x.-ab", "end in a domain" },
	{ "include:x.ab-", "end in a domain" },
	{ "include:x.a_b", "end in a domain" },
	{ "include:x.123", "end in a domain" },
	{ "include:%{d}com", "end in a domain" },
	{ "a:192.0.2.1", "ip4: and ip6: take" },
	{ "include:2001:db8::1", "ip4: and ip6: take" },
	{ "ip4", "no IPv4" },
	{ "ip4:", "no IPv4" },
	{ "ip4/24", "no IPv4" },
	{ "ip4:192.0.2", "no IPv4" },
	{ "ip4:192.0.2.1:25", "no IPv4" },
	{ "ip4:192.0.2.01", "no IPv4" },
	{ "ip4:2001:db8::1", "no IPv4" },
	{ "ip4:::ffff:192.0.2.1", "no IPv4" },
	{ "ip4:mx.example.org", "no IPv4" },
	{ "ip4:192.0.2.1/", "prefix length" },
	{ "ip4:192.0.2.1/33", "prefix length" },
	{ "ip4:192.0.2.1/08", "prefix length" },
	{ "ip4:192.0.2.1//32", "prefix length" },
	{ "ip4:192.0.2.1/24/", "prefix length" },
	{ "ip6", "no IPv6" },
	{ "ip6:192.0.2.1", "no IPv6" },
	{ "ip6:2001:db8:::1", "no IPv6" },
	{ "ip6:2001:db8::/129", "prefix length" },
	{ "a\tmx", "visible ASCII" },
	{ "a:\xc3\xa4.example", "visible ASCII" },
	{ "x=\x7f", "visible ASCII" },
	{ "x=%", "begins no macro" },
	{ "x=%a", "begins no macro" },
	{ "x=%{", "begins no macro" },
	{ "x=%{d", "begins no macro" },
	{ "x=%{}", "does not exist" },
	{ "x=%{a}", "does not exist" },
	{ "x=%{1}", "does not exist" },
	{ "x=%{d0}", "keeps no part" },
	{ "x=%{d00r}", "keeps no part" },
	{ "x=%{dr1}", "not understood" },
	{ "x=%{drr}", "not understood" },
	{ "x=%{d:}", "not understood" },
	{ "x=%{d.%{d}}", "not understood" },
	{ "exp=%{t}.example.org", "explanations alone" },
	{ "exists:%{C}.example.org", "explanations alone" },
	{ "exists:%{r}", "explanations alone" },
};

static struct spf_term term_of(const char *text)
{
	struct spf_term t;
	size_t at = 0;
	spf_record_next(span_str(text), &at, &t);
	assert_int_equal(at, strlen(text));
	assert_true(span_eq(t.text, span_str(text)));
	return t;
}

static void test_terms_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		const struct term_case *c = &good[i];
		struct spf_term t = term_of(c->text);
		if (t.kind != c->kind || t.qualifier != c->qualifier ||
				!span_eq(t.target, span_str(c->target)) || t.bits4 != c->bits4 || t.bits6 != c->bits6)
			fail_msg("%s: kind %d, qualifier %d, target '%.*s', /%u //%u (%s)", c->text, t.kind, t.qualifier,
				SPAN_FMT(t.target), t.bits4, t.bits6, t.problem != NULL ? t.problem : "");
		if (c->network == NULL)
			continue;
		uint8_t bytes[64];
		struct buf text;
		buf_init_over(&text, bytes, sizeof(bytes));
		netaddr_write(&text, &t.network.addr);
		if (!span_eq(buf_span(&text), span_str(c->network)) || t.network.prefix_bits != c->prefix)
			fail_msg("%s: %.*s/%u", c->text, SPAN_FMT(buf_span(&text)), t.network.prefix_bits);
	}
}

static void test_wrong_terms_say_what_is_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct spf_term t = term_of(wrong[i].text);
		if (t.kind != SPF_TERM_BAD || strstr(t.problem, wrong[i].problem) == NULL)
			fail_msg("%s: kind %d, %s", wrong[i].text, t.kind, t.problem != NULL ? t.problem : "no problem");
	}
}

/* Every beginning of a term in memory that ends with it: nothing is read beyond, and the term is all of it or wrong. */
static void test_every_cut_is_a_term_or_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		for (size_t len = 0; len <= strlen(good[i].text); len++) {
			uint8_t *exact = malloc(len > 0 ? len : 1);
			struct spf_term t;
			size_t at = 0;
			memcpy(exact, good[i].text, len);
			spf_record_next(span_of(exact, len), &at, &t);
			assert_int_equal(at, len);
			assert_int_equal(t.text.len, len);
			assert_true((t.kind == SPF_TERM_END) == (len == 0));
			assert_true((t.kind == SPF_TERM_BAD) == (t.problem != NULL));
			free(exact);
		}
}

static void test_the_version_ends_with_a_space_or_the_record(void **state)
{
	static const struct {
		struct span txt;
		bool is;
	} cases[] = {
		{ SPAN("v=spf1"), true }, { SPAN("V=SPF1 -all"), true }, { SPAN("v=spf1 "), true },
		{ SPAN("v=spf10"), false }, { SPAN("v=spf1\t-all"), false }, { SPAN("v=spf1-all"), false },
		{ SPAN(" v=spf1"), false }, { SPAN("v=spf"), false }, { SPAN(""), false }, { SPAN("v=spf1\0"), false },
		{ SPAN("spf2.0/pra"), false },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (spf_record_is(cases[i].txt) != cases[i].is)
			fail_msg("%.*s", SPAN_FMT(cases[i].txt));
}

static void test_a_record_is_checked_to_its_end(void **state)
{
	struct spf_modifiers m;
	struct spf_term bad;
	(void)state;
	assert_true(spf_record_check(SPAN("v=spf1"), &m, &bad));
	assert_true(span_eq(m.redirect, SPAN("")) && span_eq(m.exp, SPAN("")));
	assert_true(spf_record_check(SPAN("v=spf1   "), &m, &bad));
	assert_true(spf_record_check(SPAN("v=spf1  redirect=a.example   mx exp=b.example x=1 x=2 "), &m, &bad));
	assert_true(span_eq(m.redirect, SPAN("a.example")));
	assert_true(span_eq(m.exp, SPAN("b.example")));
	assert_false(spf_record_check(SPAN("v=spf1 -all moo mox"), &m, &bad));
	assert_true(span_eq(bad.text, SPAN("moo")));
	assert_false(spf_record_check(SPAN("v=spf1 redirect=a.example -all Redirect=b.example"), &m, &bad));
	assert_true(span_eq(bad.text, SPAN("Redirect=b.example")));
	assert_string_equal(bad.problem, "is there twice");
	assert_false(spf_record_check(SPAN("v=spf1 exp=a.example exp=a.example"), &m, &bad));
	assert_string_equal(bad.problem, "is there twice");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_terms_are_read),
		cmocka_unit_test(test_wrong_terms_say_what_is_wrong),
		cmocka_unit_test(test_every_cut_is_a_term_or_wrong),
		cmocka_unit_test(test_the_version_ends_with_a_space_or_the_record),
		cmocka_unit_test(test_a_record_is_checked_to_its_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
