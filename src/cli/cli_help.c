/* SPDX-License-Identifier: Apache-2.0 */
/* Help that was asked for, and help after a mistake. */
#include "cli_help.h"

#include <stdio.h>
#include <string.h>

#include "buf.h"
#include "cli.h"
#include "conf_show.h"

#define WORD_BYTES_MAX 4096

bool cli_help_asked(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

int cli_help(const char *text)
{
	return fputs(text, stdout) < 0 || fflush(stdout) != 0 ? CLI_NO : CLI_DONE;
}

int cli_usage(const char *text)
{
	fputs(text, stderr);
	return CLI_USAGE;
}

static bool among(const char *word, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcmp(word, *words) == 0)
			return true;
	return false;
}

int cli_wrong(const char *command, const char *word, const char *const *words, const char *text)
{
	struct conf_near near;
	struct buf safe;
	if (word == NULL || among(word, words))
		return cli_usage(text);
	conf_near_init(&near, span_str(word));
	for (; *words != NULL; words++)
		conf_near_offer(&near, *words);
	buf_init(&safe, WORD_BYTES_MAX);
	buf_add_escaped(&safe, span_to(span_str(word), WORD_BYTES_MAX / 16));
	fprintf(stderr, "%s: there is no \"%.*s\"", command, SPAN_FMT(buf_span(&safe)));
	buf_fini(&safe);
	if (near.best != NULL)
		fprintf(stderr, "; did you mean \"%s\"?", near.best);
	fputc('\n', stderr);
	return cli_usage(text);
}
