/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seccomp: the list of system calls that a role may make. What is not listed fails
 * with ENOSYS, what a library tries in passing with EACCES or EPERM, what only an
 * intruder tries kills the process; sandbox.h says why. Calls on descriptors that
 * are open already are allowed to all: the descriptors are the rights.
 *
 * Rules on one call never overlap with different actions, since libseccomp leaves
 * open which of them would win.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "account.h"
#include "sandbox_parts.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41 /* names anonymous memory; Debian 12's headers lack it */
#endif

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define REFUSE(error) SCMP_ACT_ERRNO(error)
#define ID_BITS 32u
#define BEYOND_ID 0xffffffff00000000ull
#define UID_BIT_FIRST 10u /* a number with one of the bits from here on is a person's; some smaller ones are, too */

/* Memory, threads, time, waiting, chance, and everything on open descriptors. */
static const int always[] = {
	SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(mincore), SCMP_SYS(msync),
	SCMP_SYS(mlock), SCMP_SYS(munlock), SCMP_SYS(membarrier),
	SCMP_SYS(futex), SCMP_SYS(set_robust_list), SCMP_SYS(get_robust_list), SCMP_SYS(set_tid_address),
	SCMP_SYS(rseq), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(sched_getparam),
	SCMP_SYS(sched_getscheduler), SCMP_SYS(getcpu),
	SCMP_SYS(gettid), SCMP_SYS(getpid), SCMP_SYS(getppid), SCMP_SYS(getpgrp), SCMP_SYS(getpgid),
	SCMP_SYS(getsid), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid),
	SCMP_SYS(getresuid), SCMP_SYS(getresgid), SCMP_SYS(getgroups),
	SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(restart_syscall),
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigpending),
	SCMP_SYS(rt_sigtimedwait), SCMP_SYS(rt_sigsuspend), SCMP_SYS(sigaltstack), SCMP_SYS(signalfd4),
	SCMP_SYS(pause), SCMP_SYS(alarm), SCMP_SYS(setitimer), SCMP_SYS(getitimer),
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(gettimeofday), SCMP_SYS(time),
	SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime),
	SCMP_SYS(timerfd_gettime), SCMP_SYS(times), SCMP_SYS(getrusage), SCMP_SYS(sysinfo), SCMP_SYS(uname),
	SCMP_SYS(getrlimit), SCMP_SYS(getrandom), SCMP_SYS(umask),
	SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_pwait2), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6),
	SCMP_SYS(eventfd2), SCMP_SYS(pipe), SCMP_SYS(pipe2), SCMP_SYS(dup), SCMP_SYS(dup2), SCMP_SYS(dup3),
	SCMP_SYS(close), SCMP_SYS(close_range),
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(pread64),
	SCMP_SYS(pwrite64), SCMP_SYS(preadv), SCMP_SYS(pwritev), SCMP_SYS(preadv2), SCMP_SYS(pwritev2),
	SCMP_SYS(lseek), SCMP_SYS(sendfile), SCMP_SYS(splice), SCMP_SYS(copy_file_range),
	SCMP_SYS(fstat), SCMP_SYS(fstatfs), SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(sync_file_range),
	SCMP_SYS(fallocate), SCMP_SYS(ftruncate), SCMP_SYS(fadvise64), SCMP_SYS(readahead), SCMP_SYS(flock),
	SCMP_SYS(fchmod), SCMP_SYS(getdents), SCMP_SYS(getdents64),
	SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(recvmmsg), SCMP_SYS(sendmsg), SCMP_SYS(sendmmsg),
	SCMP_SYS(shutdown), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(getsockname),
	SCMP_SYS(getpeername),
};

/* Nothing that Waybill or its libraries do; whoever tries has taken over the role. */
static const int fatal[] = {
	SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(process_madvise), SCMP_SYS(kcmp),
	SCMP_SYS(pidfd_getfd), SCMP_SYS(userfaultfd), SCMP_SYS(perf_event_open), SCMP_SYS(bpf),
	SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(move_mount),
	SCMP_SYS(open_tree), SCMP_SYS(fsopen), SCMP_SYS(fsmount), SCMP_SYS(fsconfig), SCMP_SYS(fspick),
	SCMP_SYS(mount_setattr), SCMP_SYS(unshare), SCMP_SYS(setns), SCMP_SYS(open_by_handle_at),
	SCMP_SYS(setuid), SCMP_SYS(setgid), SCMP_SYS(setreuid), SCMP_SYS(setregid), SCMP_SYS(setresuid),
	SCMP_SYS(setresgid), SCMP_SYS(setgroups), SCMP_SYS(capset),
	SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load), SCMP_SYS(keyctl), SCMP_SYS(add_key), SCMP_SYS(request_key),
	SCMP_SYS(reboot), SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(acct), SCMP_SYS(quotactl),
	SCMP_SYS(iopl), SCMP_SYS(ioperm), SCMP_SYS(modify_ldt), SCMP_SYS(personality), SCMP_SYS(syslog),
	SCMP_SYS(sethostname), SCMP_SYS(setdomainname), SCMP_SYS(settimeofday), SCMP_SYS(clock_settime),
	SCMP_SYS(clock_adjtime), SCMP_SYS(adjtimex), SCMP_SYS(mknod), SCMP_SYS(mknodat),
	SCMP_SYS(name_to_handle_at), SCMP_SYS(fanotify_init), SCMP_SYS(vhangup), SCMP_SYS(nfsservctl),
};

