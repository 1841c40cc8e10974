/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is named in a list: clients by network, names in HELO, senders and recipients. A
 * list is built once, from what the configuration says and from a file, and then only
 * asked; any number of threads may do so. A question costs the same whatever the number
 * of entries: the entry itself is looked up, then what it could stand below.
 *
 * Entries: client 192.0.2.0/24, helo mail.example.net, sender spam@example.net, and names
 * also without their last part: example.net is that domain alone, *.example.net all below
 * it. Letter case makes no difference, in local parts neither.
 */
#ifndef WAYBILL_POLICY_POLICY_LIST_H
#define WAYBILL_POLICY_POLICY_LIST_H

#include "conf_checks.h"

#define POLICY_LIST_ENTRIES_MAX 1000000
#define POLICY_LIST_LINE_BYTES_MAX 1024
#define POLICY_LIST_PROBLEMS_MAX 100 /* of one file that are written out */

enum policy_listed {
	POLICY_LISTED_CLIENT,
	POLICY_LISTED_HELO,
	POLICY_LISTED_SENDER,
	POLICY_LISTED_RECIPIENT,
	POLICY_LISTED_COUNT
};

struct policy_list;

/* What was found; spans belong to the list. */
struct policy_entry {
	enum policy_listed kind;
	struct span text;   /* "192.0.2.0/24", "*.example.net", "spam@example.net" */
	uint32_t line;      /* of the configuration, or of the file */
	bool in_file;
};

/* `hash_key` is random: strangers choose what is looked up. NULL: no memory. */
struct policy_list *policy_list_new(const uint64_t hash_key[2]);
void policy_list_free(struct policy_list *list);

/* A list of these recipients alone; `line` is where they stand. NULL: no memory. */
struct policy_list *policy_list_of_recipients(const struct conf_names *names, uint32_t line,
	const uint64_t hash_key[2]);

/* Adds what the configuration says. False: no memory, or too many entries. */
bool policy_list_add(struct policy_list *list, const struct conf_listed *listed);

/* Adds the lines of a file, "client 192.0.2.0/24"; "#" begins a comment. What is wrong is left out, and written to
 * `problems` as lines "NAME:LINE: text". False as above. */
bool policy_list_read(struct policy_list *list, struct span text, struct span name, struct buf *problems);

/* How many entries of this kind there are; NULL has none. */
size_t policy_list_count(const struct policy_list *list, enum policy_listed kind);

/* Each is false when nothing fits; the entry that says most is found first. */
bool policy_list_client(const struct policy_list *list, const struct netaddr *client, struct policy_entry *entry_out);
bool policy_list_helo(const struct policy_list *list, struct span name, struct policy_entry *entry_out);

/* SENDER or RECIPIENT, by local part as written, in quotes or not, and domain in A-labels. Of a recipient a
 * subaddress (alice+news) is left aside where it is not listed itself. */
bool policy_list_address(const struct policy_list *list, enum policy_listed kind, struct span local,
	struct span domain, struct policy_entry *entry_out);

#endif
