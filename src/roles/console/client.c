/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client of the control socket: its line in, lines out. A client that leaves while a
 * question is with another role stays, without socket, until the answer came.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "console.h"
#include "sock.h"

static void client_close(struct client *c)
{
	if (c->poller != NULL) {
		poller_close(c->poller);
		timer_close(c->timer);
		close(c->fd);
		c->poller = NULL;
		list_remove(&c->link);
		c->console->client_count--;
	}
	c->gone = true;
	if (c->asking)
		return;
	if (c->file >= 0)
		close(c->file);
	json_decref(c->request);
	json_decref(c->status);
	buf_fini(&c->in);
	buf_fini(&c->out);
	buf_fini(&c->filter);
	free(c);
}

bool client_answered(struct client *c)
{
	c->asking = false;
	if (!c->gone)
		return true;
	client_close(c);
	return false;
}

bool client_understood(struct client *c, bool understood)
{
	if (!client_answered(c))
		return false;
	if (!understood)
		client_error(c, "policy does not answer; try again in a moment");
	return understood;
}

/* False: the rest has to wait, or the client is gone. */
static bool send_all(struct client *c)
{
	ssize_t sent = 0;
	while (c->out.len > 0 && (sent = sock_send(c->fd, buf_span(&c->out), -1)) > 0) {
		buf_consume(&c->out, (size_t)sent);
		timer_set(c->timer, CONSOLE_PATIENCE_MS);
	}
	if (c->out.len > 0 && sent == -EAGAIN) {
		poller_want(c->poller, POLLER_WRITE);
		return false;
	}
	if (c->out.len > 0 || c->out.failed || c->more == NULL) {
		client_close(c);
		return false;
	}
	return true;
}

void client_send(struct client *c)
{
	while (send_all(c)) {
		poller_want(c->poller, 0);
		if (!c->more(c))
			return;
	}
}

void client_line(struct client *c, json_t *line)
{
	char *text = line != NULL ? json_dumps(line, JSON_COMPACT) : NULL;
	json_decref(line);
	if (text != NULL) {
		buf_add_str(&c->out, text);
		buf_add_byte(&c->out, '\n');
	} else {
		c->out.failed = true;
	}
	free(text);
}

void client_reply(struct client *c, json_t *answer)
{
	c->more = NULL;
	client_line(c, answer);
	client_send(c);
}

void client_error(struct client *c, const char *why)
{
	client_reply(c, json_pack("{s:b, s:s}", "ok", 0, "error", why));
}

struct buf *client_ask(struct client *c, struct channel *of, enum ipc_type type, channel_answer_fn *fn)
{
	struct channel_question question = { type, -1, CONSOLE_ASK_TIMEOUT_MS, fn, c };
	struct buf *out = of != NULL ? channel_ask(of, &question) : NULL;
	if (out == NULL)
		client_error(c, "that part of the server is not there; try again in a moment");
	else
		c->asking = true;
	return out;
}

static void on_client(void *arg, unsigned ready)
{
	struct client *c = arg;
	if ((ready & POLLER_WRITE) != 0 && c->out.len > 0) {
		client_send(c);
		return;
	}
	uint8_t *room = buf_reserve(&c->in, 4096);
	ssize_t got = room != NULL ? read(c->fd, room, 4096) : 0;
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		client_close(c);
		return;
	}
	c->in.len += (size_t)got;
	size_t end = span_find(buf_span(&c->in), '\n');
	if (end == c->in.len)
		return;
	poller_want(c->poller, 0);
	request_take(c, span_to(buf_span(&c->in), end));
}

static void on_patience_over(void *arg)
{
	client_close(arg);
}

/* Whoever connects and says nothing must not keep the administrator out: the oldest such one goes. */
static void evict_silent(struct console *console)
{
	for (struct list *at = console->clients.next; at != &console->clients; at = at->next) {
		struct client *c = LIST_ENTRY(at, struct client, link);
		if (c->asking || c->out.len > 0)
			continue;
		client_close(c);
		return;
	}
}

void client_open(struct console *console, int fd)
{
	if (console->client_count == CONSOLE_CLIENTS_MAX)
		evict_silent(console);
	struct client *c = console->client_count < CONSOLE_CLIENTS_MAX ? calloc(1, sizeof(*c)) : NULL;
	if (c == NULL) {
		close(fd);
		return;
	}
	c->console = console;
	c->fd = fd;
	c->file = -1;
	buf_init(&c->in, CONSOLE_LINE_BYTES_MAX);
	buf_init(&c->out, CONSOLE_ANSWER_BYTES_MAX);
	buf_init(&c->filter, CONSOLE_FILTER_BYTES_MAX);
	c->poller = poller_open(console->role.loop, fd, on_client, c);
	c->timer = timer_open(console->role.loop, on_patience_over, c);
	if (c->poller == NULL || c->timer == NULL) {
		poller_close(c->poller);
		timer_close(c->timer);
		close(fd);
		free(c);
		return;
	}
	list_append(&console->clients, &c->link);
	console->client_count++;
	timer_set(c->timer, CONSOLE_PATIENCE_MS);
	poller_want(c->poller, POLLER_READ);
}

struct span client_text(const struct client *c, const char *key)
{
	const json_t *value = json_object_get(c->request, key);
	return span_of(json_string_value(value), json_string_length(value));
}
