/* SPDX-License-Identifier: Apache-2.0 */
/* The list of checks: each of them by tables, their order, who is excused, what is counted and remembered. */
#include "policy_test.h"
#include "wire.h"

#include <stdio.h>

static const struct directory_domain domains[] = {
	{ .name = SPAN("example.org"), .users = { SPAN("users"), SPAN("alice\nbob\n") } },
};

static struct world *world_open(const char *sections)
{
	static struct world w;
	test_world_open(&w, sections, domains, COUNT(domains));
	return &w;
}

static void world_close(struct world *w)
{
	test_world_close(w);
}

/* Asks, and lets what follows from it happen. */
static struct policy_verdict ask(struct world *w, struct policy_input *input)
{
	struct policy_verdict verdict = policy_ask(&w->context, input, &w->trail);
	policy_settle(&w->state, &w->context, input, &w->trail);
	return verdict;
}

static struct policy_verdict ask_rcpt(struct world *w, const char *client, const char *recipient)
{
	struct policy_input input = test_input(client, recipient);
	return ask(w, &input);
}

static void expect(struct policy_verdict verdict, enum reply_key key, const char *check, const char *what)
{
	if (verdict.key != key || strcmp(verdict.check, check) != 0)
		fail_msg("%s: %s by check \"%s\"", what, reply_entry(verdict.key)->name, verdict.check);
}

static void test_names_are_the_words_of_the_order(void **state)
{
	struct world *w = world_open("");
	assert_int_equal(w->conf->checks.order.count, CONF_CHECK_COUNT);
	for (unsigned i = 0; i < CONF_CHECK_COUNT; i++) {
		struct buf text;
		struct conf *conf;
		struct conf_report report;
		buf_init(&text, 4096);
		buf_addf(&text, "hostname = \"mx.example.org\" listen \"s\" { address = {\"[::]:25\"} }\n"
			"checks { order = {\"%s\"} }", policy_check_name((enum conf_check)i));
		conf_parse(buf_span(&text), "test", &conf, &report);
		for (size_t p = 0; p < report.problem_count; p++)
			assert_null(strstr(report.problems[p].text, "is not known"));
		conf_free(conf);
		buf_fini(&text);
	}
	world_close(w);
	(void)state;
}

static void test_helo(void **state)
{
	static const struct {
		const char *helo;
		enum reply_key plain, full; /* without and with full-name */
	} cases[] = {
		{ "client.test", REPLY_RCPT_OK, REPLY_RCPT_OK },
		{ "mx.example.org", REPLY_HELO_IS_OURS, REPLY_HELO_IS_OURS },
		{ "MX.Example.ORG", REPLY_HELO_IS_OURS, REPLY_HELO_IS_OURS },
		{ "mx.example.org.", REPLY_HELO_IS_OURS, REPLY_HELO_IS_OURS },
		{ "[198.51.100.1]", REPLY_HELO_IS_OURS, REPLY_HELO_IS_OURS },
		{ "[IPv6:::ffff:198.51.100.1]", REPLY_HELO_IS_OURS, REPLY_HELO_IS_OURS },
		{ "[198.51.100.2]", REPLY_RCPT_OK, REPLY_RCPT_OK },
		{ "[192.0.2.7]", REPLY_RCPT_OK, REPLY_RCPT_OK },
		{ "[IPv6:2001:db8::1]", REPLY_RCPT_OK, REPLY_RCPT_OK },
		{ "192.0.2.7", REPLY_HELO_BARE_ADDRESS, REPLY_HELO_BARE_ADDRESS },
		{ "198.51.100.1", REPLY_HELO_BARE_ADDRESS, REPLY_HELO_BARE_ADDRESS },
		{ "2001:db8::1", REPLY_HELO_BARE_ADDRESS, REPLY_HELO_BARE_ADDRESS },
		{ "192.0.2", REPLY_RCPT_OK, REPLY_RCPT_OK },
		{ "example.org", REPLY_RCPT_OK, REPLY_RCPT_OK },
		{ "a.mx.example.org", REPLY_RCPT_OK, REPLY_RCPT_OK },
		{ "client", REPLY_RCPT_OK, REPLY_HELO_NOT_FULL },
		{ "localhost", REPLY_RCPT_OK, REPLY_HELO_NOT_FULL },
		{ "client.", REPLY_RCPT_OK, REPLY_HELO_NOT_FULL },
		{ ".test", REPLY_RCPT_OK, REPLY_HELO_NOT_FULL },
		{ "a_b.test", REPLY_RCPT_OK, REPLY_HELO_NOT_FULL },
		{ "[not-an-address]", REPLY_RCPT_OK, REPLY_HELO_NOT_FULL },
	};
	for (int full = 0; full < 2; full++) {
		struct world *w = world_open(full ? "helo {\n full-name = yes\n}" : "");
		for (size_t i = 0; i < COUNT(cases); i++) {
			struct policy_input input = test_input("192.0.2.7", "alice@example.org");
			input.helo = span_str(cases[i].helo);
			enum reply_key key = full ? cases[i].full : cases[i].plain;
			struct policy_verdict verdict = ask(w, &input);
			expect(verdict, key, key == REPLY_RCPT_OK ? "" : "helo", cases[i].helo);
			assert_int_equal(verdict.line, key == REPLY_HELO_NOT_FULL ? 4 : 0);
			/* A program of the same host, by an address that is not trusted, may use its name. */
			input.client = input.server;
			if (key == REPLY_HELO_IS_OURS)
				expect(ask(w, &input), REPLY_RCPT_OK, "", cases[i].helo);
		}
		world_close(w);
	}
	(void)state;
}

