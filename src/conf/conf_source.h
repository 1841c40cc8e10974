/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where users, aliases and domains are looked up: in a file, in a directory that has a
 * section of its own, or among the accounts of the system.
 */
#ifndef WAYBILL_CONF_CONF_SOURCE_H
#define WAYBILL_CONF_CONF_SOURCE_H

#include "conf_query.h"

#define CONF_SOURCES_MAX 16

enum conf_source_kind { CONF_NO_SOURCE, CONF_SOURCE_FILE, CONF_SOURCE_SQLITE, CONF_SOURCE_PGSQL, CONF_SOURCE_LDAP,
	CONF_SOURCE_SYSTEM };

/* What a domain says: "file:/path", "pgsql:NAME", "system:". */
struct conf_table {
	enum conf_source_kind kind;
	struct span path; /* of the file; empty for other kinds */
	struct span name; /* of the section; empty for file and system */
};

/* A section sqlite, pgsql or ldap. */
struct conf_source {
	enum conf_source_kind kind;
	struct span name;          /* unique among those of its kind */
	uint32_t line;
	struct span server;        /* path of the database, connection string, URIs */
	struct span login;         /* LDAP: who binds; empty: nobody */
	struct span password_file; /* path, or empty */
	bool start_tls;
	struct span queries[CONF_QUERY_TOPICS]; /* empty: nothing of the kind is asked */
	uint32_t query_lines[CONF_QUERY_TOPICS];
	uint32_t login_line;
	uint64_t connections_max;
	uint64_t timeout_ms;
	uint64_t cache_ms;
};

struct conf_sources {
	const struct conf_source *items; /* in the file's order, kind by kind */
	size_t count;
};

/* "sqlite", "pgsql" ...; empty for no source. */
const char *conf_source_kind_name(enum conf_source_kind kind);

/* The section that a table names; NULL when it needs none, or there is none. */
const struct conf_source *conf_source_find(const struct conf_sources *sources, const struct conf_table *table);

#endif
