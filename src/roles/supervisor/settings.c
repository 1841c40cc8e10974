/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading and reloading: a configuration takes effect whole or not at all. Listening
 * sockets that stay in the configuration stay open, so that no connection is refused
 * meanwhile.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "identity.h"
#include "policy.h"
#include "sock.h"
#include "supervisor.h"

int settings_load(struct supervisor *s, struct conf **conf_out, struct buf *problems)
{
	struct buf text;
	struct conf_report *report = calloc(1, sizeof(*report));
	buf_init(&text, CONF_TEXT_BYTES_MAX);
	int error = report != NULL ? file_read_path(s->conf_path, &text) : -ENOMEM;
	if (error < 0) {
		buf_addf(problems, "%s cannot be read: %s\n", s->conf_path, strerror(-error));
	} else {
		error = conf_parse(buf_span(&text), s->conf_path, conf_out, report);
		if (error == 0)
			conf_check_accounts(*conf_out, identity_possible(), report);
		conf_report_write(report, problems);
		if (error == -EINVAL) {
			conf_report_write_summary(report, problems);
			buf_add_byte(problems, '\n');
		} else if (error < 0) {
			buf_addf(problems, "%s: %s\n", s->conf_path, strerror(-error));
		}
	}
	buf_fini(&text);
	free(report);
	return error;
}

static int open_address(const struct conf_listen *listen, const struct conf_address *address)
{
	if (address->addr.family != 0)
		return sock_listen_tcp(&address->addr, address->port);
	/* Nobody but its owner, until its group is known to be right. */
	unsigned mode = listen->socket_group.len > 0 ? listen->socket_mode & 0700 : listen->socket_mode;
	return sock_listen_unix((const char *)address->path.ptr, mode);
}

/* Also of a socket that was open already: the configuration may say something else today. */
static int permit(const struct conf_listen *listen, const struct conf_address *address)
{
	if (address->addr.family != 0)
		return 0;
	return sock_permit_unix((const char *)address->path.ptr, listen->socket_mode,
		(const char *)listen->socket_group.ptr);
}

static int find_open(const struct supervisor *s, struct span text)
{
	for (size_t i = 0; i < s->listener_count; i++)
		if (span_eq(s->listeners[i].text, text))
			return s->listeners[i].fd;
	return -1;
}

static bool contains(const struct listener *list, size_t count, int fd)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].fd == fd)
			return true;
	return false;
}

/* Closes what is in `list` but not in `kept`. */
static void close_others(const struct listener *list, size_t count, const struct listener *kept, size_t kept_count)
{
	for (size_t i = 0; i < count; i++)
		if (!contains(kept, kept_count, list[i].fd))
			close(list[i].fd);
}

/* Opens the listeners of `next`, keeping those that are open already. On failure all is as before. */
int settings_listen(struct supervisor *s, struct conf *next, struct buf *problems)
{
	struct listener list[SUPERVISOR_LISTENERS_MAX];
	size_t count = 0;
	for (size_t i = 0; i < next->listen_count; i++) {
		const struct conf_listen *listen = &next->listens[i];
		for (size_t a = 0; a < listen->addresses.count; a++) {
			const struct conf_address *address = &listen->addresses.items[a];
			int fd = find_open(s, address->text);
			if (fd < 0)
				fd = open_address(listen, address);
			int error = fd < 0 ? fd : permit(listen, address);
			if (fd >= 0)
				list[count++] = (struct listener){ address->text, fd, listen };
			if (error < 0) {
				buf_addf(problems, "%s:%u: %s %.*s: %s\n", s->conf_path, address->line,
					fd < 0 ? "cannot listen on" : "cannot set the permissions of", SPAN_FMT(address->text),
					error == -ESRCH ? "there is no such group" : strerror(-error));
				close_others(list, count, s->listeners, s->listener_count);
				return error;
			}
		}
	}
	close_others(s->listeners, s->listener_count, list, count);
	memcpy(s->listeners, list, count * sizeof(list[0]));
	s->listener_count = count;
	return 0;
}

