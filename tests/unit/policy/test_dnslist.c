/* SPDX-License-Identifier: Apache-2.0 */
/* DNS lists of clients: the names that are asked for, what answers mean, and what the check makes of all of them. */
#include "policy_test.h"

static const struct directory_domain domains[] = {
	{ .name = SPAN("example.org"), .users = { SPAN("users"), SPAN("alice\n") } },
};

static void test_names(void **state)
{
	static const struct {
		const char *client, *name; /* NULL: none */
	} cases[] = {
		{ "192.0.2.7", "7.2.0.192.zen.test" },
		{ "10.200.0.255", "255.0.200.10.zen.test" },
		{ "::ffff:192.0.2.7", "7.2.0.192.zen.test" },
		{ "2001:db8:12f3::a",
			"a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.3.f.2.1.8.b.d.0.1.0.0.2.zen.test" },
		{ "", NULL },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct netaddr client = test_addr(cases[i].client);
		struct buf name;
		buf_init(&name, 1000);
		bool made = dnslist_name(&name, &client, SPAN("zen.test"));
		if (made != (cases[i].name != NULL) || (made && !span_eq(buf_span(&name), span_str(cases[i].name))))
			fail_msg("row %zu: %.*s", i, SPAN_FMT(buf_span(&name)));
		buf_fini(&name);
	}
	(void)state;
}

static void test_a_name_fits_or_is_not_made(void **state)
{
	static const struct netaddr six = { .family = 6 };
	uint8_t zone[DNSLIST_NAME_BYTES_MAX];
	struct buf name;
	buf_init(&name, 1000);
	memset(zone, 'z', sizeof(zone));
	assert_true(dnslist_name(&name, &six, span_of(zone, 189)));
	buf_clear(&name);
	assert_false(dnslist_name(&name, &six, span_of(zone, 190)));
	buf_fini(&name);
	(void)state;
}

static void test_questions(void **state)
{
	static const struct {
		enum conf_dnslist_of of;
		const char *client, *name, *question, *probe; /* NULL: none */
	} cases[] = {
		{ CONF_DNSLIST_CLIENT, "192.0.2.7", "", "7.2.0.192.l.test", "1.0.0.127.l.test" },
		{ CONF_DNSLIST_CLIENT, "2001:db8::a", "",
			"a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.l.test",
			"1.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.l.test" },
		{ CONF_DNSLIST_HELO, "192.0.2.7", "mx.bad.example", "mx.bad.example.l.test", "invalid.l.test" },
		{ CONF_DNSLIST_SENDER, "", "bad.example", "bad.example.l.test", "invalid.l.test" },
		{ CONF_DNSLIST_SENDER, "192.0.2.7", "", NULL, "invalid.l.test" },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct dnslist_subject subject = { .of = cases[i].of, .client = test_addr(cases[i].client),
			.name = span_str(cases[i].name) };
		struct buf question, probe;
		buf_init(&question, 1000);
		buf_init(&probe, 1000);
		bool asks = dnslist_question(&question, &subject, SPAN("l.test"));
		bool probes = dnslist_probe(&probe, &subject, SPAN("l.test"));
		if (asks != (cases[i].question != NULL) || (asks && !span_eq(buf_span(&question), span_str(cases[i].question)))
		    || !probes || !span_eq(buf_span(&probe), span_str(cases[i].probe)))
			fail_msg("row %zu: %.*s %.*s", i, SPAN_FMT(buf_span(&question)), SPAN_FMT(buf_span(&probe)));
		buf_fini(&question);
		buf_fini(&probe);
	}
	(void)state;
}

/* Up to three codes, a space between; "-": no answer, "": an answer without any. */
static struct policy_listing listing(const char *zone, const char *codes, const char *text)
{
	struct policy_listing made = { .zone = span_str(zone), .answered = codes[0] != '-', .text = span_str(text) };
	struct span rest = made.answered ? span_str(codes) : span_str("");
	while (rest.len > 0) {
		size_t end = span_find(rest, ' ');
		assert_true(netaddr_parse(span_to(rest, end), &made.codes[made.code_count++]));
		rest = span_from(rest, end + 1);
	}
	return made;
}

