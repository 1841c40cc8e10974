/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LDAP by libldap: a simple bind, then one search for each question. LDAP has no
 * parameters, so words of questions are escaped (conf_query.h). Referrals are not
 * followed. The library connects by itself within its network timeout, which is set to
 * what is left of the question's time; all else is waited for here.
 */
#include <ldap.h>
#include <stdlib.h>

#include "source_driver.h"

/* The name says which version the headers are of. */
#if LDAP_VENDOR_VERSION >= 20600
#define LIBRARY "libldap.so.2"
#else
#define LIBRARY "libldap-2.5.so.0"
#endif
#define FILTER_BYTES_MAX 16384
#define PAGE_ENTRIES 500 /* an alias's entries come in pages (RFC 2696): servers limit the size of an answer */

/* What is used of the library; it is loaded only where a source needs it. */
#define FUNCTIONS(F) \
	F(ldap_initialize) F(ldap_set_option) F(ldap_get_option) F(ldap_start_tls_s) F(ldap_sasl_bind) F(ldap_result) \
	F(ldap_parse_result) F(ldap_msgtype) F(ldap_msgfree) F(ldap_search_ext) F(ldap_get_values_len) \
	F(ldap_value_free_len) F(ldap_abandon_ext) F(ldap_unbind_ext) F(ldap_err2string) F(ldap_memfree) \
	F(ber_sockbuf_ctrl) F(ldap_create_page_control) F(ldap_parse_pageresponse_control) F(ldap_control_free) \
	F(ldap_controls_free) F(ldap_control_find) F(ber_memfree)

SOURCE_LIBRARY(ldap, FUNCTIONS);

struct search {
	char *base, *attribute, *naming, *filter; /* NULL: not asked for; an empty attribute: none is wanted */
	int scope;
};

struct ldap_state {
	char *servers[SOURCE_HOSTS_MAX], *login, *secret;
	struct source_hosts hosts;
	bool start_tls;
	struct search searches[CONF_QUERY_TOPICS];
};

struct connection {
	struct ldap_state *state;
	unsigned host;
	LDAP *ld;
};

static void fini(void *state)
{
	struct ldap_state *st = state;
	for (size_t i = 0; i < CONF_QUERY_TOPICS; i++) {
		free(st->searches[i].base);
		free(st->searches[i].attribute);
		free(st->searches[i].naming);
		free(st->searches[i].filter);
	}
	for (unsigned host = 0; host < SOURCE_HOSTS_MAX; host++)
		free(st->servers[host]);
	free(st->login);
	free(st->secret);
	free(st);
}

static bool search_read(struct span query, struct search *search, char *why)
{
	static const int scopes[] = { [CONF_QUERY_SUB] = LDAP_SCOPE_SUBTREE, [CONF_QUERY_ONE] = LDAP_SCOPE_ONELEVEL,
		[CONF_QUERY_BASE] = LDAP_SCOPE_BASE };
	struct conf_query_search said;
	const char *reason;
	if (query.len == 0)
		return true;
	if (!conf_query_ldap(query, &said, &reason)) {
		source_why(why, "a query %s", reason);
		return false;
	}
	search->base = buf_strdup(said.base);
	search->attribute = buf_strdup(said.attribute);
	search->naming = buf_strdup(said.naming);
	search->filter = buf_strdup(said.filter);
	search->scope = scopes[said.scope];
	source_why(why, "out of memory");
	return search->base != NULL && search->attribute != NULL && search->naming != NULL
		&& search->filter != NULL;
}

/* URIs with blanks between them. The library would wait for the first one for ever, so it gets one at a time. */
static bool servers_read(struct ldap_state *st, struct span list, char *why)
{
	for (struct span rest = span_trim(list); rest.len > 0; rest = span_trim(rest)) {
		size_t len = span_find(rest, ' ');
		if (st->hosts.count == SOURCE_HOSTS_MAX) {
			source_why(why, "there are more than %d servers", SOURCE_HOSTS_MAX);
			return false;
		}
		char *server = buf_strdup(span_to(rest, len));
		rest = span_from(rest, len);
		if (server == NULL) {
			source_why(why, "out of memory");
			return false;
		}
		st->servers[st->hosts.count++] = server;
		LDAP *ld = NULL;
		int code = ldap.ldap_initialize(&ld, server);
		if (code != LDAP_SUCCESS) {
			source_why(why, "the server's URI is wrong: %s", ldap.ldap_err2string(code));
			return false;
		}
		ldap.ldap_unbind_ext(ld, NULL, NULL);
	}
	source_why(why, "there is no server");
	return st->hosts.count > 0;
}

