/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and networks: what is accepted, how it is written again, what contains what. */
#include "base_test.h"

#include "netaddr.h"

static void test_addresses(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out; /* out NULL: refused */
	} cases[] = {
		{ "192.0.2.1", "192.0.2.1" }, { "0.0.0.0", "0.0.0.0" }, { "255.255.255.255", "255.255.255.255" },
		{ "2001:db8::1", "2001:db8::1" }, { "2001:DB8:0:0:0:0:0:1", "2001:db8::1" }, { "::", "::" }, { "::1", "::1" },
		{ "::ffff:192.0.2.1", "192.0.2.1" }, { "::ffff:c000:201", "192.0.2.1" },
		{ "1111:2222:3333:4444:5555:6666:7777:8888", "1111:2222:3333:4444:5555:6666:7777:8888" },
		{ "", NULL }, { "192.0.2", NULL }, { "192.0.2.256", NULL }, { "192.0.2.01", NULL }, { "192.0.2.1 ", NULL },
		{ "[::1]", NULL }, { "fe80::1%eth0", NULL }, { "1::2::3", NULL }, { "12345::", NULL }, { "0x7f.1", NULL },
		{ "1111:2222:3333:4444:5555:6666:7777:8888:9999", NULL },
		{ "1111:2222:3333:4444:5555:6666:7777:8888000000000000000", NULL },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct netaddr addr = { .family = 9 };
		struct buf text;
		buf_init(&text, 64);
		struct span in = exact_copy(span_str(cases[i].in));
		bool ok = netaddr_parse(in, &addr);
		exact_free(in);
		if (ok)
			netaddr_write(&text, &addr);
		if (ok != (cases[i].out != NULL) || (ok && !span_eq(buf_span(&text), span_str(cases[i].out)))
			|| (!ok && addr.family != 9))
			fail_msg("%s gave %.*s", cases[i].in, SPAN_FMT(buf_span(&text)));
		buf_fini(&text);
	}
}

static void test_a_nul_hides_nothing(void **state)
{
	(void)state;
	struct netaddr addr;
	assert_false(netaddr_parse(SPAN("192.0.2.1\0x"), &addr));
	assert_false(netaddr_parse(SPAN("192.0.2.1\0"), &addr));
}

static void test_no_address_is_local(void **state)
{
	(void)state;
	struct buf text;
	buf_init(&text, 64);
	netaddr_write(&text, &(struct netaddr){ 0 });
	assert_string_equal(buf_cstr(&text), "local");
	buf_fini(&text);
}

static void test_networks_contain_their_own(void **state)
{
	(void)state;
	static const struct {
		const char *block, *addr;
		bool in;
	} cases[] = {
		{ "127.0.0.0/8", "127.255.0.1", true }, { "127.0.0.0/8", "128.0.0.1", false },
		{ "0.0.0.0/0", "203.0.113.9", true }, { "0.0.0.0/0", "2001:db8::1", false },
		{ "192.0.2.128/25", "192.0.2.128", true }, { "192.0.2.128/25", "192.0.2.127", false },
		{ "192.0.2.1", "192.0.2.1", true }, { "192.0.2.1", "192.0.2.2", false },
		{ "[::1]/128", "::1", true }, { "[::1]", "::1", true }, { "::1", "::2", false },
		{ "[2001:db8::]/32", "2001:db8:ffff::1", true }, { "[2001:db8::]/32", "2001:db9::1", false },
		{ "[2001:db8::]/33", "2001:db8:8000::1", false }, { "::/0", "::1", true }, { "::/0", "192.0.2.1", false },
		{ "127.0.0.0/8", "::ffff:127.0.0.1", true }, { "::ffff:127.0.0.1", "127.0.0.1", true },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct netblock block;
		struct netaddr addr;
		assert_true(netblock_parse(span_str(cases[i].block), &block));
		assert_true(netaddr_parse(span_str(cases[i].addr), &addr));
		if (netblock_contains(&block, &addr) != cases[i].in)
			fail_msg("%s and %s", cases[i].block, cases[i].addr);
	}
	struct netblock all;
	assert_true(netblock_parse(SPAN("0.0.0.0/0"), &all));
	assert_false(netblock_contains(&all, &(struct netaddr){ 0 }));
}

static void test_bad_networks_are_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"", "/8", "192.0.2.0/", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2.0/8x", "192.0.2.1/24", "[2001:db8::1]/32",
		"[::1", "::1]", "[]", "[]/0", "::/129", "192.0.2.0/24/24", "host/8", "192.0.2.0 /24",
	};
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct netblock block = { .prefix_bits = 77 };
		struct span text = exact_copy(span_str(bad[i]));
		if (netblock_parse(text, &block) || block.prefix_bits != 77)
			fail_msg("accepted: %s", bad[i]);
		exact_free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_a_nul_hides_nothing),
		cmocka_unit_test(test_no_address_is_local),
		cmocka_unit_test(test_networks_contain_their_own),
		cmocka_unit_test(test_bad_networks_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
