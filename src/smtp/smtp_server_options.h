/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server session is told when it begins: limits (RFC 5321 section 4.5.3),
 * options of its listener, and who the peer is. Limits of 0 are only allowed
 * where it says so.
 */
#ifndef WAYBILL_SMTP_SMTP_SERVER_OPTIONS_H
#define WAYBILL_SMTP_SMTP_SERVER_OPTIONS_H

#include "id128.h"
#include "netaddr.h"
#include "span.h"

struct smtp_server_limits {
	uint32_t command_bytes_max;       /* a command line with its CRLF */
	uint32_t recipients_max;          /* accepted recipients of one message */
	uint32_t bad_commands_max;        /* then 421 and close */
	uint32_t transactions_max;        /* MAIL commands in one connection */
	uint32_t received_max;            /* Received fields, then it is a loop */
	uint32_t line_bytes_max;          /* a line of the content with its CRLF */
	uint32_t inline_bytes_max;        /* trace field and content kept in memory, then SPILL */
	uint64_t message_bytes_max;       /* content, without the trace field */
	uint32_t command_timeout_ms;      /* between two commands */
	uint32_t data_timeout_ms;         /* between two pieces of content */
	uint32_t data_rate_bytes_min;     /* content bytes a second; 0: no minimum */
	uint32_t data_rate_window_ms;     /* averaged over this time */
};

/* The values of RFC 5321 section 4.5.3 and the house's own. */
#define SMTP_SERVER_LIMITS_DEFAULT { \
	.command_bytes_max = 2048, .recipients_max = 1000, .bad_commands_max = 20, \
	.transactions_max = 1000, .received_max = 100, .line_bytes_max = 65536, \
	.inline_bytes_max = 256 * 1024, .message_bytes_max = 50 * 1024 * 1024, \
	.command_timeout_ms = 300000, .data_timeout_ms = 180000, \
	.data_rate_bytes_min = 100, .data_rate_window_ms = 60000 }

/* Borrowed, shared by many sessions, must outlive them. */
struct smtp_server_options {
	struct span hostname;
	struct smtp_server_limits limits;
	struct id_source *ids;
	bool repair_newlines; /* bare CR or LF inside a message: repair instead of refusing */
	bool lmtp;            /* RFC 2033: LHLO, and a reply for each recipient at a message's end */
	bool starttls;        /* not offered yet */
};

struct smtp_server_peer {
	struct netaddr addr;
	bool trusted; /* may VRFY and EXPN; its bare newlines are repaired */
	uint8_t ask_stages; /* set of enum smtp_stage: which to ask about as soon as they come; RCPT always is */
	uint64_t now_ms;
};

#endif