static void test_sender_domain(void **state)
{
	static const struct {
		const char *sender;
		enum { NEVER, WHEN_FULL, ALWAYS } refused;
	} cases[] = {
		{ "", NEVER }, { "x@y.test", NEVER }, { "\"a b\"@y.test", NEVER }, { "x@[192.0.2.1]", NEVER },
		{ "x@[IPv6:2001:db8::1]", NEVER }, { "x@m\xc3\xbcnchen.example", NEVER }, { "x@localhost.example", NEVER },
		{ "x@invalid.example", NEVER }, { "root@localhost", ALWAYS }, { "root@server", WHEN_FULL },
		{ "x@y.localhost", ALWAYS }, { "x@y.INVALID", ALWAYS }, { "x@invalid", ALWAYS }, { "x", ALWAYS },
		{ "x@y..test", ALWAYS }, { "x y@z.test", ALWAYS },
	};
	for (int full = 0; full < 2; full++) {
		struct world *w = world_open(full ? "\nsender-domain { full-name = yes }" : "");
		for (size_t i = 0; i < COUNT(cases); i++) {
			struct policy_input input = test_input("192.0.2.7", "alice@example.org");
			bool refused = cases[i].refused == ALWAYS || (full && cases[i].refused == WHEN_FULL);
			input.sender = span_str(cases[i].sender);
			struct policy_verdict verdict = ask(w, &input);
			expect(verdict, refused ? REPLY_SENDER_DOMAIN_UNUSABLE : REPLY_RCPT_OK, refused ? "sender-domain" : "",
				cases[i].sender);
			assert_int_equal(verdict.line, refused && cases[i].refused == WHEN_FULL ? 4 : 0);
		}
		world_close(w);
	}
	(void)state;
}

/* What each entry refuses, and at which stage; a rule of allow beside it excuses. */
static void test_deny_and_allow(void **state)
{
	static const struct {
		const char *what; /* in the list */
		const char *client, *helo, *sender, *recipient;
		enum reply_key key;
	} cases[] = {
		{ "client = {\"192.0.2.0/24\"}", "192.0.2.7", "a.test", "x@y.test", "alice@example.org", REPLY_CLIENT_DENIED },
		{ "client = {\"192.0.2.0/24\"}", "192.0.3.7", "a.test", "x@y.test", "alice@example.org", REPLY_RCPT_OK },
		{ "client = {\"2001:db8::/32\"}", "2001:db8:1::7", "a.test", "x@y.test", "alice@example.org", REPLY_CLIENT_DENIED },
		{ "helo = {\"*.dyn.test\"}", "192.0.2.7", "h1.DYN.test.", "x@y.test", "alice@example.org", REPLY_CLIENT_DENIED },
		{ "helo = {\"*.dyn.test\"}", "192.0.2.7", "dyn.test", "x@y.test", "alice@example.org", REPLY_RCPT_OK },
		{ "sender = {\"y.test\"}", "192.0.2.7", "a.test", "x@Y.Test", "alice@example.org", REPLY_SENDER_DENIED },
		{ "sender = {\"y.test\"}", "192.0.2.7", "a.test", "x@a.y.test", "alice@example.org", REPLY_RCPT_OK },
		{ "sender = {\"X@y.test\"}", "192.0.2.7", "a.test", "x@y.test", "alice@example.org", REPLY_SENDER_DENIED },
		{ "sender = {\"b\xc3\xbc" "cher.test\"}", "192.0.2.7", "a.test", "x@xn--bcher-kva.test", "alice@example.org",
			REPLY_SENDER_DENIED },
		{ "sender = {\"*.test\"}", "192.0.2.7", "a.test", "", "alice@example.org", REPLY_RCPT_OK },
		{ "recipient = {\"alice@example.org\"}", "192.0.2.7", "a.test", "x@y.test", "ALICE@example.org",
			REPLY_RECIPIENT_DENIED },
		{ "recipient = {\"alice@example.org\"}", "192.0.2.7", "a.test", "x@y.test", "bob@example.org", REPLY_RCPT_OK },
		{ "recipient = {\"example.org\"}", "192.0.2.7", "a.test", "x@y.test", "nobody@example.org", REPLY_RECIPIENT_DENIED },
	};
	for (size_t i = 0; i < 2 * COUNT(cases); i++) {
		char text[400];
		bool allowed = i % 2 == 1;
		snprintf(text, sizeof(text), "deny {\n %s }\n%s%s%s", cases[i / 2].what, allowed ? "allow { " : "",
			allowed ? cases[i / 2].what : "", allowed ? "}" : "");
		struct world *w = world_open(text);
		struct policy_input input = test_input(cases[i / 2].client, cases[i / 2].recipient);
		input.helo = span_str(cases[i / 2].helo);
		input.sender = span_str(cases[i / 2].sender);
		bool unknown = strcmp(cases[i / 2].recipient, "nobody@example.org") == 0;
		enum reply_key key = !allowed ? cases[i / 2].key : unknown ? REPLY_MAILBOX_UNKNOWN : REPLY_RCPT_OK;
		struct policy_verdict verdict = ask(w, &input);
		uint32_t line = !allowed && key != REPLY_RCPT_OK ? 4 : verdict.line;
		if (verdict.key != key || verdict.line != line)
			fail_msg("%s: %s, line %u", text, reply_entry(verdict.key)->name, verdict.line);
		assert_int_equal(w->state.counts[CONF_CHECK_ALLOW].accepted, allowed && cases[i / 2].key != REPLY_RCPT_OK);
		/* Once for each question, whatever the number of its stages. */
		assert_int_equal(w->state.counts[CONF_CHECK_ALLOW].asked, allowed);
		world_close(w);
	}
	(void)state;
}

