/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accepting. All smtpd processes share each listening socket, which the supervisor
 * keeps open too: while one of them is being restarted the others accept, and
 * nobody's connection is refused.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "smtpd.h"
#include "sock.h"

/* Connections taken in one turn: the other processes shall get some as well. */
#define ACCEPTS_PER_TURN 16

struct client {
	struct map_link link;
	struct netaddr addr;
	uint32_t count;
};

static uint64_t client_hash(const struct smtpd *d, const struct netaddr *addr)
{
	return map_hash(d->hash_key, span_of(addr, sizeof(*addr)));
}

static struct client *client_find(const struct smtpd *d, const struct netaddr *addr)
{
	struct map_link *link = map_first(&d->clients, client_hash(d, addr));
	for (; link != NULL; link = map_next(link)) {
		struct client *client = MAP_ENTRY(link, struct client, link);
		if (memcmp(&client->addr, addr, sizeof(*addr)) == 0)
			return client;
	}
	return NULL;
}

/* Counts one more connection of this client; false when it has too many. */
static bool client_take(struct smtpd *d, const struct netaddr *addr)
{
	struct client *client = client_find(d, addr);
	if (client == NULL) {
		client = calloc(1, sizeof(*client));
		if (client == NULL)
			return false;
		client->addr = *addr;
		if (!map_insert(&d->clients, &client->link, client_hash(d, addr))) {
			free(client);
			return false;
		}
	}
	if (client->count >= d->settings->connections_per_client_max)
		return false;
	client->count++;
	return true;
}

void smtpd_client_release(struct smtpd *d, const struct netaddr *peer)
{
	struct client *client = client_find(d, peer);
	if (client != NULL && --client->count == 0) {
		map_remove(&d->clients, &client->link);
		free(client);
	}
}

bool smtpd_trusts(const struct smtpd_settings *settings, const struct netaddr *peer)
{
	for (size_t i = 0; i < settings->trust_count; i++)
		if (netblock_contains(&settings->trust[i], peer))
			return true;
	return false;
}

bool smtpd_client_limited(const struct smtpd_settings *settings, const struct netaddr *peer)
{
	return settings->connections_per_client_max > 0 && peer->family != 0 && !smtpd_trusts(settings, peer);
}

/* One 421 line, as far as the socket takes it at once. */
static void turn_away(struct smtpd *d, int fd, const struct netaddr *peer)
{
	struct buf out;
	buf_init(&out, REPLY_LINE_BYTES_MAX);
	struct reply_params params = { .hostname = span_str(d->settings->hostname) };
	reply_write(&out, REPLY_TOO_MANY_CONNECTIONS, &params);
	sock_send(fd, buf_span(&out), -1);
	close(fd);
	struct log_line line;
	log_begin(&line, LOG_INFO, "turned-away");
	buf_clear(&out);
	netaddr_write(&out, peer);
	log_span(&line, "client", buf_span(&out));
	log_str(&line, "key", reply_entry(REPLY_TOO_MANY_CONNECTIONS)->name);
	log_end(&line);
	buf_fini(&out);
}

static void take(struct smtpd_listener *listener, int fd, const struct netaddr *peer)
{
	struct smtpd *d = listener->smtpd;
	bool limited = smtpd_client_limited(d->settings, peer);
	if (d->conn_count >= d->settings->connections_max || (limited && !client_take(d, peer))) {
		turn_away(d, fd, peer);
		return;
	}
	smtpd_conn_open(listener, fd, peer);
}

static void on_listener(void *arg, unsigned ready)
{
	struct smtpd_listener *listener = arg;
	struct smtpd *d = listener->smtpd;
	(void)ready;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		struct netaddr peer;
		int fd = sock_accept(listener->fd, &peer);
		if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM || fd == -ENOBUFS) {
			log_text(LOG_OPERATOR, "accept-failed", "%s; raise the limit of open files", strerror(-fd));
			d->accept_held = true;
			smtpd_listeners_want(d, false);
			return;
		}
		if (fd < 0)
			return;
		take(listener, fd, &peer);
	}
}

static void listener_close(struct smtpd_listener *listener)
{
	poller_close(listener->poller);
	close(listener->fd);
	free(listener);
}

void smtpd_listener_add(struct smtpd *d, const struct ipc_listener *say, int fd)
{
	struct smtpd_listener *listener = calloc(1, sizeof(*listener));
	if (listener == NULL || d->next_listener_count == SMTPD_LISTENERS_MAX) {
		free(listener);
		close(fd);
		return;
	}
	*listener = (struct smtpd_listener){ .smtpd = d, .fd = fd, .repair_newlines = say->repair_newlines != 0,
		.lmtp = say->lmtp != 0 };
	struct span name = span_to(say->name, sizeof(listener->name) - 1);
	if (name.len > 0)
		memcpy(listener->name, name.ptr, name.len);
	listener->poller = poller_open(d->role.loop, fd, on_listener, listener);
	d->next_listeners[d->next_listener_count++] = listener;
}

void smtpd_listeners_want(struct smtpd *d, bool accepting)
{
	for (size_t i = 0; i < d->listener_count; i++)
		poller_want(d->listeners[i]->poller, accepting ? POLLER_READ : 0);
}

void smtpd_listeners_close(struct smtpd *d)
{
	for (size_t i = 0; i < d->listener_count; i++)
		listener_close(d->listeners[i]);
	d->listener_count = 0;
}

/* The listeners of the configuration that was just said take over from those before. */
void smtpd_listeners_switch(struct smtpd *d)
{
	smtpd_listeners_close(d);
	memcpy(d->listeners, d->next_listeners, sizeof(d->next_listeners));
	d->listener_count = d->next_listener_count;
	d->next_listener_count = 0;
	smtpd_listeners_want(d, !d->stopping);
}
