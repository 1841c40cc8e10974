/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A source from inside: its pool of connections, its memory of answers, and how it
 * stands. One lock guards all three; it is never held while a driver works. Private to
 * this room.
 */
#ifndef WAYBILL_SOURCE_SOURCE_PRIVATE_H
#define WAYBILL_SOURCE_SOURCE_PRIVATE_H

#include <pthread.h>

#include "list.h"
#include "map.h"
#include "source_driver.h"

/* After a failure it is left alone for so long; twice as long each time that it fails again. */
#define SOURCE_PAUSE_MS 1000
#define SOURCE_PAUSE_MS_MAX 10000
/* A connection that lay idle for longer may have been forgotten by something on its way. */
#define SOURCE_IDLE_MS_MAX 240000

struct source_idle {
	void *connection;
	uint64_t since_us;
};

/* Answers, oldest first in `order`. Callers hold the lock. */
struct source_cache {
	struct map entries;
	struct list order;
	uint64_t hash_key[2];
	size_t bytes;
	uint64_t kept_us; /* 0: nothing is kept */
};

struct source {
	const struct source_driver *driver;
	void *state; /* of the driver */
	enum source_kind kind;
	char *name;
	bool asked_for[CONF_QUERY_TOPICS];
	uint64_t timeout_us;

	pthread_mutex_t lock;
	pthread_cond_t released;   /* a connection, or the room for one */
	struct source_idle idle[SOURCE_CONNECTIONS_MAX]; /* the one used last is the last */
	size_t idle_count;
	size_t open_count;         /* idle ones included */
	size_t connections_max;

	struct source_health health;
	bool refused[CONF_QUERY_TOPICS]; /* the last question of the kind */
	char refused_why[CONF_QUERY_TOPICS][SOURCE_WHY_BYTES_MAX];
	uint64_t pause_us;         /* the one after the next failure */
	uint64_t paused_until_us;
	bool probing;              /* somebody finds out whether it works again */

	struct source_cache cache;
};

void source_cache_init(struct source_cache *cache, uint32_t kept_ms);
void source_cache_fini(struct source_cache *cache);
/* False when there is no answer younger than the limit. */
bool source_cache_find(struct source_cache *cache, const struct source_question *question, struct arena *arena,
	struct source_answer *answer_out);
void source_cache_keep(struct source_cache *cache, const struct source_question *question,
	const struct source_answer *answer);

#endif
