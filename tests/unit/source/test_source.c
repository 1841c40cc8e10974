/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A source as its callers see it, on SQLite, which needs no server: outcomes, limits, what it does after a
 * failure, how it remembers. PostgreSQL and LDAP are tested with real servers (tests/e2e).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <pthread.h>
#include <pwd.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "account.h"
#include "clock.h"
#include "source.h"

#define PATIENCE_US 20000000

static char folder[64], path[128], other_path[128];

static const char *const schema =
	"CREATE TABLE users (name, domain, active);"
	"CREATE TABLE aliases (address, target);"
	"CREATE TABLE domains (name);"
	"INSERT INTO users VALUES ('alice', 'example.org', 1), ('bob', 'example.org', 0), ('null', 'example.org', NULL);"
	"INSERT INTO aliases VALUES ('team@example.org', 'alice@example.org'), ('team@example.org', NULL),"
	" ('team@example.org', '  '), ('team@example.org', ' bob, carol '), ('none@example.org', NULL),"
	" ('long@example.org', hex(zeroblob(40000))), ('blob@example.org', x'ff00fe');"
	"INSERT INTO domains VALUES ('example.org');"
	"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10001)"
	" INSERT INTO aliases SELECT 'many@example.org', 'x' || i FROM n;";

static void run_sql(const char *file, const char *sql)
{
	sqlite3 *db;
	char *error = NULL;
	assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
		fail_msg("%s: %s", sql, error);
	sqlite3_close(db);
}

static int setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/waybill-source-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/mail.db", folder);
	snprintf(other_path, sizeof(other_path), "%s/other.db", folder);
	run_sql(path, schema);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	unlink(other_path);
	rmdir(folder);
	return 0;
}

static struct source_settings settings_make(void)
{
	return (struct source_settings){ .kind = SOURCE_SQLITE, .name = SPAN("mail"), .server = span_str(path),
		.queries = { SPAN("SELECT 1 FROM domains WHERE name = {domain}"),
			SPAN("SELECT active FROM users WHERE name = {user} AND domain = {domain}"),
			SPAN("SELECT target FROM aliases WHERE address = {address}") },
		.connections_max = 2, .timeout_ms = 5000 };
}

static struct source *source_make(const struct source_settings *settings)
{
	char why[SOURCE_WHY_BYTES_MAX];
	struct source *source = source_new(settings, why);
	if (source == NULL)
		fail_msg("%s", why);
	return source;
}

/* An answer with its memory. */
struct answer {
	struct source_answer said;
	struct arena arena;
};

static void ask(struct source *source, enum conf_query_topic topic, const char *user, struct answer *answer)
{
	struct source_question question = { .topic = topic, .user = span_str(user), .domain = SPAN("example.org") };
	arena_init(&answer->arena, SOURCE_ANSWER_BYTES_MAX * 2);
	source_ask(source, &question, &answer->arena, &answer->said);
}

static enum source_outcome outcome(struct source *source, enum conf_query_topic topic, const char *user)
{
	struct answer answer;
	ask(source, topic, user, &answer);
	arena_reset(&answer.arena);
	return answer.said.outcome;
}

