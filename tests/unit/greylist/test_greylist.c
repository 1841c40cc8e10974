/* SPDX-License-Identifier: Apache-2.0 */
/* Stories of senders: who waits, who passes, who is known, and who makes room. */
#include "greylist_test.h"

#define A "192.0.2.7"
#define A_NEIGHBOUR "192.0.2.200"
#define B "198.51.100.7"
#define C "203.0.113.7"

static void test_a_new_sender_waits_and_passes(void **state)
{
	static const struct step story[] = {
		{ 0, A, .sender = "x@y.test", .recipient = "bob@h.test", .outcome = GREYLIST_FIRST, .wait_s = 300,
			.origin = "192.0.2.0/24" },
		{ 1, .outcome = GREYLIST_EARLY, .wait_s = 299, .origin = "192.0.2.0/24" },
		{ 299, .outcome = GREYLIST_EARLY, .wait_s = 1 },
		{ 300, .outcome = GREYLIST_RETURNED },
		{ 301, .outcome = GREYLIST_PASSED },
		/* others of the network, and other spellings, are the same sender */
		{ 302, A_NEIGHBOUR, .outcome = GREYLIST_PASSED },
		{ 303, .sender = "X+1@Y.test", .recipient = "BOB@H.test", .outcome = GREYLIST_PASSED },
		/* another recipient, another sender, another network: all new */
		{ 304, .recipient = "eve@h.test", .outcome = GREYLIST_FIRST, .wait_s = 300 },
		{ 305, .sender = "z@y.test", .recipient = "bob@h.test", .outcome = GREYLIST_FIRST, .wait_s = 300 },
		{ 306, B, .sender = "x@y.test", .outcome = GREYLIST_FIRST, .wait_s = 300 },
	};
	struct greylist *g = greylist_with(&usual);
	(void)state;
	TELL(g, story);
	greylist_free(g);
}

static void test_asking_alone_changes_nothing(void **state)
{
	struct greylist *g = greylist_with(&usual);
	struct greylist_question q = question(A, "x@y.test", "bob@h.test", false);
	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(greylist_look(g, &q, story_ms(i * 300)).outcome, GREYLIST_FIRST);
	assert_int_equal(greylist_counts(g).waiting, 0);
	assert_false(greylist_changed(g));
	greylist_free(g);
}

static void test_a_pool_that_spf_names_is_one_sender(void **state)
{
	static const struct step story[] = {
		{ 0, A, true, "x@big.test", "bob@h.test", .outcome = GREYLIST_FIRST, .wait_s = 300, .origin = "big.test" },
		{ 60, B, true, .outcome = GREYLIST_EARLY, .wait_s = 240, .origin = "big.test" },
		{ 310, "2001:db8::5", true, .outcome = GREYLIST_RETURNED, .origin = "big.test" },
		{ 320, C, true, .outcome = GREYLIST_PASSED },
		/* Who has no right to the name does not come by it. */
		{ 330, C, false, .outcome = GREYLIST_FIRST, .wait_s = 300, .origin = "203.0.113.0/24" },
	};
	static const struct step without[] = {
		{ 0, A, false, "x@big.test", "bob@h.test", .outcome = GREYLIST_FIRST, .wait_s = 300 },
		{ 310, B, false, .outcome = GREYLIST_FIRST, .wait_s = 300 },
		{ 620, C, false, .outcome = GREYLIST_FIRST, .wait_s = 300 },
	};
	struct greylist *g = greylist_with(&usual);
	(void)state;
	TELL(g, story);
	greylist_free(g);
	g = greylist_with(&usual);
	TELL(g, without);
	greylist_free(g);
}

