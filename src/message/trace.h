/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trace fields: Received (RFC 5321 section 4.4, RFC 6531 section 3.7.3) and
 * Return-Path. Whatever stands in them came from outside: bytes that could end
 * a field, open a comment or move a terminal are written as '?'.
 */
#ifndef WAYBILL_MESSAGE_TRACE_H
#define WAYBILL_MESSAGE_TRACE_H

#include "buf.h"
#include "id128.h"
#include "netaddr.h"

/* No field that is written is longer. */
#define TRACE_BYTES_MAX 1536

struct trace_received {
	struct span helo;          /* as the client said it */
	struct netaddr client;     /* family 0: a local socket, no address is written */
	struct span hostname;      /* ours */
	const char *protocol;      /* "SMTP", "ESMTP", "UTF8SMTP" ... */
	const struct id128 *id;
	struct span recipient;     /* mailbox; empty leaves the for clause out */
	uint64_t now_ms;
};

/* Appends the folded field with its CRLF. */
void trace_received_write(struct buf *out, const struct trace_received *r);

/* Appends the field for mail that a program of this machine dropped; "from" has no host then, as with
 * other servers' local mail: "Received: by mx.example.org (Waybill, from userid 1000) ...". */
void trace_received_local_write(struct buf *out, struct span hostname, const struct id128 *id, uint32_t uid,
	uint64_t now_ms);

/* Appends "Return-Path: <sender>" CRLF; an empty sender gives <>. */
void trace_return_path_write(struct buf *out, struct span sender);

#endif
