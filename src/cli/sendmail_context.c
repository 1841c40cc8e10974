/* SPDX-License-Identifier: Apache-2.0 */
/* Who hands in mail, and in what house: for waybill-sendmail and for `waybill send`. */
#include <pwd.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli.h"
#include "sendmail.h"
#include "submission.h"

#define NAME_BYTES_MAX 1024

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

int sendmail_context_open(struct sendmail_context *x, const struct sendmail_options *options, const char *program)
{
	*x = (struct sendmail_context){ .program = program, .options = options, .hand_over = sendmail_drop,
		.chance = clock_id_source() };
	x->conf = cli_conf_load(options->conf_path);
	if (x->conf == NULL)
		return EX_CONFIG;
	x->domain = domain_choose(x->conf);
	buf_init(&x->from, NAME_BYTES_MAX);
	buf_init(&x->full_name, NAME_BYTES_MAX);
	if (account_find(x))
		return EX_OK;
	fprintf(stderr, "%s: your name is too long\n", program);
	sendmail_context_close(x);
	return EX_OSERR;
}

void sendmail_context_close(struct sendmail_context *x)
{
	buf_fini(&x->from);
	buf_fini(&x->full_name);
	conf_free(x->conf);
}
