/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose a mailbox is. In a domain whose users are the system's accounts, passwd says who that
 * is and where the home lies, and the thread touches files as that person for one job. Nobody
 * else tells this role a number or a home: a name is all that comes with a question.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "account.h"
#include "delivery_parts.h"
#include "file.h"
#include "identity.h"

#define HOMES_DEFAULT "/home"

static bool expand(struct owned *o, struct span home)
{
	struct mailbox_owner owner = { o->user, o->domain_name, home };
	buf_clear(&o->path);
	return mailbox_template_expand(span_str(o->domain->mailboxes), owner, &o->path, &o->place.base_len)
		== MAILBOX_TEMPLATE_OK;
}

bool owned_find(struct owned *o, const struct settings *s, struct span user, struct span domain)
{
	*o = (struct owned){ .domain = delivery_domain_of(s, domain), .as_users = s->as_users, .user = user,
		.domain_name = domain, .place = { .base_fd = -1 } };
	buf_init(&o->path, MAILBOX_PATH_BYTES_MAX);
	if (o->domain == NULL)
		return false;
	o->kind = mailbox_template_kind(span_str(o->domain->mailboxes));
	if (o->kind == MAILBOX_COMMAND || o->domain->accounts)
		return true; /* there is no path; or it is found on the thread, because passwd may be far away */
	bool found = expand(o, (struct span){ NULL, 0 });
	o->place.path = buf_span(&o->path);
	return found;
}

/* The folder's own group, for an mbox that lies in the folder itself: others may not write there (/var/mail). */
static gid_t group_of(const struct owned *o, gid_t own)
{
	struct span rest = span_from(o->place.path, o->place.base_len);
	bool inside = rest.len > 1 && span_find(span_from(rest, 1), '/') == rest.len - 1;
	return o->kind == MAILBOX_MBOX && inside && o->domain->folder_gid != 0 ? o->domain->folder_gid : own;
}

static const char *fail(struct mailbox_result *why, const char *key, struct span user, const char *text)
{
	snprintf(why->reason, sizeof(why->reason), "the mailbox of %.*s: %s", SPAN_FMT(span_to(user, 100)), text);
	return key;
}

const char *owned_enter(struct owned *o, struct mailbox_result *why)
{
	struct account account;
	if (o->domain == NULL || !o->domain->accounts || o->kind == MAILBOX_COMMAND)
		return NULL;
	int error = account_find(o->user, &account);
	if (error == -ENOENT)
		return fail(why, "mailbox-misconfigured", o->user, "there is no such account of a person any more");
	if (error < 0)
		return fail(why, "mailbox-io-error", o->user, strerror(-error));
	if (!expand(o, span_str(account.home)))
		return fail(why, "mailbox-misconfigured", o->user, "its name or home cannot be part of a path");
	o->place.path = buf_span(&o->path);
	if (o->as_users && identity_take(account.uid, group_of(o, account.gid)) < 0)
		return fail(why, "mailbox-misconfigured", o->user, "its owner's rights cannot be taken");
	return NULL;
}

void owned_leave(void)
{
	identity_leave();
}

void owned_fini(struct owned *o)
{
	buf_fini(&o->path);
}

static void path_add(struct owned_paths *p, const char *path, unsigned rights)
{
	for (size_t i = 0; i < p->count; i++)
		if (strcmp(p->items[i].path, path) == 0)
			return;
	char *copy = p->count < OWNED_PATHS_MAX && access(path, F_OK) == 0 ? strdup(path) : NULL;
	if (copy != NULL)
		p->items[p->count++] = (struct sandbox_path){ copy, rights };
}

void owned_paths_free(struct owned_paths *p)
{
	for (size_t i = 0; i < p->count; i++)
		free((char *)(uintptr_t)p->items[i].path);
	p->count = 0;
}

/* The folder that a home lies in, so that accounts can come without a restart; a home right below "/" is one itself. */
static void home_add(void *arg, const char *home)
{
	char folder[ACCOUNT_HOME_BYTES_MAX + 1];
	size_t len = strlen(home);
	while (len > 1 && home[len - 1] == '/')
		len--;
	if (len <= 1 || len > ACCOUNT_HOME_BYTES_MAX || home[0] != '/')
		return;
	size_t parent = len;
	while (home[parent - 1] != '/')
		parent--;
	snprintf(folder, sizeof(folder), "%.*s", (int)(parent > 1 ? parent - 1 : len), home);
	path_add(arg, folder, SANDBOX_READ | SANDBOX_WRITE);
}

static void folder_add(struct owned_paths *paths, struct domain *domain, bool as_users)
{
	struct stat st;
	/* Missing folders are made while we still may; one that cannot be is found out again at
	 * each delivery, and says so there. What belongs to users is not ours to make. */
	int error = domain->accounts && as_users ? 0 : file_make_folders(domain->folder, DELIVERY_FOLDER_MODE);
	if (error == 0 && stat(domain->folder, &st) != 0)
		error = -errno;
	if (error < 0) {
		log_text(LOG_OPERATOR, "mail-folder", "%s cannot be made or is not there: %s", domain->folder,
			strerror(-error));
		return;
	}
	domain->folder_gid = (st.st_mode & S_ISGID) != 0 && (st.st_mode & S_IWGRP) != 0 ? st.st_gid : 0;
	path_add(paths, domain->folder, SANDBOX_READ | SANDBOX_WRITE);
}

bool owned_prepare(struct settings *s, struct owned_paths *paths)
{
	bool accounts = false, homes = false;
	for (size_t i = 0; i < s->domain_count; i++) {
		struct domain *domain = &s->domains[i];
		accounts |= domain->accounts;
		homes |= mailbox_template_in_home(span_str(domain->mailboxes));
		if (domain->folder != NULL)
			folder_add(paths, domain, s->as_users);
	}
	if (!accounts)
		return false;
	account_prepare();
	path_add(paths, "/etc", SANDBOX_READ);
	if (homes) {
		path_add(paths, HOMES_DEFAULT, SANDBOX_READ | SANDBOX_WRITE);
		account_homes(home_add, paths);
	}
	return true;
}
