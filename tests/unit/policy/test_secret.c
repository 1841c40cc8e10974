/* SPDX-License-Identifier: Apache-2.0 */
/* Who guesses from many networks at once, and who would make the server behind a relay. */
#include "policy_test.h"

#include <stdio.h>

static const struct directory_domain domains[] = {
	{ .name = SPAN("example.org"), .users = { SPAN("users"), SPAN("alice\nbob\n") } },
	{ .name = SPAN("caught.test"), .users = { SPAN("users"), SPAN("alice\n") }, .catch_all = SPAN("bob@example.org") },
};

/* Guesses come from many clients; everything else about them is the same. */
struct guarded {
	struct conf *conf;
	struct directory_table *table;
	struct directory_view view;
	struct policy_state state;
	struct policy_context context;
};

static struct guarded *guarded_open(const char *sections)
{
	static struct guarded g;
	struct directory_source source = { .domains = domains, .domain_count = COUNT(domains) };
	struct buf problems;
	buf_init(&problems, 4096);
	g.conf = test_conf(sections);
	g.table = directory_table_new(&source, &problems);
	g.view.table = g.table;
	buf_fini(&problems);
	policy_state_init(&g.state, test_secret);
	g.context = (struct policy_context){ .hostname = g.conf->hostname, .checks = &g.conf->checks,
		.directory = &g.view, .state = &g.state, .now_us = 1000 * SECOND };
	return &g;
}

static void guarded_close(struct guarded *g)
{
	policy_state_fini(&g->state);
	directory_table_free(g->table);
	conf_free(g->conf);
}

static enum reply_key say(struct guarded *g, const char *client, const char *recipient, bool trusted)
{
	struct policy_trail trail;
	struct policy_input input = test_input(client, recipient);
	input.trusted = trusted;
	struct policy_verdict verdict = policy_ask(&g->context, &input, &trail);
	policy_settle(&g->state, &g->context, &input, &trail);
	return verdict.key;
}

static enum reply_key known(struct guarded *g, const char *client)
{
	return say(g, client, "alice@example.org", false);
}

/* How many of `count` guesses were answered, each from a /64 of its own, so many of these in each /48. */
static unsigned guess(struct guarded *g, unsigned first_site, unsigned count, unsigned in_each)
{
	unsigned told = 0;
	for (unsigned i = 0; i < count; i++) {
		char client[64];
		snprintf(client, sizeof(client), "2001:db8:%x:%x::1", first_site + i / in_each, i % in_each);
		told += say(g, client, "nobody@example.org", false) == REPLY_MAILBOX_UNKNOWN;
	}
	return told;
}

/* Who has a whole site's addresses, or a provider's, has ten or a hundred times the budget of one network, not 65536
 * times; nobody else waits for that. */
static void test_harvest_by_many_networks_of_one_owner_ends(void **state)
{
	struct guarded *g = guarded_open("harvest { unknown = 2 per = 1h }");
	assert_int_equal(guess(g, 7, 1000, 1000), 20);
	assert_int_equal(known(g, "2001:db8:7:ffff::1"), REPLY_TOO_MANY_UNKNOWN);
	assert_int_equal(known(g, "2001:db8:8::1"), REPLY_RCPT_OK);
	assert_int_equal(guess(g, 100, 5000, 5), 180);
	assert_int_equal(known(g, "2001:db8:8::1"), REPLY_TOO_MANY_UNKNOWN);
	assert_int_equal(known(g, "2001:db9::1"), REPLY_RCPT_OK);
	assert_int_equal(known(g, "192.0.2.1"), REPLY_RCPT_OK);
	guarded_close(g);
	(void)state;
}

static void test_the_owner_of_many_networks_recovers_too(void **state)
{
	struct guarded *g = guarded_open("harvest { unknown = 2 per = 60s }");
	assert_int_equal(guess(g, 7, 100, 100), 20);
	g->context.now_us += 3 * SECOND; /* a twentieth of the time for one of twenty */
	assert_int_equal(known(g, "2001:db8:7:ff::1"), REPLY_RCPT_OK);
	assert_int_equal(guess(g, 7, 100, 100), 1);
	guarded_close(g);
	(void)state;
}

