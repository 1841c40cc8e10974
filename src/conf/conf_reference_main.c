/* SPDX-License-Identifier: Apache-2.0 */
/* Writes docs/configuration.md; a tool for the build, not installed. */
#include <stdio.h>

#include "conf.h"

int main(int argc, char **argv)
{
	struct buf page;
	buf_init(&page, 1u << 20);
	conf_write_reference(&page);
	FILE *file = argc == 2 ? fopen(argv[1], "w") : NULL;
	bool written = file != NULL && !page.failed && fwrite(page.ptr, 1, page.len, file) == page.len;
	written = file != NULL && fclose(file) == 0 && written;
	buf_fini(&page);
	if (!written)
		fprintf(stderr, "usage: conf-reference FILE; or the file could not be written\n");
	return written ? 0 : 1;
}
