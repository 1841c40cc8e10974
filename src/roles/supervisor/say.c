/* SPDX-License-Identifier: Apache-2.0 */
/* Each role is told its own slice of the configuration, and nothing else. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "identity.h"
#include "say.h"
#include "source_set.h"
#include "version.h"

static void trust_list(const struct conf *conf, struct buf *list)
{
	struct buf text;
	buf_init(&text, 128);
	for (size_t i = 0; i < conf->trust.count; i++) {
		buf_clear(&text);
		netblock_write(&text, &conf->trust.blocks[i]);
		ipc_list_add(list, buf_span(&text));
	}
	buf_fini(&text);
}

static uint8_t log_json(const struct conf *conf)
{
	return conf->log_format == CONF_LOG_JSON;
}

static void say_listeners(struct child_process *c)
{
	const struct supervisor *s = c->supervisor;
	for (size_t i = 0; i < s->listener_count; i++) {
		struct ipc_listener say = { .name = s->listeners[i].listen->name,
			.repair_newlines = s->listeners[i].listen->bare_newline == CONF_NEWLINE_REPAIR,
			.lmtp = s->listeners[i].listen->protocol == CONF_PROTOCOL_LMTP };
		SAY(c, LISTENER, listener, &say, s->listeners[i].fd);
	}
}

static uint32_t share_of_connections(const struct supervisor *s)
{
	uint64_t processes = 0;
	for (size_t i = 0; i < s->child_count; i++)
		processes += s->children[i].role == IPC_SMTPD;
	return (uint32_t)((s->conf->limits.connections_max + processes - 1) / processes);
}

static void say_smtpd(struct child_process *c, struct span trust)
{
	const struct conf *conf = c->supervisor->conf;
	const struct conf_limits *l = &conf->limits;
	struct ipc_setup_smtpd say = { .hostname = conf->hostname, .trust = trust, .log_json = log_json(conf),
		.message_bytes_max = l->message_bytes_max, .recipients_max = (uint32_t)l->recipients_max,
		.connections_max = share_of_connections(c->supervisor),
		.connections_per_client_max = (uint32_t)l->connections_per_client_max,
		.bad_commands_max = (uint32_t)l->bad_commands_max,
		.transactions_max = (uint32_t)l->messages_per_connection_max,
		.received_max = (uint32_t)l->received_max, .line_bytes_max = (uint32_t)l->line_bytes_max,
		.command_timeout_ms = (uint32_t)l->command_timeout_ms,
		.data_timeout_ms = (uint32_t)l->data_timeout_ms,
		.data_rate_bytes_min = (uint32_t)l->data_rate_bytes_min };
	SAY(c, SETUP_SMTPD, setup_smtpd, &say, -1);
	say_listeners(c);
}

static void hop_list(const struct conf_hops *hops, struct buf *list)
{
	buf_clear(list);
	for (size_t i = 0; i < hops->count; i++)
		ipc_list_add(list, hops->items[i].text);
}

static void write_waits(struct buf *out, const struct conf_durations *waits)
{
	for (size_t i = 0; i < waits->count; i++)
		wire_put_u64(out, waits->ms[i]);
}

static void say_route(struct child_process *c, const struct conf_route *route, struct span pattern)
{
	struct buf hops, waits;
	buf_init(&hops, 65536);
	buf_init(&waits, 4096);
	write_waits(&waits, &route->retry);
	hop_list(&route->via, &hops);
	struct ipc_route say = { .pattern = pattern, .hops = buf_span(&hops), .helo = route->helo, .source = route->source,
		.connections_max = (uint32_t)route->connections_max, .retry_ms = buf_span(&waits),
		.give_up_ms = route->give_up_after_ms };
	SAY(c, ROUTE, route, &say, -1);
	buf_fini(&hops);
	buf_fini(&waits);
}

static void say_routes(struct child_process *c)
{
	const struct conf *conf = c->supervisor->conf;
	bool all = false;
	for (size_t i = 0; i < conf->route_count; i++) {
		say_route(c, &conf->routes[i], conf->routes[i].pattern);
		all |= span_eq(conf->routes[i].pattern, SPAN("*"));
	}
	if (!all)
		say_route(c, &conf->route_default, SPAN("*"));
}

static bool is_command(const struct conf_domain *domain)
{
	return span_starts_nocase(domain->mailboxes, SPAN("command:"));
}

bool say_has_commands(const struct conf *conf)
{
	bool any = false;
	for (size_t i = 0; i < conf->domain_count; i++)
		any |= is_command(&conf->domains[i]);
	return any;
}

bool say_writes_as_users(const struct conf *conf)
{
	bool any = false;
	for (size_t i = 0; i < conf->domain_count; i++)
		any |= conf_domain_of_accounts(&conf->domains[i]);
	return any && identity_possible();
}

static void say_domains(struct child_process *c)
{
	const struct conf *conf = c->supervisor->conf;
	struct buf hops;
	buf_init(&hops, 65536);
	for (size_t i = 0; i < conf->domain_count; i++) {
		const struct conf_domain *d = &conf->domains[i];
		hop_list(&d->via, &hops);
		/* delivery has nothing to do with what is kept elsewhere. */
		if (c->role == IPC_DELIVERY && d->via.count > 0)
			continue;
		if (c->role == IPC_RUNNER && !is_command(d))
			continue;
		struct ipc_domain say = { .name = d->name, .mailboxes = d->mailboxes, .subaddress = d->subaddress,
			.fold = d->local_parts == CONF_LOCAL_FOLD, .hops = buf_span(&hops), .open = d->users.kind == CONF_NO_SOURCE,
			.users_source = (uint8_t)source_set_number(conf, &d->users),
			.aliases_source = (uint8_t)source_set_number(conf, &d->aliases),
			.domains_source = (uint8_t)source_set_number(conf, &d->domains), .catch_all = d->catch_all,
			.accounts = conf_domain_of_accounts(d) };
		SAY(c, DOMAIN, domain, &say, -1);
	}
	buf_fini(&hops);
}