/* An allowed client is excused from the rest, but from nothing that holds for everybody. */
static void test_whom_allow_excuses_and_of_what(void **state)
{
	struct world *w = world_open("allow { client = {\"192.0.2.7\"} sender = {\"good.test\"} }\n"
		"checks { early-refusals = yes\n"
		"order = {\"deny\", \"allow\", \"helo\", \"sender-domain\", \"relay\", \"harvest\", \"recipient\"} }\n"
		"harvest { unknown = 1 } deny { client = {\"192.0.2.7\"} helo = {\"bad.test\"} }");
	struct policy_input input = test_input("192.0.2.7", "alice@example.org");
	expect(ask(w, &input), REPLY_CLIENT_DENIED, "deny", "not excused from what stands before, at the same stage");
	input.client = test_addr("192.0.2.8");
	input.sender = SPAN("x@good.test");
	input.helo = SPAN("192.0.2.7");
	expect(ask(w, &input), REPLY_RCPT_OK, "", "excused from helo by the sender");
	input.helo = SPAN("bad.test");
	expect(ask(w, &input), REPLY_RCPT_OK, "", "and from deny at a later stage");
	input = test_input("192.0.2.8", "nobody@example.org");
	input.sender = SPAN("x@good.test");
	expect(ask(w, &input), REPLY_MAILBOX_UNKNOWN, "recipient", "not from recipient");
	input = test_input("192.0.2.8", "x@elsewhere.test");
	input.sender = SPAN("x@good.test");
	expect(ask(w, &input), REPLY_RELAY_DENIED, "relay", "nor from relay");
	world_close(w);
	(void)state;
}

/* Anybody can write an allowed sender or name: who guesses by them is met by harvest all the same. */
static void test_a_word_excuses_nobody_who_guesses(void **state)
{
	static const struct {
		const char *allow;
		bool guarded;
	} cases[] = {
		{ "sender = {\"good.test\"}", true }, { "helo = {\"a.test\"}", true },
		{ "client = {\"192.0.2.8\"}", false }, { "recipient = {\"example.org\"}", false },
		{ "recipient = {\"bob@example.org\"} sender = {\"good.test\"}", true },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[200];
		snprintf(text, sizeof(text), "harvest { unknown = 2 }\nallow { %s }", cases[i].allow);
		struct world *w = world_open(text);
		struct policy_verdict verdict = { .key = REPLY_RCPT_OK };
		for (int n = 0; n < 3; n++) {
			struct policy_input input = test_input("192.0.2.8", "nobody@example.org");
			input.helo = SPAN("a.test");
			input.sender = SPAN("x@good.test");
			verdict = ask(w, &input);
		}
		if (verdict.key != (cases[i].guarded ? REPLY_TOO_MANY_UNKNOWN : REPLY_MAILBOX_UNKNOWN))
			fail_msg("%s: %s", cases[i].allow, reply_entry(verdict.key)->name);
		world_close(w);
	}
	(void)state;
}

/* Who is excused for one recipient's sake, or for a word, is asked again about the next. */
static void test_what_is_passed_for_good(void **state)
{
	static const struct {
		const char *sections;
		unsigned again;
		enum reply_key next; /* another recipient, with another sender */
	} cases[] = {
		{ "", 0, REPLY_RCPT_OK },
		{ "allow { client = {\"192.0.2.8\"} }", 0, REPLY_RCPT_OK },
		{ "allow { recipient = {\"alice@example.org\"} }", 7, REPLY_HELO_BARE_ADDRESS },
		{ "allow { sender = {\"good.test\"} }", 7, REPLY_HELO_BARE_ADDRESS },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct world *w = world_open(cases[i].sections);
		struct policy_input input = test_input("192.0.2.8", "alice@example.org");
		input.helo = i == 0 ? SPAN("a.test") : SPAN("192.0.2.7");
		input.sender = SPAN("x@good.test");
		expect(ask(w, &input), REPLY_RCPT_OK, "", cases[i].sections);
		if (w->trail.again != cases[i].again)
			fail_msg("%s: %u", cases[i].sections, w->trail.again);
		struct policy_input next = test_input("192.0.2.8", "bob@example.org");
		next.helo = input.helo;
		next.sender = SPAN("x@other.test");
		next.stages = (uint8_t)(SMTP_STAGE(SMTP_AT_RCPT) | w->trail.again);
		struct policy_verdict verdict = ask(w, &next);
		if (verdict.key != cases[i].next)
			fail_msg("%s: then %s", cases[i].sections, reply_entry(verdict.key)->name);
		world_close(w);
	}
	(void)state;
}

/* However often a message's stage is asked about: it is one message. */
static void test_rates_count_once(void **state)
{
	struct world *w = world_open("rate \"client\" { messages = 2 }\nallow { recipient = {\"alice@example.org\"} }");
	struct policy_input input = test_input("192.0.2.8", "alice@example.org");
	expect(ask(w, &input), REPLY_RCPT_OK, "", "excused: not counted");
	assert_int_equal(w->trail.counted, 0);
	for (int message = 0; message < 3; message++) {
		uint8_t counted = 0;
		for (int recipient = 0; recipient < 5; recipient++) {
			input = test_input("192.0.2.8", "bob@example.org");
			input.stages = SMTP_STAGE(SMTP_AT_MAIL) | SMTP_STAGE(SMTP_AT_RCPT);
			input.counted = counted;
			struct policy_verdict verdict = ask(w, &input);
			expect(verdict, message < 2 ? REPLY_RCPT_OK : REPLY_RATE_LIMITED, message < 2 ? "" : "rate", "a message");
			assert_int_equal(w->trail.counted, message < 2 ? SMTP_STAGE(SMTP_AT_MAIL) : 0);
			counted = w->trail.counted;
		}
	}
	world_close(w);
	(void)state;
}

