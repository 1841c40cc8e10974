/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mail addresses as SMTP knows them: Mailbox, Forward-path and Reverse-path of
 * RFC 5321 section 4.1.2 with the UTF-8 forms of RFC 6531, within the sizes of
 * RFC 5321 section 4.5.3.1. Comments, display names and folding belong to
 * message headers and are not accepted. Spans of a parsed address point into
 * the text that was parsed; nothing is allocated.
 */
#ifndef WAYBILL_MESSAGE_ADDRESS_H
#define WAYBILL_MESSAGE_ADDRESS_H

#include "netaddr.h"
#include "span.h"

#define ADDRESS_LOCAL_BYTES_USUAL 64
#define ADDRESS_LOCAL_BYTES_MAX 192 /* of one that was rewritten (srs.h): it has another address inside */
#define ADDRESS_DOMAIN_BYTES_MAX 255
#define ADDRESS_PATH_BYTES_MAX 256 /* angle brackets and source route included */
#define ADDRESS_MAILBOX_BYTES_MAX (ADDRESS_PATH_BYTES_MAX - 2)

struct address {
	struct span mailbox; /* local part, '@' and domain as written; empty for <>; alone "postmaster" */
	struct span local;   /* as written, quotes and backslashes included */
	struct span domain;  /* as written; a literal with its brackets; empty for <> and postmaster */
	bool null_path;      /* <> */
	bool quoted;         /* the local part is a quoted string */
	bool utf8;           /* some byte is outside ASCII: needs SMTPUTF8 */
	bool literal;        /* the domain is an address literal */
	bool postmaster;     /* <postmaster> without a domain, any case */
};

enum address_path {
	ADDRESS_REVERSE, /* MAIL: <> is allowed, <postmaster> is not */
	ADDRESS_FORWARD  /* RCPT: <postmaster> is allowed; <> parses too (null_path), for the caller to refuse */
};

/* The whole of `text` as a Mailbox: false when it is none or too long. */
bool address_parse(struct span text, struct address *address_out);

/*
 * The path in angle brackets that `text` begins with; a source route in front of
 * the mailbox is checked and ignored. Returns its length, 0 when there is none.
 */
size_t address_parse_path(struct span text, enum address_path kind, struct address *address_out);

/* A Domain or an address literal, as the whole span. */
bool address_domain_valid(struct span text);

/* Writes the local part without quotes and backslashes; returns its length. Two
 * local parts are the same when these are (letter case left aside). */
size_t address_local_canonical(const struct address *address, uint8_t out[static ADDRESS_LOCAL_BYTES_MAX]);

/*
 * Writes the domain in lower case with A-labels (IDNA2008 with UTS 46 mapping),
 * the form to compare and to look up; a literal is only lowered. Returns its
 * length, 0 when IDNA forbids the name.
 */
size_t address_domain_ascii(struct span domain, uint8_t out[static ADDRESS_DOMAIN_BYTES_MAX]);

/* The address in a literal such as "[192.0.2.1]" or "[IPv6:2001:db8::1]". */
bool address_literal_netaddr(struct span domain, struct netaddr *addr_out);

#endif