static void server_list(const struct conf *conf, struct buf *list)
{
	struct buf text;
	buf_init(&text, 256);
	for (size_t i = 0; i < conf->dns.servers.count; i++) {
		const struct conf_address *server = &conf->dns.servers.items[i];
		buf_clear(&text);
		netaddr_write(&text, &server->addr);
		buf_addf(&text, "@%u", server->port);
		ipc_list_add(list, buf_span(&text));
	}
	buf_fini(&text);
}

static void say_policy(struct child_process *c, struct span trust)
{
	const struct conf *conf = c->supervisor->conf;
	struct buf checks, servers, folder;
	buf_init(&checks, CHANNEL_BODY_BYTES_MAX / 2);
	buf_init(&servers, 65536);
	buf_init(&folder, 4096);
	conf_checks_write(conf, &checks);
	server_list(conf, &servers);
	buf_addf(&folder, "%.*s/" SUPERVISOR_STATE_FOLDER, SPAN_FMT(conf->data));
	struct ipc_setup_policy say = { .hostname = conf->hostname, .trust = trust, .log_json = log_json(conf),
		.postmaster = conf->postmaster, .alias_members_max = (uint32_t)conf->limits.alias_members_max,
		.alias_depth_max = (uint32_t)conf->limits.alias_depth_max, .checks = buf_span(&checks),
		.state_folder = buf_span(&folder), .dns_servers = buf_span(&servers), .trust_anchor = conf->dns.trust_anchor };
	SAY(c, SETUP_POLICY, setup_policy, &say, -1);
	buf_fini(&checks);
	buf_fini(&servers);
	buf_fini(&folder);
	tables_watch_clear(c->supervisor);
	sources_say(c);
	srs_say(c);
	say_domains(c);
	say_routes(c);
	tables_say(c);
}

/* One for each reason that has a section. */
static void write_reason_plans(struct buf *list, const struct conf *conf)
{
	struct buf waits, item;
	buf_init(&waits, 4096);
	buf_init(&item, 8192);
	for (size_t i = 0; i < conf->reasons.count; i++) {
		buf_clear(&waits);
		buf_clear(&item);
		write_waits(&waits, &conf->reasons.items[i].retry);
		struct ipc_retry_plan plan = { .reason = (uint16_t)conf->reasons.items[i].reason, .retry_ms = buf_span(&waits),
			.give_up_ms = conf->reasons.items[i].give_up_after_ms };
		ipc_put_retry_plan(&item, &plan);
		ipc_list_add(list, buf_span(&item));
	}
	buf_fini(&waits);
	buf_fini(&item);
}

/* Whether some message is given up at another time than the queue's. */
static bool plans_vary(const struct conf *conf)
{
	bool vary = false;
	for (size_t i = 0; i < conf->route_count; i++)
		vary |= conf->routes[i].give_up_after_ms > 0;
	for (size_t i = 0; i < conf->reasons.count; i++)
		vary |= conf->reasons.items[i].give_up_after_ms > 0;
	return vary;
}

static void say_queue(struct child_process *c)
{
	const struct conf *conf = c->supervisor->conf;
	struct buf folder, drop, waits, delays, plans;
	buf_init(&folder, 4096);
	buf_init(&drop, 4096);
	buf_init(&waits, 4096);
	buf_init(&delays, 4096);
	buf_init(&plans, 65536);
	buf_addf(&folder, "%.*s/spool", SPAN_FMT(conf->data));
	buf_addf(&drop, "%.*s/drop", SPAN_FMT(conf->data));
	write_waits(&waits, &conf->queue.retry);
	write_waits(&delays, &conf->bounce.delay_after);
	write_reason_plans(&plans, conf);
	struct ipc_setup_queue say = { .hostname = conf->hostname, .log_json = log_json(conf),
		.folder = buf_span(&folder), .drop = buf_span(&drop),
		.message_bytes_max = conf->limits.message_bytes_max, .paused = conf->queue.paused,
		.segment_bytes = conf->queue.segment_bytes,
		.reason_plans = buf_span(&plans), .plans_vary = plans_vary(conf),
		.retry_ms = buf_span(&waits), .delay_after_ms = buf_span(&delays), .failure_copies = conf->bounce.copies,
		.give_up_ms = conf->queue.give_up_after_ms,
		.bounces_give_up_ms = conf->queue.bounces_give_up_after_ms,
		.whole_message_bytes_max = conf->bounce.whole_message_bytes_max,
		.relay_max = (uint32_t)conf->queue.relay_connections_max,
		.deliveries_max = (uint32_t)conf->deliveries };
	SAY(c, SETUP_QUEUE, setup_queue, &say, -1);
	buf_fini(&folder);
	buf_fini(&drop);
	buf_fini(&waits);
	buf_fini(&delays);
	buf_fini(&plans);
}

