/* SPDX-License-Identifier: Apache-2.0 */
/* waybill check config: reads a configuration file as the server would, and says what is wrong with it. */
#ifndef WAYBILL_CLI_CLI_CHECK_H
#define WAYBILL_CLI_CLI_CHECK_H

#include <stdbool.h>

/*
 * Prints the report to stdout, as lines or as one JSON object, then a summary.
 * Looks at nothing but the file: not whether the folders it names exist. Gives the
 * exit code: 0 the file is fine (warnings may be there), 1 it is not or cannot be read.
 */
int cli_check_config(const char *path, bool json);

#endif
