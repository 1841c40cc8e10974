/* SPDX-License-Identifier: Apache-2.0 */
/* From what another server said to the time of the next attempt: real replies, classified by the catalogue. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "verdict.h"

#define SECOND UINT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define NOW (UINT64_C(1700000000) * SECOND)
#define CHANCES 200

static const uint64_t waits_ms[] = { MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR };
static const struct retry_plan days = { waits_ms, 7, 5 * DAY };
static const uint64_t short_waits_ms[] = { 10 * SECOND, 15 * SECOND, 30 * SECOND };
static const struct retry_rules by_days = { .way = { waits_ms, 7, 5 * DAY } };
static const struct retry_plan seconds = { short_waits_ms, 3, 50 * SECOND };

struct reply_case {
	const char *reply;
	const struct retry_plan *plan; /* NULL: days */
	uint32_t attempts;
	bool give_up;
	bool pace;
	uint64_t least_ms, most_ms;    /* until the next attempt */
};

static const struct reply_case cases[] = {
	{ .reply = "550 5.1.1 No such user", .attempts = 1, .give_up = true },
	{ .reply = "550 5.7.1 Message contains a virus", .attempts = 1, .give_up = true },
	{ .reply = "552 5.3.4 Message too big", .attempts = 1, .give_up = true },
	/* greylisted: just after the time it names, else five minutes, then fifteen; never the plan's minute */
	{ .reply = "450 4.7.1 Greylisted; try again in 300 seconds", .attempts = 1,
	  .least_ms = 301 * SECOND, .most_ms = 318 * SECOND },
	{ .reply = "450 4.2.0 Recipient address rejected: Greylisted, see http://postgrey.example/help?in=42", .attempts = 3,
	  .least_ms = 43 * SECOND, .most_ms = 47 * SECOND },
	{ .reply = "451 4.7.1 Greylisting in action, please come back later", .attempts = 1,
	  .least_ms = 5 * MINUTE, .most_ms = 5 * MINUTE + 30 * SECOND },
	{ .reply = "451 4.7.1 Greylisting in action, please come back later", .attempts = 2,
	  .least_ms = 15 * MINUTE, .most_ms = 15 * MINUTE + 90 * SECOND },
	{ .reply = "451 4.7.1 Greylisting in action, please come back later", .attempts = 9,
	  .least_ms = 15 * MINUTE, .most_ms = 15 * MINUTE + 90 * SECOND },
	/* full: hours, not minutes */
	{ .reply = "452 4.2.2 The email account that you tried to reach is over quota", .attempts = 1,
	  .least_ms = HOUR, .most_ms = HOUR + 6 * MINUTE },
	{ .reply = "452 4.2.2 Mailbox full", .attempts = 3, .least_ms = 4 * HOUR, .most_ms = 4 * HOUR + 24 * MINUTE },
	/* locked: minutes, never hours */
	{ .reply = "450 4.2.0 Mailbox is in use; try again later", .attempts = 1, .least_ms = MINUTE,
	  .most_ms = MINUTE + 6 * SECOND },
	{ .reply = "450 4.2.0 /var/mail/alice: mailbox is locked: alice.lock is 7 s old, of pid 7", .attempts = 3,
	  .least_ms = 15 * MINUTE, .most_ms = 15 * MINUTE + 90 * SECOND },
	{ .reply = "450 4.2.0 /var/mail/alice: mailbox is locked: it has a flock lock", .attempts = 100, .least_ms = 15 * MINUTE,
	  .most_ms = 15 * MINUTE + 90 * SECOND },
	{ .reply = "450 4.2.0 Mailbox locked", .plan = &seconds, .attempts = 3, .least_ms = 30 * SECOND,
	  .most_ms = 33 * SECOND },
	/* what the other server limits, it limits for all */
	{ .reply = "421 4.7.28 Our system has detected an unusual rate of unsolicited mail. Rate limited", .attempts = 1,
	  .pace = true, .least_ms = 5 * MINUTE, .most_ms = 5 * MINUTE + 30 * SECOND },
	/* nothing special: the plan */
	{ .reply = "451 4.3.0 Local error in processing", .attempts = 1, .least_ms = MINUTE, .most_ms = MINUTE + 6 * SECOND },
	{ .reply = "451 4.3.0 Local error in processing", .attempts = 2, .least_ms = 5 * MINUTE,
	  .most_ms = 5 * MINUTE + 30 * SECOND },
	{ .reply = "451 4.3.0 Local error in processing", .attempts = 100, .least_ms = 4 * HOUR,
	  .most_ms = 4 * HOUR + 24 * MINUTE },
	/* where little time is given in all, a reason's long wait does not use it up */
	{ .reply = "452 4.2.2 Mailbox full", .plan = &seconds, .attempts = 1, .least_ms = 10 * SECOND, .most_ms = 11 * SECOND },
	{ .reply = "451 4.7.1 Greylisting in action", .plan = &seconds, .attempts = 1, .least_ms = 6250,
	  .most_ms = 6900 },
};

static struct classify_answer classify(const char *reply)
{
	struct classify_input input;
	struct classify_answer answer;
	classify_input_parse(span_str(reply), &input);
	classify_reply(&input, &answer);
	return answer;
}

