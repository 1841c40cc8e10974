/* SPDX-License-Identifier: Apache-2.0 */
/* Two images of each file and two tables of names: as they are, and as they would be after a crash. */
#include "disk_sim.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define UNIT 512u
#define FILES_MAX 512
#define NAMES_MAX 256
#define PENDING_MAX 256

struct inode {
	uint8_t *now;       /* what reads see */
	uint8_t *after;     /* what a crash leaves if nothing more is written back */
	uint8_t *dirty;     /* one byte for each unit: now may differ from after */
	uint64_t size;
	uint64_t size_after;
	uint64_t cap;
};

struct name {
	char text[DISK_NAME_MAX];
	struct inode *inode;
};

/* One change of a name that is not durable yet; inode NULL: the name goes away. */
struct pending {
	char name[DISK_NAME_MAX];
	char from[DISK_NAME_MAX];
	struct inode *inode;
};

struct table {
	struct name names[NAMES_MAX];
	int count;
};

struct disk_sim {
	struct id_source chance;
	struct disk_sim_faults faults;
	struct table now, after;
	struct pending pending[PENDING_MAX];
	int pending_count;
	struct inode *inodes[FILES_MAX];
	int inode_count;
	struct inode *handles[FILES_MAX];
	bool locked;
	bool dead;
};

static uint64_t chance(struct disk_sim *d)
{
	return id_source_u64(&d->chance);
}

static bool happens(struct disk_sim *d, uint32_t in_a_thousand)
{
	return in_a_thousand > 0 && chance(d) % 1000 < in_a_thousand;
}

/* Every call counts; false: the machine is dead. */
static bool alive(struct disk_sim *d)
{
	if (d->faults.calls_left > 0 && --d->faults.calls_left == 0)
		d->dead = true;
	return !d->dead;
}

static struct name *table_find(struct table *t, const char *name)
{
	for (int i = 0; i < t->count; i++) {
		if (strcmp(t->names[i].text, name) == 0)
			return &t->names[i];
	}
	return NULL;
}

static void table_set(struct table *t, const char *name, struct inode *inode)
{
	struct name *n = table_find(t, name);
	if (n != NULL && inode == NULL) {
		*n = t->names[--t->count];
	} else if (inode != NULL) {
		if (n == NULL) {
			assert(t->count < NAMES_MAX);
			n = &t->names[t->count++];
			snprintf(n->text, sizeof(n->text), "%s", name);
		}
		n->inode = inode;
	}
}

static void apply_pending(struct disk_sim *d, const struct pending *p)
{
	if (p->from[0] != '\0')
		table_set(&d->after, p->from, NULL);
	table_set(&d->after, p->name, p->inode);
}

static void change_name(struct disk_sim *d, const char *from, const char *name, struct inode *inode)
{
	if (d->pending_count == PENDING_MAX) {
		apply_pending(d, &d->pending[0]);
		memmove(d->pending, d->pending + 1, (size_t)--d->pending_count * sizeof(d->pending[0]));
	}
	struct pending *p = &d->pending[d->pending_count++];
	*p = (struct pending){ .inode = inode };
	snprintf(p->name, sizeof(p->name), "%s", name);
	snprintf(p->from, sizeof(p->from), "%s", from != NULL ? from : "");
	if (from != NULL)
		table_set(&d->now, from, NULL);
	table_set(&d->now, name, inode);
}

static bool inode_used(const struct disk_sim *d, const struct inode *inode)
{
	for (int i = 0; i < d->now.count; i++) {
		if (d->now.names[i].inode == inode)
			return true;
	}
	for (int i = 0; i < d->after.count; i++) {
		if (d->after.names[i].inode == inode)
			return true;
	}
	for (int i = 0; i < d->pending_count; i++) {
		if (d->pending[i].inode == inode)
			return true;
	}
	for (int i = 0; i < FILES_MAX; i++) {
		if (d->handles[i] == inode)
			return true;
	}
	return false;
}

static void inode_free(struct inode *inode)
{
	free(inode->now);
	free(inode->after);
	free(inode->dirty);
	free(inode);
}

static void sweep(struct disk_sim *d)
{
	for (int i = 0; i < d->inode_count;) {
		if (inode_used(d, d->inodes[i])) {
			i++;
			continue;
		}
		inode_free(d->inodes[i]);
		d->inodes[i] = d->inodes[--d->inode_count];
	}
}

