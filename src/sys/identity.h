/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Touching a person's files as that person. A thread can have the file-system identity
 * of somebody else (setfsuid, setfsgid) while the process stays who it is: the kernel
 * then asks for each file what that user may. It takes CAP_SETUID and CAP_SETGID, of
 * which a sandbox with `users_files` leaves this use alone, and never uid 0.
 */
#ifndef WAYBILL_SYS_IDENTITY_H
#define WAYBILL_SYS_IDENTITY_H

#include <stdbool.h>
#include <sys/types.h>

/* Whether this process has both capabilities: it was started as root, or was given them. */
bool identity_possible(void);

/*
 * Becomes `uid` and `gid` for good, without any other group, and keeps the two
 * capabilities (sandbox_enter takes all others). Before the first thread. 0 or a
 * negative errno: then the process must exit.
 */
int identity_settle(uid_t uid, gid_t gid);

/*
 * From here on this thread touches files as `uid` and `gid`, until identity_leave. 0, or
 * -EPERM, and nothing has changed: not a person's account (account.h), the group is
 * root's, or the right is missing.
 */
int identity_take(uid_t uid, gid_t gid);

/* Back to who the process is; nothing when the thread has not taken another. Aborts if that fails. */
void identity_leave(void);

/* Whose new files this thread's are. */
uid_t identity_uid(void);

#endif
