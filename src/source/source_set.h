/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sources of a configuration, numbered as its domains name them, and the bridge from
 * lookups in a directory to them.
 */
#ifndef WAYBILL_SOURCE_SOURCE_SET_H
#define WAYBILL_SOURCE_SOURCE_SET_H

#include "conf.h"
#include "directory_answers.h"
#include "source.h"

#define SOURCE_SET_MAX (CONF_SOURCES_MAX + 1) /* and the system */

struct source_set {
	struct source *items[SOURCE_SET_MAX]; /* number 1 is the first */
	size_t count;
};

void source_set_free(struct source_set *set);

/* The number of what a table names; 0: a file, or nothing. */
unsigned source_set_number(const struct conf *conf, const struct conf_table *table);

/* The settings of number `number`, without its secret; spans point into the configuration. False: there are no more,
 * or it is the system and no domain asks there. */
bool source_set_settings(const struct conf *conf, unsigned number, struct source_settings *settings_out);

/* The first line of a password file's text. */
struct span source_secret_of(struct span text);

/* How lookups ask: `arg` of source_set_ask. */
struct source_asking {
	const struct source_set *set;
	uint64_t deadline_us; /* 0: each source's own timeout for each question */
	bool now;             /* from memory alone; what is not there counts as not asked ... */
	unsigned but;         /* ... except at this number */
	unsigned missed;      /* set: the number that was not asked first */
};

directory_ask_fn source_set_ask;

#endif
