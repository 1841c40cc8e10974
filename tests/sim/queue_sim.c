/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schedule, scheduler and verdicts together, under a virtual clock, with simulated
 * remotes. From a seed comes a story of several days: senders send, remotes accept,
 * greylist, are full, unknown, busy, slow, down, flapping or break after the final dot,
 * and now and then everything in memory is lost and rebuilt from what was recorded, as
 * the queue role does it.
 *
 *     queue_sim                     the stories of the test suite, as TAP
 *     queue_sim --seed N [-v]       one story again
 *     queue_sim --from N --count M  others
 *
 * Invariants
 *  - every message ends delivered or bounced, soon after its time is over at the latest
 *  - none is both; none is delivered twice, but where a crash or a break after the
 *    final dot left the result in doubt
 *  - no attempt before the recorded time of the next one
 *  - a greylisting remote is asked again just after the time that it named, and
 *    once unless a crash or its own rest comes between
 *  - a remote never sees more connections than its window allows, and one that is
 *    down sees one probe at a time, with rests between
 *  - a message to a healthy remote starts at once, whatever the others do
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "classify.h"
#include "schedule.h"
#include "scheduler.h"
#include "verdict.h"

#define SECOND UINT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define START_MS (UINT64_C(1700000000) * SECOND)
#define REMOTES_MAX 10
#define MESSAGES_MAX 120
#define SENDERS 4
#define STEPS_MAX 200000
#define WINDOW_MAX 8
#define IN_FLIGHT_MAX 40
#define DOWN_MAX_MS HOUR
#define LATE_MS (2 * HOUR)    /* how long after its time is over a message may still wait for a probe */
#define PROMPT_MS (5 * SECOND)

enum kind { ACCEPTS, GREYLISTS, FULL, UNKNOWN, LIMITS, BUSY, SLOW, DOWN, FLAPS, BREAKS, KIND_COUNT };

static const char *const kind_names[KIND_COUNT] = { "accepts", "greylists", "full", "unknown", "limits", "busy", "slow",
	"down", "flaps", "breaks" };

struct remote {
	enum kind kind;
	char key[24];
	uint32_t open, open_max;      /* connections now; those of a busy one that it allows */
	uint64_t delay_ms;            /* GREYLISTS */
	uint64_t until_ms;            /* FULL, DOWN: it gets well, maybe never */
	uint64_t limited_until_ms;    /* LIMITS */
	uint64_t last_fail_ms;        /* the first failure, then each probe's */
	bool failing;
	uint32_t probes_open;
	uint32_t fails;
};

enum fate { NOT_SENT, PENDING, DELIVERED, BOUNCED };

/* What is on disk of a message, and what the story knows of it beyond. */
struct letter {
	enum fate fate;
	uint64_t arrival_ms, retry_at_ms;
	uint32_t attempts;
	struct id128 id;
	uint8_t remote, sender;
	bool routed;                  /* with the scheduler */
	uint64_t ready_ms;            /* with the scheduler since */
	uint64_t first_seen_ms;       /* by a greylist */
	uint64_t asked_at_ms;         /* the greylist named this time */
	uint32_t copies, doubts;      /* kept by the remote; results that nobody learned of */
	size_t position;
};

struct flight {
	struct scheduler_unit *unit;
	uint64_t end_ms;
	bool probe;                   /* begun while the remote was known to fail */
};

struct story {
	uint64_t seed, now_ms;
	bool verbose;
	struct id_source chance;
	struct remote remotes[REMOTES_MAX];
	uint32_t remote_count;
	struct letter letters[MESSAGES_MAX];
	uint32_t letter_count, sent, settled;
	struct schedule schedule;
	struct scheduler *scheduler;
	struct flight flights[IN_FLIGHT_MAX];
	uint32_t flight_count;
	uint64_t next_crash_ms;
	uint32_t crashes, steps, attempts, probes;
};

static const uint64_t waits_ms[] = { MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR };
static const struct retry_plan plan = { waits_ms, sizeof(waits_ms) / sizeof(waits_ms[0]), 5 * DAY };

static uint64_t pick(struct story *t, uint64_t below)
{
	return id_source_u64(&t->chance) % below;
}

#define MUST(t, condition, ...) do { \
		if (!(condition)) { \
			printf("not ok 1 - seed %" PRIu64 " at %.3f s: ", (t)->seed, (double)((t)->now_ms - START_MS) / 1e3); \
			printf(__VA_ARGS__); \
			printf("\n# again: queue_sim --seed %" PRIu64 " -v\n", (t)->seed); \
			exit(1); \
		} \
	} while (0)

