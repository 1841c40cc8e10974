/* SPDX-License-Identifier: Apache-2.0 */
/* What drivers share: rows within limits, sentences, waiting, libraries that are loaded when they are needed. */
#include "source_driver.h"

#include <dlfcn.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "utf8.h"

#define ROWS_FIRST 16

static bool rows_grow(struct source_rows *rows)
{
	size_t cap = rows->cap > 0 ? rows->cap * 2 : ROWS_FIRST;
	struct span *grown = arena_alloc(rows->arena, cap * sizeof(*grown));
	if (grown == NULL)
		return false;
	if (rows->count > 0)
		memcpy(grown, rows->values, rows->count * sizeof(*grown));
	rows->values = grown;
	rows->cap = cap;
	return true;
}

/* Keeps a value; false when that is not possible, see `problem`. */
static bool keep(struct source_rows *rows, struct span value)
{
	if (value.len > SOURCE_VALUE_BYTES_MAX || rows->bytes + value.len > SOURCE_ANSWER_BYTES_MAX)
		rows->problem = "an answer was too long";
	else if (rows->count == SOURCE_ROWS_MAX)
		rows->problem = "an answer had too many rows";
	else if (!utf8_valid(value) || span_find(value, 0) < value.len)
		rows->problem = "an answer was no text in UTF-8";
	else if ((rows->count == rows->cap && !rows_grow(rows))
	         || !arena_copy(rows->arena, value, &rows->values[rows->count]))
		rows->problem = "out of memory";
	rows->too_many |= rows->count == SOURCE_ROWS_MAX;
	if (rows->problem != NULL)
		return false;
	rows->count++;
	rows->bytes += value.len;
	return true;
}

bool source_rows_add(struct source_rows *rows, struct span value)
{
	rows->found = true;
	value = span_trim(value);
	return (value.len == 0 || keep(rows, value)) && rows->topic == CONF_QUERY_OF_ALIAS;
}

/* Databases and LDAP may pass over blanks at the ends and take several for one. */
static bool has_odd_blanks(struct span name)
{
	bool before = true;
	for (size_t i = 0; i < name.len; i++) {
		bool blank = name.ptr[i] == ' ';
		if (blank && before)
			return true;
		before = blank;
	}
	return before;
}

/* LDAP passes over letter case as well, and over more than that in other alphabets. */
static bool has_one_spelling(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.ptr[i] >= 0x80 || byte_lower(name.ptr[i]) != name.ptr[i])
			return false;
	return true;
}

/* Whether the row was found by the very name. Capital letters are in it only where they count. */
static bool names_exactly(const struct source_rows *rows, struct span key)
{
	if (has_odd_blanks(rows->user) || (rows->loose && !has_one_spelling(rows->user)))
		return false;
	key = span_to(key, key.len > rows->user.len && key.ptr[rows->user.len] == '@' ? rows->user.len : key.len);
	return !span_eq_nocase(key, rows->user) || has_one_spelling(rows->user) || span_eq(key, rows->user);
}

bool source_rows_add_user(struct source_rows *rows, const struct source_user_row *row)
{
	struct span state = span_trim(row->state), mailbox = span_trim(row->mailbox);
	if (mailbox.len == 0 && !names_exactly(rows, row->key))
		return true;
	rows->found = true;
	if ((state.len > 0 || mailbox.len > 0) && keep(rows, state) && mailbox.len > 0)
		keep(rows, mailbox);
	return false;
}

void source_refuse(const struct source_call *call)
{
	call->rows->problem = call->why;
	call->rows->refused = true;
}

void source_why(char *why, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(why, SOURCE_WHY_BYTES_MAX, format, args);
	va_end(args);
	size_t len = 0;
	for (size_t i = 0; why[i] != 0; i++) {
		char c = (uint8_t)why[i] < 0x20 || why[i] == 0x7f ? ' ' : why[i];
		if (c != ' ' || (len > 0 && why[len - 1] != ' '))
			why[len++] = c;
	}
	why[len] = 0;
	while (len > 0 && (why[len - 1] == ' ' || why[len - 1] == '.'))
		why[--len] = 0;
	/* A character that was cut in two goes whole. */
	while (len > 0 && !utf8_valid(span_of(why, len)))
		why[--len] = 0;
}

int source_left_ms(uint64_t deadline_us)
{
	uint64_t now_us = clock_mono_us();
	return now_us < deadline_us ? (int)((deadline_us - now_us + 999) / 1000) : 0;
}

bool source_wait_fd(int fd, bool write, uint64_t deadline_us)
{
	struct pollfd watched = { .fd = fd, .events = write ? POLLOUT : POLLIN };
	int left_ms;
	while ((left_ms = source_left_ms(deadline_us)) > 0)
		if (poll(&watched, 1, left_ms) > 0)
			return true;
	return false;
}

void *source_hosts_open(struct source_hosts *hosts, source_open_fn *open, void *state, uint64_t deadline_us, char *why)
{
	char one[SOURCE_WHY_BYTES_MAX], before[SOURCE_WHY_BYTES_MAX] = "";
	unsigned first = atomic_load(&hosts->first);
	for (unsigned i = 0; i < hosts->count; i++) {
		unsigned host = (first + i) % hosts->count;
		uint64_t now_us = clock_mono_us(), left_us = deadline_us > now_us ? deadline_us - now_us : 0;
		one[0] = 0;
		void *connection = open(state, host, now_us + left_us / (hosts->count - i), one);
		if (connection != NULL) {
			atomic_store(&hosts->first, host);
			return connection;
		}
		source_why(why, "%s%s%s", before, i > 0 ? "; " : "", one);
		memcpy(before, why, sizeof(before));
	}
	return NULL;
}

void source_hosts_leave(struct source_hosts *hosts, unsigned host)
{
	atomic_compare_exchange_strong(&hosts->first, &host, (host + 1) % hosts->count);
}

bool source_library_load(const char *file, const char *const *names, void **functions, char *why)
{
	void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
	if (library == NULL) {
		source_why(why, "a library is missing: %s", dlerror());
		return false;
	}
	for (size_t i = 0; names[i] != NULL; i++) {
		functions[i] = dlsym(library, names[i]);
		if (functions[i] == NULL) {
			source_why(why, "%s has no %s", file, names[i]);
			dlclose(library);
			return false;
		}
	}
	return true;
}

static bool sql_read(struct source_sql *sql, const struct source_settings *settings, size_t topic, char mark,
	char *why)
{
	const char *reason;
	struct buf text;
	if (settings->queries[topic].len == 0)
		return true;
	buf_init(&text, settings->queries[topic].len * 2 + 1);
	bool good = conf_query_sql(settings->queries[topic], mark, &text, &sql->params[topic], &reason);
	if (good)
		sql->text[topic] = buf_strdup(buf_span(&text));
	source_why(why, "a query %s", good ? "does not fit into memory" : reason);
	buf_fini(&text);
	return sql->text[topic] != NULL;
}

bool source_sql_init(struct source_sql *sql, const struct source_settings *settings, char mark, char *why)
{
	*sql = (struct source_sql){ 0 };
	for (size_t topic = 0; topic < CONF_QUERY_TOPICS; topic++)
		if (!sql_read(sql, settings, topic, mark, why))
			return false;
	return true;
}

void source_sql_fini(struct source_sql *sql)
{
	for (size_t topic = 0; topic < CONF_QUERY_TOPICS; topic++)
		free(sql->text[topic]);
}
