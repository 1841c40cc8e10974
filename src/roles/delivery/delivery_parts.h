/* SPDX-License-Identifier: Apache-2.0 */
/* The delivery role as its files see it: delivery_role.c (deliveries), state.c (how a mailbox is). */
#ifndef WAYBILL_ROLES_DELIVERY_PARTS_H
#define WAYBILL_ROLES_DELIVERY_PARTS_H

#include "maildir_known.h"
#include "mbox.h"
#include "mbox_turns.h"
#include "role.h"

struct domain {
	char *name;
	char *mailboxes;
	char *folder; /* the fixed part of the template */
};

/* One generation of the configuration; jobs keep theirs until they end. */
struct settings {
	unsigned uses;
	char *hostname;
	uint32_t deliveries_max;
	struct mbox_rules mbox;
	uint64_t full_max_ms, disk_reserve_bytes;
	struct domain *domains;
	size_t domain_count;
};

struct delivery_role {
	struct role role;
	struct settings *settings;
	struct settings *next;  /* being said; it counts from START on */
	struct channel *queue;
	uint32_t incarnation; /* of the queue that asks */
	struct channel *policy;
	uint32_t policy_incarnation;
	unsigned looks;       /* at mailboxes, for policy */
	struct maildir_known *known;
	struct mbox_turns *turns;
	unsigned open;        /* jobs */
	size_t waiting_bytes; /* of their questions */
	bool paused;
	bool stopping;
};

/* delivery_role.c */
void delivery_settings_unref(struct settings *s);
/* The path of a mailbox and its kind; false: no domain of ours, or a name that cannot be part of a path. */
bool delivery_find_path(const struct settings *s, struct mailbox_owner owner, struct buf *path, size_t *base_len_out,
	enum mailbox_kind *kind_out);

/* state.c: policy's question. */
bool state_question(void *arg, const struct channel_message *message);

#endif