static void inode_grow(struct inode *inode, uint64_t bytes)
{
	if (bytes <= inode->cap)
		return;
	uint64_t cap = (bytes + 4 * UNIT - 1) / (4 * UNIT) * (4 * UNIT);
	cap = cap < 2 * inode->cap ? 2 * inode->cap : cap;
	inode->now = realloc(inode->now, cap);
	inode->after = realloc(inode->after, cap);
	inode->dirty = realloc(inode->dirty, cap / UNIT);
	memset(inode->now + inode->cap, 0, cap - inode->cap);
	memset(inode->after + inode->cap, 0, cap - inode->cap);
	memset(inode->dirty + inode->cap / UNIT, 0, (cap - inode->cap) / UNIT);
	inode->cap = cap;
}

uint64_t disk_sim_used(const struct disk_sim *d)
{
	uint64_t used = 0;
	for (int i = 0; i < d->now.count; i++)
		used += d->now.names[i].inode->size;
	return used;
}

static int sim_open(void *ctx, const char *name, enum disk_open_how how)
{
	struct disk_sim *d = ctx;
	if (!alive(d))
		return -EIO;
	struct name *n = table_find(&d->now, name);
	if (how == DISK_OPEN_CREATE ? n != NULL : n == NULL)
		return n != NULL ? -EEXIST : -ENOENT;
	if (how == DISK_OPEN_CREATE && happens(d, d->faults.names))
		return chance(d) % 2 == 0 ? -ENOSPC : -EIO;
	struct inode *inode = n != NULL ? n->inode : calloc(1, sizeof(*inode));
	if (n == NULL) {
		assert(d->inode_count < FILES_MAX);
		d->inodes[d->inode_count++] = inode;
		change_name(d, NULL, name, inode);
	}
	for (int i = 0; i < FILES_MAX; i++) {
		if (d->handles[i] == NULL) {
			d->handles[i] = inode;
			return i;
		}
	}
	return -EMFILE;
}

static void sim_close(void *ctx, int file)
{
	struct disk_sim *d = ctx;
	assert(file >= 0 && file < FILES_MAX);
	d->handles[file] = NULL;
	sweep(d);
}

static struct inode *inode_of(struct disk_sim *d, int file)
{
	assert(file >= 0 && file < FILES_MAX && d->handles[file] != NULL);
	return d->handles[file];
}

static int sim_allocate(void *ctx, int file, uint64_t bytes)
{
	struct disk_sim *d = ctx;
	struct inode *inode = inode_of(d, file);
	if (!alive(d))
		return -EIO;
	if (bytes <= inode->size)
		return 0;
	if (disk_sim_used(d) + bytes - inode->size > d->faults.bytes_max)
		return -ENOSPC;
	inode_grow(inode, bytes);
	inode->size = bytes;
	return 0;
}

static int64_t sim_size(void *ctx, int file)
{
	struct disk_sim *d = ctx;
	return alive(d) ? (int64_t)inode_of(d, file)->size : -EIO;
}

static void put_bytes(struct inode *inode, uint64_t at, const uint8_t *bytes, size_t len)
{
	inode_grow(inode, at + len);
	if (len > 0)
		memcpy(inode->now + at, bytes, len);
	for (uint64_t unit = at / UNIT; len > 0 && unit <= (at + len - 1) / UNIT; unit++)
		inode->dirty[unit] = 1;
	if (at + len > inode->size)
		inode->size = at + len;
}

static int sim_write(void *ctx, int file, const struct iovec *iov, int iov_count, uint64_t offset)
{
	struct disk_sim *d = ctx;
	struct inode *inode = inode_of(d, file);
	uint64_t total = 0;
	for (int i = 0; i < iov_count; i++)
		total += iov[i].iov_len;
	if (d->dead)
		return -EIO;
	bool ok = alive(d);
	bool full = disk_sim_used(d) + (offset + total > inode->size ? offset + total - inode->size : 0) > d->faults.bytes_max;
	uint64_t limit = total;
	int rc = !ok ? -EIO : full ? -ENOSPC : happens(d, d->faults.write) ? (chance(d) % 3 == 0 ? -ENOSPC : -EIO) : 0;
	if (full)
		limit = 0;
	else if (rc < 0)
		limit = chance(d) % (total + 1) / UNIT * UNIT;
	for (int i = 0; i < iov_count && limit > 0; i++) {
		size_t len = iov[i].iov_len < limit ? iov[i].iov_len : (size_t)limit;
		put_bytes(inode, offset, iov[i].iov_base, len);
		offset += len;
		limit -= len;
	}
	return rc;
}

