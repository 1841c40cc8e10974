/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One question from its beginning to its answer: memory first, then a connection of the
 * pool, once more on a new one where an old one was of no use, and what follows for the
 * source's health.
 */
#include "source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"
#include "source_private.h"

static const struct source_driver *const drivers[SOURCE_KINDS] = {
	[SOURCE_SQLITE] = &source_sqlite,
	[SOURCE_PGSQL] = &source_pgsql,
	[SOURCE_LDAP] = &source_ldap,
	[SOURCE_SYSTEM] = &source_system,
};

void source_write_name(const struct source *s, struct buf *out)
{
	static const char *const kinds[SOURCE_KINDS] = { "sqlite", "pgsql", "ldap", "system" };
	buf_add_str(out, kinds[s->kind]);
	if (s->name[0] != 0)
		buf_addf(out, " \"%s\"", s->name);
}

static void locks_init(struct source *s)
{
	pthread_condattr_t monotonic;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&s->released, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

struct source *source_new(const struct source_settings *settings, char why_out[static SOURCE_WHY_BYTES_MAX])
{
	struct source *s = calloc(1, sizeof(*s));
	why_out[0] = 0;
	if (s == NULL || (s->name = buf_strdup(settings->name)) == NULL) {
		source_why(why_out, "out of memory");
		free(s);
		return NULL;
	}
	s->driver = drivers[settings->kind];
	s->kind = settings->kind;
	s->timeout_us = (uint64_t)settings->timeout_ms * 1000;
	s->connections_max = settings->connections_max;
	if (s->connections_max == 0 || s->connections_max > SOURCE_CONNECTIONS_MAX)
		s->connections_max = SOURCE_CONNECTIONS_MAX;
	for (size_t i = 0; i < CONF_QUERY_TOPICS; i++)
		s->asked_for[i] = settings->kind == SOURCE_SYSTEM ? i == CONF_QUERY_OF_USER : settings->queries[i].len > 0;
	s->pause_us = SOURCE_PAUSE_MS * 1000;
	locks_init(s);
	source_cache_init(&s->cache, settings->cache_ms);
	if (!s->driver->init(settings, &s->state, why_out)) {
		s->driver = NULL;
		source_free(s);
		return NULL;
	}
	return s;
}

void source_free(struct source *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->idle_count; i++)
		s->driver->close(s->idle[i].connection);
	if (s->driver != NULL)
		s->driver->fini(s->state);
	source_cache_fini(&s->cache);
	pthread_cond_destroy(&s->released);
	pthread_mutex_destroy(&s->lock);
	free(s->name);
	free(s);
}

/* A connection on loan, and whether it was used before. */
struct loan {
	void *connection;
	bool used;
};

static struct timespec timespec_of(uint64_t us)
{
	return (struct timespec){ .tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000 };
}

/* An idle connection, or the right to open one. False: all are in use until the deadline. Holds the lock. */
static bool borrow(struct source *s, uint64_t deadline_us, struct loan *loan)
{
	struct timespec until = timespec_of(deadline_us);
	int waited = 0;
	while (s->idle_count == 0 && s->open_count == s->connections_max && waited == 0)
		waited = pthread_cond_timedwait(&s->released, &s->lock, &until);
	*loan = (struct loan){ 0 };
	if (s->idle_count > 0) {
		loan->connection = s->idle[--s->idle_count].connection;
		loan->used = true;
		return true;
	}
	if (s->open_count == s->connections_max)
		return false;
	s->open_count++;
	return true;
}

/* Gives the connection back, or its place when it is NULL. Holds the lock. */
static void give_back(struct source *s, void *connection)
{
	if (connection != NULL)
		s->idle[s->idle_count++] = (struct source_idle){ connection, clock_mono_us() };
	else
		s->open_count--;
	pthread_cond_signal(&s->released);
}

/* Takes idle connections out that nobody will want: old ones, or all. Holds the lock; the caller closes them. */
static size_t discard(struct source *s, bool all, void *connections_out[static SOURCE_CONNECTIONS_MAX])
{
	uint64_t now_us = clock_mono_us();
	size_t count = 0, kept = 0;
	for (size_t i = 0; i < s->idle_count; i++) {
		if (all || now_us - s->idle[i].since_us > SOURCE_IDLE_MS_MAX * 1000ull)
			connections_out[count++] = s->idle[i].connection;
		else
			s->idle[kept++] = s->idle[i];
	}
	s->idle_count = kept;
	s->open_count -= count;
	return count;
}

