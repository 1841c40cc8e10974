/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One mail transaction (RFC 5321 section 3.3): the envelope and the content that
 * came so far. Made by MAIL, destroyed by transaction_free and nothing else.
 * Private to the room; the caller of a session sees only the `view` inside.
 */
#ifndef WAYBILL_SMTP_TRANSACTION_H
#define WAYBILL_SMTP_TRANSACTION_H

#include "address.h"
#include "arena.h"
#include "data_decoder.h"
#include "header.h"
#include "smtp_server.h"
#include "trace.h"

/* What a RCPT asked for besides its mailbox. */
struct recipient_wish {
	uint8_t notify;
	struct span orcpt;
};

struct transaction {
	struct smtp_transaction view;
	struct arena arena;      /* sender, recipients */
	struct span *recipients;
	uint8_t *notify;
	struct span *orcpts;
	size_t recipients_cap;
	size_t envelope_bytes;   /* of recipients and their ORCPT, with a share for lengths */
	uint8_t candidate[ADDRESS_MAILBOX_BYTES_MAX]; /* the recipient that is asked about */
	size_t candidate_len;
	uint8_t candidate_orcpt[DSN_ORCPT_BYTES_MAX];
	struct recipient_wish candidate_wish; /* its orcpt points there */
	bool rcpt_seen;          /* some RCPT came, whatever became of it */

	struct buf headers;      /* to stand before the message, each with its CRLF */
	struct buf stored;       /* trace and content; after SPILL what was not given out yet */
	size_t trace_bytes;
	struct header_scan header;
	struct data_decoder decoder;
	bool content_began;
	bool committing;         /* COMMIT was asked: from then on the queue knows the outcome */
	bool refused;
	enum reply_key refusal;
};

/* Recipients and ORCPTs of one message, so that it can be handed on in one piece with what is
 * kept of its content; what is over comes in another transaction. */
#define TRANSACTION_ENVELOPE_BYTES_MAX (640u * 1024)

/* Of fields that stand before a message. */
#define TRANSACTION_HEADERS_BYTES_MAX 4096

struct transaction_limits {
	size_t recipients_max;
	size_t inline_bytes_max;
};

/* NULL: no memory. `sender` is copied. */
struct transaction *transaction_new(struct span sender, const struct transaction_limits *limits);
void transaction_free(struct transaction *t);

/* Whether one more recipient fits into the envelope. */
bool transaction_envelope_fits(const struct transaction *t, struct span mailbox, struct span orcpt);

/* Keeps the recipient while the question about it is pending; both are copied. */
void transaction_candidate_set(struct transaction *t, struct span mailbox, const struct recipient_wish *wish);
struct span transaction_candidate(const struct transaction *t);

/* Adds the candidate to the recipients; false: no memory. */
bool transaction_candidate_accept(struct transaction *t);

/* Adds a field that is to stand before the message; what has no room is left out. */
void transaction_header_add(struct transaction *t, struct span field);

/* Decides that the message will be refused with `key`: the first reason stays. The
 * content kept so far is given back. */
void transaction_refuse(struct transaction *t, enum reply_key key);

/* Points view.stored, trace and content at what is kept. */
void transaction_view_update(struct transaction *t);

#endif
