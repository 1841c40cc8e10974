/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing a part's body as quoted-printable or base64 (RFC 2045 sections 6.7 and
 * 6.8), in pieces of any size; the output does not depend on the pieces. Lines
 * are at most 76 characters and none begins with a hyphen, so that nothing that
 * is written can be taken for a boundary. Also repairs bodies that claim to be
 * quoted-printable or base64 and have lines or bytes that cannot pass: what they
 * decode to stays the same.
 */
#ifndef WAYBILL_MESSAGE_TRANSFER_ENCODE_H
#define WAYBILL_MESSAGE_TRANSFER_ENCODE_H

#include "buf.h"

enum transfer_coding {
	TRANSFER_QP,
	TRANSFER_BASE64,
	TRANSFER_QP_REPAIR,     /* the input is quoted-printable: '=' stays what it is */
	TRANSFER_BASE64_REPAIR  /* the input is base64: its characters in lines of 76, all else dropped */
};

struct transfer_encoder {
	enum transfer_coding coding;
	uint8_t column;
	uint8_t held_len;
	uint8_t held[3];     /* octets that wait for a group of three, or white space that may end a line */
	uint8_t raw;         /* characters of an escape =XX that still pass as they are */
};

void transfer_encoder_init(struct transfer_encoder *e, enum transfer_coding coding);

/* Bytes inside a line; a bare CR or LF among them is data. */
void transfer_encode(struct transfer_encoder *e, struct span bytes, struct buf *out);

/* A CRLF of the body. */
void transfer_encode_line_end(struct transfer_encoder *e, struct buf *out);

/* The end of the body: no line end is written. */
void transfer_encode_finish(struct transfer_encoder *e, struct buf *out);

#endif
