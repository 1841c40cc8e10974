/* SPDX-License-Identifier: Apache-2.0 */
/* The relay role's configuration, and the queue's questions. */
#include <stdlib.h>
#include <unistd.h>

#include "relay.h"
#include "resolver.h"
#include "roles.h"

#define SWEEP_MS 500

/* "192.0.2.1:25": what we listen on ourselves. */
static void own_take(struct relay *r, ipc_list list)
{
	struct span item;
	r->own_count = 0;
	while (r->own_count < RELAY_OWN_MAX && ipc_list_next(&list, &item)) {
		size_t colon = item.len;
		while (colon > 0 && item.ptr[colon - 1] != ':')
			colon--;
		struct relay_own *own = &r->own[r->own_count];
		uint64_t port;
		if (colon > 0 && netaddr_parse(span_to(item, colon - 1), &own->addr)
		    && span_to_u64(span_from(item, colon), UINT16_MAX, &port)) {
			own->port = (uint16_t)port;
			r->own_count++;
		}
	}
}

static bool setup(struct relay *r, struct span body)
{
	static const struct smtp_client_options defaults = SMTP_CLIENT_OPTIONS_DEFAULT;
	struct ipc_setup_relay say;
	if (!ipc_get_setup_relay(body, &say))
		return false;
	/* Connections that are open keep pointing at the name: it changes by a new process only. */
	if (r->hostname == NULL)
		r->hostname = role_strdup(say.hostname);
	for (int lmtp = 0; lmtp < 2; lmtp++) {
		r->options[lmtp] = defaults;
		r->options[lmtp].helo = span_str(r->hostname);
		r->options[lmtp].lmtp = lmtp == 1;
	}
	own_take(r, say.own_addresses);
	if (r->dns == NULL)
		r->dns = resolver_open(&r->role, say.dns_servers, say.trust_anchor);
	log_set_json(say.log_json != 0);
	return r->hostname != NULL;
}

static void start(struct relay *r, uint32_t generation)
{
	struct sandbox_path paths[RESOLVER_PATHS];
	struct sandbox box = { .open_files = true, .make_connections = true, .paths = paths };
	box.path_count = resolver_paths(paths);
	if (r->hostname == NULL)
		role_fail(&r->role, "no settings were said");
	role_confine(&r->role, &box);
	role_ready(&r->role, generation);
}

static bool on_control(void *state, const struct channel_message *message)
{
	struct relay *r = state;
	struct ipc_start say;
	switch (message->type) {
	case IPC_SETUP_RELAY:
		return setup(r, message->body);
	case IPC_START:
		if (!ipc_get_start(message->body, &say))
			return false;
		start(r, say.generation);
		return true;
	default:
		return false;
	}
}

struct mx_question {
	struct relay *relay;
	uint32_t incarnation, request;
};

static void on_mx(void *arg, enum ipc_mx_status status, struct span key, struct span text)
{
	struct mx_question *q = arg;
	struct relay *r = q->relay;
	struct ipc_mx say = { .status = (uint8_t)status, .key = key, .text = text };
	struct buf *out = r->queue != NULL && r->incarnation == q->incarnation
		? channel_answer_begin(r->queue, IPC_MX, q->request, -1) : NULL;
	if (out != NULL) {
		ipc_put_mx(out, &say);
		channel_end(r->queue);
	}
	free(q);
}

static bool ask_mx(struct relay *r, const struct channel_message *message)
{
	struct ipc_mx_ask ask;
	struct mx_question *q = malloc(sizeof(*q));
	if (q == NULL || !ipc_get_mx_ask(message->body, &ask)) {
		free(q);
		return false;
	}
	*q = (struct mx_question){ r, r->incarnation, message->request };
	relay_mx_find(r, ask.domain, on_mx, q);
	return true;
}

/* Back pressure: what does not fit here waits in the queue's memory. */
void relay_job_counted(struct relay *r, bool begins, size_t bytes)
{
	r->job_count += begins ? 1 : -1u;
	r->jobs_bytes += begins ? bytes : -bytes;
	bool pause = r->job_count >= RELAY_JOBS_MAX || r->jobs_bytes >= RELAY_JOBS_BYTES_MAX;
	if (pause != r->paused && r->queue != NULL)
		channel_pause(r->queue, pause);
	r->paused = pause;
}

static bool on_queue(void *arg, const struct channel_message *message)
{
	struct relay *r = arg;
	switch (message->type) {
	case IPC_MX_ASK:
		return ask_mx(r, message);
	case IPC_RELAY_ASK:
		return relay_job_begin(r, message);
	default:
		return false;
	}
}

static void on_queue_closed(void *arg, const char *reason)
{
	struct relay *r = arg;
	r->queue = NULL;
	relay_jobs_orphan(r);
	role_peer_lost(&r->role, IPC_QUEUE, 0, reason);
}

static void on_peer(void *state, enum ipc_role who, unsigned index, int fd)
{
	static const struct channel_handlers queue = { IPC_RELAY, IPC_QUEUE, on_queue, on_queue_closed };
	struct relay *r = state;
	(void)index;
	if (who != IPC_QUEUE) {
		close(fd);
		return;
	}
	channel_close(r->queue);
	r->queue = NULL;
	relay_jobs_orphan(r);
	r->queue = channel_open(r->role.loop, fd, &queue, r);
	if (r->queue != NULL)
		channel_pause(r->queue, r->paused);
}

static void on_sweep(void *arg)
{
	struct relay *r = arg;
	relay_links_sweep(r, loop_now_ms(r->role.loop));
	if (r->stopping && r->job_count == 0)
		role_end(&r->role);
	timer_set(r->sweep, r->stopping ? SWEEP_MS / 10 : SWEEP_MS);
}

static void on_grace_over(void *arg)
{
	struct relay *r = arg;
	role_end(&r->role);
}

/* Messages under way are finished as far as the time goes; what breaks off is tried again. */
static void on_stop(void *state, uint32_t grace_ms)
{
	struct relay *r = state;
	r->stopping = true;
	relay_links_close_idle(r);
	timer_set(r->sweep, 1);
	struct timer *grace = timer_open(r->role.loop, on_grace_over, r);
	if (grace != NULL)
		timer_set(grace, grace_ms);
}

static void on_begin(void *state)
{
	struct relay *r = state;
	role_descriptors_raise();
	list_init(&r->jobs);
	list_init(&r->idle);
	list_init(&r->busy);
	relay_taken_init(r);
	r->sweep = timer_open(r->role.loop, on_sweep, r);
	if (r->sweep == NULL)
		role_fail(&r->role, "out of memory");
	timer_set(r->sweep, SWEEP_MS);
}

int relay_main(unsigned index)
{
	static const struct role_ops ops = { IPC_RELAY, on_begin, on_control, on_peer, on_stop };
	static struct relay self;
	return role_run(&self.role, &ops, &self, index);
}
