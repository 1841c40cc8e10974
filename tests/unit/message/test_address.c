/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The address parser by a table, with every proper prefix of a path refused, by
 * the isemail suite where it is at hand, and the canonical forms.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <jansson.h>

#include "address.h"

#define X32 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define X64 X32 X32
#define LABEL63 X32 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define DOMAIN189 LABEL63 "." LABEL63 "." "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

struct path_case {
	struct span text;
	size_t len;       /* 0: refused */
	const char *local, *domain;
	bool quoted, utf8, literal, postmaster, null_path;
	enum address_path kind;
};

#define OK(t, l, d, ...) { .text = SPAN(t), .len = sizeof(t) - 1, .local = l, .domain = d, .kind = ADDRESS_FORWARD, __VA_ARGS__ }
#define BAD(t) { .text = SPAN(t), .kind = ADDRESS_FORWARD }

static const struct path_case paths[] = {
	OK("<a@b>", "a", "b"),
	OK("<a.b+c@example.org>", "a.b+c", "example.org"),
	OK("<\"a b\"@x.test>", "\"a b\"", "x.test", .quoted = true),
	OK("<\"a\\\"@\\\\\"@x.test>", "\"a\\\"@\\\\\"", "x.test", .quoted = true),
	OK("<\"\"@x>", "\"\"", "x", .quoted = true),
	OK("<a@[192.0.2.1]>", "a", "[192.0.2.1]", .literal = true),
	OK("<a@[IPv6:2001:db8::1]>", "a", "[IPv6:2001:db8::1]", .literal = true),
	OK("<a@[IPv6:::1.2.3.4]>", "a", "[IPv6:::1.2.3.4]", .literal = true),
	OK("<a@[x400:c=us;a=b]>", "a", "[x400:c=us;a=b]", .literal = true),
	OK("<@r.test,@[192.0.2.1]:a@b>", "a", "b"),
	OK("<>", "", "", .null_path = true),
	OK("<Postmaster>", "Postmaster", "", .postmaster = true),
	OK("<postmaster@x>", "postmaster", "x"),
	OK("<\xc3\xa9@x>", "\xc3\xa9", "x", .utf8 = true),
	OK("<\"\xc3\xa9 \"@x>", "\"\xc3\xa9 \"", "x", .utf8 = true, .quoted = true),
	OK("<a@b\xc3\xbc" "cher.test>", "a", "b\xc3\xbc" "cher.test", .utf8 = true),
	OK("<" X64 "@b>", X64, "b"),
	OK("<" X64 "@" DOMAIN189 ">", X64, DOMAIN189),
	OK("<SRS0=" X64 "@b>", "SRS0=" X64, "b"),
	OK("<srs1-" X64 X64 "11111111111111111111111111111111111111111111111111111111" "@b>",
		"srs1-" X64 X64 "11111111111111111111111111111111111111111111111111111111", "b"),
	BAD("<SRS0=" X64 X64 X64 "@b>"), BAD("<SRS2=" X64 "@b>"), BAD("<SRS0" X64 "@b>"), BAD("<\"SRS0=" X64 "\"@b>"),
	BAD("<" X64 "a@b>"),
	BAD("<" X64 "@" DOMAIN189 "a>"),
	BAD("<@" LABEL63 ":" X64 "@" DOMAIN189 ">"),
	BAD("<a@" LABEL63 "a.test>"),
	BAD("a@b"), BAD("<a>"), BAD("<a@>"), BAD("<@b>"), BAD("<a@b"), BAD("<a b@c>"), BAD("<a..b@c>"), BAD("<.a@c>"),
	BAD("<a.@c>"), BAD("<a@b.>"), BAD("<a@.b>"), BAD("<a@b..c>"), BAD("<a@-b>"), BAD("<a@b->"), BAD("<a@b_c>"),
	BAD("<a@xn--->"), BAD("<a@[192.0.2]>"), BAD("<a@[192.0.2.256]>"), BAD("<a@[IPv6:1]>"), BAD("<a@[IPv6:]>"),
	BAD("<a@[]>"), BAD("<a@[x]>"), BAD("<a@[IPv6:1.2.3.4]>"), BAD("<a@[::1]>"), BAD("<a@b@c>"), BAD("<\"a@b>"),
	BAD("<\"a\"b@c>"), BAD("<a@b\0>"), BAD("<a\0@b>"), BAD("<\xc3@b>"), BAD("<a@\xc3>"), BAD("<\xc2\x80@b>"),
	BAD("<@a:>"), BAD("<@a,:b@c>"), BAD("<@a b@c>"), BAD("<@a:@b:c@d>"), BAD("<post>"), BAD("<postmaster@>"), BAD(""),
	BAD("<a@b\xc3\xbc\x11" "cher.test>"), BAD("<a@b\xc3\xbc_cher.test>"),
	BAD("<a@\xe2\x92\x88.test>"), BAD("<\r\n@b>"), BAD("< a@b>"), BAD("<a@b >"),
	{ .text = SPAN("<postmaster>"), .kind = ADDRESS_REVERSE },
	{ .text = SPAN("<> SIZE=1"), .len = 2, .local = "", .domain = "", .null_path = true, .kind = ADDRESS_REVERSE },
	{ .text = SPAN("<a@b> SIZE=1"), .len = 5, .local = "a", .domain = "b", .kind = ADDRESS_REVERSE },
};

