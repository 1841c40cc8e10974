/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Offline and read-only, under a shared lock. check reads every message and says
 * what is wrong; export writes each live message as ID.eml and ID.envelope.
 */
#include "cli_spool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "cli_help.h"
#include "disk_real.h"
#include "file.h"
#include "spool_read.h"

#define COPY_STEP_BYTES 65536

struct offline {
	struct disk_real files;
	struct disk disk;
	struct spool *spool;
	unsigned long long good, bad;
};

static int open_offline(struct offline *o, const char *dir)
{
	int folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0) {
		fprintf(stderr, "waybill: %s: %s\n", dir, strerror(errno));
		return CLI_NO;
	}
	disk_real_init(&o->files, folder);
	o->disk = disk_real_table(&o->files);
	struct spool_options options = { .disk = &o->disk, .read_only = true };
	int error = spool_open(&options, &o->spool);
	if (error == 0)
		return CLI_DONE;
	if (error == -EWOULDBLOCK)
		fprintf(stderr, "waybill: a running server has %s open; stop it first\n", dir);
	else
		fprintf(stderr, "waybill: %s: %s\n", dir, strerror(-error));
	disk_real_fini(&o->files);
	return error == -EWOULDBLOCK ? CLI_TRY_LATER : CLI_NO;
}

static void close_offline(struct offline *o)
{
	spool_close(o->spool);
	disk_real_fini(&o->files);
}

/* Reads a message whole, a large one's file included. */
static int read_checked(struct offline *o, const struct id128 *id, struct spool_view *view)
{
	int error = spool_read(o->spool, id, view);
	if (error == 0 && view->entry.large && (error = spool_large_check(o->spool, view)) < 0)
		spool_view_fini(view);
	return error;
}

static void say_damage(const struct id128 *id, int error)
{
	char text[ID128_TEXT_LEN];
	id128_write(id, text);
	printf("%.*s cannot be read: %s\n", ID128_TEXT_LEN, text,
		error == -EILSEQ ? "its checksum is wrong" : strerror(-error));
}

static int each(struct offline *o, int (*visit)(void *arg, const struct spool_view *view), void *arg)
{
	struct spool_entry entry;
	struct spool_view view;
	const char *notice;
	struct spool_cursor *cursor = spool_cursor_open(o->spool);
	if (cursor == NULL)
		return CLI_NO;
	while (spool_next(o->spool, cursor, &entry)) {
		int error = read_checked(o, &entry.id, &view);
		if (error == 0) {
			error = visit(arg, &view);
			spool_view_fini(&view);
		}
		o->good += error == 0;
		o->bad += error != 0;
		if (error != 0)
			say_damage(&entry.id, error);
	}
	spool_cursor_close(o->spool, cursor);
	while ((notice = spool_notice_next(o->spool)) != NULL)
		printf("%s\n", notice);
	return CLI_DONE;
}

static int look(void *arg, const struct spool_view *view)
{
	(void)arg;
	(void)view;
	return 0;
}

static int check(struct offline *o, const char *dir)
{
	struct spool_counts counts;
	if (each(o, look, NULL) != CLI_DONE)
		return CLI_NO;
	spool_counts(o->spool, &counts);
	printf("%s: %llu messages for %llu recipients, %llu KiB of content in %u segments\n", dir,
		(unsigned long long)counts.messages, (unsigned long long)counts.recipients,
		(unsigned long long)counts.bytes / 1024, counts.segments);
	if (counts.torn > 0)
		printf("%u unfinished records were never acknowledged and do not count\n", counts.torn);
	if (o->bad > 0 || counts.damaged > 0) {
		printf("%llu messages cannot be read, %u damaged records were set aside\n", o->bad, counts.damaged);
		return CLI_NO;
	}
	puts("No damage.");
	return CLI_DONE;
}

static int create(int folder, const struct spool_view *view, const char *suffix)
{
	char name[ID128_TEXT_LEN + 16];
	char id[ID128_TEXT_LEN];
	id128_write(&view->entry.id, id);
	snprintf(name, sizeof(name), "%.*s.%s", ID128_TEXT_LEN, id, suffix);
	int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd >= 0 ? fd : -errno;
}

