/* SPDX-License-Identifier: Apache-2.0 */
/* Who is told what: the whole table of NOTIFY, event and sender. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dsn_policy.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define ACTIONS 5
#define HOUR UINT64_C(3600000)

static const char *const action_names[ACTIONS] = { "failed", "delayed", "relayed", "expanded", "delivered" };

/* For each NOTIFY, which of failed, delayed, relayed, expanded, delivered the sender hears of. */
static void test_sender_hears_what_notify_asks_for(void **state)
{
	static const struct {
		uint8_t notify;
		const char *told; /* one letter for each action: y or n */
	} cases[] = {
		{ 0, "yynnn" },
		{ DSN_NOTIFY_NEVER, "nnnnn" },
		{ DSN_NOTIFY_SUCCESS, "nnyyy" },
		{ DSN_NOTIFY_FAILURE, "ynnnn" },
		{ DSN_NOTIFY_DELAY, "nynnn" },
		{ DSN_NOTIFY_SUCCESS | DSN_NOTIFY_FAILURE | DSN_NOTIFY_DELAY, "yyyyy" },
		{ DSN_NOTIFY_FAILURE | DSN_NOTIFY_DELAY, "yynnn" },
		{ DSN_NOTIFY_NEVER | DSN_NOTIFY_FAILURE, "nnnnn" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		for (int a = 0; a < ACTIONS; a++) {
			struct dsn_event event = { .action = (enum dsn_action)a, .notify = cases[i].notify };
			struct dsn_message_facts person = { 0 }, null = { .null_sender = true };
			bool due = dsn_policy_due(&dsn_policy_default, &person, &event, DSN_READER_SENDER);
			if (due != (cases[i].told[a] == 'y'))
				fail_msg("notify %u, %s: due %d", cases[i].notify, action_names[a], due);
			assert_false(dsn_policy_due(&dsn_policy_default, &null, &event, DSN_READER_SENDER));
		}
	}
}

static void test_default_notify_is_configured(void **state)
{
	struct dsn_policy quiet = dsn_policy_default;
	struct dsn_message_facts message = { 0 };
	struct dsn_event delayed = { .action = DSN_DELAYED }, asked = { .action = DSN_DELAYED, .notify = DSN_NOTIFY_DELAY };
	(void)state;
	quiet.notify_default = DSN_NOTIFY_FAILURE;
	assert_false(dsn_policy_due(&quiet, &message, &delayed, DSN_READER_SENDER));
	assert_true(dsn_policy_due(&quiet, &message, &asked, DSN_READER_SENDER));
}

static void test_postmaster_hears_of_failures_alone(void **state)
{
	static const struct {
		bool null_sender, to_postmaster, double_bounces, copies, due;
	} cases[] = {
		{ .null_sender = true, .double_bounces = true, .due = true },
		{ .null_sender = true, .double_bounces = false, .copies = true, .due = false },
		{ .null_sender = true, .to_postmaster = true, .double_bounces = true, .copies = true, .due = false },
		{ .to_postmaster = true, .double_bounces = true, .copies = true, .due = false },
		{ .double_bounces = true, .due = false },
		{ .copies = true, .due = true },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct dsn_policy policy = { .notify_default = DSN_NOTIFY_FAILURE, .double_bounces = cases[i].double_bounces,
			.failure_copies = cases[i].copies };
		struct dsn_message_facts message = { .null_sender = cases[i].null_sender, .to_postmaster = cases[i].to_postmaster };
		for (int a = 0; a < ACTIONS; a++) {
			struct dsn_event event = { .action = (enum dsn_action)a, .notify = DSN_NOTIFY_NEVER };
			bool due = dsn_policy_due(&policy, &message, &event, DSN_READER_POSTMASTER);
			if (due != (cases[i].due && a == DSN_FAILED))
				fail_msg("case %zu, %s: due %d", i, action_names[a], due);
		}
	}
}

static void test_recipients_that_fail_together_share_a_report(void **state)
{
	const struct dsn_event events[] = {
		{ DSN_FAILED, 0 }, { DSN_FAILED, DSN_NOTIFY_NEVER }, { DSN_DELIVERED, 0 },
		{ DSN_DELIVERED, DSN_NOTIFY_SUCCESS }, { DSN_FAILED, DSN_NOTIFY_FAILURE },
	};
	struct dsn_message_facts message = { 0 };
	struct dsn_policy policy = dsn_policy_default;
	size_t picked[COUNT(events)];
	(void)state;
	policy.failure_copies = true;
	struct dsn_events list = { events, COUNT(events) };
	assert_int_equal(dsn_policy_pick(&policy, &message, list, DSN_READER_SENDER, picked), 3);
	assert_true(picked[0] == 0 && picked[1] == 3 && picked[2] == 4);
	assert_int_equal(dsn_policy_pick(&policy, &message, list, DSN_READER_POSTMASTER, picked), 3);
	assert_true(picked[0] == 0 && picked[1] == 1 && picked[2] == 4);
}

static void test_delay_notices_come_after_four_hours_and_a_day(void **state)
{
	const struct dsn_policy *p = &dsn_policy_default;
	(void)state;
	assert_int_equal(dsn_delay_next_ms(p, 1000, 0), 1000 + 4 * HOUR);
	assert_int_equal(dsn_delay_next_ms(p, 1000, 1), 1000 + 24 * HOUR);
	assert_true(dsn_delay_next_ms(p, 1000, 2) == UINT64_MAX);
	assert_true(dsn_delay_next_ms(p, UINT64_MAX - HOUR, 0) == UINT64_MAX);
	assert_int_equal(dsn_delay_told(p, 1000, 999 + 4 * HOUR), 0);
	assert_int_equal(dsn_delay_told(p, 1000, 1000 + 4 * HOUR), 1);
	/* After a long stop one notice tells of both. */
	assert_int_equal(dsn_delay_told(p, 1000, 1000 + 30 * HOUR), 2);
}

static void test_members_do_not_confirm_an_expansion_again(void **state)
{
	static const struct {
		uint8_t notify;
		size_t members;
		uint8_t after;
	} cases[] = {
		{ 0, 1, 0 }, { 0, 5, 0 },
		{ DSN_NOTIFY_NEVER, 5, DSN_NOTIFY_NEVER },
		{ DSN_NOTIFY_SUCCESS, 1, DSN_NOTIFY_SUCCESS },
		{ DSN_NOTIFY_SUCCESS, 2, DSN_NOTIFY_NEVER },
		{ DSN_NOTIFY_SUCCESS | DSN_NOTIFY_FAILURE, 2, DSN_NOTIFY_FAILURE },
		{ DSN_NOTIFY_FAILURE | DSN_NOTIFY_DELAY, 2, DSN_NOTIFY_FAILURE | DSN_NOTIFY_DELAY },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		if (dsn_notify_after_expansion(cases[i].notify, cases[i].members) != cases[i].after)
			fail_msg("notify %u, %zu members", cases[i].notify, cases[i].members);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sender_hears_what_notify_asks_for),
		cmocka_unit_test(test_default_notify_is_configured),
		cmocka_unit_test(test_postmaster_hears_of_failures_alone),
		cmocka_unit_test(test_recipients_that_fail_together_share_a_report),
		cmocka_unit_test(test_delay_notices_come_after_four_hours_and_a_day),
		cmocka_unit_test(test_members_do_not_confirm_an_expansion_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
