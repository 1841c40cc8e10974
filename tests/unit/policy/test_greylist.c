/* SPDX-License-Identifier: Apache-2.0 */
/* The check of the greylist: whom it asks, when it wants SPF, what it says; and that looking changes nothing. */
#include "greylist_rows.h"
#include "policy_test.h"

static const struct directory_domain domains[] = {
	{ .name = SPAN("example.org"), .users = { SPAN("users"), SPAN("alice\nbob\nabuse\n") } },
	{ .name = SPAN("example.net"), .users = { SPAN("others"), SPAN("carol\n") } },
};

static const char sections[] = "greylist {\n delay = 5m\n known-after = 2\n"
	" exempt = {\"Abuse@example.org\", \"EXAMPLE.net\"}\n}\n";

static struct world *world_open(const char *text)
{
	static struct world w;
	test_world_open(&w, text, domains, COUNT(domains));
	w.state.greylist = greylist_new(test_secret);
	assert_non_null(w.state.greylist);
	greylist_tune(w.state.greylist, &(struct greylist_options){ .delay_ms = w.conf->checks.greylist.delay_ms,
		.return_ms = w.conf->checks.greylist.return_ms, .keep_ms = w.conf->checks.greylist.keep_ms,
		.known_after = (uint32_t)w.conf->checks.greylist.known_after, .entries_max = 1000 });
	w.state.greylist_kept = true;
	return &w;
}

static void world_close(struct world *w)
{
	greylist_free(w->state.greylist);
	test_world_close(w);
}

static struct policy_spf spf_none = { .result = SPF_NONE };

/* Asks as the role does: finds SPF when it is wanted. Settles unless it is a dry run. */
static struct policy_verdict ask(struct world *w, struct policy_input *input, const struct policy_spf *spf, bool dry)
{
	unsigned rounds = 0;
	struct policy_verdict verdict;
	while ((verdict = policy_ask(&w->context, input, &w->trail)).opinion == POLICY_NEEDS) {
		assert_int_equal(verdict.fact, POLICY_FACT_SPF);
		assert_int_equal(rounds++, 0);
		input->facts.known |= POLICY_FACT(POLICY_FACT_SPF);
		input->facts.spf = *spf;
	}
	if (!dry)
		policy_settle(&w->state, &w->context, input, &w->trail);
	return verdict;
}

static struct policy_verdict attempt(struct world *w, const char *client, const struct policy_spf *spf)
{
	struct policy_input input = test_input(client, "alice@example.org");
	return ask(w, &input, spf, false);
}

static void test_a_stranger_is_told_the_seconds_that_are_left(void **state)
{
	struct world *w = world_open(sections);
	struct policy_verdict verdict = attempt(w, "192.0.2.7", &spf_none);
	assert_int_equal(verdict.key, REPLY_GREYLISTED);
	assert_int_equal(reply_entry(verdict.key)->code, 450);
	assert_string_equal(verdict.check, "greylist");
	assert_int_equal(verdict.seconds, 300);
	assert_int_equal(verdict.line, 4);
	w->context.now_ms += 100001;
	assert_int_equal(attempt(w, "192.0.2.8", &spf_none).seconds, 200);
	w->context.now_ms += 199998;
	assert_int_equal(attempt(w, "192.0.2.8", &spf_none).seconds, 1);
	w->context.now_ms += 1;
	assert_int_equal(attempt(w, "192.0.2.8", &spf_none).key, REPLY_RCPT_OK);
	assert_int_equal(w->state.counts[CONF_CHECK_GREYLIST].asked, 4);
	assert_int_equal(w->state.counts[CONF_CHECK_GREYLIST].deferred, 3);
	world_close(w);
	(void)state;
}

static void test_it_is_off_unless_a_delay_is_set(void **state)
{
	static const struct { const char *text; bool active; } cases[] = {
		{ "", false }, { "greylist { delay = 0s }", false }, { "greylist { delay = 5m }", true },
		{ "greylist { delay = 5m }\nchecks { order = {\"relay\", \"recipient\"} }", false },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct world *w = world_open(cases[i].text);
		assert_int_equal(policy_check_active(&w->conf->checks, CONF_CHECK_GREYLIST), cases[i].active);
		assert_int_equal(policy_asks_dns(&w->conf->checks), cases[i].active);
		if (!cases[i].active)
			assert_int_equal(attempt(w, "192.0.2.7", &spf_none).key, REPLY_RCPT_OK);
		world_close(w);
	}
	(void)state;
}

