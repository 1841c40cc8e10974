/* SPDX-License-Identifier: Apache-2.0 */
/* Starting this same program again as a role, with one descriptor to speak through. */
#ifndef WAYBILL_SYS_CHILD_H
#define WAYBILL_SYS_CHILD_H

#include <sys/types.h>

#include "loop.h"

/* The descriptor number at which a child finds its control socket. */
#define CHILD_CONTROL_FD 3
/* And the log's (log_adopt). Not 2: libuv makes the first three blocking. */
#define CHILD_LOG_FD 4

struct child_account {
	uid_t uid;
	gid_t gid;
	bool change; /* false: the child stays who we are */
};

typedef void child_exit_fn(void *arg, int exit_code, int signal_number);

/*
 * Starts /proc/self/exe with `argv` (NULL-terminated), standard input closed,
 * output and errors shared, `control_fd` as descriptor 3, the log as 4 and nothing else. Gives
 * the process id or a negative errno; `fn` is called once when it has ended.
 */
int child_start(struct loop *loop, char *const argv[], int control_fd, const struct child_account *account,
	child_exit_fn *fn, void *arg);

/* Closes every descriptor from `first` on, which whoever started this process left open, and opens what is
 * missing of 0, 1 and 2 on /dev/null, so that nothing else becomes standard output. Before anything is opened. */
void child_close_inherited(int first);

/* This process becomes that account for good, without extra groups, as a child of it would be. Negative errno. */
int child_account_become(const struct child_account *account);

/* Looks up an account by name; -ENOENT when there is none. */
int child_account_find(const char *name, struct child_account *account_out);

#endif