static void test_early_talk(void **state)
{
	struct world *w = world_open("early-talk {\n delay = 2s\n only-for = {\"192.0.2.0/24\"}\n}");
	struct policy_input input = test_input("192.0.2.7", "");
	input.at = SMTP_AT_CONNECT;
	input.stages = SMTP_STAGE(SMTP_AT_CONNECT);
	expect(ask(w, &input), REPLY_SERVICE_READY, "", "who listens");
	input.talked_first = true;
	struct policy_verdict verdict = ask(w, &input);
	expect(verdict, REPLY_TALKED_FIRST, "early-talk", "who does not");
	assert_int_equal(reply_entry(verdict.key)->code, 554);
	assert_int_equal(verdict.line, 4);
	input.client = test_addr("198.51.100.7");
	expect(ask(w, &input), REPLY_SERVICE_READY, "", "who did not have to wait");
	world_close(w);
	(void)state;
}

/* What cannot wait for a recipient is asked at once; everything is, where that is wanted. */
static void test_stages_that_are_asked_at_once(void **state)
{
	static const struct {
		const char *sections;
		unsigned stages;
	} cases[] = {
		{ "", 0 },
		{ "early-talk { delay = 1s }", SMTP_STAGE(SMTP_AT_CONNECT) },
		{ "early-talk { delay = 1s } checks { order = {\"relay\", \"recipient\"} }", 0 },
		{ "checks { early-refusals = yes }", SMTP_STAGE(SMTP_AT_HELO) | SMTP_STAGE(SMTP_AT_MAIL) },
		{ "deny { client = {\"192.0.2.0/24\"} }", 0 },
		{ "deny { sender = {\"y.test\"} } checks { order = {\"relay\", \"deny\", \"recipient\"} early-refusals = yes }",
			SMTP_STAGE(SMTP_AT_MAIL) },
		{ "deny { client = {\"192.0.2.0/24\"} } checks { early-refusals = yes }",
			SMTP_STAGE(SMTP_AT_CONNECT) | SMTP_STAGE(SMTP_AT_HELO) | SMTP_STAGE(SMTP_AT_MAIL) },
		{ "rate \"client\" { connections = 5 }", SMTP_STAGE(SMTP_AT_CONNECT) },
		{ "rate \"sender\" { messages = 5 }", 0 },
		{ "rate \"network\" { bytes = 5MiB }", SMTP_STAGE(SMTP_AT_END) },
		{ "checks { early-refusals = yes order = {\"relay\", \"helo\", \"recipient\"} }", SMTP_STAGE(SMTP_AT_HELO) },
		{ "checks { early-refusals = yes order = {\"relay\", \"recipient\"} }", 0 },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct world *w = world_open(cases[i].sections);
		unsigned stages = policy_stages_at_once(&w->context);
		if (stages != cases[i].stages)
			fail_msg("%s: %x", cases[i].sections, stages);
		world_close(w);
	}
	(void)state;
}

/* Beyond the budget existing and unknown recipients are answered alike, and nobody else is. */
static void test_harvest(void **state)
{
	struct world *w = world_open("\nharvest {\n unknown = 3\n per = 60s\n}");
	for (int i = 0; i < 50; i++)
		expect(ask_rcpt(w, "192.0.2.7", "alice@example.org"), REPLY_RCPT_OK, "", "known recipients cost nothing");
	for (int i = 0; i < 3; i++)
		expect(ask_rcpt(w, i % 2 == 0 ? "192.0.2.7" : "192.0.2.200", "nobody@example.org"), REPLY_MAILBOX_UNKNOWN,
			"recipient", "within the budget");
	static const char *const anybody[] = { "nobody@example.org", "alice@example.org", "bob@example.org", "x@example.org" };
	for (size_t i = 0; i < COUNT(anybody); i++) {
		struct policy_verdict verdict = ask_rcpt(w, "192.0.2.99", anybody[i]);
		expect(verdict, REPLY_TOO_MANY_UNKNOWN, "harvest", anybody[i]);
		assert_int_equal(verdict.seconds, 20);
		assert_int_equal(verdict.line, 5);
	}
	expect(ask_rcpt(w, "192.0.2.7", "postmaster@example.org"), REPLY_RCPT_OK, "", "postmaster");
	expect(ask_rcpt(w, "192.0.2.7", "postmaster"), REPLY_RCPT_OK, "", "postmaster");
	expect(ask_rcpt(w, "192.0.2.7", "alice@elsewhere.test"), REPLY_RELAY_DENIED, "relay", "no secret");
	expect(ask_rcpt(w, "192.0.3.7", "nobody@example.org"), REPLY_MAILBOX_UNKNOWN, "recipient", "another network");
	w->context.now_us += 20 * SECOND - 1;
	assert_int_equal(ask_rcpt(w, "192.0.2.7", "alice@example.org").seconds, 1);
	w->context.now_us += 1;
	expect(ask_rcpt(w, "192.0.2.7", "alice@example.org"), REPLY_RCPT_OK, "", "it recovered");
	expect(ask_rcpt(w, "192.0.2.7", "nobody@example.org"), REPLY_MAILBOX_UNKNOWN, "recipient", "and is used again");
	expect(ask_rcpt(w, "192.0.2.7", "alice@example.org"), REPLY_TOO_MANY_UNKNOWN, "harvest", "and used up again");
	world_close(w);
	(void)state;
}

static void test_harvest_goes_by_networks_of_ipv6(void **state)
{
	struct world *w = world_open("harvest { unknown = 1 }");
	ask_rcpt(w, "2001:db8:0:1::5", "nobody@example.org");
	expect(ask_rcpt(w, "2001:db8:0:1:ffff::9", "alice@example.org"), REPLY_TOO_MANY_UNKNOWN, "harvest", "the same /64");
	expect(ask_rcpt(w, "2001:db8:0:2::5", "alice@example.org"), REPLY_RCPT_OK, "", "another /64");
	world_close(w);
	(void)state;
}