#define TELL(t, ...) do { \
		if ((t)->verbose) { \
			printf("# %12.3f  ", (double)((t)->now_ms - START_MS) / 1e3); \
			printf(__VA_ARGS__); \
			printf("\n"); \
		} \
	} while (0)

/* --- the remotes --- */

static void remote_make(struct story *t, uint32_t i)
{
	struct remote *r = &t->remotes[i];
	/* One is always healthy: what waits behind others is seen there. */
	*r = (struct remote){ .kind = i == 0 ? ACCEPTS : (enum kind)pick(t, KIND_COUNT) };
	snprintf(r->key, sizeof(r->key), "%u.%s.test", i, kind_names[r->kind]);
	r->delay_ms = (30 + pick(t, 600)) * SECOND;
	r->open_max = 1 + (uint32_t)pick(t, 3);
	r->until_ms = pick(t, 3) == 0 ? UINT64_MAX : START_MS + pick(t, 6 * DAY);
}

static bool reachable(struct story *t, const struct remote *r)
{
	if (r->kind == DOWN)
		return t->now_ms >= r->until_ms;
	return r->kind != FLAPS || t->now_ms / (20 * MINUTE) % 2 == 0;
}

struct said {
	enum scheduler_outcome outcome; /* of the destination */
	const char *reply;              /* NULL: a break after the final dot, or nothing was said to the message */
	bool kept;
};

static struct said say(struct story *t, struct remote *r, struct letter *l)
{
	static char text[80];
	static const struct said fine = { SCHEDULER_OK, "250 2.0.0 ok", true };
	switch (r->kind) {
	case GREYLISTS:
		if (l->first_seen_ms == 0)
			l->first_seen_ms = t->now_ms;
		if (t->now_ms >= l->first_seen_ms + r->delay_ms)
			return fine;
		/* Seconds rounded up, as such servers do. */
		l->asked_at_ms = t->now_ms + (l->first_seen_ms + r->delay_ms - t->now_ms + 999) / SECOND * SECOND;
		snprintf(text, sizeof(text), "450 4.7.1 Greylisted, try again in %u seconds",
			(unsigned)((l->asked_at_ms - t->now_ms) / SECOND));
		return (struct said){ SCHEDULER_OK, text, false };
	case FULL:
		return t->now_ms < r->until_ms ? (struct said){ SCHEDULER_OK, "452 4.2.2 Mailbox full", false } : fine;
	case UNKNOWN:
		return (struct said){ SCHEDULER_OK, "550 5.1.1 No such user", false };
	case LIMITS:
		if (pick(t, 3) != 0)
			return fine;
		r->limited_until_ms = t->now_ms + 10 * MINUTE;
		return (struct said){ SCHEDULER_PACED, "451 4.7.28 Rate limit exceeded, try again in 600 seconds", false };
	case BREAKS:
		return pick(t, 4) == 0 ? (struct said){ SCHEDULER_OK, NULL, pick(t, 2) == 0 } : fine;
	default:
		return fine;
	}
}

/* A connection is made: what the remote sees must be what it may see. */
static bool see_connection(struct story *t, struct remote *r)
{
	r->open++;
	MUST(t, r->open <= WINDOW_MAX, "%s sees %u connections", r->key, r->open);
	MUST(t, r->kind != LIMITS || r->limited_until_ms <= t->now_ms, "%s is asked before its pause is over", r->key);
	if (!r->failing)
		return false;
	t->probes++;
	MUST(t, r->probes_open++ == 0, "%s is down and sees several probes at a time", r->key);
	MUST(t, t->now_ms >= r->last_fail_ms + MINUTE, "%s is down and probed again after %" PRIu64 " ms", r->key,
		t->now_ms - r->last_fail_ms);
	return true;
}

/* --- what the queue role does, in short --- */

static struct letter *letter_of(struct story *t, const struct id128 *id)
{
	uint32_t index;
	memcpy(&index, id->bytes + 12, sizeof(index));
	MUST(t, index < t->letter_count, "a unit of no message");
	return &t->letters[index];
}

static void remember(struct story *t, struct letter *l)
{
	struct schedule_entry entry = { .due_ms = l->retry_at_ms, .id = l->id, .position = &l->position };
	MUST(t, schedule_add(&t->schedule, &entry), "memory");
}

static void settle(struct story *t, struct letter *l, enum fate fate)
{
	MUST(t, l->fate == PENDING, "settled twice");
	l->fate = fate;
	t->settled++;
	TELL(t, "message %u: %s after %u attempts", (unsigned)(l - t->letters), fate == DELIVERED ? "delivered" : "bounced",
		l->attempts);
	if (fate == BOUNCED)
		MUST(t, l->copies == 0 || l->doubts > 0, "message %u was kept by the remote and bounces",
			(unsigned)(l - t->letters));
}

