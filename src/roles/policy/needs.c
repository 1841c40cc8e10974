/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What policy needs, and the rights for that: sources of its directory (sources.c), a
 * resolver when a check wants facts of the DNS, the state folder when the greylist or the brake is on.
 * Settled when the process starts; the supervisor replaces it when a new configuration
 * needs other things.
 */
#include <stdlib.h>

#include "brake_tell.h"
#include "resolver.h"

#define SERVERS_BYTES_MAX 4096

_Static_assert(RESOLVER_PATHS + 1 <= NEEDS_PATHS_MAX, "all paths have room");

void needs_take(struct policy_role *p, const struct ipc_setup_policy *say)
{
	if (p->role.confined || p->state_folder != NULL)
		return;
	p->state_folder = role_strdup(say->state_folder);
	p->trust_anchor = role_strdup(say->trust_anchor);
	buf_init(&p->dns_servers, SERVERS_BYTES_MAX);
	buf_add(&p->dns_servers, say->dns_servers);
	if (p->state_folder == NULL || p->trust_anchor == NULL || p->dns_servers.failed)
		role_fail(&p->role, "out of memory");
}

void needs_begin(struct policy_role *p, const struct conf_checks *checks)
{
	struct sandbox box = { 0 };
	struct dns *dns = NULL;
	if (p->role.confined)
		return;
	sources_make(p, &box);
	box.paths = p->lookups.paths;
	if (policy_asks_dns(checks)) {
		dns = resolver_open(&p->role, buf_span(&p->dns_servers), span_str(p->trust_anchor));
		box.path_count += resolver_paths(p->lookups.paths + box.path_count);
		box.open_files = box.make_connections = true;
		box.unix_only = false;
	}
	bool greylist = policy_check_active(checks, CONF_CHECK_GREYLIST);
	bool brake = policy_check_active(checks, CONF_CHECK_BRAKE);
	if (greylist || brake) {
		p->lookups.paths[box.path_count++] = (struct sandbox_path){ p->state_folder, SANDBOX_READ | SANDBOX_WRITE };
		box.open_files = true;
	}
	role_confine(&p->role, &box);
	facts_init(&p->facts, p, dns);
	services_init(&p->services, p);
	needs_tune(p, checks);
	if (greylist)
		greylist_keep_begin(p, p->state_folder);
	if (brake)
		brake_keep_begin(p, p->state_folder);
}

void needs_tune(struct policy_role *p, const struct conf_checks *checks)
{
	p->greylist_options = (struct greylist_options){ .delay_ms = checks->greylist.delay_ms,
		.return_ms = checks->greylist.return_ms, .keep_ms = checks->greylist.keep_ms,
		.known_after = (uint32_t)checks->greylist.known_after, .entries_max = checks->greylist.entries_max };
	greylist_keep_tune(p);
	services_tune(&p->services, checks);
}
