/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The roles' processes: starting, hearing what they say, and starting again what
 * ended; links.c connects them. A role that keeps falling is started ever more slowly;
 * one that ran for a while starts again at once.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "sock.h"
#include "say.h"

#define BACKOFF_FIRST_MS 50
#define BACKOFF_MAX_MS 5000
#define END_PATIENCE_MS 1000
#define STEADY_US 10000000u /* ran so long: no longer "keeps falling" */

static void answer_reload(struct child_process *c, uint32_t request)
{
	struct buf text;
	buf_init(&text, 65536);
	struct ipc_reloaded say = { .ok = settings_reload(c->supervisor, &text), .text = buf_span(&text) };
	struct buf *out = channel_answer_begin(c->channel, IPC_RELOADED, request, -1);
	if (out != NULL) {
		ipc_put_reloaded(out, &say);
		channel_end(c->channel);
	}
	buf_fini(&text);
}

static void answer_roles(struct child_process *c, uint32_t request)
{
	const struct supervisor *s = c->supervisor;
	struct buf list, directories, services;
	char line[128];
	buf_init(&list, CHANNEL_BODY_BYTES_MAX / 2);
	buf_init(&directories, CHANNEL_BODY_BYTES_MAX / 8);
	buf_init(&services, CHANNEL_BODY_BYTES_MAX / 8);
	for (size_t i = 0; i < s->child_count; i++) {
		const struct child_process *each = &s->children[i];
		snprintf(line, sizeof(line), "{\"role\":\"%s\",\"index\":%u,\"pid\":%d,\"restarts\":%u,\"ready\":%s}",
			ipc_role_name(each->role), each->index, (int)each->pid, each->restarts,
			each->ready ? "true" : "false");
		ipc_list_add(&list, span_str(line));
	}
	troubles_write(&s->troubles, false, &directories);
	troubles_write(&s->troubles, true, &services);
	struct ipc_roles say = { .lines = buf_span(&list), .directories = buf_span(&directories),
		.services = buf_span(&services) };
	struct buf *out = channel_answer_begin(c->channel, IPC_ROLES, request, -1);
	if (out != NULL) {
		ipc_put_roles(out, &say);
		channel_end(c->channel);
	}
	buf_fini(&list);
	buf_fini(&directories);
	buf_fini(&services);
}

static void on_failed(struct child_process *c, struct span text)
{
	log_text(LOG_OPERATOR, "role-failed", "%s: %.*s", ipc_role_name(c->role), SPAN_FMT(text));
	/* Before the first ready line somebody is waiting for an answer: give it. */
	if (!c->supervisor->announced) {
		fprintf(stderr, "waybilld: %s: %.*s\n", ipc_role_name(c->role), SPAN_FMT(text));
		supervisor_stop(c->supervisor, EXIT_FAILURE);
	}
}

static bool on_message(void *arg, const struct channel_message *message)
{
	struct child_process *c = arg;
	struct ipc_ready ready;
	struct ipc_failed failed;
	struct ipc_peer_lost lost;
	struct ipc_trouble trouble;
	switch (message->type) {
	case IPC_READY:
		if (!ipc_get_ready(message->body, &ready))
			return false;
		c->ready = true;
		supervisor_child_ready(c->supervisor);
		return true;
	case IPC_FAILED:
		if (!ipc_get_failed(message->body, &failed))
			return false;
		on_failed(c, failed.text);
		return true;
	case IPC_PEER_LOST:
		if (!ipc_get_peer_lost(message->body, &lost))
			return false;
		links_lost(c, &lost);
		return true;
	case IPC_SERVICE_ASK:
		return c->role == IPC_POLICY && services_connect(c, message);
	case IPC_TROUBLE:
		if (c->role != IPC_POLICY || !ipc_get_trouble(message->body, &trouble))
			return false;
		troubles_take(&c->supervisor->troubles, &trouble);
		return true;
	case IPC_RELOAD_ASK:
		if (c->role != IPC_CONSOLE)
			return false;
		answer_reload(c, message->request);
		return true;
	case IPC_ROLES_ASK:
		if (c->role != IPC_CONSOLE)
			return false;
		answer_roles(c, message->request);
		return true;
	default:
		return false;
	}
}

static void end_unheard(struct child_process *c, const char *reason)
{
	log_text(LOG_BUG, "role-channel", "%s %u: %s", ipc_role_name(c->role), c->index, reason);
	kill(c->pid, SIGKILL);
}

/* A role whose channel broke is of no use any more. Most often it has ended, and we hear of that next. */
static void on_closed(void *arg, const char *reason)
{
	struct child_process *c = arg;
	c->channel = NULL;
	if (c->pid == 0 || c->ending)
		return;
	if (strcmp(reason, CHANNEL_PEER_LEFT) == 0)
		timer_set(c->restart_timer, END_PATIENCE_MS);
	else
		end_unheard(c, reason);
}

