/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The greylist under a virtual clock. From a seed comes a story of some days: servers
 * that come back (from one host, or from any of a pool), lists that write a new sender
 * for each message, programs that send junk once, or again at once, in bursts that fill
 * the table; a DNS that answers now and then not; restarts with the last seconds lost,
 * and clocks that are set back meanwhile.
 *
 *     greylist_sim                     the stories of the test suite, as TAP
 *     greylist_sim --seed N [-v]       one story again
 *     greylist_sim --from N --count M  others
 *
 * Invariants
 *  - nobody is asked to wait for longer than the delay, or not at all
 *  - what was said is kept: who comes back from the same network, or with SPF from the
 *    pool, after the time it was told is let through, unless a crash lost the answer, the
 *    clock was set back at a restart, hours have gone by, or its origin crowded the table
 *  - who was never seen is never taken for one that came back
 *  - the table holds no more than it may, and counts what it holds
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "greylist_rows.h"
#include "id128.h"

#define SECOND UINT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define START_MS (UINT64_C(1700000000) * SECOND)
#define STORY_MS (4 * DAY)
#define SERVERS_MAX 8
#define LETTERS 60
#define ROWS_MAX 6000
#define SAVE_MS SECOND
#define KEPT_MS (4 * HOUR) /* for so long a promise holds when the table is full */

struct server {
	bool spf;
	unsigned hosts;      /* each in a network of its own */
	bool verp;
	unsigned letters;    /* of its own */
};

/* A message on its way, until it is let through. */
struct letter {
	unsigned server, number;
	uint64_t next_ms;
	unsigned attempts;
	uint64_t first_ms, told_ms, told_until_ms; /* by the true time */
	unsigned told_host;
	bool told_spf, lost;  /* lost: a crash came between */
	bool done;
};

struct saved {
	struct greylist_row row;
	char texts[3][400];
};

struct story {
	uint64_t seed, now_ms;
	int64_t clock_ms;     /* what the server's clock differs by */
	struct id_source chance;
	struct greylist_options options;
	struct greylist *greylist;
	struct server servers[SERVERS_MAX];
	unsigned server_count;
	struct letter letters[LETTERS];
	struct saved (*saved)[ROWS_MAX];
	uint64_t next_save_ms, next_crash_ms, next_burst_ms, saved_ms;
	unsigned bots;
	unsigned crashes, attempts, junk, full;
	bool verbose;
};

#define MUST(t, condition, ...) do { \
	if (!(condition)) { \
		printf("not ok 1 - seed %" PRIu64 ", %" PRIu64 " s: ", (t)->seed, ((t)->now_ms - START_MS) / SECOND); \
		printf(__VA_ARGS__); \
		printf("\n"); \
		exit(1); \
	} \
} while (0)

static uint64_t pick(struct story *t, uint64_t below)
{
	return id_source_u64(&t->chance) % below;
}

static uint64_t clock_of(const struct story *t)
{
	return t->now_ms + (uint64_t)t->clock_ms;
}

/* --- the store --- */

static struct span put(char text[400], struct span s)
{
	if (s.len > 0)
		memcpy(text, s.ptr, s.len);
	return span_of(text, s.len);
}

static void save_row(void *arg, const struct greylist_row *row)
{
	struct story *t = arg;
	MUST(t, row->number >= 1 && row->number <= ROWS_MAX, "row %u", row->number);
	struct saved *to = &t->saved[row->kind][row->number - 1];
	to->row = *row;
	to->row.entry.origin = put(to->texts[0], row->entry.origin);
	to->row.entry.sender = put(to->texts[1], row->entry.sender);
	to->row.entry.recipient = put(to->texts[2], row->entry.recipient);
	if (row->kind == GREYLIST_ORIGIN)
		to->row.origin.name = put(to->texts[0], row->origin.name);
}

static void save(struct story *t)
{
	while (greylist_take_changes(t->greylist, 100, save_row, t) > 0)
		;
	t->saved_ms = t->now_ms;
	t->next_save_ms = t->now_ms + SAVE_MS;
}

