/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Landlock by system call. The constants are our own, since the headers of Debian
 * 12 end at ABI 2; which of them are used is settled with the kernel at run time:
 *
 *   ABI 1  files            ABI 4  TCP bind and connect
 *   ABI 2  renames across   ABI 5  device ioctl
 *   ABI 3  truncate         ABI 6  abstract UNIX sockets, signals
 *
 * What an old kernel lacks of 3 to 6 is denied by seccomp as well, as far as the
 * role is denied it. ABI 1 forbids every rename between folders, which a Maildir
 * needs, so roles that write do without Landlock there and say so.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox_parts.h"

/* The same numbers on every architecture. */
#define NR_LANDLOCK_CREATE_RULESET 444
#define NR_LANDLOCK_ADD_RULE 445
#define NR_LANDLOCK_RESTRICT_SELF 446

#define CREATE_RULESET_VERSION 1u
#define RULE_PATH_BENEATH 1

#define FS_EXECUTE (1ull << 0)
#define FS_WRITE_FILE (1ull << 1)
#define FS_READ_FILE (1ull << 2)
#define FS_READ_DIR (1ull << 3)
#define FS_REMOVE_DIR (1ull << 4)
#define FS_REMOVE_FILE (1ull << 5)
#define FS_MAKE_DIR (1ull << 7)
#define FS_MAKE_REG (1ull << 8)
#define FS_REFER (1ull << 13)
#define FS_TRUNCATE (1ull << 14)
#define FS_IOCTL_DEV (1ull << 15)

#define FS_ALL_ABI_1 ((1ull << 13) - 1)
#define FS_FOR_FILES (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE)

#define NET_BIND_TCP (1ull << 0)
#define NET_CONNECT_TCP (1ull << 1)
#define SCOPE_ABSTRACT_UNIX (1ull << 0)
#define SCOPE_SIGNAL (1ull << 1)

struct ruleset_attr {
	uint64_t fs;
	uint64_t net;    /* from ABI 4 */
	uint64_t scoped; /* from ABI 6 */
};

struct path_beneath_attr {
	uint64_t allowed;
	int32_t parent_fd;
} __attribute__((packed));

static struct ruleset_attr ruleset_for(const struct sandbox *box, int abi, size_t *bytes_out)
{
	struct ruleset_attr attr = { .fs = FS_ALL_ABI_1 };
	*bytes_out = abi >= 6 ? sizeof(attr) : abi >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
	if (abi >= 2)
		attr.fs |= FS_REFER;
	if (abi >= 3)
		attr.fs |= FS_TRUNCATE;
	if (abi >= 5)
		attr.fs |= FS_IOCTL_DEV;
	if (abi >= 4 && (!box->make_connections || box->unix_only))
		attr.net = NET_BIND_TCP | NET_CONNECT_TCP;
	if (abi >= 6)
		attr.scoped = SCOPE_ABSTRACT_UNIX | (box->signal_others ? 0 : SCOPE_SIGNAL);
	return attr;
}

static uint64_t fs_rights(unsigned rights)
{
	uint64_t fs = 0;
	if ((rights & SANDBOX_READ) != 0)
		fs |= FS_READ_FILE | FS_READ_DIR;
	if ((rights & SANDBOX_WRITE) != 0)
		fs |= FS_WRITE_FILE | FS_TRUNCATE | FS_MAKE_REG | FS_MAKE_DIR | FS_REMOVE_FILE | FS_REMOVE_DIR
			| FS_REFER;
	if ((rights & SANDBOX_EXECUTE) != 0)
		fs |= FS_EXECUTE | FS_READ_FILE;
	return fs;
}

static int path_allow(int ruleset, const struct sandbox_path *path, uint64_t handled)
{
	struct stat about;
	struct path_beneath_attr rule = { .allowed = fs_rights(path->rights) & handled };
	rule.parent_fd = open(path->path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return -errno;
	int result = fstat(rule.parent_fd, &about) < 0 ? -errno : 0;
	if (result == 0 && !S_ISDIR(about.st_mode))
		rule.allowed &= FS_FOR_FILES;
	if (result == 0 && rule.allowed != 0
		&& syscall(NR_LANDLOCK_ADD_RULE, ruleset, RULE_PATH_BENEATH, &rule, 0) < 0)
		result = -errno;
	close(rule.parent_fd);
	return result;
}

/* What the sanitizer reads for its reports; those that are not there are no matter. */
static void sanitizer_allow(int ruleset, uint64_t handled)
{
	static const char *const paths[] = { "/proc", "/usr", "/lib", "/lib64", "/proc/self/exe" };
	for (size_t i = 0; SANDBOX_SANITIZED && i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct sandbox_path path = { paths[i], SANDBOX_READ };
		(void)path_allow(ruleset, &path, handled);
	}
}

static int paths_allow(int ruleset, const struct sandbox *box, uint64_t handled)
{
	sanitizer_allow(ruleset, handled);
	for (size_t i = 0; i < box->path_count; i++) {
		int result = path_allow(ruleset, &box->paths[i], handled);
		if (result < 0)
			return result;
	}
	return 0;
}

int sandbox_confine_files(const struct sandbox *box, const char **why_out)
{
	int abi = (int)syscall(NR_LANDLOCK_CREATE_RULESET, NULL, 0, CREATE_RULESET_VERSION);
	if (abi < 1) {
		*why_out = "this kernel has no Landlock (or it is switched off): which files the role may open "
			"is left to ordinary permissions";
		return -EOPNOTSUPP;
	}
	if (abi < 2 && sandbox_has_right(box, SANDBOX_WRITE)) {
		*why_out = "this kernel's Landlock is too old (ABI 1) for a role that renames files: which files "
			"it may open is left to ordinary permissions";
		return -EOPNOTSUPP;
	}
	size_t bytes;
	struct ruleset_attr attr = ruleset_for(box, abi, &bytes);
	int ruleset = (int)syscall(NR_LANDLOCK_CREATE_RULESET, &attr, bytes, 0);
	if (ruleset < 0)
		return -errno;
	int result = paths_allow(ruleset, box, attr.fs);
	if (result == 0 && syscall(NR_LANDLOCK_RESTRICT_SELF, ruleset, 0) < 0)
		result = -errno;
	close(ruleset);
	return result;
}