/* The DNS is there at one attempt and not at the other. */
static void test_trouble_with_the_dns_costs_no_second_wait_from_the_same_network(void **state)
{
	static const struct step first_with[] = {
		{ 0, A, true, "x@y.test", "bob@h.test", .outcome = GREYLIST_FIRST, .wait_s = 300, .origin = "y.test" },
		{ 100, A_NEIGHBOUR, false, .outcome = GREYLIST_EARLY, .wait_s = 200, .origin = "y.test" },
		{ 301, A_NEIGHBOUR, false, .outcome = GREYLIST_RETURNED, .origin = "y.test" },
		{ 302, A, false, .outcome = GREYLIST_PASSED },
		{ 303, B, false, .outcome = GREYLIST_FIRST, .wait_s = 300, .origin = "198.51.100.0/24" },
	};
	static const struct step first_without[] = {
		{ 0, A, false, "x@y.test", "bob@h.test", .outcome = GREYLIST_FIRST, .wait_s = 300, .origin = "192.0.2.0/24" },
		{ 301, A, true, .outcome = GREYLIST_RETURNED, .origin = "192.0.2.0/24" },
	};
	struct greylist *g = greylist_with(&usual);
	(void)state;
	TELL(g, first_with);
	greylist_free(g);
	g = greylist_with(&usual);
	TELL(g, first_without);
	greylist_free(g);
}

static void test_spf_is_wanted_where_it_could_matter(void **state)
{
	struct greylist *g = greylist_with(&usual);
	struct greylist_question q = question(A, "x@y.test", "bob@h.test", false);
	struct greylist_question bounce = question(A, "", "bob@h.test", false);
	struct greylist_question literal = question(A, "x@[192.0.2.1]", "bob@h.test", false);
	(void)state;
	struct greylist_verdict v = greylist_look(g, &q, story_ms(0));
	assert_true(greylist_wants_domain(&q, &v));
	assert_true(greylist_wants_domain(&bounce, &v));
	assert_false(greylist_wants_domain(&literal, &v));
	attempt_at(g, &q, 0);
	v = greylist_look(g, &q, story_ms(10));
	assert_int_equal(v.outcome, GREYLIST_EARLY);
	assert_true(greylist_wants_domain(&q, &v));
	/* Who passes without it need not ask. */
	v = greylist_look(g, &q, story_ms(300));
	assert_int_equal(v.outcome, GREYLIST_RETURNED);
	assert_false(greylist_wants_domain(&q, &v));
	q.authenticated = true;
	v = greylist_look(g, &q, story_ms(10));
	assert_false(greylist_wants_domain(&q, &v));
	greylist_free(g);
}

static void test_who_does_not_come_back_in_time_is_new_again(void **state)
{
	static const struct step story[] = {
		{ 0, A, .sender = "x@y.test", .recipient = "bob@h.test", .outcome = GREYLIST_FIRST, .wait_s = 300 },
		{ 2 * DAY, .outcome = GREYLIST_RETURNED },
		{ 2 * DAY + 35 * DAY, .outcome = GREYLIST_PASSED },
		{ 2 * DAY + 70 * DAY + 1, .outcome = GREYLIST_FIRST, .wait_s = 300 },
		{ 2 * DAY + 72 * DAY + 2, .outcome = GREYLIST_FIRST, .wait_s = 300 },
	};
	struct greylist *g = greylist_with(&usual);
	(void)state;
	TELL(g, story);
	assert_int_equal(greylist_counts(g).waiting, 1);
	assert_int_equal(greylist_counts(g).passed, 0);
	greylist_free(g);
}

