/* SPDX-License-Identifier: Apache-2.0 */
/* The accounts of this system that people have, whatever the name service is made of. Blocking. */
#ifndef WAYBILL_SYS_ACCOUNT_H
#define WAYBILL_SYS_ACCOUNT_H

#include <stdbool.h>
#include <sys/types.h>

#include "span.h"

#define ACCOUNT_UID_FIRST 1000u  /* those below are root's and of services, by Debian's rule */
#define ACCOUNT_UID_NOBODY 65534u
#define ACCOUNT_HOME_BYTES_MAX 1024u
#define ACCOUNT_NAME_BYTES_MAX 256u

struct account {
	uid_t uid;
	gid_t gid;
	char home[ACCOUNT_HOME_BYTES_MAX + 1]; /* as passwd names it; empty when it is longer than that */
};

/* Whether mail is kept for the owner of this number: from 1000 on, and not nobody. Its shell does not matter. */
bool account_is_persons(uid_t uid);

/* Looks for a name that nobody has, so that the modules of all name services are loaded: a sandbox ends that. */
void account_prepare(void);

/*
 * Looks up a name. 0; -ENOENT: there is none, or it is not a person's; another negative
 * errno: the system cannot say now.
 */
int account_find(struct span name, struct account *account_out);

/* Gives the home of each person's account to `fn`, as far as the name services list them. */
void account_homes(void (*fn)(void *arg, const char *home), void *arg);

#endif