static void begin(struct story *t)
{
	uint64_t secret[2] = { id_source_u64(&t->chance), id_source_u64(&t->chance) };
	t->greylist = greylist_new(secret);
	MUST(t, t->greylist != NULL, "no memory");
	greylist_tune(t->greylist, &t->options);
}

/* What was not saved is lost; the clock may be set while the server is down. */
static void crash(struct story *t)
{
	if (pick(t, 2) == 0)
		save(t);
	bool set_back = pick(t, 3) == 0;
	if (set_back)
		t->clock_ms -= (int64_t)pick(t, 2 * DAY);
	greylist_free(t->greylist);
	begin(t);
	for (int kind = 0; kind < GREYLIST_KIND_COUNT; kind++)
		for (size_t i = 0; i < ROWS_MAX; i++)
			if (t->saved[kind][i].row.number != 0 && !t->saved[kind][i].row.gone)
				greylist_load(t->greylist, &t->saved[kind][i].row, clock_of(t));
	MUST(t, greylist_load_end(t->greylist), "no memory");
	for (unsigned i = 0; i < LETTERS; i++)
		t->letters[i].lost |= set_back || t->letters[i].told_ms > t->saved_ms;
	t->crashes++;
	t->next_crash_ms = t->now_ms + MINUTE + pick(t, DAY);
}

/* --- what is always true --- */

static void count_row(void *arg, const struct greylist_row *row)
{
	size_t *counts = arg;
	counts[row->kind == GREYLIST_ORIGIN ? 2 : row->entry.passed_ms != 0]++;
}

static void check(struct story *t)
{
	size_t counts[3] = { 0 };
	struct greylist_counts c = greylist_counts(t->greylist);
	greylist_each(t->greylist, GREYLIST_ENTRY, 0, SIZE_MAX, count_row, counts);
	greylist_each(t->greylist, GREYLIST_ORIGIN, 0, SIZE_MAX, count_row, counts);
	MUST(t, counts[0] == c.waiting && counts[1] == c.passed, "%zu wait, %zu passed; counted %zu and %zu", counts[0],
		counts[1], c.waiting, c.passed);
	MUST(t, c.waiting + c.passed <= t->options.entries_max, "%zu entries", c.waiting + c.passed);
	MUST(t, c.waiting <= t->options.entries_max - t->options.entries_max / 4, "%zu wait", c.waiting);
	MUST(t, counts[2] <= t->options.entries_max, "%zu origins", counts[2]);
}

static struct greylist_verdict attempt(struct story *t, const struct greylist_attempt *a, bool spf)
{
	static struct greylist_question q;
	greylist_question_make(&q, a);
	q.authenticated = spf;
	struct greylist_verdict v = greylist_look(t->greylist, &q, clock_of(t));
	bool waits = v.outcome == GREYLIST_FIRST || v.outcome == GREYLIST_EARLY;
	MUST(t, waits == (v.wait_ms > 0) && v.wait_ms <= t->options.delay_ms, "outcome %d, %" PRIu64 " ms", v.outcome,
		v.wait_ms);
	greylist_settle(t->greylist, &q, clock_of(t));
	t->attempts++;
	return v;
}

/* --- who comes back --- */

static bool promise_holds(const struct story *t, const struct letter *l, unsigned host, bool spf)
{
	bool crowded = t->servers[l->server].letters > t->options.entries_max / 100;
	return !crowded && l->told_until_ms != 0 && t->now_ms >= l->told_until_ms && !l->lost && t->now_ms - l->first_ms < KEPT_MS
		&& (host == l->told_host || (spf && l->told_spf));
}

