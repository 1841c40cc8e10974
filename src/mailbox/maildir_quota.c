/* SPDX-License-Identifier: Apache-2.0 */
/* Reading, counting and writing of maildirsize; see the header. */
#include "maildir_quota.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "mailbox_private.h"

#define NUMBER_MAX INT64_C(1000000000000000) /* of one line: far more than a mailbox holds, and sums of them fit */
#define BYTES_MAX (INT64_C(1000) * NUMBER_MAX) /* as many are too many in any case */
#define COUNTS_MAX 3
#define LINE_BYTES 64

/* --- what the file says --- */

/* "123S": which of the limits this is. Other letters are limits of others. */
static void take_limit(struct span item, struct maildir_quota_text *t)
{
	uint64_t number;
	if (item.len < 2 || !span_to_u64(span_to(item, item.len - 1), NUMBER_MAX, &number))
		return;
	uint8_t kind = item.ptr[item.len - 1];
	if (kind == 'S')
		t->limit.bytes = (int64_t)number;
	else if (kind == 'C')
		t->limit.messages = (int64_t)number;
	t->limited |= kind == 'S' || kind == 'C';
}

static bool take_number(struct span text, int64_t *sum)
{
	uint64_t number;
	bool minus = text.len > 0 && text.ptr[0] == '-';
	if (!span_to_u64(span_from(text, minus), NUMBER_MAX, &number))
		return false;
	*sum += minus ? -(int64_t)number : (int64_t)number;
	return true;
}

static bool take_line(struct span line, struct maildir_sizes *used)
{
	line = span_trim(line);
	size_t space = span_find(line, ' ');
	return take_number(span_to(line, space), &used->bytes)
		&& take_number(span_trim(span_from(line, space)), &used->messages);
}

struct maildir_quota_text maildir_quota_parse(struct span text)
{
	struct maildir_quota_text t = { .sound = true };
	size_t end = span_find(text, '\n');
	struct span first = span_to(text, end);
	while (first.len > 0) {
		size_t len = span_find(first, ',');
		take_limit(span_trim(span_to(first, len)), &t);
		first = span_from(first, len + 1);
	}
	for (text = span_from(text, end + 1); text.len > 0; text = span_from(text, end + 1)) {
		end = span_find(text, '\n');
		t.sound &= end < text.len && take_line(span_to(text, end), &t.used);
		t.lines++;
	}
	return t;
}

/* --- what is there --- */

bool maildir_quota_name_bytes(struct span name, uint64_t *bytes_out)
{
	name = span_to(name, span_find(name, ':'));
	while (name.len > 0) {
		name = span_from(name, span_find(name, ',') + 1);
		struct span part = span_to(name, span_find(name, ','));
		if (part.len > 2 && part.ptr[0] == 'S' && part.ptr[1] == '=')
			return span_to_u64(span_from(part, 2), NUMBER_MAX, bytes_out);
	}
	return false;
}

struct counting {
	struct maildir_sizes found;
	struct timespec newest;     /* change of a folder */
	size_t names, folders;
	bool skip_trash;
	bool only_times;            /* what changed when, without a look at the names */
};

static bool is_later(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

static void count_file(struct counting *c, int dir, const char *file)
{
	uint64_t bytes = 0;
	struct stat st;
	if (!maildir_quota_name_bytes(span_str(file), &bytes)) {
		if (fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW) != 0)
			return; /* gone meanwhile */
		bytes = (uint64_t)st.st_size;
	}
	if (c->found.bytes < BYTES_MAX)
		c->found.bytes += bytes < (uint64_t)NUMBER_MAX ? (int64_t)bytes : NUMBER_MAX;
	c->found.messages++;
}

