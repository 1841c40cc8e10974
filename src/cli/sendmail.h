/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The drop-in commands sendmail, mailq and newaliases: one small program, apart from
 * waybill, because it may be installed set-gid and should then hold little. What it
 * is called by decides what it does. Exit codes are those of <sysexits.h>.
 */
#ifndef WAYBILL_CLI_SENDMAIL_H
#define WAYBILL_CLI_SENDMAIL_H

#include "clock.h"
#include "conf.h"
#include "drop_format.h"

enum sendmail_mode { SENDMAIL_SEND, SENDMAIL_SMTP, SENDMAIL_QUEUE_LIST, SENDMAIL_ALIASES, SENDMAIL_NOTHING };

struct sendmail_options {
	enum sendmail_mode mode;
	const char *conf_path;
	bool conf_given;         /* by -C: then without the rights of the program's group */
	const char *sender;      /* -f or -r; NULL: the account's own */
	const char *full_name;   /* -F; NULL: as the account says */
	bool from_header;        /* -t */
	bool dot_is_text;        /* -i */
	uint8_t notify;          /* -N: of every recipient; 0: not given */
	enum dsn_ret ret;        /* -R */
	const char *envid;       /* -V, as given; NULL: not given */
	bool no_input;           /* nothing is read: the message is empty */
	char **recipients;
	int recipient_count;
};

/* Prints what is wrong. 0, or EX_USAGE. */
int sendmail_options_read(int argc, char **argv, struct sendmail_options *options_out);

struct sendmail_context;
struct sendmail_message;

/* Takes a message that is checked; 0, or an exit code whose reason is printed. */
typedef int sendmail_hand_over_fn(struct sendmail_context *x, const struct sendmail_message *message);

/* Who sends, and in what house. Spans live as long as it does. */
struct sendmail_context {
	const char *program;     /* in front of what is printed when something is wrong */
	const struct sendmail_options *options;
	sendmail_hand_over_fn *hand_over;
	struct conf *conf;
	struct id_source chance;
	struct span domain;      /* for addresses without one */
	struct buf from;         /* the account's mailbox */
	struct buf full_name;
};

/* A message that is ready, but for what submission adds. */
struct sendmail_message {
	struct drop_envelope envelope;
	struct span content;     /* CRLF line ends */
};

/* Reads the configuration and finds the account. 0, or EX_CONFIG or EX_OSERR, and the reason is printed. */
int sendmail_context_open(struct sendmail_context *x, const struct sendmail_options *options, const char *program);
void sendmail_context_close(struct sendmail_context *x);

/*
 * Appends the content with what submission adds to it. NULL, or what is wrong with it;
 * a shortage of memory shows in the buffer.
 */
const char *sendmail_complete(const struct sendmail_context *x, const struct sendmail_message *message,
	struct buf *content);

/*
 * Writes the message into the drop folder; when it returns 0, it is on stable storage.
 * Else EX_TEMPFAIL, EX_NOPERM ..., and the reason is printed.
 */
int sendmail_drop(struct sendmail_context *x, const struct sendmail_message *message);

/* Reads a message from standard input, finds sender and recipients, and hands it over. */
int sendmail_send(struct sendmail_context *x);

/* SMTP on standard input and output. */
int sendmail_smtp(struct sendmail_context *x);

/* What `waybill queue` prints, as far as the caller may ask. */
int sendmail_mailq(const struct sendmail_options *options);

#endif