static void test_a_origin_that_comes_back_often_is_known(void **state)
{
	static const struct step story[] = {
		{ 0, A, .sender = "a@y.test", .recipient = "bob@h.test", .outcome = GREYLIST_FIRST, .wait_s = 300 },
		{ 0, .sender = "b@y.test", .outcome = GREYLIST_FIRST, .wait_s = 300 },
		{ 0, .sender = "c@y.test", .outcome = GREYLIST_FIRST, .wait_s = 300 },
		{ 0, .sender = "d@y.test", .outcome = GREYLIST_FIRST, .wait_s = 300 },
		{ 0, .sender = "e@y.test", .outcome = GREYLIST_FIRST, .wait_s = 300 },
		/* together they are one return */
		{ 300, .sender = "a@y.test", .outcome = GREYLIST_RETURNED },
		{ 301, .sender = "b@y.test", .outcome = GREYLIST_RETURNED },
		{ 599, .sender = "c@y.test", .outcome = GREYLIST_RETURNED },
		{ 599, .sender = "new@y.test", .outcome = GREYLIST_FIRST, .wait_s = 300 },
		{ 600, .sender = "d@y.test", .outcome = GREYLIST_RETURNED },
		{ 899, .sender = "second@y.test", .outcome = GREYLIST_FIRST, .wait_s = 300 },
		{ 900, .sender = "e@y.test", .outcome = GREYLIST_RETURNED },
		/* the third one */
		{ 900, A_NEIGHBOUR, .sender = "third@other.test", .outcome = GREYLIST_KNOWN, .origin = "192.0.2.0/24" },
		{ 900, B, .outcome = GREYLIST_FIRST, .wait_s = 300 },
		/* for as long as it is seen */
		{ 900 + 34 * DAY, A, .outcome = GREYLIST_KNOWN },
		{ 900 + 68 * DAY, A, .outcome = GREYLIST_KNOWN },
		{ 900 + 103 * DAY + 1, A, .outcome = GREYLIST_FIRST, .wait_s = 300 },
		/* and then it has to prove itself from the beginning */
		{ 900 + 104 * DAY, A, .outcome = GREYLIST_RETURNED },
		{ 901 + 104 * DAY, A, .sender = "f@y.test", .outcome = GREYLIST_FIRST, .wait_s = 300 },
	};
	struct greylist *g = greylist_with(&usual);
	struct greylist_options never = usual;
	(void)state;
	TELL(g, story);
	greylist_free(g);
	never.known_after = 0;
	g = greylist_with(&never);
	for (int i = 0; i < 20; i++) {
		char sender[] = "a@y.test";
		sender[0] = (char)('a' + i);
		struct greylist_question q = question(A, sender, "bob@h.test", true);
		assert_int_equal(attempt_at(g, &q, i * HOUR).outcome, GREYLIST_FIRST);
		assert_int_equal(attempt_at(g, &q, i * HOUR + 300).outcome, GREYLIST_RETURNED);
	}
	assert_int_equal(greylist_counts(g).known, 0);
	greylist_free(g);
}

/* Entries of an origin that is known say nothing more. */
static void test_entries_of_a_known_origin_are_not_kept(void **state)
{
	struct greylist *g = greylist_with(&usual);
	(void)state;
	for (int i = 0; i < 12; i++) {
		char sender[] = "a@y.test";
		sender[0] = (char)('a' + i % 9);
		struct greylist_question q = question(i == 8 ? B : A, sender, "bob@h.test", false);
		assert_int_equal(greylist_counts(g).waiting, i < 9 ? i : 18 - i);
		attempt_at(g, &q, i < 9 ? 0 : (i - 8) * 300);
	}
	/* The third return; what another network began still waits. */
	assert_int_equal(greylist_counts(g).waiting, 1);
	assert_int_equal(greylist_counts(g).passed, 0);
	assert_int_equal(greylist_counts(g).known, 1);
	greylist_free(g);
}

static void come_back(struct greylist *g, const char *first, const char *again, const char *sender, int64_t at_s)
{
	struct greylist_question q = question(first, sender, "bob@h.test", true);
	assert_int_equal(attempt_at(g, &q, at_s).outcome, GREYLIST_FIRST);
	q = question(again, sender, "bob@h.test", true);
	assert_int_equal(attempt_at(g, &q, at_s + 300).outcome, GREYLIST_RETURNED);
}

