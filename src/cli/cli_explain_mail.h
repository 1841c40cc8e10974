/* SPDX-License-Identifier: Apache-2.0 */
/* The part of `waybill explain` that reads replies, bounces and logs. For cli_explain.c only. */
#ifndef WAYBILL_CLI_EXPLAIN_MAIL_H
#define WAYBILL_CLI_EXPLAIN_MAIL_H

#include "explain.h"

#define CLI_EXPLAIN_FILE_BYTES_MAX (1u << 20) /* of a file; the rest is not read */
#define CLI_EXPLAIN_REPLIES_MAX 64            /* reply lines of one text; further ones are passed over */
#define CLI_EXPLAIN_OUTPUT_BYTES_MAX (8u << 20)

/* One reply. */
void cli_explain_reply(struct buf *out, struct span reply, const struct explain_style *style);
void cli_explain_reply_json(struct buf *out, struct span reply);

/*
 * A bounce (each recipient's diagnostic), else each reply line in the text, else
 * the text as the words of one reply. False when there is nothing in it.
 */
bool cli_explain_text(struct buf *out, struct span text, const struct explain_style *style);
bool cli_explain_text_json(struct buf *out, struct span text);

/* Reads a file, or standard input for "-", up to the limit. 0 or a negative errno. */
int cli_explain_read(const char *path, struct buf *content);

#endif
