/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The grammar of SMTP command lines (RFC 5321 section 4.1.1, 4.1.2): finding a
 * line, splitting verb from arguments, the keyword before a path, and ESMTP
 * parameters. Knows no verb's meaning and no state. Spans point into the line.
 */
#ifndef WAYBILL_SMTP_SMTP_COMMAND_H
#define WAYBILL_SMTP_SMTP_COMMAND_H

#include "span.h"

enum smtp_scan {
	SMTP_DONE, /* a line that ends in CRLF */
	SMTP_MORE, /* no LF yet */
	SMTP_BAD   /* an LF without a CR before it: never a line end */
};

/* Looks for the first LF; len_out is the length up to and with it, or all of `in` for MORE. */
enum smtp_scan smtp_line_scan(struct span in, size_t *len_out);

struct smtp_command {
	struct span verb;     /* up to the first space; may be empty */
	struct span argument; /* the rest, without spaces around it */
};

/* `line` without its CRLF. */
struct smtp_command smtp_command_split(struct span line);

/* No control characters, and what is not ASCII is valid UTF-8. */
bool smtp_text_clean(struct span text);

/* The name in HELO or EHLO: one word of ASCII, without the specials of a header. */
bool smtp_helo_acceptable(struct span name);

/*
 * Takes `keyword` ("FROM:", any case) off the front of `rest`, and spaces after
 * it, which RFC 5321 does not allow and many clients send.
 */
bool smtp_keyword_take(struct span *rest, struct span keyword);

struct smtp_param {
	struct span keyword;
	struct span value;  /* empty when there is no '=' */
	bool has_value;
};

enum smtp_param_scan {
	SMTP_PARAM_FOUND,
	SMTP_PARAM_END,
	SMTP_PARAM_BAD
};

/* The next of " keyword[=value]" (esmtp-param); what was read is taken off `rest`. */
enum smtp_param_scan smtp_param_next(struct span *rest, struct smtp_param *param_out);

#endif
