/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding facts that checks need (policy_facts.h): each is looked for once for all who
 * want it at the same time, within a deadline, and kept for a moment where that is sound,
 * because a message has several recipients. Private to this folder. facts.c is the same
 * for all of them; facts_spf.c, facts_domain.c, facts_reverse.c,
 * facts_dnslists.c and facts_mailbox.c find one each. To add one: its place in
 * policy_facts.h, and its row in the table of facts.c.
 *
 * What cannot be found in time, or because too many are looked for already, is known as
 * not found: no question ever waits longer than the deadline for each of its facts, nor
 * longer than it has patience itself. When that ends it goes on with what has come, and the
 * fact is looked for as before: whoever has little patience left spoils nothing for others.
 */
#ifndef WAYBILL_ROLES_POLICY_FACTS_H
#define WAYBILL_ROLES_POLICY_FACTS_H

#include "dns.h"
#include "map.h"
#include "policy.h"
#include "role.h"

#define FACTS_SPF_PATIENCE_MS 5000
#define FACTS_DOMAIN_PATIENCE_MS 5000
#define FACTS_REVERSE_PATIENCE_MS 5000
#define FACTS_DNSLISTS_PATIENCE_MS 5000
#define FACTS_MAILBOX_PATIENCE_MS 2000
#define FACTS_KEPT_MAX 5000 /* of each */
#define FACTS_KEY_BYTES_MAX 1024
#define FACTS_TEXT_BYTES_MAX 8192

struct policy_role;

struct facts {
	struct policy_role *owner;
	struct dns *dns;           /* NULL: the DNS is not asked, and nothing is found there */
	struct map map;
	uint64_t hash_key[2];
	struct facts_of {
		struct list asking, kept; /* struct fact, the one that began or was found first in front */
		size_t asking_count, kept_count;
		uint64_t late;            /* were not found in time, since that was said */
	} of[POLICY_FACT_COUNT];
	struct list waiting;       /* struct facts_wait */
	struct timer *timer;
	bool sweeping;             /* the timer is set */
	uint64_t said_late_ms, said_list_ms;
	unsigned mailboxes_asked;  /* by operators, and delivery looks */
};

/* What waits for a fact. */
struct facts_wait {
	struct list link, place;   /* list_init before they are used */
	uint64_t until_ms;         /* no longer than this, of the loop's clock */
	struct fact *fact;         /* that it waits for */
	void (*fn)(void *arg);
	void *arg;
	struct policy_facts *into; /* gets the fact ... */
	struct arena *text;        /* ... and what it points to */
};

void facts_init(struct facts *facts, struct policy_role *owner, struct dns *dns);

/* Finds the fact for this input. True: it is there already; else wait->fn is called once, later. */
bool facts_find(struct facts *facts, enum policy_fact fact, const struct policy_context *context,
	const struct policy_input *input, struct facts_wait *wait);

/* The fact as one that could not be found. */
void facts_not_found(enum policy_fact fact, struct policy_facts *into);

/* --- for the ways of finding --- */

struct fact {
	struct map_link link;
	struct list order;         /* in asking or kept */
	struct list waits;
	struct facts *facts;
	enum policy_fact which;
	bool answered;             /* `known` stands */
	bool working;              /* its way of finding will call fact_idle */
	bool filed;                /* in the map and a list of facts->of[which] */
	uint64_t until_ms;         /* the deadline; then when it is forgotten */
	struct policy_facts known; /* this one */
	struct arena text;
	void *work;                /* of the way of finding */
	struct policy_input input; /* what the fact depends on, in `text` */
	size_t key_bytes;
	uint8_t key[];
};

/* Found. What `known` points to is copied. */
void fact_answer(struct fact *fact, const struct policy_facts *known);
/* The same; with a wait, what has come until now, for that one alone. */
void fact_say(struct fact *fact, struct facts_wait *wait, const struct policy_facts *known);
/* The way of finding has nothing open any more; the fact may be gone afterwards. */
void fact_idle(struct fact *fact);

/* facts_spf.c, facts_domain.c, facts_reverse.c, facts_dnslists.c, facts_mailbox.c. Begin; may answer at once. Set
 * `working` while something is open. */
void fact_spf_begin(struct fact *fact, const struct policy_context *context);
void fact_domain_begin(struct fact *fact, const struct policy_context *context);
void fact_reverse_begin(struct fact *fact, const struct policy_context *context);
void fact_dnslists_begin(struct fact *fact, const struct policy_context *context);
void fact_mailbox_begin(struct fact *fact, const struct policy_context *context);
/* Say (fact_say) what has come until now. */
void fact_reverse_late(struct fact *fact, struct facts_wait *wait);
void fact_dnslists_late(struct fact *fact, struct facts_wait *wait);
/* Nobody needs the answer any more: gives back what can be given back now. */
void fact_spf_drop(struct fact *fact);

struct channel_message;
struct peer;

/* mailbox_asked.c: what operators want to know of a mailbox goes on to delivery, as policy's own questions do. */
bool mailbox_asked(struct peer *peer, const struct channel_message *message);

#endif
