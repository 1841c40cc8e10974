/* SPDX-License-Identifier: Apache-2.0 */
/* The brake under a clock that the test moves: what is learned, who is stopped, who is forgotten, what is said. */
#include "policy_test.h"

#include <stdio.h>
#include <string.h>

#include "brake_notice.h"

#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)

static const struct brake_rule rule = { .floor = 100, .times = 5, .hold_us = 24 * HOUR, .learn_us = 0 };

/* Sends until it is stopped, at most `most` recipients; how many went through. */
static unsigned burst(struct brakes *b, const char *who, unsigned most, uint64_t now_us)
{
	unsigned sent = 0;
	while (sent < most && !brakes_look(b, span_str(who), &rule, now_us).held) {
		brakes_take(b, span_str(who), &rule, now_us);
		sent++;
	}
	return sent;
}

static void test_what_is_usual_is_learned(void **state)
{
	/* The busiest hour of one day after the other, then how many get through in an hour of the next. */
	static const struct {
		const char *name;
		unsigned days[8], count, allowed;
	} cases[] = {
		{ "nobody ever saw it", { 0 }, 0, 100 },
		{ "a few a day", { 3, 5, 2, 7 }, 4, 100 },
		{ "one busy day", { 80 }, 1, 200 },
		{ "a busy week", { 80, 80, 80, 80, 80, 80, 80 }, 7, 400 },
		{ "slowly more", { 50, 60, 70, 80, 90, 100 }, 6, 450 },
		{ "busy, then two silent days", { 80, 80, 80, 80, 0, 0 }, 6, 365 },
		{ "one busy day, never again", { 20, 100, 20, 20, 20, 20, 20 }, 7, 250 },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct brakes b;
		uint64_t now_us = 10 * DAY + 9 * HOUR;
		brakes_init(&b, 10, test_secret);
		for (size_t day = 0; day < cases[i].count; day++, now_us += DAY)
			assert_int_equal(burst(&b, "a", cases[i].days[day], now_us), cases[i].days[day]);
		unsigned got = burst(&b, "a", 10000, now_us);
		if (got != cases[i].allowed)
			fail_msg("%s: %u", cases[i].name, got);
		brakes_fini(&b);
	}
	(void)state;
}

/* A newsletter, on one day of a month and in one hour of it: once somebody said that it is meant, it passes. */
static void test_who_writes_once_a_month_is_known_for_long(void **state)
{
	static const unsigned sizes[] = { 150, 300, 450 };
	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct brakes b;
		unsigned releases = 0;
		brakes_init(&b, 10, test_secret);
		for (unsigned month = 0; month < 24; month++) {
			uint64_t now_us = (10 + 30 * (uint64_t)month) * DAY + 9 * HOUR;
			unsigned got = burst(&b, "news", sizes[i], now_us);
			if (got == sizes[i])
				continue;
			assert_true(brakes_trip(&b, SPAN("news"), &rule, now_us));
			assert_true(brakes_release(&b, SPAN("news"), &rule, now_us));
			releases++;
			assert_int_equal(burst(&b, "news", sizes[i] - got, now_us), sizes[i] - got);
		}
		assert_int_equal(releases, 1);
		brakes_fini(&b);
	}
	(void)state;
}

static void test_an_hour_slides(void **state)
{
	struct brakes b;
	uint64_t now_us = 5 * DAY;
	brakes_init(&b, 10, test_secret);
	assert_int_equal(burst(&b, "a", 60, now_us), 60);
	/* Across what would be the end of an hour it still counts. */
	assert_int_equal(burst(&b, "a", 1000, now_us + 49 * 60 * SECOND), 40);
	assert_true(brakes_look(&b, SPAN("a"), &rule, now_us + 59 * 60 * SECOND).held);
	assert_int_equal(brakes_look(&b, SPAN("a"), &rule, now_us + 61 * 60 * SECOND).sent, 40);
	assert_int_equal(brakes_look(&b, SPAN("a"), &rule, now_us + 3 * HOUR).sent, 0);
	/* Somebody else has an hour of its own. */
	assert_int_equal(brakes_look(&b, SPAN("b"), &rule, now_us).sent, 0);
	brakes_fini(&b);
	(void)state;
}

