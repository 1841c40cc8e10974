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

#include "clock.h"
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

/* What the connection string says in lists, with one item for each server. */
static const char *const list_names[] = { "host", "hostaddr", "port" };
#define LISTS (sizeof(list_names) / sizeof(list_names[0]))
#define LIST_OF_PORTS 2
#define PORT_USUAL "5432"

struct pgsql_state {
	char *server, *secret;
	char *lists[LISTS][SOURCE_HOSTS_MAX]; /* NULL: as the connection string has it */
	struct source_hosts hosts;
	uint64_t connect_us; /* at most, for one server; 0: not said */
	struct source_sql sql;
};

struct connection {
	struct pgsql_state *state;
	unsigned host;
	PGconn *pg;
};

static void fini(void *state)
{
	struct pgsql_state *st = state;
	source_sql_fini(&st->sql);
	for (size_t i = 0; i < LISTS; i++)
		for (size_t host = 0; host < SOURCE_HOSTS_MAX; host++)
			free(st->lists[i][host]);
	free(st->server);
	free(st->secret);
	free(st);
}

static struct span option_find(const PQconninfoOption *options, const char *name)
{
	for (; options->keyword != NULL; options++)
		if (strcmp(options->keyword, name) == 0 && options->val != NULL)
			return span_str(options->val);
	return (struct span){ NULL, 0 };
}

static unsigned items_count(struct span list)
{
	unsigned count = list.len > 0;
	for (size_t i = 0; i < list.len; i++)
		count += list.ptr[i] == ',';
	return count;
}

static struct span list_item(struct span list, unsigned n)
{
	for (; n > 0; n--)
		list = span_from(list, span_find(list, ',') + 1);
	return span_to(list, span_find(list, ','));
}

/* Copies item by item; a port that stands alone is for all servers, and an empty one is the usual one. */
static bool list_read(struct pgsql_state *st, size_t which, struct span list, char *why)
{
	bool shared = items_count(list) == 1;
	for (unsigned host = 0; list.len > 0 && host < st->hosts.count; host++) {
		struct span item = list_item(list, shared ? 0 : host);
		if (item.len == 0 && which != LIST_OF_PORTS) {
			source_why(why, "the connection string is wrong: among several, a host or hostaddr is empty");
			return false;
		}
		st->lists[which][host] = buf_strdup(item.len > 0 ? item : SPAN(PORT_USUAL));
		if (st->lists[which][host] == NULL)
			return false;
	}
	return true;
}

/* Several servers are tried here one after another: left alone, libpq would wait for the first one for ever. */
static bool hosts_read(struct pgsql_state *st, const PQconninfoOption *options, char *why)
{
	struct span lists[LISTS], seconds = option_find(options, "connect_timeout");
	uint64_t connect_s = 0;
	if (span_to_u64(seconds, 3600, &connect_s))
		st->connect_us = connect_s * 1000000;
	for (size_t i = 0; i < LISTS; i++)
		lists[i] = option_find(options, list_names[i]);
	unsigned hosts = items_count(lists[0]), addresses = items_count(lists[1]), ports = items_count(lists[2]);
	st->hosts.count = hosts > addresses ? hosts : addresses;
	bool good = st->hosts.count <= SOURCE_HOSTS_MAX && (hosts == 0 || hosts == st->hosts.count)
		&& (addresses == 0 || addresses == st->hosts.count) && (ports <= 1 || ports == st->hosts.count);
	if (!good) {
		source_why(why, "the connection string is wrong: its lists of host, hostaddr and port differ in length, or "
			"have more than %d items", SOURCE_HOSTS_MAX);
		return false;
	}
	if (st->hosts.count <= 1) {
		st->hosts.count = 1;
		return true;
	}
	source_why(why, "out of memory");
	for (size_t i = 0; i < LISTS; i++)
		if (!list_read(st, i, lists[i], why))
			return false;
	return true;
}

/* A connection string that libpq understands. */
static bool server_read(struct pgsql_state *st, char *why)
{
	char *problem = NULL;
	PQconninfoOption *options = pq.PQconninfoParse(st->server, &problem);
	if (options == NULL) {
		source_why(why, "the connection string is wrong: %s", problem != NULL ? problem : "out of memory");
		pq.PQfreemem(problem);
		return false;
	}
	bool good = hosts_read(st, options, why);
	pq.PQconninfoFree(options);
	return good;
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
	source_hosts_leave(&c->state->hosts, c->host);
	return fail(c, "the server does not answer in time", why);
}

static void be_quiet(void *arg, const char *notice)
{
	(void)arg;
	(void)notice;
}

/* Always false. */
static bool late(const struct connection *c, char *why)
{
	const char *host = c->state->lists[0][c->host], *address = c->state->lists[1][c->host];
	const char *port = c->state->lists[LIST_OF_PORTS][c->host];
	if (host == NULL && address == NULL)
		return fail(c, "no connection in time", why);
	source_why(why, "%s:%s: no connection in time", host != NULL ? host : address, port != NULL ? port : PORT_USUAL);
	return false;
}

