/* SPDX-License-Identifier: Apache-2.0 */
/* Times, ages and sizes as people say them. Buffers are the caller's; texts are cut to them. */
#ifndef WAYBILL_CLI_CLI_WORDS_H
#define WAYBILL_CLI_CLI_WORDS_H

#include <stddef.h>

#define CLI_WORDS_BYTES_MAX 32

/* "4 s", "12 min", "2 h", "1 d 3 h". */
const char *cli_age(double seconds, char text_out[static CLI_WORDS_BYTES_MAX]);

/* "14:02:11" by the local clock; with its date when that is not today's. */
const char *cli_clock(double unix_s, double now_s, char text_out[static CLI_WORDS_BYTES_MAX]);

/* "312 bytes", "2.1 KB", "41 MB". */
const char *cli_size(long long bytes, char text_out[static CLI_WORDS_BYTES_MAX]);

/* 8040 as "8,040". */
const char *cli_count(long long count, char text_out[static CLI_WORDS_BYTES_MAX]);

/* "s" unless it is one. */
const char *cli_plural(long long count);

double cli_now(void);

#endif
