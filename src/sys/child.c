/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fork and exec by libuv, which drops extra groups. All our descriptors are closed on exec; those that were
 * inherited from elsewhere are closed when a process begins.
 */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "log.h"

#define DESCRIPTORS_WITHOUT_CLOSE_RANGE 65536

/* Private to src/sys: the loop's first member is its uv_loop_t. */
static uv_loop_t *uv_of(struct loop *loop)
{
	return (uv_loop_t *)(void *)loop;
}

struct child {
	uv_process_t uv;
	child_exit_fn *fn;
	void *arg;
};

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void on_exit_of(uv_process_t *process, int64_t exit_code, int signal_number)
{
	struct child *child = process->data;
	child->fn(child->arg, (int)exit_code, signal_number);
	uv_close((uv_handle_t *)process, on_closed);
}

int child_start(struct loop *loop, char *const argv[], int control_fd, const struct child_account *account,
	child_exit_fn *fn, void *arg)
{
	struct child *child = calloc(1, sizeof(*child));
	if (child == NULL)
		return -ENOMEM;
	uv_stdio_container_t fds[CHILD_LOG_FD + 1] = {
		{ .flags = UV_IGNORE },
		{ .flags = UV_INHERIT_FD, .data.fd = 1 },
		{ .flags = UV_INHERIT_FD, .data.fd = 2 },
		{ .flags = UV_INHERIT_FD, .data.fd = control_fd },
		{ .flags = UV_INHERIT_FD, .data.fd = log_descriptor() },
	};
	uv_process_options_t options = {
		.file = "/proc/self/exe", .args = (char **)(uintptr_t)argv, .exit_cb = on_exit_of,
		.stdio = fds, .stdio_count = CHILD_LOG_FD + 1,
		.flags = account->change ? UV_PROCESS_SETUID | UV_PROCESS_SETGID : 0,
		.uid = account->uid, .gid = account->gid,
	};
	child->fn = fn;
	child->arg = arg;
	child->uv.data = child;
	int error = uv_spawn(uv_of(loop), &child->uv, &options);
	if (error != 0) {
		uv_close((uv_handle_t *)&child->uv, on_closed);
		return error;
	}
	return child->uv.pid;
}

void child_close_inherited(int first)
{
	/* Kernels before 5.9 lack it. */
	if (close_range((unsigned)first, ~0u, 0) != 0)
		for (int fd = first; fd < DESCRIPTORS_WITHOUT_CLOSE_RANGE; fd++)
			close(fd);
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			abort();
}

int child_account_become(const struct child_account *account)
{
	if (setgroups(0, NULL) != 0 || setresgid(account->gid, account->gid, account->gid) != 0
	    || setresuid(account->uid, account->uid, account->uid) != 0)
		return -errno;
	return 0;
}

int child_account_find(const char *name, struct child_account *account_out)
{
	struct passwd *entry = getpwnam(name);
	if (entry == NULL)
		return -ENOENT;
	*account_out = (struct child_account){ entry->pw_uid, entry->pw_gid, true };
	return 0;
}
