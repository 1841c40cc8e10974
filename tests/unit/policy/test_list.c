/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of clients, names and addresses: what is found by what, and files with mistakes in them. */
#include "policy_test.h"

#include <stdio.h>
#include <stdlib.h>

#include "policy_list.h"

static struct policy_list *read_list(const char *text, struct buf *problems)
{
	struct policy_list *list = policy_list_new(test_secret);
	assert_non_null(list);
	assert_true(policy_list_read(list, span_str(text), SPAN("deny"), problems));
	return list;
}

static const char file[] =
	"# comment\n"
	"\n"
	"client 192.0.2.0/24\n"
	"client\t192.0.2.128/25\r\n"
	"client 2001:db8::/32\n"
	"client 203.0.113.5\n"
	"  helo   *.Dynamic.example.net  \n"
	"helo bad.example.net\n"
	"HELO *.a.b.c.test\n"
	"sender Spam@Example.net\n"
	"sender example.com\n"
	"sender *.example.com\n"
	"sender *.org\n"
	"recipient old@example.org\n"
	"recipient gone.example\n";

static void expect(bool found, const struct policy_entry *entry, const char *text, const char *of)
{
	if (found != (text[0] != 0) || (found && !span_eq(entry->text, span_str(text))))
		fail_msg("%s: %.*s", of, found ? (int)entry->text.len : 7, found ? (const char *)entry->text.ptr : "nothing");
}

static void test_what_is_found(void **state)
{
	static const struct {
		char kind; /* c, h, s, r */
		const char *asked, *found;
	} cases[] = {
		{ 'c', "192.0.2.1", "192.0.2.0/24" }, { 'c', "192.0.2.200", "192.0.2.128/25" }, { 'c', "192.0.3.1", "" },
		{ 'c', "203.0.113.5", "203.0.113.5/32" }, { 'c', "203.0.113.6", "" },
		{ 'c', "2001:db8:ffff::1", "2001:db8::/32" }, { 'c', "2001:db9::1", "" }, { 'c', "::ffff:192.0.2.1", "192.0.2.0/24" },
		{ 'h', "x.dynamic.example.net", "*.dynamic.example.net" }, { 'h', "A.B.DYNAMIC.EXAMPLE.NET", "*.dynamic.example.net" },
		{ 'h', "x.dynamic.example.net.", "*.dynamic.example.net" }, { 'h', "dynamic.example.net", "" },
		{ 'h', "bad.example.net", "bad.example.net" }, { 'h', "x.bad.example.net", "" }, { 'h', "", "" }, { 'h', ".", "" },
		{ 'h', "example.net", "" }, { 'h', "x.a.b.c.test", "*.a.b.c.test" }, { 'h', "[192.0.2.1]", "" },
		{ 'h', "*.dynamic.example.net", "*.dynamic.example.net" }, { 'h', "x..dynamic.example.net", "*.dynamic.example.net" },
		{ 's', "spam@example.net", "Spam@example.net" }, { 's', "SPAM@EXAMPLE.NET", "Spam@example.net" },
		{ 's', "other@example.net", "" }, { 's', "x@example.com", "example.com" }, { 's', "x@a.b.example.com", "*.example.com" },
		{ 's', "x@y.org", "*.org" }, { 's', "x@org", "" }, { 's', "example.com@y.test", "" }, { 's', "old@example.org", "*.org" },
		{ 'r', "old@example.org", "old@example.org" }, { 'r', "x@example.org", "" }, { 'r', "a@gone.example", "gone.example" },
		{ 'r', "spam@example.net", "" },
		{ 's', "\"spam\"@example.net", "Spam@example.net" }, { 's', "\"s\\pam\"@example.net", "Spam@example.net" },
		{ 's', "spam+x@example.net", "" }, { 'r', "\"old\"@example.org", "old@example.org" },
		{ 'r', "old+news@example.org", "old@example.org" }, { 'r', "\"old+news\"@example.org", "old@example.org" },
		{ 'r', "+old@example.org", "" }, { 'r', "\"@example.org", "" },
	};
	struct buf problems;
	buf_init(&problems, 65536);
	struct policy_list *list = read_list(file, &problems);
	assert_int_equal(problems.len, 0);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct policy_entry entry = { 0 };
		struct span asked = span_str(cases[i].asked);
		struct netaddr client = cases[i].kind == 'c' ? test_addr(cases[i].asked) : (struct netaddr){ 0 };
		size_t at = span_find(asked, '@');
		struct span local = span_to(asked, at), domain = span_from(asked, at + 1);
		bool found = cases[i].kind == 'c' ? policy_list_client(list, &client, &entry)
			: cases[i].kind == 'h' ? policy_list_helo(list, asked, &entry)
			: policy_list_address(list, cases[i].kind == 's' ? POLICY_LISTED_SENDER : POLICY_LISTED_RECIPIENT, local, domain,
				&entry);
		expect(found, &entry, cases[i].found, cases[i].asked);
		assert_true(!found || (entry.in_file && entry.line >= 3));
	}
	struct policy_entry entry;
	assert_false(policy_list_client(list, &(struct netaddr){ 0 }, &entry));
	assert_true(policy_list_helo(list, SPAN("bad.example.net"), &entry) && entry.line == 8);
	policy_list_free(list);
	buf_fini(&problems);
	(void)state;
}