static void test_who_is_held_stays_held_until_its_time_or_a_word(void **state)
{
	struct brakes b;
	uint64_t now_us = 5 * DAY;
	brakes_init(&b, 10, test_secret);
	assert_false(brakes_trip(&b, SPAN("a"), &rule, now_us));
	assert_int_equal(burst(&b, "a", 1000, now_us), 100);
	assert_true(brakes_trip(&b, SPAN("a"), &rule, now_us));
	assert_false(brakes_trip(&b, SPAN("a"), &rule, now_us + 1));
	struct brake_view view = brakes_look(&b, SPAN("a"), &rule, now_us + 2 * HOUR);
	assert_true(view.held && view.sent == 0 && view.hold.sent == 100 && view.hold.usual == 0);
	assert_null(brakes_expire(&b, now_us + 23 * HOUR));
	assert_non_null(brakes_expire(&b, now_us + 24 * HOUR));
	assert_null(brakes_expire(&b, now_us + 24 * HOUR));
	/* That day taught nothing: it is as before. */
	assert_int_equal(burst(&b, "a", 1000, now_us + 24 * HOUR), 100);
	assert_true(brakes_trip(&b, SPAN("a"), &rule, now_us + 24 * HOUR));
	/* A word says that it was meant. */
	assert_true(brakes_release(&b, SPAN("a"), &rule, now_us + 25 * HOUR));
	assert_false(brakes_release(&b, SPAN("a"), &rule, now_us + 25 * HOUR));
	assert_int_equal(burst(&b, "a", 1000, now_us + 26 * HOUR), 500);
	assert_false(brakes_release(&b, SPAN("nobody"), &rule, now_us));
	brakes_fini(&b);
	(void)state;
}

static void test_nobody_is_held_while_it_learns(void **state)
{
	const struct brake_rule learning = { .floor = 100, .times = 5, .hold_us = HOUR, .learn_us = DAY };
	struct brakes b;
	uint64_t now_us = 5 * DAY;
	brakes_init(&b, 10, test_secret);
	b.began_us = (int64_t)now_us;
	for (unsigned i = 0; i < 3000; i++) {
		assert_false(brakes_look(&b, SPAN("a"), &learning, now_us).held);
		brakes_take(&b, SPAN("a"), &learning, now_us);
	}
	assert_false(brakes_trip(&b, SPAN("a"), &learning, now_us));
	struct brake_view after = brakes_look(&b, SPAN("a"), &learning, now_us + DAY);
	assert_true(!after.learning && after.usual > 2500 && after.allowed == after.usual * 5);
	/* A beginning long before this clock's. */
	b.began_us = -(int64_t)(30 * DAY);
	assert_false(brakes_look(&b, SPAN("a"), &learning, 1).learning);
	brakes_fini(&b);
	(void)state;
}

