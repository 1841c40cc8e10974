/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An SMTP client that measures how long replies take, for bench/secret.py. It does what
 * the lines on its standard input say, one after another, and never has more than one
 * command on its way:
 *
 *   open N ADDRESS PORT   connection N from this address; reads the greeting, says EHLO
 *   say N COMMAND         sends the command and reads the reply
 *   time N COMMAND        the same, and prints the nanoseconds in between and the reply
 *   late N NS COMMAND     the same, with so many nanoseconds added by a busy loop
 *   drop N                ends the connection by a reset, so that no port stays taken
 *
 * Whatever goes wrong ends it with 1. It judges nothing.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 1024
#define LINE_BYTES_MAX 1024
#define REPLY_BYTES_MAX 4096

static int sockets[CONNECTIONS_MAX];
static char reply[REPLY_BYTES_MAX + 1];
static size_t reply_len;

__attribute__((noreturn)) static void fail(const char *what, const char *line)
{
	fprintf(stderr, "secret_client: %s: %s\n", what, line);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void busy(uint64_t ns)
{
	uint64_t end = now_ns() + ns;
	while (ns > 0 && now_ns() < end)
		;
}

/* Whether the last line of the reply is there: three digits and a space. */
static bool reply_is_whole(void)
{
	if (reply_len < 5 || memcmp(reply + reply_len - 2, "\r\n", 2) != 0)
		return false;
	size_t start = reply_len - 2;
	while (start > 0 && reply[start - 1] != '\n')
		start--;
	return reply[start + 3] == ' ';
}

static void reply_read(int fd, const char *line)
{
	reply_len = 0;
	do {
		ssize_t got = recv(fd, reply + reply_len, REPLY_BYTES_MAX - reply_len, 0);
		if (got <= 0)
			fail("no reply", line);
		reply_len += (size_t)got;
	} while (!reply_is_whole());
	reply[reply_len - 2] = 0;
}

/* `line` ends in CRLF and 0. The nanoseconds until the reply. */
static uint64_t command(int fd, const char *line, uint64_t late_ns)
{
	uint64_t begin = now_ns();
	size_t len = strlen(line);
	if (send(fd, line, len, MSG_NOSIGNAL) != (ssize_t)len)
		fail("cannot send", line);
	reply_read(fd, line);
	busy(late_ns);
	return now_ns() - begin;
}

static int open_connection(const char *address, int port)
{
	struct sockaddr_in from = { .sin_family = AF_INET }, to = { .sin_family = AF_INET };
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	to.sin_port = htons((uint16_t)port);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || inet_pton(AF_INET, address, &from.sin_addr) != 1
	    || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0
	    || bind(fd, (struct sockaddr *)&from, sizeof(from)) != 0
	    || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		fail("cannot connect from", address);
	reply_read(fd, "the greeting");
	command(fd, "EHLO client.test\r\n", 0);
	return fd;
}

static void drop(int fd)
{
	struct linger reset = { .l_onoff = 1 };
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
}

static void perform(char *line)
{
	char verb[8], address[64];
	int n, port, at = 0;
	unsigned long long late_ns = 0;
	if (sscanf(line, "%7s %d %n", verb, &n, &at) < 2 || n < 0 || n >= CONNECTIONS_MAX)
		fail("not understood", line);
	if (strcmp(verb, "open") == 0) {
		if (sscanf(line + at, "%63s %d", address, &port) != 2)
			fail("not understood", line);
		sockets[n] = open_connection(address, port);
		return;
	}
	if (strcmp(verb, "drop") == 0) {
		drop(sockets[n]);
		return;
	}
	if (strcmp(verb, "late") == 0) {
		int more = 0;
		if (sscanf(line + at, "%llu %n", &late_ns, &more) != 1)
			fail("not understood", line);
		at += more;
	}
	memcpy(line + strcspn(line, "\n"), "\r\n", 3); /* main left room for it */
	uint64_t ns = command(sockets[n], line + at, late_ns);
	if (strcmp(verb, "say") != 0)
		printf("%llu %s\n", (unsigned long long)ns, reply);
}

int main(void)
{
	char line[LINE_BYTES_MAX + 2];
	while (fgets(line, LINE_BYTES_MAX, stdin) != NULL)
		perform(line);
	return 0;
}
