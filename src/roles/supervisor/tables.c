/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users and aliases files, what aliases include, and lists of who is allowed or denied:
 * policy gets them as descriptors, because it can open nothing itself, and again when one
 * of them has changed.
 *
 * An included file may lie where others than the administrator choose what stands under
 * its name, so it is opened with the rights of the server's account only.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "aliases_includes.h"
#include "say.h"

#define TABLE_BYTES_MAX (256u << 20)
#define WATCHED_FIRST 16

/* A file and its state when policy was last told. */
struct watched {
	char *path;
	struct file_stamp told, seen;
};

static void watch_clear(struct watch *w)
{
	for (size_t i = 0; i < w->count; i++)
		free(w->items[i].path);
	w->count = 0;
}

void tables_fini(struct supervisor *s)
{
	watch_clear(&s->watch);
	free(s->watch.items);
	s->watch = (struct watch){ 0 };
}

/* Without memory a change of this file is not noticed; a reload reads it all the same. */
static void watch_add(struct watch *w, const char *path)
{
	if (w->count == w->cap) {
		size_t cap = w->cap > 0 ? w->cap * 2 : WATCHED_FIRST;
		struct watched *grown = realloc(w->items, cap * sizeof(*grown));
		if (grown == NULL)
			return;
		w->items = grown;
		w->cap = cap;
	}
	struct watched item = { .path = buf_strdup(span_str(path)), .told = file_stamp_of(path) };
	item.seen = item.told;
	if (item.path != NULL)
		w->items[w->count++] = item;
}

void tables_watch_add(struct supervisor *s, const char *path)
{
	watch_add(&s->watch, path);
}

static void log_unreadable(const char *path, int error)
{
	log_text(LOG_OPERATOR, "table-unreadable", "%s: %s", path, strerror(-error));
}

static bool read_include(void *arg, const char *path, struct buf *text)
{
	struct child_process *c = arg;
	struct supervisor *s = c->supervisor;
	struct ipc_include say = { .path = span_str(path) };
	watch_add(&s->watch, path);
	int fd = file_open_as(path, s->account.change ? &s->account : NULL);
	int error = fd >= 0 ? file_read(fd, text) : fd;
	if (error < 0)
		log_unreadable(path, error);
	/* Said even if it cannot be read: mail to its alias waits. */
	SAY(c, INCLUDE, include, &say, error < 0 ? -1 : fd);
	if (fd >= 0)
		close(fd);
	channel_flush(c->channel);
	return error >= 0;
}

static void say_includes(struct child_process *c, struct aliases_includes *list, int fd)
{
	struct buf text;
	buf_init(&text, TABLE_BYTES_MAX);
	if (file_read(fd, &text) >= 0)
		aliases_includes_add(list, buf_span(&text), read_include, c);
	buf_fini(&text);
}

/* A file that cannot be opened is said as one, without a descriptor: its users are not "unknown". */
static void say_table(struct child_process *c, const struct conf_domain *d, struct aliases_includes *list, bool aliases)
{
	struct span path = aliases ? d->aliases.path : d->users.path;
	struct ipc_table say = { .domain = d->name, .path = path, .aliases = aliases };
	const char *name = (const char *)path.ptr;
	if (path.len == 0)
		return;
	watch_add(&c->supervisor->watch, name);
	int fd = file_open(name);
	if (fd < 0)
		log_unreadable(name, fd);
	SAY(c, TABLE, table, &say, fd);
	if (fd >= 0 && aliases)
		say_includes(c, list, fd);
	if (fd >= 0)
		close(fd);
}

void tables_watch_clear(struct supervisor *s)
{
	watch_clear(&s->watch);
}

/* Without its file a list is as long as the configuration says. */
static void say_listed(struct child_process *c, const struct conf_listed *listed, bool deny)
{
	struct ipc_listed say = { .deny = deny, .path = listed->file };
	const char *name = (const char *)listed->file.ptr;
	if (listed->file.len == 0)
		return;
	watch_add(&c->supervisor->watch, name);
	int fd = file_open(name);
	if (fd < 0)
		log_unreadable(name, fd);
	SAY(c, LISTED, listed, &say, fd);
	if (fd >= 0)
		close(fd);
}

void tables_say(struct child_process *c)
{
	const struct conf *conf = c->supervisor->conf;
	struct aliases_includes list = { 0 };
	say_listed(c, &conf->checks.allow, false);
	say_listed(c, &conf->checks.deny, true);
	for (size_t i = 0; i < conf->domain_count; i++) {
		say_table(c, &conf->domains[i], &list, false);
		say_table(c, &conf->domains[i], &list, true);
		/* Descriptors on their way are bounded: let these leave before more follow. */
		channel_flush(c->channel);
	}
	aliases_includes_fini(&list);
}

static bool same(const struct file_stamp *a, const struct file_stamp *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* Tells policy when a file has changed and then stood still for one look: an editor may be in the
 * middle of writing it. */
void tables_watch(struct supervisor *s)
{
	bool changed = false, moving = false;
	for (size_t i = 0; i < s->watch.count; i++) {
		struct watched *w = &s->watch.items[i];
		struct file_stamp now = file_stamp_of(w->path);
		moving |= !same(&now, &w->seen);
		w->seen = now;
		changed |= !same(&now, &w->told);
	}
	if (!changed || moving)
		return;
	for (size_t i = 0; i < s->watch.count; i++)
		s->watch.items[i].told = s->watch.items[i].seen;
	bool other = sources_differ(s);
	log_text(LOG_INFO, "directory-changed", "%s", other ? "a password was changed; policy begins anew"
		: "users, aliases and lists are read again");
	for (size_t i = 0; i < s->child_count; i++) {
		struct child_process *c = &s->children[i];
		if (c->role == IPC_POLICY && other)
			child_stop(c, SUPERVISOR_STOP_OTHERS_MS);
		else if (c->role == IPC_POLICY && c->channel != NULL)
			say_settings(c);
	}
}
