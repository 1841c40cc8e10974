/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The accounts of this system, whatever the name service is made of. Accounts of
 * services are no mailboxes: only root and those from uid 1000 on count, and not nobody.
 */
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>

#include "source_driver.h"

#define UID_FIRST 1000
#define UID_NOBODY 65534
#define RECORD_BYTES_FIRST 4096
#define RECORD_BYTES_MAX (1u << 20)

/* Asks for a name that nobody has, so that the modules of all services are loaded: later nothing can be. */
static bool init(const struct source_settings *settings, void **state_out, char *why)
{
	static char nothing;
	char record[RECORD_BYTES_FIRST];
	struct passwd entry, *found;
	(void)settings;
	(void)why;
	(void)getpwnam_r("no-such-account", &entry, record, sizeof(record), &found);
	*state_out = &nothing;
	return true;
}

static void fini(void *state)
{
	(void)state;
}

static void *connection_open(void *state, uint64_t deadline_us, char *why)
{
	(void)deadline_us;
	(void)why;
	return state;
}

static void connection_close(void *connection)
{
	(void)connection;
}

static bool has_mail(const struct passwd *entry)
{
	return entry->pw_uid == 0 || (entry->pw_uid >= UID_FIRST && entry->pw_uid != UID_NOBODY);
}

static bool ask(void *connection, const struct source_call *call, bool *spent_out)
{
	const char *name = (const char *)call->values[CONF_QUERY_USER].ptr;
	struct passwd entry, *found = NULL;
	int error = ERANGE;
	(void)connection;
	*spent_out = false;
	for (size_t size = RECORD_BYTES_FIRST; error == ERANGE && size <= RECORD_BYTES_MAX; size *= 4) {
		char *record = malloc(size);
		error = record != NULL ? getpwnam_r(name, &entry, record, size, &found) : ENOMEM;
		if (error == 0 && found != NULL && has_mail(found))
			source_rows_add_user(call->rows, &(struct source_user_row){ 0 });
		free(record);
	}
	/* How some services say that there is no such name. */
	if (error == 0 || error == ENOENT || error == ESRCH)
		return true;
	source_why(call->why, "the system cannot say who has an account: %s", strerror(error));
	return false;
}

const struct source_driver source_system = { init, fini, connection_open, ask, connection_close };
