/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program behind the names sendmail, mailq and newaliases. Installed set-gid, it
 * uses the group's rights for two things: to read the configuration and to write into
 * the drop folder. A configuration of the caller's choice is read without them.
 */
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "sendmail.h"

static bool rights_drop(void)
{
	gid_t own = getgid();
	return setresgid(own, own, own) == 0;
}

static int with_context(const struct sendmail_options *options)
{
	struct sendmail_context x;
	int code = sendmail_context_open(&x, options, "sendmail");
	if (code != EX_OK)
		return code;
	code = options->mode == SENDMAIL_SMTP ? sendmail_smtp(&x) : sendmail_send(&x);
	sendmail_context_close(&x);
	return code;
}

int main(int argc, char **argv)
{
	struct sendmail_options options;
	int code = sendmail_options_read(argc, argv, &options);
	if (code != 0)
		return code;
	bool needs_rights = (options.mode == SENDMAIL_SEND || options.mode == SENDMAIL_SMTP) && !options.conf_given;
	if (!needs_rights && !rights_drop()) {
		fprintf(stderr, "sendmail: the rights of the group cannot be given up\n");
		return EX_OSERR;
	}
	switch (options.mode) {
	case SENDMAIL_QUEUE_LIST:
		return sendmail_mailq(&options);
	case SENDMAIL_ALIASES:
		puts("Nothing to do: waybilld reads aliases from their text files and notices changes by itself.");
		return EX_OK;
	case SENDMAIL_NOTHING:
		return EX_OK; /* the server retries by itself */
	default:
		return with_context(&options);
	}
}
