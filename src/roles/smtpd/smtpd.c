/* SPDX-License-Identifier: Apache-2.0 */
/* The role's configuration, its channels to policy and queue, and its end. */
#include "smtpd.h"

#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "roles.h"

void smtpd_settings_unref(struct smtpd_settings *settings)
{
	if (settings == NULL || --settings->uses > 0)
		return;
	free(settings->hostname);
	free(settings);
}

static bool trust_take(struct smtpd_settings *settings, ipc_list list)
{
	struct span item;
	while (settings->trust_count < SMTPD_TRUST_MAX && ipc_list_next(&list, &item))
		if (!netblock_parse(item, &settings->trust[settings->trust_count++]))
			return false;
	return true;
}

static void limits_take(struct smtp_server_limits *limits, const struct ipc_setup_smtpd *say)
{
	limits->message_bytes_max = say->message_bytes_max;
	limits->recipients_max = say->recipients_max;
	limits->bad_commands_max = say->bad_commands_max;
	limits->transactions_max = say->transactions_max;
	limits->received_max = say->received_max;
	limits->line_bytes_max = say->line_bytes_max;
	limits->command_timeout_ms = say->command_timeout_ms;
	limits->data_timeout_ms = say->data_timeout_ms;
	limits->data_rate_bytes_min = say->data_rate_bytes_min;
}

static bool setup(struct smtpd *d, struct span body)
{
	struct ipc_setup_smtpd say;
	if (!ipc_get_setup_smtpd(body, &say))
		return false;
	struct smtpd_settings *settings = calloc(1, sizeof(*settings));
	if (settings == NULL || (settings->hostname = role_strdup(say.hostname)) == NULL
	    || !trust_take(settings, say.trust)) {
		free(settings);
		return false;
	}
	settings->uses = 1;
	settings->connections_max = say.connections_max;
	settings->connections_per_client_max = say.connections_per_client_max;
	settings->log_json = say.log_json != 0;
	for (int i = 0; i < 4; i++) {
		struct smtp_server_options *options = &settings->options[i / 2][i % 2];
		*options = (struct smtp_server_options){ .hostname = span_str(settings->hostname),
			.limits = SMTP_SERVER_LIMITS_DEFAULT, .ids = &d->ids, .lmtp = i / 2 == 1, .repair_newlines = i % 2 == 1 };
		limits_take(&options->limits, &say);
	}
	smtpd_settings_unref(d->next_settings);
	d->next_settings = settings;
	return true;
}

static void start(struct smtpd *d, uint32_t generation)
{
	if (d->next_settings == NULL)
		role_fail(&d->role, "no settings were said");
	smtpd_settings_unref(d->settings);
	d->settings = d->next_settings;
	d->next_settings = NULL;
	log_set_json(d->settings->log_json);
	struct sandbox box = { .accept_connections = true };
	role_confine(&d->role, &box);
	smtpd_listeners_switch(d);
	role_ready(&d->role, generation);
}

static bool on_control(void *state, const struct channel_message *message)
{
	struct smtpd *d = state;
	struct ipc_listener listener;
	struct ipc_start say;
	switch (message->type) {
	case IPC_SETUP_SMTPD:
		return setup(d, message->body);
	case IPC_LISTENER:
		if (message->fd < 0 || !ipc_get_listener(message->body, &listener))
			return false;
		smtpd_listener_add(d, &listener, message->fd);
		return true;
	case IPC_START:
		if (!ipc_get_start(message->body, &say))
			return false;
		start(d, say.generation);
		return true;
	default:
		return false;
	}
}

static bool on_policy_said(void *arg, const struct channel_message *message)
{
	return message->type == IPC_POLICY_STAGES && smtpd_stages_take(arg, message->body);
}

static void on_policy_closed(void *arg, const char *reason)
{
	struct smtpd *d = arg;
	d->policy = NULL;
	role_peer_lost(&d->role, IPC_POLICY, 0, reason);
}

static void on_queue_closed(void *arg, const char *reason)
{
	struct smtpd *d = arg;
	d->queue = NULL;
	role_peer_lost(&d->role, IPC_QUEUE, 0, reason);
}

