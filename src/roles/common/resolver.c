/* SPDX-License-Identifier: Apache-2.0 */
/* Opening libunbound with the settings of `dns`. */
#include "resolver.h"

#include <stdlib.h>
#include <unistd.h>

#define DNS_SERVERS_MAX 16
#define RESOLV_CONF "/etc/resolv.conf"

struct dns *resolver_open(struct role *role, ipc_list servers, struct span trust_anchor)
{
	char *names[DNS_SERVERS_MAX];
	struct dns_options options = { .servers = (const char *const *)names, .resolv_conf = RESOLV_CONF };
	struct span item;
	while (options.server_count < DNS_SERVERS_MAX && ipc_list_next(&servers, &item))
		names[options.server_count++] = role_strdup(item);
	char *anchor = trust_anchor.len > 0 ? role_strdup(trust_anchor) : NULL;
	options.trust_anchor = anchor != NULL && access(anchor, R_OK) == 0 ? anchor : NULL;
	if (anchor != NULL && options.trust_anchor == NULL)
		log_text(LOG_OPERATOR, "trust-anchor", "%s cannot be read; DNS answers are not validated", anchor);
	struct dns *dns = dns_open(role->loop, &options);
	if (dns == NULL)
		role_fail(role, "the resolver cannot be set up; are the DNS servers right?");
	for (size_t i = 0; i < options.server_count; i++)
		free(names[i]);
	free(anchor);
	return dns;
}

size_t resolver_paths(struct sandbox_path paths[static RESOLVER_PATHS])
{
	/* resolv.conf and hosts, which may be links inside /etc; the root's key, which may come anew */
	static const char *const names[RESOLVER_PATHS] = { "/etc", "/usr/share/dns" };
	size_t count = 0;
	for (size_t i = 0; i < RESOLVER_PATHS; i++)
		if (access(names[i], R_OK) == 0)
			paths[count++] = (struct sandbox_path){ names[i], SANDBOX_READ };
	return count;
}
