/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds in a reply how long it asks to wait ("try again in 300 seconds", "wait 1
 * hour", "retry=00:05:00", "...?in=300", "Retry-After: 120", "after 2026-11-24 12:00
 * UTC") and which blocklist it names. A time is believed only behind a word that is
 * about coming back, because "more than 10 messages in 60 minutes" names no delay.
 */
#include "classify_parts.h"

#define CUE_WORDS 5       /* how far before the number a word about coming back may stand */
#define HOLD_WORDS 3      /* the same behind "blocked for" */
#define WORD_BYTES_MAX 16 /* longer words mean nothing here */
#define THOUSAND 1000
#define RETRY_BYTES 6     /* "Retry-" */

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
		{ "day", 86400 }, { "days", 86400 }, { "d", 86400 }, { "week", 604800 },
		{ "sekunde", 1 }, { "sekunden", 1 }, { "minuten", 60 }, { "stunde", 3600 }, { "stunden", 3600 },
		{ "seconde", 1 }, { "secondes", 1 }, { "heure", 3600 }, { "heures", 3600 },
		{ "segundo", 1 }, { "segundos", 1 }, { "minuto", 60 }, { "minutos", 60 }, { "hora", 3600 }, { "horas", 3600 },
		{ "secondi", 1 }, { "minuti", 60 }, { "ora", 3600 }, { "ore", 3600 }, { "uur", 3600 }, { "minut", 60 },
		{ NULL, 0 },
	};
	return number_named(word, units);
}

/* 0 when the word is no number, or too long a one. */
static uint32_t count_of(struct span word)
{
	static const struct named_number numbers[] = {
		{ "a", 1 }, { "an", 1 }, { "one", 1 }, { "two", 2 }, { "three", 3 }, { "four", 4 }, { "five", 5 },
		{ "six", 6 }, { "ten", 10 }, { "twelve", 12 }, { "fifteen", 15 }, { "twenty", 20 }, { "thirty", 30 },
		{ "sixty", 60 }, { "einer", 1 }, { "une", 1 }, { "una", 1 }, { NULL, 0 },
	};
	uint64_t value;
	if (span_to_u64(word, CLASSIFY_DELAY_S_MAX, &value))
		return (uint32_t)value;
	return number_named(word, numbers);
}

static bool word_among(struct span word, const char *const *words, size_t count)
{
	for (size_t i = 0; word.len <= WORD_BYTES_MAX && i < count; i++) {
		if (span_eq_nocase(word, span_str(words[i])))
			return true;
	}
	return false;
}

#define AMONG(word, words) word_among(word, words, sizeof(words) / sizeof((words)[0]))

static bool is_cue(struct span word)
{
	static const char *const cues[] = {
		"try", "retry", "retries", "retrying", "again", "back", "wait", "greylisted", "graylisted", "greylisting",
		"graylisting", "greylist", "graylist", "delay", "delayed", "deferred", "resend", "reconnect", "later",
		"return", "until", "warten", "versuchen", "dans", "nuevo", "intente", "novamente", "riprovare", "riprova",
	};
	return AMONG(word, cues);
}

/* Words that say how long something lasts when "for" follows. */
static bool is_hold(struct span word)
{
	static const char *const holds[] = {
		"blocked", "banned", "suspended", "paused", "locked", "refused", "throttled", "restricted", "closed",
	};
	return AMONG(word, holds);
}

/* Words behind which "12:00" is a time of day; a number is the end of a date. */
static bool is_moment(struct span word)
{
	static const char *const moments[] = { "after", "until", "till", "at", "before", "by", "um", "nach" };
	return AMONG(word, moments) || (word.len > 0 && is_digit(word.ptr[0]));
}

/* "00:05:00" or "05:00" at `at`: its seconds, its length and how many parts; 0 when it has not that form. */
static uint32_t clock_read(struct span s, size_t at, size_t *len_out, size_t *parts_out)
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
	*parts_out = parts;
	return parts >= 2 ? total : 0;
}

/* "5", "1.5", "five" or "half an", in thousandths; 0 when no number stands there. */
static uint64_t thousandths_read(struct span s, size_t *at)
{
	struct span word = word_next(s, at);
	if (span_eq_nocase(word, SPAN("half"))) {
		size_t next = *at;
		struct span article = word_next(s, &next);
		*at = count_of(article) == 1 ? next : *at;
		return THOUSAND / 2;
	}
	uint64_t value = (uint64_t)count_of(word) * THOUSAND;
	bool goes_on = word.len > 0 && is_digit(word.ptr[0]) && *at + 1 < s.len && s.ptr[*at] == '.';
	if (goes_on && is_digit(s.ptr[*at + 1])) {
		struct span fraction = word_next(s, at);
		uint64_t weight = THOUSAND / 10;
		for (size_t i = 0; i < fraction.len; i++, weight /= 10)
			value += (uint64_t)(fraction.ptr[i] - '0') * weight;
	}
	return value;
}

/* "4 minutes 30 seconds" from `at` on; *end_out is behind the last unit. */
static uint64_t units_read(struct span s, size_t at, size_t *end_out)
{
	uint64_t total = 0, certain = 0;
	for (;;) {
		size_t next = at;
		if (span_eq_nocase(word_next(s, &next), SPAN("and")))
			at = next;
		uint64_t thousandths = thousandths_read(s, &at);
		uint32_t seconds = unit_seconds(word_next(s, &at));
		if (thousandths == 0 || seconds == 0)
			return certain / THOUSAND;
		total += thousandths * seconds;
		/* "4m30s" goes on, "965m90" is somebody's session id. */
		if (at >= s.len || !is_word_byte(s.ptr[at])) {
			certain = total;
			*end_out = at;
		}
		if (total > (uint64_t)CLASSIFY_DELAY_S_MAX * THOUSAND)
			return total / THOUSAND;
	}
}