static void test_what_answers_mean(void **state)
{
	static const struct {
		const char *codes;
		enum dnslist_opinion opinion;
		const char *by;
	} cases[] = {
		{ "-", DNSLIST_NO_OPINION, "" },
		{ "", DNSLIST_NOT_LISTED, "" },
		{ "127.0.0.2", DNSLIST_LISTED, "127.0.0.2" },
		{ "127.0.0.5", DNSLIST_LISTED, "127.0.0.5" },
		{ "127.0.0.3", DNSLIST_NO_OPINION, "127.0.0.3" },
		{ "127.0.0.3 127.0.0.2", DNSLIST_LISTED, "127.0.0.2" },
		{ "127.255.255.254", DNSLIST_CLOSED, "127.255.255.254" },
		{ "127.255.254.1", DNSLIST_NO_OPINION, "127.255.254.1" },
		{ "127.0.0.2 127.255.255.252", DNSLIST_LISTED, "127.0.0.2" },
		{ "192.0.2.80", DNSLIST_NO_OPINION, "192.0.2.80" },
		{ "128.0.0.2", DNSLIST_NO_OPINION, "128.0.0.2" },
	};
	struct conf *conf = test_conf("dnslist \"zen.test\" { codes = {\"127.0.0.2\", \"127.0.0.4/30\", \"127.255.255.0/24\"} }");
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct netaddr code, by = test_addr(cases[i].by);
		struct policy_listing l = listing("zen.test", cases[i].codes, "");
		enum dnslist_opinion opinion = dnslist_opinion(l.answered, l.codes, l.code_count, &conf->checks.lists[0].codes,
			&code);
		if (opinion != cases[i].opinion || memcmp(&code, &by, sizeof(code)) != 0)
			fail_msg("row %zu: %d", i, (int)opinion);
	}
	conf_free(conf);
	(void)state;
}

static void test_texts(void **state)
{
	static const struct {
		struct span from_list;
		const char *text;
	} cases[] = {
		{ SPAN(""), "192.0.2.7 is listed by zen.test" },
		{ SPAN("see https://zen.test/?a=b"), "192.0.2.7 is listed by zen.test: see https://zen.test/?a=b" },
		{ SPAN("\r\n250 a\0b\x7f\xc3\xa4  c \n"), "192.0.2.7 is listed by zen.test: 250 a b c" },
		{ SPAN("\r\n\t\xff "), "192.0.2.7 is listed by zen.test" },
	};
	struct dnslist_subject subject = { .of = CONF_DNSLIST_CLIENT, .client = test_addr("192.0.2.7") };
	struct buf text;
	uint8_t much[1000];
	buf_init(&text, 2000);
	for (size_t i = 0; i < COUNT(cases); i++) {
		buf_clear(&text);
		dnslist_text(&text, &subject, SPAN("zen.test"), cases[i].from_list);
		if (!span_eq(buf_span(&text), span_str(cases[i].text)))
			fail_msg("row %zu: %.*s", i, SPAN_FMT(buf_span(&text)));
	}
	subject = (struct dnslist_subject){ .of = CONF_DNSLIST_SENDER, .name = SPAN("bad.example") };
	buf_clear(&text);
	dnslist_text(&text, &subject, SPAN("zen.test"), SPAN("new"));
	assert_true(span_eq(buf_span(&text), SPAN("bad.example is listed by zen.test: new")));
	for (size_t i = 0; i < sizeof(much); i++)
		much[i] = i % 2 == 0 ? 'm' : ' ';
	subject.name = span_of(much, DNSLIST_NAME_BYTES_MAX);
	for (size_t zone = 1; zone < 300; zone++) {
		buf_clear(&text);
		memset(much, 'z', zone);
		dnslist_text(&text, &subject, span_of(much, zone), span_of(much, sizeof(much)));
		assert_in_range(text.len, 20, DNSLIST_TEXT_BYTES_MAX);
	}
	buf_fini(&text);
	(void)state;
}

#define THREE "dnslist \"a.test\" { weight = 1 }\ndnslist \"b.test\" { weight = 2 }\n" \
	"dnslist \"good.test\" { weight = 2 allows = yes }\ndnslists { refuse-at = 3 defer-at = 2 }"

