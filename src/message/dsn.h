/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delivery status notifications: writes a bounce, a delay or a success notice as
 * a whole message (RFC 3464 in the multipart/report of RFC 6522, RFC 6533 for
 * UTF-8 addresses, RFC 3834), and reads what other servers' bounces say. Decides
 * nothing (dsn_policy.h). Whatever comes from outside cannot leave its place in
 * the message, and everything has a limit.
 */
#ifndef WAYBILL_MESSAGE_DSN_H
#define WAYBILL_MESSAGE_DSN_H

#include "arena.h"
#include "dsn_params.h"

#define DSN_RECIPIENTS_MAX 1000             /* of one report; further ones are only counted */
#define DSN_WORDS_BYTES_MAX 2048            /* of a remote's reply; the rest is left out, and it says so */
#define DSN_TEXT_BYTES_MAX 1024             /* of each text that the caller gives */
#define DSN_SUBJECT_BYTES_MAX 200           /* of the original's subject, as shown */
#define DSN_HEADERS_BYTES_MAX (64u << 10)   /* of the original's header; longer ones are cut at a field */
#define DSN_WHOLE_BYTES_DEFAULT (64u << 10) /* a longer original comes back as headers alone */
#define DSN_WHOLE_BYTES_MAX (32u << 20)     /* whatever whole_bytes_max says */
/* A limit for `out` that every report with this much of an original and so many recipients fits into. */
#define DSN_BYTES_MAX(original_bytes, recipients) \
	(3 * (size_t)(original_bytes) + 32768 * (size_t)(recipients) + 16384)

enum dsn_action {
	DSN_FAILED,
	DSN_DELAYED,
	DSN_RELAYED,   /* to a server that gives no notices */
	DSN_EXPANDED,  /* to the members of an alias */
	DSN_DELIVERED
};

struct dsn_recipient {
	enum dsn_action action;
	struct span mailbox;        /* as it was tried */
	struct span orcpt;          /* the parameter's value as it was accepted (encoded), or empty */
	struct span status;         /* "5.1.1"; anything else is replaced by the action's X.0.0 */
	struct span because;        /* a clause in UTF-8 that completes "because ...", without full stop (the
	                             * catalogue's gist); may be empty */
	struct span advice;         /* what to do: a sentence in UTF-8 (the catalogue's fix_sender); may be empty */
	struct span remote_host;    /* a name or an address: the server that the words are of, or about; empty: this one */
	struct span words;          /* its reply with its code, lines separated by CRLF or LF; any bytes. Without a code:
	                             * what this server noted. May be empty */
	uint64_t attempt_ms;        /* when the last attempt was; 0: there was none */
	uint64_t retry_until_ms;    /* DSN_DELAYED: when it is given up; 0: not said */
};

struct dsn_report {
	struct span hostname;       /* ours: Reporting-MTA, Message-ID, boundary */
	struct span from;           /* mailbox of the From field: "postmaster@mx.example.org" */
	struct span to;             /* mailbox: the original sender, or the postmaster */
	struct span id;             /* this report's id as text: letters and digits */
	struct span original_id;    /* the original's id as text, for "Reference:" */
	struct span envid;          /* the parameter's value as it was accepted (encoded), or empty */
	uint64_t now_ms;
	uint64_t arrival_ms;        /* of the original */
	bool smtputf8;              /* the original came with SMTPUTF8 */
	bool for_postmaster;        /* a copy or a double bounce: the words speak of "a message from ..." */
	struct span sender;         /* the original's sender, for for_postmaster; empty: <> */
	enum dsn_ret ret;           /* DSN_RET_UNSET is FULL; only failures return more than headers */
	size_t whole_bytes_max;     /* 0: DSN_WHOLE_BYTES_DEFAULT */
	struct span original;       /* the original's bytes from its beginning; enough: DSN_HEADERS_BYTES_MAX of them */
	uint64_t original_bytes;    /* its whole size; over original.len: only the headers can be returned */
	const struct dsn_recipient *recipients;
	size_t recipient_count;     /* at least 1 */
};

/* What the envelope of the report must ask for. */
struct dsn_needs {
	bool smtputf8;
	bool body_8bit;
};

/*
 * Appends the message, with CRLF line ends and no line over 998 bytes. False when
 * `out` failed (its limit or memory): send nothing then. The envelope's sender is
 * <>, and its NOTIFY, where passed on, NEVER (RFC 3461 section 6.1).
 */
bool dsn_write(struct buf *out, const struct dsn_report *report, struct dsn_needs *needs_out);

#endif