static void check(const struct reply_case *c, uint64_t chance)
{
	struct classify_answer answer = classify(c->reply);
	struct retry_rules rules = { .way = c->plan != NULL ? *c->plan : days };
	struct verdict v = verdict_of(&rules, &answer, c->attempts, NOW, chance);
	uint64_t wait = v.give_up ? 0 : v.retry_at_ms - NOW;
	if (v.give_up != c->give_up || v.pace != c->pace || wait < c->least_ms || wait > c->most_ms)
		fail_msg("%s, attempt %u (%s): give_up %d, pace %d, after %llu ms", c->reply, c->attempts,
			classify_reason_info(answer.reason)->name, v.give_up, v.pace, (unsigned long long)wait);
}

static void test_the_reason_steers_the_next_attempt(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct id_source chance = { { i, 7 } };
		check(&cases[i], 0);
		check(&cases[i], UINT64_MAX);
		for (int n = 0; n < CHANCES; n++)
			check(&cases[i], id_source_u64(&chance));
	}
}

static void test_unknown_user_by_a_temporary_code_is_tried_a_few_times_only(void **state)
{
	struct classify_answer answer = classify("450 4.1.1 User unknown in local recipient table");
	uint32_t attempts = 1;
	(void)state;
	assert_true(answer.temporary && answer.doubtful);
	while (attempts < 1000 && !verdict_of(&by_days, &answer, attempts, NOW, 0).give_up)
		attempts++;
	assert_true(attempts >= 3 && attempts <= 10);
}

/* Whatever is said, however often: never at once, never in the past, never beyond a week. */
static void test_every_reason_and_attempt_waits_within_bounds(void **state)
{
	struct id_source chance = { { 3, 4 } };
	(void)state;
	for (unsigned reason = 0; reason < REASON_COUNT; reason++)
		for (uint32_t attempts = 1; attempts < 50; attempts++)
			for (uint32_t delay_s = 0; delay_s <= CLASSIFY_DELAY_S_MAX; delay_s = delay_s * 7 + 1) {
				struct classify_answer answer = { .reason = (enum classify_reason)reason, .temporary = true,
					.delay_s = delay_s };
				struct verdict v = verdict_of(&by_days, &answer, attempts, NOW, id_source_u64(&chance));
				assert_false(v.give_up);
				assert_true(v.retry_at_ms >= NOW + MINUTE || (delay_s > 0 && v.retry_at_ms > NOW + delay_s * SECOND));
				assert_true(v.retry_at_ms < NOW + 8 * DAY);
			}
}

static void test_permanent_in_truth_gives_up_whatever_the_attempt(void **state)
{
	(void)state;
	for (unsigned reason = 0; reason < REASON_COUNT; reason++) {
		struct classify_answer answer = { .reason = (enum classify_reason)reason, .temporary = false, .delay_s = 300 };
		assert_true(verdict_of(&by_days, &answer, 1, NOW, 0).give_up);
	}
}

/* Of one configuration: more special is stronger, and what it does not say, the next one does. */
static void test_reason_before_way_and_what_is_not_said_follows_the_next(void **state)
{
	static const uint64_t route_ms[] = { 3 * MINUTE }, full_ms[] = { 2 * MINUTE, 7 * MINUTE };
	struct retry_plan reasons[REASON_COUNT] = {
		[REASON_MAILBOX_FULL] = { full_ms, 2, 0 },
		[REASON_BLOCKLISTED] = { NULL, 0, DAY },
	};
	struct retry_rules rules = { .way = { route_ms, 1, 2 * DAY }, .reasons = reasons };
	static const struct {
		const char *reply;
		uint32_t attempts;
		uint64_t wait_ms, give_up_ms;
	} expected[] = {
		{ "452 4.2.2 Mailbox full", 1, 2 * MINUTE, 2 * DAY },
		{ "452 4.2.2 Mailbox full", 2, 7 * MINUTE, 2 * DAY },
		{ "452 4.2.2 Mailbox full", 9, 7 * MINUTE, 2 * DAY },
		{ "452 4.2.2 Mailbox full; try again in 60 seconds", 1, 61 * SECOND, 2 * DAY },
		{ "451 4.3.0 Local error in processing", 5, 3 * MINUTE, 2 * DAY },
		{ "451 4.7.1 Client host blocked using zen.spamhaus.org", 1, HOUR, DAY },
		{ "451 4.7.1 Greylisting in action, please come back later", 1, 5 * MINUTE, 2 * DAY },
	};
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		struct classify_answer answer = classify(expected[i].reply);
		uint64_t at = verdict_of(&rules, &answer, expected[i].attempts, NOW, 0).retry_at_ms;
		if (at != NOW + expected[i].wait_ms)
			fail_msg("%s: after %llu ms", expected[i].reply, (unsigned long long)(at - NOW));
		assert_true(retry_rules_plan(&rules, answer.reason).give_up_ms == expected[i].give_up_ms);
	}
	rules.give_up_max_ms = HOUR;
	assert_true(retry_rules_plan(&rules, REASON_BLOCKLISTED).give_up_ms == HOUR);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_reason_steers_the_next_attempt),
		cmocka_unit_test(test_unknown_user_by_a_temporary_code_is_tried_a_few_times_only),
		cmocka_unit_test(test_every_reason_and_attempt_waits_within_bounds),
		cmocka_unit_test(test_permanent_in_truth_gives_up_whatever_the_attempt),
		cmocka_unit_test(test_reason_before_way_and_what_is_not_said_follows_the_next),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
