/* SPDX-License-Identifier: Apache-2.0 */
/* Socket calls with their C structures kept inside this file. */
#include "sock.h"

#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LISTEN_BACKLOG 1024
#define SOCK_FDS_PER_MESSAGE 8

static int fail(int fd)
{
	int error = errno;
	if (fd >= 0)
		close(fd);
	return -error;
}

static socklen_t to_sockaddr(const struct netaddr *addr, uint16_t port, struct sockaddr_storage *out)
{
	memset(out, 0, sizeof(*out));
	if (addr->family == 4) {
		struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
		memcpy(&in.sin_addr, addr->bytes, 4);
		memcpy(out, &in, sizeof(in));
		return sizeof(in);
	}
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	memcpy(&in6.sin6_addr, addr->bytes, 16);
	memcpy(out, &in6, sizeof(in6));
	return sizeof(in6);
}

static void from_sockaddr(const struct sockaddr_storage *from, struct netaddr *out)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	memset(out, 0, sizeof(*out));
	if (from->ss_family == AF_INET) {
		out->family = 4;
		memcpy(out->bytes, &((const struct sockaddr_in *)(const void *)from)->sin_addr, 4);
	} else if (from->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)from;
		if (memcmp(&in6->sin6_addr, mapped, sizeof(mapped)) == 0) {
			out->family = 4;
			memcpy(out->bytes, (const uint8_t *)&in6->sin6_addr + 12, 4);
		} else {
			out->family = 6;
			memcpy(out->bytes, &in6->sin6_addr, 16);
		}
	}
}

static bool all_zero(const struct netaddr *addr)
{
	static const uint8_t zero[16];
	return memcmp(addr->bytes, zero, sizeof(zero)) == 0;
}

int sock_listen_tcp(const struct netaddr *addr, uint16_t port)
{
	struct sockaddr_storage to;
	socklen_t len = to_sockaddr(addr, port, &to);
	int on = 1;
	int fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail(fd);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0)
		return fail(fd);
	/* [::] serves both families with one socket; any other IPv6 address its own. */
	int v6only = !all_zero(addr);
	if (addr->family == 6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)) != 0)
		return fail(fd);
	/* Accepted sockets inherit this: replies are small and must not wait for an ACK. */
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
		return fail(fd);
	if (bind(fd, (struct sockaddr *)&to, len) != 0 || listen(fd, LISTEN_BACKLOG) != 0)
		return fail(fd);
	return fd;
}

static int unix_address(const char *path, struct sockaddr_un *out)
{
	size_t len = strlen(path);
	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (len >= sizeof(out->sun_path))
		return -ENAMETOOLONG;
	memcpy(out->sun_path, path, len + 1);
	return 0;
}

static int unix_connect(const char *path, int flags)
{
	struct sockaddr_un to;
	int error = unix_address(path, &to);
	if (error < 0)
		return error;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		return fail(fd);
	return fd;
}

int sock_connect_unix(const char *path)
{
	return unix_connect(path, 0);
}

/* Whether a process listens there: -EADDRINUSE, also when its backlog is full. A socket that
 * nobody listens on is removed; any other kind of file stays, and is in the way at bind. */
static int unix_make_way(const char *path)
{
	struct stat st;
	int other = unix_connect(path, SOCK_NONBLOCK);
	if (other >= 0)
		close(other);
	if (other >= 0 || other == -EAGAIN)
		return -EADDRINUSE;
	if (other == -ECONNREFUSED && lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(path);
	return 0;
}

int sock_listen_unix(const char *path, unsigned mode)
{
	struct sockaddr_un to;
	int error = unix_address(path, &to);
	if (error < 0)
		return error;
	error = unix_make_way(path);
	if (error < 0)
		return error;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail(fd);
	mode_t before = umask((mode_t)(~mode & 0777));
	int bound = bind(fd, (struct sockaddr *)&to, sizeof(to));
	umask(before);
	if (bound != 0 || listen(fd, LISTEN_BACKLOG) != 0)
		return fail(fd);
	return fd;
}

size_t sock_resolve(const char *host, struct netaddr *addrs_out, size_t max)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;
	size_t count = 0;
	if (getaddrinfo(host, NULL, &hints, &found) != 0)
		return 0;
	for (const struct addrinfo *at = found; at != NULL && count < max; at = at->ai_next) {
		struct sockaddr_storage address = { 0 };
		memcpy(&address, at->ai_addr, at->ai_addrlen < sizeof(address) ? at->ai_addrlen : sizeof(address));
		from_sockaddr(&address, &addrs_out[count]);
		count += addrs_out[count].family != 0;
	}
	freeaddrinfo(found);
	return count;
}