/* However many networks there are: the memory has a limit, and those who used up their budget are forgotten last. */
static void test_harvest_by_more_networks_than_are_remembered(void **state)
{
	struct guarded *g = guarded_open("harvest { unknown = 2 per = 1d }");
	for (int i = 0; i < 2; i++)
		say(g, "192.0.2.7", "nobody@example.org", false);
	for (unsigned i = 0; i < POLICY_NETWORKS_MAX + 1000; i++) {
		char client[64];
		snprintf(client, sizeof(client), "%u.%u.%u.1", 1 + i / 65536, i / 256 % 256, i % 256);
		say(g, client, "nobody@example.org", false);
	}
	assert_int_equal(buckets_count(&g->state.unknown), POLICY_NETWORKS_MAX);
	assert_int_equal(known(g, "192.0.2.7"), REPLY_TOO_MANY_UNKNOWN);
	guarded_close(g);
	(void)state;
}

/* A server of ours that takes mail for everybody may read another host's name out of a local part. */
static void test_a_local_part_that_names_a_host_is_not_passed_on(void **state)
{
	static const char *const paths[] = { "a%elsewhere.test@example.org", "elsewhere.test!a@example.org",
		"\"a@elsewhere.test\"@example.org", "\"a%b\"@EXAMPLE.org" };
	struct guarded *g = guarded_open("");
	struct policy_route kept = { .pattern = SPAN("example.org"), .open = true };
	g->context.relays = (struct policy_routes){ &kept, 1 };
	assert_int_equal(say(g, "192.0.2.7", "anybody@example.org", false), REPLY_RCPT_OK);
	for (size_t i = 0; i < COUNT(paths); i++) {
		assert_int_equal(say(g, "192.0.2.7", paths[i], false), REPLY_RELAY_DENIED);
		assert_int_equal(say(g, "192.0.2.7", paths[i], true), REPLY_RCPT_OK);
	}
	/* Where users are listed, the list decides. */
	kept.open = false;
	assert_int_equal(say(g, "192.0.2.7", paths[0], false), REPLY_MAILBOX_UNKNOWN);
	guarded_close(g);
	(void)state;
}

/* Where every name is taken, looking at the mailbox of those who have one would tell them by the time it takes. */
static void test_mailboxes_behind_a_catch_all_are_looked_at_for_friends_alone(void **state)
{
	static const struct {
		const char *client, *recipient;
		bool trusted, lmtp, wanted;
	} cases[] = {
		{ "192.0.2.7", "alice@example.org", false, false, true }, { "192.0.2.7", "alice@caught.test", false, false, false },
		{ "192.0.2.7", "nobody@caught.test", false, false, false }, { "192.0.2.7", "alice@caught.test", true, false, true },
		{ "192.0.2.7", "alice@caught.test", false, true, true }, { "", "alice@caught.test", false, false, true },
	};
	struct guarded *g = guarded_open("");
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct policy_trail trail;
		struct policy_input input = test_input(cases[i].client, cases[i].recipient);
		input.trusted = cases[i].trusted;
		input.lmtp = cases[i].lmtp;
		input.facts.known = 0;
		if ((policy_ask(&g->context, &input, &trail).opinion == POLICY_NEEDS) != cases[i].wanted)
			fail_msg("case %zu", i);
	}
	guarded_close(g);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_harvest_by_many_networks_of_one_owner_ends),
		cmocka_unit_test(test_the_owner_of_many_networks_recovers_too),
		cmocka_unit_test(test_harvest_by_more_networks_than_are_remembered),
		cmocka_unit_test(test_a_local_part_that_names_a_host_is_not_passed_on),
		cmocka_unit_test(test_mailboxes_behind_a_catch_all_are_looked_at_for_friends_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