static void defer(struct story *t, struct letter *l, uint64_t at_ms)
{
	if (retry_expired(&plan, l->arrival_ms, t->now_ms)) {
		settle(t, l, BOUNCED);
		return;
	}
	l->retry_at_ms = at_ms;
	TELL(t, "message %u: again in %" PRIu64 " s", (unsigned)(l - t->letters), (at_ms - t->now_ms) / SECOND);
	remember(t, l);
}

/* The recorded result of an attempt. */
static void take_reply(struct story *t, struct letter *l, const char *reply)
{
	struct classify_answer answer = { .reason = REASON_UNKNOWN, .temporary = true };
	l->attempts++;
	if (reply != NULL && reply[0] == '2') {
		settle(t, l, DELIVERED);
		return;
	}
	if (reply != NULL) {
		struct classify_input input;
		classify_input_parse(span_str(reply), &input);
		classify_reply(&input, &answer);
	}
	struct retry_rules rules = { .way = plan };
	struct verdict v = verdict_of(&rules, &answer, l->attempts, t->now_ms, id_source_u64(&t->chance));
	if (v.give_up)
		settle(t, l, BOUNCED);
	else
		defer(t, l, v.retry_at_ms);
}

static void start(struct story *t, struct scheduler_unit *unit)
{
	struct letter *l = letter_of(t, &unit->id);
	struct remote *r = &t->remotes[l->remote];
	t->attempts++;
	MUST(t, l->fate == PENDING, "a settled message starts");
	MUST(t, t->now_ms >= l->retry_at_ms, "message %u starts %" PRIu64 " ms before its time", (unsigned)(l - t->letters),
		l->retry_at_ms - t->now_ms);
	MUST(t, r->kind != ACCEPTS || t->now_ms <= l->ready_ms + PROMPT_MS, "message %u to a healthy remote waited %" PRIu64
		" ms", (unsigned)(l - t->letters), t->now_ms - l->ready_ms);
	if (l->asked_at_ms != 0) {
		MUST(t, t->now_ms >= l->asked_at_ms, "the greylist is asked too early");
		MUST(t, t->crashes > 0 || t->now_ms <= l->asked_at_ms + r->delay_ms / 20 + 10 * SECOND,
			"the greylist is asked %" PRIu64 " ms late", t->now_ms - l->asked_at_ms);
	}
	bool probe = see_connection(t, r);
	uint64_t takes = r->kind == SLOW ? pick(t, 10 * MINUTE) : r->kind == ACCEPTS ? pick(t, 100) : pick(t, 5 * SECOND);
	t->flights[t->flight_count++] = (struct flight){ unit, t->now_ms + takes, probe };
}

static void run_units(struct story *t)
{
	struct scheduler_unit *unit;
	enum scheduler_take take;
	while (t->flight_count < IN_FLIGHT_MAX
	       && (take = scheduler_take(t->scheduler, t->now_ms, &unit)) != SCHEDULER_NOTHING) {
		if (take == SCHEDULER_START) {
			start(t, unit);
			continue;
		}
		struct letter *l = letter_of(t, &unit->id);
		MUST(t, t->now_ms >= l->arrival_ms + plan.give_up_ms, "expired before its time");
		l->routed = false;
		settle(t, l, BOUNCED);
		scheduler_finish(t->scheduler, unit, &(struct scheduler_finish){ .outcome = SCHEDULER_NONE }, t->now_ms);
	}
}

static void fail_unit(struct story *t, struct scheduler_unit *unit, enum scheduler_outcome outcome)
{
	struct scheduler_finish how = { .outcome = outcome, .again = true, .reason = SPAN("no") };
	scheduler_finish(t->scheduler, unit, &how, t->now_ms);
}

/* What was under way when it went down may still fail later: that is no failure more. */
static void note(struct story *t, struct remote *r, bool failed, bool probe)
{
	r->probes_open -= probe;
	if (failed && (probe || !r->failing)) {
		r->last_fail_ms = t->now_ms;
		r->fails++;
	}
	r->failing = failed;
}