static bool connect_wait(struct connection *c, uint64_t deadline_us, char *why)
{
	PostgresPollingStatusType next = PGRES_POLLING_WRITING;
	while (next == PGRES_POLLING_WRITING || next == PGRES_POLLING_READING) {
		int fd = pq.PQsocket(c->pg);
		if (fd < 0)
			return fail(c, NULL, why);
		if (!source_wait_fd(fd, next == PGRES_POLLING_WRITING, deadline_us))
			return late(c, why);
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

static void *host_open(void *state, unsigned host, uint64_t deadline_us, char *why)
{
	struct pgsql_state *st = state;
	/* What the connection string says itself comes later and wins, but for the password and several servers. */
	const char *const keywords[] = { "gssencmode", "client_encoding", "fallback_application_name", "dbname",
		list_names[0], list_names[1], list_names[2], st->secret[0] != 0 ? "password" : NULL, NULL };
	const char *const values[] = { "disable", "UTF8", "waybill", st->server, st->lists[0][host], st->lists[1][host],
		st->lists[2][host], st->secret, NULL };
	struct connection *c = calloc(1, sizeof(*c));
	if (c == NULL || (c->pg = pq.PQconnectStartParams(keywords, values, 1)) == NULL) {
		source_why(why, "out of memory");
		free(c);
		return NULL;
	}
	c->state = st;
	c->host = host;
	uint64_t own_us = clock_mono_us() + st->connect_us;
	if (st->connect_us > 0 && own_us < deadline_us)
		deadline_us = own_us;
	pq.PQsetNoticeProcessor(c->pg, be_quiet, NULL);
	bool good = pq.PQstatus(c->pg) != CONNECTION_BAD ? connect_wait(c, deadline_us, why) : fail(c, NULL, why);
	if (good && pq.PQsetnonblocking(c->pg, 1) != 0)
		good = fail(c, NULL, why);
	if (good)
		return c;
	connection_close(c);
	return NULL;
}

static void *connection_open(void *state, uint64_t deadline_us, char *why)
{
	struct pgsql_state *st = state;
	return source_hosts_open(&st->hosts, host_open, st, deadline_us, why);
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

/* Whether the database has no letters for a name beyond ASCII, so that it cannot have the name either. */
static bool name_cannot_be(const char *state, const struct source_call *call)
{
	bool wide = false;
	for (size_t i = 0; i < call->question->user.len; i++)
		wide = wide || call->question->user.ptr[i] >= 0x80;
	return wide && (strcmp(state, "22P05") == 0 || strcmp(state, "22021") == 0);
}

static bool is_class(const char *state, const char *classes)
{
	char two[3] = { state[0], state[0] != 0 ? state[1] : 0, 0 };
	return strlen(two) == 2 && strstr(classes, two) != NULL;
}

/*
 * An error of the server about this question or this query. The connection goes on, unless it is ending, or a
 * pooler cannot go on with it.
 */
static bool error_is_ours(struct connection *c, const PGresult *result, const struct source_call *call)
{
	const char *state = pq.PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *severity = pq.PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
	fail(c, pq.PQresultErrorMessage(result), call->why);
	if (pq.PQstatus(c->pg) != CONNECTION_OK || state == NULL || (severity != NULL && strcmp(severity, "ERROR") != 0))
		return false;
	if (is_class(state, "08 26") || strcmp(state, "0A000") == 0 || strncmp(state, "57P", 3) == 0)
		return false;
	if (name_cannot_be(state, call)) {
		call->rows->found = false;
		call->rows->count = 0;
		return true;
	}
	call->rows->problem = call->why;
	/* Rights and names of tables; resources of the server; errors of its system. Words in a question cause none. */
	if (is_class(state, "42 53 58"))
		source_refuse(call);
	return true;
}

static struct span row_value(const PGresult *result, int column)
{
	if (pq.PQnfields(result) <= column || pq.PQgetisnull(result, 0, column))
		return (struct span){ NULL, 0 };
	return span_of(pq.PQgetvalue(result, 0, column), (size_t)pq.PQgetlength(result, 0, column));
}

static bool row_add(const PGresult *result, struct source_rows *rows)
{
	if (rows->topic != CONF_QUERY_OF_USER)
		return source_rows_add(rows, rows->topic == CONF_QUERY_OF_ALIAS ? row_value(result, 0) : SPAN(""));
	struct source_user_row row = { row_value(result, 0), row_value(result, 1), row_value(result, 2) };
	return source_rows_add_user(rows, &row);
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
	if (status == PGRES_SINGLE_TUPLE && row_counts(result) && !row_add(result, call->rows))
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