static void letter_try(struct story *t, struct letter *l)
{
	const struct server *s = &t->servers[l->server];
	char sender[64], recipient[64];
	unsigned host = (unsigned)pick(t, s->hosts);
	bool spf = s->spf && pick(t, 10) != 0;
	snprintf(sender, sizeof(sender), s->verp ? "list-%u-%u@s%u.test" : "%c%u@s%u.test",
		s->verp ? l->number : 'a' + l->number % 5, l->number * 7919, l->server);
	snprintf(recipient, sizeof(recipient), "r%u@here.test", l->number % 7);
	struct greylist_attempt a = { .client = { 4, { 10, (uint8_t)l->server, (uint8_t)host, (uint8_t)(1 + pick(t, 200)) } },
		.helo = SPAN("h.test"), .sender = span_str(sender), .recipient = span_str(recipient) };
	struct greylist_verdict v = attempt(t, &a, spf);
	if (t->verbose)
		printf("# %" PRIu64 " s: %s to %s from host %u%s, attempt %u: outcome %d, %" PRIu64 " s\n",
			(t->now_ms - START_MS) / SECOND, sender, recipient, host, spf ? ", spf" : "", l->attempts, v.outcome,
			v.wait_ms / SECOND);
	l->attempts++;
	if (v.wait_ms == 0) {
		t->full += v.outcome == GREYLIST_FULL;
		l->done = true;
		return;
	}
	MUST(t, !promise_holds(t, l, host, spf), "%s came back in time and is told to wait", sender);
	/* The first promise of a chain is the one that the greylist remembers; one by another key begins anew. */
	if (l->told_until_ms == 0 || v.outcome == GREYLIST_FIRST) {
		l->first_ms = t->now_ms;
		l->told_host = host;
		l->told_spf = spf;
		l->lost = false;
	}
	l->told_ms = t->now_ms;
	l->told_until_ms = t->now_ms + v.wait_ms;
	l->next_ms = pick(t, 2) == 0 ? t->now_ms + v.wait_ms
		: t->now_ms + (1 + pick(t, 5 + 20 * l->attempts)) * MINUTE;
}

/* --- who does not --- */

static void junk(struct story *t, unsigned network, unsigned number, bool again)
{
	char sender[64];
	snprintf(sender, sizeof(sender), "%c%c%c%c%c@junk.test", 'g' + (int)(number % 13), 'g' + (int)(number / 13 % 13),
		'g' + (int)(number / 169 % 13), 'g' + (int)(number / 2197 % 13), 'g' + (int)(number / 28561 % 13));
	struct greylist_attempt a = { .client = { 4, { 172, (uint8_t)(network / 256), (uint8_t)network, 1 } },
		.helo = SPAN("junk.test"), .sender = span_str(sender), .recipient = SPAN("r1@here.test") };
	struct greylist_verdict v = attempt(t, &a, false);
	MUST(t, v.outcome != GREYLIST_RETURNED && v.outcome != GREYLIST_KNOWN && v.outcome != GREYLIST_PASSED,
		"junk %s from %u passes by %d", sender, network, v.outcome);
	MUST(t, again || v.outcome != GREYLIST_EARLY, "junk was seen before");
	t->junk++;
}

static void burst(struct story *t)
{
	unsigned networks = pick(t, 3) == 0 ? 1 : 1 + (unsigned)pick(t, 2000), count = (unsigned)pick(t, 3000);
	for (unsigned i = 0; i < count; i++) {
		unsigned network = (t->bots + i % networks) % 65536;
		junk(t, network, t->bots + i, false);
		if (pick(t, 4) == 0)
			junk(t, network, t->bots + i, true);
	}
	t->bots += count;
	t->next_burst_ms = t->now_ms + pick(t, 12 * HOUR);
}

/* --- a story --- */

