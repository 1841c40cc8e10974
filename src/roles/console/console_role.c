/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The console role's configuration, its listening socket and its channels. The socket
 * is the administrator's alone (mode 0600), yet this role holds no spool, no keys and
 * no network: it only passes questions on.
 */
#include <stdlib.h>
#include <unistd.h>

#include "console.h"
#include "roles.h"
#include "sock.h"

static void on_listener(void *arg, unsigned ready)
{
	struct console *console = arg;
	struct netaddr nobody;
	(void)ready;
	int fd = sock_accept(console->listener_fd, &nobody);
	if (fd >= 0)
		client_open(console, fd);
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

static bool on_queue_said(void *arg, const struct channel_message *message)
{
	return trace_event_take(arg, message);
}

static bool on_smtpd_said(void *arg, const struct channel_message *message)
{
	const struct console_smtpd *smtpd = arg;
	return trace_event_take(smtpd->console, message);
}

static void on_smtpd_closed(void *arg, const char *reason)
{
	struct console_smtpd *smtpd = arg;
	smtpd->channel = NULL;
	role_peer_lost(&smtpd->console->role, IPC_SMTPD, smtpd->index, reason);
}

static void on_queue_closed(void *arg, const char *reason)
{
	struct console *console = arg;
	console->queue = NULL;
	role_peer_lost(&console->role, IPC_QUEUE, 0, reason);
}

static void on_policy_closed(void *arg, const char *reason)
{
	struct console *console = arg;
	console->policy = NULL;
	role_peer_lost(&console->role, IPC_POLICY, 0, reason);
}

static void on_peer(void *state, enum ipc_role who, unsigned index, int fd)
{
	static const struct channel_handlers queue = { IPC_CONSOLE, IPC_QUEUE, on_queue_said, on_queue_closed };
	static const struct channel_handlers smtpd = { IPC_CONSOLE, IPC_SMTPD, on_smtpd_said, on_smtpd_closed };
	static const struct channel_handlers policy = { IPC_CONSOLE, IPC_POLICY, role_message_refuse, on_policy_closed };
	struct console *console = state;
	if (who == IPC_POLICY) {
		channel_close(console->policy);
		console->policy = channel_open(console->role.loop, fd, &policy, console);
	} else if (who == IPC_QUEUE) {
		channel_close(console->queue);
		console->queue = channel_open(console->role.loop, fd, &queue, console);
	} else if (who == IPC_SMTPD && index < CONSOLE_SMTPDS_MAX) {
		struct console_smtpd *one = &console->smtpds[index];
		channel_close(one->channel);
		*one = (struct console_smtpd){ .console = console, .index = index };
		one->channel = channel_open(console->role.loop, fd, &smtpd, one);
	} else {
		close(fd);
	}
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
