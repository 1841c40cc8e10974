/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts a message into the drop folder: written under a name that the queue passes
 * over, synced, renamed. Whoever may write there but not list it cannot open the
 * folder to sync it; syncing the file once more after the rename brings its name to
 * the disk too, because renaming changes the file's own times.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "crc32c.h"
#include "file.h"
#include "sendmail.h"
#include "submission.h"

#define FILE_MODE 0640 /* the sender writes, the server's group reads */

static int explain(const struct sendmail_context *x, const char *folder, int error)
{
	fprintf(stderr, "%s: the message was not queued: ", x->program);
	if (error == -ENOENT) {
		fprintf(stderr, "there is no folder %s; waybilld makes it when it is started for the first time\n", folder);
		return EX_TEMPFAIL;
	}
	if (error == -EACCES || error == -EPERM) {
		fprintf(stderr, "you may not write into %s; waybill-sendmail(8) says how all users may\n", folder);
		return EX_NOPERM;
	}
	fprintf(stderr, "%s: %s\n", folder, strerror(-error));
	return error == -ENOSPC || error == -EDQUOT || error == -EIO || error == -ENOMEM || error == -EROFS
		? EX_TEMPFAIL : EX_OSERR;
}

/* The server must be able to read it: by its group, whoever we are. */
static int group_set(int fd, int folder)
{
	struct stat file, place;
	if (fstat(fd, &file) != 0 || fstat(folder, &place) != 0)
		return -errno;
	if (file.st_gid != place.st_gid && fchown(fd, (uid_t)-1, place.st_gid) != 0)
		return -errno;
	return fchmod(fd, FILE_MODE) == 0 ? 0 : -errno;
}

static int fill(int fd, struct span head, struct span envelope, struct span content)
{
	int error = file_write(fd, head);
	if (error == 0)
		error = file_write(fd, envelope);
	if (error == 0)
		error = file_write(fd, content);
	if (error == 0 && fsync(fd) != 0)
		error = -errno;
	return error;
}

static int publish(int fd, int folder, const struct id128 *id)
{
	char from[DROP_NAME_BYTES + 1], to[DROP_NAME_BYTES + 1];
	drop_name_write("tmp-", id, from);
	drop_name_write("new-", id, to);
	if (renameat(folder, from, folder, to) != 0)
		return -errno;
	/* It may be taken and removed meanwhile, which is no harm. */
	int names = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int error = fsync(fd) == 0 && (names < 0 || fsync(names) == 0) ? 0 : -errno;
	if (names >= 0)
		close(names);
	return error;
}

/* The queue would set aside what is not lines of text: better to say so now. */
static const char *content_problem(struct buf *content)
{
	struct content_scan scan;
	bool whole = content->len >= 2 && content->ptr[content->len - 1] == '\n' && content->ptr[content->len - 2] == '\r';
	if (!whole)
		buf_add(content, SPAN("\r\n"));
	content_scan_init(&scan);
	content_scan_feed(&scan, buf_span(content));
	content_scan_finish(&scan);
	return drop_content_problem(&scan.facts);
}

const char *sendmail_complete(const struct sendmail_context *x, const struct sendmail_message *message,
	struct buf *content)
{
	struct submission_fields fields = { .from = buf_span(&x->from), .full_name = buf_span(&x->full_name),
		.hostname = x->conf->hostname, .id = &message->envelope.id, .now_ms = clock_unix_ms() };
	submission_write(content, message->content, &fields);
	return content_problem(content);
}

struct drop_parts {
	struct buf head, envelope, content;
	const char *problem;
};

static bool parts_make(const struct sendmail_context *x, const struct sendmail_message *m, struct drop_parts *p)
{
	p->problem = sendmail_complete(x, m, &p->content);
	drop_envelope_write(&p->envelope, &m->envelope);
	drop_head_write(&p->head, buf_span(&p->envelope), p->content.len, crc32c(0, buf_span(&p->content)));
	return !p->head.failed && !p->envelope.failed && !p->content.failed;
}

static int drop_into(int folder, const struct sendmail_message *m, const struct drop_parts *p)
{
	char name[DROP_NAME_BYTES + 1];
	drop_name_write("tmp-", &m->envelope.id, name);
	int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
	if (fd < 0)
		return -errno;
	int error = group_set(fd, folder);
	if (error == 0)
		error = fill(fd, buf_span(&p->head), buf_span(&p->envelope), buf_span(&p->content));
	if (error == 0)
		error = publish(fd, folder, &m->envelope.id);
	if (error < 0)
		unlinkat(folder, name, 0);
	close(fd);
	return error;
}

int sendmail_drop(struct sendmail_context *x, const struct sendmail_message *message)
{
	struct drop_parts p = { .problem = NULL };
	char path[4096];
	snprintf(path, sizeof(path), "%.*s/drop", SPAN_FMT(x->conf->data));
	buf_init(&p.head, DROP_HEAD_BYTES);
	buf_init(&p.envelope, DROP_ENVELOPE_BYTES_MAX);
	buf_init(&p.content, DROP_CONTENT_BYTES_MAX);
	int folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int error = folder >= 0 ? 0 : -errno;
	if (error == 0 && !parts_make(x, message, &p))
		error = p.envelope.failed && !p.content.failed ? -E2BIG : -ENOMEM;
	if (error == 0 && p.problem != NULL)
		error = -EBADMSG;
	if (error == 0)
		error = drop_into(folder, message, &p);
	if (folder >= 0)
		close(folder);
	buf_fini(&p.head);
	buf_fini(&p.envelope);
	buf_fini(&p.content);
	if (error == -EBADMSG) {
		fprintf(stderr, "%s: the message was not queued: %s\n", x->program, p.problem);
		return EX_DATAERR;
	}
	return error < 0 ? explain(x, path, error) : EX_OK;
}