static void world_make(struct story *t)
{
	t->options = (struct greylist_options){ .delay_ms = (10 + pick(t, 600)) * SECOND, .return_ms = 2 * DAY,
		.keep_ms = 35 * DAY, .known_after = (uint32_t)pick(t, 6), .entries_max = 100 + pick(t, ROWS_MAX - 100) };
	t->server_count = 2 + (unsigned)pick(t, SERVERS_MAX - 2);
	for (unsigned i = 0; i < t->server_count; i++)
		t->servers[i] = (struct server){ .spf = pick(t, 2) == 0, .verp = pick(t, 3) == 0,
			.hosts = pick(t, 2) == 0 ? 1 : 1 + (unsigned)pick(t, 20) };
	for (unsigned i = 0; i < LETTERS; i++)
		t->letters[i] = (struct letter){ .server = (unsigned)pick(t, t->server_count), .number = i,
			.next_ms = START_MS + pick(t, 2 * DAY) };
	for (unsigned i = 0; i < LETTERS; i++)
		t->servers[t->letters[i].server].letters++;
	t->next_save_ms = START_MS;
	t->next_burst_ms = START_MS + pick(t, DAY);
	t->next_crash_ms = t->seed % 2 == 0 ? UINT64_MAX : START_MS + pick(t, DAY);
}

static struct letter *next_letter(struct story *t)
{
	struct letter *next = NULL;
	for (unsigned i = 0; i < LETTERS; i++)
		if (!t->letters[i].done && (next == NULL || t->letters[i].next_ms < next->next_ms))
			next = &t->letters[i];
	return next;
}

static void run_story(struct story *t, uint64_t seed, bool verbose)
{
	struct saved (*saved)[ROWS_MAX] = t->saved;
	for (int kind = 0; kind < GREYLIST_KIND_COUNT; kind++)
		for (size_t i = 0; i < ROWS_MAX; i++)
			saved[kind][i].row.number = 0;
	*t = (struct story){ .seed = seed, .verbose = verbose, .now_ms = START_MS, .chance = { { seed, 78 } }, .saved = saved };
	world_make(t);
	begin(t);
	struct letter *l;
	while ((l = next_letter(t)) != NULL && t->now_ms < START_MS + STORY_MS) {
		uint64_t next_ms = l->next_ms < t->next_burst_ms ? l->next_ms : t->next_burst_ms;
		t->now_ms = next_ms < t->next_crash_ms ? next_ms : t->next_crash_ms;
		if (t->now_ms >= t->next_save_ms)
			save(t);
		greylist_expire(t->greylist, clock_of(t), 50);
		if (t->now_ms == t->next_crash_ms)
			crash(t);
		else if (t->now_ms == l->next_ms)
			letter_try(t, l);
		else
			burst(t);
		check(t);
	}
	for (unsigned i = 0; i < LETTERS; i++)
		MUST(t, t->letters[i].done || t->servers[t->letters[i].server].hosts > 1 || t->crashes > 0,
			"letter %u never passed", i);
	greylist_free(t->greylist);
}

int main(int argc, char **argv)
{
	uint64_t from = 1, count = 100, crashes = 0, attempts = 0, junk_count = 0, full = 0;
	bool verbose = false;
	for (int i = 1; i < argc; i++) {
		bool value = i + 1 < argc;
		if (strcmp(argv[i], "-v") == 0)
			verbose = true;
		else if (strcmp(argv[i], "--seed") == 0 && value) {
			from = strtoull(argv[++i], NULL, 10);
			count = 1;
		} else if (strcmp(argv[i], "--from") == 0 && value)
			from = strtoull(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--count") == 0 && value)
			count = strtoull(argv[++i], NULL, 10);
		else
			return 2;
	}
	struct story *t = calloc(1, sizeof(*t));
	if (t == NULL || (t->saved = calloc(GREYLIST_KIND_COUNT, sizeof(*t->saved))) == NULL)
		return 1;
	printf("1..1\n");
	for (uint64_t seed = from; seed < from + count; seed++) {
		run_story(t, seed, verbose);
		crashes += t->crashes;
		attempts += t->attempts;
		junk_count += t->junk;
		full += t->full;
	}
	free(t->saved);
	free(t);
	printf("# %" PRIu64 " stories, %" PRIu64 " attempts, %" PRIu64 " of them junk, %" PRIu64
		" let through for want of room, %" PRIu64 " crashes\n", count, attempts, junk_count, full, crashes);
	printf("ok 1 - what was said is kept, and who was never here does not come back\n");
	return 0;
}