struct rate_case {
	const char *sections;
	const char *stage;   /* one letter for each: c m r e; "mr" is a first recipient */
	const char *client, *sender, *recipient;
	uint64_t bytes;
	uint64_t later_s;    /* the time since the one before */
	enum reply_key key;
	uint32_t seconds;
};

/* At the end, what is in `recipient` is all recipients of the message. */
static struct policy_verdict ask_at(struct world *w, const struct rate_case *c)
{
	struct buf recipients;
	static const char letters[SMTP_STAGE_COUNT + 1] = "chmre";
	struct policy_input input = test_input(c->client, c->recipient);
	input.sender = span_str(c->sender);
	input.bytes = c->bytes;
	input.stages = 0;
	for (size_t i = 0; c->stage[i] != 0; i++) {
		input.at = (enum smtp_stage)(strchr(letters, c->stage[i]) - letters);
		input.stages |= (uint8_t)SMTP_STAGE(input.at);
	}
	w->context.now_us += c->later_s * SECOND;
	buf_init(&recipients, 1000);
	if (input.at == SMTP_AT_END && c->recipient[0] != 0) {
		wire_put_span(&recipients, input.recipient);
		wire_put_span(&recipients, SPAN("postmaster@example.org"));
	}
	input.recipients = buf_span(&recipients);
	struct policy_verdict verdict = ask(w, &input);
	buf_fini(&recipients);
	return verdict;
}

#define PASSES REPLY_KEY_COUNT
#define PASSES_AT(stage) (stage[strlen(stage) - 1] == 'c' ? REPLY_SERVICE_READY : stage[strlen(stage) - 1] == 'm' \
	? REPLY_MAIL_OK : stage[strlen(stage) - 1] == 'r' ? REPLY_RCPT_OK : REPLY_MESSAGE_QUEUED)

/* Each row goes on from the one before; a text begins anew. */
static void test_rates(void **state)
{
	static const char *const a = "alice@example.org", *const b = "bob@example.org";
	static const struct rate_case cases[] = {
		{ "rate \"client\" { connections = 2 per = 60s }", "c", "192.0.2.7", "", "", 0, 0, PASSES, 0 },
		{ NULL, "c", "192.0.2.7", "", "", 0, 0, PASSES, 0 },
		{ NULL, "c", "192.0.2.7", "", "", 0, 0, REPLY_TOO_MANY_CONNECTIONS_RECENTLY, 30 },
		{ NULL, "c", "192.0.2.8", "", "", 0, 0, PASSES, 0 },
		{ NULL, "c", "192.0.2.7", "", "", 0, 29, REPLY_TOO_MANY_CONNECTIONS_RECENTLY, 1 },
		{ NULL, "c", "192.0.2.7", "", "", 0, 1, PASSES, 0 },
		/* Where the question comes with the recipient, 421 has no place. */
		{ NULL, "cmr", "192.0.2.7", "x@y.test", a, 0, 0, REPLY_RATE_LIMITED, 30 },
		{ "rate \"client\" { messages = 1 per = 60s }", "mr", "2001:db8::1", "x@y.test", a, 0, 0, PASSES, 0 },
		{ NULL, "mr", "2001:db8::ffff", "z@y.test", b, 0, 0, REPLY_RATE_LIMITED, 60 },
		{ NULL, "r", "2001:db8::ffff", "z@y.test", b, 0, 0, PASSES, 0 },
		{ NULL, "mr", "2001:db8:0:1::1", "x@y.test", a, 0, 0, PASSES, 0 },
		{ "rate \"network\" { messages = 1 per = 60s }", "mr", "2001:db8::1", "x@y.test", a, 0, 0, PASSES, 0 },
		{ NULL, "mr", "2001:db8:0:ff::1", "x@y.test", a, 0, 0, REPLY_RATE_LIMITED, 60 },
		{ NULL, "mr", "2001:db8:0:100::1", "x@y.test", a, 0, 0, PASSES, 0 },
		{ NULL, "mr", "192.0.2.1", "x@y.test", a, 0, 0, PASSES, 0 },
		{ NULL, "mr", "192.0.2.255", "x@y.test", a, 0, 0, REPLY_RATE_LIMITED, 60 },
		{ "rate \"client\" { recipients = 2 per = 60s }", "mr", "192.0.2.7", "x@y.test", a, 0, 0, PASSES, 0 },
		{ NULL, "r", "192.0.2.7", "x@y.test", "nobody@example.org", 0, 0, REPLY_MAILBOX_UNKNOWN, 0 },
		{ NULL, "r", "192.0.2.7", "x@y.test", b, 0, 0, REPLY_RATE_LIMITED, 30 },
		{ "rate \"sender\" { messages = 1 recipients = 2 per = 60s }", "mr", "192.0.2.7", "X@y.test", a, 0, 0, PASSES, 0 },
		{ NULL, "mr", "198.51.100.7", "x@Y.TEST", a, 0, 0, REPLY_RATE_LIMITED, 60 },
		{ NULL, "mr", "192.0.2.7", "z@y.test", a, 0, 0, PASSES, 0 },
		{ NULL, "mr", "192.0.2.7", "", a, 0, 0, PASSES, 0 },
		{ NULL, "mr", "192.0.2.7", "", a, 0, 0, PASSES, 0 },
		{ NULL, "r", "192.0.2.7", "x@y.test", b, 0, 0, PASSES, 0 },
		{ NULL, "r", "192.0.2.7", "x@y.test", b, 0, 0, REPLY_RATE_LIMITED, 30 },
		{ "rate \"recipient\" { messages = 1 per = 60s }", "mr", "192.0.2.7", "x@y.test", a, 0, 0, PASSES, 0 },
		{ NULL, "mr", "192.0.2.7", "x@y.test", a, 0, 0, PASSES, 0 },
		{ NULL, "e", "192.0.2.7", "x@y.test", a, 1, 0, PASSES, 0 },
		{ NULL, "mr", "198.51.100.7", "z@y.test", "ALICE@Example.org", 0, 0, REPLY_RATE_LIMITED, 60 },
		{ NULL, "mr", "192.0.2.7", "x@y.test", b, 0, 0, PASSES, 0 },
		{ NULL, "mr", "192.0.2.7", "x@y.test", "nobody@example.org", 0, 0, REPLY_MAILBOX_UNKNOWN, 0 },
		{ NULL, "mr", "192.0.2.7", "x@y.test", "nobody@example.org", 0, 0, REPLY_MAILBOX_UNKNOWN, 0 },
		{ NULL, "mr", "192.0.2.7", "x@y.test", "postmaster@example.org", 0, 0, PASSES, 0 },
		{ NULL, "mr", "192.0.2.7", "x@y.test", "postmaster@example.org", 0, 0, PASSES, 0 },
		/* What is too large is taken, and owed. */
		{ "rate \"client\" { bytes = 100KiB per = 100s }", "mr", "192.0.2.7", "x@y.test", a, 0, 0, PASSES, 0 },
		{ NULL, "e", "192.0.2.7", "x@y.test", "", 60 << 10, 0, PASSES, 0 },
		{ NULL, "mr", "192.0.2.7", "x@y.test", a, 0, 0, PASSES, 0 },
		{ NULL, "e", "192.0.2.7", "x@y.test", "", 60 << 10, 0, PASSES, 0 },
		{ NULL, "mr", "192.0.2.7", "x@y.test", a, 0, 0, REPLY_RATE_LIMITED, 21 },
		{ NULL, "mr", "192.0.2.7", "x@y.test", a, 0, 21, PASSES, 0 },
		{ NULL, "e", "192.0.2.7", "x@y.test", "", 1, 0, PASSES, 0 },
		{ NULL, "mr", "192.0.2.7", "x@y.test", a, 0, 0, REPLY_RATE_LIMITED, 1 },
		{ "rate \"client\" { messages = 1 only-for = {\"192.0.2.0/25\"} }", "mr", "192.0.2.7", "x@y.test", a, 0, 0, PASSES, 0 },
		{ NULL, "mr", "192.0.2.7", "x@y.test", a, 0, 0, REPLY_RATE_LIMITED, 3600 },
		{ NULL, "mr", "192.0.2.200", "x@y.test", a, 0, 0, PASSES, 0 },
		{ "", "mr", "192.0.2.200", "x@y.test", a, 0, 0, PASSES, 0 },
		{ NULL, "e", "192.0.2.200", "x@y.test", a, UINT64_MAX, 0, PASSES, 0 },
	};
	struct world *w = NULL;
	for (size_t i = 0; i < COUNT(cases); i++) {
		if (cases[i].sections != NULL && w != NULL)
			world_close(w);
		if (cases[i].sections != NULL)
			w = world_open(cases[i].sections);
		enum reply_key key = cases[i].key == PASSES ? PASSES_AT(cases[i].stage) : cases[i].key;
		struct policy_verdict verdict = ask_at(w, &cases[i]);
		if (verdict.key != key || verdict.seconds != cases[i].seconds)
			fail_msg("row %zu: %s, %u s", i, reply_entry(verdict.key)->name, verdict.seconds);
	}
	world_close(w);
	(void)state;
}