/* A million hosts push out neither those who are known nor those who are held. */
static void test_memory_is_bounded_and_the_right_ones_stay(void **state)
{
	struct brakes b;
	char who[32];
	uint64_t now_us = 5 * DAY;
	brakes_init(&b, 1000, test_secret);
	assert_int_equal(burst(&b, "busy", 90, now_us), 90);
	assert_int_equal(burst(&b, "held", 1000, now_us), 100);
	assert_true(brakes_trip(&b, SPAN("held"), &rule, now_us));
	now_us += DAY - HOUR;
	brakes_take(&b, SPAN("busy"), &rule, now_us + HOUR);
	for (unsigned i = 0; i < 1000000; i++) {
		snprintf(who, sizeof(who), "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
		brakes_take(&b, span_str(who), &rule, now_us);
	}
	assert_int_equal(b.map.count, 1000);
	assert_true(brakes_look(&b, SPAN("held"), &rule, now_us).held);
	assert_int_equal(brakes_look(&b, SPAN("busy"), &rule, now_us + HOUR).usual, 45);
	/* The newest of the others are there. */
	assert_non_null(brakes_find(&b, span_str(who)));
	assert_null(brakes_find(&b, SPAN("10.0.0.0")));
	/* When all are held, the one that is held longest goes, and nothing breaks. */
	struct brakes few;
	brakes_init(&few, 2, test_secret);
	for (unsigned i = 0; i < 5; i++) {
		snprintf(who, sizeof(who), "h%u", i);
		assert_int_equal(burst(&few, who, 1000, now_us), 100);
		assert_true(brakes_trip(&few, span_str(who), &rule, now_us));
	}
	assert_int_equal(few.map.count, 2);
	assert_non_null(brakes_find(&few, SPAN("h4")));
	brakes_fini(&few);
	brakes_fini(&b);
	(void)state;
}

/* The clock may stand still, or jump far ahead, as after a machine slept. */
static void test_jumps_of_the_clock(void **state)
{
	struct brakes b;
	uint64_t now_us = 5 * DAY;
	brakes_init(&b, 10, test_secret);
	assert_int_equal(burst(&b, "a", 1000, now_us), 100);
	for (uint64_t jump = 1; jump < UINT64_C(1) << 60; jump *= 8) {
		struct brake_view view = brakes_look(&b, SPAN("a"), &rule, now_us + jump);
		assert_true(view.sent <= 100 && view.usual <= 100);
	}
	assert_int_equal(brakes_look(&b, SPAN("a"), &rule, now_us + 3 * 365 * DAY).usual, 0);
	/* A little back, as between two threads' clocks: the same as now. */
	assert_int_equal(brakes_look(&b, SPAN("a"), &rule, now_us - HOUR).sent, 100);
	brakes_fini(&b);
	(void)state;
}

static void test_what_was_kept_is_there_again(void **state)
{
	struct brakes b;
	const struct brake_hold none = { 0 }, hold = { .since_us = 0, .until_us = 3 * HOUR, .sent = 700, .usual = 20 };
	brakes_init(&b, 10, test_secret);
	assert_true(brakes_restore(&b, SPAN("a"), 60, &none, HOUR));
	assert_true(brakes_restore(&b, SPAN("b"), 20, &hold, HOUR));
	assert_int_equal(burst(&b, "a", 1000, HOUR), 300);
	assert_true(brakes_look(&b, SPAN("b"), &rule, 2 * HOUR).held);
	assert_false(brakes_look(&b, SPAN("b"), &rule, 4 * HOUR).hold.until_us > 0);
	assert_true(brakes_release(&b, SPAN("b"), &rule, 2 * HOUR));
	assert_int_equal(brakes_look(&b, SPAN("b"), &rule, 2 * HOUR).allowed, 3500);
	brakes_fini(&b);
	(void)state;
}

/* Part by part, whenever the restart was; and when the machine was started anew, and the clock with it, a little longer. */
static void test_an_hour_that_was_kept_goes_on(void **state)
{
	static const struct {
		const char *name;
		uint64_t away_us, now_us; /* how long nothing ran; the clock after it */
		uint32_t sent, later;     /* at once, and half an hour later */
	} cases[] = {
		{ "at once", 0, 10 * HOUR, 12, 7 }, { "a while", HOUR / 2, 10 * HOUR, 7, 0 }, { "an hour", HOUR, 10 * HOUR, 0, 0 },
		{ "a day", DAY, 10 * HOUR, 0, 0 }, { "a machine's start", HOUR / 6, HOUR / 60, 12, 12 },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct brakes before, after;
		uint32_t parts[BRAKE_SLOTS];
		brakes_init(&before, 10, test_secret);
		brakes_init(&after, 10, test_secret);
		burst(&before, "a", 5, 2 * HOUR);
		burst(&before, "a", 7, 2 * HOUR + HOUR / 2);
		const struct brake *a = brakes_find(&before, SPAN("a"));
		uint64_t then_us = 2 * HOUR + HOUR / 2;
		uint64_t age_us = then_us - brake_hour(a, then_us, parts) + cases[i].away_us;
		assert_true(brakes_restore(&after, SPAN("a"), 0, &(struct brake_hold){ 0 }, cases[i].now_us));
		if (age_us < HOUR)
			brake_hour_restore(brakes_find(&after, SPAN("a")), parts, age_us, cases[i].now_us);
		uint64_t now = brakes_look(&after, SPAN("a"), &rule, cases[i].now_us).sent;
		uint64_t later = brakes_look(&after, SPAN("a"), &rule, cases[i].now_us + HOUR / 2).sent;
		if (now != cases[i].sent || later != cases[i].later)
			fail_msg("%s: %u, then %u", cases[i].name, (unsigned)now, (unsigned)later);
		brakes_fini(&before);
		brakes_fini(&after);
	}
	(void)state;
}

/* --- the check --- */

static struct world *world_open(const char *sections)
{
	static const struct directory_domain domain = { .name = SPAN("example.org"),
		.users = { SPAN("users"), SPAN("alice\n") }, .postmaster = SPAN("alice@example.org") };
	static struct world w;
	test_world_open(&w, sections, &domain, 1);
	w.context.now_us = 10 * DAY;
	return &w;
}

static struct policy_verdict ask(struct world *w, struct policy_input *input)
{
	struct policy_verdict verdict = policy_ask(&w->context, input, &w->trail);
	policy_settle(&w->state, &w->context, input, &w->trail);
	return verdict;
}

static struct policy_input trusted(const char *client, const char *recipient)
{
	struct policy_input input = test_input(client, recipient);
	input.trusted = true;
	return input;
}

#define SMALL "brake {\n recipients = 10\n times = 2\n learn = 0s\n except = {\"192.0.2.99\"}\n}\n"

static void test_who_is_watched(void **state)
{
	static const struct {
		const char *name, *client, *account;
		bool trusted, lmtp, watched;
	} cases[] = {
		{ "a stranger", "192.0.2.1", "", false, false, false },
		{ "a trusted host", "192.0.2.1", "", true, false, true },
		{ "an account, wherever it is", "203.0.113.9", "joe", true, false, true },
		{ "an excepted host", "192.0.2.99", "", true, false, false },
		{ "an account on an excepted host", "192.0.2.99", "joe", true, false, true },
		{ "a server that hands over", "192.0.2.1", "", true, true, false },
		{ "a program of this host", "", "", true, false, false },
		{ "IPv6", "2001:db8::1", "", true, false, true },
		{ "IPv4 in IPv6", "::ffff:192.0.2.1", "", true, false, true },
		{ "IPv4 in IPv6, excepted", "::ffff:192.0.2.99", "", true, false, false },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct world *w = world_open(SMALL);
		unsigned passed = 0;
		struct policy_verdict verdict;
		do {
			struct policy_input input = test_input(cases[i].client, "alice@example.org");
			input.trusted = cases[i].trusted;
			input.lmtp = cases[i].lmtp;
			input.account = span_str(cases[i].account);
			verdict = ask(w, &input);
		} while (verdict.key == REPLY_RCPT_OK && ++passed < 50);
		if (passed != (cases[i].watched ? 10u : 50u))
			fail_msg("%s: %u", cases[i].name, passed);
		if (cases[i].watched) {
			assert_int_equal(verdict.key, REPLY_SUDDEN_BURST);
			assert_string_equal(verdict.check, "brake");
			assert_int_equal(verdict.line, 4);
			assert_int_equal(w->state.counts[CONF_CHECK_BRAKE].deferred, 1);
		}
		test_world_close(w);
	}
	(void)state;
}

/* Hosts of one /64 are one; accounts and hosts are never the same; an address is one however it is written. */
static void test_who_shares_a_budget(void **state)
{
	static const struct {
		const char *client, *account, *who;
	} cases[] = {
		{ "192.0.2.1", "", "192.0.2.1" }, { "::ffff:192.0.2.1", "", "192.0.2.1" },
		{ "2001:db8:0:1::5", "", "2001:db8:0:1::/64" }, { "2001:db8:0:1:ffff::9", "", "2001:db8:0:1::/64" },
		{ "2001:db8:0:2::5", "", "2001:db8:0:2::/64" },
		{ "192.0.2.1", "192.0.2.1", "account:192.0.2.1" }, { "203.0.113.1", "alice@example.org", "account:alice@example.org" },
	};
	struct world *w = world_open(SMALL);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct policy_input input = trusted(cases[i].client, "alice@example.org");
		input.account = span_str(cases[i].account);
		ask(w, &input);
		if (brakes_find(&w->state.brakes, span_str(cases[i].who)) == NULL)
			fail_msg("%s %s is not %s", cases[i].client, cases[i].account, cases[i].who);
	}
	assert_int_equal(w->state.brakes.map.count, 5);
	test_world_close(w);
	(void)state;
}