static struct policy_verdict ask_with(struct world *w, struct policy_input *input, const struct policy_listing *listings,
	size_t count)
{
	input->facts.known |= POLICY_FACT(POLICY_FACT_DNSLISTS);
	input->facts.listings = listings;
	input->facts.listing_count = count;
	buf_clear(w->context.why);
	return policy_ask(&w->context, input, &w->trail);
}

/* What the check says that it looked at. */
static void expect_why(const struct world *w, const char *why, size_t row)
{
	const struct policy_step *step = w->trail.steps;
	while (step->check != CONF_CHECK_DNSLISTS)
		step++;
	struct span said = span_from(span_to(buf_span(w->context.why), step->why_to), step->why_from);
	if (!span_eq(said, span_str(why)))
		fail_msg("row %zu: %.*s", row, SPAN_FMT(said));
}

static void test_weights(void **state)
{
	static const struct {
		const char *a, *b, *good;
		enum reply_key key;
		const char *said;
		uint32_t line;
		const char *why;
	} cases[] = {
		{ "", "", "", REPLY_RCPT_OK, "", 0, "a.test: not listed; b.test: not listed; good.test: not listed" },
		{ "127.0.0.2", "", "", REPLY_RCPT_OK, "", 0,
			"a.test: listed 127.0.0.2 (weight 1); b.test: not listed; good.test: not listed" },
		{ "", "127.0.0.2", "-", REPLY_CLIENT_LISTED_FOR_NOW, "from b", 4,
			"a.test: not listed; b.test: listed 127.0.0.2 (weight 2); good.test: no opinion" },
		{ "127.0.0.2", "127.0.0.9", "", REPLY_CLIENT_LISTED, "from b", 4,
			"a.test: listed 127.0.0.2 (weight 1); b.test: listed 127.0.0.9 (weight 2); good.test: not listed" },
		{ "127.0.0.2", "127.0.0.9", "127.0.4.1", REPLY_RCPT_OK, "", 0,
			"a.test: listed 127.0.0.2 (weight 1); b.test: listed 127.0.0.9 (weight 2); "
			"good.test: listed 127.0.4.1 (weight -2)" },
		{ "127.255.255.254", "-", "", REPLY_RCPT_OK, "", 0,
			"a.test: does not answer us 127.255.255.254; b.test: no opinion; good.test: not listed" },
		{ "127.255.255.1", "192.0.2.1", "", REPLY_RCPT_OK, "", 0,
			"a.test: does not answer us 127.255.255.1; b.test: no opinion 192.0.2.1; good.test: not listed" },
	};
	struct world w;
	struct buf why;
	test_world_open(&w, THREE, domains, COUNT(domains));
	buf_init(&why, 65536);
	w.context.why = &why;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct policy_input input = test_input("192.0.2.7", "alice@example.org");
		assert_int_equal(policy_ask(&w.context, &input, &w.trail).fact, POLICY_FACT_DNSLISTS);
		assert_int_equal(w.trail.decided.opinion, POLICY_NEEDS);
		struct policy_listing listings[] = { listing("b.test", cases[i].b, "from b"),
			listing("a.test", cases[i].a, "from a"), listing("good.test", cases[i].good, "from good") };
		struct policy_verdict verdict = ask_with(&w, &input, listings, COUNT(listings));
		if (verdict.key != cases[i].key || verdict.line != cases[i].line
		    || !span_eq(verdict.said.text, span_str(cases[i].said)))
			fail_msg("row %zu: %s, line %u", i, reply_entry(verdict.key)->name, verdict.line);
		expect_why(&w, cases[i].why, i);
	}
	buf_fini(&why);
	test_world_close(&w);
	(void)state;
}