static const int naming_files[] = {
	SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(stat), SCMP_SYS(lstat),
	SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(statfs), SCMP_SYS(getcwd),
};

/* Landlock bounds all of these by path; chmod, chown and the like it would not, so they stay out. */
static const int changing_files[] = {
	SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(rmdir),
	SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(link), SCMP_SYS(linkat),
};

static const int never_by_path[] = {
	SCMP_SYS(creat), SCMP_SYS(truncate), SCMP_SYS(symlink), SCMP_SYS(symlinkat), SCMP_SYS(chmod),
	SCMP_SYS(fchmodat), SCMP_SYS(chown), SCMP_SYS(lchown), SCMP_SYS(fchownat), SCMP_SYS(utime),
	SCMP_SYS(utimes), SCMP_SYS(futimesat), SCMP_SYS(setxattr), SCMP_SYS(lsetxattr), SCMP_SYS(removexattr),
	SCMP_SYS(lremovexattr), SCMP_SYS(chdir),
};

static const int connecting[] = { SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(socketpair) };
/* Listening again on an inherited listener is harmless without bind, and libuv does it. */
static const int accepting[] = { SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(listen) };
static const int executing[] = { SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork), SCMP_SYS(vfork) };
static const int having_children[] = { SCMP_SYS(wait4), SCMP_SYS(waitid), SCMP_SYS(setpgid), SCMP_SYS(setsid) };

static const int fcntl_commands[] = {
	F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_SETLK, F_SETLKW,
	F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_GETPIPE_SZ, F_SETPIPE_SZ, F_ADD_SEALS, F_GET_SEALS,
};
static const unsigned long ioctl_requests[] = { FIONBIO, FIOCLEX, FIONREAD, TCGETS, TIOCGWINSZ };
static const int prctl_options[] = { PR_SET_NAME, PR_GET_NAME, PR_SET_VMA, PR_GET_DUMPABLE };

/* One filter under construction, with a sticky error. */
struct filter {
	scmp_filter_ctx context;
	int error;
};

static void add(struct filter *f, uint32_t action, int call)
{
	if (f->error == 0)
		f->error = seccomp_rule_add(f->context, action, call, 0);
}

static void add_all(struct filter *f, uint32_t action, const int *calls, size_t count)
{
	for (size_t i = 0; i < count; i++)
		add(f, action, calls[i]);
}

/* With a condition on one argument. */
static void add_if(struct filter *f, uint32_t action, int call, struct scmp_arg_cmp condition)
{
	if (f->error == 0)
		f->error = seccomp_rule_add_array(f->context, action, call, 1, &condition);
}

/* Allowed when the bits `mask` of the argument are all zero, refused when one is set. */
static void allow_without_bits(struct filter *f, int call, unsigned argument, unsigned mask)
{
	add_if(f, SCMP_ACT_ALLOW, call, SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, mask, 0));
	for (unsigned bit = 1; bit != 0; bit <<= 1)
		if ((mask & bit) != 0)
			add_if(f, REFUSE(EACCES), call, SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, bit, bit));
}

/* Allowed when `bit` of the argument is set, otherwise `action`. */
static void allow_with_bit(struct filter *f, int call, unsigned argument, unsigned bit, uint32_t otherwise)
{
	add_if(f, SCMP_ACT_ALLOW, call, SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, bit, bit));
	add_if(f, otherwise, call, SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, bit, 0));
}

