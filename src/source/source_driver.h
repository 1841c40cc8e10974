/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a kind of source has to bring: how to open a connection and to ask one question on
 * it. Private to this room. A connection is used by one thread at a time. Locks, the
 * pool, trying again, memory of failures and answers are in source.c and the like.
 */
#ifndef WAYBILL_SOURCE_SOURCE_DRIVER_H
#define WAYBILL_SOURCE_SOURCE_DRIVER_H

#include <stdatomic.h>

#include "source.h"

#define SOURCE_HOSTS_MAX 16 /* servers that one connection string or list of URIs names */

/* Where rows go as they come; what is beyond the limits ends the question. */
struct source_rows {
	struct arena *arena;
	enum conf_query_topic topic;
	struct span user;    /* who was asked for */
	bool loose;          /* the directory finds names in more spellings than one */
	struct span *values;
	size_t count, cap;
	size_t bytes;
	bool found;
	const char *problem; /* why this question has no answer, though the source works; or NULL */
	bool too_many;       /* ... because there are more rows than are taken */
	bool refused;        /* ... and whoever else had been asked about would have had none either: see source_refuse */
};

/* One row that counts, with what is of interest in it: an alias's target; of a domain nothing. False: enough, nothing
 * more is wanted; see `problem`. */
bool source_rows_add(struct source_rows *rows, struct span value);

/* What is said of a user; each may be empty: not said. */
struct source_user_row {
	struct span key;     /* the name, or whatever else shows that there is somebody */
	struct span state;   /* of the mailbox */
	struct span mailbox; /* its name */
};

/*
 * The same with a row of a user. Where it does not name the mailbox, the name that was asked for does, and then it must
 * have been found as it is: a row found in another spelling is passed over, or else strangers make mailboxes.
 */
bool source_rows_add_user(struct source_rows *rows, const struct source_user_row *row);

struct source_call {
	const struct source_question *question;
	struct span values[CONF_QUERY_WORDS]; /* each with a NUL behind it */
	uint64_t deadline_us;
	struct source_rows *rows;
	char *why; /* SOURCE_WHY_BYTES_MAX; written on failure; rows->problem may point to it */
};

/* The source works and refuses this query, whatever words are in it: a right, a table or an entry is missing. */
void source_refuse(const struct source_call *call);

struct source_driver {
	/* Reads the settings, loads libraries; *state_out is what the other functions get. */
	bool (*init)(const struct source_settings *settings, void **state_out, char *why);
	void (*fini)(void *state);
	/* NULL: `why` was written. */
	void *(*open)(void *state, uint64_t deadline_us, char *why);
	/*
	 * All rows of one question. False when the connection or the server failed. What is about this one
	 * question, and may have been caused by words in it, is no such failure: strangers choose them. Then
	 * rows->problem is set. The connection is closed when *spent_out is set, or false was returned.
	 */
	bool (*ask)(void *connection, const struct source_call *call, bool *spent_out);
	void (*close)(void *connection);
};

extern const struct source_driver source_sqlite, source_pgsql, source_ldap, source_system;

/* Writes a sentence for people: without control characters and line ends, one blank at a time, cut where it
 * is too long. */
void source_why(char *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Milliseconds that are left, rounded up; 0 when the time is over. */
int source_left_ms(uint64_t deadline_us);

/* Waits until `fd` can be read (or written). False when the time was over before. */
bool source_wait_fd(int fd, bool write, uint64_t deadline_us);

/* Servers of which any will do. */
struct source_hosts {
	unsigned count;      /* at least 1 */
	atomic_uint first;   /* the one that worked last, or the one after a server that hung */
};

/* Opens a connection to server number `host`; NULL: `why` was written. */
typedef void *source_open_fn(void *state, unsigned host, uint64_t deadline_us, char *why);

/*
 * A connection to the first of the servers that lets us in. Each gets its part of the time that is left, so that one
 * that takes connections and says nothing does not keep us from the next. NULL: `why` has what each of them said.
 */
void *source_hosts_open(struct source_hosts *hosts, source_open_fn *open, void *state, uint64_t deadline_us, char *why);
/* The server does not answer any more: others come first. */
void source_hosts_leave(struct source_hosts *hosts, unsigned host);

/*
 * Opens a shared library and finds the functions that `names` (ending in NULL) lists, in their order. The
 * library stays open as long as the process. False: `why` was written.
 *
 * A driver lists what it uses as a macro FUNCTIONS(F), whose F is one of the two below: so each function has a
 * pointer of its own type.
 */
bool source_library_load(const char *file, const char *const *names, void **functions, char *why);

#define SOURCE_LIBRARY_NAME(function) #function,
#define SOURCE_LIBRARY_MEMBER(function) __typeof__(function) *function;
#define SOURCE_LIBRARY(variable, FUNCTIONS) \
	static const char *const variable##_names[] = { FUNCTIONS(SOURCE_LIBRARY_NAME) NULL }; \
	static union { \
		struct { FUNCTIONS(SOURCE_LIBRARY_MEMBER) }; \
		void *all[sizeof(variable##_names) / sizeof(variable##_names[0]) - 1]; \
	} variable

/* The queries of a database, as statements with parameters. */
struct source_sql {
	char *text[CONF_QUERY_TOPICS]; /* NULL: not asked for */
	struct conf_query_params params[CONF_QUERY_TOPICS];
};

/* False: `why` was written. Either way source_sql_fini releases it. */
bool source_sql_init(struct source_sql *sql, const struct source_settings *settings, char mark, char *why);
void source_sql_fini(struct source_sql *sql);

#endif
