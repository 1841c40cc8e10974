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

/* What a check says of one answer, with its reason; "" for who passes. */
struct said_case {
	const char *sections, *helo, *recipient;
	struct policy_facts facts;
	enum reply_key key;
	const char *enhanced;
	unsigned line;
	const char *why;
};

static void expect_said(const struct said_case *c, size_t row, enum policy_fact fact, enum conf_check check)
{
	struct world w;
	struct buf why;
	struct span said = { NULL, 0 };
	test_world_open(&w, c->sections, domains, COUNT(domains));
	buf_init(&why, 65536);
	w.context.why = &why;
	struct policy_input input = test_input("192.0.2.7", c->recipient);
	input.helo = span_str(c->helo);
	uint8_t known = input.facts.known;
	struct policy_verdict first = policy_ask(&w.context, &input, &w.trail);
	bool needs = first.opinion == POLICY_NEEDS && first.fact == fact;
	input.facts = c->facts;
	input.facts.known |= known;
	if (needs != ((c->facts.known & POLICY_FACT(fact)) != 0))
		fail_msg("row %zu: %s", row, needs ? "asks" : "does not ask");
	buf_clear(&why);
	struct policy_verdict verdict = policy_ask(&w.context, &input, &w.trail);
	for (size_t i = 0; i < w.trail.count; i++)
		if (w.trail.steps[i].check == check && w.trail.steps[i].verdict.stage == SMTP_AT_RCPT)
			said = span_from(span_to(buf_span(&why), w.trail.steps[i].why_to), w.trail.steps[i].why_from);
	if (verdict.key != c->key || strcmp(reply_entry(verdict.key)->enhanced, c->enhanced) != 0
	    || verdict.line != c->line || !span_eq(said, span_str(c->why)))
		fail_msg("row %zu: %s, line %u: %.*s", row, reply_entry(verdict.key)->name, (unsigned)verdict.line,
			SPAN_FMT(said));
	buf_fini(&why);
	test_world_close(&w);
}