static void test_three_outcomes(void **state)
{
	static const struct {
		enum conf_query_topic topic;
		const char *user;
		enum source_outcome outcome;
		const char *values; /* with "|" behind each, or why */
	} cases[] = {
		{ CONF_QUERY_OF_USER, "alice", SOURCE_FOUND, "" },
		{ CONF_QUERY_OF_USER, "bob", SOURCE_ABSENT, "" },
		{ CONF_QUERY_OF_USER, "null", SOURCE_ABSENT, "" },
		{ CONF_QUERY_OF_USER, "nobody", SOURCE_ABSENT, "" },
		{ CONF_QUERY_OF_USER, "Alice", SOURCE_ABSENT, "" },
		{ CONF_QUERY_OF_USER, "' OR '1'='1", SOURCE_ABSENT, "" },
		{ CONF_QUERY_OF_USER, "alice'; DROP TABLE users; --", SOURCE_ABSENT, "" },
		{ CONF_QUERY_OF_USER, "%", SOURCE_ABSENT, "" },
		{ CONF_QUERY_OF_ALIAS, "team", SOURCE_FOUND, "alice@example.org|bob, carol|" },
		{ CONF_QUERY_OF_ALIAS, "none", SOURCE_ABSENT, "" },
		{ CONF_QUERY_OF_ALIAS, "alice", SOURCE_ABSENT, "" },
		{ CONF_QUERY_OF_ALIAS, "long", SOURCE_UNAVAILABLE, "an answer was too long" },
		{ CONF_QUERY_OF_ALIAS, "blob", SOURCE_UNAVAILABLE, "an answer was no text in UTF-8" },
		{ CONF_QUERY_OF_ALIAS, "many", SOURCE_FOUND, "too many" },
		{ CONF_QUERY_OF_DOMAIN, "", SOURCE_FOUND, "" },
		{ CONF_QUERY_OF_USER, "alice", SOURCE_FOUND, "" },
	};
	struct source_settings settings = settings_make();
	struct source_health health;
	struct source *source = source_make(&settings);
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct answer answer;
		struct buf values;
		buf_init(&values, 1000);
		ask(source, cases[i].topic, cases[i].user, &answer);
		buf_add_str(&values, answer.said.outcome == SOURCE_UNAVAILABLE ? answer.said.why : "");
		for (size_t v = 0; v < answer.said.value_count; v++)
			buf_addf(&values, "%.*s|", SPAN_FMT(answer.said.values[v]));
		if (answer.said.too_many)
			buf_add_str(&values, "too many");
		if (answer.said.outcome != cases[i].outcome || !span_eq(buf_span(&values), span_str(cases[i].values)))
			fail_msg("case %s: outcome %d, %s", cases[i].user, answer.said.outcome, buf_cstr(&values));
		buf_fini(&values);
		arena_reset(&answer.arena);
	}
	/* A bad answer about one name is no failure for the others. */
	source_health(source, &health);
	assert_false(health.down);
	assert_int_equal(health.failed, 0);
	assert_int_equal(health.asked, sizeof(cases) / sizeof(cases[0]));
	source_free(source);
}

static void test_what_is_not_asked_for_is_absent(void **state)
{
	struct source_settings settings = settings_make();
	(void)state;
	settings.queries[CONF_QUERY_OF_ALIAS] = SPAN("");
	struct source *source = source_make(&settings);
	assert_int_equal(outcome(source, CONF_QUERY_OF_ALIAS, "team"), SOURCE_ABSENT);
	source_free(source);
}