static void add_arguments(struct filter *f)
{
	for (size_t i = 0; i < COUNT(fcntl_commands); i++)
		add_if(f, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_EQ, (unsigned)fcntl_commands[i]));
	for (size_t i = 0; i < COUNT(ioctl_requests); i++)
		add_if(f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, ioctl_requests[i]));
	for (size_t i = 0; i < COUNT(prctl_options); i++)
		add_if(f, SCMP_ACT_ALLOW, SCMP_SYS(prctl), SCMP_A0(SCMP_CMP_EQ, (unsigned)prctl_options[i]));
	/* Only its own limits, which it can but lower. */
	add_if(f, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), SCMP_A0(SCMP_CMP_EQ, 0));
	/* By descriptor only: futimens. */
	add_if(f, SCMP_ACT_ALLOW, SCMP_SYS(utimensat), SCMP_A1(SCMP_CMP_EQ, 0));
}

/* Memory never becomes executable, except where programs are started: their loader maps them. */
static void add_memory(struct filter *f, const struct sandbox *box)
{
	static const int mapping[] = { SCMP_SYS(mmap), SCMP_SYS(mprotect) };
	for (size_t i = 0; i < COUNT(mapping); i++) {
		if (box->start_programs)
			add(f, SCMP_ACT_ALLOW, mapping[i]);
		else
			allow_without_bits(f, mapping[i], 2, PROT_EXEC);
	}
	if (box->start_programs)
		add(f, SCMP_ACT_ALLOW, SCMP_SYS(arch_prctl));
}

static void add_files(struct filter *f, const struct sandbox *box)
{
	unsigned writing = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY);
	bool may_open = box->open_files || SANDBOX_SANITIZED;
	bool may_write = box->open_files && sandbox_has_right(box, SANDBOX_WRITE);

	add_all(f, REFUSE(EACCES), never_by_path, COUNT(never_by_path));
	add_all(f, may_write ? SCMP_ACT_ALLOW : REFUSE(EACCES), changing_files, COUNT(changing_files));
	add_all(f, may_open ? SCMP_ACT_ALLOW : REFUSE(EACCES), naming_files, COUNT(naming_files));
	if (may_open) {
		add(f, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat));
		add(f, SCMP_ACT_ALLOW, SCMP_SYS(statx));
	} else {
		/* The C library asks about descriptors in this way. */
		allow_with_bit(f, SCMP_SYS(newfstatat), 3, AT_EMPTY_PATH, REFUSE(EACCES));
		allow_with_bit(f, SCMP_SYS(statx), 2, AT_EMPTY_PATH, REFUSE(EACCES));
	}
	if (may_write) {
		add(f, SCMP_ACT_ALLOW, SCMP_SYS(open));
		add(f, SCMP_ACT_ALLOW, SCMP_SYS(openat));
	} else if (may_open) {
		allow_without_bits(f, SCMP_SYS(open), 1, writing);
		allow_without_bits(f, SCMP_SYS(openat), 2, writing);
	} else {
		add(f, REFUSE(EACCES), SCMP_SYS(open));
		add(f, REFUSE(EACCES), SCMP_SYS(openat));
	}
}

static void add_memory_files(struct filter *f, const struct sandbox *box)
{
	if (box->memory_files || (box->open_files && sandbox_has_right(box, SANDBOX_WRITE)))
		add(f, SCMP_ACT_ALLOW, SCMP_SYS(memfd_create));
}

static void add_network(struct filter *f, const struct sandbox *box)
{
	add_all(f, box->accept_connections ? SCMP_ACT_ALLOW : REFUSE(EACCES), accepting, COUNT(accepting));
	add_all(f, box->make_connections ? SCMP_ACT_ALLOW : REFUSE(EACCES), connecting, COUNT(connecting));
	if (!box->make_connections) {
		add(f, REFUSE(EACCES), SCMP_SYS(socket));
		/* Without an address: on a connection. */
		add_if(f, SCMP_ACT_ALLOW, SCMP_SYS(sendto), SCMP_A4(SCMP_CMP_EQ, 0));
		add_if(f, REFUSE(EACCES), SCMP_SYS(sendto), SCMP_A4(SCMP_CMP_NE, 0));
		return;
	}
	add(f, SCMP_ACT_ALLOW, SCMP_SYS(sendto));
	add_if(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
	uint32_t internet = box->unix_only ? REFUSE(EACCES) : SCMP_ACT_ALLOW;
	add_if(f, internet, SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, AF_INET));
	add_if(f, internet, SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, AF_INET6));
	add_if(f, REFUSE(EACCES), SCMP_SYS(socket), SCMP_A0(SCMP_CMP_GT, AF_INET6));
}