static bool state_read(struct ldap_state *st, const struct source_settings *settings, char *why)
{
	st->login = buf_strdup(settings->login);
	st->secret = buf_strdup(settings->secret);
	st->start_tls = settings->start_tls;
	source_why(why, "out of memory");
	if (st->login == NULL || st->secret == NULL)
		return false;
	for (size_t i = 0; i < CONF_QUERY_TOPICS; i++)
		if (!search_read(settings->queries[i], &st->searches[i], why))
			return false;
	return servers_read(st, settings->server, why);
}

static bool init(const struct source_settings *settings, void **state_out, char *why)
{
	if (ldap.all[0] == NULL && !source_library_load(LIBRARY, ldap_names, ldap.all, why))
		return false;
	struct ldap_state *st = calloc(1, sizeof(*st));
	if (st == NULL) {
		source_why(why, "out of memory");
		return false;
	}
	*state_out = st;
	if (state_read(st, settings, why))
		return true;
	fini(st);
	return false;
}

static void connection_close(void *connection)
{
	struct connection *c = connection;
	if (c->ld != NULL)
		ldap.ldap_unbind_ext(c->ld, NULL, NULL);
	free(c);
}

static const char *server_of(const struct connection *c)
{
	return c->state->servers[c->host];
}

static struct timeval timeval_left(uint64_t deadline_us)
{
	int left_ms = source_left_ms(deadline_us);
	return (struct timeval){ .tv_sec = left_ms / 1000, .tv_usec = (long)(left_ms % 1000) * 1000 };
}

/* The library's word for it, and the server's where there is one. Always false. */
static bool fail(const struct connection *c, const char *doing, int code, char *why)
{
	char *words = NULL;
	ldap.ldap_get_option(c->ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &words);
	bool more = words != NULL && words[0] != 0;
	source_why(why, "%s: %s: %s%s%s%s", server_of(c), doing, ldap.ldap_err2string(code), more ? " (" : "",
		more ? words : "", more ? ")" : "");
	ldap.ldap_memfree(words);
	return false;
}

static bool fail_now(const struct connection *c, const char *doing, char *why)
{
	int code = LDAP_OTHER;
	ldap.ldap_get_option(c->ld, LDAP_OPT_RESULT_CODE, &code);
	return fail(c, doing, code, why);
}

/* The next message that belongs to the request; NULL: `why` was written. */
static LDAPMessage *message_next(const struct connection *c, int id, uint64_t deadline_us, char *why)
{
	LDAPMessage *message = NULL;
	struct timeval left = timeval_left(deadline_us);
	int type = ldap.ldap_result(c->ld, id, LDAP_MSG_ONE, &left, &message);
	if (type < 0)
		fail_now(c, "no answer", why);
	else if (type == 0) {
		source_why(why, "%s does not answer in time", server_of(c));
		source_hosts_leave(&c->state->hosts, c->host);
	}
	return type > 0 ? message : NULL;
}

static bool bind_now(struct connection *c, uint64_t deadline_us, char *why)
{
	struct berval secret = { .bv_val = c->state->secret, .bv_len = strlen(c->state->secret) };
	int id, result = LDAP_OTHER;
	int code = ldap.ldap_sasl_bind(c->ld, c->state->login, LDAP_SASL_SIMPLE, &secret, NULL, NULL, &id);
	if (code != LDAP_SUCCESS)
		return fail(c, "no connection", code, why);
	LDAPMessage *message = message_next(c, id, deadline_us, why);
	if (message == NULL)
		return false;
	code = ldap.ldap_parse_result(c->ld, message, &result, NULL, NULL, NULL, NULL, 1);
	result = code != LDAP_SUCCESS ? code : result;
	return result == LDAP_SUCCESS || fail(c, "bind", result, why);
}

/* One message of the server is not longer than all answers may be. */
static void bound(const struct connection *c)
{
	Sockbuf *socket = NULL;
	ber_len_t max = SOURCE_ANSWER_BYTES_MAX;
	if (ldap.ldap_get_option(c->ld, LDAP_OPT_SOCKBUF, &socket) == LDAP_OPT_SUCCESS && socket != NULL)
		ldap.ber_sockbuf_ctrl(socket, LBER_SB_OPT_SET_MAX_INCOMING, &max);
}

