/* SPDX-License-Identifier: Apache-2.0 */
/* Reading one drop file; drop_file.h. */
#include "drop_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "crc32c.h"
#include "file.h"
#include "trace.h"

#define COPY_BYTES 65536

static int read_at(int fd, uint8_t *bytes, size_t len, uint64_t offset)
{
	while (len > 0) {
		ssize_t got = pread(fd, bytes, len, (off_t)offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -ENODATA;
		bytes += got;
		len -= (size_t)got;
		offset += (uint64_t)got;
	}
	return 0;
}

static const char *stat_problem(const struct stat *st, uint32_t gid)
{
	if (!S_ISREG(st->st_mode))
		return "no regular file";
	if (st->st_nlink != 1)
		return "it has several names";
	if (st->st_gid != gid)
		return "its group is not the folder's";
	return NULL;
}

static int open_suspiciously(int folder, const char *name, const char **problem_out)
{
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	if (errno == ELOOP)
		*problem_out = "a symbolic link";
	else if (errno == ENXIO || errno == ENODEV)
		*problem_out = "no regular file";
	else if (errno == EACCES || errno == EPERM)
		*problem_out = "the server may not read it";
	return -1;
}

static const char *text_problem(struct drop *drop)
{
	struct content_scan scan;
	struct span content = span_from(drop->text, drop->head.envelope_bytes);
	if (drop->large)
		return NULL;
	if (crc32c(0, content) != drop->head.content_crc)
		return "the content fails its checksum";
	content_scan_init(&scan);
	content_scan_feed(&scan, content);
	content_scan_finish(&scan);
	drop->facts = scan.facts;
	return drop_content_problem(&drop->facts);
}

/* The lists' own copy, for as long as the drop lives: a large one is appended later. */
static bool lists_keep(struct drop *drop)
{
	struct drop_envelope *e = &drop->envelope;
	size_t count = e->recipient_count;
	struct span *block = calloc(count, 2 * sizeof(*block) + 1);
	if (block == NULL)
		return false;
	drop->lists = (struct drop_lists){ block, block + count, (uint8_t *)(block + 2 * count) };
	memcpy(drop->lists.recipients, e->recipients, count * sizeof(*block));
	memcpy(drop->lists.orcpts, e->orcpts, count * sizeof(*block));
	memcpy(drop->lists.notify, e->notify, count);
	e->recipients = drop->lists.recipients;
	e->orcpts = drop->lists.orcpts;
	e->notify = drop->lists.notify;
	return true;
}

static void understand(struct drop *drop, const struct drop_limits *limits)
{
	struct span envelope = span_to(drop->text, drop->head.envelope_bytes);
	drop->problem = drop_envelope_read(&drop->head, envelope, &limits->lists, &drop->envelope);
	if (drop->problem == NULL && id128_cmp(&drop->envelope.id, &drop->id) != 0)
		drop->problem = "its name has another id";
	if (drop->problem == NULL && limits->content_bytes_max > 0
	    && drop->head.content_bytes > limits->content_bytes_max)
		drop->problem = "larger than message-size allows";
	if (drop->problem == NULL)
		drop->problem = text_problem(drop);
}

static struct drop *drop_new(struct queue_role *q, const char *name, const struct drop_head *head)
{
	bool large = head->content_bytes + TRACE_BYTES_MAX > SPOOL_CONTENT_BYTES_MAX;
	size_t len = head->envelope_bytes + (large ? 0 : (size_t)head->content_bytes);
	struct drop *drop = malloc(sizeof(*drop) + len);
	if (drop == NULL)
		return NULL;
	*drop = (struct drop){ .q = q, .head = *head, .large = large, .fd = -1, .copy_fd = -1,
		.bytes = sizeof(*drop) + len };
	list_init(&drop->link);
	buf_init(&drop->trace, TRACE_BYTES_MAX);
	drop_name_parse(span_str(name), "new-", &drop->id);
	memcpy(drop->name, name, DROP_NAME_BYTES);
	drop->text = span_of(drop->body, len);
	return drop;
}

struct drop *drop_open(struct queue_role *q, int folder, const char *name, const struct drop_limits *limits,
	const char **problem_out)
{
	uint8_t first[DROP_HEAD_BYTES];
	struct drop_head head;
	struct drop *drop = NULL;
	struct stat st;
	int fd = open_suspiciously(folder, name, problem_out);
	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0)
		*problem_out = stat_problem(&st, limits->gid);
	if (*problem_out == NULL && (read_at(fd, first, sizeof(first), 0) < 0
	    || !drop_head_read(span_of(first, sizeof(first)), (uint64_t)st.st_size, &head)))
		*problem_out = "no drop file, or a damaged one";
	if (*problem_out == NULL)
		drop = drop_new(q, name, &head);
	if (drop != NULL) {
		drop->uid = st.st_uid;
		if (read_at(fd, drop->body, drop->text.len, DROP_HEAD_BYTES) < 0)
			drop->problem = "it cannot be read to its end";
		else
			understand(drop, limits);
		if (drop->problem == NULL && !lists_keep(drop)) {
			drop_free(drop);
			drop = NULL;
		}
	}
	if (drop != NULL && drop->large && drop->problem == NULL)
		drop->fd = fd;
	else
		close(fd);
	return drop;
}