static void idle_close(struct source *s, bool all)
{
	void *connections[SOURCE_CONNECTIONS_MAX];
	pthread_mutex_lock(&s->lock);
	size_t count = discard(s, all, connections);
	pthread_mutex_unlock(&s->lock);
	for (size_t i = 0; i < count; i++)
		s->driver->close(connections[i]);
}

static void rows_begin(struct source_rows *rows, struct arena *arena, const struct source_question *question)
{
	*rows = (struct source_rows){ .arena = arena, .topic = question->topic, .user = question->user };
}

/* Asks on a connection, old or new. False: the source failed; why says how. */
static bool ask_on(struct source *s, struct loan *loan, const struct source_call *call)
{
	bool spent = false;
	if (loan->connection == NULL)
		loan->connection = s->driver->open(s->state, call->deadline_us, call->why);
	if (loan->connection == NULL)
		return false;
	bool good = s->driver->ask(loan->connection, call, &spent);
	if (!good || spent) {
		s->driver->close(loan->connection);
		loan->connection = NULL;
	}
	return good;
}

/* An old connection may have been cut since: once more on a new one, as long as there is time. */
static bool ask_twice(struct source *s, struct loan *loan, const struct source_call *call)
{
	bool used = loan->used;
	if (ask_on(s, loan, call))
		return true;
	if (!used || source_left_ms(call->deadline_us) == 0)
		return false;
	idle_close(s, true);
	rows_begin(call->rows, call->rows->arena, call->question);
	return ask_on(s, loan, call);
}

/* Left alone after a failure, until somebody finds out whether it works again. Holds the lock. */
static bool is_paused(const struct source *s)
{
	return s->health.down && (s->probing || clock_mono_us() < s->paused_until_us);
}

/* The answer is the reason that it gave last. Holds the lock. */
static void answer_paused(const struct source *s, struct source_answer *answer)
{
	*answer = (struct source_answer){ .outcome = SOURCE_UNAVAILABLE };
	snprintf(answer->why, sizeof(answer->why), "%s", s->health.why);
}

/* Holds the lock. */
static void note_health(struct source *s, bool good, bool probe, const char *why)
{
	struct source_health *h = &s->health;
	uint64_t now_us = clock_mono_us();
	h->failed += !good;
	/* What began before somebody else's failure is no news of how it stands. */
	if (!good && (probe || !h->down)) {
		snprintf(h->why, sizeof(h->why), "%s", why);
		s->paused_until_us = now_us + s->pause_us;
		s->pause_us = s->pause_us * 2 < SOURCE_PAUSE_MS_MAX * 1000ull ? s->pause_us * 2 : SOURCE_PAUSE_MS_MAX * 1000ull;
	}
	if (good)
		s->pause_us = SOURCE_PAUSE_MS * 1000;
	if (h->down == good) {
		h->down = !good;
		h->changes++;
		h->since_us = now_us;
	}
}

/* A question of one kind that is answered says nothing of those of another kind. Holds the lock. */
static void note_refusal(struct source *s, const struct source_rows *rows, const char *why)
{
	if (rows->refused)
		snprintf(s->refused_why[rows->topic], sizeof(s->refused_why[rows->topic]), "%s", why);
	if (rows->refused == s->refused[rows->topic])
		return;
	s->refused[rows->topic] = rows->refused;
	s->health.changes++;
	s->health.since_us = clock_mono_us();
}

static void answer_of(const struct source_rows *rows, struct source_answer *answer)
{
	answer->outcome = SOURCE_ABSENT;
	/* What it refuses whoever it is about is told of the source. */
	answer->fails = rows->problem != NULL && !rows->refused;
	if (rows->too_many && rows->topic == CONF_QUERY_OF_ALIAS) {
		answer->outcome = SOURCE_FOUND;
		answer->too_many = true;
		answer->fails = false;
	} else if (rows->problem != NULL) {
		answer->outcome = SOURCE_UNAVAILABLE;
		if (rows->problem != answer->why)
			snprintf(answer->why, sizeof(answer->why), "%s", rows->problem);
	} else if (rows->found && (rows->topic != CONF_QUERY_OF_ALIAS || rows->count > 0)) {
		answer->outcome = SOURCE_FOUND;
		answer->values = rows->values;
		answer->value_count = rows->count;
	}
}

