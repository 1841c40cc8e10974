/* SPDX-License-Identifier: Apache-2.0 */
/* waybill check: what is wrong with a configuration file, or with a domain in the DNS? */
#ifndef WAYBILL_CLI_CLI_CHECK_H
#define WAYBILL_CLI_CLI_CHECK_H

#include <stdbool.h>

/*
 * Prints the report to stdout, as lines or as one JSON object, then a summary.
 * Warns of
 * files it names that are not there and of mailboxes that its tables do not have; folders are not looked at. Gives the
 * exit code: 0 the file is fine (warnings may be there), 1 it is not or cannot be read.
 */
int cli_check_config(const char *path, bool json);

struct conf;

/*
 * Asks the DNS about a domain's mail and prints what it finds, in sentences; what is
 * wrong, with how to mend it. conf: of this server, or NULL; its resolver is used then,
 * and its name is looked for. Exit code: 1 something is wrong, 75 some question found no
 * answer, 2 that is no domain.
 */
int cli_check_domain(const char *name, const struct conf *conf, bool json);

#endif
