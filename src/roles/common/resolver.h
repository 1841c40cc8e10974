/* SPDX-License-Identifier: Apache-2.0 */
/* The resolver of a role that asks the DNS, as the configuration says it. */
#ifndef WAYBILL_ROLES_RESOLVER_H
#define WAYBILL_ROLES_RESOLVER_H

#include "dns.h"
#include "role.h"

#define RESOLVER_PATHS 2

/* Before the role confines itself. `servers` are "192.0.2.1@53". The role fails when the library refuses. */
struct dns *resolver_open(struct role *role, ipc_list servers, struct span trust_anchor);

/* What the sandbox must allow for it, beside make_connections and open_files. Returns how many were written. */
size_t resolver_paths(struct sandbox_path paths[static RESOLVER_PATHS]);

#endif
