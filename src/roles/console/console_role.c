/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The console role: the control socket of the waybill command. A client sends one
 * word in a line and gets one line of JSON; then the connection ends. The socket is
 * the administrator's alone (mode 0600), yet this role holds no spool, no keys and no
 * network: it only passes questions on.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

#include "list.h"
#include "role.h"
#include "roles.h"
#include "sock.h"
#include "utf8.h"

#define CONSOLE_CLIENTS_MAX 64
#define CONSOLE_LINE_BYTES_MAX 256
#define CONSOLE_ANSWER_BYTES_MAX (1u << 20)
#define CONSOLE_PATIENCE_MS 20000 /* for the whole visit */
#define CONSOLE_ASK_TIMEOUT_MS 15000

struct console {
	struct role role;
	char *version;
	int listener_fd;
	struct poller *listener;
	struct channel *queue;
	struct list clients; /* the oldest first */
	unsigned client_count;
};

struct client {
	struct console *console;
	struct list link;
	int fd;
	struct poller *poller;
	struct timer *timer;
	struct buf in, out;
	bool asking; /* an answer is on its way; the client stays until it came */
	bool gone;
	json_t *status;
};

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
	json_decref(c->status);
	buf_fini(&c->in);
	buf_fini(&c->out);
	free(c);
}

static void client_send(struct client *c)
{
	ssize_t sent = sock_send(c->fd, buf_span(&c->out), -1);
	if (sent == -EAGAIN) {
		poller_want(c->poller, POLLER_WRITE);
		return;
	}
	if (sent > 0)
		buf_consume(&c->out, (size_t)sent);
	if (sent <= 0 || c->out.len == 0)
		client_close(c);
	else
		poller_want(c->poller, POLLER_WRITE);
}

/* Sends one JSON line and ends. Takes over the reference. */
static void reply(struct client *c, json_t *answer)
{
	char *text = answer != NULL ? json_dumps(answer, JSON_COMPACT) : NULL;
	json_decref(answer);
	c->asking = false;
	if (c->gone || text == NULL) {
		free(text);
		client_close(c);
		return;
	}
	buf_add_str(&c->out, text);
	buf_add_byte(&c->out, '\n');
	free(text);
	client_send(c);
}

static void reply_error(struct client *c, const char *why)
{
	reply(c, json_pack("{s:b, s:s}", "ok", 0, "error", why));
}

static void on_roles(void *arg, const struct channel_message *message)
{
	struct client *c = arg;
	struct ipc_roles roles;
	struct span line;
	if (message == NULL || !ipc_get_roles(message->body, &roles)) {
		reply_error(c, "the supervisor does not answer");
		return;
	}
	json_t *list = json_array();
	while (ipc_list_next(&roles.lines, &line)) {
		json_t *one = json_loadb((const char *)line.ptr, line.len, 0, NULL);
		if (one != NULL)
			json_array_append_new(list, one);
	}
	json_object_set_new(c->status, "roles", list);
	reply(c, json_incref(c->status));
}

static void ask_roles(struct client *c)
{
	struct channel *supervisor = c->console->role.control;
	struct channel_question question = { IPC_ROLES_ASK, -1, CONSOLE_ASK_TIMEOUT_MS, on_roles, c };
	struct ipc_roles_ask ask = { 0 };
	struct buf *out = channel_ask(supervisor, &question);
	if (out == NULL) {
		reply_error(c, "the supervisor does not answer");
		return;
	}
	c->asking = true;
	ipc_put_roles_ask(out, &ask);
	channel_end(supervisor);
}

static void on_status(void *arg, const struct channel_message *message)
{
	struct client *c = arg;
	struct ipc_queue_status s;
	c->asking = false;
	if (message == NULL || !ipc_get_queue_status(message->body, &s)) {
		reply_error(c, "the queue does not answer; try again in a moment");
		return;
	}
	c->status = json_pack("{s:b, s:s, s:{s:I, s:I, s:I, s:b, s:I, s:I}}", "ok", 1,
		"version", c->console->version, "queue", "messages", (json_int_t)s.messages,
		"recipients", (json_int_t)s.recipients, "disk_bytes", (json_int_t)s.bytes, "paused", s.paused != 0,
		"accepted", (json_int_t)s.accepted, "delivered", (json_int_t)s.delivered);
	ask_roles(c);
}

static void on_paused(void *arg, const struct channel_message *message)
{
	struct client *c = arg;
	struct ipc_queue_paused said;
	if (message == NULL || !ipc_get_queue_paused(message->body, &said))
		reply_error(c, "the queue does not answer; try again in a moment");
	else
		reply(c, json_pack("{s:b, s:b}", "ok", 1, "paused", said.paused != 0));
}

/* A configuration may hold any bytes, and what is said about it too; JSON takes only UTF-8. */
static json_t *json_text(struct span text)
{
	struct buf safe;
	buf_init(&safe, text.len + 1);
	while (text.len > 0) {
		size_t len = utf8_char_len(text);
		buf_add(&safe, len > 0 ? span_to(text, len) : SPAN("?"));
		text = span_from(text, len > 0 ? len : 1);
	}
	json_t *json = json_stringn(safe.len > 0 ? (const char *)safe.ptr : "", safe.len);
	buf_fini(&safe);
	return json;
}

static void on_reloaded(void *arg, const struct channel_message *message)
{
	struct client *c = arg;
	struct ipc_reloaded said;
	if (message == NULL || !ipc_get_reloaded(message->body, &said))
		reply_error(c, "the supervisor does not answer");
	else
		reply(c, json_pack("{s:b, s:o}", "ok", said.ok != 0, said.ok != 0 ? "text" : "error",
			json_text(said.text)));
}