/* A network is known for what came back from it, whatever the domains; not for what others began. */
static void test_networks_are_known_for_what_they_did_themselves(void **state)
{
	static const struct step itself[] = {
		{ 5 * HOUR, A, false, "x@d4.test", "bob@h.test", .outcome = GREYLIST_KNOWN, .origin = "192.0.2.0/24" },
		{ 5 * HOUR, B, true, "x@d1.test", .outcome = GREYLIST_FIRST, .wait_s = 300, .origin = "d1.test" },
	};
	static const struct step others[] = {
		{ 5 * HOUR, B, false, "x@d4.test", "bob@h.test", .outcome = GREYLIST_FIRST, .wait_s = 300,
			.origin = "198.51.100.0/24" },
	};
	struct greylist *g = greylist_with(&usual);
	(void)state;
	come_back(g, A, A_NEIGHBOUR, "a@d1.test", HOUR);
	come_back(g, A, A, "a@d2.test", 2 * HOUR);
	come_back(g, A, A, "a@d3.test", 3 * HOUR);
	TELL(g, itself);
	greylist_free(g);
	g = greylist_with(&usual);
	come_back(g, A, B, "a@d1.test", HOUR);
	come_back(g, A, B, "a@d2.test", 2 * HOUR);
	come_back(g, A, B, "a@d3.test", 3 * HOUR);
	TELL(g, others);
	greylist_free(g);
}

static void test_domains_are_known_where_spf_says_so(void **state)
{
	static const struct step story[] = {
		{ 5 * HOUR, C, true, "z@d.test", "eve@h.test", .outcome = GREYLIST_KNOWN, .origin = "d.test" },
		{ 5 * HOUR, C, false, "z@d.test", "eve@h.test", .outcome = GREYLIST_FIRST, .wait_s = 300,
			.origin = "203.0.113.0/24" },
	};
	struct greylist *g = greylist_with(&usual);
	(void)state;
	come_back(g, A, B, "a@d.test", HOUR);
	come_back(g, B, A, "b@d.test", 2 * HOUR);
	come_back(g, A, B, "c@d.test", 3 * HOUR);
	TELL(g, story);
	greylist_free(g);
}

static void test_a_clock_that_goes_back_makes_nobody_wait_longer(void **state)
{
	static const struct step story[] = {
		{ 3 * DAY, A, .sender = "x@y.test", .recipient = "bob@h.test", .outcome = GREYLIST_FIRST, .wait_s = 300 },
		/* three days back, and on from there */
		{ 0, .outcome = GREYLIST_EARLY, .wait_s = 300 },
		{ 100, .outcome = GREYLIST_EARLY, .wait_s = 200 },
		{ 300, .outcome = GREYLIST_RETURNED },
		{ -DAY, .outcome = GREYLIST_PASSED },
	};
	struct greylist *g = greylist_with(&usual);
	(void)state;
	TELL(g, story);
	/* Even a return that counted in the future does not keep others from counting. */
	struct greylist_question q = question(A, "z@y.test", "bob@h.test", false);
	attempt_at(g, &q, -2 * DAY);
	attempt_at(g, &q, -2 * DAY + 300);
	q = question(A, "w@y.test", "bob@h.test", false);
	attempt_at(g, &q, -2 * DAY);
	attempt_at(g, &q, -2 * DAY + 900);
	assert_int_equal(greylist_counts(g).known, 1);
	greylist_free(g);
}

static void test_what_waits_goes_by_new_settings(void **state)
{
	static const struct step before[] = {
		{ 0, A, .sender = "x@y.test", .recipient = "bob@h.test", .outcome = GREYLIST_FIRST, .wait_s = 300 },
	};
	static const struct step shorter[] = {
		{ 10, A, .sender = "x@y.test", .recipient = "bob@h.test", .outcome = GREYLIST_EARLY, .wait_s = 50 },
	};
	static const struct step longer[] = {
		{ 60, A, .sender = "x@y.test", .recipient = "bob@h.test", .outcome = GREYLIST_EARLY, .wait_s = 540 },
	};
	struct greylist *g = greylist_with(&usual);
	struct greylist_options options = usual;
	(void)state;
	TELL(g, before);
	options.delay_ms = 60000;
	greylist_tune(g, &options);
	TELL(g, shorter);
	options.delay_ms = 600000;
	greylist_tune(g, &options);
	TELL(g, longer);
	greylist_free(g);
}

/* --- room --- */

static struct greylist_verdict flood(struct greylist *g, unsigned network, unsigned message, int64_t at_s)
{
	char client[32], sender[32];
	snprintf(client, sizeof(client), "10.%u.%u.1", network / 256, network % 256);
	snprintf(sender, sizeof(sender), "%c%c%c@junk.test", 'a' + (int)(message % 26), 'a' + (int)(message / 26 % 26),
		'a' + (int)(message / 676 % 26));
	struct greylist_question q = question(client, sender, "bob@h.test", false);
	return attempt_at(g, &q, at_s);
}

