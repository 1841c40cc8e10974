/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration on the standard input; on the output the bytes in which policy is told its checks. */
#include <stdio.h>
#include <stdlib.h>

#include "conf.h"

int main(void)
{
	static char text[65536];
	struct conf *conf;
	struct conf_report *report = calloc(1, sizeof(*report));
	struct buf bytes;
	size_t len = fread(text, 1, sizeof(text), stdin);
	if (report == NULL || conf_parse(span_of(text, len), "stdin", &conf, report) < 0)
		return EXIT_FAILURE;
	buf_init(&bytes, 1u << 20);
	conf_checks_write(conf, &bytes);
	bool written = !bytes.failed && fwrite(bytes.ptr, 1, bytes.len, stdout) == bytes.len;
	buf_fini(&bytes);
	conf_free(conf);
	free(report);
	return written ? EXIT_SUCCESS : EXIT_FAILURE;
}
