/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PostgreSQL by libpq, without its blocking calls: whatever it waits for, it waits until
 * the deadline. Words of questions travel as parameters, of statements without a name:
 * what a connection has prepared is of no use behind a pooler (pgbouncer), which gives the
 * next question to another server, or to one where the name exists. Rows are taken one at
 * a time, so that the limits hold while they come.
 */
#include <libpq-fe.h>
#include <stdlib.h>

#include "source_driver.h"

#define LIBRARY "libpq.so.5"
#define OID_BOOL 16
#define OID_INT8 20
#define OID_INT2 21
#define OID_INT4 23

/* What is used of the library; it is loaded only where a source needs it. */
#define FUNCTIONS(F) \
	F(PQconninfoParse) F(PQconninfoFree) F(PQfreemem) F(PQconnectStartParams) F(PQconnectPoll) F(PQsocket) \
	F(PQstatus) F(PQerrorMessage) F(PQfinish) F(PQsetnonblocking) F(PQsetNoticeProcessor) F(PQsendQueryParams) \
	F(PQsetSingleRowMode) F(PQflush) F(PQconsumeInput) F(PQisBusy) F(PQgetResult) \
	F(PQresultStatus) F(PQresultErrorMessage) F(PQresultErrorField) F(PQclear) F(PQnfields) F(PQgetisnull) \
	F(PQgetvalue) F(PQgetlength) F(PQftype)

SOURCE_LIBRARY(pq, FUNCTIONS);

struct pgsql_state {
	char *server, *secret;
	struct source_sql sql;
};

struct connection {
	const struct pgsql_state *state;
	PGconn *pg;
};

static void fini(void *state)
{
	struct pgsql_state *st = state;
	source_sql_fini(&st->sql);
	free(st->server);
	free(st->secret);
	free(st);
}

/* A connection string that libpq understands. */
static bool server_read(const struct pgsql_state *st, char *why)
{
	char *problem = NULL;
	PQconninfoOption *options = pq.PQconninfoParse(st->server, &problem);
	if (options == NULL) {
		source_why(why, "the connection string is wrong: %s", problem != NULL ? problem : "out of memory");
		pq.PQfreemem(problem);
		return false;
	}
	pq.PQconninfoFree(options);
	return true;
}

static bool init(const struct source_settings *settings, void **state_out, char *why)
{
	if (pq.all[0] == NULL && !source_library_load(LIBRARY, pq_names, pq.all, why))
		return false;
	struct pgsql_state *st = calloc(1, sizeof(*st));
	if (st == NULL) {
		source_why(why, "out of memory");
		return false;
	}
	st->server = buf_strdup(settings->server);
	st->secret = buf_strdup(settings->secret);
	if (st->server == NULL || st->secret == NULL)
		source_why(why, "out of memory");
	else if (source_sql_init(&st->sql, settings, '$', why) && server_read(st, why)) {
		*state_out = st;
		return true;
	}
	fini(st);
	return false;
}

static void connection_close(void *connection)
{
	struct connection *c = connection;
	pq.PQfinish(c->pg);
	free(c);
}

static bool fail(const struct connection *c, const char *what, char *why)
{
	source_why(why, "%s", what != NULL && what[0] != 0 ? what : pq.PQerrorMessage(c->pg));
	return false;
}

static bool timed_out(const struct connection *c, char *why)
{
	return fail(c, "the server does not answer in time", why);
}

static void be_quiet(void *arg, const char *notice)
{
	(void)arg;
	(void)notice;
}

static bool connect_wait(struct connection *c, uint64_t deadline_us, char *why)
{
	PostgresPollingStatusType next = PGRES_POLLING_WRITING;
	while (next == PGRES_POLLING_WRITING || next == PGRES_POLLING_READING) {
		int fd = pq.PQsocket(c->pg);
		if (fd < 0)
			return fail(c, NULL, why);
		if (!source_wait_fd(fd, next == PGRES_POLLING_WRITING, deadline_us))
			return fail(c, "no connection in time", why);
		next = pq.PQconnectPoll(c->pg);
	}
	return next == PGRES_POLLING_OK || fail(c, NULL, why);
}

/* Sends what waits to be sent, then waits until PQgetResult would not block. */
static bool answer_wait(struct connection *c, uint64_t deadline_us, char *why)
{
	int fd = pq.PQsocket(c->pg), unsent;
	while ((unsent = pq.PQflush(c->pg)) > 0)
		if (!source_wait_fd(fd, true, deadline_us))
			return timed_out(c, why);
	if (unsent < 0)
		return fail(c, NULL, why);
	while (pq.PQisBusy(c->pg)) {
		if (!source_wait_fd(fd, false, deadline_us))
			return timed_out(c, why);
		if (!pq.PQconsumeInput(c->pg))
			return fail(c, NULL, why);
	}
	return true;
}