static void test_queries_that_are_wrong_make_it_unavailable(void **state)
{
	static const struct {
		const char *query, *why;
	} cases[] = {
		{ "SELECT target FROM aliases WHERE address = {address}; DELETE FROM users", "one statement" },
		{ "DELETE FROM users WHERE name = {user} RETURNING name", "only reads" },
		{ "SELECT ?2 FROM aliases WHERE address = {address}", "parameters of its own" },
		{ "SELECT target FROM nowhere WHERE address = {address}", "no such table" },
		{ "this is no SQL {user}", "syntax error" },
		{ "ATTACH {user} AS x", "" },
		{ "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c WHERE x = {user}",
		  "in time" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct source_settings settings = settings_make();
		struct answer answer;
		settings.queries[CONF_QUERY_OF_ALIAS] = span_str(cases[i].query);
		settings.timeout_ms = 300;
		struct source *source = source_make(&settings);
		uint64_t before_us = clock_mono_us();
		ask(source, CONF_QUERY_OF_ALIAS, "team", &answer);
		if (answer.said.outcome != SOURCE_UNAVAILABLE || strstr(answer.said.why, cases[i].why) == NULL)
			fail_msg("case %s: outcome %d, %s", cases[i].query, answer.said.outcome, answer.said.why);
		assert_true(clock_mono_us() - before_us < PATIENCE_US);
		arena_reset(&answer.arena);
		source_free(source);
	}
	char why[SOURCE_WHY_BYTES_MAX];
	struct source_settings settings = settings_make();
	settings.queries[CONF_QUERY_OF_ALIAS] = SPAN("SELECT '{user}'");
	assert_null(source_new(&settings, why));
	assert_non_null(strstr(why, "in quotes"));
}

static bool until_found(struct source *source, const char *user)
{
	uint64_t begin_us = clock_mono_us();
	while (clock_mono_us() - begin_us < PATIENCE_US)
		if (outcome(source, CONF_QUERY_OF_USER, user) == SOURCE_FOUND)
			return true;
	return false;
}

/* Words that make the query fail are no failure of the source: strangers choose them. */
static void test_a_question_that_fails_alone_stops_no_other(void **state)
{
	struct source_settings settings = settings_make();
	struct source_health health;
	struct answer answer;
	(void)state;
	settings.queries[CONF_QUERY_OF_ALIAS] = SPAN("SELECT abs(CASE {user} WHEN 'bad' THEN -9223372036854775808 ELSE 1 END)");
	struct source *source = source_make(&settings);
	ask(source, CONF_QUERY_OF_ALIAS, "bad", &answer);
	assert_int_equal(answer.said.outcome, SOURCE_UNAVAILABLE);
	assert_non_null(strstr(answer.said.why, "integer overflow"));
	arena_reset(&answer.arena);
	assert_int_equal(outcome(source, CONF_QUERY_OF_ALIAS, "good"), SOURCE_FOUND);
	source_health(source, &health);
	assert_false(health.down);
	source_free(source);
}

/* What failed is left alone for a moment, and found again by itself. */
static void test_a_failure_is_remembered_and_forgotten(void **state)
{
	struct source_settings settings = settings_make();
	struct source_health health;
	struct answer answer;
	(void)state;
	settings.server = span_str(other_path);
	struct source *source = source_make(&settings);
	ask(source, CONF_QUERY_OF_USER, "alice", &answer);
	assert_int_equal(answer.said.outcome, SOURCE_UNAVAILABLE);
	assert_non_null(strstr(answer.said.why, "other.db: unable to open"));
	arena_reset(&answer.arena);
	source_health(source, &health);
	assert_true(health.down);
	assert_string_equal(health.why, answer.said.why);

	for (int i = 0; i < 100; i++)
		assert_int_equal(outcome(source, CONF_QUERY_OF_USER, "alice"), SOURCE_UNAVAILABLE);
	source_health(source, &health);
	assert_int_equal(health.asked, 1);
	assert_int_equal(health.connections, 0);

	run_sql(other_path, schema);
	assert_true(until_found(source, "alice"));
	source_health(source, &health);
	assert_false(health.down);
	assert_int_equal(health.changes, 2);
	source_free(source);
	unlink(other_path);
}

static void test_a_locked_database_costs_its_timeout_and_no_more(void **state)
{
	struct source_settings settings = settings_make();
	sqlite3 *db;
	(void)state;
	settings.timeout_ms = 200;
	struct source *source = source_make(&settings);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
	uint64_t before_us = clock_mono_us();
	assert_int_equal(outcome(source, CONF_QUERY_OF_USER, "alice"), SOURCE_UNAVAILABLE);
	assert_in_range(clock_mono_us() - before_us, 150000, PATIENCE_US);
	sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	sqlite3_close(db);
	assert_true(until_found(source, "alice"));
	source_free(source);
}

static void test_a_database_that_was_replaced_is_opened_anew(void **state)
{
	struct source_settings settings = settings_make();
	(void)state;
	struct source *source = source_make(&settings);
	assert_int_equal(outcome(source, CONF_QUERY_OF_USER, "dave"), SOURCE_ABSENT);
	run_sql(other_path, schema);
	run_sql(other_path, "INSERT INTO users VALUES ('dave', 'example.org', 1)");
	assert_int_equal(rename(other_path, path), 0);
	assert_int_equal(outcome(source, CONF_QUERY_OF_USER, "dave"), SOURCE_FOUND);
	source_free(source);
}

static void test_answers_are_kept_for_a_moment(void **state)
{
	struct source_settings settings = settings_make();
	struct source_health health;
	struct answer answer;
	(void)state;
	settings.cache_ms = 3600000;
	struct source *source = source_make(&settings);
	assert_int_equal(outcome(source, CONF_QUERY_OF_USER, "erin"), SOURCE_ABSENT);
	assert_int_equal(outcome(source, CONF_QUERY_OF_ALIAS, "team"), SOURCE_FOUND);
	run_sql(path, "INSERT INTO users VALUES ('erin', 'example.org', 1); DELETE FROM aliases");
	assert_int_equal(outcome(source, CONF_QUERY_OF_USER, "erin"), SOURCE_ABSENT);
	ask(source, CONF_QUERY_OF_ALIAS, "team", &answer);
	assert_int_equal(answer.said.outcome, SOURCE_FOUND);
	assert_int_equal(answer.said.value_count, 2);
	assert_true(span_eq(answer.said.values[1], SPAN("bob, carol")));
	arena_reset(&answer.arena);
	source_health(source, &health);
	assert_int_equal(health.asked, 2);
	assert_int_equal(health.cached, 2);
	source_free(source);

	settings.cache_ms = 1;
	source = source_make(&settings);
	assert_int_equal(outcome(source, CONF_QUERY_OF_USER, "frank"), SOURCE_ABSENT);
	run_sql(path, "INSERT INTO users VALUES ('frank', 'example.org', 1)");
	assert_true(until_found(source, "frank"));
	source_free(source);
}

/* More names than are kept: the oldest go, the newest are there. */
static void test_memory_of_answers_is_bounded(void **state)
{
	struct source_settings settings = settings_make();
	struct source_health before, after;
	char name[32];
	(void)state;
	settings.cache_ms = 3600000;
	struct source *source = source_make(&settings);
	for (int i = 0; i <= SOURCE_CACHE_ENTRIES_MAX; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		assert_int_equal(outcome(source, CONF_QUERY_OF_USER, name), SOURCE_ABSENT);
	}
	source_health(source, &before);
	assert_int_equal(outcome(source, CONF_QUERY_OF_USER, name), SOURCE_ABSENT);
	assert_int_equal(outcome(source, CONF_QUERY_OF_USER, "n0"), SOURCE_ABSENT);
	source_health(source, &after);
	assert_int_equal(after.cached, before.cached + 1);
	assert_int_equal(after.asked, before.asked + 1);
	source_free(source);
}

static void *ask_often(void *arg)
{
	size_t found = 0;
	for (int i = 0; i < 200; i++)
		found += outcome(arg, CONF_QUERY_OF_USER, "alice") == SOURCE_FOUND;
	return (void *)found; /* NOLINT: a number, no address */
}

static void test_many_threads_share_few_connections(void **state)
{
	struct source_settings settings = settings_make();
	struct source_health health;
	pthread_t threads[8];
	(void)state;
	struct source *source = source_make(&settings);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_often, source), 0);
	for (size_t i = 0; i < 8; i++) {
		void *found;
		pthread_join(threads[i], &found);
		assert_int_equal((uintptr_t)found, 200);
	}
	source_health(source, &health);
	assert_in_range(health.connections, 1, 2);
	assert_int_equal(health.failed, 0);
	source_free(source);
}