static bool set_up(struct connection *c, uint64_t deadline_us, char *why)
{
	static const int version = LDAP_VERSION3;
	struct timeval left = timeval_left(deadline_us);
	int code = ldap.ldap_initialize(&c->ld, server_of(c));
	if (code != LDAP_SUCCESS) {
		source_why(why, "%s: %s", server_of(c), ldap.ldap_err2string(code));
		return false;
	}
	ldap.ldap_set_option(c->ld, LDAP_OPT_PROTOCOL_VERSION, &version);
	ldap.ldap_set_option(c->ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
	ldap.ldap_set_option(c->ld, LDAP_OPT_NETWORK_TIMEOUT, &left);
	ldap.ldap_set_option(c->ld, LDAP_OPT_TIMEOUT, &left);
	code = c->state->start_tls ? ldap.ldap_start_tls_s(c->ld, NULL, NULL) : LDAP_SUCCESS;
	if (code != LDAP_SUCCESS)
		return fail(c, "StartTLS", code, why);
	if (!bind_now(c, deadline_us, why))
		return false;
	bound(c);
	return true;
}

static void *host_open(void *state, unsigned host, uint64_t deadline_us, char *why)
{
	struct connection *c = calloc(1, sizeof(*c));
	if (c == NULL) {
		source_why(why, "out of memory");
		return NULL;
	}
	c->state = state;
	c->host = host;
	if (set_up(c, deadline_us, why))
		return c;
	connection_close(c);
	return NULL;
}

static void *connection_open(void *state, uint64_t deadline_us, char *why)
{
	struct ldap_state *st = state;
	return source_hosts_open(&st->hosts, host_open, st, deadline_us, why);
}

static struct berval **values_get(const struct connection *c, LDAPMessage *entry, const char *attribute)
{
	return attribute[0] != 0 ? ldap.ldap_get_values_len(c->ld, entry, attribute) : NULL;
}

static struct span value_first(struct berval **values)
{
	return values != NULL && values[0] != NULL ? span_of(values[0]->bv_val, values[0]->bv_len)
		: (struct span){ NULL, 0 };
}

static bool entry_read_user(const struct connection *c, LDAPMessage *entry, const struct search *search,
	struct source_rows *rows)
{
	struct berval **states = values_get(c, entry, search->attribute), **names = values_get(c, entry, search->naming);
	struct source_user_row row = { .state = value_first(states), .mailbox = value_first(names) };
	rows->loose = true;
	bool more = source_rows_add_user(rows, &row);
	if (states != NULL)
		ldap.ldap_value_free_len(states);
	if (names != NULL)
		ldap.ldap_value_free_len(names);
	return more;
}

/* Whether more entries are wanted. */
static bool entry_read(const struct connection *c, LDAPMessage *entry, const struct search *search,
	struct source_rows *rows)
{
	if (rows->topic == CONF_QUERY_OF_USER)
		return entry_read_user(c, entry, search, rows);
	if (rows->topic == CONF_QUERY_OF_DOMAIN)
		return source_rows_add(rows, (struct span){ NULL, 0 });
	struct berval **values = values_get(c, entry, search->attribute);
	bool more = true;
	for (size_t i = 0; more && values != NULL && values[i] != NULL; i++)
		more = source_rows_add(rows, span_of(values[i]->bv_val, values[i]->bv_len));
	if (values != NULL)
		ldap.ldap_value_free_len(values);
	return more;
}

/* What words of strangers can bring about is about this question alone. */
static bool is_refusal(int code)
{
	return code == LDAP_INSUFFICIENT_ACCESS || code == LDAP_INAPPROPRIATE_AUTH || code == LDAP_STRONG_AUTH_REQUIRED
		|| code == LDAP_CONFIDENTIALITY_REQUIRED || code == LDAP_UNWILLING_TO_PERFORM;
}

static bool search_failed(const struct connection *c, int code, const struct source_call *call)
{
	fail(c, "search", code, call->why);
	/* A base with words in it may be absent, which end_read has seen. */
	if (is_refusal(code) || code == LDAP_NO_SUCH_OBJECT) {
		source_refuse(call);
		return true;
	}
	if (code != LDAP_FILTER_ERROR && code != LDAP_INVALID_DN_SYNTAX && code != LDAP_INVALID_SYNTAX
	    && code != LDAP_NAMING_VIOLATION && code != LDAP_ADMINLIMIT_EXCEEDED)
		return false;
	call->rows->problem = call->why;
	return true;
}

/* A search, page by page. */
struct pages {
	struct berval cookie; /* of the server, where the next page begins; the library's memory */
	bool more;
};

static void cookie_drop(struct pages *pages)
{
	ldap.ber_memfree(pages->cookie.bv_val);
	pages->cookie = (struct berval){ 0 };
}

/* Where the next page begins, if there is one. */
static void page_read(const struct connection *c, LDAPControl **controls, struct pages *pages)
{
	ber_int_t estimate = 0;
	LDAPControl *page = ldap.ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, controls, NULL);
	cookie_drop(pages);
	pages->more = page != NULL
		&& ldap.ldap_parse_pageresponse_control(c->ld, page, &estimate, &pages->cookie) == LDAP_SUCCESS
		&& pages->cookie.bv_len > 0;
}

