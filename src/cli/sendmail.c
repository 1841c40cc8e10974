/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program behind the names sendmail, mailq and newaliases. Installed set-gid, it
 * uses the group's rights for two things: to read the configuration and to write into
 * the drop folder. A configuration of the caller's choice is read without them.
 */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli.h"
#include "sendmail.h"
#include "submission.h"

#define NAME_BYTES_MAX 1024

static bool rights_drop(void)
{
	gid_t own = getgid();
	return setresgid(own, own, own) == 0;
}

/* The host's name if mail for it is kept here, else the domain that the file names first. */
static struct span domain_choose(const struct conf *conf)
{
	struct span first = conf->hostname;
	uint32_t line = UINT32_MAX;
	if (conf_domain_find(conf, conf->hostname) != NULL)
		return conf->hostname;
	for (size_t i = 0; i < conf->domain_count; i++)
		if (conf->domains[i].line < line) {
			line = conf->domains[i].line;
			first = conf->domains[i].name;
		}
	return first;
}

/* The account that runs us; one that has no name is called by its number. */
static bool account_find(struct sendmail_context *x)
{
	struct buf name;
	struct passwd *account = getpwuid(getuid());
	struct span gecos = account != NULL && account->pw_gecos != NULL ? span_str(account->pw_gecos) : span_str("");
	buf_init(&name, NAME_BYTES_MAX);
	if (account != NULL)
		buf_add_str(&name, account->pw_name);
	bool ok = account != NULL && submission_qualify(&x->from, buf_span(&name), x->domain);
	if (!ok) {
		buf_clear(&x->from);
		buf_addf(&x->from, "uid%lu@%.*s", (unsigned long)getuid(), SPAN_FMT(x->domain));
	}
	if (x->options->full_name != NULL)
		buf_add_str(&x->full_name, x->options->full_name);
	else
		buf_add(&x->full_name, span_to(gecos, span_find(gecos, ',')));
	buf_fini(&name);
	return !x->from.failed && !x->full_name.failed;
}

static int with_context(const struct sendmail_options *options)
{
	struct sendmail_context x = { .options = options, .chance = clock_id_source() };
	x.conf = cli_conf_load(options->conf_path);
	if (x.conf == NULL)
		return EX_CONFIG;
	x.domain = domain_choose(x.conf);
	buf_init(&x.from, NAME_BYTES_MAX);
	buf_init(&x.full_name, NAME_BYTES_MAX);
	int code = EX_OSERR;
	if (account_find(&x))
		code = options->mode == SENDMAIL_SMTP ? sendmail_smtp(&x) : sendmail_send(&x);
	else
		fprintf(stderr, "sendmail: your name is too long\n");
	buf_fini(&x.from);
	buf_fini(&x.full_name);
	conf_free(x.conf);
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
