/* SPDX-License-Identifier: Apache-2.0 */
/* Macros: every letter, every transformer, escapes, and the limit of what they expand to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "spf_macro.h"

static const struct {
	const char *text, *expanded;
} cases[] = {
	{ "", "" },
	{ "plain.example", "plain.example" },
	{ "%%%_%-", "% %20" },
	{ "%{s}", "anna-maria+list@post.nord.example.org" },
	{ "%{l}", "anna-maria+list" },
	{ "%{o}", "post.nord.example.org" },
	{ "%{d}", "sued.example.com" },
	{ "%{h}", "mail.example.net" },
	{ "%{p}", "host.example.net" },
	{ "%{r}", "mx.example.com" },
	{ "%{t}", "1700000000" },
	{ "%{i}", "192.0.2.3" },
	{ "%{c}", "192.0.2.3" },
	{ "%{v}", "in-addr" },
	{ "%{ir}.%{v}.arpa", "3.2.0.192.in-addr.arpa" },
	{ "%{o1}", "org" },
	{ "%{o2}", "example.org" },
	{ "%{o4}", "post.nord.example.org" },
	{ "%{o5}", "post.nord.example.org" },
	{ "%{o127}", "post.nord.example.org" },
	{ "%{o99999999999999999999999}", "post.nord.example.org" },
	{ "%{o002}", "example.org" },
	{ "%{or}", "org.example.nord.post" },
	{ "%{oR}", "org.example.nord.post" },
	{ "%{o1r}", "post" },
	{ "%{o3r}", "example.nord.post" },
	{ "%{o4r}", "org.example.nord.post" },
	{ "%{o9r}", "org.example.nord.post" },
	{ "%{l-}", "anna.maria+list" },
	{ "%{lr-}", "maria+list.anna" },
	{ "%{l+-}", "anna.maria.list" },
	{ "%{l1+-}", "list" },
	{ "%{l1r-+}", "anna" },
	{ "%{lr,/_=}", "anna-maria+list" },
	{ "%{L}", "anna-maria%2Blist" },
	{ "%{S}", "anna-maria%2Blist%40post.nord.example.org" },
	{ "%{LR+}", "list.anna-maria" },
	{ "a%{d1}%{d1r}b", "acomsuedb" },
};

static const struct spf_macro_values values = {
	.local = SPAN("anna-maria+list"), .sender_domain = SPAN("post.nord.example.org"),
	.domain = SPAN("sued.example.com"), .host = SPAN("host.example.net"), .helo = SPAN("mail.example.net"),
	.receiver = SPAN("mx.example.com"), .client = { .family = 4, .bytes = { 192, 0, 2, 3 } }, .now_s = 1700000000,
};

static void check(const char *text, const struct spf_macro_values *v, struct span expanded)
{
	struct buf out;
	buf_init(&out, 4096);
	assert_null(spf_macro_problem(span_str(text), SPF_MACRO_TEXT));
	spf_macro_expand(&out, span_str(text), v);
	if (out.failed || !span_eq(buf_span(&out), expanded))
		fail_msg("%s: '%.*s'", text, SPAN_FMT(buf_span(&out)));
	buf_fini(&out);
}

static void test_expansions(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check(cases[i].text, &values, span_str(cases[i].expanded));
}

static void test_ipv6_is_dotted_in_names_and_short_for_people(void **state)
{
	struct spf_macro_values v = values;
	(void)state;
	assert_true(netaddr_parse(SPAN("2001:DB8::AB:1"), &v.client));
	check("%{i}", &v, SPAN("2.0.0.1.0.D.B.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.A.B.0.0.0.1"));
	check("%{i3r}.%{v}", &v, SPAN("0.0.2.ip6"));
	check("%{c}", &v, SPAN("2001:db8::ab:1"));
}

/* Parts can be empty, and are counted all the same. */
static void test_values_with_delimiters_at_their_ends(void **state)
{
	struct spf_macro_values v = values;
	(void)state;
	v.local = SPAN("-a--b-");
	check("%{l-}", &v, SPAN(".a..b."));
	check("%{lr-}", &v, SPAN(".b..a."));
	check("%{l1-}", &v, SPAN(""));
	check("%{l2-}", &v, SPAN("b."));
	check("%{l1r-}", &v, SPAN(""));
	check("%{l2r-}", &v, SPAN("a."));
	v.local = SPAN("");
	check("x%{lr-}y", &v, SPAN("xy"));
}

