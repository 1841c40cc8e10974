/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is told what happened to a message: the sender, the postmaster or nobody
 * (RFC 3461 sections 4.1 and 5.2, RFC 3464 section 2, RFC 5321 section 6.1). Pure
 * rules over flags and times; texts and messages are dsn_write's. A message that
 * was refused in SMTP has no report: the client still has it.
 */
#ifndef WAYBILL_MESSAGE_DSN_POLICY_H
#define WAYBILL_MESSAGE_DSN_POLICY_H

#include "dsn.h"

#define DSN_DELAY_NOTICES_MAX 4

struct dsn_policy {
	uint8_t notify_default;                       /* where NOTIFY was not given: DSN_NOTIFY_FAILURE and _DELAY */
	bool double_bounces;                          /* failures of messages from <> go to the postmaster */
	bool failure_copies;                          /* the postmaster gets a copy of every failure */
	uint64_t delay_after_ms[DSN_DELAY_NOTICES_MAX]; /* after arrival, growing */
	size_t delay_count;
};

/* Failure and delay by default, double bounces on, copies off, delay notices after 4 hours and after 1 day. */
extern const struct dsn_policy dsn_policy_default;

struct dsn_message_facts {
	bool null_sender;      /* MAIL FROM:<> */
	bool to_postmaster;    /* it is itself our report to the postmaster: its failure is only logged */
};

/* What happened to one recipient, and what its RCPT asked for. */
struct dsn_event {
	enum dsn_action action;
	uint8_t notify;        /* DSN_NOTIFY_ flags, 0: not given */
};

struct dsn_events {
	const struct dsn_event *list;
	size_t count;
};

enum dsn_reader {
	DSN_READER_SENDER,
	DSN_READER_POSTMASTER
};

/* Whether this event is reported to `reader`. Both may be. */
bool dsn_policy_due(const struct dsn_policy *policy, const struct dsn_message_facts *message,
	const struct dsn_event *event, enum dsn_reader reader);

/*
 * Collects the events of one message that are reported to `reader`: their indexes,
 * in order, into picked_out (room for `count`). Returns how many: one report tells
 * them all, none is due for 0.
 */
size_t dsn_policy_pick(const struct dsn_policy *policy, const struct dsn_message_facts *message,
	struct dsn_events events, enum dsn_reader reader, size_t *picked_out);

/*
 * When the next delay notice falls due after `told` of them; UINT64_MAX: never.
 * One notice tells of all that passed: dsn_delay_told gives the new count.
 */
uint64_t dsn_delay_next_ms(const struct dsn_policy *policy, uint64_t arrival_ms, size_t told);
size_t dsn_delay_told(const struct dsn_policy *policy, uint64_t arrival_ms, uint64_t now_ms);

/*
 * What the members of an alias inherit (RFC 3461 section 5.2.7): all of it when
 * there is one member; with more, not SUCCESS, which the expansion itself answers.
 * NEVER stays.
 */
uint8_t dsn_notify_after_expansion(uint8_t notify, size_t members);

#endif
