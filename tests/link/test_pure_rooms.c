/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links the pure rooms whole and nothing else of Waybill: that this program exists
 * is the proof. Run, it also shows that none of them brought the event loop or a
 * thread along: the only libraries in its memory are the C library and those
 * allowed to a pure room.
 */
#include <link.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char *const forbidden[] = { "libuv", "libseccomp", "libssl", "libcrypto", "libsqlite3", "libunbound" };

static int look(struct dl_phdr_info *info, size_t size, void *found)
{
	(void)size;
	for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++)
		if (strstr(info->dlpi_name, forbidden[i]) != NULL)
			*(const char **)found = forbidden[i];
	return 0;
}

int main(void)
{
	const char *found = NULL;
	dl_iterate_phdr(look, &found);
	printf("1..1\n%s 1 - test_pure_rooms_need_nothing_above (%s)\n", found == NULL ? "ok" : "not ok", PURE_ROOMS);
	if (found != NULL)
		printf("# a pure room needs %s\n", found);
	return found != NULL;
}
