/* SPDX-License-Identifier: Apache-2.0 */
/* waybill check rcpt and check list: the checks of clients, asked without effect and counted. */
#ifndef WAYBILL_CLI_CLI_CHECK_RCPT_H
#define WAYBILL_CLI_CLI_CHECK_RCPT_H

#include <jansson.h>

#include "cli.h"

/* What is asked for; what is not given is empty. */
struct cli_check_words {
	const char *rcpt, *from, *client, *helo;
	const char *account; /* that it has authenticated as; "": none */
	bool tls;
	uint64_t size;
};

/* argv[0] is "rcpt". Exit code: 0 the recipient would be accepted, 1 it would not. */
int cli_check_rcpt(int argc, char **argv, const struct cli_options *options);
int cli_check_list(const struct cli_options *options);

/* The same answer as a server's, from the configuration and the files it names: as after a start, with nothing
 * remembered and nobody asked. NULL: it cannot be given, which was said. */
json_t *cli_check_offline(const struct cli_check_words *words, const struct cli_options *options);

#endif
