/* SPDX-License-Identifier: Apache-2.0 */
/* The policy role's configuration and channels. */
#include "policy_role.h"

#include <unistd.h>

#include "brake_tell.h"
#include "clock.h"
#include "roles.h"

static bool on_control(void *state, const struct channel_message *message)
{
	struct policy_role *p = state;
	struct ipc_start say;
	switch (message->type) {
	case IPC_SETUP_POLICY:
		return generation_setup(p, message->body);
	case IPC_DOMAIN:
		return generation_domain(p, message->body);
	case IPC_ROUTE:
		return generation_route(p, message->body);
	case IPC_TABLE:
		return generation_table(p, message);
	case IPC_SOURCE:
		return sources_take(p, message->body);
	case IPC_LISTED:
		return generation_listed(p, message);
	case IPC_SRS:
		return generation_srs(p, message->body);
	case IPC_INCLUDE:
		return generation_include(p, message);
	case IPC_START:
		if (!ipc_get_start(message->body, &say))
			return false;
		generation_start(p, say.generation);
		return true;
	default:
		return false;
	}
}

static void on_closed(void *arg, const char *reason)
{
	struct peer *peer = arg;
	size_t slot = (size_t)(peer - peer->owner->peers);
	peer->channel = NULL;
	peer->incarnation++;
	if (slot == POLICY_QUEUE_SLOT)
		role_peer_lost(&peer->owner->role, IPC_QUEUE, 0, reason);
	else if (slot == POLICY_CONSOLE_SLOT)
		role_peer_lost(&peer->owner->role, IPC_CONSOLE, 0, reason);
	else
		role_peer_lost(&peer->owner->role, IPC_SMTPD, (unsigned)slot, reason);
}

static void on_delivery_closed(void *arg, const char *reason)
{
	struct policy_role *p = arg;
	p->delivery = NULL;
	role_peer_lost(&p->role, IPC_DELIVERY, 0, reason);
}

/* Where this neighbour has its place, or POLICY_PEERS_MAX. */
static size_t slot_of(enum ipc_role who, unsigned index)
{
	if (who == IPC_QUEUE)
		return POLICY_QUEUE_SLOT;
	if (who == IPC_CONSOLE)
		return POLICY_CONSOLE_SLOT;
	return who == IPC_SMTPD && index < POLICY_CONSOLE_SLOT ? index : POLICY_PEERS_MAX;
}

static void on_peer(void *state, enum ipc_role who, unsigned index, int fd)
{
	static const struct channel_handlers smtpd = { IPC_POLICY, IPC_SMTPD, answers_smtpd, on_closed };
	static const struct channel_handlers queue = { IPC_POLICY, IPC_QUEUE, answers_queue, on_closed };
	static const struct channel_handlers console = { IPC_POLICY, IPC_CONSOLE, answers_console, on_closed };
	static const struct channel_handlers delivery = { IPC_POLICY, IPC_DELIVERY, role_message_refuse,
		on_delivery_closed };
	struct policy_role *p = state;
	size_t slot = slot_of(who, index);
	if (who == IPC_DELIVERY) {
		channel_close(p->delivery);
		p->delivery = channel_open(p->role.loop, fd, &delivery, p);
		return;
	}
	if (slot == POLICY_PEERS_MAX) {
		close(fd);
		return;
	}
	struct peer *peer = &p->peers[slot];
	channel_close(peer->channel);
	peer->incarnation++;
	peer->owner = p;
	peer->channel = channel_open(p->role.loop, fd, who == IPC_QUEUE ? &queue : who == IPC_CONSOLE ? &console : &smtpd,
		peer);
	/* Until the directory is there, questions wait: "unknown" and "later" would both be untrue. */
	if (peer->channel != NULL && !p->open)
		channel_pause(peer->channel, true);
	if (who == IPC_SMTPD)
		checks_say_stages(p, peer->channel);
	else if (who == IPC_QUEUE)
		brake_tell_queue_came(p);
}

void policy_built(struct policy_role *p)
{
	for (size_t i = 0; i < POLICY_CONSOLE_SLOT; i++)
		checks_say_stages(p, p->peers[i].channel);
	p->built = true;
	policy_open(p);
}

void policy_open(struct policy_role *p)
{
	bool ready = p->built && (p->greylist_keep == NULL || p->greylist_read) && (p->brake_keep == NULL || p->brake_read);
	if (p->open || !ready)
		return;
	p->open = true;
	for (size_t i = 0; i < POLICY_PEERS_MAX; i++)
		if (p->peers[i].channel != NULL)
			channel_pause(p->peers[i].channel, false);
	brake_tell_queue_came(p);
}

static void on_stop(void *state, uint32_t grace_ms)
{
	struct policy_role *p = state;
	(void)grace_ms;
	brake_keep_end(p);
}

static void on_begin(void *state)
{
	struct policy_role *p = state;
	struct id_source chance = clock_id_source();
	const uint64_t hash_key[2] = { id_source_u64(&chance), id_source_u64(&chance) };
	policy_state_init(&p->state, hash_key);
	brake_tell_init(p);
	lookups_init(p);
}

int policy_main(unsigned index)
{
	static const struct role_ops ops = { IPC_POLICY, on_begin, on_control, on_peer, on_stop };
	static struct policy_role self;
	int code = role_run(&self.role, &ops, &self, index);
	/* A thread that waits for a server would be waited for. */
	if (self.lookups.running > 0)
		_exit(code);
	return code;
}
