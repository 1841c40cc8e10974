/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Understands replies of foreign servers: why, temporary or permanent in truth,
 * whose concern, how long to wait. The rules are compiled in from
 * catalogue/classify.toml: the first rule in its order whose conditions and words
 * fit decides; without one the enhanced code (RFC 3463), then the basic code.
 * Pure: no clock, no memory, time proportional to the text. What the caller does
 * with an answer is its own matter.
 */
#ifndef WAYBILL_REPLY_CLASSIFY_H
#define WAYBILL_REPLY_CLASSIFY_H

#include "classify_reasons.h"
#include "span.h"

#define CLASSIFY_TEXT_BYTES_MAX 8192  /* what stands behind is not read; `truncated` says so */
#define CLASSIFY_DELAY_S_MAX 604800   /* a longer delay, or one of no time, is not believed */

/* Where in the conversation the reply came. */
enum classify_stage {
	CLASSIFY_STAGE_UNKNOWN,
	CLASSIFY_STAGE_CONNECT, /* no SMTP yet: text of our own system, such as "Connection refused" */
	CLASSIFY_STAGE_GREETING,
	CLASSIFY_STAGE_EHLO,
	CLASSIFY_STAGE_AUTH,    /* STARTTLS too */
	CLASSIFY_STAGE_MAIL,
	CLASSIFY_STAGE_RCPT,
	CLASSIFY_STAGE_DATA,
	CLASSIFY_STAGE_END_OF_DATA,
	CLASSIFY_STAGE_COUNT
};

enum classify_concern {
	CLASSIFY_CONCERN_RECIPIENT, /* this one mailbox */
	CLASSIFY_CONCERN_SENDER,    /* the sender's address or domain */
	CLASSIFY_CONCERN_REMOTE,    /* their system */
	CLASSIFY_CONCERN_OURS,      /* our system or its reputation with theirs */
	CLASSIFY_CONCERN_MESSAGE,
	CLASSIFY_CONCERN_NETWORK,
	CLASSIFY_CONCERN_COUNT
};

enum classify_basis {
	CLASSIFY_BY_RULE,
	CLASSIFY_BY_ENHANCED,
	CLASSIFY_BY_CODE,
	CLASSIFY_BY_NOTHING, /* neither words nor codes are known; the reason is REASON_UNKNOWN */
};

/* Checks of a sender's authenticity that a refusal names; a set of bits. */
enum classify_check { CLASSIFY_SPF = 1, CLASSIFY_DKIM = 2, CLASSIFY_DMARC = 4, CLASSIFY_ARC = 8 };

struct classify_input {
	unsigned code;           /* 0 when unknown */
	struct span enhanced;    /* "5.1.1"; empty: one inside the text is taken */
	struct span text;        /* any lines; codes at their beginnings are passed over */
	enum classify_stage stage;
	uint64_t now_ms;         /* since 1970, for a reply that names a date; 0: a date names no delay */
};

/* Spans point into the input's text. */
struct classify_answer {
	enum classify_reason reason;
	enum classify_concern concern;
	enum classify_basis basis;
	const char *rule;         /* its name; "" unless CLASSIFY_BY_RULE */
	struct span words;        /* what the rule matched, else the code; may be empty */
	bool temporary;           /* a later attempt may work, whatever the code says */
	bool doubtful;            /* temporary by its code alone: several attempts, not days of them */
	bool contradicts;         /* `temporary` is not what the basic code says */
	bool vague;               /* the rule's words say little; false unless CLASSIFY_BY_RULE */
	bool truncated;           /* the text was longer than CLASSIFY_TEXT_BYTES_MAX */
	uint32_t delay_s;         /* 0: none was named */
	struct span delay_words;  /* "in 300 seconds" */
	struct span list;         /* of REASON_BLOCKLISTED: "zen.spamhaus.org"; may be empty */
	unsigned checks;          /* of REASON_AUTH_FAILURE: bits of enum classify_check */
	unsigned code;            /* as given, or found in the text */
	struct span enhanced;     /* as given, or found in the text */
};

/* What is said about a reason, from the catalogue. */
struct classify_reason_info {
	const char *name;     /* "greylisted" */
	const char *sentence; /* "the other server asks you to prove that you come back" */
	const char *advice;   /* what to do; a sentence or two */
	const char *retry;    /* what Waybill does about it while it is temporary; a sentence */
	const char *passing, *lasting; /* as an enhanced code: "4.1.1", "5.1.1"; or both empty */
};

void classify_reply(const struct classify_input *input, struct classify_answer *answer_out);

/*
 * A reply as it came, "450-4.2.0 first line\r\n450 4.2.0 last line", or words about
 * one: takes code and enhanced code from its beginning, else from behind a colon or
 * a line's end, and the stage from what Postfix and Exim say around a reply ("host
 * a.test said: 450 4.2.0 ... (in reply to RCPT TO command)"), which is no part of
 * the text then. Never fails; what is not there stays 0, empty and unknown.
 */
void classify_input_parse(struct span reply, struct classify_input *input_out);

const struct classify_reason_info *classify_reason_info(enum classify_reason reason);

/* False when there is no such reason. */
bool classify_reason_find(struct span name, enum classify_reason *reason_out);

/* "remote system", for people and as a name in JSON with its hyphen: "remote-system". */
const char *classify_concern_name(enum classify_concern concern);

/* "spf", "dkim" ...: the name of the lowest bit of `checks`; NULL for 0. */
const char *classify_check_name(unsigned checks);

#endif