/* The whole of a family, and nothing of the other. */
static void test_networks_of_no_bits_and_of_all(void **state)
{
	struct buf problems;
	struct policy_entry entry;
	buf_init(&problems, 65536);
	struct policy_list *list = read_list("client 0.0.0.0/0\nclient 2001:db8::1\n", &problems);
	static const struct { const char *client; bool found; } cases[] = {
		{ "192.0.2.1", true }, { "255.255.255.255", true }, { "2001:db8::1", true }, { "2001:db8::2", false }, { "::", false },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct netaddr client = test_addr(cases[i].client);
		if (policy_list_client(list, &client, &entry) != cases[i].found)
			fail_msg("%s", cases[i].client);
	}
	policy_list_free(list);
	buf_fini(&problems);
	(void)state;
}

static void test_an_empty_list_finds_nothing(void **state)
{
	struct policy_entry entry;
	struct netaddr client = test_addr("192.0.2.1");
	struct policy_list *empty = policy_list_new(test_secret), *lists[] = { NULL, empty };
	for (size_t i = 0; i < COUNT(lists); i++) {
		assert_false(policy_list_client(lists[i], &client, &entry));
		assert_false(policy_list_helo(lists[i], SPAN("a.test"), &entry));
		assert_false(policy_list_address(lists[i], POLICY_LISTED_SENDER, SPAN("a"), SPAN("b.test"), &entry));
		assert_int_equal(policy_list_count(lists[i], POLICY_LISTED_CLIENT), 0);
	}
	policy_list_free(empty);
	(void)state;
}

/* What is wrong is named with its line; the rest holds. */
static void test_lines_with_mistakes(void **state)
{
	struct buf problems;
	buf_init(&problems, 65536);
	struct policy_list *list = read_list("client 192.0.2.1/24\nclients 192.0.2.1\nclient\nhelo\nhelo *\nsender a b@c.test\n"
		"sender @c.test\n192.0.2.1\nhelo good.test\nclient 192.0.2.9 # why\nsender \xff@b.test\n", &problems);
	static const char *const expected[] = { "deny:1: \"192.0.2.1/24\" ", "deny:2: \"192.0.2.1\" begins", "deny:3: \"client\" ",
		"deny:4: \"helo\" ", "deny:5: \"*\" ", "deny:6: \"a b@c.test\" ", "deny:7: ", "deny:8: \"192.0.2.1\" begins",
		"deny:10: \"192.0.2.9 # why\" ", "deny:11: \"\\xff@b.test\" " };
	const char *at = buf_cstr(&problems);
	for (size_t i = 0; i < COUNT(expected); i++) {
		if (strncmp(at, expected[i], strlen(expected[i])) != 0)
			fail_msg("%s instead of %s", at, expected[i]);
		at = strchr(at, '\n') + 1;
	}
	assert_int_equal(*at, 0);
	assert_int_equal(policy_list_count(list, POLICY_LISTED_HELO), 1);
	assert_int_equal(policy_list_count(list, POLICY_LISTED_CLIENT), 0);
	policy_list_free(list);
	buf_fini(&problems);
	(void)state;
}

/* A file of nothing but mistakes does not fill the log, and one long line is one mistake. */
static void test_problems_are_bounded(void **state)
{
	struct buf text, problems;
	buf_init(&text, 1u << 20);
	buf_init(&problems, 1u << 20);
	for (int i = 0; i < 5000; i++)
		buf_add_str(&text, "nonsense\n");
	buf_add_str(&text, "sender ");
	for (int i = 0; i < 2000; i++)
		buf_add_str(&text, "aaaaaaaaaa");
	buf_add_str(&text, "@b.test\nhelo ok.test");
	struct policy_list *list = policy_list_new(test_secret);
	assert_true(policy_list_read(list, buf_span(&text), SPAN("deny"), &problems));
	size_t lines = 0;
	for (size_t i = 0; i < problems.len; i++)
		lines += problems.ptr[i] == '\n';
	assert_int_equal(lines, POLICY_LIST_PROBLEMS_MAX);
	assert_int_equal(policy_list_count(list, POLICY_LISTED_HELO), 1);
	policy_list_free(list);
	buf_fini(&text);
	buf_fini(&problems);
	(void)state;
}

/* A hundred thousand networks and names are found again, and their neighbours are not. */
static void test_many_entries(void **state)
{
	enum { MANY = 50000 };
	struct buf text, problems;
	buf_init(&text, 8u << 20);
	buf_init(&problems, 4096);
	for (unsigned i = 0; i < MANY; i++)
		buf_addf(&text, "client 10.%u.%u.0/24\nsender u%u@x%u.test\n", i / 256, i % 256, i, i);
	struct policy_list *list = policy_list_new(test_secret);
	assert_true(policy_list_read(list, buf_span(&text), SPAN("deny"), &problems));
	assert_int_equal(problems.len, 0);
	for (unsigned i = 0; i < MANY + 100; i += 7) {
		struct policy_entry entry;
		struct netaddr client = { .family = 4, .bytes = { 10, (uint8_t)(i / 256), (uint8_t)i, 77 } };
		char local[32], domain[32];
		snprintf(local, sizeof(local), "U%u", i);
		snprintf(domain, sizeof(domain), "x%u.test", i);
		assert_int_equal(policy_list_client(list, &client, &entry), i < MANY);
		assert_int_equal(policy_list_address(list, POLICY_LISTED_SENDER, span_str(local), span_str(domain), &entry), i < MANY);
		assert_false(policy_list_address(list, POLICY_LISTED_SENDER, SPAN("u"), span_str(domain), &entry));
	}
	policy_list_free(list);
	buf_fini(&text);
	buf_fini(&problems);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_found),
		cmocka_unit_test(test_networks_of_no_bits_and_of_all),
		cmocka_unit_test(test_an_empty_list_finds_nothing),
		cmocka_unit_test(test_lines_with_mistakes),
		cmocka_unit_test(test_problems_are_bounded),
		cmocka_unit_test(test_many_entries),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