int sock_permit_unix(const char *path, unsigned mode, const char *group)
{
	if (group[0] != 0) {
		errno = 0;
		const struct group *entry = getgrnam(group);
		if (entry == NULL)
			return errno != 0 && errno != ENOENT ? -errno : -ESRCH;
		if (lchown(path, (uid_t)-1, entry->gr_gid) != 0)
			return -errno;
	}
	return chmod(path, mode) == 0 ? 0 : -errno;
}

int sock_accept(int listener, struct netaddr *peer_out)
{
	struct sockaddr_storage from = { 0 };
	socklen_t len = sizeof(from);
	int fd = accept4(listener, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return -errno;
	from_sockaddr(&from, peer_out);
	return fd;
}

static uint16_t port_of(const struct sockaddr_storage *at)
{
	if (at->ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)(const void *)at)->sin_port);
	return at->ss_family == AF_INET6 ? ntohs(((const struct sockaddr_in6 *)(const void *)at)->sin6_port) : 0;
}

uint16_t sock_peer_port(int fd)
{
	struct sockaddr_storage there = { 0 };
	socklen_t len = sizeof(there);
	return getpeername(fd, (struct sockaddr *)&there, &len) == 0 ? port_of(&there) : 0;
}

void sock_local(int fd, struct netaddr *addr_out, uint16_t *port_out)
{
	struct sockaddr_storage here = { 0 };
	socklen_t len = sizeof(here);
	*addr_out = (struct netaddr){ 0 };
	if (getsockname(fd, (struct sockaddr *)&here, &len) == 0)
		from_sockaddr(&here, addr_out);
	*port_out = port_of(&here);
}

int sock_connect_tcp(const struct netaddr *to, uint16_t port, const struct netaddr *source)
{
	struct sockaddr_storage there, here;
	socklen_t there_len = to_sockaddr(to, port, &there);
	int on = 1;
	int fd = socket(there.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
		return fail(fd);
	if (source->family == to->family) {
		socklen_t here_len = to_sockaddr(source, 0, &here);
		if (bind(fd, (struct sockaddr *)&here, here_len) != 0)
			return fail(fd);
	}
	if (connect(fd, (struct sockaddr *)&there, there_len) != 0 && errno != EINPROGRESS)
		return fail(fd);
	return fd;
}

int sock_connect_unix_begin(const char *path)
{
	struct sockaddr_un to;
	int error = unix_address(path, &to);
	if (error < 0)
		return error;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		return fail(fd);
	return fd;
}

int sock_error(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 ? -error : -errno;
}

bool sock_is_local(const struct netaddr *addr)
{
	struct sockaddr_storage here;
	socklen_t len = to_sockaddr(addr, 0, &here);
	int fd = socket(here.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool local = fd >= 0 && bind(fd, (struct sockaddr *)&here, len) == 0;
	if (fd >= 0)
		close(fd);
	return local;
}

int sock_pair(int fds_out[2])
{
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds_out) == 0 ? 0 : -errno;
}

ssize_t sock_send(int sock, struct span bytes, int fd)
{
	struct iovec iov = { (void *)(uintptr_t)bytes.ptr, bytes.len };
	_Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	if (fd >= 0) {
		message.msg_control = control;
		message.msg_controllen = sizeof(control);
		struct cmsghdr *head = CMSG_FIRSTHDR(&message);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(head), &fd, sizeof(int));
	}
	ssize_t sent = sendmsg(sock, &message, MSG_NOSIGNAL);
	return sent >= 0 ? sent : -errno;
}

ssize_t sock_send_now(int sock, struct span bytes)
{
	struct iovec iov = { (void *)(uintptr_t)bytes.ptr, bytes.len };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	return sendmsg(sock, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void take_fds(struct cmsghdr *head, struct sock_received *fds_io)
{
	size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	for (size_t i = 0; i < count; i++) {
		int fd;
		memcpy(&fd, CMSG_DATA(head) + i * sizeof(int), sizeof(int));
		if (fds_io->fd_count < fds_io->fds_max) {
			fds_io->fds[fds_io->fd_count++] = fd;
		} else {
			close(fd);
			fds_io->fds_lost = true;
		}
	}
}

ssize_t sock_receive(int sock, uint8_t *bytes, size_t len, struct sock_received *fds_io)
{
	struct iovec iov = { bytes, len };
	_Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(SOCK_FDS_PER_MESSAGE * sizeof(int))];
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control) };
	fds_io->fd_count = 0;
	fds_io->fds_lost = false;
	ssize_t got = recvmsg(sock, &message, MSG_CMSG_CLOEXEC);
	if (got < 0)
		return -errno;
	for (struct cmsghdr *head = CMSG_FIRSTHDR(&message); head != NULL; head = CMSG_NXTHDR(&message, head))
		if (head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS)
			take_fds(head, fds_io);
	if ((message.msg_flags & MSG_CTRUNC) != 0)
		fds_io->fds_lost = true;
	return got;
}
