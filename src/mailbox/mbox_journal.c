/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing of the journal, and the comparison that decides what may be cut; see the header. */
#include "mbox_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crc32c.h"
#include "identity.h"
#include "wire.h"

#define MAGIC SPAN("wbmbox2\n")
#define SLOTS_AT_ONCE 512u /* that are read; MBOX_JOURNAL_SLOTS is a multiple */
#define OPEN_FLAGS (O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
#define CRC_BYTES 4

_Static_assert(MBOX_JOURNAL_HEADER_BYTES + MBOX_JOURNAL_SLOTS * MBOX_JOURNAL_SLOT_BYTES <= MBOX_JOURNAL_PLAN_OFFSET,
	"the plan comes behind the slots");

static bool is_ours(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 && st.st_uid == identity_uid()
		&& (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static int open_or_make(struct mbox_journal *j, int folder, const char *file)
{
	j->fd = openat(folder, file, OPEN_FLAGS);
	if (j->fd >= 0 && is_ours(j->fd))
		return 0;
	if (j->fd >= 0)
		close(j->fd);
	if (unlinkat(folder, file, 0) != 0 && errno != ENOENT) {
		j->fd = -1;
		return -errno;
	}
	j->fd = openat(folder, file, OPEN_FLAGS | O_CREAT | O_EXCL, MAILBOX_FILE_MODE);
	return j->fd >= 0 ? 0 : -errno;
}

/* A sealed part ends in the checksum of what stands before. */
static bool sealed(struct span part)
{
	struct wire_reader r = { .rest = span_from(part, part.len - CRC_BYTES) };
	return wire_get_u32(&r) == crc32c(0, span_to(part, part.len - CRC_BYTES));
}

static void seal(struct buf *part, size_t bytes)
{
	while (part->len < bytes - CRC_BYTES)
		buf_add_byte(part, 0);
	wire_put_u32(part, crc32c(0, buf_span(part)));
}

/* False: it says nothing. */
static bool read_header(struct mbox_journal *j, struct span bytes)
{
	struct mbox_plan plan;
	struct wire_reader r = { .rest = bytes };
	if (!sealed(bytes) || !span_eq(wire_get_bytes(&r, MAGIC.len), MAGIC))
		return false;
	plan.old_bytes = wire_get_u64(&r);
	plan.bytes = wire_get_u64(&r);
	plan.crc = wire_get_u32(&r);
	plan.copy.id = wire_get_id(&r);
	plan.copy.recipient_hash = wire_get_u64(&r);
	if (plan.old_bytes > INT64_MAX || plan.bytes > INT64_MAX - plan.old_bytes)
		plan.bytes = 0;
	j->plan = plan;
	j->next = wire_get_u32(&r);
	return true;
}

static ssize_t read_at(int fd, uint8_t *into, size_t len, uint64_t offset)
{
	size_t done = 0;
	while (done < len) {
		ssize_t n = pread(fd, into + done, len - done, (off_t)(offset + done));
		if (n == 0)
			break;
		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return (ssize_t)done;
}

static int write_at(int fd, struct span bytes, uint64_t offset)
{
	while (bytes.len > 0) {
		ssize_t n = pwrite(fd, bytes.ptr, bytes.len, (off_t)offset);
		if (n == 0 || (n < 0 && errno != EINTR))
			return n == 0 ? -EIO : -errno;
		bytes = span_from(bytes, n > 0 ? (size_t)n : 0);
		offset += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* A pass over slots: is this copy among them, and which number is the next one? Numbers may wrap around. */
struct search {
	const struct maildir_copy *copy;
	bool found;
	bool any;
	uint32_t next;
};

static void look_at_slot(struct search *s, struct span slot)
{
	struct maildir_copy copy;
	struct wire_reader r = { .rest = slot };
	if (s->copy != NULL && memcmp(slot.ptr, s->copy->id.bytes, sizeof(copy.id.bytes)) != 0)
		return; /* quickly, there are thousands */
	copy.id = wire_get_id(&r);
	copy.recipient_hash = wire_get_u64(&r);
	uint32_t after = wire_get_u32(&r) + 1;
	if ((s->copy != NULL && memcmp(&copy, s->copy, sizeof(copy)) != 0) || !sealed(slot))
		return;
	s->found = true;
	if (!s->any || (int32_t)(after - s->next) > 0)
		s->next = after;
	s->any = true;
}

/* The first `count` places of the ring; where the file ends there are none. */
static int search_slots(const struct mbox_journal *j, uint32_t count, struct search *s)
{
	uint8_t bytes[SLOTS_AT_ONCE * MBOX_JOURNAL_SLOT_BYTES];
	for (uint32_t at = 0; at < count; at += SLOTS_AT_ONCE) {
		ssize_t got = read_at(j->fd, bytes, sizeof(bytes), MBOX_JOURNAL_HEADER_BYTES + at * MBOX_JOURNAL_SLOT_BYTES);
		if (got < 0)
			return (int)got;
		struct span rest = span_of(bytes, (size_t)got);
		for (; rest.len >= MBOX_JOURNAL_SLOT_BYTES; rest = span_from(rest, MBOX_JOURNAL_SLOT_BYTES))
			look_at_slot(s, span_to(rest, MBOX_JOURNAL_SLOT_BYTES));
		if ((size_t)got < sizeof(bytes))
			break;
	}
	return 0;
}

static uint64_t slot_offset(uint32_t number)
{
	return MBOX_JOURNAL_HEADER_BYTES + (uint64_t)(number % MBOX_JOURNAL_SLOTS) * MBOX_JOURNAL_SLOT_BYTES;
}

/* A crash may lie between a slot and the header that counts it. */
static int read_next_slot(struct mbox_journal *j)
{
	uint8_t bytes[MBOX_JOURNAL_SLOT_BYTES] = { 0 };
	struct search s = { .copy = &j->plan.copy };
	ssize_t got = read_at(j->fd, bytes, sizeof(bytes), slot_offset(j->next));
	if (got < 0)
		return (int)got;
	look_at_slot(&s, span_of(bytes, sizeof(bytes)));
	j->noted = s.found && s.next == j->next + 1;
	j->next += j->noted;
	return 0;
}

static int read_front(struct mbox_journal *j)
{
	uint8_t header[MBOX_JOURNAL_HEADER_BYTES] = { 0 };
	struct search all = { .next = 0 };
	ssize_t got = read_at(j->fd, header, sizeof(header), 0);
	if (got < 0)
		return (int)got;
	j->fresh = got < MBOX_JOURNAL_HEADER_BYTES;
	if (read_header(j, span_of(header, sizeof(header))))
		return j->plan.bytes > 0 ? read_next_slot(j) : 0;
	int error = search_slots(j, MBOX_JOURNAL_SLOTS, &all);
	j->next = all.next;
	return error;
}

int mbox_journal_open(struct mbox_journal *j, int folder, const char *name)
{
	char file[NAME_MAX + 1];
	*j = (struct mbox_journal){ .fd = -1 };
	if (snprintf(file, sizeof(file), ".%s.waybill", name) > NAME_MAX)
		return -ENAMETOOLONG;
	int error = open_or_make(j, folder, file);
	return error == 0 ? read_front(j) : error;
}

bool mbox_journal_is_there(int folder, const char *name)
{
	char file[NAME_MAX + 1];
	int fd = snprintf(file, sizeof(file), ".%s.waybill", name) <= NAME_MAX ? openat(folder, file, OPEN_FLAGS) : -1;
	bool good = fd >= 0 && is_ours(fd);
	if (fd >= 0)
		close(fd);
	return good;
}

int mbox_full_mark(const char *name, char mark_out[NAME_MAX + 1])
{
	return snprintf(mark_out, NAME_MAX + 1, ".%s.waybill-full", name) > NAME_MAX ? -ENAMETOOLONG : 0;
}

void mbox_journal_close(struct mbox_journal *j)
{
	if (j->fd >= 0)
		close(j->fd);
	j->fd = -1;
}

int mbox_journal_find(const struct mbox_journal *j, const struct maildir_copy *copy)
{
	struct search s = { .copy = copy };
	int error = search_slots(j, MBOX_JOURNAL_SLOTS, &s);
	return error < 0 ? error : s.found;
}

static int write_header(struct mbox_journal *j, const struct mbox_plan *plan)
{
	struct buf header;
	buf_init(&header, MBOX_JOURNAL_HEADER_BYTES);
	buf_add(&header, MAGIC);
	wire_put_u64(&header, plan->old_bytes);
	wire_put_u64(&header, plan->bytes);
	wire_put_u32(&header, plan->crc);
	wire_put_id(&header, &plan->copy.id);
	wire_put_u64(&header, plan->copy.recipient_hash);
	wire_put_u32(&header, j->next);
	seal(&header, MBOX_JOURNAL_HEADER_BYTES);
	int error = header.failed ? -ENOMEM : write_at(j->fd, buf_span(&header), 0);
	buf_fini(&header);
	if (error == 0)
		j->plan = *plan;
	return error;
}

static int write_slot(struct mbox_journal *j, const struct maildir_copy *copy)
{
	struct buf slot;
	buf_init(&slot, MBOX_JOURNAL_SLOT_BYTES);
	wire_put_id(&slot, &copy->id);
	wire_put_u64(&slot, copy->recipient_hash);
	wire_put_u32(&slot, j->next);
	seal(&slot, MBOX_JOURNAL_SLOT_BYTES);
	int error = slot.failed ? -ENOMEM : write_at(j->fd, buf_span(&slot), slot_offset(j->next));
	buf_fini(&slot);
	j->next += error == 0;
	return error;
}

/* There is no plan any more; its bytes, which are somebody's mail, go as well. */
static int clear(struct mbox_journal *j)
{
	int error = write_header(j, &(struct mbox_plan){ .bytes = 0 });
	if (error == 0 && ftruncate(j->fd, MBOX_JOURNAL_PLAN_OFFSET) != 0)
		error = -errno;
	return error;
}

/* How the mbox goes on behind the old size, against the plan. */
struct comparison {
	uint64_t tail;   /* bytes there */
	uint32_t crc;    /* of the plan's bytes that were read */
	bool equal;      /* as far as both go */
	bool ours;       /* the same, where zeros may stand for bytes that were not written yet */
};

/* `tail` is as long as the plan's part, or ends with the mbox. */
static void compare_chunk(struct comparison *c, struct span plan, struct span tail)
{
	for (size_t i = 0; i < tail.len; i++) {
		bool same = tail.ptr[i] == plan.ptr[i];
		c->equal &= same;
		c->ours &= same || tail.ptr[i] == 0;
	}
}

static int compare(const struct mbox_journal *j, int mbox, struct comparison *c)
{
	uint8_t *both = malloc(2 * MAILBOX_CHUNK_BYTES);
	ssize_t got = both != NULL ? 0 : -ENOMEM;
	uint64_t done = 0;
	while (got >= 0 && done < j->plan.bytes) {
		uint64_t left = j->plan.bytes - done, tail = c->tail > done ? c->tail - done : 0;
		size_t len = left < MAILBOX_CHUNK_BYTES ? (size_t)left : MAILBOX_CHUNK_BYTES;
		got = read_at(j->fd, both, len, MBOX_JOURNAL_PLAN_OFFSET + done);
		if (got < (ssize_t)len)
			break;
		struct span plan = span_of(both, len);
		c->crc = crc32c(c->crc, plan);
		len = tail < len ? (size_t)tail : len;
		got = read_at(mbox, both + MAILBOX_CHUNK_BYTES, len, j->plan.old_bytes + done);
		if (got >= 0 && got < (ssize_t)len)
			got = -EIO; /* it was longer a moment ago */
		else if (got > 0)
			compare_chunk(c, plan, span_of(both + MAILBOX_CHUNK_BYTES, len));
		done += plan.len;
	}
	free(both);
	return got < 0 ? (int)got : 0;
}

static int cut_off(const struct mbox_journal *j, int mbox)
{
	return ftruncate(mbox, (off_t)j->plan.old_bytes) == 0 && fsync(mbox) == 0 ? 0 : -errno;
}

static int take_complete(struct mbox_journal *j, int mbox)
{
	if (fsync(mbox) != 0)
		return -errno;
	return j->noted ? 0 : write_slot(j, &j->plan.copy);
}

int mbox_journal_settle(struct mbox_journal *j, int mbox, enum mbox_found *found_out)
{
	struct stat st;
	struct comparison c = { .equal = true, .ours = true };
	*found_out = MBOX_FOUND_NOTHING;
	if (j->plan.bytes == 0)
		return 0;
	if (fstat(mbox, &st) != 0)
		return -errno;
	uint64_t size = (uint64_t)st.st_size;
	c.tail = size > j->plan.old_bytes ? size - j->plan.old_bytes : 0;
	int error = compare(j, mbox, &c);
	if (error < 0)
		return error;
	bool sound = c.crc == j->plan.crc;
	if (!sound || size == j->plan.old_bytes)
		*found_out = MBOX_FOUND_NOTHING;
	else if (c.equal && c.tail >= j->plan.bytes)
		*found_out = MBOX_FOUND_COMPLETE;
	else if (c.ours && c.tail > 0 && c.tail <= j->plan.bytes)
		*found_out = MBOX_FOUND_TORN;
	else
		*found_out = MBOX_FOUND_OTHERS;
	if (*found_out == MBOX_FOUND_TORN)
		error = cut_off(j, mbox);
	else if (*found_out == MBOX_FOUND_COMPLETE)
		error = take_complete(j, mbox);
	return error == 0 ? clear(j) : error;
}

int mbox_journal_begin(struct mbox_journal *j)
{
	if (ftruncate(j->fd, MBOX_JOURNAL_PLAN_OFFSET) != 0)
		return -errno;
	return lseek(j->fd, MBOX_JOURNAL_PLAN_OFFSET, SEEK_SET) >= 0 ? j->fd : -errno;
}

int mbox_journal_commit(struct mbox_journal *j, const struct mbox_plan *plan)
{
	int error = write_header(j, plan);
	if (error == 0 && fdatasync(j->fd) != 0)
		error = -errno;
	return error;
}

int mbox_journal_append(struct mbox_journal *j, int mbox)
{
	uint8_t *chunk = malloc(MAILBOX_CHUNK_BYTES);
	int error = chunk != NULL ? 0 : -ENOMEM;
	for (uint64_t done = 0; error == 0 && done < j->plan.bytes;) {
		uint64_t left = j->plan.bytes - done;
		size_t len = left < MAILBOX_CHUNK_BYTES ? (size_t)left : MAILBOX_CHUNK_BYTES;
		ssize_t got = read_at(j->fd, chunk, len, MBOX_JOURNAL_PLAN_OFFSET + done);
		if (got < (ssize_t)len)
			error = got < 0 ? (int)got : -EIO;
		else /* opened for appending, it grows at its end whatever the offset: nobody's bytes are overwritten */
			error = write_at(mbox, span_of(chunk, len), j->plan.old_bytes + done);
		done += len;
	}
	free(chunk);
	return error == 0 && fdatasync(mbox) != 0 ? -errno : error;
}

void mbox_journal_done(struct mbox_journal *j)
{
	if (write_slot(j, &j->plan.copy) == 0)
		clear(j);
}
