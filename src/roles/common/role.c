/* SPDX-License-Identifier: Apache-2.0 */
/* The common frame of the roles. */
#include "role.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "child.h"

#define LOG_AGAIN_MS 500
#define LOG_LAST_MS 200

static bool on_control(void *arg, const struct channel_message *message)
{
	struct role *role = arg;
	if (message->type == IPC_PEER) {
		struct ipc_peer peer;
		if (!ipc_get_peer(message->body, &peer) || message->fd < 0 || peer.role >= IPC_ROLE_COUNT)
			return false;
		role->peer_serials[peer.role][peer.index] = peer.serial;
		role->ops->peer(role->state, peer.role, peer.index, message->fd);
		return true;
	}
	if (message->type == IPC_STOP) {
		struct ipc_stop stop;
		if (!ipc_get_stop(message->body, &stop))
			return false;
		role->ops->stop(role->state, stop.grace_ms);
		return true;
	}
	return role->ops->control(role->state, message);
}

/* Roles die with the supervisor. */
static void on_control_closed(void *arg, const char *reason)
{
	(void)arg;
	(void)reason;
	log_flush(NULL);
	_exit(0);
}

/* The hook does it, before the wait that follows. */
static void on_log_again(void *arg)
{
	(void)arg;
}

/* What a stalled reader did not take is tried again, even if nothing else happens. */
static void on_log(void *arg)
{
	struct role *role = arg;
	log_flush(NULL);
	if (log_pending())
		timer_set(role->log_timer, LOG_AGAIN_MS);
}

static void quiet_signals(void)
{
	/* The terminal's Ctrl-C and a service manager's SIGTERM reach the whole group: the
	 * supervisor alone decides, and tells us. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a limit on the size of files is an error like a full disk */
}

int role_run(struct role *role, const struct role_ops *ops, void *state, unsigned index)
{
	static struct channel_handlers handlers = { .peer = IPC_SUPERVISOR, .message = on_control,
		.closed = on_control_closed };
	quiet_signals();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	log_adopt(CHILD_LOG_FD);
	log_open(ipc_role_name(ops->self), false);
	*role = (struct role){ .ops = ops, .state = state, .index = index };
	handlers.self = ops->self;
	role->loop = loop_new();
	if (role->loop == NULL)
		return EXIT_FAILURE;
	role->log_timer = timer_open(role->loop, on_log_again, role);
	if (role->log_timer == NULL)
		return EXIT_FAILURE;
	role->log_hook = (struct loop_hook){ .fn = on_log, .arg = role };
	loop_hook_add(role->loop, &role->log_hook);
	role->control = channel_open(role->loop, CHILD_CONTROL_FD, &handlers, role);
	if (role->control == NULL)
		return EXIT_FAILURE;
	ops->begin(state);
	loop_run(role->loop);
	log_drain(LOG_LAST_MS);
	return 0;
}

void role_ready(struct role *role, uint32_t generation)
{
	struct ipc_ready ready = { .generation = generation };
	struct buf *out = channel_begin(role->control, IPC_READY, -1);
	if (out == NULL)
		return;
	ipc_put_ready(out, &ready);
	channel_end(role->control);
}

void role_peer_lost(struct role *role, enum ipc_role peer, unsigned index, const char *reason)
{
	struct ipc_peer_lost lost = { .role = (uint8_t)peer, .index = (uint8_t)index,
		.serial = role->peer_serials[peer][index] };
	if (strcmp(reason, CHANNEL_PEER_LEFT) != 0)
		log_text(LOG_TRANSIENT, "channel-closed", "%s %u: %s", ipc_role_name(peer), index, reason);
	struct buf *out = channel_begin(role->control, IPC_PEER_LOST, -1);
	if (out == NULL)
		return;
	ipc_put_peer_lost(out, &lost);
	channel_end(role->control);
}

bool role_message_refuse(void *arg, const struct channel_message *message)
{
	(void)arg;
	(void)message;
	return false;
}

void role_fail(struct role *role, const char *format, ...)
{
	char text[512];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	struct ipc_failed failed = { .text = span_str(text) };
	struct buf *out = channel_begin(role->control, IPC_FAILED, -1);
	if (out != NULL) {
		ipc_put_failed(out, &failed);
		channel_end(role->control);
		channel_flush(role->control);
	}
	log_drain(LOG_LAST_MS);
	_exit(EXIT_FAILURE);
}

void role_descriptors_raise(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

void role_end(struct role *role)
{
	channel_flush(role->control);
	loop_stop(role->loop);
}

void role_confine(struct role *role, struct sandbox *box)
{
	char missing[256];
	if (role->confined)
		return;
	box->role = ipc_role_name(role->ops->self);
	box->parent_pid = getppid();
	int error = sandbox_enter(box, missing, sizeof(missing));
	if (error < 0)
		role_fail(role, "the sandbox could not be entered: %s", strerror(-error));
	if (missing[0] != 0)
		log_text(LOG_OPERATOR, "sandbox-incomplete", "%s", missing);
	role->confined = true;
}

char *role_strdup(struct span text)
{
	return buf_strdup(text);
}
