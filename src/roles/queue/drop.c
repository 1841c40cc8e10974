/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mail that programs of this machine leave as files in the drop folder, also while no
 * server runs (src/message/drop_format.h). Whoever put a file there may have put
 * anything there: what is no regular file of one name, or fails a check, is set aside
 * with a report, and the sender's account is the file's owner, whatever the file says.
 *
 * Taken once: the file is removed when its message is durable, the folder is synced,
 * and only then may the first attempt begin. After a crash before that, the store
 * still has the message, and the file's id tells that it is kept.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "drop_file.h"
#include "queue_parts.h"

#define IN_FLIGHT_MAX 64
#define IN_FLIGHT_BYTES_MAX (16u << 20)
#define SCAN_ENTRIES_MAX 65536
#define SCAN_EVERY_MS 1000
#define SCAN_WATCHED_MS 5000      /* what no event told of */
#define POSTPONED_MS 10000        /* until there may be room */
#define LEFTOVER_MS 100           /* until the store has cleaned up after its last process */
#define UNFINISHED_MS 3600000     /* then its writer is gone */
#define ASIDE "aside"

struct drops {
	struct queue_role *q;
	int folder, aside;
	int watch;                 /* -1: the kernel tells nothing, the timer has to do */
	uint32_t gid;              /* of the folder: files made there by the command have it */
	struct poller *poller;
	struct timer *timer;
	struct list taken;         /* every struct drop that is under way, or parked until the next start */
	unsigned in_flight;
	size_t in_flight_bytes;
	struct list removed;       /* durable, the file is gone, the folder is not synced */
	struct list syncing;
	bool copying;              /* one large message at a time */
	bool more;                 /* the folder was not read to its end */
	bool stuck_said;
	uint64_t not_before_ms;    /* the store had no room */
	struct span recipients[DROP_RECIPIENTS_MAX], orcpts[DROP_RECIPIENTS_MAX];
	uint8_t notify[DROP_RECIPIENTS_MAX];
};

static bool is_taken(const struct drops *d, const struct id128 *id)
{
	const struct list *const heads[] = { &d->taken, &d->removed, &d->syncing };
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		for (struct list *at = heads[i]->next; at != heads[i]; at = at->next)
			if (id128_cmp(&LIST_ENTRY(at, struct drop, link)->id, id) == 0)
				return true;
	return false;
}

static void say(enum log_severity severity, const char *event, const char *name, uint64_t uid, const char *why)
{
	struct log_line line;
	log_begin(&line, severity, event);
	log_str(&line, "file", name);
	if (uid != DROP_NOBODY)
		log_u64(&line, "uid", uid);
	log_str(&line, "why", why);
	log_end(&line);
}

