/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the inspect files share: the console's listings, which are walks over the live
 * messages that go on from page to page, and what a filter lets through. A page looks
 * at a bounded number of messages, so that a listing of a million delays nobody.
 */
#ifndef WAYBILL_ROLES_QUEUE_INSPECT_H
#define WAYBILL_ROLES_QUEUE_INSPECT_H

#include "queue_parts.h"

#define INSPECT_WALKS_MAX 16          /* beyond, the one that rested longest is lost */
#define INSPECT_PAGE_MESSAGES_MAX 200
#define INSPECT_PAGE_EXAMINED_MAX 10000
#define INSPECT_PAGE_READS_MAX 400    /* messages read from the disk */
#define INSPECT_PAGE_READ_BYTES_MAX (4u << 20)
#define INSPECT_PAGE_BYTES_MAX (256u << 10)
#define INSPECT_SHOWN_MAX 100         /* recipients of one message that an answer shows */
#define INSPECT_ITEM_BYTES_MAX (512u << 10) /* one message of an answer */
#define INSPECT_GROUPS_MAX 1000
#define INSPECT_DOWN_MAX 5            /* destinations that the status names */
#define INSPECT_DOWN_BYTES_MAX (SCHEDULER_KEY_BYTES_MAX + SCHEDULER_REASON_BYTES_MAX + 64)

/* Answers a question with the message NAME. */
#define INSPECT_ANSWER(message, NAME, name, say) do { \
	struct buf *answer_ = channel_answer_begin((message)->from, IPC_##NAME, (message)->request, -1); \
	if (answer_ != NULL) { \
		ipc_put_##name(answer_, (say)); \
		channel_end((message)->from); \
	} \
} while (0)

struct summary;

struct inspect_walk {
	uint32_t number; /* 0: free */
	uint64_t used;   /* when, in walks' turns */
	struct spool_cursor *cursor;
	struct summary *summary; /* of a walk that sums up */
};

struct inspect {
	struct inspect_walk walks[INSPECT_WALKS_MAX];
	uint32_t last_number;
	uint64_t turns;
};

/* inspect.c */
/* The walk of this number, or a new one for 0; NULL: it is lost, or memory is short. */
struct inspect_walk *inspect_walk_get(struct queue_role *q, uint32_t number);
void inspect_walk_end(struct queue_role *q, struct inspect_walk *walk);

/* inspect_match.c: one recipient as filters see it. */
struct inspect_recipient {
	const struct spool_recipient *at; /* address set, but in a summary */
	const struct scheduler_unit *unit; /* or NULL */
	struct span host;     /* that answered last, from the reason; empty: this one */
};

bool inspect_filter_read(struct span body, struct ipc_queue_filter *filter_out);
/* Whether only the message itself, on the disk, can tell. */
bool inspect_filter_needs_envelope(const struct ipc_queue_filter *filter);
bool inspect_filter_entry(const struct ipc_queue_filter *filter, const struct spool_entry *entry);
bool inspect_filter_sender(const struct ipc_queue_filter *filter, struct span sender);
bool inspect_filter_recipient(const struct ipc_queue_filter *filter, const struct inspect_recipient *r);
/* The host in front of a reason as results.c writes it; empty when a reply of our own is the reason. */
struct span inspect_reason_host(struct span reason);

/* inspect_list.c */
struct inspect_block {
	enum ipc_blocker blocker;
	struct scheduler_view view; /* of the destination; key empty when there is none */
};
struct inspect_block inspect_block_of(const struct queue_role *q, const struct queue_message *m,
	const struct spool_recipient *r, const struct scheduler_unit *unit);
bool inspect_list(struct queue_role *q, const struct channel_message *message);
/* A list of one encoded ipc_queue_one, the message that waits longest, with one of its recipients that
 * wait; or of none when the queue is empty. Reads that one message from the disk. The caller frees it. */
void inspect_oldest(struct queue_role *q, struct buf *list_out);

/* inspect_summary.c */
bool inspect_summary(struct queue_role *q, const struct channel_message *message);
void summary_free(struct summary *s);

/* inspect_change.c: a change of many messages. Those that are being attempted are counted as busy and left alone. */
struct change;
struct change_wish {
	enum ipc_change what;
	const struct ipc_queue_filter *filter; /* until change_end */
	struct span reason;                    /* of HOLD, and for the event; or empty */
	/* When all is on stable storage, maybe before change_end returns. */
	void (*ended)(struct queue_role *q, void *arg, const struct ipc_queue_changed *counts);
	void *arg;
};
struct change *change_begin(struct queue_role *q, const struct change_wish *wish);
void change_message(struct change *c, const struct id128 *id);
void change_end(struct change *c);
bool inspect_change(struct queue_role *q, const struct channel_message *message);

#endif