static void on_console_closed(void *arg, const char *reason)
{
	struct smtpd *d = arg;
	d->console = NULL;
	role_peer_lost(&d->role, IPC_CONSOLE, 0, reason);
}

static void resubmit_all(struct smtpd *d)
{
	for (struct list *at = d->conns.next; at != &d->conns; at = at->next) {
		struct smtpd_conn *conn = LIST_ENTRY(at, struct smtpd_conn, link);
		if (conn->resubmit)
			smtpd_ask_resubmit(conn);
	}
}

static void on_peer(void *state, enum ipc_role peer, unsigned index, int fd)
{
	static const struct channel_handlers policy = { IPC_SMTPD, IPC_POLICY, on_policy_said, on_policy_closed };
	static const struct channel_handlers queue = { IPC_SMTPD, IPC_QUEUE, role_message_refuse, on_queue_closed };
	static const struct channel_handlers console = { IPC_SMTPD, IPC_CONSOLE, role_message_refuse, on_console_closed };
	struct smtpd *d = state;
	(void)index;
	if (peer == IPC_POLICY) {
		channel_close(d->policy);
		d->policy = channel_open(d->role.loop, fd, &policy, d);
	} else if (peer == IPC_QUEUE) {
		struct channel *before = d->queue;
		d->queue = NULL; /* so that what it leaves open waits for the new one */
		channel_close(before);
		d->queue = channel_open(d->role.loop, fd, &queue, d);
		resubmit_all(d);
	} else if (peer == IPC_CONSOLE) {
		channel_close(d->console);
		d->console = channel_open(d->role.loop, fd, &console, d);
	} else {
		close(fd);
	}
}

static void end_if_idle(struct smtpd *d)
{
	if (d->stopping && d->conn_count == 0)
		role_end(&d->role);
}

static void on_sweep(void *arg)
{
	struct smtpd *d = arg;
	uint64_t now_ms = clock_forward_ms();
	struct list *at = d->conns.next;
	while (at != &d->conns) {
		/* Only this connection may end in its sweep, so the next one stays valid. */
		struct list *next = at->next;
		smtpd_conn_sweep(LIST_ENTRY(at, struct smtpd_conn, link), now_ms);
		at = next;
	}
	if (d->accept_held && !d->stopping) {
		d->accept_held = false;
		smtpd_listeners_want(d, true);
	}
	end_if_idle(d);
	timer_set(d->sweep, d->stopping ? SMTPD_SWEEP_MS / 20 : SMTPD_SWEEP_MS);
}

static void on_grace_over(void *arg)
{
	struct smtpd *d = arg;
	role_end(&d->role);
}

static void on_stop(void *state, uint32_t grace_ms)
{
	struct smtpd *d = state;
	d->stopping = true;
	smtpd_listeners_close(d);
	struct list *at = d->conns.next;
	while (at != &d->conns) {
		struct list *next = at->next;
		smtpd_conn_shutdown(LIST_ENTRY(at, struct smtpd_conn, link));
		at = next;
	}
	timer_set(d->sweep, 1);
	d->grace = timer_open(d->role.loop, on_grace_over, d);
	if (d->grace != NULL)
		timer_set(d->grace, grace_ms);
}

static void prepare(struct smtpd *d)
{
	d->ids = clock_id_source();
	d->hash_key[0] = id_source_u64(&d->ids);
	d->hash_key[1] = id_source_u64(&d->ids);
	list_init(&d->conns);
	list_init(&d->greeting);
	map_init(&d->clients);
	d->stages = (struct smtpd_stages){ .ask = SMTP_STAGE(SMTP_AT_END), .end_needed = true };
	role_descriptors_raise();
}

static void begin(void *arg)
{
	struct smtpd *d = arg;
	d->greet_timer = timer_open(d->role.loop, smtpd_greet_due, d);
	d->sweep = timer_open(d->role.loop, on_sweep, d);
	if (d->sweep != NULL)
		timer_set(d->sweep, SMTPD_SWEEP_MS);
}

int smtpd_main(unsigned index)
{
	static const struct role_ops ops = { IPC_SMTPD, begin, on_control, on_peer, on_stop };
	static struct smtpd self;
	prepare(&self);
	return role_run(&self.role, &ops, &self, index);
}