static void test_a_question_without_time_is_no_failure(void **state)
{
	struct source_settings settings = settings_make();
	struct source_question question = { .topic = CONF_QUERY_OF_USER, .user = SPAN("alice"), .domain = SPAN("example.org"),
		.deadline_us = 1 };
	struct source_answer answer;
	struct source_health health;
	struct arena arena;
	(void)state;
	struct source *source = source_make(&settings);
	arena_init(&arena, 65536);
	source_ask(source, &question, &arena, &answer);
	assert_int_equal(answer.outcome, SOURCE_UNAVAILABLE);
	source_health(source, &health);
	assert_false(health.down);
	assert_int_equal(outcome(source, CONF_QUERY_OF_USER, "alice"), SOURCE_FOUND);
	arena_reset(&arena);
	source_free(source);
}

static void test_accounts_of_the_system(void **state)
{
	struct source_settings settings = { .kind = SOURCE_SYSTEM, .name = SPAN("system"), .timeout_ms = 5000 };
	(void)state;
	struct source *source = source_make(&settings);
	setpwent();
	const struct passwd *entry;
	while ((entry = getpwent()) != NULL && !account_is_persons(entry->pw_uid))
		;
	if (entry != NULL)
		assert_int_equal(outcome(source, CONF_QUERY_OF_USER, entry->pw_name), SOURCE_FOUND);
	endpwent();
	assert_int_equal(outcome(source, CONF_QUERY_OF_USER, "root"), SOURCE_ABSENT);
	assert_int_equal(outcome(source, CONF_QUERY_OF_USER, "daemon"), SOURCE_ABSENT);
	assert_int_equal(outcome(source, CONF_QUERY_OF_USER, "nobody"), SOURCE_ABSENT);
	assert_int_equal(outcome(source, CONF_QUERY_OF_USER, "there-is-no-such-account"), SOURCE_ABSENT);
	assert_int_equal(outcome(source, CONF_QUERY_OF_ALIAS, "root"), SOURCE_ABSENT);
	source_free(source);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_three_outcomes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_not_asked_for_is_absent, setup, teardown),
		cmocka_unit_test_setup_teardown(test_queries_that_are_wrong_make_it_unavailable, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_question_that_fails_alone_stops_no_other, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_failure_is_remembered_and_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_locked_database_costs_its_timeout_and_no_more, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_database_that_was_replaced_is_opened_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(test_answers_are_kept_for_a_moment, setup, teardown),
		cmocka_unit_test_setup_teardown(test_memory_of_answers_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_threads_share_few_connections, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_question_without_time_is_no_failure, setup, teardown),
		cmocka_unit_test(test_accounts_of_the_system),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