static int copy_large(struct offline *o, const struct spool_view *view, int to)
{
	static uint8_t bytes[COPY_STEP_BYTES];
	int from = spool_content_open(o->spool, &view->entry.id);
	if (from < 0)
		return from;
	int error = 0;
	for (uint64_t at = 0; error == 0 && at < view->large_bytes;) {
		uint64_t left = view->large_bytes - at;
		ssize_t got = pread(from, bytes, left < sizeof(bytes) ? (size_t)left : sizeof(bytes), (off_t)at);
		error = got > 0 ? file_write(to, span_of(bytes, (size_t)got)) : -EIO;
		at += got > 0 ? (uint64_t)got : 0;
	}
	close(from);
	return error;
}

/* NOTIFY and ORCPT (RFC 3461) as they were given. */
static void write_options(struct buf *out, const struct spool_recipient *r)
{
	if (r->notify != 0)
		buf_addf(out, "\n   notify %u", r->notify);
	if (r->orcpt.len == 0)
		return;
	buf_add_str(out, "\n   orcpt ");
	buf_add_escaped(out, r->orcpt);
}

static void write_envelope(struct buf *out, const struct spool_view *view)
{
	buf_add_str(out, "from <");
	buf_add(out, view->sender);
	buf_add_str(out, ">\narrived ");
	buf_add_u64(out, view->entry.arrival_ms);
	buf_add_str(out, "\nclient ");
	buf_add(out, view->client);
	buf_add_byte(out, '\n');
	if (view->ret != SPOOL_RET_NONE)
		buf_addf(out, "ret %s\n", view->ret == SPOOL_RET_FULL ? "full" : "hdrs");
	if (view->envid.len > 0) {
		buf_add_str(out, "envid ");
		buf_add_escaped(out, view->envid);
		buf_add_byte(out, '\n');
	}
	for (uint32_t i = 0; i < view->entry.recipient_count; i++) {
		const struct spool_recipient *r = &view->recipients[i];
		buf_add_str(out, "to <");
		buf_add(out, r->address);
		buf_addf(out, "> %s attempts %u", spool_state_name(r->state), r->attempts);
		if (r->reason.len > 0) {
			buf_add_byte(out, ' ');
			buf_add_escaped(out, r->reason);
		}
		write_options(out, r);
		buf_add_byte(out, '\n');
	}
}

struct target {
	struct offline *offline;
	int folder;
};

static int export_one(void *arg, const struct spool_view *view)
{
	struct target *t = arg;
	struct buf envelope;
	int fd = create(t->folder, view, "eml");
	if (fd < 0)
		return fd;
	int error = file_write(fd, view->content);
	if (error == 0 && view->entry.large)
		error = copy_large(t->offline, view, fd);
	close(fd);
	if (error < 0 || (fd = create(t->folder, view, "envelope")) < 0)
		return error < 0 ? error : fd;
	buf_init(&envelope, SPOOL_ENVELOPE_BYTES_MAX * 4);
	write_envelope(&envelope, view);
	error = envelope.failed ? -ENOMEM : file_write(fd, buf_span(&envelope));
	buf_fini(&envelope);
	close(fd);
	return error;
}

static int export_all(struct offline *o, const char *to)
{
	int error = file_make_folders(to, 0700);
	int folder = error == 0 ? open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (folder < 0) {
		fprintf(stderr, "waybill: %s: %s\n", to, strerror(error < 0 ? -error : errno));
		return CLI_NO;
	}
	struct target t = { o, folder };
	int code = each(o, export_one, &t);
	close(folder);
	printf("%llu messages written to %s, each as ID.eml and ID.envelope\n", o->good, to);
	return o->bad > 0 ? CLI_NO : code;
}

static const char help[] =
	"usage: waybill spool check [SPOOL]          reads every message, says what is damaged\n"
	"       waybill spool export [SPOOL] FOLDER  writes every message as a file\n"
	"SPOOL is DATA/spool of the configuration (-c FILE) unless given; the server must not be running.\n";

int cli_spool(int argc, char **argv, const char *spool_dir)
{
	static const char *const words[] = { "check", "export", NULL };
	struct offline o = { 0 };
	if (cli_help_asked(argc, argv))
		return cli_help(help);
	bool exporting = argc >= 2 && strcmp(argv[1], "export") == 0;
	int needed = exporting ? 3 : 2;
	if (argc < needed || argc > needed + 1 || (!exporting && strcmp(argv[1], "check") != 0))
		return cli_wrong("waybill spool", argv[1], words, help);
	const char *dir = argc == needed + 1 ? argv[2] : spool_dir;
	if (dir == NULL)
		return cli_usage(help);
	int code = open_offline(&o, dir);
	if (code != CLI_DONE)
		return code;
	code = exporting ? export_all(&o, argv[argc - 1]) : check(&o, dir);
	close_offline(&o);
	return code;
}
