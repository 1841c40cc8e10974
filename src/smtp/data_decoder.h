/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns the octets of DATA or BDAT into message content: takes the transparency
 * dots out, finds the end of the data, and looks for what a message must not
 * have. Only CRLF.CRLF ends the data (RFC 5321 section 4.1.1.4); a bare CR or
 * LF never begins a line, so it can neither end the data nor take a dot away.
 * Repairing turns a bare LF, and a run of CRs with or without its LF, into CRLF.
 * With BODY=BINARYMIME nothing is looked for and nothing changed (RFC 3030 section 3).
 */
#ifndef WAYBILL_SMTP_DATA_DECODER_H
#define WAYBILL_SMTP_DATA_DECODER_H

#include "buf.h"
#include "span.h"

enum data_found {
	DATA_BARE_NEWLINE = 1, /* also set when it was repaired */
	DATA_NUL = 2,
	DATA_LINE_TOO_LONG = 4,
	DATA_8BIT = 8
};

struct data_decoder {
	uint32_t line_bytes;     /* of the current line so far */
	uint32_t line_bytes_max; /* with the CRLF */
	uint8_t state;
	uint8_t found;           /* enum data_found bits */
	bool dots;               /* DATA: transparency dots and an end; BDAT: neither */
	bool repair;
	bool binary;             /* every octet is data; set after data_decoder_init, with neither of the two */
};

/* Output is at most this many bytes more than the input (twice the input when repairing). */
#define DATA_DECODER_HELD_MAX 4

void data_decoder_init(struct data_decoder *d, uint32_t line_bytes_max, bool dots, bool repair);

/*
 * Takes all of `in`, or less when the data ends inside it (ended_out). Content is
 * appended to `out`; with NULL it is dropped. Returns how much was taken.
 */
size_t data_decode(struct data_decoder *d, struct span in, struct buf *out, bool *ended_out);

/* The end of the last BDAT chunk: settles a CR at the end and completes the last line. */
void data_decoder_finish(struct data_decoder *d, struct buf *out);

#endif
