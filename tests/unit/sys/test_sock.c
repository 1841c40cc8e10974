/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets: who is there, descriptors beside bytes, and listening on UNIX sockets that are stale, busy or no sockets. */
#include "sys_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "sock.h"

static uint16_t port_of(int fd)
{
	struct sockaddr_storage at;
	socklen_t len = sizeof(at);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	return ntohs(at.ss_family == AF_INET ? ((struct sockaddr_in *)(void *)&at)->sin_port
		: ((struct sockaddr_in6 *)(void *)&at)->sin6_port);
}

/* Connects to an address as text; -1 when this machine has no such address. */
static int connect_to(const char *to, uint16_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	bool six = inet_pton(AF_INET, to, &in.sin_addr) != 1;
	if (six)
		assert_int_equal(inet_pton(AF_INET6, to, &in6.sin6_addr), 1);
	int fd = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	int error = six ? connect(fd, (struct sockaddr *)&in6, sizeof(in6)) : connect(fd, (struct sockaddr *)&in, sizeof(in));
	if (error == 0)
		return fd;
	close(fd);
	return -1;
}

static int accept_soon(int listener, struct netaddr *peer)
{
	struct timeval patience = { .tv_sec = 5 };
	fd_set set;
	FD_ZERO(&set);
	FD_SET(listener, &set);
	assert_int_equal(select(listener + 1, &set, NULL, NULL, &patience), 1);
	return sock_accept(listener, peer);
}

static void test_accept_says_who_is_there(void **state)
{
	(void)state;
	static const struct {
		const char *listen, *to, *peer;
	} cases[] = {
		{ "127.0.0.1", "127.0.0.1", "127.0.0.1" },
		{ "0.0.0.0", "127.0.0.1", "127.0.0.1" },
		{ "::1", "::1", "::1" },
		{ "::", "::1", "::1" },
		{ "::", "127.0.0.1", "127.0.0.1" }, /* mapped: seen as IPv4 */
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct netaddr at, peer, expected;
		assert_true(netaddr_parse(span_str(cases[i].listen), &at));
		assert_true(netaddr_parse(span_str(cases[i].peer), &expected));
		int listener = sock_listen_tcp(&at, 0);
		if (listener == -EAFNOSUPPORT || listener == -EADDRNOTAVAIL)
			continue; /* a machine without IPv6 */
		assert_true(listener >= 0);
		assert_int_equal(sock_accept(listener, &peer), -EAGAIN);
		int client = connect_to(cases[i].to, port_of(listener));
		assert_true(client >= 0);
		memset(&peer, 0xff, sizeof(peer));
		int fd = accept_soon(listener, &peer);
		assert_true(fd >= 0);
		if (memcmp(&peer, &expected, sizeof(peer)) != 0)
			fail_msg("%s to %s: family %u", cases[i].to, cases[i].listen, peer.family);
		assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		assert_true(fcntl(listener, F_GETFD) & FD_CLOEXEC);
		close(fd);
		close(client);
		close(listener);
	}
}

static void test_one_ipv6_address_does_not_serve_ipv4(void **state)
{
	(void)state;
	for (int any = 1; any >= 0; any--) {
		struct netaddr at;
		int v6only = -1;
		socklen_t len = sizeof(v6only);
		assert_true(netaddr_parse(any ? SPAN("::") : SPAN("::1"), &at));
		int listener = sock_listen_tcp(&at, 0);
		if (listener < 0)
			skip();
		assert_int_equal(getsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, &len), 0);
		assert_int_equal(v6only, !any);
		close(listener);
	}
}

static void test_a_port_that_is_taken_is_an_error_and_leaks_nothing(void **state)
{
	(void)state;
	struct netaddr at;
	assert_true(netaddr_parse(SPAN("127.0.0.1"), &at));
	int listener = sock_listen_tcp(&at, 0);
	assert_true(listener >= 0);
	unsigned before = fds_open();
	assert_int_equal(sock_listen_tcp(&at, port_of(listener)), -EADDRINUSE);
	assert_int_equal(fds_open(), before);
	close(listener);
}

static void test_unix_peers_have_no_address(void **state)
{
	(void)state;
	struct netaddr peer = { .family = 4, .bytes = { 1, 2, 3, 4 } };
	int listener = sock_listen_unix("sock", 0600);
	assert_true(listener >= 0);
	assert_int_equal(sock_accept(listener, &peer), -EAGAIN);
	int client = sock_connect_unix("sock");
	assert_true(client >= 0);
	int fd = accept_soon(listener, &peer);
	assert_true(fd >= 0);
	assert_int_equal(peer.family, 0);
	close(fd);
	close(client);
	close(listener);
}

static void test_unix_sockets_have_their_mode_from_the_start(void **state)
{
	(void)state;
	static const unsigned modes[] = { 0600, 0660, 0666 };
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		struct stat st;
		mode_t before = umask(077);
		int listener = sock_listen_unix("mode", modes[i]);
		assert_int_equal(umask(before), 077); /* given back */
		assert_true(listener >= 0);
		assert_int_equal(stat("mode", &st), 0);
		assert_int_equal(st.st_mode & 0777, modes[i]);
		close(listener);
		unlink("mode");
	}
}

static void test_a_stale_unix_socket_is_replaced(void **state)
{
	(void)state;
	int first = sock_listen_unix("stale", 0600);
	assert_true(first >= 0);
	close(first);
	assert_int_equal(sock_connect_unix("stale"), -ECONNREFUSED);
	int second = sock_listen_unix("stale", 0600);
	assert_true(second >= 0);
	int client = sock_connect_unix("stale");
	assert_true(client >= 0);
	close(client);
	close(second);
}

