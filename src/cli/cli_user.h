/* SPDX-License-Identifier: Apache-2.0 */
/*
 * waybill user add|list|remove: edits the users file of a domain. Which file that
 * is, and how its domain compares names, comes from the configuration and is the
 * caller's to find. Works on the file alone, whether the server runs or not; the
 * server reads a file again when it was replaced.
 */
#ifndef WAYBILL_CLI_CLI_USER_H
#define WAYBILL_CLI_CLI_USER_H

#include "directory.h"

#define CLI_USERS_WHERE_MAX 1100
#define CLI_USERS_BYTES_MAX ((size_t)256 << 20)

struct cli_users {
	const char *path;    /* of the users file */
	struct span domain;  /* that is meant; lower-case A-labels */
	bool shared;         /* the file serves several domains: new lines name theirs */
	bool exact_case;     /* of the domain's local parts */
};

enum cli_user_verb {
	CLI_USER_ADD,
	CLI_USER_REMOVE,
	CLI_USER_CLOSE, /* or open: the mailbox has this state from now on */
};

struct cli_user_wish {
	enum cli_user_verb verb;
	struct span local;          /* a local part as in an address */
	enum directory_state state; /* of CLOSE */
	struct span moved_to;       /* of MOVED, FORWARDED and COPIED */
};

/*
 * Changes one user as is wished, and says on stdout what
 * it did, or on stderr why not. The file is replaced in one step (a new file,
 * synced, renamed, its folder synced) under a lock that other runs wait for; its
 * comments, order, owner and mode stay. Adding to a missing file makes it.
 * Gives the exit code: 0 done, 1 there already, not there, or not possible,
 * 2 not a name that a mailbox can have.
 */
int cli_user_change(const struct cli_users *users, const struct cli_user_wish *wish);

struct conf;
struct conf_domain;
/* Where the users of a domain are, for people: the path of the file, or pgsql "mail". */
const char *cli_users_where(const struct conf_domain *domain, char text_out[static CLI_USERS_WHERE_MAX]);
/* Whether they are in a file; complains if not. */
bool cli_users_filed(const struct conf_domain *domain);
/* The users file of a domain of this configuration. */
struct cli_users cli_users_of(const struct conf *conf, const struct conf_domain *domain);

/* Prints the addresses of the domain's users, one a line, in the order of the file.
 * Gives the exit code: 0, or 1 when the file cannot be read. */
int cli_user_list(const struct cli_users *users);

/*
 * Reads "add ADDRESS", "remove ADDRESS" or "list [DOMAIN]". False when it is none
 * of them. For add and remove `address_out` is the address; for list it is the
 * domain, or empty.
 */
struct cli_user_words {
	bool list;
	enum cli_user_verb verb;
	struct span address;
};
bool cli_user_parse(int argc, char **argv, struct cli_user_words *words_out);

#endif
