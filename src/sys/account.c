/* SPDX-License-Identifier: Apache-2.0 */
/* passwd, asked by name; see the header for who counts. */
#include "account.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_BYTES_FIRST 4096
#define RECORD_BYTES_MAX (1u << 20)
#define LISTED_MAX 1000000u

bool account_is_persons(uid_t uid)
{
	return uid >= ACCOUNT_UID_FIRST && uid != ACCOUNT_UID_NOBODY && uid != (uid_t)-1;
}

void account_prepare(void)
{
	char record[RECORD_BYTES_FIRST];
	struct passwd entry, *found;
	(void)getpwnam_r("no-such-account", &entry, record, sizeof(record), &found);
}

static void take(const struct passwd *entry, struct account *account_out)
{
	*account_out = (struct account){ .uid = entry->pw_uid, .gid = entry->pw_gid };
	size_t len = strlen(entry->pw_dir);
	while (len > 1 && entry->pw_dir[len - 1] == '/')
		len--;
	if (len <= ACCOUNT_HOME_BYTES_MAX)
		memcpy(account_out->home, entry->pw_dir, len);
}

int account_find(struct span name, struct account *account_out)
{
	char text[ACCOUNT_NAME_BYTES_MAX + 1];
	struct passwd entry, *found = NULL;
	int error = ERANGE;
	*account_out = (struct account){ 0 };
	if (name.len == 0 || name.len > ACCOUNT_NAME_BYTES_MAX || memchr(name.ptr, 0, name.len) != NULL)
		return -ENOENT;
	memcpy(text, name.ptr, name.len);
	text[name.len] = '\0';
	for (size_t size = RECORD_BYTES_FIRST; error == ERANGE && size <= RECORD_BYTES_MAX; size *= 4) {
		char *record = malloc(size);
		error = record != NULL ? getpwnam_r(text, &entry, record, size, &found) : ENOMEM;
		if (error == 0 && found != NULL)
			take(found, account_out);
		free(record);
	}
	/* ENOENT and ESRCH: how some services say that there is no such name. */
	if (error != 0)
		return error == ESRCH ? -ENOENT : -error;
	return account_is_persons(account_out->uid) ? 0 : -ENOENT;
}

void account_homes(void (*fn)(void *arg, const char *home), void *arg)
{
	const struct passwd *entry;
	setpwent();
	for (unsigned i = 0; i < LISTED_MAX && (entry = getpwent()) != NULL; i++)
		if (account_is_persons(entry->pw_uid))
			fn(arg, entry->pw_dir);
	endpwent();
}