static void test_what_is_counted(void **state)
{
	struct world *w = world_open(SMALL);
	struct policy_input unknown = trusted("192.0.2.1", "nobody@example.org");
	struct policy_input postmaster = trusted("192.0.2.1", "Postmaster@example.org");
	struct policy_input alice = trusted("192.0.2.1", "alice@example.org");
	for (unsigned i = 0; i < 50; i++) {
		assert_int_equal(ask(w, &unknown).key, REPLY_MAILBOX_UNKNOWN);
		assert_int_equal(ask(w, &postmaster).key, REPLY_RCPT_OK);
	}
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(ask(w, &alice).key, REPLY_RCPT_OK);
	/* To ask alone neither counts nor stops. */
	for (unsigned i = 0; i < 50; i++)
		assert_int_equal(policy_ask(&w->context, &alice, &w->trail).key, REPLY_SUDDEN_BURST);
	assert_null(brakes_each(&w->state.brakes, BRAKE_HELD, NULL));
	assert_int_equal(ask(w, &alice).key, REPLY_SUDDEN_BURST);
	assert_non_null(brakes_each(&w->state.brakes, BRAKE_HELD, NULL));
	assert_int_equal(ask(w, &postmaster).key, REPLY_RCPT_OK);
	/* Nobody at another place is called postmaster for this. */
	struct policy_input elsewhere = trusted("192.0.2.1", "postmaster@elsewhere.test");
	struct policy_route all = { .pattern = SPAN("*") };
	w->context.routes = (struct policy_routes){ &all, 1 };
	assert_int_equal(ask(w, &elsewhere).key, REPLY_SUDDEN_BURST);
	w->context.now_us += 25 * HOUR;
	while (brakes_expire(&w->state.brakes, w->context.now_us) != NULL)
		;
	assert_int_equal(ask(w, &alice).key, REPLY_RCPT_OK);
	test_world_close(w);
	(void)state;
}

