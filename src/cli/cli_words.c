/* SPDX-License-Identifier: Apache-2.0 */
/* Times, ages and sizes as people say them. */
#include "cli_words.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

const char *cli_age(double seconds, char text_out[static CLI_WORDS_BYTES_MAX])
{
	long long s = seconds > 0 ? (long long)seconds : 0;
	if (s < 60)
		snprintf(text_out, CLI_WORDS_BYTES_MAX, "%lld s", s);
	else if (s < 3600)
		snprintf(text_out, CLI_WORDS_BYTES_MAX, "%lld min", s / 60);
	else if (s < 86400)
		snprintf(text_out, CLI_WORDS_BYTES_MAX, "%lld h", s / 3600);
	else if (s % 86400 < 3600)
		snprintf(text_out, CLI_WORDS_BYTES_MAX, "%lld d", s / 86400);
	else
		snprintf(text_out, CLI_WORDS_BYTES_MAX, "%lld d %lld h", s / 86400, s % 86400 / 3600);
	return text_out;
}

const char *cli_clock(double unix_s, double now_s, char text_out[static CLI_WORDS_BYTES_MAX])
{
	time_t at = (time_t)unix_s, now = (time_t)now_s;
	struct tm then, today;
	localtime_r(&at, &then);
	localtime_r(&now, &today);
	bool same_day = then.tm_year == today.tm_year && then.tm_yday == today.tm_yday;
	if (strftime(text_out, CLI_WORDS_BYTES_MAX, same_day ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &then) == 0)
		text_out[0] = 0;
	return text_out;
}

const char *cli_size(long long bytes, char text_out[static CLI_WORDS_BYTES_MAX])
{
	static const char *const units[] = { "KB", "MB", "GB", "TB" };
	double value = (double)bytes / 1000;
	size_t unit = 0;
	if (bytes < 1000) {
		snprintf(text_out, CLI_WORDS_BYTES_MAX, "%lld byte%s", bytes, cli_plural(bytes));
		return text_out;
	}
	while (value >= 1000 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		value /= 1000;
		unit++;
	}
	snprintf(text_out, CLI_WORDS_BYTES_MAX, value < 10 ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return text_out;
}

const char *cli_count(long long count, char text_out[static CLI_WORDS_BYTES_MAX])
{
	char digits[CLI_WORDS_BYTES_MAX];
	size_t len = (size_t)snprintf(digits, sizeof(digits), "%lld", count < 0 ? 0 : count);
	size_t at = 0;
	for (size_t i = 0; i < len && at + 2 < CLI_WORDS_BYTES_MAX; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			text_out[at++] = ',';
		text_out[at++] = digits[i];
	}
	text_out[at] = 0;
	return text_out;
}

const char *cli_plural(long long count)
{
	return count == 1 ? "" : "s";
}

double cli_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}
