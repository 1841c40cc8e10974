/* SPDX-License-Identifier: Apache-2.0 */
/* The directory as the supervisor says it. Private to generation.c and generation_build.c. */
#ifndef WAYBILL_ROLES_GENERATION_H
#define WAYBILL_ROLES_GENERATION_H

#include "policy_role.h"
#include "srs.h"

/* A domain as it was said, with its files as they were read. */
struct domain {
	char *name;
	uint8_t subaddress;
	bool exact_case;
	uint8_t users_source, aliases_source, domains_source; /* numbers; 0: files */
	char *catch_all;
	char *paths[2];      /* users, aliases */
	int fds[2];
	struct buf texts[2];
	bool unavailable;
	bool blank;          /* the users file names nobody */
};

/* A file that an aliases file includes. */
struct included {
	char *path;
	int fd;
	struct buf text;
};

/* One generation of the directory: said, then built, then used. */
struct generation {
	struct policy_role *owner;
	unsigned holders;            /* the role, and lookups that are under way */
	const struct generation *before; /* in use while this one is built */
	uint32_t number;
	char *hostname;
	char *postmaster;
	struct directory_limits limits;
	struct srs_rules srs;        /* its domain is owned; empty: senders stay as they are */
	struct domain *domains;
	size_t domain_count;
	struct included *includes;
	size_t include_count;
	uint64_t hash_key[2];
	struct directory_table *table;
	struct directory_view view;  /* of the table alone */
	struct span *unavailable;
	size_t unavailable_count;
	struct policy_route *routes, *relays; /* their spans are owned */
	size_t route_count, relay_count;
	struct arena arena;          /* holds what the checks' settings point to */
	struct conf_checks checks;
	struct included listed[2];   /* files of who is allowed, denied; path NULL: none */
	struct policy_list *allow, *deny, *exempt;
	struct netblock *trust;
	size_t trust_count;
	struct buf problems;
	bool log_json;
};

/* generation_build.c; on a thread: reads the files and builds the table. NULL stays in `table` without memory. */
void generation_build(void *generation);

#endif