/* It is only said that postmaster is told where a file says who that is. */
static void test_who_is_stopped_is_told_the_truth(void **state)
{
	static const struct {
		const char *name;
		struct directory_domain domain;
		enum policy_postmaster postmaster;
	} cases[] = {
		{ "nobody", { .users = { SPAN("users"), SPAN("alice\n") } }, POLICY_POSTMASTER_NOBODY },
		{ "a user", { .users = { SPAN("users"), SPAN("alice\nPostmaster\n") } }, POLICY_POSTMASTER_SOMEBODY },
		{ "a closed one", { .users = { SPAN("users"), SPAN("alice\npostmaster disabled\n") } }, POLICY_POSTMASTER_NOBODY },
		{ "an alias", { .users = { SPAN("users"), SPAN("alice\n") }, .aliases = { SPAN("a"), SPAN("postmaster: alice\n") } },
			POLICY_POSTMASTER_SOMEBODY },
		{ "a setting", { .users = { SPAN("users"), SPAN("alice\n") }, .postmaster = SPAN("alice@example.org") },
			POLICY_POSTMASTER_SOMEBODY },
		{ "a setting for nobody", { .users = { SPAN("users"), SPAN("alice\n") }, .postmaster = SPAN("joe@example.org") },
			POLICY_POSTMASTER_NOBODY },
		{ "a catch-all", { .users = { SPAN("users"), SPAN("alice\n") }, .catch_all = SPAN("alice@example.org") },
			POLICY_POSTMASTER_SOMEBODY },
		{ "a directory", { .users = { SPAN("users"), SPAN("alice\n") }, .aliases_source = 1 },
			POLICY_POSTMASTER_NOT_KNOWN },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		static struct world w;
		struct policy_verdict verdict;
		struct directory_domain domain = cases[i].domain;
		domain.name = SPAN("example.org");
		test_world_open(&w, SMALL, &domain, 1);
		w.context.now_us = 10 * DAY;
		if (policy_postmaster(&w.context) != cases[i].postmaster)
			fail_msg("%s: %d", cases[i].name, policy_postmaster(&w.context));
		brakes_restore(&w.state.brakes, SPAN("192.0.2.1"), 1,
			&(struct brake_hold){ .since_us = 9 * DAY, .until_us = 11 * DAY, .sent = 50 }, w.context.now_us);
		struct policy_input input = trusted("192.0.2.1", "x@elsewhere.test");
		struct policy_route all = { .pattern = SPAN("*") };
		w.context.routes = (struct policy_routes){ &all, 1 };
		verdict = ask(&w, &input);
		if (verdict.key != (cases[i].postmaster == POLICY_POSTMASTER_SOMEBODY ? REPLY_SUDDEN_BURST : REPLY_SUDDEN_BURST_UNTOLD))
			fail_msg("%s: %s", cases[i].name, reply_entry(verdict.key)->name);
		test_world_close(&w);
	}
	(void)state;
}