/* A list counts once, whatever of a client it lists, and not when it lists everybody. */
static void test_names_and_lists_of_everybody(void **state)
{
	static const struct {
		const char *client, *helo, *sender;
		bool everybody;
		enum reply_key key;
		const char *said, *why;
	} cases[] = {
		{ "", "", "", false, REPLY_RCPT_OK, "",
			"a.test: not listed; b.test: the name in HELO not listed; b.test: the sender's domain not listed" },
		{ "", "", "127.0.1.2", false, REPLY_NAME_LISTED_FOR_NOW, "of sender", "a.test: not listed; b.test: the name in "
			"HELO not listed; b.test: the sender's domain listed 127.0.1.2 (weight 2)" },
		{ "", "127.0.1.2", "127.0.1.2", false, REPLY_NAME_LISTED_FOR_NOW, "of helo", "a.test: not listed; b.test: the "
			"name in HELO listed 127.0.1.2 (weight 2); b.test: the sender's domain listed 127.0.1.2 (weight 2)" },
		{ "127.0.0.2", "-", "127.0.1.2", false, REPLY_NAME_LISTED, "of sender", "a.test: listed 127.0.0.2 (weight 1); "
			"b.test: the name in HELO no opinion; b.test: the sender's domain listed 127.0.1.2 (weight 2)" },
		{ "127.0.0.2", "", "127.0.1.2", true, REPLY_RCPT_OK, "", "a.test: listed 127.0.0.2 (weight 1); b.test: the name "
			"in HELO not listed; b.test: the sender's domain no opinion, it lists everybody 127.0.1.2" },
	};
	struct world w;
	struct buf why;
	test_world_open(&w, "dnslist \"a.test\" { }\ndnslist \"b.test\" { of = {\"helo\", \"sender\"} weight = 2 }\n"
		"dnslists { refuse-at = 3 defer-at = 2 }", domains, COUNT(domains));
	buf_init(&why, 65536);
	w.context.why = &why;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct policy_input input = test_input("192.0.2.7", "alice@example.org");
		struct policy_listing listings[] = { listing("a.test", cases[i].client, "of client"),
			listing("b.test", cases[i].helo, "of helo"), listing("b.test", cases[i].sender, "of sender") };
		listings[1].of = CONF_DNSLIST_HELO;
		listings[2].of = CONF_DNSLIST_SENDER;
		listings[2].everybody = cases[i].everybody;
		struct policy_verdict verdict = ask_with(&w, &input, listings, COUNT(listings));
		if (verdict.key != cases[i].key || !span_eq(verdict.said.text, span_str(cases[i].said)))
			fail_msg("row %zu: %s", i, reply_entry(verdict.key)->name);
		expect_why(&w, cases[i].why, i);
	}
	buf_fini(&why);
	test_world_close(&w);
	(void)state;
}

static void test_nobody_is_asked_without_need(void **state)
{
	static const struct {
		const char *sections, *recipient;
		bool trusted, asks;
	} cases[] = {
		{ THREE, "alice@example.org", false, true },
		{ THREE, "postmaster@example.org", false, false },
		{ THREE, "postmaster", false, false },
		{ THREE, "alice@example.org", true, false },
		{ THREE, "x@elsewhere.test", false, false },
		{ THREE " allow { client = {\"192.0.2.7\"} }", "alice@example.org", false, false },
		{ "dnslists { refuse-at = 1 }", "alice@example.org", false, false },
		{ "dnslist \"a.test\" { }\ndnslists { only-for = {\"127.0.0.3\"} }", "alice@example.org", false, false },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct world w;
		test_world_open(&w, cases[i].sections, domains, COUNT(domains));
		struct policy_input input = test_input("192.0.2.7", cases[i].recipient);
		input.trusted = cases[i].trusted;
		bool asks = policy_ask(&w.context, &input, &w.trail).opinion == POLICY_NEEDS;
		if (asks != cases[i].asks || policy_asks_dns(&w.conf->checks) != (w.conf->checks.list_count > 0))
			fail_msg("row %zu", i);
		test_world_close(&w);
	}
	(void)state;
}

/* Too many were asked about already: nothing is known, and nobody is refused for that. */
static void test_without_answers_nobody_is_refused(void **state)
{
	struct world w;
	test_world_open(&w, "dnslist \"a.test\" { }", domains, COUNT(domains));
	struct policy_input input = test_input("192.0.2.7", "alice@example.org");
	input.facts.known |= POLICY_FACT(POLICY_FACT_DNSLISTS);
	assert_int_equal(policy_ask(&w.context, &input, &w.trail).key, REPLY_RCPT_OK);
	test_world_close(&w);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_a_name_fits_or_is_not_made),
		cmocka_unit_test(test_questions),
		cmocka_unit_test(test_what_answers_mean),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_weights),
		cmocka_unit_test(test_names_and_lists_of_everybody),
		cmocka_unit_test(test_nobody_is_asked_without_need),
		cmocka_unit_test(test_without_answers_nobody_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