static void test_who_does_not_wait(void **state)
{
	static const struct {
		const char *what, *client, *recipient;
		bool trusted, lmtp;
		enum reply_key key;
	} cases[] = {
		{ "a stranger", "192.0.2.7", "alice@example.org", false, false, REPLY_GREYLISTED },
		{ "a trusted client", "192.0.2.7", "alice@example.org", true, false, REPLY_RCPT_OK },
		{ "LMTP", "192.0.2.7", "alice@example.org", false, true, REPLY_RCPT_OK },
		{ "a program of this host", "", "alice@example.org", false, false, REPLY_RCPT_OK },
		{ "postmaster", "192.0.2.7", "postmaster", false, false, REPLY_RCPT_OK },
		{ "postmaster of a domain", "192.0.2.7", "Postmaster@example.org", false, false, REPLY_RCPT_OK },
		{ "an exempt recipient", "192.0.2.7", "aBuse@example.org", false, false, REPLY_RCPT_OK },
		{ "an exempt domain", "192.0.2.7", "carol@example.net", false, false, REPLY_RCPT_OK },
		{ "who is unknown", "192.0.2.7", "nobody@example.org", false, false, REPLY_MAILBOX_UNKNOWN },
		{ "relaying", "192.0.2.7", "x@elsewhere.test", false, false, REPLY_RELAY_DENIED },
	};
	struct world *w = world_open(sections);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct policy_input input = test_input(cases[i].client, cases[i].recipient);
		input.trusted = cases[i].trusted;
		input.lmtp = cases[i].lmtp;
		struct policy_verdict verdict = ask(w, &input, &spf_none, false);
		if (verdict.key != cases[i].key)
			fail_msg("%s: %s", cases[i].what, reply_entry(verdict.key)->name);
	}
	/* Only the stranger's attempt is remembered. */
	assert_int_equal(greylist_counts(w->state.greylist).waiting, 1);
	world_close(w);
	(void)state;
}

static void test_a_pool_is_one_sender_where_spf_names_it(void **state)
{
	static const struct {
		enum spf_result result;
		enum spf_scope scope;
		bool one;
	} cases[] = {
		{ SPF_PASS, SPF_SCOPE_HOSTS, true },
		/* These say nothing about the client. */
		{ SPF_PASS, SPF_SCOPE_EVERYBODY, false },
		{ SPF_PASS, SPF_SCOPE_UNKNOWN, false },
		/* And these are no pass. */
		{ SPF_SOFTFAIL, SPF_SCOPE_HOSTS, false },
		{ SPF_FAIL, SPF_SCOPE_HOSTS, false },
		{ SPF_NONE, SPF_SCOPE_HOSTS, false },
		{ SPF_TEMPERROR, SPF_SCOPE_HOSTS, false },
		{ SPF_PERMERROR, SPF_SCOPE_HOSTS, false },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct world *w = world_open(sections);
		struct policy_spf first = { .result = SPF_PASS, .domain = SPAN("y.test"), .mechanism = SPAN("mx") };
		struct policy_spf spf = { .result = cases[i].result, .scope = cases[i].scope,
			.domain = SPAN("y.test"), .mechanism = SPAN("include:z.test") };
		assert_int_equal(attempt(w, "192.0.2.7", &first).key, REPLY_GREYLISTED);
		w->context.now_ms += 300000;
		enum reply_key key = attempt(w, "198.51.100.9", &spf).key;
		if (key != (cases[i].one ? REPLY_RCPT_OK : REPLY_GREYLISTED))
			fail_msg("%s of scope %d: %s", spf_result_name(cases[i].result), cases[i].scope, reply_entry(key)->name);
		world_close(w);
	}
	(void)state;
}

