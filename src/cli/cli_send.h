/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `waybill send`: one line to send a message and to follow it. Sender, recipients and
 * the drop folder are waybill-sendmail's (sendmail.h); cli_send.c reads the words, writes
 * the message and says what came of it, cli_send_smtp.c speaks SMTP or LMTP when a server
 * is named, cli_send_wait.c follows the message. Whole messages with a header of their
 * own are for waybill-sendmail.
 */
#ifndef WAYBILL_CLI_CLI_SEND_H
#define WAYBILL_CLI_CLI_SEND_H

#include <jansson.h>

#include "cli.h"
#include "conf.h"
#include "sendmail.h"

#define SEND_SUBJECT_BYTES_MAX 500

struct send {
	struct sendmail_context context; /* the first: what is handed over finds the rest */
	const struct cli_options *options;
	struct sendmail_options words;
	const char *subject;   /* NULL: one of our own */
	const char *server;    /* NULL: the drop folder */
	bool wait;

	/* What came of it. */
	char id[ID128_TEXT_LEN + 1]; /* as the server has it; empty: not known */
	char session[ID_SHORT_LEN + 1]; /* as a refusal by a Waybill names it; empty: not known */
	json_t *recipients;    /* each with address, accepted, reply */
	uint32_t deferred, refused;
};

/* A recipient and what was said about it; `reply` empty: nothing. */
void send_note(struct send *s, struct span address, bool accepted, struct span reply);

/* cli_send_smtp.c */
/*
 * Sends the finished content to the server that was named, and notes what it said of each
 * recipient. 0; or an exit code of <sysexits.h>, when no server could be asked, which is printed.
 */
int send_smtp(struct send *s, const struct sendmail_message *message, struct span content);

/* cli_send_wait.c */
enum send_outcome { SEND_DELIVERED, SEND_DEFERRED, SEND_FAILED, SEND_OPEN };
const char *send_outcome_name(enum send_outcome outcome);

/*
 * Asks the running server until the message has left the queue or waits there, or a minute is
 * over (OPEN). False: it cannot be asked, which is printed, with *exit_out.
 */
bool send_wait(const struct send *s, enum send_outcome *outcome_out, int *exit_out);

#endif
