/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server session asks its caller: the transaction that it is about, the kinds
 * of questions, and what an answer holds.
 */
#ifndef WAYBILL_SMTP_SMTP_SERVER_QUESTION_H
#define WAYBILL_SMTP_SMTP_SERVER_QUESTION_H

#include "dsn_params.h"
#include "id128.h"
#include "reply.h"
#include "smtp_stage.h"
#include "span.h"

/* Made by MAIL, destroyed on every way out of the transaction. The caller reads it
 * while a question or a CONTENT event names it, and must not keep pointers. */
struct smtp_transaction {
	struct id128 id;             /* the message id */
	struct span sender;          /* mailbox without brackets; empty for <> */
	const struct span *recipients; /* accepted mailboxes as written; "postmaster" may stand alone */
	const uint8_t *notify;       /* of each recipient: DSN_NOTIFY_ flags, 0: not given (RFC 3461) */
	const struct span *orcpts;   /* of each recipient, checked and as written; empty: not given */
	size_t recipient_count;
	bool smtputf8, body_binary;  /* asked for with MAIL; binary: every octet is data */
	bool body_8bit;              /* declared, or found in the content */
	enum dsn_ret ret;
	struct span envid;           /* checked and as written; empty: not given */
	uint64_t size_declared;      /* 0: not declared */
	struct span trace;           /* at COMMIT: the Received field, to stand before the content; empty when spilled */
	struct span content;         /* at COMMIT: inline content; empty when spilled */
	struct span stored;          /* at COMMIT: trace and content in one piece; empty when spilled */
	uint64_t content_bytes;      /* content without the trace field, spilled or not */
	uint64_t stored_bytes;       /* trace and content, spilled or not */
	uint32_t stored_crc32c;      /* of trace and content; final at COMMIT */
	bool spilled;
	bool hold;                   /* at COMMIT: it is to wait in the queue for the postmaster */
	bool discard;                /* at COMMIT: nobody wants it; it is to be answered as if it were kept */
};

enum smtp_question_kind {
	SMTP_ASK_NONE,
	SMTP_ASK_CONNECT, /* may this client ... */
	SMTP_ASK_HELO,   /* ... of this name ... */
	SMTP_ASK_MAIL,   /* ... with this sender go on? Only where the peer's ask_stages say so */
	SMTP_ASK_RCPT,   /* may this recipient be accepted? */
	SMTP_ASK_VRFY,   /* trusted peers only */
	SMTP_ASK_EXPN,   /* trusted peers only */
	SMTP_ASK_SPILL,  /* the content outgrows memory: have a descriptor ready */
	SMTP_ASK_END,    /* may the message, which is here whole, be accepted? As for MAIL */
	SMTP_ASK_COMMIT  /* make the message durable; LMTP: deliver it */
};

struct smtp_server_question {
	enum smtp_question_kind kind;
	const struct smtp_transaction *transaction; /* NULL for VRFY and EXPN */
	struct span address; /* RCPT: the new mailbox; VRFY, EXPN: the argument without brackets */
	/* CONNECT to RCPT, and END: */
	enum smtp_stage at;  /* this stage, and ... */
	uint8_t stages;      /* ... all that were not asked about, or not passed, as a set */
};

/*
 * CONNECT: a 2yz key greets, 554 leaves the client nothing but QUIT, any other closes.
 * HELO and MAIL: a 2yz key lets the client go on, any other refuses the command. RCPT: a
 * 2yz key accepts the recipient, any other refuses it. SPILL: a 2yz key lets CONTENT
 * events follow; any other is the reply after the refused message's end. END: a 2yz key
 * lets COMMIT follow, any other refuses the message. COMMIT: message-queued or the
 * refusal; with LMTP `keys`, one for each of the transaction's recipients in their
 * order, or none and `key` for all. VRFY and EXPN: the key; `verified` with one line for
 * each of `mailboxes`.
 */
struct smtp_server_answer {
	enum reply_key key;
	uint32_t seconds;              /* for wordings that name a delay */
	struct reply_said said;        /* for wordings that are another program's; 421 closes the connection */
	enum smtp_stage stage;         /* CONNECT to RCPT, END: at which it was refused; those before were passed */
	bool unasked;                  /* the same: nobody could say; the stages stay to be asked about */
	uint8_t open;                  /* RCPT: a set of stages that stay so for another recipient, passed for this one */
	const struct span *mailboxes;  /* borrowed during the call */
	size_t mailbox_count;
	const struct span *headers;    /* MAIL to RCPT: fields to stand before the message, without CRLF; borrowed */
	size_t header_count;
	bool hold;                     /* MAIL to END: the message is to be kept, and not delivered yet */
	bool discard;                  /* MAIL to END: the message is to be accepted and thrown away */
	const enum reply_key *keys;    /* borrowed as well */
	size_t key_count;
};

#endif