#define REVERSE(how, what) { .known = POLICY_FACT(POLICY_FACT_REVERSE), \
	.reverse = { .state = POLICY_REVERSE_##how, .name = SPAN(what) } }
#define EXISTS "reverse-name {\n must-exist = yes\n}"
#define MATCHES "reverse-name {\n\n must-match = yes\n}"

static void test_what_the_dns_says_of_the_clients_address(void **state)
{
	static const char alice[] = "alice@example.org";
	static const struct said_case cases[] = {
		{ EXISTS, "c.test", alice, REVERSE(NONE, ""), REPLY_CLIENT_NAMELESS, "5.7.25", 4,
			"192.0.2.7 has no name in the DNS" },
		{ EXISTS, "c.test", alice, REVERSE(UNUSABLE, ""), REPLY_CLIENT_NAME_UNUSABLE, "5.7.25", 4,
			"192.0.2.7 has a PTR record without a name that a host can have" },
		{ EXISTS, "c.test", alice, REVERSE(NAMED, "a.test"), REPLY_RCPT_OK, "2.1.5", 0,
			"192.0.2.7 is called \"a.test\"" },
		{ EXISTS, "c.test", alice, REVERSE(ASTRAY, "a.test"), REPLY_RCPT_OK, "2.1.5", 0,
			"192.0.2.7 is called \"a.test\", which does not lead back" },
		{ EXISTS, "c.test", alice, REVERSE(NOT_KNOWN, ""), REPLY_RCPT_OK, "2.1.5", 0,
			"the name of the address cannot be looked up now" },
		{ MATCHES, "c.test", alice, REVERSE(NONE, ""), REPLY_CLIENT_NAMELESS, "5.7.25", 5,
			"192.0.2.7 has no name in the DNS" },
		{ MATCHES, "c.test", alice, REVERSE(UNUSABLE, ""), REPLY_CLIENT_NAME_UNUSABLE, "5.7.25", 5,
			"192.0.2.7 has a PTR record without a name that a host can have" },
		{ "reverse-name { must-exist = yes\n must-match = yes\n defer = yes }", "c.test", alice, REVERSE(UNUSABLE, ""),
			REPLY_CLIENT_NAME_UNUSABLE_FOR_NOW, "4.7.25", 3, "192.0.2.7 has a PTR record without a name that a host can have" },
		{ MATCHES, "c.test", alice, REVERSE(ASTRAY, "a.test"), REPLY_CLIENT_NAME_ASTRAY, "5.7.25", 5,
			"192.0.2.7 is called \"a.test\", which does not lead back" },
		{ MATCHES, "c.test", alice, REVERSE(CONFIRMED, "a.test"), REPLY_RCPT_OK, "2.1.5", 0,
			"192.0.2.7 is called \"a.test\", which leads back" },
		{ MATCHES, "c.test", alice, REVERSE(NAMED, "a.test"), REPLY_RCPT_OK, "2.1.5", 0,
			"192.0.2.7 is called \"a.test\", and whether that leads back is not known" },
		{ MATCHES, "c.test", alice, REVERSE(NOT_KNOWN, ""), REPLY_RCPT_OK, "2.1.5", 0,
			"the name of the address cannot be looked up now" },
		{ "reverse-name { must-exist = yes\n must-match = yes\n defer = yes }", "c.test", alice, REVERSE(NONE, ""),
			REPLY_CLIENT_NAMELESS_FOR_NOW, "4.7.25", 3, "192.0.2.7 has no name in the DNS" },
		{ "reverse-name { must-exist = yes\n must-match = yes\n defer = yes }", "c.test", alice, REVERSE(ASTRAY, "a.test"),
			REPLY_CLIENT_NAME_ASTRAY_FOR_NOW, "4.7.25", 4, "192.0.2.7 is called \"a.test\", which does not lead back" },
		{ MATCHES, "c.test", "Postmaster@example.org", { 0 }, REPLY_RCPT_OK, "2.1.5", 0,
			"postmaster is reached whatever the DNS says" },
		{ "reverse-name { defer = yes }", "c.test", alice, { 0 }, REPLY_RCPT_OK, "2.1.5", 0, "" },
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		expect_said(&cases[i], i, POLICY_FACT_REVERSE, CONF_CHECK_REVERSE_NAME);
	(void)state;
}

#define HELO(what) { .known = POLICY_FACT(POLICY_FACT_HELO), .helo_domain = POLICY_DOMAIN_##what }
#define RESOLVES "helo {\n must-resolve = yes\n}"

static void test_what_the_dns_says_of_the_name_in_helo(void **state)
{
	static const char alice[] = "alice@example.org";
	static const struct said_case cases[] = {
		{ RESOLVES, "c.test", alice, HELO(GOOD), REPLY_RCPT_OK, "2.1.5", 0, "\"c.test\" is known to the DNS" },
		{ RESOLVES, "c.test", alice, HELO(NULL_MX), REPLY_RCPT_OK, "2.1.5", 0, "\"c.test\" is known to the DNS" },
		{ RESOLVES, "c.test", alice, HELO(NOT_KNOWN), REPLY_RCPT_OK, "2.1.5", 0, "\"c.test\" cannot be looked up now" },
		{ RESOLVES, "c.test", alice, HELO(NO_NAME), REPLY_HELO_UNKNOWN, "5.7.1", 4, "\"c.test\" does not exist" },
		{ RESOLVES, "c.test", alice, HELO(NO_MAIL), REPLY_HELO_UNKNOWN, "5.7.1", 4,
			"\"c.test\" has neither an address nor a mail exchanger" },
		{ RESOLVES, "short", alice, HELO(NO_NAME), REPLY_HELO_UNKNOWN, "5.7.1", 4, "\"short\" does not exist" },
		{ RESOLVES, "localhost", alice, { 0 }, REPLY_HELO_UNKNOWN, "5.7.1", 4,
			"\"localhost\" never exists (RFC 6761)" },
		{ RESOLVES, "pc.Localhost.", alice, { 0 }, REPLY_HELO_UNKNOWN, "5.7.1", 4,
			"\"pc.Localhost.\" never exists (RFC 6761)" },
		{ RESOLVES, "", alice, { 0 }, REPLY_HELO_UNKNOWN, "5.7.1", 4, "\"\" is no name" },
		{ RESOLVES, "[192.0.2.7]", alice, { 0 }, REPLY_RCPT_OK, "2.1.5", 0, "\"[192.0.2.7]\" is the client's address" },
		{ RESOLVES, "[192.0.2.8]", alice, { 0 }, REPLY_HELO_OTHER_ADDRESS, "5.7.1", 4,
			"\"[192.0.2.8]\" is not the client's address" },
		{ RESOLVES, "[IPv6:2001:db8::7]", alice, { 0 }, REPLY_HELO_OTHER_ADDRESS, "5.7.1", 4,
			"\"[IPv6:2001:db8::7]\" is not the client's address" },
		{ RESOLVES, "[nonsense", alice, { 0 }, REPLY_HELO_OTHER_ADDRESS, "5.7.1", 4,
			"\"[nonsense\" is not the client's address" },
		{ RESOLVES, "c.test", "postmaster", { 0 }, REPLY_RCPT_OK, "2.1.5", 0,
			"postmaster is reached whatever the DNS says" },
		{ "helo { full-name = yes }", "c.test", alice, { 0 }, REPLY_RCPT_OK, "2.1.5", 0, "" },
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		expect_said(&cases[i], i, POLICY_FACT_HELO, CONF_CHECK_HELO);
	(void)state;
}

/* To have been passed for postmaster is not to have been passed. */
static void test_the_next_recipient_is_another_question(void **state)
{
	static const char *const sections[] = { RESOLVES, MATCHES };
	for (size_t i = 0; i < COUNT(sections); i++) {
		struct world w;
		test_world_open(&w, sections[i], domains, COUNT(domains));
		struct policy_input input = test_input("192.0.2.7", "postmaster");
		assert_int_equal(policy_ask(&w.context, &input, &w.trail).key, REPLY_RCPT_OK);
		input = test_input("192.0.2.7", "alice@example.org");
		input.stages = SMTP_STAGE(SMTP_AT_RCPT);
		assert_int_equal(policy_ask(&w.context, &input, &w.trail).opinion, POLICY_NEEDS);
		test_world_close(&w);
	}
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
		{ "reverse-name { must-exist = yes }", "", false, true },
		{ "reverse-name { must-match = yes }", "x@y.test", true, false },
		{ "reverse-name { must-match = yes only-for = {\"127.0.0.3\"} }", "x@y.test", false, false },
		{ "reverse-name { must-match = yes } allow { sender = {\"y.test\"} }", "x@y.test", false, false },
		{ "helo { must-resolve = yes }", "", false, true },
		{ "helo { must-resolve = yes }", "x@y.test", true, false },
		{ "helo { must-resolve = yes only-for = {\"127.0.0.3\"} }", "x@y.test", false, false },
		{ "policy-service \"a\" { address = \"127.0.0.1:1\" }", "x@y.test", false, true },
		{ "policy-service \"a\" { address = \"127.0.0.1:1\" stages = {\"connect\"} }", "x@y.test", false, true },
		{ "policy-service \"a\" { address = \"127.0.0.1:1\" }", "x@y.test", true, false },
		{ "policy-service \"a\" { address = \"127.0.0.1:1\" only-for = {\"127.0.0.3\"} }", "x@y.test", false, false },
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
		struct policy_input lmtp = input;
		lmtp.lmtp = true;
		assert_int_equal(policy_ask(&w.context, &lmtp, &w.trail).key, REPLY_RCPT_OK);
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
		cmocka_unit_test(test_what_the_dns_says_of_the_clients_address),
		cmocka_unit_test(test_what_the_dns_says_of_the_name_in_helo),
		cmocka_unit_test(test_the_next_recipient_is_another_question),
		cmocka_unit_test(test_nobody_is_looked_up_without_need),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
