/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories that are asked instead of read: SQLite, PostgreSQL, LDAP, the accounts of
 * this system. A question has three outcomes: found, absent, unavailable. What is not
 * known for sure is unavailable, with the reason in words; it is never absent.
 *
 * source_ask blocks and is for threads that may; any number of them may ask one source.
 * It ends by the question's deadline, except where a library waits for names to be
 * resolved. After a failure a source is left alone for a moment, and questions meanwhile
 * get the same answer at once: a dead server does not cost each recipient its timeout.
 * Answers are kept for a few seconds. What a source says is bounded and distrusted.
 */
#ifndef WAYBILL_SOURCE_SOURCE_H
#define WAYBILL_SOURCE_SOURCE_H

#include "arena.h"
#include "buf.h"
#include "conf_query.h"

#define SOURCE_CONNECTIONS_MAX 64
#define SOURCE_ROWS_MAX 10000             /* of one answer */
#define SOURCE_VALUE_BYTES_MAX 65536      /* of one row */
#define SOURCE_ANSWER_BYTES_MAX (4u << 20)
#define SOURCE_WHY_BYTES_MAX 256          /* with its NUL */
#define SOURCE_CACHE_ENTRIES_MAX 16384
#define SOURCE_CACHE_BYTES_MAX (16u << 20)

enum source_kind { SOURCE_SQLITE, SOURCE_PGSQL, SOURCE_LDAP, SOURCE_SYSTEM, SOURCE_KINDS };

struct source_settings {
	enum source_kind kind;
	struct span name;     /* for messages */
	struct span server;   /* path of a database, connection string, LDAP URIs */
	struct span login;    /* LDAP: the name to bind with; empty: anonymously */
	struct span secret;   /* password; empty: none */
	bool start_tls;       /* LDAP */
	struct span queries[CONF_QUERY_TOPICS]; /* empty: nothing of the kind is asked there */
	uint32_t connections_max;
	uint32_t timeout_ms;  /* for one question, connecting included */
	uint32_t cache_ms;    /* 0: nothing is kept */
};

struct source;

/*
 * Nothing of the settings is referenced afterwards. Loads what libraries it needs, so it comes before the
 * sandbox; connects to nothing. NULL when memory, a library or a query is missing or wrong: `why_out` says what.
 */
struct source *source_new(const struct source_settings *settings, char why_out[static SOURCE_WHY_BYTES_MAX]);
/* Nobody may be asking. */
void source_free(struct source *source);

struct source_question {
	enum conf_query_topic topic;
	struct span user;     /* without quotes; empty when the topic is a domain */
	struct span domain;   /* lower-case A-labels */
	uint64_t deadline_us; /* of clock_mono_us; never later than the source's own timeout; 0: that one */
};

enum source_outcome { SOURCE_FOUND, SOURCE_ABSENT, SOURCE_UNAVAILABLE };

struct source_answer {
	enum source_outcome outcome;
	/* FOUND: an alias's targets, one for each row, never empty; or the state of a user's mailbox, if it was said, and
	 * behind it, if that was said, the mailbox's name: then the state may be empty */
	const struct span *values;
	size_t value_count;
	bool too_many;       /* FOUND: an alias with more targets than are taken; none is among the values */
	char why[SOURCE_WHY_BYTES_MAX]; /* UNAVAILABLE: a sentence without its end; no secrets in it */
	bool fails; /* UNAVAILABLE: the source works, but not for this question, and waiting will not change that */
};

/* The values are copied into `arena`. */
void source_ask(struct source *source, const struct source_question *question, struct arena *arena,
	struct source_answer *answer_out);

/* The same from memory alone, without waiting; false when the answer is not there. */
bool source_ask_cache(struct source *source, const struct source_question *question, struct arena *arena,
	struct source_answer *answer_out);

/* How it stands now, for status and log. */
struct source_health {
	bool down;              /* the last question failed */
	bool refused;           /* it is up, and refuses a query whoever it is about: `why` says which, and why */
	uint64_t changes;       /* how often these two have changed */
	uint64_t since_us;      /* of the last change, clock_mono_us */
	uint64_t asked, failed, cached;
	uint32_t connections;
	char why[SOURCE_WHY_BYTES_MAX];
};
void source_health(struct source *source, struct source_health *health_out);

/* Appends how messages call it: pgsql "mail". */
void source_write_name(const struct source *source, struct buf *out);

#endif
