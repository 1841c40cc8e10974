/* SPDX-License-Identifier: Apache-2.0 */
/* What is said to roles, a message in one line. Private to children.c, say.c, tables.c, sources.c and srs.c. */
#ifndef WAYBILL_ROLES_SUPERVISOR_SAY_H
#define WAYBILL_ROLES_SUPERVISOR_SAY_H

#include "supervisor.h"

/* `message` is a struct ipc_name; `fd` goes along, or -1. */
#define SAY(c, NAME, name, message, fd) do { \
	struct buf *out = channel_begin((c)->channel, IPC_##NAME, (fd)); \
	if (out != NULL) { \
		ipc_put_##name(out, (message)); \
		channel_end((c)->channel); \
	} \
} while (0)

/* sources.c: appends a file of secrets, and has its changes looked for; what cannot be read is logged. */
void secret_read(struct supervisor *s, struct span path, struct buf *secret);

/* say.c: whether delivery writes as the system's accounts. */
bool say_writes_as_users(const struct conf *conf);

/* srs.c: how senders of forwarded mail are rewritten, for policy. */
void srs_say(struct child_process *c);

#endif
