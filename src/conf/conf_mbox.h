/* SPDX-License-Identifier: Apache-2.0 */
/* The part of the configuration about mailboxes that are one file; the rules of conf.h hold here too. */
#ifndef WAYBILL_CONF_CONF_MBOX_H
#define WAYBILL_CONF_CONF_MBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum conf_lock { CONF_LOCK_DOTLOCK, CONF_LOCK_FCNTL, CONF_LOCK_FLOCK, CONF_LOCK_COUNT };

struct conf_locks {
	const enum conf_lock *items; /* in the order to take them; none twice */
	size_t count;                /* at least one */
};

struct conf_mbox {
	struct conf_locks locks;
	uint64_t lock_timeout_ms;
	uint64_t stale_lock_ms; /* a dot-lock that is older is taken away */
	bool lock_pids;         /* as is one of a process that has ended */
};

#endif