/* SPF's word is for the domain that it checked, and for no other. */
static void test_spf_of_another_domain_counts_for_nothing(void **state)
{
	struct world *w = world_open(sections);
	struct policy_spf other = { .result = SPF_PASS, .domain = SPAN("other.test"), .mechanism = SPAN("mx") };
	assert_int_equal(attempt(w, "192.0.2.7", &other).key, REPLY_GREYLISTED);
	w->context.now_ms += 300000;
	assert_int_equal(attempt(w, "198.51.100.9", &other).key, REPLY_GREYLISTED);
	world_close(w);
	(void)state;
}

static void test_spf_is_not_asked_where_it_cannot_help(void **state)
{
	struct world *w = world_open(sections);
	struct policy_input input = test_input("192.0.2.7", "alice@example.org");
	assert_int_equal(policy_ask(&w->context, &input, &w->trail).opinion, POLICY_NEEDS);
	/* not for who is refused anyway, exempt, or without a domain */
	struct policy_input others[] = { test_input("192.0.2.7", "nobody@example.org"),
		test_input("192.0.2.7", "abuse@example.org"), test_input("192.0.2.7", "alice@example.org") };
	others[2].sender = SPAN("x@[192.0.2.7]");
	for (size_t i = 0; i < COUNT(others); i++)
		assert_int_not_equal(policy_ask(&w->context, &others[i], &w->trail).opinion, POLICY_NEEDS);
	/* nor once the network is known */
	for (int i = 0; i < 4; i++) {
		struct policy_input again = test_input("192.0.2.7", i < 2 ? "alice@example.org" : "bob@example.org");
		ask(w, &again, &spf_none, false);
		w->context.now_ms += 300000;
	}
	others[2] = test_input("192.0.2.99", "alice@example.org");
	others[2].sender = SPAN("new@new.test");
	assert_int_equal(policy_ask(&w->context, &others[2], &w->trail).opinion, POLICY_ACCEPT);
	world_close(w);
	(void)state;
}

static void test_a_dry_run_changes_nothing(void **state)
{
	struct world *w = world_open(sections);
	for (int i = 0; i < 3; i++) {
		struct policy_input input = test_input("192.0.2.7", "alice@example.org");
		assert_int_equal(ask(w, &input, &spf_none, true).seconds, 300);
		w->context.now_ms += 300000;
	}
	assert_int_equal(greylist_counts(w->state.greylist).waiting, 0);
	world_close(w);
	(void)state;
}

/* Nobody is asked to come back by who cannot remember it. */
static void test_without_its_file_nobody_waits(void **state)
{
	struct world *w = world_open(sections);
	struct greylist *g = w->state.greylist;
	w->state.greylist_kept = false;
	assert_int_equal(attempt(w, "192.0.2.7", &spf_none).key, REPLY_RCPT_OK);
	assert_int_equal(greylist_counts(g).waiting, 0);
	w->state.greylist_kept = true;
	w->state.greylist = NULL;
	assert_int_equal(attempt(w, "192.0.2.7", &spf_none).key, REPLY_RCPT_OK);
	w->state.greylist = g;
	w->context.state = NULL;
	struct policy_input input = test_input("192.0.2.7", "alice@example.org");
	assert_int_equal(ask(w, &input, &spf_none, true).key, REPLY_RCPT_OK);
	world_close(w);
	(void)state;
}

/* Coming back to be refused for something else proves nothing. */
static void test_who_is_refused_later_has_not_come_back(void **state)
{
	struct world *w = world_open("greylist { delay = 5m }\n"
		"checks { order = {\"relay\", \"greylist\", \"recipient\"} }");
	for (int i = 0; i < 3; i++) {
		struct policy_input input = test_input("192.0.2.7", "nobody@example.org");
		assert_int_equal(ask(w, &input, &spf_none, false).key, i == 0 ? REPLY_GREYLISTED : REPLY_MAILBOX_UNKNOWN);
		w->context.now_ms += 300000;
	}
	assert_int_equal(greylist_counts(w->state.greylist).waiting, 1);
	world_close(w);
	(void)state;
}

