/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reply parser of the client side: a pure machine that takes bytes in pieces
 * of any size and ends at the LF of a reply's last line (RFC 5321 section 4.2,
 * enhanced codes of RFC 2034 and 3463). A bare LF ends a line as well; a line
 * without text is accepted. Everything else that is no reply is a protocol error:
 * no code, a code outside 200 to 599, another code in a later line, a NUL, a line
 * or a reply over its limit. Text outside ASCII is kept as it is.
 */
#ifndef WAYBILL_SMTP_SMTP_REPLY_H
#define WAYBILL_SMTP_SMTP_REPLY_H

#include "buf.h"

#define SMTP_REPLY_LINE_BYTES_MAX 2048 /* with its line end */
#define SMTP_REPLY_LINES_MAX 200
#define SMTP_REPLY_TEXT_BYTES_MAX 4096 /* kept; what is longer is cut and `truncated` is set */

struct smtp_reply {
	uint16_t code;        /* 200 to 599; 0: there was no reply */
	uint16_t enhanced[3]; /* as written, even where it disagrees with the code; [0] is 0 when there is none */
	bool truncated;
	struct span text;     /* without the codes of three digits, lines separated by LF; borrowed */
};

enum smtp_reply_scan {
	SMTP_REPLY_MORE, /* all was taken and the reply is not complete */
	SMTP_REPLY_DONE, /* one reply is complete; the bytes behind it were not taken */
	SMTP_REPLY_BAD   /* a protocol error; stays so until the parser is cleared */
};

struct smtp_reply_parser {
	struct buf text;
	uint16_t code;
	uint16_t lines;
	uint32_t line_bytes; /* of the line that is being read */
	uint8_t digits[4];   /* its code and the byte behind it */
	bool bad;
	bool done;
	bool truncated;
};

void smtp_reply_parser_init(struct smtp_reply_parser *p);
void smtp_reply_parser_fini(struct smtp_reply_parser *p);

/* Forgets everything, the memory of the text included. */
void smtp_reply_parser_clear(struct smtp_reply_parser *p);

/* A call after DONE begins the next reply and ends the last one's spans. */
enum smtp_reply_scan smtp_reply_feed(struct smtp_reply_parser *p, struct span bytes, size_t *taken_out);

/* The reply that was DONE; the span is valid until the next feed, clear or fini. */
void smtp_reply_get(const struct smtp_reply_parser *p, struct smtp_reply *reply_out);

/* Some bytes of an unfinished reply were taken. */
bool smtp_reply_partial(const struct smtp_reply_parser *p);

/* "x.y.z" at the start of `text`, then a space or the end (RFC 3463 section 2). */
bool smtp_reply_enhanced(struct span text, uint16_t enhanced_out[static 3]);

#endif
