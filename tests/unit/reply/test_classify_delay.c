/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a reply asks to wait: periods in words, clocks and parameters, dates
 * against a given time, what names no delay, and the bounds. Every text also runs cut
 * at every byte, in memory of exactly that size.
 */
#include <stdio.h>
#include <stdlib.h>

#include "classify.h"
#include "reply_test.h"

#define NOON_MS 1795608000000U /* 2026-11-25 12:00:00 UTC */

struct delay_case {
	const char *text;
	uint32_t delay_s;
	const char *words;
};

static const struct delay_case periods[] = {
	{ "450 4.7.1 Greylisted; try again in 300 seconds", 300, "in 300 seconds" },
	{ "451 greylisted, try again in 5 minutes", 300, "in 5 minutes" },
	{ "451 4.7.1 greylisted, retry=00:05:00", 300, "retry=00:05:00" },
	{ "450 4.2.0 Greylisted, see http://postgrey.example/help?in=300", 300, "in=300" },
	{ "421 too many connections, wait 1 hour", 3600, "wait 1 hour" },
	{ "450 greylisted, please come back in 00:04:58", 298, "in 00:04:58" },
	{ "450 greylisted, come back in 4 minutes 30 seconds", 270, "in 4 minutes 30 seconds" },
	{ "450 greylisted, come back in 4 minutes and 30 seconds", 270, "in 4 minutes and 30 seconds" },
	{ "450 greylisted, come back in 4m30s.", 270, "in 4m30s" },
	{ "450 greylisted; retry after 2h", 7200, "after 2h" },
	{ "450 try again in an hour", 3600, "in an hour" },
	{ "450 try again in half an hour", 1800, "in half an hour" },
	{ "450 try again in 1.5 hours", 5400, "in 1.5 hours" },
	{ "450 try again in 0.25 hours", 900, "in 0.25 hours" },
	{ "450 greylisted for five minutes", 300, "for five minutes" },
	{ "421 your network is blocked for 10 minutes", 600, "for 10 minutes" },
	{ "421 throttled for the next 2 hours", 7200, "next 2 hours" },
	{ "421 4.7.0 Retry-After: 120", 120, "Retry-After: 120" },
	{ "421 4.7.0 busy; retry_after=90", 90, "retry_after=90" },
	{ "421 4.7.0 busy, Retry-After 2 min", 120, "Retry-After 2 min" },
	{ "450 Greylisting, bitte in 5 Minuten erneut versuchen", 300, "in 5 Minuten" },
	{ "451 liste grise, revenez dans 10 minutes", 600, "dans 10 minutes" },
	{ "450 intente de nuevo en 2 horas", 7200, "en 2 horas" },
	{ "450 come back in a week", 604800, "in a week" },
};

static const struct delay_case none[] = {
	{ "452 4.2.2 Mailbox is full; try again later [s 965m90]", 0, "" },
	{ "450 rate limited: more than 10 messages in 60 minutes", 0, "" },
	{ "421 blocked for sending 100 messages in 60 minutes", 0, "" },
	{ "450 try again later", 0, "" },
	{ "read timed out after 300 s", 0, "" },
	{ "421 4.4.2 connection dropped after 5 minutes", 0, "" },
	{ "450 try again in 300", 0, "" },
	{ "450 greylisted by version 4.7.1 minutes", 0, "" },
	{ "450 try again in 99999999999999999999 seconds", 0, "" },
	{ "450 try again in 604801 seconds", 0, "" },
	{ "450 try again in 168.1 hours", 0, "" },
	{ "450 try again in 8 days", 0, "" },
	{ "450 try again in 0 seconds", 0, "" },
	{ "450 greylisted, retry=", 0, "" },
	{ "421 4.7.0 Retry-After: ", 0, "" },
	{ "421 4.7.0 Retry-After: 604801", 0, "" },
	{ "421 closed, try again after 14:00", 0, "" },
	{ "421 closed until 02:30:00", 0, "" },
	{ "550 user unknown, wait 5 minutes", 0, "" },
};