static void end_flight(struct story *t, uint32_t i)
{
	struct scheduler_unit *unit = t->flights[i].unit;
	struct letter *l = letter_of(t, &unit->id);
	struct remote *r = &t->remotes[l->remote];
	bool probe = t->flights[i].probe;
	t->flights[i] = t->flights[--t->flight_count];
	bool busy = r->kind == BUSY && r->open > r->open_max;
	r->open--;
	if (!reachable(t, r)) {
		fail_unit(t, unit, SCHEDULER_DOWN);
		note(t, r, true, probe);
		return;
	}
	note(t, r, false, probe);
	if (busy) {
		fail_unit(t, unit, SCHEDULER_BUSY);
		return;
	}
	struct said said = say(t, r, l);
	if (said.kept) {
		l->copies++;
		MUST(t, l->copies <= 1 + l->doubts, "message %u arrived twice", (unsigned)(l - t->letters));
	}
	l->doubts += said.reply == NULL;
	struct scheduler_finish how = { .outcome = said.outcome, .until_ms = r->limited_until_ms, .reason = SPAN("slow down") };
	scheduler_finish(t->scheduler, unit, &how, t->now_ms);
	l->routed = false;
	take_reply(t, l, said.reply);
}

/* A due message: looked at, and handed to its destination. */
static void attempt(struct story *t, struct letter *l)
{
	static const uint32_t recipient = 0;
	const struct remote *r = &t->remotes[l->remote];
	MUST(t, !l->routed && l->fate == PENDING, "due while it is under way or settled");
	struct scheduler_unit_form form = { .key = span_str(r->key), .id = l->id,
		.expires_ms = l->arrival_ms + plan.give_up_ms, .sender_hash = l->sender * 2654435761u, .recipients = &recipient,
		.recipient_count = 1 };
	MUST(t, scheduler_add(t->scheduler, &form), "memory");
	l->routed = true;
	l->ready_ms = t->now_ms;
}

static void memory_new(struct story *t)
{
	struct scheduler_options options = { .in_flight_max = IN_FLIGHT_MAX, .window_first = 5, .window_max = WINDOW_MAX,
		.down = { MINUTE, DOWN_MAX_MS }, .chance = { { pick(t, UINT64_MAX), t->seed } } };
	schedule_init(&t->schedule);
	t->scheduler = scheduler_new(&options);
	MUST(t, t->scheduler != NULL, "memory");
}

static void memory_lose(struct story *t)
{
	for (uint32_t i = 0; i < t->flight_count; i++) {
		struct letter *l = letter_of(t, &t->flights[i].unit->id);
		struct remote *r = &t->remotes[l->remote];
		/* The remote may have kept it, and nobody here will ever know. */
		bool hears = r->kind == ACCEPTS || r->kind == SLOW;
		l->doubts++;
		l->copies += hears && pick(t, 2) == 0;
		free(t->flights[i].unit);
	}
	t->flight_count = 0;
	scheduler_free(t->scheduler);
	schedule_fini(&t->schedule);
}

/* All in memory is gone; what was recorded is read again. */
static void crash(struct story *t)
{
	memory_lose(t);
	t->crashes++;
	TELL(t, "crash");
	for (uint32_t i = 0; i < t->remote_count; i++) {
		t->remotes[i].open = 0;
		t->remotes[i].failing = false;
		t->remotes[i].probes_open = 0;
		t->remotes[i].limited_until_ms = 0; /* a pause is not on disk: it is learned anew */
	}
	memory_new(t);
	for (uint32_t i = 0; i < t->sent; i++) {
		t->letters[i].routed = false;
		if (t->letters[i].fate == PENDING)
			remember(t, &t->letters[i]);
	}
	t->next_crash_ms = t->now_ms + pick(t, 2 * DAY) + MINUTE;
}

/* --- the story --- */

static void letters_make(struct story *t)
{
	uint64_t at_ms = START_MS;
	t->letter_count = 10 + (uint32_t)pick(t, MESSAGES_MAX - 10);
	uint64_t crowded = pick(t, t->remote_count);
	for (uint32_t i = 0; i < t->letter_count; i++) {
		struct letter *l = &t->letters[i];
		/* Bursts, pauses, and one remote that gets most. */
		at_ms += pick(t, 5) == 0 ? pick(t, 6 * HOUR) : pick(t, SECOND);
		*l = (struct letter){ .arrival_ms = at_ms, .position = SCHEDULE_NOWHERE, .sender = (uint8_t)pick(t, SENDERS),
			.remote = (uint8_t)(pick(t, 2) == 0 ? crowded : pick(t, t->remote_count)) };
		l->id = id128_next(&t->chance, at_ms);
		memcpy(l->id.bytes + 12, &i, sizeof(i));
	}
}

static uint64_t earliest(const struct story *t)
{
	uint64_t at = t->sent < t->letter_count ? t->letters[t->sent].arrival_ms : UINT64_MAX;
	uint64_t others[] = { schedule_next_ms(&t->schedule), scheduler_next_ms(t->scheduler), t->next_crash_ms };
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		at = others[i] < at ? others[i] : at;
	for (uint32_t i = 0; i < t->flight_count; i++)
		at = t->flights[i].end_ms < at ? t->flights[i].end_ms : at;
	return at;
}