/* What trusted clients send costs nobody anything. */
static void test_rates_do_not_count_the_trusted(void **state)
{
	struct world *w = world_open("rate \"client\" { messages = 1 } rate \"recipient\" {\n messages = 1 }");
	struct policy_input input = test_input("192.0.2.7", "alice@example.org");
	input.trusted = true;
	for (int i = 0; i < 10; i++)
		expect(ask(w, &input), REPLY_RCPT_OK, "", "trusted");
	assert_int_equal(buckets_count(&w->state.rates), 0);
	struct rate_case first = { NULL, "e", "192.0.2.7", "x@y.test", "alice@example.org", 1, 0, PASSES, 0 };
	expect(ask_at(w, &first), REPLY_MESSAGE_QUEUED, "", "the first of a stranger");
	struct policy_verdict verdict = ask_rcpt(w, "192.0.2.8", "alice@example.org");
	expect(verdict, REPLY_RATE_LIMITED, "rate", "the second for her");
	assert_int_equal(verdict.line, 4);
	world_close(w);
	(void)state;
}

/* Trusted clients and programs of this host meet only what holds for everybody; so do networks not meant. */
static void test_who_is_asked(void **state)
{
	struct world *w = world_open("harvest { unknown = 1 only-for = {\"192.0.2.0/25\"} }");
	struct policy_input input = test_input("192.0.2.7", "nobody@example.org");
	input.helo = SPAN("mx.example.org");
	expect(ask(w, &input), REPLY_HELO_IS_OURS, "helo", "a stranger");
	input.trusted = true;
	expect(ask(w, &input), REPLY_MAILBOX_UNKNOWN, "recipient", "a trusted client");
	input.trusted = false;
	input.lmtp = true;
	expect(ask(w, &input), REPLY_MAILBOX_UNKNOWN, "recipient", "a feeder");
	input.recipient = SPAN("x@elsewhere.test");
	expect(ask(w, &input), REPLY_RELAY_DENIED, "relay", "a feeder is not trusted to relay");
	input.recipient = SPAN("nobody@example.org");
	input.lmtp = false;
	input.client = test_addr("");
	expect(ask(w, &input), REPLY_MAILBOX_UNKNOWN, "recipient", "a program of this host");
	for (int i = 0; i < 3; i++)
		expect(ask_rcpt(w, "192.0.2.130", "nobody@example.org"), REPLY_MAILBOX_UNKNOWN, "recipient", "not meant");
	expect(ask_rcpt(w, "192.0.2.7", "nobody@example.org"), REPLY_MAILBOX_UNKNOWN, "recipient", "the budget is whole");
	expect(ask_rcpt(w, "192.0.2.7", "nobody@example.org"), REPLY_TOO_MANY_UNKNOWN, "harvest", "and is used up");
	expect(ask_rcpt(w, "192.0.2.130", "nobody@example.org"), REPLY_MAILBOX_UNKNOWN, "recipient", "still not meant");
	world_close(w);
	(void)state;
}