static const struct delay_case dates[] = {
	{ "450 try again after 2026-11-25 12:30", 1800, "after 2026-11-25 12:30" },
	{ "450 try again after 2026-11-25T12:00:10Z.", 10, "after 2026-11-25T12:00:10Z" },
	{ "450 try again after 2026/11/25 14:00:00.250 +0100", 3600, "after 2026/11/25 14:00:00.250 +0100" },
	{ "450 blocked until 2026-11-25 08:00 -05:00", 3600, "until 2026-11-25 08:00 -05:00" },
	{ "421 Retry-After: Wed, 25 Nov 2026 13:00:00 GMT", 3600, "Wed, 25 Nov 2026 13:00:00 GMT" },
	{ "450 not before a week is over, try again 2026-12-02 12:00 UTC", 604800, "again 2026-12-02 12:00 UTC" },
	{ "450 try again after 2026-12-02 12:00:01 UTC", 0, "" },
	{ "450 try again after 2026-11-25 12:00:00 UTC", 0, "" },
	{ "450 try again after 2026-11-24 12:30", 0, "" },
	{ "450 try again after 2027-02-29 12:30", 0, "" },
	{ "450 try again after 2026-13-25 12:30", 0, "" },
	{ "450 try again after 2026-11-25 24:30", 0, "" },
	{ "450 try again after 25 Nop 2026 12:30", 0, "" },
	{ "450 your message of 2026-11-25 12:30 is too large", 0, "" },
};

static struct classify_answer classified_at(struct span reply, uint64_t now_ms)
{
	struct classify_input input;
	struct classify_answer answer;
	classify_input_parse(reply, &input);
	input.now_ms = now_ms;
	classify_reply(&input, &answer);
	return answer;
}

static void assert_delays(const struct delay_case *cases, size_t count, uint64_t now_ms)
{
	for (size_t i = 0; i < count; i++) {
		struct classify_answer answer = classified_at(span_str(cases[i].text), now_ms);
		if (answer.delay_s != cases[i].delay_s || !span_eq(answer.delay_words, span_str(cases[i].words)))
			fail_msg("\"%s\": %u s by \"%.*s\"", cases[i].text, answer.delay_s, SPAN_FMT(answer.delay_words));
	}
}

#define COUNT(cases) (sizeof(cases) / sizeof((cases)[0]))

static void test_periods(void **state)
{
	(void)state;
	assert_delays(periods, COUNT(periods), NOON_MS);
	assert_delays(none, COUNT(none), NOON_MS);
}

static void test_dates(void **state)
{
	(void)state;
	assert_delays(dates, COUNT(dates), NOON_MS);
}

/* Without a clock a date is no delay, and its time is not read as one of minutes and seconds. */
static void test_dates_without_clock(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(dates); i++)
		assert_int_equal(classified_at(span_str(dates[i].text), 0).delay_s, 0);
}

/* The longest delay that is believed, and a leap day. */
static void test_bounds(void **state)
{
	(void)state;
	assert_int_equal(classified_at(SPAN("450 try again in 604800 seconds"), 0).delay_s, CLASSIFY_DELAY_S_MAX);
	assert_int_equal(classified_at(SPAN("450 try again in 168 hours"), 0).delay_s, CLASSIFY_DELAY_S_MAX);
	assert_int_equal(classified_at(SPAN("450 try again after 2028-02-29 00:00 UTC"), 1835308800000U).delay_s, 86400);
	assert_int_equal(classified_at(SPAN("450 try again after 2028-03-01 00:00 UTC"), 1835308800000U).delay_s, 172800);
}

static void assert_cut(const struct delay_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct span whole = span_str(cases[i].text);
		for (size_t len = 0; len <= whole.len; len++) {
			uint8_t *copy = malloc(len > 0 ? len : 1);
			assert_non_null(copy);
			memcpy(copy, whole.ptr, len);
			struct classify_answer answer = classified_at(span_of(copy, len), NOON_MS);
			struct span words = answer.delay_words;
			assert_true(answer.delay_s <= CLASSIFY_DELAY_S_MAX);
			assert_true(words.len == 0 || (words.ptr >= copy && words.ptr + words.len <= copy + len));
			free(copy);
		}
	}
}

static void test_cut_at_every_byte(void **state)
{
	(void)state;
	assert_cut(periods, COUNT(periods));
	assert_cut(none, COUNT(none));
	assert_cut(dates, COUNT(dates));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_periods),
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_dates_without_clock),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_cut_at_every_byte),
	};
	return cmocka_run_group_tests_name("classify-delay", tests, NULL, NULL);
}
