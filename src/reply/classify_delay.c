/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds in a reply how long it asks to wait ("try again in 300 seconds", "wait 1
 * hour", "retry=00:05:00", "...?in=300") and which blocklist it names. A time is
 * believed only behind a word that is about coming back, because "more than 10
 * messages in 60 minutes" names no delay.
 */
#include "classify_parts.h"

#define CUE_WORDS 5       /* how far before the number a word about coming back may stand */
#define WORD_BYTES_MAX 16 /* longer words mean nothing here */

static bool is_word_byte(uint8_t c)
{
	c = byte_lower(c);
	return (c >= 'a' && c <= 'z') || is_digit(c);
}

/* The next word of `s` from *at on, letters or digits alone ("5m" is two); empty at the end. */
static struct span word_next(struct span s, size_t *at)
{
	while (*at < s.len && !is_word_byte(s.ptr[*at]))
		(*at)++;
	size_t from = *at;
	bool digits = from < s.len && is_digit(s.ptr[from]);
	while (*at < s.len && is_word_byte(s.ptr[*at]) && is_digit(s.ptr[*at]) == digits)
		(*at)++;
	return span_of(s.ptr + from, *at - from);
}

struct named_number {
	const char *name;
	uint32_t value;
};

static uint32_t number_named(struct span word, const struct named_number *table)
{
	for (; table->name != NULL; table++) {
		if (span_eq_nocase(word, span_str(table->name)))
			return table->value;
	}
	return 0;
}

static uint32_t unit_seconds(struct span word)
{
	static const struct named_number units[] = {
		{ "s", 1 }, { "sec", 1 }, { "secs", 1 }, { "second", 1 }, { "seconds", 1 },
		{ "m", 60 }, { "min", 60 }, { "mins", 60 }, { "minute", 60 }, { "minutes", 60 }, { "mn", 60 },
		{ "h", 3600 }, { "hr", 3600 }, { "hrs", 3600 }, { "hour", 3600 }, { "hours", 3600 },
		{ "day", 86400 }, { "days", 86400 }, { "d", 86400 }, { NULL, 0 },
	};
	return number_named(word, units);
}

/* 0 when the word is no number, or too long a one. */
static uint32_t count_of(struct span word)
{
	static const struct named_number numbers[] = {
		{ "a", 1 }, { "an", 1 }, { "one", 1 }, { "two", 2 }, { "three", 3 }, { "four", 4 }, { "five", 5 },
		{ "six", 6 }, { "ten", 10 }, { "twelve", 12 }, { "fifteen", 15 }, { "twenty", 20 }, { "thirty", 30 },
		{ "sixty", 60 }, { NULL, 0 },
	};
	uint64_t value;
	if (span_to_u64(word, CLASSIFY_DELAY_S_MAX, &value))
		return (uint32_t)value;
	return number_named(word, numbers);
}

static bool is_cue(struct span word)
{
	static const char *const cues[] = {
		"try", "retry", "retries", "retrying", "again", "back", "wait", "greylisted", "graylisted", "greylisting",
		"graylisting", "greylist", "graylist", "delay", "delayed", "deferred", "resend", "reconnect", "later", "after",
	};
	for (size_t i = 0; word.len <= WORD_BYTES_MAX && i < sizeof(cues) / sizeof(cues[0]); i++) {
		if (span_eq_nocase(word, span_str(cues[i])))
			return true;
	}
	return false;
}

/* "00:05:00" or "05:00" at `at`: its seconds and its length; 0 when it has not that form. */
static uint32_t clock_read(struct span s, size_t at, size_t *len_out)
{
	uint32_t total = 0, part = 0;
	size_t i = at, parts = 0, digits = 0;
	for (; i <= s.len && parts < 3; i++) {
		if (i < s.len && is_digit(s.ptr[i]) && digits < 3) {
			part = part * 10 + (s.ptr[i] - '0');
			digits++;
			continue;
		}
		if (digits == 0)
			return 0;
		total = total * 60 + part;
		part = 0;
		digits = 0;
		parts++;
		if (i == s.len || s.ptr[i] != ':')
			break;
	}
	*len_out = i - at;
	return parts >= 2 ? total : 0;
}

/* "4 minutes 30 seconds" from `at` on; *end_out is behind the last unit. */
static uint64_t units_read(struct span s, size_t at, size_t *end_out)
{
	uint64_t total = 0, certain = 0;
	for (;;) {
		struct span number = word_next(s, &at);
		if (number.len == 3 && span_eq_nocase(number, SPAN("and")))
			number = word_next(s, &at);
		uint32_t seconds = unit_seconds(word_next(s, &at));
		uint32_t count = count_of(number);
		if (count == 0 || seconds == 0)
			return certain;
		total += (uint64_t)count * seconds;
		/* "4m30s" goes on, "965m90" is somebody's session id. */
		if (at >= s.len || !is_word_byte(s.ptr[at])) {
			certain = total;
			*end_out = at;
		}
		if (total > CLASSIFY_DELAY_S_MAX)
			return total;
	}
}

/* "in=300" or "retry=00:05:00", where parameters of addresses and machines' texts have them. */
static uint64_t parameter_read(struct span s, size_t at, struct span word, size_t *end_out)
{
	static const char *const names[] = { "in", "retry", "delay", "wait", "seconds", "after", "retryafter" };
	if (at >= s.len || s.ptr[at] != '=')
		return 0;
	bool known = false;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		known = known || span_eq_nocase(word, span_str(names[i]));
	size_t end = at + 1, len = 0;
	uint64_t seconds = known ? clock_read(s, at + 1, &len) : 0;
	if (seconds > 0) {
		*end_out = at + 1 + len;
		return seconds;
	}
	struct span number = known && end < s.len && is_digit(s.ptr[end]) ? word_next(s, &end) : span_of(NULL, 0);
	*end_out = end;
	uint64_t value = count_of(number), units = value > 0 ? units_read(s, at + 1, end_out) : 0;
	return units > 0 ? units : value;
}

/* A delay that begins with the word at `at`: a clock form, or numbers with units. */
static uint64_t delay_at(struct span s, size_t at, size_t *end_out)
{
	size_t len = 0;
	if (at > 0 && is_word_byte(s.ptr[at - 1]))
		return 0;
	uint64_t seconds = is_digit(s.ptr[at]) ? clock_read(s, at, &len) : 0;
	if (seconds > 0) {
		*end_out = at + len;
		return seconds;
	}
	return units_read(s, at, end_out);
}

uint32_t classify_delay(struct span text, struct span *words_out)
{
	size_t at = 0, before = 0;
	unsigned since_cue = CUE_WORDS + 1;
	for (;;) {
		struct span word = word_next(text, &at);
		if (word.len == 0)
			return 0;
		size_t from = (size_t)(word.ptr - text.ptr), end = at, begin = from;
		uint64_t seconds = parameter_read(text, at, word, &end);
		if (seconds == 0 && since_cue <= CUE_WORDS) {
			seconds = delay_at(text, from, &end);
			begin = before;
		}
		if (seconds > 0 && seconds <= CLASSIFY_DELAY_S_MAX) {
			*words_out = span_of(text.ptr + begin, end - begin);
			return (uint32_t)seconds;
		}
		since_cue = is_cue(word) ? 0 : since_cue + 1;
		before = from;
	}
}

static bool is_domain_byte(uint8_t c)
{
	return is_word_byte(c) || c == '.' || c == '-';
}

/* The domain around `part` of the text, without "www."; empty when it has no dot or no letter. */
static struct span domain_around(struct span text, struct span part)
{
	size_t from = (size_t)(part.ptr - text.ptr), end = from + part.len;
	bool dot = false, letter = false;
	while (from > 0 && is_domain_byte(text.ptr[from - 1]))
		from--;
	while (end < text.len && is_domain_byte(text.ptr[end]))
		end++;
	while (end > from && !is_word_byte(text.ptr[end - 1]))
		end--;
	for (size_t i = from; i < end; i++) {
		dot = dot || text.ptr[i] == '.';
		letter = letter || byte_lower(text.ptr[i]) >= 'a';
	}
	struct span domain = span_of(text.ptr + from, end - from);
	if (!dot || !letter)
		return span_of(NULL, 0);
	return span_starts_nocase(domain, SPAN("www.")) ? span_from(domain, 4) : domain;
}

struct span classify_list_name(struct span text, struct span known)
{
	size_t at = 0;
	struct span word;
	while ((word = word_next(text, &at)).len > 0) {
		if (!span_eq_nocase(word, SPAN("using")))
			continue;
		struct span next = word_next(text, &at);
		struct span domain = next.len > 0 ? domain_around(text, next) : next;
		if (domain.len > 0)
			return domain;
	}
	struct span domain = known.len > 0 ? domain_around(text, known) : known;
	return domain.len > 0 ? domain : known;
}
