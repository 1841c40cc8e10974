/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes into the store: a message, and what becomes of its recipients.
 *
 * A recipient's states; a message lives while one of its recipients is not final.
 *
 *     state         final  meaning
 *     PENDING       no     accepted, never tried (takes no memory of its own)
 *     DEFERRED      no     tried, again at retry_at_ms
 *     IN_DOUBT      no     the attempt broke off after the content was sent
 *     HELD          no     an operator said: not now
 *     BOUNCE_OWED   no     will not be delivered, the sender has not been told yet
 *     DELIVERED     yes
 *     FAILED        yes    will not be delivered, nothing is owed
 *     EXPANDED      yes    replaced by the recipients that it added (an alias)
 */
#ifndef WAYBILL_SPOOL_SPOOL_MESSAGE_H
#define WAYBILL_SPOOL_SPOOL_MESSAGE_H

#include "id128.h"

#define SPOOL_CONTENT_BYTES_MAX (512u * 1024)   /* trace and content inside a record; beyond: large */
#define SPOOL_ENVELOPE_BYTES_MAX (1024u * 1024) /* all addresses and texts of one message */
#define SPOOL_RECIPIENTS_MAX 20000u             /* accepted and added by expansion */
#define SPOOL_ADDRESS_BYTES_MAX 512u
#define SPOOL_REASON_BYTES_MAX 512u             /* longer reasons are cut */
#define SPOOL_ENVID_BYTES_MAX 100u              /* RFC 3461 section 4.4; encoded */
#define SPOOL_ORCPT_BYTES_MAX 500u              /* RFC 3461 section 4.2; encoded, type included */
#define SPOOL_NEVER UINT64_MAX

enum spool_flag {
	SPOOL_SMTPUTF8 = 1,
	SPOOL_8BITMIME = 2,
	SPOOL_BINARYMIME = 4,
};

/* What a notice returns of the message (RFC 3461 section 4.3). */
enum spool_ret {
	SPOOL_RET_NONE = 0, /* not given */
	SPOOL_RET_FULL = 1,
	SPOOL_RET_HEADERS = 2,
};

struct spool_message {
	struct id128 id;                /* unique for ever */
	uint64_t arrival_ms;
	uint32_t flags;                 /* enum spool_flag */
	struct span sender;             /* empty: the null sender */
	const struct span *recipients;
	uint32_t recipient_count;       /* at least 1 */
	enum spool_ret ret;             /* RFC 3461; texts are kept encoded, as they came */
	struct span envid;
	const uint8_t *notify;          /* parallel to recipients, or NULL: flags of RFC 3461, 0: not given */
	const struct span *orcpt;       /* parallel to recipients, or NULL */
	struct span client;             /* texts for logs and bounces, up to 255 bytes each */
	struct span helo;
	struct span session;
	struct span trace;              /* stored before the content; these two are borrowed */
	struct span content;            /* until the completion, all else is copied at once  */
	bool large;                     /* the content continues in the file of spool_large_open */
	uint64_t large_bytes;
	uint32_t large_crc;             /* crc32c of these bytes */
};

enum spool_state {
	SPOOL_PENDING,
	SPOOL_DEFERRED,
	SPOOL_IN_DOUBT,
	SPOOL_HELD,
	SPOOL_BOUNCE_OWED,
	SPOOL_DELIVERED,
	SPOOL_FAILED,
	SPOOL_EXPANDED,
};

bool spool_state_final(enum spool_state state);
const char *spool_state_name(enum spool_state state); /* "pending" ... */

/* What became of one recipient; replaces whatever was recorded before. */
struct spool_result {
	struct id128 id;
	uint32_t recipient;       /* index: the accepted ones in order, then the added ones in order */
	enum spool_state state;
	uint32_t attempts;        /* as the caller counts them */
	uint64_t retry_at_ms;     /* or SPOOL_NEVER */
	struct span reason;
	const struct span *added; /* EXPANDED: the addresses that take its place */
	uint32_t added_count;
	const uint8_t *added_notify;     /* parallel to added; both NULL: as the recipient that is replaced */
	const struct span *added_orcpt;
};

#endif