static void add_processes(struct filter *f, const struct sandbox *box)
{
	bool may_fork = box->start_programs || SANDBOX_SANITIZED;
	add_all(f, box->start_programs ? SCMP_ACT_ALLOW : SCMP_ACT_KILL_PROCESS, executing, COUNT(executing));
	/* clone3 stays unlisted: its flags lie in memory where no filter sees them, and on ENOSYS
	 * the C library falls back to clone. */
	if (may_fork)
		add(f, SCMP_ACT_ALLOW, SCMP_SYS(clone));
	else
		allow_with_bit(f, SCMP_SYS(clone), 0, CLONE_THREAD, SCMP_ACT_KILL_PROCESS);
	if (may_fork)
		add_all(f, SCMP_ACT_ALLOW, having_children, COUNT(having_children));

	static const int signalling[] = { SCMP_SYS(kill), SCMP_SYS(tgkill), SCMP_SYS(rt_sigqueueinfo) };
	scmp_datum_t self = (scmp_datum_t)getpid();
	for (size_t i = 0; i < COUNT(signalling); i++) {
		if (box->signal_others || SANDBOX_SANITIZED) {
			add(f, SCMP_ACT_ALLOW, signalling[i]);
		} else {
			add_if(f, SCMP_ACT_ALLOW, signalling[i], SCMP_A0(SCMP_CMP_EQ, self));
			add_if(f, REFUSE(EPERM), signalling[i], SCMP_A0(SCMP_CMP_NE, self));
		}
	}
	add(f, SANDBOX_SANITIZED ? SCMP_ACT_ALLOW : SCMP_ACT_KILL_PROCESS, SCMP_SYS(ptrace));
	if (SANDBOX_SANITIZED) {
		add_if(f, SCMP_ACT_ALLOW, SCMP_SYS(prctl), SCMP_A0(SCMP_CMP_EQ, PR_SET_DUMPABLE));
		add_if(f, SCMP_ACT_ALLOW, SCMP_SYS(prctl), SCMP_A0(SCMP_CMP_EQ, PR_SET_PTRACER));
	}
}

/* One number of a user or group. */
static void allow_id(struct filter *f, int call, unsigned id)
{
	add_if(f, SCMP_ACT_ALLOW, call, SCMP_A0(SCMP_CMP_EQ, id));
}

/* All numbers of 32 bits, and none beyond, with one of the bits from `bit` on. */
static void allow_ids_from_bit(struct filter *f, int call, unsigned bit)
{
	for (; bit < ID_BITS; bit++)
		add_if(f, SCMP_ACT_ALLOW, call, SCMP_CMP64(0, SCMP_CMP_MASKED_EQ, BEYOND_ID | 1ull << bit, 1ull << bit));
}

/*
 * Whose files a thread may touch: people's, and the process's own. The kernel looks at the lower 32 bits, so that a
 * comparison by size could be led around by what stands above them; bits it is.
 */
static void add_identities(struct filter *f, const struct sandbox *box)
{
	if (!box->users_files) {
		add(f, SCMP_ACT_KILL_PROCESS, SCMP_SYS(setfsuid));
		add(f, SCMP_ACT_KILL_PROCESS, SCMP_SYS(setfsgid));
		return;
	}
	allow_id(f, SCMP_SYS(setfsuid), geteuid());
	for (unsigned id = ACCOUNT_UID_FIRST; id < 1u << UID_BIT_FIRST; id++)
		allow_id(f, SCMP_SYS(setfsuid), id);
	allow_ids_from_bit(f, SCMP_SYS(setfsuid), UID_BIT_FIRST);
	allow_id(f, SCMP_SYS(setfsgid), getegid());
	allow_ids_from_bit(f, SCMP_SYS(setfsgid), 0);
}

int sandbox_confine_calls(const struct sandbox *box)
{
	struct filter f = { seccomp_init(SCMP_ACT_ERRNO(ENOSYS)), 0 };
	if (f.context == NULL)
		return -ENOMEM;
	/* All threads, were there any; a search tree instead of a long list. */
	f.error = seccomp_attr_set(f.context, SCMP_FLTATR_CTL_TSYNC, 1);
	if (f.error == 0)
		f.error = seccomp_attr_set(f.context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	add_all(&f, SCMP_ACT_ALLOW, always, COUNT(always));
	add_all(&f, SCMP_ACT_KILL_PROCESS, fatal, COUNT(fatal));
	add_arguments(&f);
	add_memory(&f, box);
	add_files(&f, box);
	add_memory_files(&f, box);
	add_network(&f, box);
	add_processes(&f, box);
	add_identities(&f, box);
	if (f.error == 0)
		f.error = seccomp_load(f.context);
	seccomp_release(f.context);
	return f.error;
}
