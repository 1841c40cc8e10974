/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sender rewriting (SRS): mail that is forwarded leaves under a sender of our own domain,
 * so that SPF holds, and a bounce to that sender finds its way back. The address carries
 * everything that is needed for that, so nothing is stored:
 *
 *     bob@far.example           SRS0=HASH=DAY=far.example=bob@ours
 *     SRS0=...@first.example    SRS1=HASH=first.example==...@ours
 *     SRS1=...=first.example==...@second.example    SRS1=HASH=first.example==...@ours
 *
 * HASH is 30 bits of SipHash over the rest under a secret, DAY the day of writing modulo
 * 1024, both in letters and digits of base32. Behind SRS0 and SRS1 "=", "+" and "-" are
 * understood. Letter case does not count, because servers on the way change it. An SRS1
 * has no day: it leads to an SRS0 of its first domain, which has one.
 *
 * Local parts come in and go out without quotes. Nothing here knows the time or a file.
 */
#ifndef WAYBILL_MESSAGE_SRS_H
#define WAYBILL_MESSAGE_SRS_H

#include "buf.h"

#define SRS_SECRETS_MAX 8
#define SRS_SECRET_BYTES_MIN 16
#define SRS_VALID_DAYS_MAX 365

struct srs_key {
	uint64_t key[2];
};

struct srs_rules {
	struct span domain;         /* ours, to which bounces come; lower-case A-labels */
	uint32_t valid_days;        /* how long an address is good, at most SRS_VALID_DAYS_MAX */
	struct srs_key keys[SRS_SECRETS_MAX];
	size_t key_count;           /* the first one signs, all are believed; 0: none is known now */
};

void srs_key_make(struct span secret, struct srs_key *key_out);

/* The keys of a file's secrets, one a line. Those that are too short are left out, the first one's line is in
 * *short_line_out then, else 0; and those that are too many, which makes it false. */
bool srs_keys_read(struct span text, struct srs_rules *rules, uint32_t *short_line_out);

/* Whether the local part claims to be one of these addresses, true or not. */
bool srs_is_address(struct span local);

/*
 * Appends the local part, at our domain, for a sender `local`@`domain` (lower-case A-labels). False, with nothing
 * appended, when it would be longer than an address may be; needs a key.
 */
bool srs_write(const struct srs_rules *rules, struct span local, struct span domain, uint64_t day, struct buf *out);

enum srs_verdict {
	SRS_GOOD,
	SRS_EXPIRED, /* was good once; the address is in the result */
	SRS_FORGED,  /* nobody here wrote it, or it was cut or changed */
};

/* Where a bounce to this local part goes. */
struct srs_origin {
	uint8_t mark;        /* '=', '+' or '-' of an SRS0 at the first domain; 0: of the sender itself */
	struct span local;   /* behind "SRS0" and the mark, or the whole; points into the text that was read */
	struct span domain;  /* the same; any letter case */
};

enum srs_verdict srs_read(const struct srs_rules *rules, struct span local, uint64_t day,
	struct srs_origin *origin_out);

/* Appends the local part of an origin, without quotes. */
void srs_origin_write(const struct srs_origin *origin, struct buf *out);

#endif
