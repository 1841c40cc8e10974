/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the date and time that a reply names ("try again after 2026-11-24 12:00 UTC",
 * "Retry-After: Tue, 24 Nov 2026 12:00:00 GMT"). A zone in letters other than UTC's is
 * not known here, and without one the time is taken as UTC. Reads no clock.
 */
#include "classify_parts.h"

#define YEAR_MIN 1970
#define YEAR_MAX 2999
#define ZONE_HOURS_MAX 14

/* Where the reading stands; `ok` is false once something did not fit. */
struct reader {
	struct span s;
	size_t at;
	bool ok;
};

static bool next_is(const struct reader *r, char c)
{
	return r->at < r->s.len && r->s.ptr[r->at] == (uint8_t)c;
}

static bool next_is_digit(const struct reader *r)
{
	return r->at < r->s.len && is_digit(r->s.ptr[r->at]);
}

/* A number of `least` to `most` digits, all that stand there. */
static unsigned digits(struct reader *r, unsigned least, unsigned most)
{
	unsigned value = 0, count = 0;
	for (; next_is_digit(r) && count <= most; count++)
		value = value * 10 + (r->s.ptr[r->at++] - '0');
	r->ok = r->ok && count >= least && count <= most;
	return value;
}

static void expect(struct reader *r, char c)
{
	r->ok = r->ok && next_is(r, c);
	r->at += r->ok ? 1 : 0;
}

static void spaces_skip(struct reader *r)
{
	while (next_is(r, ' '))
		r->at++;
}

static bool leap(unsigned year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days from 1970-01-01; false for a day that the calendar has not. */
static bool days_of(unsigned year, unsigned month, unsigned day, int64_t *days_out)
{
	static const uint16_t before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365 };
	if (year < YEAR_MIN || year > YEAR_MAX || month < 1 || month > 12 || day < 1)
		return false;
	unsigned length = before[month] - before[month - 1] + (month == 2 && leap(year) ? 1 : 0);
	unsigned years = year - 1;
	*days_out = (int64_t)years * 365 + years / 4 - years / 100 + years / 400 - 719162;
	*days_out += before[month - 1] + (month > 2 && leap(year) ? 1 : 0) + day - 1;
	return day <= length;
}

/* "2026-11-24" or "2026/11/24", and the "T" or the spaces behind it. */
static int64_t numbers_read(struct reader *r)
{
	int64_t days = 0;
	unsigned year = digits(r, 4, 4);
	char between = next_is(r, '/') ? '/' : '-';
	expect(r, between);
	unsigned month = digits(r, 1, 2);
	expect(r, between);
	unsigned day = digits(r, 1, 2);
	r->ok = r->ok && days_of(year, month, day, &days);
	if (next_is(r, 'T'))
		r->at++;
	return days;
}

/* "24 Nov 2026" */
static int64_t words_read(struct reader *r)
{
	static const char months[] = "jan feb mar apr may jun jul aug sep oct nov dec ";
	int64_t days = 0;
	unsigned month = 0, day = digits(r, 1, 2);
	expect(r, ' ');
	for (unsigned i = 0; r->ok && i < 12; i++) {
		if (span_starts_nocase(span_from(r->s, r->at), span_of(months + (size_t)i * 4, 4)))
			month = i + 1;
	}
	r->at += month > 0 ? 4 : 0;
	unsigned year = month > 0 ? digits(r, 4, 4) : 0;
	r->ok = r->ok && days_of(year, month, day, &days);
	return days;
}

/* "12:00" or "12:00:00.5": seconds of the day. */
static int64_t time_read(struct reader *r)
{
	unsigned hour = digits(r, 1, 2), second = 0;
	expect(r, ':');
	unsigned minute = digits(r, 2, 2);
	if (r->ok && next_is(r, ':')) {
		r->at++;
		second = digits(r, 2, 2);
	}
	r->ok = r->ok && hour < 24 && minute < 60 && second <= 60;
	if (r->ok && next_is(r, '.') && r->at + 1 < r->s.len && is_digit(r->s.ptr[r->at + 1])) {
		r->at++;
		while (next_is_digit(r))
			r->at++;
	}
	return (int64_t)hour * 3600 + minute * 60 + second;
}

/* "+0100", "-05:00", "Z", "UTC": seconds east of UTC; nothing is taken where no zone stands. */
static int64_t zone_read(struct reader *r)
{
	static const struct span utc[] = { SPAN("utc"), SPAN("gmt"), SPAN("z") };
	struct reader zone = *r;
	spaces_skip(&zone);
	for (size_t i = 0; i < sizeof(utc) / sizeof(utc[0]); i++) {
		if (span_starts_nocase(span_from(zone.s, zone.at), utc[i])) {
			r->at = zone.at + utc[i].len;
			return 0;
		}
	}
	if (!next_is(&zone, '+') && !next_is(&zone, '-'))
		return 0;
	int64_t sign = next_is(&zone, '-') ? -1 : 1;
	zone.at++;
	unsigned number = digits(&zone, 2, 4);
	if (zone.ok && number < 100) {
		expect(&zone, ':');
		number = number * 100 + digits(&zone, 2, 2);
	}
	if (!zone.ok || number / 100 > ZONE_HOURS_MAX || number % 100 > 59)
		return 0;
	r->at = zone.at;
	return sign * (int64_t)(number / 100 * 3600 + number % 100 * 60);
}

uint64_t classify_date_read(struct span s, size_t at, size_t *end_out)
{
	struct reader r = { s, at, true };
	bool numbers = at + 4 < s.len && is_digit(s.ptr[at + 2]);
	int64_t seconds = 86400 * (numbers ? numbers_read(&r) : words_read(&r));
	spaces_skip(&r);
	seconds += time_read(&r);
	if (!r.ok)
		return 0;
	seconds -= zone_read(&r);
	*end_out = r.at;
	return seconds > 0 ? (uint64_t)seconds : 0;
}