static void test_a_flood_makes_nobody_forget_what_passed(void **state)
{
	static const struct step before[] = {
		{ 0, A, .sender = "x@y.test", .recipient = "bob@h.test", .outcome = GREYLIST_FIRST, .wait_s = 300 },
		{ 300, .outcome = GREYLIST_RETURNED },
		{ 301, B, .outcome = GREYLIST_FIRST, .wait_s = 300 },
	};
	static const struct step after[] = {
		{ 350, A, .sender = "x@y.test", .recipient = "bob@h.test", .outcome = GREYLIST_PASSED },
		/* what was promised is kept */
		{ 601, B, .outcome = GREYLIST_RETURNED },
		/* there is room for one again */
		{ 602, C, .outcome = GREYLIST_FIRST, .wait_s = 300 },
		{ 602, C, .sender = "z@y.test", .outcome = GREYLIST_FULL },
		{ 900, C, .sender = "z@y.test", .outcome = GREYLIST_FULL },
	};
	struct greylist *g = greylist_with(&usual);
	(void)state;
	TELL(g, before);
	for (unsigned i = 0; i < 5000; i++)
		assert_int_equal(flood(g, i, 0, 310).outcome, i < 749 ? GREYLIST_FIRST : GREYLIST_FULL);
	assert_int_equal(greylist_counts(g).waiting, 750);
	assert_int_equal(greylist_counts(g).let_through, 5000 - 749);
	TELL(g, after);
	assert_int_equal(greylist_counts(g).forgotten, 0);
	greylist_free(g);
}

/* A network that fills everything gives way before anybody else does, and before anybody is let through. */
static void test_one_origin_does_not_use_up_the_room_of_others(void **state)
{
	static const struct step before[] = {
		{ 0, A, .sender = "x@y.test", .recipient = "bob@h.test", .outcome = GREYLIST_FIRST, .wait_s = 300 },
	};
	static const struct step after[] = {
		{ 30, B, .sender = "x@y.test", .recipient = "bob@h.test", .outcome = GREYLIST_FIRST, .wait_s = 300 },
		{ 300, A, .outcome = GREYLIST_RETURNED },
		{ 330, B, .outcome = GREYLIST_RETURNED },
	};
	struct greylist *g = greylist_with(&usual);
	(void)state;
	TELL(g, before);
	for (unsigned i = 0; i < 5000; i++)
		assert_int_equal(flood(g, 7, i, 10).outcome, GREYLIST_FIRST);
	assert_int_equal(greylist_counts(g).waiting, 750);
	assert_int_equal(greylist_counts(g).forgotten, 5000 - 749);
	TELL(g, after);
	greylist_free(g);
}

/* Who did not come back within hours gives way before anybody is let through. */
static void test_the_oldest_give_way_when_their_chance_is_over(void **state)
{
	struct greylist *g = greylist_with(&usual);
	(void)state;
	for (unsigned i = 0; i < 750; i++)
		flood(g, i, 0, i < 10 ? 0 : 10 * HOUR);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(flood(g, 1000 + i, 0, 10 * HOUR).outcome, GREYLIST_FIRST);
	assert_int_equal(flood(g, 2000, 0, 10 * HOUR).outcome, GREYLIST_FULL);
	assert_int_equal(greylist_counts(g).forgotten, 10);
	greylist_free(g);
}

