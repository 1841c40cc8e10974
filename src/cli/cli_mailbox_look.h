/* SPDX-License-Identifier: Apache-2.0 */
/* The second half of "waybill mailbox show": how is the mailbox of an open user? */
#ifndef WAYBILL_CLI_CLI_MAILBOX_LOOK_H
#define WAYBILL_CLI_CLI_MAILBOX_LOOK_H

#include "cli.h"
#include "mailbox.h"
#include "reply.h"

struct cli_mailbox {
	const struct cli_options *options;
	const struct conf *conf;
	const struct conf_domain *domain;
	const char *text;            /* the address as it was written */
	struct mailbox_owner owner;
	bool takes_all;              /* its domain has a catch-all: strangers are not told of its mailboxes */
};

/*
 * Prints whether the mailbox can take mail now, and why not. The running server looks;
 * where none runs, this process becomes its account for good and looks itself. Gives the
 * exit code: 0 it can, 1 it cannot, 75 who asks cannot find out.
 */
int cli_mailbox_look(const struct cli_mailbox *mailbox);

/* The reply that senders get, "450 4.2.1", for a key. */
void cli_mailbox_reply(enum reply_key key);

#endif
