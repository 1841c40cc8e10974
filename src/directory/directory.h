/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who exists here: users and aliases of the domains that are served, from the
 * contents of their files. A table is immutable once built and is replaced as a
 * whole; any number of threads may read one. No file is opened and no clock is
 * read here.
 *
 * Local parts come in as they stand in an address (RFC 5321 section 4.1.2), so
 * quoted where they need it; "a" in quotes and a without them are the same name.
 * Domains come in as lower-case A-labels. User names go out without quotes,
 * addresses with them. An empty domain, as in <postmaster>, means the first one.
 */
#ifndef WAYBILL_DIRECTORY_DIRECTORY_H
#define WAYBILL_DIRECTORY_DIRECTORY_H

#include "arena.h"
#include "buf.h"

#define DIRECTORY_NAME_BYTES_MAX 255    /* of a local part, without quotes */
#define DIRECTORY_DOMAIN_BYTES_MAX 255
#define DIRECTORY_DOMAINS_MAX 100000
#define DIRECTORY_PROBLEMS_MAX 100      /* written out for one table; the rest is only counted */
#define DIRECTORY_BYTES_MAX ((size_t)1 << 30)            /* of a table */

struct directory_address {
	struct span local;
	struct span domain;
};

/* The content of a file, and its name for messages. Both may be empty: no such file. */
struct directory_file {
	struct span name;
	struct span text;
};

struct directory_domain {
	struct span name;             /* lower-case A-labels */
	uint8_t subaddress;           /* what divides alice+news, 0 for nothing */
	bool exact_case;              /* compare bytes; else ASCII letters are folded */
	struct directory_file users;
	struct directory_file aliases;
	unsigned users_source, aliases_source; /* instead of the files: who is to be asked; 0: nobody */
	unsigned domains_source;      /* of the domain "*": who knows which other domains are ours */
	struct span postmaster;       /* address or local name that gets postmaster's mail when no file says who */
	struct span catch_all;        /* the same for everybody who is unknown; empty: they stay unknown */
};

struct directory_source {
	const struct directory_domain *domains;
	size_t domain_count;
	const struct directory_file *includes; /* what aliases files include; without text: cannot be read */
	size_t include_count;
	uint64_t hash_key[2];         /* random: strangers choose the names that are looked up */
};

struct directory_counts {
	size_t users;
	size_t aliases;
	size_t problems;
	size_t bytes; /* of memory that the table holds */
};

struct directory_table;
struct directory_answers;

/* Where a lookup looks. */
struct directory_view {
	const struct directory_table *table;
	struct directory_answers *answers; /* of sources, see directory_answers.h; NULL: none can be asked */
};

/*
 * Builds a table; nothing of the source is referenced afterwards. What is wrong
 * in a file is skipped and written to `problems` as lines "FILE:LINE: text".
 * NULL only when memory (or DIRECTORY_BYTES_MAX) is short, or
 * with no domain or more than DIRECTORY_DOMAINS_MAX.
 */
struct directory_table *directory_table_new(const struct directory_source *source, struct buf *problems);
void directory_table_free(struct directory_table *table);
struct directory_counts directory_table_counts(const struct directory_table *table);

enum directory_kind {
	DIRECTORY_FOREIGN, /* not a domain of ours */
	DIRECTORY_UNKNOWN, /* our domain, no such name */
	DIRECTORY_USER,
	DIRECTORY_ALIAS,
	DIRECTORY_UNAVAILABLE, /* what the name is cannot be said now, or not even whether the domain is ours */
};

/* What becomes of a user's mail, as the users file says it. */
enum directory_state {
	DIRECTORY_OPEN,
	DIRECTORY_DISABLED, /* for a time: mail waits with its senders */
	DIRECTORY_GONE,     /* for good */
	DIRECTORY_MOVED,    /* the user has another address now */
	DIRECTORY_FORWARDED, /* to other addresses, and none is kept */
	DIRECTORY_COPIED,   /* kept, and to other addresses as well */
};

/* What a name is. The spans belong to the table, or to the answers. */
struct directory_match {
	enum directory_kind kind;
	struct span user;   /* USER: the mailbox's name; ALIAS: the alias's; without quotes */
	struct span domain; /* of ours, unless FOREIGN */
	const struct directory_address *targets; /* ALIAS */
	size_t target_count;
	bool too_large;     /* ALIAS: with more targets than a source is asked for, and none of them here */
	bool forwards;      /* ALIAS: a user of this name has mail forwarded; itself among the targets keeps it as well */
	bool subaddressed;  /* found only after its subaddress was taken off */
	bool fallback;      /* postmaster's mail goes where the configuration says */
	bool catch_all;     /* nobody has the name; its mail goes where the configuration says */
	bool takes_all;     /* there is such a place for every name of the domain */
	enum directory_state state; /* of a USER: OPEN, DISABLED, GONE, MOVED */
	struct span moved_to;       /* MOVED: the new address */
	struct span why;            /* UNAVAILABLE: the problem of a file, "FILE:LINE: text"; empty: there is none */
};

/*
 * Looks in this order: the name as an alias, as a user (one who has mail forwarded is an
 * alias), both again without the subaddress, postmaster (in any letter case, RFC 5321 section 4.5.1) at its fallback,
 * and the domain's catch-all. For EXPN the targets are the answer: one level down,
 * each written by directory_address_write.
 */
struct directory_match directory_lookup(const struct directory_view *view, struct directory_address address);

/*
 * Writes what is the same for all spellings of one mailbox's address, by the domain's settings alone: the name without
 * quotes and subaddress, folded. Asks nobody, and does not say whether anybody has the name. Returns its length; 0: it
 * is no name.
 */
size_t directory_mailbox_key(const struct directory_view *view, struct directory_address address,
	uint8_t out[static DIRECTORY_NAME_BYTES_MAX]);

/* Who gets postmaster's mail of a domain of ours, past the fallback and the catch-all. UNKNOWN: nobody is there. */
struct directory_match directory_postmaster(const struct directory_view *view, struct span domain);

/* Whether a domain is one of ours; an empty one is the first. UNAVAILABLE: that cannot be said now; else FOREIGN or,
 * for one of ours, UNKNOWN. */
enum directory_kind directory_domain_kind(const struct directory_view *view, struct span domain);

/* The same as yes or no, where a source is not sure: no. */
bool directory_is_local(const struct directory_view *view, struct span domain);

/* Appends "local@domain", or the local part alone where there is no domain. */
void directory_address_write(struct buf *out, struct directory_address address);

/* Splits "local@domain" at its last "@" outside quotes; without one the domain is empty. */
struct directory_address directory_address_split(struct span text);

#endif
