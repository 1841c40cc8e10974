/* SPDX-License-Identifier: Apache-2.0 */
/* Checks that want to know something of the DNS: when they ask, and what they make of each answer. */
#include "policy_test.h"

static const struct directory_domain domains[] = {
	{ .name = SPAN("example.org"), .users = { SPAN("users"), SPAN("alice\n") } },
};

static void test_what_the_dns_says_of_the_senders_domain(void **state)
{
	static const struct {
		enum policy_domain domain;
		enum reply_key key;
		unsigned code;
		const char *why;
	} cases[] = {
		{ POLICY_DOMAIN_GOOD, REPLY_RCPT_OK, 250, "" },
		{ POLICY_DOMAIN_NO_NAME, REPLY_SENDER_DOMAIN_UNKNOWN, 550, "\"y.test\" does not exist" },
		{ POLICY_DOMAIN_NO_MAIL, REPLY_SENDER_DOMAIN_UNKNOWN, 550,
			"\"y.test\" has neither a mail exchanger nor an address" },
		{ POLICY_DOMAIN_NULL_MX, REPLY_SENDER_DOMAIN_NULL_MX, 550, "\"y.test\" says that it takes no mail (null MX)" },
		{ POLICY_DOMAIN_NOT_KNOWN, REPLY_SENDER_DOMAIN_NOT_KNOWN_NOW, 450, "\"y.test\" cannot be looked up now" },
	};
	struct world w;
	struct buf why;
	test_world_open(&w, "sender-domain {\n must-exist = yes\n}", domains, COUNT(domains));
	buf_init(&why, 65536);
	w.context.why = &why;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct policy_input input = test_input("192.0.2.7", "alice@example.org");
		struct policy_verdict verdict = policy_ask(&w.context, &input, &w.trail);
		assert_int_equal(verdict.opinion, POLICY_NEEDS);
		assert_int_equal(verdict.fact, POLICY_FACT_SENDER_DOMAIN);
		input.facts.known |= POLICY_FACT(POLICY_FACT_SENDER_DOMAIN);
		input.facts.sender_domain = cases[i].domain;
		buf_clear(&why);
		verdict = policy_ask(&w.context, &input, &w.trail);
		if (verdict.key != cases[i].key || reply_entry(verdict.key)->code != cases[i].code)
			fail_msg("row %zu: %s", i, reply_entry(verdict.key)->name);
		if (verdict.opinion != POLICY_REFUSE)
			continue;
		const struct policy_step *last = &w.trail.steps[w.trail.count - 1];
		struct span said = span_from(span_to(buf_span(&why), last->why_to), last->why_from);
		assert_string_equal(verdict.check, "sender-domain");
		assert_int_equal(verdict.line, 4);
		if (!span_eq(said, span_str(cases[i].why)))
			fail_msg("row %zu: %.*s", i, SPAN_FMT(said));
	}
	buf_fini(&why);
	test_world_close(&w);
	(void)state;
}

static void test_nobody_is_looked_up_without_need(void **state)
{
	static const struct {
		const char *sections, *sender;
		bool trusted, asks;
	} cases[] = {
		{ "sender-domain { must-exist = yes }", "x@y.test", false, true },
		{ "sender-domain { must-exist = yes }", "x@y.test", true, false },
		{ "sender-domain { must-exist = yes }", "", false, false },
		{ "sender-domain { must-exist = yes }", "x@[192.0.2.1]", false, false },
		{ "sender-domain { must-exist = yes }", "x@y.invalid", false, false },
		{ "sender-domain { must-exist = yes }", "x@Example.ORG", false, false },
		{ "sender-domain { must-exist = yes }", "x@A.routed.test", false, false },
		{ "sender-domain { must-exist = yes }", "x@kept.test", false, false },
		{ "sender-domain { must-exist = yes only-for = {\"127.0.0.3\"} }", "x@y.test", false, false },
		{ "sender-domain { must-exist = yes } allow { sender = {\"y.test\"} }", "x@y.test", false, false },
		{ "", "x@y.test", false, false },
	};
	static const struct policy_route routes[] = { { .pattern = SPAN("*") }, { .pattern = SPAN("*.routed.test") } };
	static const struct policy_route relays[] = { { .pattern = SPAN("kept.test") } };
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct world w;
		test_world_open(&w, cases[i].sections, domains, COUNT(domains));
		w.context.routes = (struct policy_routes){ routes, COUNT(routes) };
		w.context.relays = (struct policy_routes){ relays, COUNT(relays) };
		struct policy_input input = test_input("192.0.2.7", "alice@example.org");
		input.sender = span_str(cases[i].sender);
		input.trusted = cases[i].trusted;
		bool asks = policy_ask(&w.context, &input, &w.trail).opinion == POLICY_NEEDS;
		if (asks != cases[i].asks || policy_asks_dns(&w.conf->checks) != (cases[i].sections[0] != 0))
			fail_msg("row %zu", i);
		test_world_close(&w);
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_the_dns_says_of_the_senders_domain),
		cmocka_unit_test(test_nobody_is_looked_up_without_need),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
