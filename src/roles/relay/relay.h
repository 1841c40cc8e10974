/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The relay role: speaks SMTP and LMTP to other servers. One event loop; it holds no
 * files but the message that it is given. Private to this folder: relay_role.c
 * (configuration, questions), hops.c (from a next hop's name to addresses), job.c (one
 * message for one destination), link.c (one connection), taken.c (what was delivered lately).
 */
#ifndef WAYBILL_ROLES_RELAY_H
#define WAYBILL_ROLES_RELAY_H

#include "dns.h"
#include "map.h"
#include "role.h"
#include "smtp_client.h"

#define RELAY_JOBS_MAX 12000        /* more than relay-connections allows; and */
#define RELAY_JOBS_BYTES_MAX (512u << 20) /* of memory for them: beyond, the queue is not read */
#define RELAY_HOPS_MAX 16           /* next hops of one question: as many as a route may have */
#define RELAY_CANDIDATES_MAX 24     /* addresses of one next hop that are tried */
#define RELAY_OWN_MAX 64
#define RELAY_IDLE_MS 5000          /* how long a connection waits for another message */
#define RELAY_IDLE_MAX 500
#define RELAY_REUSE_MAX 100         /* messages in one connection */
#define RELAY_RECIPIENTS_MAX 1000
#define RELAY_SPEC_BYTES_MAX 300    /* of a next hop as it is written */
#define RELAY_TEXT_BYTES_MAX 400   /* of a reply, as it is reported */
#define RELAY_TAKEN_MAX 20000      /* deliveries that are remembered; about 400 bytes each */

struct relay_endpoint {
	struct netaddr addr;   /* family 0: a UNIX socket at host */
	uint16_t port;
	bool lmtp;
	char host[DNS_NAME_BYTES_MAX + 1]; /* name for logs and bounces; or the socket's path */
};

/* Where one next hop leads: addresses in the order to try. */
struct relay_candidates {
	enum ipc_mx_status status;
	size_t count;
	struct relay_endpoint list[RELAY_CANDIDATES_MAX];
	char text[200];        /* when there is none: why */
};

struct relay_own {
	struct netaddr addr;
	uint16_t port;
};

struct relay {
	struct role role;
	char *hostname;
	struct channel *queue;
	uint32_t incarnation;      /* of the queue that asks */
	struct dns *dns;
	struct smtp_client_options options[2]; /* [1]: LMTP */
	struct relay_own own[RELAY_OWN_MAX];
	size_t own_count;
	struct list jobs;
	unsigned job_count;
	size_t jobs_bytes;         /* what they take */
	bool paused;               /* the queue is not read */
	unsigned orphan_count;     /* jobs of a queue that is gone; they are finished all the same */
	struct map taken;          /* taken.c */
	struct list taken_order;
	uint64_t taken_key[2];
	struct list busy;          /* links with a message, or on their way out */
	struct list idle;          /* links that wait for another message, newest last */
	unsigned idle_count;
	struct timer *sweep;
	bool stopping;
};

struct relay_job;
struct relay_link;

/* hops.c */
typedef void relay_hops_fn(void *arg, const struct relay_candidates *candidates);
/* Finds the addresses behind "mx:DOMAIN", "smtp://HOST:PORT" ...; calls once, maybe at once. */
void relay_hops_find(struct relay *relay, struct span spec, relay_hops_fn *fn, void *arg);
/* The mail exchangers of a domain as one name, for MX_ASK. */
typedef void relay_mx_fn(void *arg, enum ipc_mx_status status, struct span key, struct span text);
void relay_mx_find(struct relay *relay, struct span domain, relay_mx_fn *fn, void *arg);

/* relay_role.c */
/* A job began or ended: it counts so many bytes. */
void relay_job_counted(struct relay *relay, bool begins, size_t bytes);

/* job.c */
/* False: that is no question which the queue would ask. */
bool relay_job_begin(struct relay *relay, const struct channel_message *message);
/* Why the connection that is being tried does not stand: an errno, for the words of its result. */
void relay_job_connect_failed(struct relay_job *job, int error);
void relay_job_result(struct relay_job *job, const struct smtp_client_result *result,
	const struct relay_endpoint *from);
/* The kept connection was at its end before it heard of the message: its host is asked anew. */
void relay_job_again(struct relay_job *job);
/* The link is done with the job: all recipients have results. `spoken`: the other side greeted us. */
void relay_job_link_done(struct relay_job *job, bool spoken);
/*
 * Content bytes from `offset` on, valid until the next call for any job; `last`: the
 * content ends with them. -EILSEQ in place of the last ones: what is stored is damaged.
 */
struct span relay_job_content(struct relay_job *job, uint64_t offset, bool *last_out, int *error_out);
/* So many of them went on: each byte is summed once, when it is used. */
void relay_job_content_taken(struct relay_job *job, struct span taken);
const struct smtp_client_message *relay_job_message(const struct relay_job *job);
/* The name to introduce ourselves with; valid as long as the job. */
struct span relay_job_helo(const struct relay_job *job);

/* The queue that asked is gone: its jobs go on, and who asks for the same waits for them. */
void relay_jobs_orphan(struct relay *relay);

/* taken.c */
void relay_taken_init(struct relay *relay);
/* Remembers that a recipient's copy was taken; `result`: an encoded RELAY_ONE. */
void relay_taken_keep(struct relay *relay, const struct id128 *id, struct span address, struct span result);
/* That result, valid until the next call; empty: not that we know. */
struct span relay_taken_find(const struct relay *relay, const struct id128 *id, struct span address);

/* link.c */
/* Gives the job to an idle connection to this endpoint, or to a new one. */
int relay_link_start(struct relay *relay, const struct relay_endpoint *to, const struct netaddr *source,
	struct relay_job *job);
void relay_links_sweep(struct relay *relay, uint64_t now_ms);
void relay_links_close_idle(struct relay *relay);

#endif