static void test_it_can_be_switched_off(void **state)
{
	static const char *const ways[] = { "brake {\n recipients = 10\n learn = 0s\n active = no\n}\n",
		"checks {\n order = {\"relay\", \"recipient\"}\n}\n" };
	for (size_t i = 0; i < COUNT(ways); i++) {
		struct world *w = world_open(ways[i]);
		struct policy_input alice = trusted("192.0.2.1", "alice@example.org");
		for (unsigned n = 0; n < 2000; n++)
			assert_int_equal(ask(w, &alice).key, REPLY_RCPT_OK);
		test_world_close(w);
	}
	/* And it is on, with room for several hundred, when nothing is said; on the first day it learns. */
	struct world *w = world_open("");
	struct policy_input alice = trusted("192.0.2.1", "alice@example.org");
	w->state.brakes.began_us = 10 * DAY;
	for (unsigned n = 0; n < 2000; n++)
		assert_int_equal(ask(w, &alice).key, REPLY_RCPT_OK);
	struct policy_input other = trusted("192.0.2.2", "alice@example.org");
	w->context.now_us += 2 * DAY;
	for (unsigned n = 0; n < 500; n++)
		assert_int_equal(ask(w, &other).key, REPLY_RCPT_OK);
	assert_int_equal(ask(w, &other).key, REPLY_SUDDEN_BURST);
	test_world_close(w);
	(void)state;
}

