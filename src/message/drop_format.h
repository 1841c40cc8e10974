/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A drop file: one message that a program on this machine hands to the queue by
 * putting a file into a folder. Whoever may write there writes what he likes, so
 * everything is bounded and checked; who he is stands in no field, only the file's
 * owner tells. Little endian:
 *
 *     0   8  "WBDROP1\n"
 *     8   4  bytes of the envelope, at most DROP_ENVELOPE_BYTES_MAX
 *    12   8  bytes of the content
 *    20   4  CRC-32C of the envelope
 *    24   4  CRC-32C of the content
 *    28   4  CRC-32C of bytes 0 to 27
 *    32      envelope: fields, each u16 type, u32 length, bytes
 *            content, up to the end of the file
 *
 * Fields: message id and sender once, RET and ENVID at most once, recipients from one on,
 * each with its NOTIFY and ORCPT after it if it has them (RFC 3461); others are malformed.
 * The content is lines that end in CRLF, without other CRs and LFs and without NULs.
 * The file's name is "new-" and the message id as text; while it is written, "tmp-".
 */
#ifndef WAYBILL_MESSAGE_DROP_FORMAT_H
#define WAYBILL_MESSAGE_DROP_FORMAT_H

#include "buf.h"
#include "content_facts.h"
#include "dsn_params.h"
#include "id128.h"

#define DROP_HEAD_BYTES 32
#define DROP_ENVELOPE_BYTES_MAX (1u << 20)
#define DROP_CONTENT_BYTES_MAX (1ull << 30)
#define DROP_RECIPIENTS_MAX 10000u
#define DROP_LINE_BYTES_MAX 65536u /* without CRLF */
#define DROP_NAME_BYTES (4 + ID128_TEXT_LEN)

struct drop_head {
	uint32_t envelope_bytes, envelope_crc;
	uint64_t content_bytes;
	uint32_t content_crc;
};

struct drop_envelope {
	struct id128 id;
	struct span sender;            /* empty: the null sender */
	const struct span *recipients; /* full mailboxes */
	const uint8_t *notify;         /* of each recipient: DSN_NOTIFY_ flags, 0: not given. May be NULL */
	const struct span *orcpts;     /* of each recipient: encoded; empty: not given. May be NULL */
	uint32_t recipient_count;
	enum dsn_ret ret;
	struct span envid;             /* encoded; empty: not given */
	bool utf8;                     /* some address is beyond ASCII; found by reading */
};

/* Where the reader puts what there is for each recipient: room for DROP_RECIPIENTS_MAX in each. */
struct drop_lists {
	struct span *recipients, *orcpts;
	uint8_t *notify;
};

/* Writes "new-" or "tmp-" and the id, with a NUL. */
void drop_name_write(const char *prefix, const struct id128 *id, char name_out[static DROP_NAME_BYTES + 1]);

/* The id in a name that begins with `prefix` (four characters) and is complete. */
bool drop_name_parse(struct span name, const char *prefix, struct id128 *id_out);

/* The values are not checked; the buffer's limit must allow for them. */
void drop_envelope_write(struct buf *out, const struct drop_envelope *envelope);

/* The head for an envelope and the CRC of a content. */
void drop_head_write(struct buf *out, struct span envelope, uint64_t content_bytes, uint32_t content_crc);

/* False: this cannot be the head of a file of `file_bytes`. */
bool drop_head_read(struct span bytes, uint64_t file_bytes, struct drop_head *head_out);

/*
 * Checks the envelope, its CRC, every address and every value of RFC 3461. The envelope
 * points into `lists`, their spans into `bytes`. NULL, or what is wrong.
 */
const char *drop_envelope_read(const struct drop_head *head, struct span bytes, const struct drop_lists *lists,
	struct drop_envelope *envelope_out);

/* Of a whole content: NULL, or what is wrong. An empty content is right. */
const char *drop_content_problem(const struct content_facts *facts);

#endif
