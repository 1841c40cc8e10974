/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets: listening, accepting, socket pairs, and messages that carry a
 * descriptor. Every descriptor made here is non-blocking and closed on exec.
 */
#ifndef WAYBILL_SYS_SOCK_H
#define WAYBILL_SYS_SOCK_H

#include <sys/types.h>

#include "netaddr.h"

/* A listening TCP socket, or a negative errno. "::" serves IPv4
 * clients too. */
int sock_listen_tcp(const struct netaddr *addr, uint16_t port);

/* A listening UNIX socket at `path` with `mode`; replaces a socket that nobody
 * listens on, -EADDRINUSE when somebody does or another kind of file is there. */
int sock_listen_unix(const char *path, unsigned mode);

/* Says anew who may connect to a listening UNIX socket. `group`: a name; empty: it stays as it is. -ESRCH: there
 * is no such group; else negative errno. */
int sock_permit_unix(const char *path, unsigned mode, const char *group);

/* Connects to a UNIX socket, blocking; negative errno. */
int sock_connect_unix(const char *path);

/* Begins to connect without waiting: the descriptor becomes writable when it stands or failed
 * (sock_error). `source` with family 0: any. Negative errno. */
int sock_connect_tcp(const struct netaddr *to, uint16_t port, const struct netaddr *source);
int sock_connect_unix_begin(const char *path);

/* The addresses of a host by the system's resolver, best first; blocks. How many, 0: none was found. */
size_t sock_resolve(const char *host, struct netaddr *addrs_out, size_t max);

/* What became of a connection that was begun: 0, or a negative errno. */
int sock_error(int fd);

/* Whether this is an address of this host, as far as the kernel lets us find out. */
bool sock_is_local(const struct netaddr *addr);

/* The next connection, or a negative errno (-EAGAIN: none waiting). The peer's
 * address is family 0 for a UNIX socket. */
int sock_accept(int listener, struct netaddr *peer_out);

/* The address at this end of a connection; family 0 for a UNIX socket, or when it is gone. */
void sock_local(int fd, struct netaddr *addr_out, uint16_t *port_out);

/* The port at the other end; 0: not known. */
uint16_t sock_peer_port(int fd);

/* A connected pair of UNIX stream sockets. */
int sock_pair(int fds_out[2]);

/* Sends at most one descriptor (fd >= 0) with the bytes; bytes sent or negative errno. */
ssize_t sock_send(int sock, struct span bytes, int fd);

/* Sends bytes without waiting, whatever the descriptor's mode; -1 and errno. */
ssize_t sock_send_now(int sock, struct span bytes);

/* Receives bytes and up to `fds_max` descriptors; 0 at the end, negative errno. */
struct sock_received {
	int *fds;
	size_t fds_max;
	size_t fd_count;
	bool fds_lost; /* more came than fit: they were closed */
};
ssize_t sock_receive(int sock, uint8_t *bytes, size_t len, struct sock_received *fds_io);

#endif