static void test_a_busy_unix_socket_is_refused_and_goes_on(void **state)
{
	(void)state;
	int first = sock_listen_unix("busy", 0600);
	assert_true(first >= 0);
	unsigned before = fds_open();
	assert_int_equal(sock_listen_unix("busy", 0600), -EADDRINUSE);
	assert_int_equal(fds_open(), before);
	int client = sock_connect_unix("busy");
	assert_true(client >= 0);
	close(client);
	close(first);
}

/* So many wait already that a connection would have to: asking must not wait with them. */
static void test_a_unix_socket_with_a_full_backlog_is_busy(void **state)
{
	(void)state;
	struct sockaddr_un at = { .sun_family = AF_UNIX, .sun_path = "full" };
	int clients[2];
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(listener, 0), 0);
	clients[0] = sock_connect_unix("full");
	assert_true(clients[0] >= 0);
	alarm(10);
	assert_int_equal(sock_listen_unix("full", 0600), -EADDRINUSE);
	alarm(0);
	close(clients[0]);
	close(listener);
}

static void test_what_is_no_socket_is_never_removed(void **state)
{
	(void)state;
	static const char *const names[] = { "file", "link" };
	FILE *file = fopen("file", "w");
	assert_non_null(file);
	fputs("precious", file);
	fclose(file);
	assert_int_equal(symlink("file", "link"), 0);
	for (size_t i = 0; i < 2; i++) {
		struct stat st;
		assert_int_equal(sock_listen_unix(names[i], 0600), -EADDRINUSE);
		assert_int_equal(stat("file", &st), 0);
		assert_int_equal(st.st_size, 8);
		assert_int_equal(lstat("link", &st), 0);
	}
}

static void test_a_path_too_long_is_refused(void **state)
{
	(void)state;
	struct sockaddr_un at;
	char path[sizeof(at.sun_path) + 2];
	memset(path, 'a', sizeof(path));
	path[sizeof(at.sun_path)] = 0;
	assert_int_equal(sock_listen_unix(path, 0600), -ENAMETOOLONG);
	assert_int_equal(sock_connect_unix(path), -ENAMETOOLONG);
	path[sizeof(at.sun_path) - 1] = 0;
	int listener = sock_listen_unix(path, 0600);
	assert_true(listener >= 0);
	close(listener);
	unlink(path);
	assert_int_equal(sock_connect_unix("nothing"), -ENOENT);
}

static void test_a_descriptor_travels_with_its_bytes(void **state)
{
	(void)state;
	int fds[2], pipes[2], got_fds[4];
	uint8_t bytes[16];
	unsigned before = fds_open();
	assert_int_equal(sock_pair(fds), 0);
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_int_equal(sock_send(fds[0], SPAN("abc"), -1), 3);
	assert_int_equal(sock_send(fds[0], SPAN("def"), pipes[1]), 3);
	assert_int_equal(sock_send(fds[0], SPAN("ghi"), -1), 3);
	close(pipes[1]);
	struct sock_received in = { got_fds, 4, 0, false };
	/* Bytes before the descriptor may come with it, bytes behind it may not. */
	assert_int_equal(sock_receive(fds[1], bytes, sizeof(bytes), &in), 6);
	assert_int_equal(in.fd_count, 1);
	assert_false(in.fds_lost);
	assert_true(fcntl(got_fds[0], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(got_fds[0], "x", 1), 1);
	assert_int_equal(read(pipes[0], bytes, 1), 1);
	assert_int_equal(sock_receive(fds[1], bytes, sizeof(bytes), &in), 3);
	assert_int_equal(in.fd_count, 0);
	assert_int_equal(sock_receive(fds[1], bytes, sizeof(bytes), &in), -EAGAIN);
	close(got_fds[0]);
	close(pipes[0]);
	close(fds[0]);
	assert_int_equal(sock_receive(fds[1], bytes, sizeof(bytes), &in), 0);
	/* No signal ends the process when the other end is gone. */
	assert_int_equal(sock_send(fds[1], SPAN("x"), -1), -EPIPE);
	close(fds[1]);
	assert_int_equal(fds_open(), before);
}

static void test_descriptors_without_room_are_closed_and_said(void **state)
{
	(void)state;
	int fds[2], got_fds[1];
	uint8_t byte;
	unsigned before = fds_open();
	assert_int_equal(sock_pair(fds), 0);
	assert_int_equal(sock_send(fds[0], SPAN("x"), fds[0]), 1);
	struct sock_received in = { got_fds, 0, 9, false };
	assert_int_equal(sock_receive(fds[1], &byte, 1, &in), 1);
	assert_int_equal(in.fd_count, 0);
	assert_true(in.fds_lost);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(fds_open(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accept_says_who_is_there),
		cmocka_unit_test(test_one_ipv6_address_does_not_serve_ipv4),
		cmocka_unit_test(test_a_port_that_is_taken_is_an_error_and_leaks_nothing),
		cmocka_unit_test(test_unix_peers_have_no_address),
		cmocka_unit_test(test_unix_sockets_have_their_mode_from_the_start),
		cmocka_unit_test(test_a_stale_unix_socket_is_replaced),
		cmocka_unit_test(test_a_busy_unix_socket_is_refused_and_goes_on),
		cmocka_unit_test(test_a_unix_socket_with_a_full_backlog_is_busy),
		cmocka_unit_test(test_what_is_no_socket_is_never_removed),
		cmocka_unit_test(test_a_path_too_long_is_refused),
		cmocka_unit_test(test_a_descriptor_travels_with_its_bytes),
		cmocka_unit_test(test_descriptors_without_room_are_closed_and_said),
	};
	return cmocka_run_group_tests(tests, folder_enter, folder_leave);
}
