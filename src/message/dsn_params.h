/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The values of the ESMTP parameters of RFC 3461: NOTIFY and ORCPT of RCPT, RET
 * and ENVID of MAIL, with the utf-8 address type of RFC 6533. Strict: what is
 * accepted may be passed on as it is. ORCPT and ENVID are kept and passed on in
 * their encoded form; dsn_write decodes them. Knows no replies: the caller maps
 * the error to one.
 */
#ifndef WAYBILL_MESSAGE_DSN_PARAMS_H
#define WAYBILL_MESSAGE_DSN_PARAMS_H

#include "buf.h"

#define DSN_NOTIFY_BYTES_MAX 64  /* the longest that means something has 21 */
#define DSN_ENVID_BYTES_MAX 100  /* encoded; RFC 3461 section 4.4 */
#define DSN_ORCPT_BYTES_MAX 500  /* encoded, type included; RFC 3461 section 4.2 */
#define DSN_ORCPT_TYPE_BYTES_MAX 64

/* What NOTIFY asks for; 0: it was not given. NEVER stands alone. */
#define DSN_NOTIFY_NEVER 1u
#define DSN_NOTIFY_SUCCESS 2u
#define DSN_NOTIFY_FAILURE 4u
#define DSN_NOTIFY_DELAY 8u

enum dsn_ret {
	DSN_RET_UNSET,
	DSN_RET_FULL,
	DSN_RET_HEADERS
};

enum dsn_param_error {
	DSN_PARAM_OK,
	DSN_PARAM_EMPTY,          /* no value, or an empty item */
	DSN_PARAM_TOO_LONG,
	DSN_PARAM_KEYWORD,        /* a word that NOTIFY or RET does not know */
	DSN_PARAM_REPEATED,       /* a NOTIFY word twice */
	DSN_PARAM_NEVER_ALONE,    /* NEVER beside other words */
	DSN_PARAM_XTEXT,          /* not xtext, or it hides what may not stand in a report */
	DSN_PARAM_ADDRESS_TYPE,   /* ORCPT without "type;" or with an impossible one */
	DSN_PARAM_NEEDS_SMTPUTF8  /* characters beyond ASCII without SMTPUTF8 at MAIL */
};

/* "SUCCESS,FAILURE" in any letter case; notify_out gets DSN_NOTIFY_ flags. */
enum dsn_param_error dsn_notify_parse(struct span value, uint8_t *notify_out);

/* "FULL" or "HDRS" in any letter case. */
enum dsn_param_error dsn_ret_parse(struct span value, enum dsn_ret *ret_out);

/* xtext whose decoded form is printable ASCII. The value itself is what to keep. */
enum dsn_param_error dsn_envid_check(struct span value);

struct dsn_orcpt {
	struct span type;    /* "rfc822", "utf-8" ... as written; points into the value */
	struct span address; /* still encoded; points into the value */
	bool utf8;           /* the type is utf-8 */
};

/* `smtputf8`: MAIL had SMTPUTF8, so that the address may hold UTF-8. */
enum dsn_param_error dsn_orcpt_parse(struct span value, bool smtputf8, struct dsn_orcpt *orcpt_out);

/*
 * Appends an ORCPT value that parsed in the form for the next hop: as it is, but
 * where `smtputf8` is false with \x{HEX} for characters beyond ASCII (RFC 6533
 * section 3). False when that is over DSN_ORCPT_BYTES_MAX: leave the parameter out.
 */
bool dsn_orcpt_pass_on(struct buf *out, struct span value, bool smtputf8);

/* Appends the words for NOTIFY, "NEVER" or "SUCCESS,DELAY"; nothing for 0. */
void dsn_notify_write(struct buf *out, uint8_t notify);

/* Appends `text` as xtext (RFC 3461 section 4): any bytes in, printable ASCII out. */
void dsn_xtext_write(struct buf *out, struct span text);

/* Appends what the xtext stands for; false when it is not xtext (something may have been appended). */
bool dsn_xtext_decode(struct buf *out, struct span xtext);

/* Appends a UTF-8 address as utf-8-addr-xtext (RFC 6533 section 3); ill-formed bytes become '?'. */
void dsn_utf8_xtext_write(struct buf *out, struct span address);

/* Appends the UTF-8 that utf-8-addr-xtext or -unitext stands for; false when it is neither. */
bool dsn_utf8_xtext_decode(struct buf *out, struct span encoded);

#endif