static void *connection_open(void *state, uint64_t deadline_us, char *why)
{
	const struct pgsql_state *st = state;
	/* What the connection string says itself comes later and wins, but for the password. */
	const char *const keywords[] = { "gssencmode", "client_encoding", "fallback_application_name", "dbname",
		st->secret[0] != 0 ? "password" : NULL, NULL };
	const char *const values[] = { "disable", "UTF8", "waybill", st->server, st->secret, NULL };
	struct connection *c = calloc(1, sizeof(*c));
	if (c == NULL || (c->pg = pq.PQconnectStartParams(keywords, values, 1)) == NULL) {
		source_why(why, "out of memory");
		free(c);
		return NULL;
	}
	c->state = st;
	pq.PQsetNoticeProcessor(c->pg, be_quiet, NULL);
	bool good = pq.PQstatus(c->pg) != CONNECTION_BAD ? connect_wait(c, deadline_us, why) : fail(c, NULL, why);
	if (good && pq.PQsetnonblocking(c->pg, 1) != 0)
		good = fail(c, NULL, why);
	if (good)
		return c;
	connection_close(c);
	return NULL;
}

/* A first column that is NULL, false or the number 0 says no. */
static bool row_counts(const PGresult *result)
{
	if (pq.PQnfields(result) < 1 || pq.PQgetisnull(result, 0, 0))
		return false;
	struct span value = span_of(pq.PQgetvalue(result, 0, 0), (size_t)pq.PQgetlength(result, 0, 0));
	switch (pq.PQftype(result, 0)) {
	case OID_BOOL:
		return !span_eq(value, SPAN("f"));
	case OID_INT2:
	case OID_INT4:
	case OID_INT8:
		return !span_eq(value, SPAN("0"));
	default:
		return true;
	}
}

static bool is_class(const char *state, const char *classes)
{
	char two[3] = { state[0], state[0] != 0 ? state[1] : 0, 0 };
	return strlen(two) == 2 && strstr(classes, two) != NULL;
}

/*
 * An error of the server about this question. The connection goes on, unless it is ending, a pooler cannot go on
 * with it, or the query itself is wrong.
 */
static bool error_is_ours(struct connection *c, const PGresult *result, const struct source_call *call)
{
	const char *state = pq.PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *severity = pq.PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
	fail(c, pq.PQresultErrorMessage(result), call->why);
	if (pq.PQstatus(c->pg) != CONNECTION_OK || state == NULL || (severity != NULL && strcmp(severity, "ERROR") != 0))
		return false;
	if (is_class(state, "08 26 42") || strcmp(state, "0A000") == 0 || strncmp(state, "57P", 3) == 0)
		return false;
	call->rows->problem = call->why;
	return true;
}

static struct span row_value(const PGresult *result, const struct source_call *call)
{
	int column = call->question->topic == CONF_QUERY_OF_ALIAS ? 0 : 1;
	if (pq.PQnfields(result) <= column || pq.PQgetisnull(result, 0, column))
		return (struct span){ NULL, 0 };
	return span_of(pq.PQgetvalue(result, 0, column), (size_t)pq.PQgetlength(result, 0, column));
}

enum reading { READ_MORE, READ_ALL, READ_ENOUGH, READ_FAILED };

static enum reading result_read(struct connection *c, const struct source_call *call)
{
	if (!answer_wait(c, call->deadline_us, call->why))
		return READ_FAILED;
	PGresult *result = pq.PQgetResult(c->pg);
	if (result == NULL)
		return READ_ALL;
	enum reading reading = READ_MORE;
	ExecStatusType status = pq.PQresultStatus(result);
	if (status == PGRES_SINGLE_TUPLE && row_counts(result) && !source_rows_add(call->rows, row_value(result, call)))
		reading = READ_ENOUGH;
	else if (status != PGRES_SINGLE_TUPLE && status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
		reading = error_is_ours(c, result, call) ? READ_ENOUGH : READ_FAILED;
	pq.PQclear(result);
	return reading;
}

/* Most often nothing but the end follows; what is longer is not worth the connection. */
static bool rest_is_short(struct connection *c, const struct source_call *call)
{
	char nothing[SOURCE_WHY_BYTES_MAX];
	for (unsigned i = 0; i < 3; i++) {
		if (!answer_wait(c, call->deadline_us, nothing))
			return false;
		PGresult *result = pq.PQgetResult(c->pg);
		pq.PQclear(result);
		if (result == NULL)
			return true;
	}
	return false;
}

static bool ask(void *connection, const struct source_call *call, bool *spent_out)
{
	struct connection *c = connection;
	enum conf_query_topic topic = call->question->topic;
	const struct conf_query_params *params = &c->state->sql.params[topic];
	const char *values[CONF_QUERY_WORDS];
	*spent_out = false;
	for (size_t i = 0; i < params->count; i++)
		values[i] = (const char *)call->values[params->words[i]].ptr;
	if (!pq.PQsendQueryParams(c->pg, c->state->sql.text[topic], (int)params->count, NULL, values, NULL, NULL, 0)
	    || !pq.PQsetSingleRowMode(c->pg))
		return fail(c, NULL, call->why);
	enum reading reading = READ_MORE;
	while (reading == READ_MORE)
		reading = result_read(c, call);
	if (reading == READ_ENOUGH)
		*spent_out = !rest_is_short(c, call);
	return reading != READ_FAILED;
}

const struct source_driver source_pgsql = { init, fini, connection_open, ask, connection_close };
