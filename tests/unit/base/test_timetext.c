/* SPDX-License-Identifier: Apache-2.0 */
/* Times as text: known moments, and every day of seven centuries against the C library. */
#include "base_test.h"

#include <time.h>

#include "timetext.h"

static void test_known_moments(void **state)
{
	(void)state;
	static const struct {
		uint64_t ms;
		const char *mail, *log, *asctime;
	} cases[] = {
		{ 0, "Thu, 1 Jan 1970 00:00:00 +0000", "1970-01-01T00:00:00.000Z", "Thu Jan  1 00:00:00 1970" },
		{ 951782400000, "Tue, 29 Feb 2000 00:00:00 +0000", "2000-02-29T00:00:00.000Z", "Tue Feb 29 00:00:00 2000" },
		{ 1709164799999, "Wed, 28 Feb 2024 23:59:59 +0000", "2024-02-28T23:59:59.999Z", "Wed Feb 28 23:59:59 2024" },
		{ 1709164800000, "Thu, 29 Feb 2024 00:00:00 +0000", "2024-02-29T00:00:00.000Z", "Thu Feb 29 00:00:00 2024" },
		{ 1709251200001, "Fri, 1 Mar 2024 00:00:00 +0000", "2024-03-01T00:00:00.001Z", "Fri Mar  1 00:00:00 2024" },
		{ 1795442531204, "Mon, 23 Nov 2026 14:02:11 +0000", "2026-11-23T14:02:11.204Z", "Mon Nov 23 14:02:11 2026" },
		{ 2147483648000, "Tue, 19 Jan 2038 03:14:08 +0000", "2038-01-19T03:14:08.000Z", "Tue Jan 19 03:14:08 2038" },
		{ 4107542399999, "Sun, 28 Feb 2100 23:59:59 +0000", "2100-02-28T23:59:59.999Z", "Sun Feb 28 23:59:59 2100" },
		{ 4107542400000, "Mon, 1 Mar 2100 00:00:00 +0000", "2100-03-01T00:00:00.000Z", "Mon Mar  1 00:00:00 2100" }, /* no leap year */
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf text;
		buf_init(&text, 64);
		timetext_mail(&text, cases[i].ms);
		assert_string_equal(buf_cstr(&text), cases[i].mail);
		buf_clear(&text);
		timetext_log(&text, cases[i].ms);
		assert_string_equal(buf_cstr(&text), cases[i].log);
		buf_clear(&text);
		timetext_asctime(&text, cases[i].ms);
		assert_string_equal(buf_cstr(&text), cases[i].asctime);
		buf_fini(&text);
	}
}

static void test_every_day_of_seven_centuries(void **state)
{
	(void)state;
	struct buf text;
	buf_init(&text, 64);
	for (uint64_t day = 0; day < 700 * 365; day++) {
		char want[64];
		time_t seconds = (time_t)(day * 86400 + day * 31 % 86400);
		struct tm parts;
		strftime(want, sizeof(want), "%a, %-d %b %Y %H:%M:%S +0000", gmtime_r(&seconds, &parts));
		buf_clear(&text);
		timetext_mail(&text, (uint64_t)seconds * 1000 + 999);
		assert_string_equal(buf_cstr(&text), want);
	}
	buf_fini(&text);
}

static void test_the_far_future_ends_too(void **state)
{
	(void)state;
	struct buf text;
	buf_init(&text, 128);
	timetext_log(&text, UINT64_MAX);
	assert_false(text.failed);
	assert_int_equal(text.ptr[text.len - 1], 'Z');
	buf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_moments),
		cmocka_unit_test(test_every_day_of_seven_centuries),
		cmocka_unit_test(test_the_far_future_ends_too),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
