/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The option table: every section and every setting with its type, range,
 * default and words for people. The parser's checks, the defaults,
 * docs/configuration.md and the manual page's list all come from here.
 */
#ifndef WAYBILL_CONF_CONF_OPTIONS_H
#define WAYBILL_CONF_CONF_OPTIONS_H

#include "conf.h"

enum conf_section_id {
	CONF_SECTION_TOP, CONF_SECTION_LISTEN, CONF_SECTION_DOMAIN, CONF_SECTION_ROUTE, CONF_SECTION_REASON,
	CONF_SECTION_SQLITE, CONF_SECTION_PGSQL, CONF_SECTION_LDAP,
	CONF_SECTION_LIMITS, CONF_SECTION_CHECKS, CONF_SECTION_ALLOW, CONF_SECTION_DENY,
	CONF_SECTION_EARLY_TALK, CONF_SECTION_HELO,
	CONF_SECTION_SENDER_DOMAIN, CONF_SECTION_REVERSE_NAME, CONF_SECTION_DNSLISTS, CONF_SECTION_DNSLIST,
	CONF_SECTION_RATE, CONF_SECTION_BRAKE, CONF_SECTION_HARVEST,
	CONF_SECTION_GREYLIST, CONF_SECTION_POLICY_SERVICE, CONF_SECTION_MAILBOX,
	CONF_SECTION_QUEUE, CONF_SECTION_BOUNCE, CONF_SECTION_SRS, CONF_SECTION_MBOX, CONF_SECTION_COMMAND,
	CONF_SECTION_DNS, CONF_SECTION_LOG,
	CONF_SECTION_COUNT,
};

struct conf_section_form {
	const char *name;  /* empty for the settings outside all sections */
	const char *title; /* an example of the title, NULL: has none and stands once at most */
	const char *text;  /* one sentence */
};

enum conf_type {
	CONF_TYPE_INTEGER, CONF_TYPE_SIZE, CONF_TYPE_DURATION, CONF_TYPE_DURATIONS, CONF_TYPE_BOOL, CONF_TYPE_CHOICE,
	CONF_TYPE_HOST, CONF_TYPE_MAILBOX, CONF_TYPE_PATH, CONF_TYPE_SOCKET, CONF_TYPE_ACCOUNT, CONF_TYPE_NETWORKS,
	CONF_TYPE_ADDRESSES, CONF_TYPE_TABLE, CONF_TYPE_MAILBOXES, CONF_TYPE_SEPARATOR, CONF_TYPE_HOPS, CONF_TYPE_SOURCE,
	CONF_TYPE_SERVERS, CONF_TYPE_CHOICES, CONF_TYPE_NAMES, CONF_TYPE_MAILS, CONF_TYPE_MODE, CONF_TYPE_GROUP,
	CONF_TYPE_ADDRESS, CONF_TYPE_CONNECTION, CONF_TYPE_LDAP_SERVER, CONF_TYPE_NAME, CONF_TYPE_SQL, CONF_TYPE_SEARCH,
	CONF_TYPE_COUNT,
};

struct conf_option {
	enum conf_section_id section;
	const char *name;
	enum conf_type type;
	size_t offset;           /* of the member, in the section's struct */
	size_t line_offset;      /* the same for its line, where it is kept beside the member; 0: it is not */
	uint64_t min, max;       /* of numbers, in bytes or milliseconds */
	const char *min_source;  /* who demands the minimum, or NULL */
	const char *choices;     /* the words of a choice or of several, in the order of the enum, a space between */
	const char *fallback;    /* the default as it would stand in the file; NULL: the setting is required ... */
	const char *unless;      /* ... but not where the setting of this name stands: exactly one of both does */
	const char *along;       /* ... but only where the setting of this name stands */
	bool may_be_empty;       /* a list without items or an empty text, where the default is none of these */
	size_t items_max;        /* of a list; 0: CONF_LIST_ITEMS_MAX */
	const char *example;     /* a value, as it would stand in the file; NULL: the default shows it */
	const char *text;        /* one sentence: what it does */
	const char *reason;      /* one sentence: why it is so, or when to change it */
};

extern const struct conf_section_form conf_section_forms[CONF_SECTION_COUNT];
extern const struct conf_option conf_options[];
extern const size_t conf_option_count;

/* What a value of the type is, for people: "a duration such as 5m". */
const char *conf_type_text(enum conf_type type);

/* The n-th choice of the option; the empty span when there are fewer. */
struct span conf_option_choice(const struct conf_option *option, size_t n);

/* Writes a number of the option's type as one would in the file: "5m", "64KiB", "100". */
void conf_option_write_number(const struct conf_option *option, uint64_t value, struct buf *out);

/* Whether it is about a directory: struct conf_source. */
static inline bool conf_section_is_source(enum conf_section_id section)
{
	return section == CONF_SECTION_SQLITE || section == CONF_SECTION_PGSQL || section == CONF_SECTION_LDAP;
}

/* Whether the members of this section lie in struct conf itself. */
static inline bool conf_section_is_once(enum conf_section_id section)
{
	return section != CONF_SECTION_LISTEN && section != CONF_SECTION_DOMAIN && section != CONF_SECTION_ROUTE
		&& section != CONF_SECTION_REASON && section != CONF_SECTION_RATE && section != CONF_SECTION_POLICY_SERVICE
		&& section != CONF_SECTION_DNSLIST && !conf_section_is_source(section);
}

/* Whether they are settings of checks, which lie in conf.checks. */
static inline bool conf_section_is_check(enum conf_section_id section)
{
	return section >= CONF_SECTION_CHECKS && section <= CONF_SECTION_MAILBOX;
}

#endif