static int64_t sim_read(void *ctx, int file, void *bytes_out, size_t len, uint64_t offset)
{
	struct disk_sim *d = ctx;
	const struct inode *inode = inode_of(d, file);
	if (!alive(d))
		return -EIO;
	if (offset >= inode->size)
		return 0;
	if (len > inode->size - offset)
		len = (size_t)(inode->size - offset);
	memcpy(bytes_out, inode->now + offset, len);
	return (int64_t)len;
}

static void write_back(struct inode *inode, uint64_t unit)
{
	memcpy(inode->after + unit * UNIT, inode->now + unit * UNIT, UNIT);
	inode->dirty[unit] = 0;
}

/* A crash or a failed sync: each dirty unit for itself reaches the disk or not. */
static void write_back_some(struct disk_sim *d, struct inode *inode, uint32_t in_a_thousand)
{
	for (uint64_t unit = 0; unit < inode->cap / UNIT; unit++) {
		if (inode->dirty[unit] && happens(d, in_a_thousand))
			write_back(inode, unit);
	}
}

static uint32_t some_share(struct disk_sim *d)
{
	static const uint32_t shares[] = { 0, 100, 500, 900, 1000 };
	return shares[chance(d) % 5];
}

static int sim_sync(void *ctx, int file)
{
	struct disk_sim *d = ctx;
	struct inode *inode = inode_of(d, file);
	if (!alive(d))
		return -EIO;
	if (d->faults.sync_is_a_lie)
		return 0;
	if (happens(d, d->faults.sync)) {
		write_back_some(d, inode, some_share(d));
		bool forget = chance(d) % 2 == 0;
		for (uint64_t unit = 0; unit < inode->cap / UNIT; unit++) {
			if (inode->dirty[unit] && forget)
				memcpy(inode->now + unit * UNIT, inode->after + unit * UNIT, UNIT);
			inode->dirty[unit] = 0;
		}
		return chance(d) % 4 == 0 ? -ENOSPC : -EIO;
	}
	for (uint64_t unit = 0; unit < inode->cap / UNIT; unit++) {
		if (inode->dirty[unit])
			write_back(inode, unit);
	}
	inode->size_after = inode->size;
	return 0;
}

static int sim_rename(void *ctx, const char *from, const char *to)
{
	struct disk_sim *d = ctx;
	if (!alive(d) || happens(d, d->faults.names))
		return -EIO;
	struct name *n = table_find(&d->now, from);
	if (n == NULL)
		return -ENOENT;
	change_name(d, from, to, n->inode);
	sweep(d);
	return 0;
}

static int sim_unlink(void *ctx, const char *name)
{
	struct disk_sim *d = ctx;
	if (!alive(d) || happens(d, d->faults.names))
		return -EIO;
	if (table_find(&d->now, name) == NULL)
		return -ENOENT;
	change_name(d, NULL, name, NULL);
	sweep(d);
	return 0;
}

static int sim_list(void *ctx, disk_list_fn each, void *arg)
{
	struct disk_sim *d = ctx;
	if (!alive(d))
		return -EIO;
	for (int i = 0; i < d->now.count; i++) {
		if (!each(arg, d->now.names[i].text))
			break;
	}
	return 0;
}

static int sim_sync_names(void *ctx)
{
	struct disk_sim *d = ctx;
	if (!alive(d))
		return -EIO;
	if (d->faults.sync_is_a_lie)
		return 0;
	bool fails = happens(d, d->faults.names);
	int count = fails ? (int)(chance(d) % (uint64_t)(d->pending_count + 1)) : d->pending_count;
	for (int i = 0; i < count; i++)
		apply_pending(d, &d->pending[i]);
	memmove(d->pending, d->pending + count, (size_t)(d->pending_count - count) * sizeof(d->pending[0]));
	d->pending_count -= count;
	sweep(d);
	return fails ? -EIO : 0;
}

static int sim_lock(void *ctx, bool exclusive)
{
	struct disk_sim *d = ctx;
	if (!alive(d))
		return -EIO;
	if (d->locked)
		return -EWOULDBLOCK;
	d->locked = exclusive;
	return 0;
}

static int sim_free_bytes(void *ctx, uint64_t *bytes_out)
{
	const struct disk_sim *d = ctx;
	*bytes_out = d->faults.bytes_max - disk_sim_used(d);
	return 0;
}