/* Whether the word that ends at `at` is the name of a field: "Retry-After". */
static bool is_retry_after(struct span s, size_t at, struct span word)
{
	static const struct span name = SPAN("retry-after");
	if (!span_eq_nocase(word, SPAN("after")) || at < name.len)
		return false;
	struct span before = span_of(s.ptr + at - name.len, name.len);
	return span_starts_nocase(before, SPAN("retry")) && (before.ptr[5] == '-' || before.ptr[5] == '_');
}

/* Where the value of a parameter or of a field begins whose name is `word`; 0 when it is none. */
static size_t value_find(struct span s, size_t at, struct span word)
{
	static const char *const names[] = { "in", "retry", "delay", "wait", "seconds", "after", "retryafter" };
	bool field = is_retry_after(s, at, word) || span_eq_nocase(word, SPAN("retryafter"));
	if (at >= s.len || !AMONG(word, names) || !(s.ptr[at] == '=' || (field && (s.ptr[at] == ':' || s.ptr[at] == ' '))))
		return 0;
	at++;
	while (field && at < s.len && s.ptr[at] == ' ')
		at++;
	return at;
}

/* "in=300", "retry=00:05:00" or "Retry-After: 300", where addresses of pages and machines' texts have them. */
static uint64_t parameter_read(struct span s, size_t at, struct span word, size_t *end_out)
{
	size_t begin = value_find(s, at, word), len = 0, parts;
	if (begin == 0 || begin >= s.len || !is_digit(s.ptr[begin]) || classify_date_read(s, begin, &len) > 0)
		return 0;
	uint64_t seconds = clock_read(s, begin, &len, &parts);
	*end_out = begin + len;
	if (seconds > 0)
		return seconds;
	size_t end = begin;
	uint64_t value = count_of(word_next(s, &end)), units = value > 0 ? units_read(s, begin, end_out) : 0;
	if (units > 0)
		return units;
	*end_out = end;
	return value;
}

/* A delay that begins with the word at `at`: a clock form, or numbers with units; `before` is the word before it. */
static uint64_t delay_at(struct span s, size_t at, struct span before, size_t *end_out)
{
	size_t len = 0, parts = 0;
	if (at > 0 && (is_word_byte(s.ptr[at - 1]) || s.ptr[at - 1] == ':'))
		return 0;
	if (at > 1 && s.ptr[at - 1] == '.' && is_digit(s.ptr[at - 2]))
		return 0;
	uint64_t seconds = is_digit(s.ptr[at]) ? clock_read(s, at, &len, &parts) : 0;
	if (seconds > 0) {
		*end_out = at + len;
		bool of_day = is_moment(before) && (parts == 2 || !span_eq_nocase(before, SPAN("after")));
		return of_day ? 0 : seconds;
	}
	return units_read(s, at, end_out);
}

/* What the word at `at` begins: a date, which is a delay where the clock is known, or a delay by itself. */
static uint64_t date_or_delay(struct span s, size_t at, uint64_t now_s, struct span before, size_t *end_out)
{
	bool begins = is_digit(s.ptr[at]) && (at == 0 || !is_word_byte(s.ptr[at - 1]));
	uint64_t then = begins ? classify_date_read(s, at, end_out) : 0;
	if (then == 0)
		return delay_at(s, at, before, end_out);
	return now_s > 0 && then > now_s ? then - now_s : 0;
}

/* How far back the last word stands that lets a number be a delay. */
struct cue {
	unsigned since;
	bool hold; /* the last word was one of is_hold */
};

static void cue_step(struct cue *cue, struct span word)
{
	if (is_cue(word))
		cue->since = 0;
	else if (cue->hold && span_eq_nocase(word, SPAN("for")))
		cue->since = CUE_WORDS - HOLD_WORDS + 1;
	else
		cue->since++;
	cue->hold = is_hold(word);
}

uint32_t classify_delay(struct span text, uint64_t now_s, struct span *words_out)
{
	size_t at = 0;
	struct span before = span_of(NULL, 0);
	struct cue cue = { CUE_WORDS + 1, false };
	for (;;) {
		struct span word = word_next(text, &at);
		if (word.len == 0)
			return 0;
		size_t from = (size_t)(word.ptr - text.ptr), end = at, begin = from;
		uint64_t seconds = parameter_read(text, at, word, &end);
		begin -= is_retry_after(text, at, word) ? RETRY_BYTES : 0;
		if (seconds == 0 && cue.since <= CUE_WORDS) {
			begin = before.len > 0 ? (size_t)(before.ptr - text.ptr) : from;
			end = at;
			seconds = date_or_delay(text, from, now_s, before, &end);
			at = end > at ? end : at; /* of a date that is no delay, the time alone is none either */
		}
		if (seconds > 0 && seconds <= CLASSIFY_DELAY_S_MAX) {
			*words_out = span_of(text.ptr + begin, end - begin);
			return (uint32_t)seconds;
		}
		cue_step(&cue, word);
		before = word;
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