static void on_restart(void *arg)
{
	struct child_process *c = arg;
	if (c->pid > 0)
		end_unheard(c, "it closed its channel and did not end");
	else if (c->supervisor->stopping == 0)
		child_launch(c);
}

/* Roles do not send these signals to each other, and a kill of our own is logged with its reason:
 * somebody with the right to do so, or the kernel short of memory, ended the role. */
static enum log_severity fault_of_end(int signal_number)
{
	return signal_number == SIGKILL || signal_number == SIGTERM ? LOG_OPERATOR : LOG_BUG;
}

static void on_ended(void *arg, int exit_code, int signal_number)
{
	struct child_process *c = arg;
	struct supervisor *s = c->supervisor;
	bool wanted = c->ending;
	bool steady = clock_mono_us() - c->started_us > STEADY_US;
	channel_close(c->channel);
	c->channel = NULL;
	c->pid = 0;
	c->ready = false;
	c->ending = false;
	if (!wanted || exit_code != 0 || signal_number != 0)
		log_text(fault_of_end(signal_number), "role-ended", "%s %u: exit code %d, signal %d",
			ipc_role_name(c->role), c->index, exit_code, signal_number);
	if (s->stopping != 0) {
		supervisor_child_ended(s);
		return;
	}
	c->restarts += !wanted;
	c->backoff_ms = steady || wanted ? 0 : c->backoff_ms == 0 ? BACKOFF_FIRST_MS : c->backoff_ms * 2;
	if (c->backoff_ms > BACKOFF_MAX_MS)
		c->backoff_ms = BACKOFF_MAX_MS;
	timer_set(c->restart_timer, c->backoff_ms);
}

void child_launch(struct child_process *c)
{
	static struct channel_handlers handlers[IPC_ROLE_COUNT];
	struct supervisor *s = c->supervisor;
	char index[12];
	int fds[2];
	snprintf(index, sizeof(index), "%u", c->index);
	char *argv[] = { "waybilld", "--role", (char *)(uintptr_t)ipc_role_name(c->role), index, NULL };
	int error = sock_pair(fds);
	/* Delivery becomes the account itself, and keeps of root what it needs to write as users. */
	struct child_account account = s->account;
	if (c->role == IPC_DELIVERY && say_writes_as_users(s->conf))
		account.change = false;
	pid_t pid = error < 0 ? error : child_start(s->loop, argv, fds[1], &account, on_ended, c);
	if (error == 0)
		close(fds[1]);
	if (pid < 0) {
		log_text(LOG_OPERATOR, "role-start", "%s: %s", ipc_role_name(c->role), strerror(-pid));
		if (error == 0)
			close(fds[0]);
		timer_set(c->restart_timer, BACKOFF_MAX_MS);
		return;
	}
	handlers[c->role] = (struct channel_handlers){ IPC_SUPERVISOR, c->role, on_message, on_closed };
	c->pid = pid;
	c->started_us = clock_mono_us();
	c->channel = channel_open(s->loop, fds[0], &handlers[c->role], c);
	if (c->channel == NULL) {
		kill(pid, SIGKILL);
		return;
	}
	if (c->role == IPC_POLICY)
		s->troubles.count = 0;
	say_settings(c);
	links_connect(c);
}

void child_stop(struct child_process *c, uint32_t grace_ms)
{
	struct ipc_stop say = { .grace_ms = grace_ms };
	if (c->pid == 0 || c->ending)
		return;
	c->ending = true;
	struct buf *out = c->channel != NULL ? channel_begin(c->channel, IPC_STOP, -1) : NULL;
	if (out == NULL) {
		kill(c->pid, SIGKILL);
		return;
	}
	ipc_put_stop(out, &say);
	channel_end(c->channel);
}

void children_kill(struct supervisor *s)
{
	for (size_t i = 0; i < s->child_count; i++)
		if (s->children[i].pid > 0)
			kill(s->children[i].pid, SIGKILL);
}

static void add(struct supervisor *s, enum ipc_role role, unsigned index)
{
	struct child_process *c = &s->children[s->child_count++];
	*c = (struct child_process){ .supervisor = s, .role = role, .index = index };
	c->restart_timer = timer_open(s->loop, on_restart, c);
}

/* One of each (a runner only where there are commands), and one smtpd for each core unless the configuration says
 * how many. */
void children_plan(struct supervisor *s)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t smtpds = s->conf->smtpd_processes;
	if (smtpds == 0)
		smtpds = cores > 0 ? (uint64_t)cores : 1;
	if (smtpds > SUPERVISOR_SMTPDS_MAX)
		smtpds = SUPERVISOR_SMTPDS_MAX;
	add(s, IPC_CONSOLE, 0);
	add(s, IPC_POLICY, 0);
	add(s, IPC_QUEUE, 0);
	add(s, IPC_DELIVERY, 0);
	add(s, IPC_RELAY, 0);
	if (say_has_commands(s->conf))
		add(s, IPC_RUNNER, 0);
	for (unsigned i = 0; i < smtpds; i++)
		add(s, IPC_SMTPD, i);
	links_plan(s);
}