static void expect_words(struct world *w, struct policy_input *input, const struct policy_spf *spf, const char *words)
{
	struct buf why;
	buf_init(&why, 4096);
	w->context.why = &why;
	ask(w, input, spf, false);
	const struct policy_step *last = w->trail.steps;
	while (last->check != CONF_CHECK_GREYLIST)
		assert_true(++last < &w->trail.steps[w->trail.count]);
	struct span said = span_from(span_to(buf_span(&why), last->why_to), last->why_from);
	if (!span_eq(said, span_str(words)))
		fail_msg("%.*s", SPAN_FMT(said));
	w->context.why = NULL;
	buf_fini(&why);
}

static void test_it_says_what_it_looked_at(void **state)
{
	struct world *w = world_open(sections);
	struct policy_spf pass = { .result = SPF_PASS, .domain = SPAN("y.test"), .mechanism = SPAN("ip4:192.0.2.0/28") };
	struct policy_spf all = { .result = SPF_PASS, .scope = SPF_SCOPE_EVERYBODY, .domain = SPAN("y.test"),
		.mechanism = SPAN("include:all.test") };
	struct policy_spf asked = { .result = SPF_PASS, .scope = SPF_SCOPE_UNKNOWN, .domain = SPAN("y.test"),
		.mechanism = SPAN("exists:%{i}.y.test") };
	struct policy_spf down = { .result = SPF_TEMPERROR, .reason = SPAN("the DNS did not answer in time.") };
	struct policy_input a = test_input("192.0.2.7", "Alice@example.org"), b = a, c = a, d = a, e = a, f = a;
	expect_words(w, &a, &pass, "\"x@y.test\" of y.test (SPF pass by \"ip4:192.0.2.0/28\") for \"alice@example.org\""
		" was never seen, and passes after 5 minutes");
	w->context.now_ms += 42000;
	expect_words(w, &b, &pass, "\"x@y.test\" of y.test (SPF pass by \"ip4:192.0.2.0/28\") for \"alice@example.org\""
		" comes back too early: 258 seconds of 5 minutes still to wait");
	c.sender = SPAN("list-77@y.test");
	expect_words(w, &c, &all, "\"list-#@y.test\" of 192.0.2.0/24 (SPF pass by \"include:all.test\", which is for everybody)"
		" for \"alice@example.org\" was never seen, and passes after 5 minutes");
	f.sender = SPAN("f@y.test");
	expect_words(w, &f, &asked, "\"f@y.test\" of 192.0.2.0/24 (SPF pass by \"exists:%{i}.y.test\", which may be for anybody)"
		" for \"alice@example.org\" was never seen, and passes after 5 minutes");
	d.client = test_addr("198.51.100.9");
	expect_words(w, &d, &down, "\"x@y.test\" of 198.51.100.0/24 (SPF temperror: the DNS did not answer in time)"
		" for \"alice@example.org\" was never seen, and passes after 5 minutes");
	w->context.now_ms += 258000;
	expect_words(w, &e, &pass, "\"x@y.test\" of y.test for \"alice@example.org\" comes back in time");
	e.facts.known = POLICY_FACT(POLICY_FACT_MAILBOX);
	expect_words(w, &e, &pass, "\"x@y.test\" of y.test for \"alice@example.org\" came back before");
	assert_true(greylist_allow(w->state.greylist, SPAN("192.0.2.0/24"), w->context.now_ms));
	expect_words(w, &e, &pass, "192.0.2.0/24 was allowed by an operator");
	struct policy_input p = test_input("192.0.2.7", "postmaster");
	expect_words(w, &p, &pass, "postmaster can always be reached");
	world_close(w);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_stranger_is_told_the_seconds_that_are_left),
		cmocka_unit_test(test_it_is_off_unless_a_delay_is_set),
		cmocka_unit_test(test_who_does_not_wait),
		cmocka_unit_test(test_a_pool_is_one_sender_where_spf_names_it),
		cmocka_unit_test(test_spf_of_another_domain_counts_for_nothing),
		cmocka_unit_test(test_spf_is_not_asked_where_it_cannot_help),
		cmocka_unit_test(test_a_dry_run_changes_nothing),
		cmocka_unit_test(test_without_its_file_nobody_waits),
		cmocka_unit_test(test_who_is_refused_later_has_not_come_back),
		cmocka_unit_test(test_it_says_what_it_looked_at),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
