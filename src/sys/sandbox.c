/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entering the sandbox: no new privileges, files, capabilities, dumps, the parent's
 * death, and system calls last, because the steps before need calls that end here.
 * Nothing here needs root; as root the capabilities really go.
 */
#include "sandbox.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox_parts.h"

#define CAPABILITY_NUMBERS_MAX 64 /* two words in the version 3 structure */

/* A folder has a link for itself, one in its parent, and one from each subfolder: here, the threads. */
static bool single_threaded(void)
{
	struct stat tasks;
	if (stat("/proc/self/task", &tasks) < 0)
		return true; /* no /proc to ask */
	return tasks.st_nlink <= 3;
}

static int capabilities_drop(bool users_files)
{
	for (unsigned long number = 0; number < CAPABILITY_NUMBERS_MAX; number++) {
		if (prctl(PR_CAPBSET_READ, number, 0, 0, 0) < 0)
			break; /* the kernel knows no more */
		/* An ordinary user may not, and need not: nothing can be gained any more. */
		if (prctl(PR_CAPBSET_DROP, number, 0, 0, 0) < 0 && errno != EPERM)
			return -errno;
	}
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
		return -errno;
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct kept[_LINUX_CAPABILITY_U32S_3] = { { 0 } };
	if (users_files)
		kept[0].effective = kept[0].permitted = (1u << CAP_SETUID) | (1u << CAP_SETGID);
	return syscall(SYS_capset, &header, kept) < 0 ? -errno : 0;
}

int sandbox_capabilities_drop(void)
{
	return capabilities_drop(false);
}

/* After the capabilities: a change of credentials would reset both settings. */
static int dumps_forbid(void)
{
	struct rlimit no_core = { 0, 0 };
	if (setrlimit(RLIMIT_CORE, &no_core) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

static int die_with_parent(pid_t parent)
{
	if (parent == 0)
		return 0;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -errno;
	/* It may have died before the kernel knew that we care. */
	return getppid() == parent ? 0 : -ESRCH;
}

int sandbox_enter(const struct sandbox *box, char *missing_out, size_t size)
{
	if (size > 0)
		missing_out[0] = 0;
	if (!single_threaded())
		return -EBUSY;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;

	const char *why = "";
	int result = sandbox_confine_files(box, &why);
	if (result == -EOPNOTSUPP && size > 0)
		snprintf(missing_out, size, "%s", why);
	else if (result < 0)
		return result;
	result = capabilities_drop(box->users_files);
	if (result == 0)
		result = dumps_forbid();
	if (result == 0)
		result = die_with_parent(box->parent_pid);
	if (result == 0)
		result = sandbox_confine_calls(box);
	return result;
}