/* Takes over `fd`. */
static int count_list(struct counting *c, int fd)
{
	struct stat st;
	const struct dirent *entry;
	DIR *dir = fstat(fd, &st) == 0 ? fdopendir(fd) : NULL;
	if (dir == NULL) {
		int error = -errno;
		close(fd);
		return error;
	}
	if (is_later(&st.st_mtim, &c->newest))
		c->newest = st.st_mtim;
	while (!c->only_times && c->names < MAILDIR_QUOTA_NAMES_MAX && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		c->names++;
		count_file(c, dirfd(dir), entry->d_name);
	}
	closedir(dir);
	return c->names < MAILDIR_QUOTA_NAMES_MAX ? 0 : -E2BIG;
}

/* new/ and cur/ of the Maildir or of a folder in it; what is none has neither. */
static int count_folder(struct counting *c, int folder)
{
	static const char *const parts[] = { "new", "cur" };
	int error = 0;
	for (size_t i = 0; i < 2 && error == 0; i++) {
		int fd = openat(folder, parts[i], MAILBOX_LIST_FLAGS);
		if (fd >= 0)
			error = count_list(c, fd);
		else if (errno != ENOENT && errno != ENOTDIR)
			error = -errno;
	}
	return error;
}

static bool is_counted_folder(const struct counting *c, const char *name)
{
	return name[0] == '.' && strcmp(name, ".") != 0 && strcmp(name, "..") != 0
		&& !(c->skip_trash && strcmp(name, ".Trash") == 0);
}

static int count_folders(struct counting *c, DIR *top)
{
	const struct dirent *entry;
	int error = 0;
	while (error == 0 && (entry = readdir(top)) != NULL) {
		if (!is_counted_folder(c, entry->d_name))
			continue;
		if (++c->folders > MAILDIR_QUOTA_FOLDERS_MAX)
			return -E2BIG;
		int folder = openat(dirfd(top), entry->d_name, MAILBOX_STEP_FLAGS);
		if (folder < 0)
			continue; /* a file, a link, or gone */
		error = count_folder(c, folder);
		close(folder);
	}
	return error;
}

/* *c says how. */
static int count_all(struct counting *c, const struct maildir_folder *folder)
{
	int error = count_folder(c, folder->top);
	int fd = error == 0 ? maildir_folder_sub(folder, ".") : error;
	if (fd < 0)
		return fd;
	DIR *top = fdopendir(fd);
	if (top == NULL) {
		error = -errno;
		close(fd);
		return error;
	}
	error = count_folders(c, top);
	closedir(top);
	return error;
}

/* --- writing it down --- */

/* A new file in place of the old one: its descriptor, or a negative errno. */
static int write_anew(const struct maildir_folder *folder, struct span limit, const struct maildir_sizes *found)
{
	char name[LINE_BYTES], text[MAILDIR_QUOTA_BYTES + LINE_BYTES];
	snprintf(name, sizeof(name), "%" PRId64 ".P%dT%d.maildirsize", (int64_t)time(NULL), (int)getpid(), (int)gettid());
	int len = snprintf(text, sizeof(text), "%.*s\n%" PRId64 " %" PRId64 "\n", SPAN_FMT(limit), found->bytes,
		found->messages);
	const int flags = O_RDWR | O_APPEND | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(folder->tmp, name, flags, MAILBOX_FILE_MODE);
	if (fd < 0)
		return -errno;
	ssize_t written = write(fd, text, (size_t)len);
	int error = written == len ? 0 : written < 0 ? -errno : -ENOSPC;
	if (error == 0 && renameat(folder->tmp, name, folder->top, MAILDIR_QUOTA_FILE) != 0)
		error = -errno;
	if (error == 0)
		return fd;
	unlinkat(folder->tmp, name, 0);
	close(fd);
	return error;
}

/* Counts, and writes the result unless only to look; again when mail came in meanwhile. Where it cannot be
 * written, it holds for this time. */