static void say_delivery(struct child_process *c)
{
	const struct conf *conf = c->supervisor->conf;
	const struct child_account *account = &c->supervisor->account;
	uint8_t locks[CONF_LOCK_COUNT];
	for (size_t i = 0; i < conf->mbox.locks.count; i++)
		locks[i] = (uint8_t)conf->mbox.locks.items[i];
	struct ipc_setup_delivery say = { .hostname = conf->hostname, .log_json = log_json(conf),
		.deliveries_max = (uint32_t)conf->deliveries, .mbox_locks = span_of(locks, conf->mbox.locks.count),
		.mbox_lock_timeout_ms = (uint32_t)conf->mbox.lock_timeout_ms,
		.mbox_stale_lock_ms = (uint32_t)conf->mbox.stale_lock_ms, .mbox_lock_pids = conf->mbox.lock_pids,
		.mbox_quota_bytes = conf->mbox.quota_bytes, .full_max_ms = conf->checks.mailbox.full_max_ms,
		.disk_reserve_bytes = conf->checks.mailbox.disk_reserve_bytes, .skip_trash = !conf->checks.mailbox.count_trash,
		.commands_max = (uint32_t)conf->command.processes_max,
		.command_timeout_ms = (uint32_t)conf->command.timeout_ms,
		.as_users = say_writes_as_users(conf), .uid = account->change ? account->uid : geteuid(),
		.gid = account->change ? account->gid : getegid() };
	SAY(c, SETUP_DELIVERY, setup_delivery, &say, -1);
	say_domains(c);
}

static void say_runner(struct child_process *c)
{
	const struct conf_command *command = &c->supervisor->conf->command;
	struct ipc_setup_runner say = { .log_json = log_json(c->supervisor->conf),
		.timeout_ms = (uint32_t)command->timeout_ms, .output_bytes_max = command->output_bytes_max };
	SAY(c, SETUP_RUNNER, setup_runner, &say, -1);
	say_domains(c);
}

static void say_relay(struct child_process *c)
{
	const struct supervisor *s = c->supervisor;
	struct buf servers, own, text;
	buf_init(&servers, 65536);
	buf_init(&own, 65536);
	buf_init(&text, 256);
	server_list(s->conf, &servers);
	for (size_t i = 0; i < s->conf->listen_count; i++)
		for (size_t a = 0; a < s->conf->listens[i].addresses.count; a++) {
			const struct conf_address *address = &s->conf->listens[i].addresses.items[a];
			buf_clear(&text);
			netaddr_write(&text, &address->addr);
			buf_addf(&text, ":%u", address->port);
			ipc_list_add(&own, buf_span(&text));
		}
	struct ipc_setup_relay say = { .hostname = s->conf->hostname, .log_json = log_json(s->conf),
		.dns_servers = buf_span(&servers), .trust_anchor = s->conf->dns.trust_anchor,
		.own_addresses = buf_span(&own) };
	SAY(c, SETUP_RELAY, setup_relay, &say, -1);
	buf_fini(&servers);
	buf_fini(&own);
	buf_fini(&text);
}

static void say_console(struct child_process *c)
{
	struct ipc_setup_console say = { .log_json = log_json(c->supervisor->conf), .version = span_str(WAYBILL_VERSION) };
	struct ipc_listener listener = { .name = SPAN("control") };
	SAY(c, SETUP_CONSOLE, setup_console, &say, -1);
	SAY(c, LISTENER, listener, &listener, c->supervisor->control_fd);
}

void say_settings(struct child_process *c)
{
	struct ipc_start start = { .generation = c->supervisor->generation };
	struct buf trust;
	buf_init(&trust, CHANNEL_BODY_BYTES_MAX / 2);
	trust_list(c->supervisor->conf, &trust);
	switch (c->role) {
	case IPC_SMTPD:
		say_smtpd(c, buf_span(&trust));
		break;
	case IPC_POLICY:
		say_policy(c, buf_span(&trust));
		break;
	case IPC_QUEUE:
		say_queue(c);
		break;
	case IPC_DELIVERY:
		say_delivery(c);
		break;
	case IPC_RELAY:
		say_relay(c);
		break;
	case IPC_CONSOLE:
		say_console(c);
		break;
	case IPC_RUNNER:
		say_runner(c);
		break;
	case IPC_SUPERVISOR:
	case IPC_ROLE_COUNT:
		break;
	}
	SAY(c, START, start, &start, -1);
	buf_fini(&trust);
}
