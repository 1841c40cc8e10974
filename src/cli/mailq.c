/* SPDX-License-Identifier: Apache-2.0 */
/* mailq asks the running server, as `waybill queue` does. */
#include <sysexits.h>

#include "cli.h"
#include "sendmail.h"

int sendmail_mailq(const struct sendmail_options *options)
{
	struct cli_options ask = { .conf_path = options->conf_path };
	char name[] = "queue";
	char *words[] = { name, NULL };
	int code = cli_queue(1, words, &ask);
	return code == CLI_DONE ? EX_OK : code == CLI_TRY_LATER ? EX_TEMPFAIL : EX_UNAVAILABLE;
}