static void test_what_passed_makes_room_by_its_last_use(void **state)
{
	static const struct step used[] = {
		{ 7200, "10.0.0.1", .sender = "aaa@junk.test", .recipient = "bob@h.test", .outcome = GREYLIST_PASSED },
	};
	static const struct step after[] = {
		{ 9000, "10.0.0.1", .sender = "aaa@junk.test", .recipient = "bob@h.test", .outcome = GREYLIST_PASSED },
		{ 9000, "10.0.1.1", .outcome = GREYLIST_FIRST, .wait_s = 300 },
	};
	struct greylist_options options = usual;
	options.known_after = 1000;
	struct greylist *g = greylist_with(&options);
	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(flood(g, i, 0, i / 10).outcome, GREYLIST_FIRST);
		assert_int_equal(flood(g, i, 0, 300 + i / 10).outcome, GREYLIST_RETURNED);
	}
	assert_int_equal(greylist_counts(g).passed, 1000);
	TELL(g, used);
	assert_int_equal(flood(g, 3000, 0, 8000).outcome, GREYLIST_FIRST);
	assert_int_equal(greylist_counts(g).passed, 999);
	/* The first one was used since; the second, of network 10.0.1.0, was the oldest. */
	TELL(g, after);
	greylist_free(g);
}

static void test_old_things_are_forgotten_a_few_at_a_time(void **state)
{
	struct greylist *g = greylist_with(&usual);
	(void)state;
	for (unsigned i = 0; i < 100; i++)
		flood(g, i, 0, 0);
	for (unsigned i = 0; i < 30; i++)
		flood(g, i, 0, 400);
	assert_int_equal(greylist_expire(g, story_ms(2 * DAY), 1000), 0);
	assert_int_equal(greylist_expire(g, story_ms(2 * DAY + 1), 50), 50);
	assert_int_equal(greylist_counts(g).waiting, 20);
	assert_int_equal(greylist_expire(g, story_ms(2 * DAY + 1), 50), 20);
	assert_int_equal(greylist_expire(g, story_ms(35 * DAY + 400), 50), 0);
	assert_int_equal(greylist_counts(g).passed, 30);
	/* with an entry goes what its origin had on its way to being known */
	assert_int_equal(greylist_expire(g, story_ms(35 * DAY + 401), 1000), 60);
	assert_int_equal(greylist_counts(g).passed, 0);
	greylist_free(g);
}

static void test_a_smaller_limit_takes_effect_step_by_step(void **state)
{
	struct greylist_options options = usual;
	struct greylist *g = greylist_with(&options);
	(void)state;
	for (unsigned i = 0; i < 600; i++)
		flood(g, i, 0, 0);
	for (unsigned i = 0; i < 100; i++)
		flood(g, i, 0, 300);
	options.entries_max = 100;
	greylist_tune(g, &options);
	assert_int_equal(greylist_expire(g, story_ms(301), 300), 300);
	assert_int_equal(greylist_counts(g).waiting, 200);
	assert_int_equal(greylist_expire(g, story_ms(301), 10000), 200);
	assert_int_equal(greylist_counts(g).passed, 100);
	greylist_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_new_sender_waits_and_passes),
		cmocka_unit_test(test_asking_alone_changes_nothing),
		cmocka_unit_test(test_a_pool_that_spf_names_is_one_sender),
		cmocka_unit_test(test_trouble_with_the_dns_costs_no_second_wait_from_the_same_network),
		cmocka_unit_test(test_spf_is_wanted_where_it_could_matter),
		cmocka_unit_test(test_who_does_not_come_back_in_time_is_new_again),
		cmocka_unit_test(test_a_origin_that_comes_back_often_is_known),
		cmocka_unit_test(test_entries_of_a_known_origin_are_not_kept),
		cmocka_unit_test(test_networks_are_known_for_what_they_did_themselves),
		cmocka_unit_test(test_domains_are_known_where_spf_says_so),
		cmocka_unit_test(test_a_clock_that_goes_back_makes_nobody_wait_longer),
		cmocka_unit_test(test_what_waits_goes_by_new_settings),
		cmocka_unit_test(test_a_flood_makes_nobody_forget_what_passed),
		cmocka_unit_test(test_one_origin_does_not_use_up_the_room_of_others),
		cmocka_unit_test(test_the_oldest_give_way_when_their_chance_is_over),
		cmocka_unit_test(test_what_passed_makes_room_by_its_last_use),
		cmocka_unit_test(test_old_things_are_forgotten_a_few_at_a_time),
		cmocka_unit_test(test_a_smaller_limit_takes_effect_step_by_step),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
