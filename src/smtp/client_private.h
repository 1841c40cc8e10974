/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client core's inside, shared by client_*.c. Who does what: smtp_client.c is
 * the outside; client_hello.c gets from the connection to a usable session;
 * client_extensions.c reads what EHLO offers; client_plan.c decides how, and
 * whether, a message can go; client_envelope.c sends MAIL, RCPT and DATA and
 * reads their replies; client_content.c moves the content; client_result.c
 * settles recipients and ends things. Invariants (client_check): a recipient is
 * reported once; only one settlement runs at a time and no reply is read while it
 * does, so its text stays valid; after CLOSED nothing is sent.
 */
#ifndef WAYBILL_SMTP_CLIENT_PRIVATE_H
#define WAYBILL_SMTP_CLIENT_PRIVATE_H

#include "convert.h"
#include "line_writer.h"
#include "smtp_client.h"

#define CLIENT_MAGIC 0x434c4e54u

/* Commands that wait for their replies at a time, with PIPELINING. */
#define CLIENT_WINDOW_MAX 200

enum client_phase {
	CLIENT_CONNECTING,
	CLIENT_GREETING,
	CLIENT_EHLO,
	CLIENT_HELO,
	CLIENT_STARTTLS_SENT,
	CLIENT_HANDSHAKE,
	CLIENT_IDLE,     /* with or without a message */
	CLIENT_READING,  /* looks at the content before anything is sent */
	CLIENT_ENVELOPE,
	CLIENT_CONTENT,
	CLIENT_END,      /* the end of the content is in the output or gone */
	CLIENT_QUITTING,
	CLIENT_CLOSED
};

enum recipient_state {
	RECIPIENT_WAITING,
	RECIPIENT_LATER,    /* too many for this transaction: in the next */
	RECIPIENT_UNFIT,    /* this next hop cannot take the address */
	RECIPIENT_SENT,
	RECIPIENT_ACCEPTED,
	RECIPIENT_REPORTED
};

struct client_extensions {
	bool pipelining, chunking, binarymime, mime8bit, smtputf8, dsn, size, starttls;
	uint64_t size_max;                             /* 0: not said */
	uint32_t mail_max, rcpt_max, rcpt_domain_max;  /* RFC 9422; 0: not said */
};

/* Results that wait to be pulled: those recipients whose state is `state`, or all. */
struct client_settlement {
	bool active;
	bool ending;   /* the connection is over: whoever is left */
	bool all;
	enum recipient_state state;
	size_t at;     /* the next recipient to look at */
	size_t end;
	struct smtp_client_result result;
};

enum envelope_step { STEP_RSET, STEP_MAIL, STEP_RCPT, STEP_DATA, STEP_END };

struct client_envelope {
	enum envelope_step step;      /* to be sent next */
	bool rset_out, mail_out, data_out; /* sent, not answered */
	bool mail_ok, mail_refused;
	bool go_ahead;                /* 354 */
	size_t rcpt_out;
	size_t sent_at, answered_at;  /* where the next recipient is looked for */
	uint32_t sent_count;          /* recipients of this transaction */
	uint32_t domain_count;        /* changes of domain among them */
	struct span domain;
	size_t accepted;
};

enum content_pass { PASS_NONE, PASS_FACTS, PASS_PLAN, PASS_MEASURE, PASS_SEND };

struct client_content {
	enum content_pass pass;   /* what the content is wanted for */
	bool repair;              /* newlines are repaired before anything else sees the content */
	bool chunks;              /* BDAT, else DATA */
	bool chunk_out;           /* a chunk waits for its reply */
	bool planned;             /* all is decided: for the second transaction */
	bool utf8;                /* MAIL says SMTPUTF8 */
	bool body_8bit, body_binary; /* MAIL says BODY= */
	uint64_t offset;
	uint64_t raw_bytes;       /* of the caller's content */
	uint64_t size;            /* as it is sent; for SIZE */
	struct content_facts facts;
	struct content_scan scan;
	struct convert *convert;  /* NULL: sent as it is */
	struct line_writer mender, writer;
	struct buf mended, converted;
};

struct smtp_client {
	uint32_t magic;
	enum client_phase phase;
	const struct smtp_client_options *options;
	uint64_t now_ms, since_ms;
	bool tls_on;
	bool quit_wanted;
	bool rset_needed;         /* the next hop still has a transaction open */
	bool doubtful;            /* when it ended, accepted recipients were in doubt */
	uint32_t transactions;
	struct client_extensions extensions;
	struct smtp_reply_parser parser;
	struct buf output;
	const struct smtp_client_message *message;
	uint8_t *states;          /* enum recipient_state of each; NULL with a message: no memory */
	size_t reported;
	struct client_envelope envelope;
	struct client_content content;
	struct client_settlement settlement;
	struct smtp_client_result end; /* of CLOSED */
};

/* client_result.c */
void client_check(const struct smtp_client *c);
enum recipient_state client_state(const struct smtp_client *c, size_t recipient);
void client_state_set(struct smtp_client *c, size_t recipient, enum recipient_state state);

/* Whether a reply to RCPT says "too many recipients" (RFC 5321 section 4.5.3.1.10). Without an enhanced code it
 * could be a full mailbox: that costs one more RCPT. */
bool client_too_many(const struct smtp_reply *reply);

/* By the reply's first digit, with what RFC 5321 section 4.5.3.1.10 says of 552. */
enum smtp_client_outcome client_outcome(const struct smtp_reply *reply, enum smtp_client_stage stage);
void client_settle_one(struct smtp_client *c, size_t recipient, const struct smtp_client_result *result);
void client_settle_state(struct smtp_client *c, enum recipient_state state,
	const struct smtp_client_result *result);
void client_settle_all(struct smtp_client *c, const struct smtp_client_result *result);

/* What this next hop cannot take, for recipients in `state` (UNFIT) or all. */
void client_refuse(struct smtp_client *c, enum smtp_client_cause cause, bool all);

/* The next recipient of the settlement; false: it is over. */
bool client_settlement_next(struct smtp_client *c, struct smtp_client_result *result_out);

/* Ends the connection; recipients follow. */
void client_close(struct smtp_client *c, enum smtp_client_cause cause, enum smtp_client_outcome outcome);

/* The same because of a reply, which says what becomes of the recipients. */
void client_close_reply(struct smtp_client *c, const struct smtp_reply *reply);
void client_message_forget(struct smtp_client *c);
void client_touch(struct smtp_client *c);

/* client_hello.c */
void client_hello_send(struct smtp_client *c);
void client_hello_reply(struct smtp_client *c, const struct smtp_reply *reply);

/* client_extensions.c */
void client_extensions_read(struct client_extensions *e, struct span text,
	const struct smtp_client_options *options);

/* client_plan.c */
void client_message_start(struct smtp_client *c);

/* A reading pass is over. */
void client_plan_pass_done(struct smtp_client *c);

/* client_envelope.c */
void client_envelope_begin(struct smtp_client *c);
void client_envelope_send(struct smtp_client *c);
void client_envelope_reply(struct smtp_client *c, const struct smtp_reply *reply);

/* The transaction is over; `open`: the next hop does not know that yet. */
void client_transaction_over(struct smtp_client *c, bool open);

/* client_content.c */
void client_pass_begin(struct smtp_client *c, enum content_pass pass);
void client_content_begin(struct smtp_client *c);
size_t client_content_take(struct smtp_client *c, struct span bytes, bool last);

/* A reply in the CONTENT or END phase. */
void client_content_reply(struct smtp_client *c, const struct smtp_reply *reply);

#endif