static void test_the_order_is_the_configurations(void **state)
{
	static const struct {
		const char *sections;
		enum reply_key key; /* for a client that breaks every rule */
		const char *check;
	} cases[] = {
		{ "", REPLY_HELO_IS_OURS, "helo" },
		{ "checks { order = {\"relay\", \"sender-domain\", \"helo\", \"recipient\"} }", REPLY_HELO_IS_OURS, "helo" },
		{ "checks { order = {\"relay\", \"sender-domain\", \"recipient\"} }", REPLY_SENDER_DOMAIN_UNUSABLE, "sender-domain" },
		{ "checks { order = {\"relay\", \"recipient\"} }", REPLY_MAILBOX_UNKNOWN, "recipient" },
		{ "checks { order = {\"recipient\", \"relay\"} }", REPLY_MAILBOX_UNKNOWN, "recipient" },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct world *w = world_open(cases[i].sections);
		struct policy_input input = test_input("192.0.2.7", "nobody@example.org");
		input.helo = SPAN("mx.example.org");
		input.sender = SPAN("root@localhost");
		expect(ask(w, &input), cases[i].key, cases[i].check, cases[i].sections);
		world_close(w);
	}
	(void)state;
}

/* Only the stages that are named are asked; the first refusal ends the question, and says at which. */
static void test_stages(void **state)
{
	static const struct {
		enum smtp_stage at;
		unsigned stages;
		enum reply_key key;
		enum smtp_stage decided;
	} cases[] = {
		{ SMTP_AT_CONNECT, SMTP_STAGE(SMTP_AT_CONNECT), REPLY_SERVICE_READY, SMTP_AT_CONNECT },
		{ SMTP_AT_HELO, SMTP_STAGE(SMTP_AT_HELO), REPLY_HELO_IS_OURS, SMTP_AT_HELO },
		{ SMTP_AT_MAIL, SMTP_STAGE(SMTP_AT_MAIL), REPLY_SENDER_DOMAIN_UNUSABLE, SMTP_AT_MAIL },
		{ SMTP_AT_MAIL, SMTP_STAGE(SMTP_AT_HELO) | SMTP_STAGE(SMTP_AT_MAIL), REPLY_HELO_IS_OURS, SMTP_AT_HELO },
		{ SMTP_AT_RCPT, ALL_TO_RCPT, REPLY_HELO_IS_OURS, SMTP_AT_HELO },
		{ SMTP_AT_RCPT, SMTP_STAGE(SMTP_AT_RCPT), REPLY_RCPT_OK, SMTP_AT_RCPT },
		{ SMTP_AT_END, SMTP_STAGE(SMTP_AT_END), REPLY_MESSAGE_QUEUED, SMTP_AT_END },
		{ SMTP_AT_RCPT, 0, REPLY_RCPT_OK, SMTP_AT_RCPT },
	};
	struct world *w = world_open("");
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct policy_input input = test_input("192.0.2.7", "alice@example.org");
		input.helo = SPAN("mx.example.org");
		input.sender = SPAN("root@localhost");
		input.at = cases[i].at;
		input.stages = (uint8_t)cases[i].stages;
		struct policy_verdict verdict = ask(w, &input);
		if (verdict.key != cases[i].key || verdict.stage != cases[i].decided)
			fail_msg("case %zu: %s at %d", i, reply_entry(verdict.key)->name, verdict.stage);
	}
	world_close(w);
	(void)state;
}