/* A file is kept where only we and root can look; anything else holds nothing to keep. */
static void set_aside(struct drops *d, const char *name, const char *why)
{
	struct stat st;
	if (fstatat(d->folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return;
	bool gone = S_ISREG(st.st_mode) && renameat(d->folder, name, d->aside, name) == 0;
	if (!gone)
		gone = unlinkat(d->folder, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) == 0;
	if (gone || !d->stuck_said)
		say(LOG_OPERATOR, "drop-refused", name, st.st_uid, why);
	d->stuck_said |= !gone;
}

static void drop_uncount(struct drops *d, const struct drop *drop)
{
	d->in_flight--;
	d->in_flight_bytes -= drop->bytes;
	d->q->intake_bytes -= drop->bytes;
	intake_flow(d->q);
}

static void drop_end(struct drops *d, struct drop *drop)
{
	list_remove(&drop->link);
	drop_uncount(d, drop);
	drop_free(drop);
}

static void wait_for(struct drops *d, uint64_t wait_ms)
{
	d->not_before_ms = loop_now_ms(d->q->role.loop) + wait_ms;
	timer_set(d->timer, wait_ms + 1);
}

static bool is_waiting(const struct drops *d)
{
	return loop_now_ms(d->q->role.loop) < d->not_before_ms;
}

/* Later: the disk is full, or memory is short. */
static void drop_postpone(struct drops *d, struct drop *drop)
{
	say(LOG_TRANSIENT, "drop-postponed", drop->name, drop->uid,
		"the store has no room for it now; it stays in its file");
	wait_for(d, POSTPONED_MS);
	drop_end(d, drop);
}

static void drop_refuse(struct drops *d, struct drop *drop, const char *why)
{
	set_aside(d, drop->name, why);
	drop_end(d, drop);
}

/* The store has it already: the last process ended before it removed the file. */
static void drop_known(struct drops *d, struct drop *drop)
{
	if (unlinkat(d->folder, drop->name, 0) == 0)
		say(LOG_INFO, "drop-known", drop->name, drop->uid, "its message was kept before");
	drop_end(d, drop);
}

static void log_accepted(const struct drop *drop)
{
	struct log_line line;
	log_begin(&line, LOG_INFO, "accepted");
	log_id(&line, "m", &drop->id);
	log_str(&line, "client", CLIENT_LOCAL);
	log_u64(&line, "uid", drop->uid);
	log_span(&line, "from", drop->envelope.sender);
	log_u64(&line, "rcpts", drop->envelope.recipient_count);
	log_u64(&line, "bytes", drop->head.content_bytes);
	log_end(&line);
}

static void completed(struct queue_role *q, struct queue_pending *pending, enum spool_outcome outcome)
{
	struct drops *d = q->drops;
	struct drop *drop = (struct drop *)pending;
	if (outcome == SPOOL_UNKNOWN) {
		/* Parked: the next start knows whether it was kept. */
		say(LOG_OPERATOR, "drop-unknown", drop->name, drop->uid, "neither kept nor refused; the next start tells");
		drop_uncount(d, drop);
		return;
	}
	if (outcome != SPOOL_DURABLE) {
		drop_postpone(d, drop);
		return;
	}
	q->accepted++;
	log_accepted(drop);
	event_dropped(q, drop);
	unlinkat(d->folder, drop->name, 0);
	list_remove(&drop->link);
	list_append(&d->removed, &drop->link);
}

/* --- large messages are copied on a thread --- */

static void copied(void *arg)
{
	struct drop *drop = arg;
	struct queue_role *q = drop->q;
	struct drops *d = q->drops;
	int error = 0;
	d->copying = false;
	drop_copy_close(drop);
	if (drop->problem == NULL && drop->error == 0)
		error = drop_append(drop, completed);
	if (drop->problem == NULL && drop->error == 0 && error == 0)
		return;
	spool_large_discard(q->spool, &drop->id);
	if (drop->problem != NULL)
		drop_refuse(d, drop, drop->problem);
	else if (error == -EEXIST)
		drop_known(d, drop);
	else
		drop_postpone(d, drop);
}

static int copy_begin(struct drops *d, struct drop *drop)
{
	int error = spool_large_open(d->q->spool, &drop->id, &drop->copy_fd);
	/* The index does not know this id: the file is what a killed process left of its copy. */
	if (error < 0)
		return error == -EEXIST ? -EAGAIN : error;
	d->copying = true;
	if (work_submit(d->q->role.loop, drop_copy, copied, drop) == 0)
		return 0;
	d->copying = false;
	drop_copy_close(drop);
	spool_large_discard(d->q->spool, &drop->id);
	return -ENOMEM;
}

/* --- one file --- */

static void drop_begin(struct drops *d, struct drop *drop)
{
	struct spool_entry entry;
	int error = 0;
	if (spool_find(d->q->spool, &drop->id, &entry) || recent_known(d->q, &drop->id))
		error = -EEXIST;
	else if (drop->problem == NULL && drop->large)
		error = copy_begin(d, drop);
	else if (drop->problem == NULL)
		error = drop_append(drop, completed);
	if (error == -EEXIST) {
		drop_known(d, drop);
	} else if (error == -EAGAIN) {
		wait_for(d, LEFTOVER_MS);
		drop_end(d, drop);
	} else if (drop->problem != NULL || error == -EMSGSIZE || error == -EINVAL) {
		drop_refuse(d, drop, drop->problem != NULL ? drop->problem : "more addresses than the store takes");
	} else if (error < 0) {
		drop_postpone(d, drop);
	}
}

/* False: nothing more is taken now. */
static bool take(struct drops *d, const char *name, const struct id128 *id)
{
	const char *problem = NULL;
	if (is_taken(d, id))
		return true;
	if (is_waiting(d) || d->in_flight >= IN_FLIGHT_MAX || d->in_flight_bytes >= IN_FLIGHT_BYTES_MAX || d->copying)
		return false;
	struct drop_limits limits = { .gid = d->gid, .content_bytes_max = d->q->message_bytes_max,
		.lists = { d->recipients, d->orcpts, d->notify } };
	struct drop *drop = drop_open(d->q, d->folder, name, &limits, &problem);
	if (drop == NULL) {
		if (problem != NULL)
			set_aside(d, name, problem);
		return problem != NULL;
	}
	list_append(&d->taken, &drop->link);
	d->in_flight++;
	d->in_flight_bytes += drop->bytes;
	d->q->intake_bytes += drop->bytes;
	drop_begin(d, drop);
	return true;
}

static void remove_unfinished(struct drops *d, const char *name)
{
	struct stat st;
	if (fstatat(d->folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0
	    || (uint64_t)st.st_ctim.tv_sec * 1000 + UNFINISHED_MS > clock_unix_ms())
		return;
	set_aside(d, name, "its writer did not finish it");
}

static bool look_at(struct drops *d, const char *name)
{
	struct id128 id;
	if (name[0] == '.' || strcmp(name, ASIDE) == 0)
		return true;
	if (drop_name_parse(span_str(name), "new-", &id))
		return take(d, name, &id);
	if (drop_name_parse(span_str(name), "tmp-", &id))
		remove_unfinished(d, name);
	else
		set_aside(d, name, "no name of a drop file");
	return true;
}

static void scan(struct drops *d)
{
	d->more = false;
	timer_set(d->timer, d->watch >= 0 ? SCAN_WATCHED_MS : SCAN_EVERY_MS);
	if (d->q->stopping || is_waiting(d))
		return;
	int fd = openat(d->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *names = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	if (names == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	for (size_t count = 0; count < SCAN_ENTRIES_MAX && !d->more && (entry = readdir(names)) != NULL; count++)
		d->more = !look_at(d, entry->d_name);
	closedir(names);
}

static void on_timer(void *arg)
{
	scan(arg);
}

static void on_event(void *arg, unsigned ready)
{
	struct drops *d = arg;
	char events[4096];
	(void)ready;
	while (read(d->watch, events, sizeof(events)) > 0)
		continue;
	scan(d);
}

/* --- after the store's job --- */

static void sync_folder(void *arg)
{
	struct drops *d = arg;
	(void)fsync(d->folder); /* when it fails, a power cut may bring a message twice: better than not at all */
}

static void synced(void *arg)
{
	struct drops *d = arg;
	struct queue_role *q = d->q;
	while (!list_empty(&d->syncing)) {
		struct drop *drop = LIST_ENTRY(d->syncing.next, struct drop, link);
		message_schedule_new(q, &drop->id, 0, true);
		drop_end(d, drop);
	}
	drops_job_done(q);
	attempts_run(q);
	if (q->stopping && queue_idle(q))
		role_end(&q->role);
}

void drops_job_done(struct queue_role *q)
{
	struct drops *d = q->drops;
	if (d == NULL)
		return;
	if (list_empty(&d->syncing) && !list_empty(&d->removed)) {
		while (!list_empty(&d->removed)) {
			struct list *link = d->removed.next;
			list_remove(link);
			list_append(&d->syncing, link);
		}
		if (work_submit(q->role.loop, sync_folder, synced, d) < 0)
			synced(d);
	}
	if (d->more && !q->stopping)
		scan(d);
}

/* --- beginning --- */

static int watch_folder(const char *path)
{
	int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (watch >= 0 && inotify_add_watch(watch, path, IN_MOVED_TO) < 0) {
		close(watch);
		return -1;
	}
	return watch;
}

void drops_open(struct queue_role *q)
{
	struct stat st;
	int folder = q->drop_folder[0] != 0 ? open(q->drop_folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
	if (folder < 0 || fstat(folder, &st) != 0) {
		if (q->drop_folder[0] != 0)
			log_text(LOG_OPERATOR, "drop-folder", "%s: %s; waybill-sendmail can hand in nothing", q->drop_folder,
				strerror(errno));
		return;
	}
	mkdirat(folder, ASIDE, 0700);
	int aside = openat(folder, ASIDE, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct drops *d = calloc(1, sizeof(*d));
	if (d == NULL || aside < 0)
		role_fail(&q->role, "the drop folder %s cannot be used: %s", q->drop_folder, strerror(errno));
	*d = (struct drops){ .q = q, .folder = folder, .aside = aside, .watch = watch_folder(q->drop_folder),
		.gid = st.st_gid };
	list_init(&d->taken);
	list_init(&d->removed);
	list_init(&d->syncing);
	q->drops = d;
}

void drops_begin(struct queue_role *q)
{
	struct drops *d = q->drops;
	if (d == NULL)
		return;
	d->timer = timer_open(q->role.loop, on_timer, d);
	if (d->timer == NULL)
		role_fail(&q->role, "out of memory");
	d->poller = d->watch >= 0 ? poller_open(q->role.loop, d->watch, on_event, d) : NULL;
	if (d->poller != NULL)
		poller_want(d->poller, POLLER_READ);
	scan(d);
}
