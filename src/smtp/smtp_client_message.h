/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the client core is told (options of a connection, a message and its
 * recipients) and what it says of each recipient. No code here.
 */
#ifndef WAYBILL_SMTP_SMTP_CLIENT_MESSAGE_H
#define WAYBILL_SMTP_SMTP_CLIENT_MESSAGE_H

#include "content_facts.h"
#include "dsn_params.h"
#include "smtp_reply.h"

enum smtp_client_tls {
	SMTP_CLIENT_TLS_NEVER,
	SMTP_CLIENT_TLS_OFFERED, /* when the next hop offers it; a refusal goes on without */
	SMTP_CLIENT_TLS_REQUIRED /* else nothing is sent */
};

/* Milliseconds; RFC 5321 section 4.5.3.2. */
struct smtp_client_timeouts {
	uint32_t connect_ms, greeting_ms, helo_ms, tls_ms, mail_ms, rcpt_ms, data_ms, block_ms, end_ms, quit_ms;
};

#define SMTP_CLIENT_TIMEOUTS_DEFAULT { .connect_ms = 30000, .greeting_ms = 300000, .helo_ms = 300000, \
	.tls_ms = 300000, .mail_ms = 300000, .rcpt_ms = 300000, .data_ms = 120000, .block_ms = 180000, \
	.end_ms = 600000, .quit_ms = 5000 }

/* Borrowed, shared by many clients, must outlive them. The no_* leave an extension
 * unused although it is offered. */
struct smtp_client_options {
	struct span helo;                /* host name or address literal */
	struct smtp_client_timeouts timeouts;
	enum smtp_client_tls tls;
	uint32_t recipients_max;         /* in one transaction, then another follows; RFC 5321: 100 */
	bool lmtp;
	bool repair_newlines;            /* a bare CR or LF is written as CRLF instead of refusing the message */
	bool no_pipelining, no_chunking, no_8bitmime, no_smtputf8, no_dsn, no_size;
};

#define SMTP_CLIENT_OPTIONS_DEFAULT { .timeouts = SMTP_CLIENT_TIMEOUTS_DEFAULT, .recipients_max = 100 }

struct smtp_client_recipient {
	struct span mailbox; /* without brackets; UTF-8 is allowed; "postmaster" may stand alone */
	struct span orcpt;   /* as it came on the wire: addr-type ";" xtext; empty: none */
	uint8_t notify;      /* DSN_NOTIFY_*; 0: not given */
};

/* Borrowed with all it points to, from begin until MESSAGE_DONE was pulled. */
struct smtp_client_message {
	struct span sender;  /* without brackets; empty: <> */
	const struct smtp_client_recipient *recipients;
	size_t recipient_count;            /* 1 to SMTP_CLIENT_RECIPIENTS_MAX */
	bool smtputf8;                     /* it came with SMTPUTF8 */
	bool binary;                       /* it came with BODY=BINARYMIME: every octet is data */
	enum dsn_ret ret;
	struct span envid;                 /* xtext, as it came; empty: none */
	const struct content_facts *facts; /* NULL: the client reads the content once more to find them */
};

#define SMTP_CLIENT_RECIPIENTS_MAX 10000

enum smtp_client_outcome {
	SMTP_CLIENT_DELIVERED, /* the next hop took it */
	SMTP_CLIENT_DEFERRED,  /* not sent, or refused with 4yz: safe to try again */
	SMTP_CLIENT_FAILED,    /* refused with 5yz, or this next hop cannot take it */
	SMTP_CLIENT_IN_DOUBT   /* the end of the data left, no reply came: it may have been taken */
};

/* Where the dialogue was. What happens before MAIL speaks of the host, not of the message. */
enum smtp_client_stage {
	SMTP_STAGE_CONNECT,
	SMTP_STAGE_GREETING,
	SMTP_STAGE_HELO,
	SMTP_STAGE_TLS,     /* STARTTLS or the handshake */
	SMTP_STAGE_IDLE,    /* between messages */
	SMTP_STAGE_MAIL,
	SMTP_STAGE_RCPT,
	SMTP_STAGE_DATA,    /* the DATA command */
	SMTP_STAGE_CONTENT,
	SMTP_STAGE_END,     /* the final dot, or the last chunk */
	SMTP_STAGE_QUIT
};

enum smtp_client_cause {
	SMTP_CAUSE_REPLY,            /* the next hop's reply says it */
	SMTP_CAUSE_QUIT,             /* CLOSED only: we wanted it */
	SMTP_CAUSE_CONNECTION_LOST,
	SMTP_CAUSE_TIMEOUT,
	SMTP_CAUSE_PROTOCOL_ERROR,   /* the next hop's answer is no reply, or none that fits */
	SMTP_CAUSE_TLS,              /* TLS is required and was not to be had */
	SMTP_CAUSE_CONNECTION_LIMIT, /* the next hop allows no more in this connection: try another at once */
	SMTP_CAUSE_LOCAL,            /* no memory, or the content failed or was not what its facts said */
	/* What this next hop cannot take; always FAILED, with a fitting enhanced code. */
	SMTP_CAUSE_TOO_LARGE,        /* 5.3.4 */
	SMTP_CAUSE_ADDRESS_UTF8,     /* 5.6.7: the address needs SMTPUTF8 */
	SMTP_CAUSE_ADDRESS_SYNTAX,   /* 5.1.3: the address is none; nothing of it is ever sent */
	SMTP_CAUSE_HEADER_UTF8,      /* 5.6.9: the header needs SMTPUTF8 */
	SMTP_CAUSE_HEADER_8BIT,      /* 5.6.3: header bytes that cannot be encoded */
	SMTP_CAUSE_SIGNED,           /* 5.6.3: converting would break a signature or a cipher text */
	SMTP_CAUSE_STRUCTURE,        /* 5.6.3: the MIME structure is broken or beyond our limits */
	SMTP_CAUSE_BARE_NEWLINE      /* 5.6.0: see repair_newlines */
};

struct smtp_client_result {
	size_t recipient;        /* index in the message's recipients */
	enum smtp_client_outcome outcome;
	enum smtp_client_stage stage;
	enum smtp_client_cause cause;
	struct smtp_reply reply; /* of REPLY, and a 421 that came instead; code 0: none */
	bool dsn_passed;         /* NOTIFY was told to the next hop: notices of success are its task */
};

#endif