static void test_counts(void **state)
{
	struct world *w = world_open("harvest { unknown = 2 }");
	for (int i = 0; i < 5; i++)
		ask_rcpt(w, "192.0.2.7", "nobody@example.org");
	struct policy_input input = test_input("192.0.2.7", "alice@example.org");
	input.trusted = true;
	ask(w, &input);
	static const struct {
		enum conf_check check;
		struct policy_counts counts;
	} cases[] = {
		{ CONF_CHECK_HELO, { .asked = 5 } },
		{ CONF_CHECK_RELAY, { .asked = 6 } },
		{ CONF_CHECK_HARVEST, { .asked = 5, .deferred = 3 } },
		{ CONF_CHECK_RECIPIENT, { .asked = 3, .refused = 2 } },
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		if (memcmp(&w->state.counts[cases[i].check], &cases[i].counts, sizeof(cases[i].counts)) != 0)
			fail_msg("%s", policy_check_name(cases[i].check));
	world_close(w);
	(void)state;
}

/* A dry run says for each check what it looked at, and changes nothing. */
static void test_a_dry_run_has_words_and_no_effect(void **state)
{
	struct world *w = world_open("harvest { unknown = 2 only-for = {\"192.0.2.0/24\"} }");
	struct buf why;
	buf_init(&why, 65536);
	ask_rcpt(w, "192.0.2.7", "nobody@example.org");
	struct policy_state before = w->state;
	struct policy_context dry = w->context;
	dry.why = &why;
	for (int i = 0; i < 10; i++) {
		struct policy_input input = test_input("192.0.2.7", "nobody@example.org");
		buf_clear(&why);
		expect(policy_ask(&dry, &input, &w->trail), REPLY_MAILBOX_UNKNOWN, "recipient", "dry");
	}
	assert_memory_equal(&before, &w->state, sizeof(before));
	assert_int_equal(buckets_left(&w->state.unknown, SPAN("x"), &(struct bucket_rate){ 2, SECOND }, 0), 2);
	static const char *const words[] = {
		"\"client.test\" is a name that a client can have", "\"y.test\" is a name that a domain can have", "example.org is a domain here",
		"it watches those who are trusted",
		"192.0.2.0/24 may name 1 more unknown recipients; 2 in 1 hour", "\"nobody\" is neither a user nor an alias of example.org",
	};
	assert_int_equal(w->trail.count, COUNT(words));
	for (size_t i = 0; i < COUNT(words); i++) {
		const struct policy_step *step = &w->trail.steps[i];
		struct span text = span_from(span_to(buf_span(&why), step->why_to), step->why_from);
		if (!span_eq(text, span_str(words[i])))
			fail_msg("%s: %.*s", step->verdict.check, SPAN_FMT(text));
	}
	/* Who is not asked stands in the trail as well, because it is a dry run. */
	struct policy_input input = test_input("198.51.100.77", "alice@example.org");
	input.trusted = true;
	policy_ask(&dry, &input, &w->trail);
	size_t skipped = 0;
	for (size_t i = 0; i < w->trail.count; i++)
		skipped += w->trail.steps[i].verdict.opinion == POLICY_SKIP;
	assert_int_equal(w->trail.count, COUNT(words) + 1);
	assert_int_equal(skipped, COUNT(words) - 3); /* relay, recipient and mailbox are for everybody, brake for this one */
	buf_fini(&why);
	world_close(w);
	(void)state;
}

static void test_a_mailbox_is_told_to_be_full_or_locked_as_the_facts_are(void **state)
{
	static const struct {
		const char *conf;
		enum policy_mailbox mailbox;
		enum reply_key key;
	} cases[] = {
		{ "", POLICY_MAILBOX_NOT_KNOWN, REPLY_RCPT_OK }, { "", POLICY_MAILBOX_READY, REPLY_RCPT_OK },
		{ "", POLICY_MAILBOX_FULL, REPLY_MAILBOX_FULL }, { "", POLICY_MAILBOX_LOCKED, REPLY_RCPT_OK },
		{ "", POLICY_MAILBOX_BROKEN, REPLY_RCPT_OK },
		{ "mailbox { defer-locked = yes }", POLICY_MAILBOX_LOCKED, REPLY_MAILBOX_LOCKED },
		{ "checks { order = {\"relay\", \"recipient\"} }", POLICY_MAILBOX_FULL, REPLY_RCPT_OK },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct world *w = world_open(cases[i].conf);
		struct policy_input input = test_input("192.0.2.7", "alice@example.org");
		input.facts.mailbox = cases[i].mailbox;
		struct policy_verdict verdict = policy_ask(&w->context, &input, &w->trail);
		if (verdict.key != cases[i].key)
			fail_msg("\"%s\" %d: %s", cases[i].conf, cases[i].mailbox, reply_entry(verdict.key)->name);
		world_close(w);
	}
	(void)state;
}

static void test_only_users_here_are_asked_about(void **state)
{
	struct world *w = world_open("");
	static const struct {
		const char *address;
		bool wanted;
	} cases[] = { { "alice@example.org", true }, { "ALICE@EXAMPLE.org", true }, { "nobody@example.org", false },
		{ "x@elsewhere.test", false } };
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct policy_input input = test_input("192.0.2.7", cases[i].address);
		struct span user, domain;
		input.facts.known = 0;
		struct policy_verdict verdict = policy_ask(&w->context, &input, &w->trail);
		assert_int_equal(verdict.opinion == POLICY_NEEDS, cases[i].wanted);
		assert_true(!cases[i].wanted || verdict.fact == POLICY_FACT_MAILBOX);
		assert_int_equal(policy_mailbox_of(&w->context, &input, &user, &domain), cases[i].wanted);
		assert_true(!cases[i].wanted || (span_eq(user, SPAN("alice")) && span_eq(domain, SPAN("example.org"))));
		input.stages = SMTP_STAGE(SMTP_AT_CONNECT) | SMTP_STAGE(SMTP_AT_MAIL);
		assert_int_not_equal(policy_ask(&w->context, &input, &w->trail).opinion, POLICY_NEEDS);
	}
	world_close(w);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_mailbox_is_told_to_be_full_or_locked_as_the_facts_are),
		cmocka_unit_test(test_only_users_here_are_asked_about),
		cmocka_unit_test(test_names_are_the_words_of_the_order),
		cmocka_unit_test(test_helo),
		cmocka_unit_test(test_sender_domain),
		cmocka_unit_test(test_deny_and_allow),
		cmocka_unit_test(test_whom_allow_excuses_and_of_what),
		cmocka_unit_test(test_a_word_excuses_nobody_who_guesses),
		cmocka_unit_test(test_what_is_passed_for_good),
		cmocka_unit_test(test_rates_count_once),
		cmocka_unit_test(test_early_talk),
		cmocka_unit_test(test_stages_that_are_asked_at_once),
		cmocka_unit_test(test_harvest),
		cmocka_unit_test(test_harvest_goes_by_networks_of_ipv6),
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_rates_do_not_count_the_trusted),
		cmocka_unit_test(test_who_is_asked),
		cmocka_unit_test(test_the_order_is_the_configurations),
		cmocka_unit_test(test_stages),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_a_dry_run_has_words_and_no_effect),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