static void check_path(const struct path_case *c)
{
	struct address a;
	size_t len = address_parse_path(c->text, c->kind, &a);
	if (len != c->len)
		fail_msg("%.*s: length %zu, expected %zu", SPAN_FMT(c->text), len, c->len);
	if (len == 0)
		return;
	if (!span_eq(a.local, span_str(c->local)) || !span_eq(a.domain, span_str(c->domain)))
		fail_msg("%.*s: local %.*s domain %.*s", SPAN_FMT(c->text), SPAN_FMT(a.local), SPAN_FMT(a.domain));
	if (a.quoted != c->quoted || a.utf8 != c->utf8 || a.literal != c->literal || a.null_path != c->null_path
		|| a.postmaster != c->postmaster)
		fail_msg("%.*s: flags", SPAN_FMT(c->text));
}

/* The span stands at the end of its own block, so that an over-read is caught. */
static size_t parse_copy(struct span text, enum address_path kind)
{
	struct address a;
	uint8_t *copy = malloc(text.len + 1);
	assert_non_null(copy);
	memcpy(copy + 1, text.ptr, text.len);
	size_t len = address_parse_path(span_of(copy + 1, text.len), kind, &a);
	free(copy);
	return len;
}

static void test_paths(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		check_path(&paths[i]);
		for (size_t cut = 0; cut < paths[i].text.len; cut++) {
			size_t expected = paths[i].len > 0 && cut >= paths[i].len ? paths[i].len : 0;
			if (parse_copy(span_to(paths[i].text, cut), paths[i].kind) != expected)
				fail_msg("%.*s cut at %zu", SPAN_FMT(paths[i].text), cut);
		}
	}
}

static void test_local_parts_have_one_canonical_form(void **state)
{
	static const struct { const char *mailbox, *canonical; } cases[] = {
		{ "a.b@x", "a.b" }, { "\"a.b\"@x", "a.b" }, { "\"a\\.b\"@x", "a.b" }, { "\"a b\\\"\"@x", "a b\"" }, { "\"\"@x", "" },
	};
	uint8_t out[ADDRESS_LOCAL_BYTES_MAX];
	struct address a;
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(address_parse(span_str(cases[i].mailbox), &a));
		size_t len = address_local_canonical(&a, out);
		if (!span_eq(span_of(out, len), span_str(cases[i].canonical)))
			fail_msg("%s: %.*s", cases[i].mailbox, (int)len, out);
	}
}

static void test_domains_compare_as_a_labels(void **state)
{
	static const struct { const char *domain, *ascii; } cases[] = {
		{ "Example.ORG", "example.org" },
		{ "b\xc3\xbc" "cher.test", "xn--bcher-kva.test" },
		{ "B\xc3\x9c" "CHER.test", "xn--bcher-kva.test" },
		{ "stra\xc3\x9f" "e.test", "xn--strae-oqa.test" },
		{ "[IPv6:2001:DB8::1]", "[ipv6:2001:db8::1]" },
		{ "\xe2\x80\x8b.test", "" },
		{ "a\xc3", "" },
	};
	uint8_t out[ADDRESS_DOMAIN_BYTES_MAX];
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len = address_domain_ascii(span_str(cases[i].domain), out);
		if (!span_eq(span_of(out, len), span_str(cases[i].ascii)))
			fail_msg("%s: %.*s", cases[i].domain, (int)len, out);
	}
}

static void test_literals_give_addresses(void **state)
{
	struct netaddr addr;
	(void)state;
	assert_true(address_literal_netaddr(SPAN("[192.0.2.1]"), &addr));
	assert_int_equal(addr.family, 4);
	assert_true(address_literal_netaddr(SPAN("[ipv6:::1]"), &addr));
	assert_int_equal(addr.family, 6);
	assert_false(address_literal_netaddr(SPAN("[x400:1]"), &addr));
	assert_false(address_literal_netaddr(SPAN("192.0.2.1"), &addr));
	assert_false(address_literal_netaddr(SPAN("["), &addr));
}

static json_t *suite_load(void)
{
	char path[1024];
	json_error_t error;
	const char *root = getenv("WAYBILL_CONFORMANCE");
	snprintf(path, sizeof(path), "%s/address/isemail-smtp.json", root != NULL ? root : "../shared/conformance");
	return json_load_file(path, JSON_ALLOW_NUL, &error);
}

static void test_isemail_suite(void **state)
{
	size_t index, failed = 0;
	json_t *suite = suite_load(), *entry;
	(void)state;
	if (suite == NULL)
		skip();
	json_array_foreach(suite, index, entry) {
		json_t *text = json_object_get(entry, "address");
		struct span address = span_of(json_string_value(text), json_string_length(text));
		bool expected = json_is_true(json_object_get(entry, "smtp_mailbox_syntax_ok"));
		struct address a;
		if (address_parse(address, &a) != expected) {
			print_error("%lld: %.*s should be %s\n", json_integer_value(json_object_get(entry, "id")),
				SPAN_FMT(address), expected ? "accepted" : "refused");
			failed++;
		}
	}
	assert_true(index > 100);
	json_decref(suite);
	assert_int_equal(failed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_local_parts_have_one_canonical_form),
		cmocka_unit_test(test_domains_compare_as_a_labels),
		cmocka_unit_test(test_literals_give_addresses),
		cmocka_unit_test(test_isemail_suite),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