/* How the search ended; frees the message. */
static bool end_read(const struct connection *c, LDAPMessage *message, const struct source_call *call,
	struct pages *pages)
{
	int result = LDAP_OTHER;
	LDAPControl **controls = NULL;
	int code = ldap.ldap_parse_result(c->ld, message, &result, NULL, NULL, NULL, &controls, 1);
	result = code != LDAP_SUCCESS ? code : result;
	if (controls != NULL) {
		page_read(c, controls, pages);
		ldap.ldap_controls_free(controls);
	}
	bool base_varies = strchr(c->state->searches[call->question->topic].base, '{') != NULL;
	if (result == LDAP_SIZELIMIT_EXCEEDED) {
		call->rows->problem = "an answer had too many entries";
		call->rows->too_many = true;
	} else if (result != LDAP_SUCCESS && !(result == LDAP_NO_SUCH_OBJECT && base_varies)) {
		return search_failed(c, result, call);
	}
	return true;
}

static bool answers_read(const struct connection *c, int id, const struct source_call *call, struct pages *pages)
{
	const struct search *search = &c->state->searches[call->question->topic];
	pages->more = false;
	for (;;) {
		LDAPMessage *message = message_next(c, id, call->deadline_us, call->why);
		if (message == NULL)
			return false;
		int type = ldap.ldap_msgtype(message);
		if (type == LDAP_RES_SEARCH_RESULT)
			return end_read(c, message, call, pages);
		bool more = type != LDAP_RES_SEARCH_ENTRY || entry_read(c, message, search, call->rows);
		ldap.ldap_msgfree(message);
		if (!more) {
			ldap.ldap_abandon_ext(c->ld, id, NULL, NULL);
			return true;
		}
	}
}

/* Sends the search for the next page; the library's code for how that went. */
static int search_send(const struct connection *c, const struct source_call *call, struct pages *pages, int *id_out)
{
	enum conf_query_topic topic = call->question->topic;
	const struct search *search = &c->state->searches[topic];
	char nothing_else[] = LDAP_NO_ATTRS;
	char *attributes[3] = { nothing_else, NULL };
	struct timeval left = timeval_left(call->deadline_us);
	LDAPControl *controls[2] = { NULL, NULL };
	struct buf base, filter;
	size_t count = 0;
	int code = LDAP_SUCCESS;
	if (search->attribute[0] != 0)
		attributes[count++] = search->attribute;
	if (search->naming[0] != 0)
		attributes[count++] = search->naming;
	buf_init(&base, FILTER_BYTES_MAX);
	buf_init(&filter, FILTER_BYTES_MAX);
	conf_query_fill(span_str(search->base), call->values, conf_query_escape_name, &base);
	conf_query_fill(span_str(search->filter), call->values, conf_query_escape_filter, &filter);
	if (buf_cstr(&base) == NULL || buf_cstr(&filter) == NULL)
		code = LDAP_NO_MEMORY;
	else if (topic == CONF_QUERY_OF_ALIAS)
		code = ldap.ldap_create_page_control(c->ld, PAGE_ENTRIES,
			pages->cookie.bv_val != NULL ? &pages->cookie : NULL, 0, &controls[0]);
	if (code == LDAP_SUCCESS)
		code = ldap.ldap_search_ext(c->ld, buf_cstr(&base), search->scope, buf_cstr(&filter), attributes, 0,
			controls[0] != NULL ? controls : NULL, NULL, &left, 0, id_out);
	if (controls[0] != NULL)
		ldap.ldap_control_free(controls[0]);
	buf_fini(&base);
	buf_fini(&filter);
	return code;
}

/* What the server says of pages is bounded: by the deadline, and a page without entries ends them. */
static bool ask(void *connection, const struct source_call *call, bool *spent_out)
{
	struct connection *c = connection;
	struct pages pages = { .more = true };
	bool good = true;
	int id;
	*spent_out = false;
	while (good && pages.more && call->rows->problem == NULL) {
		size_t before = call->rows->count;
		int code = search_send(c, call, &pages, &id);
		good = code == LDAP_SUCCESS ? answers_read(c, id, call, &pages) : search_failed(c, code, call);
		pages.more = pages.more && code == LDAP_SUCCESS && call->rows->count > before;
	}
	cookie_drop(&pages);
	*spent_out = call->rows->problem != NULL;
	return good;
}

const struct source_driver source_ldap = { init, fini, connection_open, ask, connection_close };
