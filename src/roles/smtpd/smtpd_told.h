/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this role was told: its settings by the supervisor, and by policy at which stages
 * of a stranger's session to ask at once, and how long strangers wait to be greeted
 * (greet.c). Private to this folder.
 */
#ifndef WAYBILL_ROLES_SMTPD_TOLD_H
#define WAYBILL_ROLES_SMTPD_TOLD_H

#include "smtp_server_options.h"
#include "smtp_stage.h"

#define SMTPD_TRUST_MAX 1000
#define SMTPD_GREETING_DELAY_MS_MAX 60000
#define SMTPD_DELAY_FOR_MAX 100

struct smtpd;
struct smtpd_conn;

/* One generation of the configuration; sessions keep theirs until they end. */
struct smtpd_settings {
	unsigned uses;
	char *hostname;
	struct smtp_server_options options[2][2]; /* [1][ ]: LMTP; [ ][1]: bare newlines are repaired for all */
	struct netblock trust[SMTPD_TRUST_MAX];
	size_t trust_count;
	uint32_t connections_max;
	uint32_t connections_per_client_max;
	bool log_json;
};

void smtpd_settings_unref(struct smtpd_settings *settings);

/* What policy said of clients that are not trusted. */
struct smtpd_stages {
	bool told;                  /* until then the end of each message is asked about: it may be needed */
	uint8_t ask;                /* a set of enum smtp_stage: ask as soon as they come */
	bool end_needed;            /* no message is taken that was not asked about at its end */
	uint32_t greeting_delay_ms; /* 0: none */
	struct netblock delay_for[SMTPD_DELAY_FOR_MAX];
	size_t delay_for_count;     /* 0: for all of them */
};

/* What policy says; false when malformed. */
bool smtpd_stages_take(struct smtpd *d, struct span body);
/* True when the client has to wait for its greeting: then the question is asked later. */
bool smtpd_greet_later(struct smtpd_conn *conn);
/* Asks at once when the client did not wait; to be called when it was read from. */
void smtpd_greet_talked(struct smtpd_conn *conn);
void smtpd_greet_forget(struct smtpd_conn *conn);
void smtpd_greet_due(void *arg);

#endif