static struct buf *ask(struct client *c, struct channel *of, enum ipc_type type, channel_answer_fn *fn)
{
	struct channel_question question = { type, -1, CONSOLE_ASK_TIMEOUT_MS, fn, c };
	struct buf *out = of != NULL ? channel_ask(of, &question) : NULL;
	if (out == NULL)
		reply_error(c, "that part of the server is not there; try again in a moment");
	else
		c->asking = true;
	return out;
}

static void ask_status(struct client *c)
{
	struct ipc_queue_status_ask say = { 0 };
	struct buf *out = ask(c, c->console->queue, IPC_QUEUE_STATUS_ASK, on_status);
	if (out == NULL)
		return;
	ipc_put_queue_status_ask(out, &say);
	channel_end(c->console->queue);
}

static void ask_pause(struct client *c, bool paused)
{
	struct ipc_queue_pause_ask say = { .paused = paused };
	struct buf *out = ask(c, c->console->queue, IPC_QUEUE_PAUSE_ASK, on_paused);
	if (out == NULL)
		return;
	ipc_put_queue_pause_ask(out, &say);
	channel_end(c->console->queue);
}

static void ask_reload(struct client *c)
{
	struct ipc_reload_ask say = { 0 };
	struct buf *out = ask(c, c->console->role.control, IPC_RELOAD_ASK, on_reloaded);
	if (out == NULL)
		return;
	ipc_put_reload_ask(out, &say);
	channel_end(c->console->role.control);
}

static void command(struct client *c, struct span word)
{
	if (span_eq(word, SPAN("status")))
		ask_status(c);
	else if (span_eq(word, SPAN("pause")))
		ask_pause(c, true);
	else if (span_eq(word, SPAN("resume")))
		ask_pause(c, false);
	else if (span_eq(word, SPAN("reload")))
		ask_reload(c);
	else
		reply_error(c, "unknown command");
}

static void on_client(void *arg, unsigned ready)
{
	struct client *c = arg;
	if ((ready & POLLER_WRITE) != 0 && c->out.len > 0) {
		client_send(c);
		return;
	}
	uint8_t *room = buf_reserve(&c->in, 1);
	ssize_t got = room != NULL ? read(c->fd, room, 1) : 0;
	while (got == 1 && *room != '\n') {
		c->in.len++;
		room = buf_reserve(&c->in, 1);
		got = room != NULL ? read(c->fd, room, 1) : 0;
	}
	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0) {
		client_close(c);
		return;
	}
	poller_want(c->poller, 0);
	command(c, buf_span(&c->in));
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

static void on_listener(void *arg, unsigned ready)
{
	struct console *console = arg;
	struct netaddr nobody;
	(void)ready;
	int fd = sock_accept(console->listener_fd, &nobody);
	if (fd < 0)
		return;
	if (console->client_count == CONSOLE_CLIENTS_MAX)
		evict_silent(console);
	struct client *c = console->client_count < CONSOLE_CLIENTS_MAX ? calloc(1, sizeof(*c)) : NULL;
	if (c == NULL) {
		close(fd);
		return;
	}
	c->console = console;
	c->fd = fd;
	buf_init(&c->in, CONSOLE_LINE_BYTES_MAX);
	buf_init(&c->out, CONSOLE_ANSWER_BYTES_MAX);
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

static bool listener_take(struct console *console, int fd)
{
	if (fd < 0)
		return false;
	if (console->listener != NULL) {
		poller_close(console->listener);
		close(console->listener_fd);
	}
	console->listener_fd = fd;
	console->listener = poller_open(console->role.loop, fd, on_listener, console);
	return true;
}

static bool setup(struct console *console, struct span body)
{
	struct ipc_setup_console say;
	if (!ipc_get_setup_console(body, &say))
		return false;
	free(console->version);
	console->version = role_strdup(say.version);
	log_set_json(say.log_json != 0);
	return console->version != NULL;
}

static bool on_control(void *state, const struct channel_message *message)
{
	struct console *console = state;
	struct sandbox box = { .accept_connections = true };
	struct ipc_listener listener;
	struct ipc_start say;
	switch (message->type) {
	case IPC_SETUP_CONSOLE:
		return setup(console, message->body);
	case IPC_LISTENER:
		return ipc_get_listener(message->body, &listener) && listener_take(console, message->fd);
	case IPC_START:
		if (!ipc_get_start(message->body, &say))
			return false;
		role_confine(&console->role, &box);
		if (console->listener != NULL)
			poller_want(console->listener, POLLER_READ);
		role_ready(&console->role, say.generation);
		return true;
	default:
		return false;
	}
}

static bool on_unasked(void *arg, const struct channel_message *message)
{
	(void)arg;
	(void)message;
	return false;
}

static void on_queue_closed(void *arg, const char *reason)
{
	struct console *console = arg;
	(void)reason;
	console->queue = NULL;
}

static void on_peer(void *state, enum ipc_role who, unsigned index, int fd)
{
	static const struct channel_handlers queue = { IPC_CONSOLE, IPC_QUEUE, on_unasked, on_queue_closed };
	struct console *console = state;
	(void)index;
	if (who != IPC_QUEUE) {
		close(fd);
		return;
	}
	channel_close(console->queue);
	console->queue = channel_open(console->role.loop, fd, &queue, console);
}

static void on_stop(void *state, uint32_t grace_ms)
{
	struct console *console = state;
	(void)grace_ms;
	role_end(&console->role);
}

static void on_begin(void *state)
{
	(void)state;
}

int console_main(unsigned index)
{
	static const struct role_ops ops = { IPC_CONSOLE, on_begin, on_control, on_peer, on_stop };
	static struct console self;
	list_init(&self.clients);
	return role_run(&self.role, &ops, &self, index);
}