/* What a running server cannot change: said, so that nobody waits for it. */
static void note_unchanged(const struct conf *now, const struct conf *next, struct buf *text)
{
	const struct { const char *name; bool differs; } fixed[] = {
		{ "data", !span_eq(now->data, next->data) },
		{ "user", !span_eq(now->user, next->user) },
		{ "control", !span_eq(now->control, next->control) },
		{ "smtpd-processes", now->smtpd_processes != next->smtpd_processes },
		{ "segment-size", now->queue.segment_bytes != next->queue.segment_bytes },
	};
	if (say_has_commands(next) && !say_has_commands(now))
		buf_add_str(text, "mailboxes: commands are run from the next start on only; until then their mail waits\n");
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		if (fixed[i].differs)
			buf_addf(text, "%s: a change takes effect at the next start only\n", fixed[i].name);
}

static bool mail_folders_differ(const struct conf *now, const struct conf *next)
{
	if (now->domain_count != next->domain_count || now->deliveries != next->deliveries)
		return true;
	for (size_t i = 0; i < now->domain_count; i++)
		if (!span_eq(now->domains[i].name, next->domains[i].name)
		    || !span_eq(now->domains[i].mailboxes, next->domains[i].mailboxes)
		    || conf_domain_of_accounts(&now->domains[i]) != conf_domain_of_accounts(&next->domains[i]))
			return true;
	return false;
}

/* What a resolver was made with. */
static bool dns_differs(const struct conf *now, const struct conf *next)
{
	const struct conf_addresses *a = &now->dns.servers, *b = &next->dns.servers;
	if (!span_eq(now->dns.trust_anchor, next->dns.trust_anchor) || a->count != b->count)
		return true;
	for (size_t i = 0; i < a->count; i++)
		if (!span_eq(a->items[i].text, b->items[i].text))
			return true;
	return false;
}

/* What policy was made for. */
static bool policy_needs_differ(const struct conf *now, const struct conf *next)
{
	bool asks = policy_asks_dns(&next->checks);
	return policy_asks_dns(&now->checks) != asks || (asks && dns_differs(now, next))
		|| policy_check_active(&now->checks, CONF_CHECK_GREYLIST)
			!= policy_check_active(&next->checks, CONF_CHECK_GREYLIST)
		|| policy_check_active(&now->checks, CONF_CHECK_BRAKE)
			!= policy_check_active(&next->checks, CONF_CHECK_BRAKE);
}

/* A sandbox cannot be widened, and a resolver cannot be told anew. */
static bool needs_new_process(enum ipc_role role, const struct conf *now, const struct conf *next)
{
	switch (role) {
	case IPC_DELIVERY:
		return mail_folders_differ(now, next);
	case IPC_RELAY: /* its connections know the host name as well */
		return dns_differs(now, next) || !span_eq(now->hostname, next->hostname);
	case IPC_POLICY:
		return policy_needs_differ(now, next);
	default:
		return false;
	}
}

bool settings_reload(struct supervisor *s, struct buf *text_out)
{
	struct conf *next = NULL;
	if (settings_load(s, &next, text_out) < 0 || settings_listen(s, next, text_out) < 0) {
		conf_free(next);
		buf_add_str(text_out, "The running configuration stays as it was.\n");
		return false;
	}
	struct conf *before = s->conf;
	note_unchanged(before, next, text_out);
	s->conf = next;
	s->generation++;
	bool other_sources = sources_differ(s);
	log_set_json(next->log_format == CONF_LOG_JSON);
	for (size_t i = 0; i < s->child_count; i++) {
		struct child_process *c = &s->children[i];
		/* The new process starts when the old one has ended. */
		if (needs_new_process(c->role, before, next) || (c->role == IPC_POLICY && other_sources))
			child_stop(c, SUPERVISOR_STOP_OTHERS_MS);
		else if (c->channel != NULL)
			say_settings(c);
	}
	conf_free(before);
	return true;
}