static void test_urls_keep_only_what_is_unreserved(void **state)
{
	struct spf_macro_values v = values;
	(void)state;
	v.local = SPAN("\0 !\"/:?\x7f\xc3\xa4~-_.Az09");
	struct buf out;
	buf_init(&out, 4096);
	spf_macro_expand(&out, SPAN("%{L=}"), &v);
	assert_true(span_eq(buf_span(&out), SPAN("%00%20%21%22%2F%3A%3F%7F%C3%A4~-_.Az09")));
	buf_fini(&out);
}

static void test_the_limit_holds_wherever_it_is_met(void **state)
{
	static const char *const texts[] = { "abcdefgh", "%{d}", "%{L}%{L}", "%{s}", "%{lr-}%{lr-}" };
	uint8_t bytes[9];
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct buf out;
		buf_init_over(&out, bytes, i == 0 ? 8 : sizeof(bytes));
		spf_macro_expand(&out, span_str(texts[i]), &values);
		if (!out.failed)
			fail_msg("%s fits", texts[i]);
	}
}

/* A sender beyond what MAIL takes makes the expansion fail instead of shortening it. */
static void test_an_endless_sender_fails(void **state)
{
	static uint8_t local[600];
	struct spf_macro_values v = values;
	struct buf out;
	(void)state;
	memset(local, 'x', sizeof(local));
	v.local = span_of(local, sizeof(local));
	buf_init(&out, 4096);
	spf_macro_expand(&out, SPAN("%{s1}"), &v);
	assert_true(out.failed);
	buf_fini(&out);
}

static void test_letters_are_found_in_either_case(void **state)
{
	(void)state;
	assert_true(spf_macro_uses(SPAN("a.%{P}.b"), "p"));
	assert_true(spf_macro_uses(SPAN("%%%{d}%{l2r-}"), "ls"));
	assert_false(spf_macro_uses(SPAN("p%%{p}"), "p"));
	assert_false(spf_macro_uses(SPAN("%{d}%{i}"), "ls"));
	assert_false(spf_macro_uses(SPAN(""), "p"));
}

static void test_blanks_belong_to_explanations_alone(void **state)
{
	(void)state;
	assert_null(spf_macro_problem(SPAN("Ask %{c} at %{t}."), SPF_MACRO_TEXT));
	assert_null(spf_macro_problem(SPAN(""), SPF_MACRO_TEXT));
	assert_non_null(spf_macro_problem(SPAN("a\tb"), SPF_MACRO_TEXT));
	assert_non_null(spf_macro_problem(SPAN("\xc3\xa4"), SPF_MACRO_TEXT));
	assert_non_null(spf_macro_problem(SPAN("a b"), SPF_MACRO_IGNORED));
	assert_non_null(spf_macro_problem(SPAN("a b.example"), SPF_MACRO_NAME));
	assert_null(spf_macro_problem(SPAN("a%_b%-"), SPF_MACRO_NAME));
	assert_non_null(spf_macro_problem(SPAN("%"), SPF_MACRO_TEXT));
	assert_non_null(spf_macro_problem(SPAN("%\0"), SPF_MACRO_TEXT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_expansions),
		cmocka_unit_test(test_ipv6_is_dotted_in_names_and_short_for_people),
		cmocka_unit_test(test_values_with_delimiters_at_their_ends),
		cmocka_unit_test(test_urls_keep_only_what_is_unreserved),
		cmocka_unit_test(test_the_limit_holds_wherever_it_is_met),
		cmocka_unit_test(test_an_endless_sender_fails),
		cmocka_unit_test(test_letters_are_found_in_either_case),
		cmocka_unit_test(test_blanks_belong_to_explanations_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
