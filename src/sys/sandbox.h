/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The confinement of a role: what it needs is named, all else is taken away from
 * the process for good. Landlock bounds the file system (and, where the kernel
 * can, TCP, abstract sockets and signals), seccomp bounds the system calls,
 * capabilities and core dumps go, new privileges cannot be gained.
 *
 * Enter after the libraries have opened what they keep open and before the first
 * thread: Landlock binds only the calling thread and those that it makes later.
 * Descriptors that are open already stay usable, whatever the role.
 */
#ifndef WAYBILL_SYS_SANDBOX_H
#define WAYBILL_SYS_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum sandbox_right {
	SANDBOX_READ = 1,    /* read files, list folders */
	SANDBOX_WRITE = 2,   /* create, write, truncate, rename, link and remove files and folders */
	SANDBOX_EXECUTE = 4, /* run programs; needs start_programs as well */
};

/* A folder with all that is beneath it, or one file. It must exist when the sandbox is entered. */
struct sandbox_path {
	const char *path;
	unsigned rights; /* of enum sandbox_right */
};

/* All zero is the strictest: threads, time, chance, and what open descriptors allow. */
struct sandbox {
	const char *role;                 /* for messages */
	const struct sandbox_path *paths; /* nothing outside of these can be opened */
	size_t path_count;
	pid_t parent_pid;        /* the process dies with this parent (SIGKILL); 0: no matter */
	bool open_files;         /* may open files at all (beneath `paths`) */
	bool memory_files;       /* make files in memory, as whoever writes files may anyway */
	bool accept_connections; /* accept on listening sockets that are open already */
	bool make_connections;   /* make sockets and connect them; never to listen */
	bool unix_only;          /* of these only UNIX sockets */
	bool start_programs;     /* fork, and exec where a path has SANDBOX_EXECUTE */
	bool signal_others;      /* signals to other processes than itself */
	bool users_files;        /* threads may touch files as a person (identity.h): two capabilities stay for that */
};

/*
 * Confines the calling process, which must have a single thread (-EBUSY else).
 * 0, or a negative errno: then the process may be half confined and must exit.
 * -ESRCH: parent_pid is not the parent any more. -ENOENT and the like: one of
 * the paths is not there. When the kernel lacks Landlock, seccomp still holds,
 * the result is 0, and `missing_out` (at most `size` bytes, always terminated,
 * otherwise empty) says what is not enforced, for the log.
 */
int sandbox_enter(const struct sandbox *box, char *missing_out, size_t size);

/* Of that the capabilities alone, for a role that is not confined. 0 or a negative errno. */
int sandbox_capabilities_drop(void);

/*
 * What becomes of a forbidden thing: opening files, making sockets and
 * signalling others fail with EACCES or EPERM, because libraries try these in
 * passing (NSS, syslog, iconv) and live without; unknown calls fail with ENOSYS,
 * so that libraries fall back to older ones; what only an intruder tries (exec,
 * fork, ptrace, mount, other users' rights, modules, foreign memory) kills the
 * process with SIGSYS, which the supervisor reports. No memory becomes
 * executable afterwards, so no dlopen. Sizes, dates and existence of files can
 * still be asked for by name (stat); their content and names in folders cannot.
 *
 * Programs built with the address sanitizer may also read /proc, program files and
 * libraries, and trace themselves, which its reports and leak check need: they
 * are for tests only.
 */

#endif
