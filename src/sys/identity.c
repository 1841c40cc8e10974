/* SPDX-License-Identifier: Apache-2.0 */
/* By system calls of our own: the C library's setresuid and the like change all threads. */
#include "identity.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "account.h"

#define NOBODYS ((unsigned long)(uid_t)-1) /* a number that changes nothing, so that the call only asks */
#define NEEDED ((1u << CAP_SETUID) | (1u << CAP_SETGID))

static _Thread_local bool taken;
static _Thread_local uid_t taken_uid;

bool identity_possible(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct now[_LINUX_CAPABILITY_U32S_3];
	return syscall(SYS_capget, &header, now) == 0 && (now[0].effective & NEEDED) == NEEDED;
}

int identity_settle(uid_t uid, gid_t gid)
{
	if (setgroups(0, NULL) != 0 || prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 || setresgid(gid, gid, gid) != 0
	    || setresuid(uid, uid, uid) != 0 || prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) != 0)
		return -errno;
	return 0;
}

static bool set(uid_t uid, gid_t gid)
{
	syscall(SYS_setfsgid, (unsigned long)gid);
	syscall(SYS_setfsuid, (unsigned long)uid);
	return (uid_t)syscall(SYS_setfsuid, NOBODYS) == uid && (gid_t)syscall(SYS_setfsgid, NOBODYS) == gid;
}

int identity_take(uid_t uid, gid_t gid)
{
	if (taken || !account_is_persons(uid) || gid == 0 || gid == (gid_t)-1)
		return -EPERM;
	taken = true;
	taken_uid = uid;
	if (set(uid, gid))
		return 0;
	identity_leave();
	return -EPERM;
}

void identity_leave(void)
{
	if (!taken)
		return;
	if (!set(geteuid(), getegid()))
		abort(); /* never go on with another one's rights */
	taken = false;
}

uid_t identity_uid(void)
{
	return taken ? taken_uid : geteuid();
}