static void send_and_try(struct story *t)
{
	struct schedule_entry entry;
	while (t->sent < t->letter_count && t->letters[t->sent].arrival_ms <= t->now_ms) {
		struct letter *l = &t->letters[t->sent++];
		l->fate = PENDING;
		remember(t, l);
	}
	while (schedule_take(&t->schedule, t->now_ms, &entry))
		attempt(t, letter_of(t, &entry.id));
}

static void step(struct story *t)
{
	uint64_t at = earliest(t);
	MUST(t, at != UINT64_MAX, "%u of %u messages wait for nothing", t->letter_count - t->settled, t->letter_count);
	t->now_ms = at > t->now_ms ? at : t->now_ms;
	MUST(t, ++t->steps < STEPS_MAX, "time stands still");
	if (t->now_ms >= t->next_crash_ms)
		crash(t);
	for (uint32_t i = 0; i < t->flight_count;)
		if (t->flights[i].end_ms <= t->now_ms)
			end_flight(t, i);
		else
			i++;
	send_and_try(t);
	run_units(t);
	for (uint32_t i = 0; i < t->sent; i++)
		MUST(t, t->letters[i].fate != PENDING || t->now_ms < t->letters[i].arrival_ms + plan.give_up_ms + LATE_MS
			|| t->remotes[t->letters[i].remote].kind == FULL || t->now_ms < t->letters[i].retry_at_ms + LATE_MS,
			"message %u is neither delivered nor bounced", i);
}

static void check_end(struct story *t)
{
	for (uint32_t i = 0; i < t->letter_count; i++) {
		const struct letter *l = &t->letters[i];
		const struct remote *r = &t->remotes[l->remote];
		MUST(t, l->fate == DELIVERED || l->fate == BOUNCED, "message %u has no end", i);
		MUST(t, l->fate == BOUNCED || l->copies > 0, "message %u is called delivered and never arrived", i);
		MUST(t, r->kind != UNKNOWN || (l->fate == BOUNCED && l->attempts == 1), "message %u to nobody", i);
		MUST(t, (r->kind != ACCEPTS && r->kind != SLOW && r->kind != BUSY) || l->fate == DELIVERED,
			"message %u to %s bounced", i, r->key);
		MUST(t, r->kind != GREYLISTS || (l->fate == DELIVERED && (l->attempts == 2 || t->crashes > 0)),
			"message %u took %u attempts at a greylist", i, l->attempts);
	}
	MUST(t, scheduler_counts(t->scheduler).waiting == 0 && t->flight_count == 0, "something is left");
	for (uint32_t i = 0; i < t->remote_count; i++)
		MUST(t, t->remotes[i].fails < 500, "%s was asked %u times while it was down", t->remotes[i].key,
			t->remotes[i].fails);
}

static void run_story(struct story *t, uint64_t seed, bool verbose)
{
	*t = (struct story){ .seed = seed, .verbose = verbose, .now_ms = START_MS, .chance = { { seed, 77 } } };
	t->remote_count = 2 + (uint32_t)pick(t, REMOTES_MAX - 2);
	for (uint32_t i = 0; i < t->remote_count; i++)
		remote_make(t, i);
	letters_make(t);
	/* Half of the stories know no crash: what a crash excuses must not happen there. */
	t->next_crash_ms = seed % 2 == 0 ? UINT64_MAX : START_MS + pick(t, 2 * DAY);
	memory_new(t);
	while (t->settled < t->letter_count)
		step(t);
	check_end(t);
	memory_lose(t);
}

int main(int argc, char **argv)
{
	uint64_t from = 1, count = 2000, crashes = 0, attempts = 0, probes = 0, messages = 0, days = 0;
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
	struct story *t = malloc(sizeof(*t));
	if (t == NULL)
		return 1;
	printf("1..1\n");
	for (uint64_t seed = from; seed < from + count; seed++) {
		run_story(t, seed, verbose);
		crashes += t->crashes;
		attempts += t->attempts;
		probes += t->probes;
		messages += t->letter_count;
		days += (t->now_ms - START_MS) / DAY;
	}
	free(t);
	printf("# %" PRIu64 " stories of %" PRIu64 " days, %" PRIu64 " messages, %" PRIu64 " attempts, %" PRIu64
		" probes, %" PRIu64 " crashes\n", count, days, messages, attempts, probes, crashes);
	printf("ok 1 - every message ends once, in time, and nobody is hammered\n");
	return 0;
}
