/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The smtpd role: sockets and timers around the pure session of SMTP or LMTP. One event loop;
 * it never blocks but for writes of a large message into the page cache. Private
 * to this folder: smtpd.c (configuration and peers), listen.c (accepting), conn.c (a
 * connection's bytes), ask.c and ask_policy.c (its questions), greet.c (who has to wait
 * for the greeting), tell.c (events).
 */
#ifndef WAYBILL_ROLES_SMTPD_H
#define WAYBILL_ROLES_SMTPD_H

#include "map.h"
#include "role.h"
#include "smtp_server.h"
#include "smtpd_told.h"

#define SMTPD_LISTENERS_MAX 64
#define SMTPD_SWEEP_MS 1000          /* how exact time-outs are */
#define SMTPD_READ_BYTES 65536       /* one read */
#define SMTPD_HELD_BYTES_MAX 65536   /* input kept while a question is open; then reading stops */
#define SMTPD_ASK_TIMEOUT_MS 60000
#define SMTPD_CHECK_BYTES_MAX 32
#define SMTPD_WHY_BYTES_MAX 400
#define SMTPD_COMMIT_TIMEOUT_MS 120000 /* from the end of a message to its answer, or to the end without one */
#define SMTPD_LMTP_TIMEOUT_MS 240000   /* the same where the message is delivered meanwhile */
#define SMTPD_LMTP_MARGIN_MS 10000     /* by which the queue answers before that */
#define SMTPD_LAST_WORDS_MS 10000    /* for output that is left when a session has ended */

struct smtpd_listener {
	struct smtpd *smtpd;
	int fd;
	struct poller *poller;
	bool repair_newlines;
	bool lmtp;
	char name[33];
};

struct smtpd {
	struct role role;
	struct id_source ids;
	uint64_t hash_key[2];
	struct smtpd_settings *settings;
	struct smtpd_listener *listeners[SMTPD_LISTENERS_MAX];
	size_t listener_count;
	struct smtpd_listener *next_listeners[SMTPD_LISTENERS_MAX]; /* of the configuration that is being said */
	size_t next_listener_count;
	struct smtpd_settings *next_settings;
	struct channel *policy;
	struct channel *queue;
	struct channel *console;
	uint64_t events_dropped;
	struct smtpd_stages stages;
	struct list greeting;   /* connections that wait for their greeting, the first one first */
	struct timer *greet_timer;
	struct list conns;
	uint32_t conn_count;
	struct map clients;     /* connections per client address */
	struct timer *sweep;
	struct timer *grace;
	bool stopping;
	bool accept_held;       /* out of descriptors: accepting waits for the next sweep */
};

struct smtpd_conn {
	struct smtpd *smtpd;
	struct smtpd_settings *settings;
	struct list link;
	int fd;                    /* -1: closed, waiting only for an answer */
	struct poller *poller;
	unsigned wanted;
	struct smtp_server *session;
	struct netaddr peer, local;
	uint16_t peer_port, local_port; /* 0: not known */
	bool trusted;
	bool lmtp;
	bool talked_first;         /* before it was greeted */
	struct list greet_link;
	uint64_t greet_at_ms;      /* 0: does not wait for the greeting */
	bool counted;              /* in `clients` */
	bool closing;              /* the session said close: output, then the end */
	bool eof;                  /* the client sends no more; what it sent is still answered */
	bool asking;               /* a question is with another role */
	bool resubmit;             /* the queue went away with our message: ask the next one */
	struct buf held;           /* input that the session could not take yet */
	int spill_fd;              /* -1: none */
	uint64_t spill_at;
	bool spill_failed;
	uint64_t asked_us;
	uint64_t since_ms;
	bool told;                 /* the console knows of this session */
	char check[SMTPD_CHECK_BYTES_MAX]; /* that refused last, for the note about it */
	struct buf why;            /* what it looked at */
	uint32_t why_line;         /* of the configuration */
	uint64_t stalled_us;       /* since when output waits and none of it leaves; 0: none waits */
	struct id128 message_id;   /* of the transaction being asked about */
	const struct smtp_transaction *committing; /* the session's, while COMMIT is asked */
};

/* listen.c */
void smtpd_listener_add(struct smtpd *d, const struct ipc_listener *say, int fd);
void smtpd_listeners_switch(struct smtpd *d);
void smtpd_listeners_close(struct smtpd *d);
void smtpd_listeners_want(struct smtpd *d, bool accepting);
void smtpd_client_release(struct smtpd *d, const struct netaddr *peer);
/* Whether connections from there are counted: not those of trusted clients and of UNIX sockets. */
bool smtpd_client_limited(const struct smtpd_settings *settings, const struct netaddr *peer);
bool smtpd_trusts(const struct smtpd_settings *settings, const struct netaddr *peer);

/* conn.c */
void smtpd_conn_open(struct smtpd_listener *listener, int fd, const struct netaddr *peer);
void smtpd_conn_pump(struct smtpd_conn *conn);
void smtpd_conn_close(struct smtpd_conn *conn, const char *why);
void smtpd_conn_sweep(struct smtpd_conn *conn, uint64_t now_ms);
void smtpd_conn_shutdown(struct smtpd_conn *conn);

/* tell.c: events for waybill trace. */
void smtpd_tell_note(struct smtpd_conn *conn, const struct smtp_server_note *n);
/* keys: of each recipient, with LMTP; or NULL: all were accepted. */
void smtpd_tell_accepted(struct smtpd_conn *conn, const enum reply_key *keys);
void smtpd_tell_end(struct smtpd_conn *conn, const char *why);

/* ask.c */
void smtpd_ask(struct smtpd_conn *conn, const struct smtp_server_question *question);
/* Answers the session; the caller pumps, or is inside the pump already. */
void smtpd_answer(struct smtpd_conn *conn, const struct smtp_server_answer *answer);
/* An answer arrived from another role, maybe after the client left. */
void smtpd_answer_arrived(struct smtpd_conn *conn, const struct smtp_server_answer *answer);
void smtpd_ask_resubmit(struct smtpd_conn *conn);
void smtpd_ask_give_up(struct smtpd_conn *conn);
void smtpd_spill_write(struct smtpd_conn *conn, struct span content);
void smtpd_spill_drop(struct smtpd_conn *conn);

static inline enum reply_key smtpd_key(uint16_t key, enum reply_key otherwise)
{
	return key < REPLY_KEY_COUNT ? (enum reply_key)key : otherwise;
}

/* ask_policy.c */
void smtpd_ask_client(struct smtpd_conn *conn, const struct smtp_server_question *question);
void smtpd_ask_verify(struct smtpd_conn *conn, const struct smtp_server_question *question);

#endif
