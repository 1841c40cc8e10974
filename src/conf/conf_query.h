/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a directory is asked, as an administrator writes it: SQL or an LDAP search with
 * {user}, {domain} and {address} in it. What these stand for comes from strangers, so
 * it never becomes part of the SQL: each is a parameter. In LDAP, which has none, it is
 * escaped (RFC 4515 in a filter, RFC 4514 in a name).
 *
 * Each function says false when the text is wrong; *why_out then completes the sentence
 * `"TEXT" ...`.
 */
#ifndef WAYBILL_CONF_CONF_QUERY_H
#define WAYBILL_CONF_CONF_QUERY_H

#include "buf.h"

enum conf_query_word {
	CONF_QUERY_USER,    /* the local part without quotes */
	CONF_QUERY_DOMAIN,
	CONF_QUERY_ADDRESS, /* user, "@" and domain */
	CONF_QUERY_WORDS,
};

/* What is asked for. */
enum conf_query_topic {
	CONF_QUERY_OF_DOMAIN, /* is it one of ours? */
	CONF_QUERY_OF_USER,   /* is there such a mailbox? */
	CONF_QUERY_OF_ALIAS,  /* who gets its mail? */
	CONF_QUERY_TOPICS,
};

/* The parameters of a statement: words[0] is number 1. */
struct conf_query_params {
	enum conf_query_word words[CONF_QUERY_WORDS];
	size_t count;
};

/* Appends the statement with "$1" (mark '$') or "?1" in the place of the words. */
bool conf_query_sql(struct span text, char mark, struct buf *sql_out, struct conf_query_params *params_out,
	const char **why_out);

enum conf_query_scope { CONF_QUERY_SUB, CONF_QUERY_ONE, CONF_QUERY_BASE };

struct conf_query_search {
	struct span base;      /* with words in it, as the filter */
	struct span attribute; /* may be empty */
	struct span naming;    /* behind a comma in ATTRIBUTE: the attribute that names a user's mailbox; may be empty */
	enum conf_query_scope scope;
	struct span filter;
};

/* "BASE?ATTRIBUTE?SCOPE?FILTER", or "ATTRIBUTE,ATTRIBUTE" there; the spans point into the text. */
bool conf_query_ldap(struct span text, struct conf_query_search *search_out, const char **why_out);

/* Whether the query, of either kind, asks about what was asked for: a domain's has {domain} in it, the
 * others {user} or {address}; an alias's search names its attribute. */
bool conf_query_fits(struct span text, enum conf_query_topic topic, bool ldap, const char **why_out);

typedef void conf_query_escape_fn(struct buf *out, struct span value);
void conf_query_escape_filter(struct buf *out, struct span value);
void conf_query_escape_name(struct buf *out, struct span value);

/* Appends a part of a search with the values of its words, each escaped. */
void conf_query_fill(struct span part, const struct span values[static CONF_QUERY_WORDS],
	conf_query_escape_fn *escape, struct buf *out);

#endif