/* The words of the query with a NUL behind each; false without memory. */
static bool values_make(struct source_call *call, struct buf *text)
{
	const struct source_question *q = call->question;
	size_t ends[CONF_QUERY_WORDS];
	buf_add(text, q->user);
	ends[CONF_QUERY_USER] = text->len;
	buf_add_byte(text, 0);
	buf_add(text, q->domain);
	ends[CONF_QUERY_DOMAIN] = text->len;
	buf_add_byte(text, 0);
	buf_add(text, q->user);
	buf_add_byte(text, '@');
	buf_add(text, q->domain);
	ends[CONF_QUERY_ADDRESS] = text->len;
	buf_add_byte(text, 0);
	size_t from = 0;
	for (size_t i = 0; !text->failed && i < CONF_QUERY_WORDS; i++) {
		call->values[i] = span_of(text->ptr + from, ends[i] - from);
		from = ends[i] + 1;
	}
	return !text->failed;
}

/* Past memory and pause: really asks. */
static void ask_now(struct source *s, const struct source_question *question, struct arena *arena,
	struct source_answer *answer, bool probe)
{
	struct source_rows rows;
	struct loan loan;
	struct buf text;
	uint64_t own_us = clock_mono_us() + s->timeout_us;
	struct source_call call = { .question = question, .rows = &rows, .why = answer->why,
		.deadline_us = question->deadline_us > 0 && question->deadline_us < own_us ? question->deadline_us : own_us };
	rows_begin(&rows, arena, question);
	buf_init(&text, 4096);
	answer->why[0] = 0;
	idle_close(s, false);

	pthread_mutex_lock(&s->lock);
	bool lent = source_left_ms(call.deadline_us) > 0 && borrow(s, call.deadline_us, &loan);
	pthread_mutex_unlock(&s->lock);
	bool good = lent && values_make(&call, &text) && ask_twice(s, &loan, &call);
	if (!lent)
		source_why(answer->why, "no time was left, or all %zu connections are in use", s->connections_max);
	else if (text.failed)
		source_why(answer->why, "out of memory");
	if (good)
		answer_of(&rows, answer);
	else
		answer->outcome = SOURCE_UNAVAILABLE;

	/* What lies idle leads to the same server, and would hang as well. */
	if (lent && !good)
		idle_close(s, true);
	pthread_mutex_lock(&s->lock);
	/* Too little time, or too many questions at once, is no failure of the source. */
	if (lent) {
		give_back(s, loan.connection);
		note_health(s, good, probe, answer->why);
		if (good)
			note_refusal(s, &rows, answer->why);
	}
	if (probe)
		s->probing = false;
	source_cache_keep(&s->cache, question, answer);
	pthread_mutex_unlock(&s->lock);
	buf_fini(&text);
}

bool source_ask_cache(struct source *s, const struct source_question *question, struct arena *arena,
	struct source_answer *answer_out)
{
	*answer_out = (struct source_answer){ .outcome = SOURCE_ABSENT };
	if (!s->asked_for[question->topic])
		return true;
	pthread_mutex_lock(&s->lock);
	bool known = source_cache_find(&s->cache, question, arena, answer_out);
	s->health.cached += known;
	if (!known && is_paused(s)) {
		answer_paused(s, answer_out);
		known = true;
	}
	pthread_mutex_unlock(&s->lock);
	return known;
}

void source_ask(struct source *s, const struct source_question *question, struct arena *arena,
	struct source_answer *answer_out)
{
	if (source_ask_cache(s, question, arena, answer_out))
		return;
	pthread_mutex_lock(&s->lock);
	bool paused = is_paused(s);
	bool probe = !paused && s->health.down;
	if (paused)
		answer_paused(s, answer_out);
	s->probing |= probe;
	s->health.asked += !paused;
	pthread_mutex_unlock(&s->lock);
	if (!paused)
		ask_now(s, question, arena, answer_out, probe);
}

static const char *const queries[CONF_QUERY_TOPICS] = { "domains", "users", "aliases" };

void source_health(struct source *s, struct source_health *health_out)
{
	pthread_mutex_lock(&s->lock);
	*health_out = s->health;
	for (size_t i = 0; i < CONF_QUERY_TOPICS && !s->health.down; i++) {
		if (!s->refused[i])
			continue;
		health_out->refused = true;
		source_why(health_out->why, "%s: %s", queries[i], s->refused_why[i]);
	}
	health_out->connections = (uint32_t)s->open_count;
	pthread_mutex_unlock(&s->lock);
}