static void test_words(void **state)
{
	struct world *w = world_open(SMALL);
	struct policy_input alice = trusted("192.0.2.1", "alice@example.org");
	struct buf why;
	buf_init(&why, 4096);
	w->context.why = &why;
	policy_ask(&w->context, &alice, &w->trail);
	assert_non_null(strstr(buf_cstr(&why), "192.0.2.1: 0 recipients within the last hour, 10 allowed"));
	for (unsigned i = 0; i < 11; i++)
		ask(w, &alice);
	buf_clear(&why);
	policy_ask(&w->context, &alice, &w->trail);
	assert_non_null(strstr(buf_cstr(&why), "192.0.2.1: 10 recipients within the last hour, and held back for another 1 day"));
	buf_fini(&why);
	test_world_close(w);
	(void)state;
}

/* --- the message to postmaster --- */

static void expect_in(const char *text, const char *part)
{
	if (text == NULL || strstr(text, part) == NULL)
		fail_msg("\"%s\" is not in:\n%s", part, text != NULL ? text : "nothing");
}

static void test_the_message_says_who_how_much_since_when_and_what_to_do(void **state)
{
	struct buf out;
	struct brake_notice n = { .hostname = SPAN("mx.example.org"), .id = SPAN("01abc"), .who = SPAN("192.0.2.7"),
		.hold = { .sent = 512, .usual = 12 }, .now_ms = 1795528931000, .until_ms = 1795528931000 + 86400000, .line = 9 };
	buf_init(&out, 16384);
	brake_notice_write(&out, &n);
	const char *text = buf_cstr(&out);
	expect_in(text, "Subject: Held back: the host 192.0.2.7 suddenly sends very much mail\r\n");
	expect_in(text, "The host 192.0.2.7,\r\nwhich this server trusts, named 512 recipients within the last hour.\r\n");
	expect_in(text, "In the busiest hours of the days before it named 12.\r\n");
	expect_in(text, "since\r\nTue, 24 Nov 2026 14:02:11 +0000");
	expect_in(text, "waybill brake release 192.0.2.7\r\n");
	expect_in(text, "waybill queue release --reason \"brake: 192.0.2.7,\"\r\n");
	expect_in(text, "may send again from\r\nWed, 25 Nov 2026 14:02:11 +0000");
	expect_in(text, "in line 9 of yours.\r\n");
	buf_clear(&out);
	n.who = SPAN("account:joe$(x)\"\r\nBcc: a@b.test \xc3\xa9");
	n.hold.usual = 0;
	n.line = 0;
	brake_notice_write(&out, &n);
	text = buf_cstr(&out);
	expect_in(text, "The account joe");
	expect_in(text, "Nothing like that is known of it from the days before.\r\n");
	assert_null(strstr(text, "\nBcc"));
	assert_null(strstr(text, "$("));
	assert_null(strstr(text, "in line"));
	for (size_t i = 0, line = 0; i < out.len; i++) {
		assert_true(out.ptr[i] < 127);
		line = out.ptr[i] == '\n' ? 0 : line + 1;
		assert_true(line < 200);
		assert_true(out.ptr[i] != '\n' || (i > 0 && out.ptr[i - 1] == '\r'));
	}
	buf_fini(&out);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_usual_is_learned),
		cmocka_unit_test(test_who_writes_once_a_month_is_known_for_long),
		cmocka_unit_test(test_an_hour_slides),
		cmocka_unit_test(test_who_is_held_stays_held_until_its_time_or_a_word),
		cmocka_unit_test(test_nobody_is_held_while_it_learns),
		cmocka_unit_test(test_memory_is_bounded_and_the_right_ones_stay),
		cmocka_unit_test(test_jumps_of_the_clock),
		cmocka_unit_test(test_what_was_kept_is_there_again), cmocka_unit_test(test_an_hour_that_was_kept_goes_on),
		cmocka_unit_test(test_who_is_watched),
		cmocka_unit_test(test_who_shares_a_budget),
		cmocka_unit_test(test_what_is_counted),
		cmocka_unit_test(test_who_is_stopped_is_told_the_truth),
		cmocka_unit_test(test_it_can_be_switched_off),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_the_message_says_who_how_much_since_when_and_what_to_do),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