void drop_free(struct drop *drop)
{
	drop_copy_close(drop);
	buf_fini(&drop->trace);
	free(drop->lists.recipients);
	free(drop);
}

static void trace_write(struct drop *drop)
{
	trace_received_local_write(&drop->trace, span_str(drop->q->hostname), &drop->id, drop->uid, clock_unix_ms());
}

int drop_append(struct drop *drop, void (*completed)(struct queue_role *, struct queue_pending *, enum spool_outcome))
{
	struct spool_message m = { .id = drop->id, .arrival_ms = clock_unix_ms(), .sender = drop->envelope.sender,
		.flags = (drop->envelope.utf8 ? SPOOL_SMTPUTF8 : 0)
			| (drop->facts.body_8bit || drop->facts.header_8bit ? SPOOL_8BITMIME : 0),
		.recipients = drop->envelope.recipients, .recipient_count = drop->envelope.recipient_count,
		.notify = drop->envelope.notify, .orcpt = drop->envelope.orcpts, .ret = (enum spool_ret)drop->envelope.ret,
		.envid = drop->envelope.envid,
		.client = SPAN(CLIENT_LOCAL), .large = drop->large, .large_bytes = drop->stored_bytes,
		.large_crc = drop->stored_crc };
	drop->pending.completed = completed;
	if (!drop->large) {
		trace_write(drop);
		if (drop->trace.failed)
			return -ENOMEM;
		m.trace = buf_span(&drop->trace);
		m.content = span_from(drop->text, drop->head.envelope_bytes);
	}
	return spool_append(drop->q->spool, &m, (uint64_t)(uintptr_t)&drop->pending);
}

static void copy_piece(struct drop *drop, struct span piece)
{
	drop->stored_crc = crc32c(drop->stored_crc, piece);
	drop->stored_bytes += piece.len;
	if (drop->error == 0)
		drop->error = file_write(drop->copy_fd, piece);
}

void drop_copy(void *arg)
{
	struct drop *drop = arg;
	struct content_scan scan;
	uint8_t bytes[COPY_BYTES];
	uint32_t crc = 0;
	uint64_t offset = DROP_HEAD_BYTES + (uint64_t)drop->head.envelope_bytes;
	uint64_t end = offset + drop->head.content_bytes;
	content_scan_init(&scan);
	trace_write(drop);
	drop->error = drop->trace.failed ? -ENOMEM : 0;
	copy_piece(drop, buf_span(&drop->trace));
	while (offset < end && drop->error == 0) {
		size_t len = end - offset < sizeof(bytes) ? (size_t)(end - offset) : sizeof(bytes);
		if (read_at(drop->fd, bytes, len, offset) < 0) {
			drop->problem = "it cannot be read to its end";
			return;
		}
		crc = crc32c(crc, span_of(bytes, len));
		content_scan_feed(&scan, span_of(bytes, len));
		copy_piece(drop, span_of(bytes, len));
		offset += len;
	}
	if (drop->error != 0)
		return;
	content_scan_finish(&scan);
	drop->facts = scan.facts;
	drop->problem = crc != drop->head.content_crc ? "the content fails its checksum"
		: drop_content_problem(&scan.facts);
}

void drop_copy_close(struct drop *drop)
{
	if (drop->fd >= 0)
		close(drop->fd);
	if (drop->copy_fd >= 0)
		close(drop->copy_fd);
	drop->fd = drop->copy_fd = -1;
}
