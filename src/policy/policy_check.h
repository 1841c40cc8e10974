/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shape of a check, for the files that are checks and for policy.c, which has the
 * table of them. To add one: its word in checks.order and its settings (src/conf), its
 * file here, its line in the table, and its replies in the catalogue.
 */
#ifndef WAYBILL_POLICY_POLICY_CHECK_H
#define WAYBILL_POLICY_POLICY_CHECK_H

#include "policy.h"

/* Looks at what is known at this stage. Changes nothing; the same question has the same answer. */
typedef struct policy_verdict policy_check_fn(const struct policy_context *context,
	const struct policy_input *input, enum smtp_stage stage);

/* Records what follows from `step`, in which this check was asked. `verdict` is the answer that the client
 * got in the end. */
typedef void policy_settle_fn(struct policy_state *state, const struct policy_context *context,
	const struct policy_input *input, const struct policy_step *step, const struct policy_verdict *verdict);

struct policy_check {
	const char *name;
	bool once;                /* looks at all that is known: is asked once for each question, at its first stage */
	uint8_t stages;           /* at which it may have something to say ... */
	uint8_t (*active)(const struct policy_context *context); /* ... and has, as configured; NULL: at all of them */
	uint8_t at_once;          /* at which it cannot wait for the first recipient */
	bool stage_alone;         /* whom it accepts, it excuses from what follows at the same stage only */
	bool everybody;           /* asks trusted and excused clients too */
	bool not_for_words;       /* asks also who was excused for a word alone (POLICY_BY_WORD) */
	bool trusted;             /* asks trusted clients, and nobody else */
	uint8_t facts;            /* what it may need to know, of POLICY_FACT ... */
	bool (*facts_wanted)(const struct conf_checks *checks); /* ... as configured; NULL: where it is active */
	policy_check_fn *ask;
	policy_settle_fn *settle; /* or NULL */
};

/* The opinions. `line` is of the setting that a refusal rests on; 0: none, or its default. */
static inline struct policy_verdict policy_pass(void)
{
	return (struct policy_verdict){ .opinion = POLICY_CONTINUE };
}

static inline struct policy_verdict policy_refuse(enum reply_key key, uint32_t line)
{
	return (struct policy_verdict){ .opinion = POLICY_REFUSE, .key = key, .line = line };
}

static inline struct policy_verdict policy_unasked(void)
{
	return (struct policy_verdict){ .opinion = POLICY_UNASKED };
}

static inline struct policy_verdict policy_needs(enum policy_fact fact)
{
	return (struct policy_verdict){ .opinion = POLICY_NEEDS, .fact = fact };
}

/* The same until `wait_us` have passed. */
static inline struct policy_verdict policy_defer(enum reply_key key, uint32_t line, uint64_t wait_us)
{
	return (struct policy_verdict){ .opinion = POLICY_REFUSE, .key = key, .line = line,
		.seconds = (uint32_t)((wait_us + 999999) / 1000000) };
}

/* Says in a few words what the check looked at, and what it saw; a clause without a full stop. Words
 * of a client are to be added with policy_because_quoted. */
void policy_because(const struct policy_context *context, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void policy_because_quoted(const struct policy_context *context, struct span text);
/* Why the directory cannot say it, if it told. */
void policy_because_directory(const struct policy_context *context);
void policy_because_network(const struct policy_context *context, const struct netblock *block);

/* "1 hour", "90 seconds". */
void policy_because_time(const struct policy_context *context, uint64_t us);

/* The entry, and where it stands. */
void policy_because_listed(const struct policy_context *context, const struct policy_entry *entry);

/* postmaster of this host, or of one of its domains: reached whatever happens (RFC 5321 section 4.5.1). */
bool policy_is_postmaster(const struct policy_input *input);

/* Names that RFC 6761 keeps from existing: localhost, invalid, and all below them. */
bool policy_never_exists(struct span name);

/* The checks, one file each. */
policy_check_fn check_allow;         /* named in a list: excused */
uint8_t active_allow(const struct policy_context *context);
policy_check_fn check_deny;          /* named in a list: 550 5.7.1, 554 5.7.1 */
uint8_t active_deny(const struct policy_context *context);
policy_check_fn check_early_talk;    /* listened before it spoke */
uint8_t active_early_talk(const struct policy_context *context);
policy_check_fn check_helo;          /* neither our name nor a bare address; known to the DNS */
uint8_t active_helo(const struct policy_context *context);
bool facts_of_helo(const struct conf_checks *checks);
policy_check_fn check_sender_domain; /* a bounce could be sent there */
policy_check_fn check_reverse_name; /* its address has a name that leads back: 550 5.7.25, 450 4.7.25 */
uint8_t active_reverse_name(const struct policy_context *context);
policy_check_fn check_dnslists;      /* not listed by DNS lists: 550 5.7.1, 450 4.7.1 */
uint8_t active_dnslists(const struct policy_context *context);
policy_check_fn check_rate;          /* not too much in a short time: 450 4.7.1 */
policy_settle_fn settle_rate;
uint8_t active_rate(const struct policy_context *context);
bool facts_of_sender_domain(const struct conf_checks *checks);
policy_check_fn check_relay;         /* only our domains: 550 5.7.1 */
policy_check_fn check_brake;         /* no sudden burst of those whom we trust: 450 4.7.1 */
policy_settle_fn settle_brake;
uint8_t active_brake(const struct policy_context *context);
/* Whether a client of this network learns nothing of recipients any more. */
bool policy_harvest_guards(const struct policy_context *context, const struct policy_input *input);
policy_check_fn check_harvest;       /* not too many unknown recipients: 450 4.7.1 */
policy_settle_fn settle_harvest;
policy_check_fn check_recipient;     /* somebody is there: 550 5.1.1 */
policy_check_fn check_greylist;      /* comes back: 450 4.7.1 */
policy_settle_fn settle_greylist;
uint8_t active_greylist(const struct policy_context *context);
policy_check_fn check_service;       /* other programs have nothing against it */
uint8_t active_service(const struct policy_context *context);
policy_check_fn check_mailbox;       /* it can take the message: 452 4.2.2 */

#endif
