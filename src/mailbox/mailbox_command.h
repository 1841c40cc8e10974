/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command in the place of a mailbox: "command:/usr/bin/filter -u {user}" to the argv
 * and environment of one run, and how the run ended to an outcome. No shell and no
 * quotes: words are divided by spaces, and a placeholder never becomes two words. Runs
 * nothing itself (src/sys/command.h does) and holds no process.
 */
#ifndef WAYBILL_MAILBOX_MAILBOX_COMMAND_H
#define WAYBILL_MAILBOX_MAILBOX_COMMAND_H

#include "command.h"
#include "mailbox.h"

#define MAILBOX_COMMAND_WORDS_MAX 32
#define MAILBOX_COMMAND_BYTES_MAX 4000 /* of the words as configured */

/* NULL when "/usr/bin/filter -u {user}" can be run, else what is wrong with it. */
const char *mailbox_command_check(struct span words);

struct mailbox_command_for {
	struct span user, domain; /* of the mailbox */
	struct span recipient;    /* the address as it was given */
	struct span sender;       /* empty for <> */
	struct id128 id;
};

/* Memory for one run; init, fill, use, fini. */
struct mailbox_command {
	struct buf bytes;
	char *argv[MAILBOX_COMMAND_WORDS_MAX + 1];
	char *envp[16];
};

void mailbox_command_init(struct mailbox_command *c);
void mailbox_command_fini(struct mailbox_command *c);

/*
 * Argv and environment (PATH, SENDER, RECIPIENT, LOCAL, EXTENSION, DOMAIN, MESSAGE_ID).
 * False: no memory, or a user or domain that would stand at the beginning of a word and
 * begin with "-", as options do. Control characters become "?".
 */
bool mailbox_command_fill(struct mailbox_command *c, struct span words, const struct mailbox_command_for *about);

/* What became of the message: a key of the catalogue, and the reason for log and bounce. */
struct mailbox_command_verdict {
	const char *key;
	char reason[MAILBOX_REASON_BYTES];
};
struct mailbox_command_verdict mailbox_command_judge(const struct command_end *end);

#endif
