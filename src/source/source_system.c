/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The accounts of this system, whatever the name service is made of. Only those of people
 * count (account.h): services have no mail, and root's is for whom an alias names.
 */
#include <errno.h>
#include <string.h>

#include "account.h"
#include "source_driver.h"

static bool init(const struct source_settings *settings, void **state_out, char *why)
{
	static char nothing;
	(void)settings;
	(void)why;
	account_prepare();
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

static bool ask(void *connection, const struct source_call *call, bool *spent_out)
{
	struct account account;
	int error = account_find(span_str((const char *)call->values[CONF_QUERY_USER].ptr), &account);
	(void)connection;
	*spent_out = false;
	if (error == 0)
		source_rows_add_user(call->rows, &(struct source_user_row){ 0 });
	if (error == 0 || error == -ENOENT)
		return true;
	source_why(call->why, "the system cannot say who has an account: %s", strerror(-error));
	return false;
}

const struct source_driver source_system = { init, fini, connection_open, ask, connection_close };