static int count_anew(struct maildir_quota *q, const struct maildir_folder *folder, struct span limit,
	const struct maildir_quota_question *about)
{
	const struct counting all = { .skip_trash = about->skip_trash };
	struct counting c = all;
	int error = count_all(&c, folder);
	for (unsigned i = 1; error == 0 && !about->only_look; i++) {
		struct counting after = all;
		int fd = write_anew(folder, limit, &c.found);
		if (fd < 0)
			break;
		close(q->fd);
		q->fd = fd;
		after.only_times = true;
		error = count_all(&after, folder);
		if (error < 0 || i == COUNTS_MAX || !is_later(&after.newest, &c.newest))
			break;
		c = all;
		error = count_all(&c, folder);
	}
	if (error == 0)
		q->used = c.found;
	return error;
}

static bool count_is_due(const struct maildir_quota *q, const struct maildir_quota_text *t, const struct stat *st,
	uint64_t more_bytes)
{
	if (!t->sound || st->st_size >= MAILDIR_QUOTA_BYTES)
		return true;
	bool old = time(NULL) - st->st_mtim.tv_sec >= MAILDIR_QUOTA_AGE_S;
	uint64_t small = mailbox_room_small((uint64_t)q->limit.bytes);
	return maildir_quota_is_full(q, more_bytes > small ? more_bytes : small) && (t->lines != 1 || old);
}

static int read_file(struct maildir_quota *q, const struct maildir_folder *folder,
	const struct maildir_quota_question *about)
{
	struct stat st;
	uint8_t bytes[MAILDIR_QUOTA_BYTES];
	if (fstat(q->fd, &st) != 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	ssize_t len = pread(q->fd, bytes, sizeof(bytes), 0);
	if (len < 0)
		return -errno;
	struct span text = span_of(bytes, (size_t)len);
	struct maildir_quota_text t = maildir_quota_parse(text);
	q->limit = t.limit;
	q->used = t.used;
	if (!t.limited) {
		maildir_quota_close(q); /* not a file of this kind */
		return 0;
	}
	if (!count_is_due(q, &t, &st, about->bytes))
		return 0;
	int error = count_anew(q, folder, span_to(text, span_find(text, '\n')), about);
	return error == -E2BIG && t.sound ? 0 : error;
}

int maildir_quota_open(struct maildir_quota *q, const struct maildir_folder *folder,
	const struct maildir_quota_question *about)
{
	int flags = (about->only_look ? O_RDONLY : O_RDWR | O_APPEND) | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	*q = (struct maildir_quota){ .fd = openat(folder->top, MAILDIR_QUOTA_FILE, flags) };
	if (q->fd < 0)
		return errno == ENOENT ? 0 : -errno;
	return read_file(q, folder, about);
}

void maildir_quota_close(struct maildir_quota *q)
{
	if (q->fd >= 0)
		close(q->fd);
	*q = (struct maildir_quota){ .fd = -1 };
}

bool maildir_quota_is_full(const struct maildir_quota *q, uint64_t more_bytes)
{
	int64_t more = more_bytes < (uint64_t)NUMBER_MAX ? (int64_t)more_bytes : NUMBER_MAX;
	if (more == 0)
		more = 1;
	return (q->limit.bytes > 0 && q->used.bytes + more > q->limit.bytes)
		|| (q->limit.messages > 0 && q->used.messages + 1 > q->limit.messages);
}

enum mailbox_room maildir_quota_room(const struct maildir_quota *q, const struct maildir_folder *folder,
	const struct mailbox_room_question *about)
{
	struct mailbox_room_question room = *about;
	room.folder = folder->top;
	room.mark = MAILDIR_FULL_MARK;
	room.limit_bytes = (uint64_t)q->limit.bytes;
	room.fits = !maildir_quota_is_full(q, about->bytes);
	room.small_fits = !maildir_quota_is_full(q, mailbox_room_small(room.limit_bytes));
	return mailbox_room_judge(&room);
}

void maildir_quota_add(struct maildir_quota *q, uint64_t bytes)
{
	char line[LINE_BYTES];
	if (q->fd < 0)
		return;
	int len = snprintf(line, sizeof(line), "%" PRIu64 " 1\n", bytes);
	(void)!write(q->fd, line, (size_t)len);
}
