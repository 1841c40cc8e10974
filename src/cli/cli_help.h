/* SPDX-License-Identifier: Apache-2.0 */
/* Help that was asked for goes to stdout and is no failure; help after a mistake goes to stderr. */
#ifndef WAYBILL_CLI_CLI_HELP_H
#define WAYBILL_CLI_CLI_HELP_H

#include <stdbool.h>

/* Is one of the words behind the command --help or -h? */
bool cli_help_asked(int argc, char **argv);

/* Prints the text; gives CLI_DONE. */
int cli_help(const char *text);

/* Prints the text on stderr; gives CLI_USAGE. */
int cli_usage(const char *text);

/*
 * Words that do not fit: when the first is none of `words` (which end with NULL), says so and which one is near;
 * then prints the text on stderr. Without a first word, NULL. Gives CLI_USAGE.
 */
int cli_wrong(const char *command, const char *word, const char *const *words, const char *text);

#endif