static int sim_descriptor(void *ctx, int file)
{
	struct disk_sim *d = ctx;
	for (int i = 0; i < FILES_MAX; i++) {
		if (d->handles[i] == NULL) {
			d->handles[i] = inode_of(d, file);
			return i;
		}
	}
	return -EMFILE;
}

static const struct disk_ops sim_ops = {
	.open = sim_open,
	.close = sim_close,
	.allocate = sim_allocate,
	.size = sim_size,
	.write = sim_write,
	.read = sim_read,
	.sync = sim_sync,
	.rename = sim_rename,
	.unlink = sim_unlink,
	.list = sim_list,
	.sync_names = sim_sync_names,
	.lock = sim_lock,
	.free_bytes = sim_free_bytes,
	.descriptor = sim_descriptor,
};

struct disk_sim *disk_sim_new(uint64_t seed)
{
	struct disk_sim *d = calloc(1, sizeof(*d));
	d->chance = (struct id_source){ { seed, ~seed } };
	d->faults.bytes_max = 64u << 20;
	return d;
}

void disk_sim_free(struct disk_sim *d)
{
	for (int i = 0; i < d->inode_count; i++)
		inode_free(d->inodes[i]);
	free(d);
}

struct disk disk_sim_table(struct disk_sim *d)
{
	return (struct disk){ &sim_ops, d };
}

struct disk_sim_faults *disk_sim_faults(struct disk_sim *d)
{
	return &d->faults;
}

bool disk_sim_dead(const struct disk_sim *d)
{
	return d->dead;
}

void disk_sim_kill(struct disk_sim *d)
{
	memset(d->handles, 0, sizeof(d->handles));
	d->locked = d->dead = false;
	d->faults.calls_left = 0;
	sweep(d);
}

void disk_sim_crash(struct disk_sim *d)
{
	/* Changes of names reach the disk in order; where that ends is chance. */
	int count = (int)(chance(d) % (uint64_t)(d->pending_count + 1));
	for (int i = 0; i < count; i++)
		apply_pending(d, &d->pending[i]);
	d->pending_count = 0;
	d->now = d->after;
	for (int i = 0; i < d->inode_count; i++) {
		struct inode *inode = d->inodes[i];
		write_back_some(d, inode, some_share(d));
		if (inode->cap > 0) {
			memset(inode->dirty, 0, inode->cap / UNIT);
			memcpy(inode->now, inode->after, inode->cap);
		}
		if (chance(d) % 2 == 0)
			inode->size_after = inode->size;
		inode->size = inode->size_after;
		/* What is behind the end reads as zeroes if the file grows again. */
		if (inode->size < inode->cap) {
			memset(inode->now + inode->size, 0, inode->cap - inode->size);
			memset(inode->after + inode->size, 0, inode->cap - inode->size);
		}
	}
	disk_sim_kill(d);
}

struct span disk_sim_bytes(struct disk_sim *d, const char *name)
{
	const struct name *n = table_find(&d->now, name);
	return n != NULL ? span_of(n->inode->now, n->inode->size) : span_of(NULL, 0);
}

void disk_sim_flip(struct disk_sim *d, const char *name, uint64_t offset, uint8_t mask)
{
	struct name *n = table_find(&d->now, name);
	assert(n != NULL && offset < n->inode->size);
	n->inode->now[offset] ^= mask;
	n->inode->after[offset] ^= mask;
}

void disk_sim_truncate(struct disk_sim *d, const char *name, uint64_t bytes)
{
	struct name *n = table_find(&d->now, name);
	assert(n != NULL && bytes <= n->inode->size);
	n->inode->size = n->inode->size_after = bytes;
	memset(n->inode->now + bytes, 0, n->inode->cap - bytes);
	memset(n->inode->after + bytes, 0, n->inode->cap - bytes);
}

void disk_sim_put(struct disk_sim *d, const char *name, struct span bytes)
{
	int file = sim_open(d, name, DISK_OPEN_CREATE);
	assert(file >= 0);
	put_bytes(d->handles[file], 0, bytes.ptr, bytes.len);
	sim_sync(d, file);
	sim_close(d, file);
	sim_sync_names(d);
}

void disk_sim_write_fd(struct disk_sim *d, int fd, struct span bytes)
{
	put_bytes(inode_of(d, fd), 0, bytes.ptr, bytes.len);
}
