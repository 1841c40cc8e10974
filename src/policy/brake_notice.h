/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The brake (brake.h) in words: how it calls those whom it watches, and what is said when
 * it holds somebody back, the message to the postmaster and the reason that held mail
 * shows. Sends nothing.
 */
#ifndef WAYBILL_POLICY_BRAKE_NOTICE_H
#define WAYBILL_POLICY_BRAKE_NOTICE_H

#include "brake.h"
#include "buf.h"
#include "conf_checks.h"

/* How those are called whom the brake watches: "192.0.2.7", "2001:db8::/64", "account:NAME". */
#define BRAKE_ACCOUNT "account:"
void brake_who_host(struct buf *who, const struct netaddr *client);
void brake_who_account(struct buf *who, struct span account);

/* As configured. */
struct brake_rule brake_rule_of(const struct conf_checks *checks);

struct brake_notice {
	struct span hostname;
	struct span id;          /* of this message, as text */
	struct span who;         /* as brakes call it */
	struct brake_hold hold;
	uint64_t now_ms, until_ms; /* since 1970; the hold begins now */
	uint32_t line;           /* of the configuration that says how many are too many; 0: its default */
};

/* Appends a whole message with CRLF line ends, all of it ASCII. */
void brake_notice_write(struct buf *out, const struct brake_notice *notice);

/* "192.0.2.7, 500 recipients within an hour". */
void brake_reason_write(struct buf *out, struct span who, const struct brake_hold *hold);

#endif
