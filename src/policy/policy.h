/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may enter: an ordered list of checks, and where mail goes. A check is a small
 * file with one function, and all of them have one shape (policy_check.h). It refuses
 * with a catalogue key, excuses the client from the other checks, or has no opinion, and
 * the next one is asked. The order is the configuration's (checks.order).
 *
 * Asking changes nothing and does no I/O: what a check needs to know stands in the
 * context and the input. What the answer means for later ones (a budget is smaller, a
 * counter larger) is recorded by policy_settle; without it the same question was a dry
 * run. VRFY and EXPN of strangers never come this far (src/smtp/verb_vrfy.c).
 */
#ifndef WAYBILL_POLICY_POLICY_H
#define WAYBILL_POLICY_POLICY_H

#include "address.h"
#include "conf_checks.h"
#include "delegate.h"
#include "directory_expand.h"
#include "policy_facts.h"
#include "policy_list.h"
#include "policy_route.h"
#include "policy_state.h"
#include "policy_verdict.h"

struct policy_context {
	struct span hostname;
	const struct conf_checks *checks;
	const struct directory_view *directory; /* NULL: not read yet, or not readable */
	struct policy_routes relays;             /* domains of ours that are kept elsewhere */
	struct policy_routes routes;             /* for all others */
	/* Domains whose files could not be read: nobody there is "unknown". */
	const struct span *unavailable_domains;
	size_t unavailable_count;
	struct directory_limits expansion;
	const struct srs_rules *srs;             /* of forwarded mail's senders; NULL: they stay as they are */
	const struct policy_list *allow, *deny;  /* NULL: empty */
	const struct policy_list *exempt;        /* recipients that are not greylisted; the same */
	const struct policy_state *state;        /* NULL: nothing is remembered, as after a start */
	uint64_t now_us, now_ms;                 /* of any clock that never goes back; since 1970, and should not */
	struct buf *why;                         /* what each check looked at, in words; NULL: not wanted */
};

/* What a client is and asks for. What does not come before `at` is empty. */
struct policy_input {
	enum smtp_stage at;    /* the session has come to this stage ... */
	uint8_t stages;        /* ... and these were not asked yet, or not passed for good; the earliest first */
	uint8_t counted;       /* those of them that rates have counted */
	struct netaddr client; /* family 0: a program of this host, by a UNIX socket */
	struct netaddr server; /* the address that it connected to; family 0: not known */
	bool trusted;
	struct span account;   /* that it has authenticated as, or empty */
	bool encrypted, lmtp;  /* LMTP: a server of ours that hands over: it has met the stranger, not we */
	bool talked_first;     /* before it was greeted */
	bool dry;              /* nobody is to notice that it is asked about ... */
	bool alone;            /* ... and no server runs that could find a fact: who needs one is not asked */
	struct span helo;
	struct span sender;    /* empty for <> */
	struct span recipient; /* as the client wrote it */
	uint64_t size;         /* declared bytes, 0: not declared */
	uint64_t bytes;        /* at END: of the content */
	struct span recipients; /* at END: of the message, one after another by wire_put_span */
	/* What only services are told. */
	bool extended;         /* greeted with EHLO */
	struct span instance;  /* the same for all that is asked about one message */
	uint16_t client_port, server_port;
	uint32_t recipient_count; /* accepted so far */
	struct span only_recipient; /* at END: if there is one alone; what checks look at is in `recipient` */
	struct policy_facts facts; /* as far as they were looked for */
	/* Filled by policy_ask before the checks run; spans into `domain_text`. */
	struct directory_address address;
	uint8_t domain_text[ADDRESS_DOMAIN_BYTES_MAX];
	bool address_ok;
};

/*
 * Asks the checks of every stage in input->stages; the first refusal decides, what none
 * refuses is accepted. The trail lists who was asked, the one that decided last. With
 * POLICY_NEEDS nothing is decided yet.
 */
struct policy_verdict policy_ask(const struct policy_context *context, struct policy_input *input,
	struct policy_trail *trail);

/*
 * The same about a client that is not there, as its session would ask: at each stage of
 * policy_stages_at_once with what is known by then, about all others at the recipient. The
 * first question that is refused decides, and the verdict's key is what it is told there. The
 * trail has the steps of all of them. input->at is SMTP_AT_RCPT, and input->stages are all up to it.
 */
struct policy_verdict policy_ask_dry(const struct policy_context *context, struct policy_input *input,
	struct policy_trail *trail);

/* Whether a check is in the order and has something to say as configured. */
bool policy_check_active(const struct conf_checks *checks, enum conf_check check);

/* Whether this kind of action has an effect at this stage. */
bool policy_service_does(enum smtp_stage stage, enum delegate_kind kind);

/* What services want done, at the stages that were passed. */
void policy_effects(const struct policy_context *context, const struct policy_input *input,
	const struct policy_trail *trail, struct policy_effects *effects_out);

/* Records what follows from an answer that was given to a client. */
void policy_settle(struct policy_state *state, const struct policy_context *context,
	const struct policy_input *input, const struct policy_trail *trail);

/* The stages at which sessions of strangers have to ask as soon as they come to them; at all others
 * the question may travel with the next one. RCPT is not among them: there one asks always. */
uint8_t policy_stages_at_once(const struct policy_context *context);

/* Whether a message may not be taken when nobody can be asked at its end: a service has to see it. */
bool policy_end_is_needed(const struct policy_context *context);

/* At which stages the check is asked, as configured, whatever the order says. */
uint8_t policy_check_stages(const struct policy_context *context, enum conf_check check);

/* Whether it is asked about trusted clients too. */
bool policy_check_is_for_everybody(enum conf_check check);

/* The name of a check, as in checks.order. */
const char *policy_check_name(enum conf_check check);

/*
 * Where mail for a recipient ends up that is an alias of one target, of which directory_lookup says `match`. In a
 * domain with a catch-all no source is asked for it: the time would tell which names are aliases.
 */
struct directory_end policy_end_find(const struct policy_context *context, struct directory_address address,
	const struct directory_match *match);

/* What mail for a mailbox of this state is told. */
enum reply_key policy_closed_key(enum directory_state state);
/*
 * VRFY (expand false) and EXPN for a trusted client: `verified` and the mailboxes
 * appended as a list of spans to `mailboxes` (each with a u32 length), or the refusal.
 */
enum reply_key policy_verify(const struct policy_context *context, struct span argument, bool expand,
	struct buf *mailboxes);

/* Makes local part and lower-case ASCII domain of an address as it was written; false when it has none.
 * The domain is written to `domain_text`. */
bool policy_address(struct span text, uint8_t domain_text[static ADDRESS_DOMAIN_BYTES_MAX],
	struct directory_address *address_out);

/* Does anybody get the mail of this server's postmaster, as the files have it? */
enum policy_postmaster { POLICY_POSTMASTER_NOT_KNOWN, POLICY_POSTMASTER_SOMEBODY, POLICY_POSTMASTER_NOBODY };
enum policy_postmaster policy_postmaster(const struct policy_context *context);

bool policy_domain_unavailable(const struct policy_context *context, struct span domain);

#endif
