/* SPDX-License-Identifier: Apache-2.0 */
/* One message to a role, in one line. Private to say.c and tables.c. */
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

#endif
