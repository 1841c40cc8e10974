/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a check says, what all of them say together, and what services want done with the
 * message besides.
 */
#ifndef WAYBILL_POLICY_POLICY_VERDICT_H
#define WAYBILL_POLICY_POLICY_VERDICT_H

#include "conf_checks.h"
#include "policy_facts.h"
#include "reply.h"
#include "smtp_stage.h"

enum policy_opinion {
	POLICY_CONTINUE,
	POLICY_ACCEPT, /* as if it were trusted: only what holds for everybody is asked from here on */
	POLICY_REFUSE,
	POLICY_NEEDS,  /* cannot say without a fact; find it, or find that it cannot be found, and ask again */
	POLICY_SKIP,   /* does not concern this client, or there is nothing to look at; only in a trail with words */
	POLICY_UNASKED /* would be asked about a real client, and might refuse it; only in a dry run */
};

/* Why a client is excused. */
enum policy_basis {
	POLICY_BY_CLIENT,    /* for its address, which holds for the whole session */
	POLICY_BY_RECIPIENT, /* for this recipient's sake */
	POLICY_BY_WORD       /* for what anybody can write: a name in HELO, a sender */
};

/* A refusal for now that a service wants in case ... */
struct policy_deferral {
	bool wanted;
	uint32_t line;
	struct reply_said said;
};

struct policy_verdict {
	enum policy_opinion opinion;
	enum reply_key key;    /* of REFUSE and, as a whole, of ACCEPT; with moved_to of CONTINUE */
	enum policy_fact fact; /* of NEEDS: one that is not in input->facts.known */
	size_t service;        /* the same, of POLICY_FACT_SERVICE: which one */
	struct reply_said said; /* of REPLY_SERVICE_... and REPLY_CLIENT_LISTED...; belongs to the facts */
	struct policy_deferral if_permitted, if_refused; /* ... nobody refuses, or somebody does for good */
	enum policy_basis basis; /* of ACCEPT */
	bool for_recipient;    /* of CONTINUE: not asked for this recipient's sake */
	uint32_t seconds;
	struct span moved_to;  /* of REPLY_MAILBOX_MOVED and REPLY_RCPT_MOVED_OK; belongs to the directory */
	uint32_t line;         /* of the setting behind it; 0: a default */
	enum smtp_stage stage; /* at which it was given; all before were passed */
	const char *check;     /* which check decided; "" when none did */
};

/* One check that was asked. */
struct policy_step {
	enum conf_check check;
	struct policy_verdict verdict;
	uint32_t why_from, why_to; /* in context.why */
};

#define POLICY_STEPS_MAX (CONF_CHECK_COUNT * SMTP_STAGE_COUNT)

struct policy_trail {
	struct policy_verdict decided; /* what the checks say together; of a deferral instead of a refusal: the refusal */
	size_t decided_by;             /* the step that did; no step: `count` */
	uint8_t again;                 /* stages that are to be asked again with the next question, though passed: somebody
	                                * was excused for this one's sake, or a service waits for what others say of it */
	uint8_t counted;               /* stages that rates have counted */
	size_t count;
	struct policy_step steps[POLICY_STEPS_MAX];
};

#define POLICY_HEADERS_MAX 32

/* What is to be done with the message. Spans belong to the facts. */
struct policy_effects {
	bool discard, hold;
	struct span headers[POLICY_HEADERS_MAX]; /* fields to stand before it, in this order */
	size_t header_count;
};

#endif
