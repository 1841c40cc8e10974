/* SPDX-License-Identifier: Apache-2.0 */
/* Civil dates from day numbers, without the C library's zones and locales. */
#include "timetext.h"

#define MS_PER_DAY 86400000u

struct civil {
	unsigned year, month, day, weekday; /* month 1 to 12, weekday 0 = Sunday */
	unsigned hour, minute, second, ms;
};

static bool leap(unsigned year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static unsigned month_days(unsigned year, unsigned month)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	return month == 2 && leap(year) ? 29 : days[month - 1];
}

static struct civil civil_of(uint64_t unix_ms)
{
	uint64_t days = unix_ms / MS_PER_DAY;
	unsigned in_day = (unsigned)(unix_ms % MS_PER_DAY);
	struct civil c = {
		.year = 1970, .month = 1,
		.weekday = (unsigned)((days + 4) % 7), /* 1970-01-01 was a Thursday */
		.hour = in_day / 3600000, .minute = in_day / 60000 % 60,
		.second = in_day / 1000 % 60, .ms = in_day % 1000,
	};
	/* 400 years are 146,097 days exactly. */
	c.year += (unsigned)(days / 146097 * 400);
	days %= 146097;
	while (days >= (leap(c.year) ? 366u : 365u))
		days -= leap(c.year++) ? 366u : 365u;
	while (days >= month_days(c.year, c.month))
		days -= month_days(c.year, c.month++);
	c.day = (unsigned)days + 1;
	return c;
}

static void add_two_digits(struct buf *out, char before, unsigned value)
{
	char text[3] = { before, (char)('0' + value / 10), (char)('0' + value % 10) };
	buf_add(out, span_of(text, sizeof(text)));
}

static const char weekdays[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
	"Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

void timetext_mail(struct buf *out, uint64_t unix_ms)
{
	struct civil c = civil_of(unix_ms);
	buf_add_str(out, weekdays[c.weekday]);
	buf_add(out, SPAN(", "));
	buf_add_u64(out, c.day);
	buf_add_byte(out, ' ');
	buf_add_str(out, months[c.month - 1]);
	buf_add_byte(out, ' ');
	buf_add_u64(out, c.year);
	add_two_digits(out, ' ', c.hour);
	add_two_digits(out, ':', c.minute);
	add_two_digits(out, ':', c.second);
	buf_add(out, SPAN(" +0000"));
}

void timetext_asctime(struct buf *out, uint64_t unix_ms)
{
	struct civil c = civil_of(unix_ms);
	buf_addf(out, "%s %s %2u %02u:%02u:%02u %u", weekdays[c.weekday], months[c.month - 1], c.day,
		c.hour, c.minute, c.second, c.year);
}

void timetext_log(struct buf *out, uint64_t unix_ms)
{
	struct civil c = civil_of(unix_ms);
	buf_addf(out, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", c.year, c.month, c.day,
		c.hour, c.minute, c.second, c.ms);
}
