/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The users file is read, changed in memory and replaced. The lock is on its folder,
 * because the file itself is another one after each change.
 */
#include "cli_user.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "users_file.h"

#define USERS_FILE_MODE 0640
#define NEW_SUFFIX ".new"

#define EXIT_NO 1
#define EXIT_USAGE 2

/* The file in its folder, with the lock held. */
struct open_users {
	int folder;
	char name[NAME_MAX + 1];
	struct buf text;
	struct stat old; /* valid when exists */
	bool exists;
};

static int complain(const char *path, const char *what, int error)
{
	fprintf(stderr, "waybill: %s: %s: %s\n", path, what, strerror(-error));
	return EXIT_NO;
}

/* The folder that really holds the file: a link to it stays a link. */
static int split_path(const char *path, char folder_out[PATH_MAX], char name_out[NAME_MAX + 1])
{
	char real[PATH_MAX], copy[PATH_MAX];
	const char *whole = realpath(path, real);
	if (whole == NULL && errno != ENOENT)
		return -errno;
	if (whole == NULL)
		whole = path;
	if (strlen(whole) >= PATH_MAX)
		return -ENAMETOOLONG;
	snprintf(copy, sizeof(copy), "%s", whole);
	snprintf(folder_out, PATH_MAX, "%s", dirname(copy));
	snprintf(copy, sizeof(copy), "%s", whole);
	int len = snprintf(name_out, NAME_MAX + 1, "%s", basename(copy));
	return len + (int)strlen(NEW_SUFFIX) <= NAME_MAX ? 0 : -ENAMETOOLONG;
}

static int read_text(struct open_users *u)
{
	int fd = openat(u->folder, u->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	u->exists = true;
	int result = fstat(fd, &u->old) == 0 ? file_read(fd, &u->text) : -errno;
	close(fd);
	return result < 0 ? result : 0;
}

static void users_close(struct open_users *u)
{
	buf_fini(&u->text);
	if (u->folder >= 0)
		close(u->folder);
}

/* Opens and locks; waits while another run holds the lock. */
static int users_open(struct open_users *u, const char *path)
{
	char folder[PATH_MAX];
	*u = (struct open_users){ .folder = -1 };
	buf_init(&u->text, CLI_USERS_BYTES_MAX);
	int result = split_path(path, folder, u->name);
	if (result < 0)
		return result;
	u->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (u->folder < 0)
		return -errno;
	while (flock(u->folder, LOCK_EX) != 0)
		if (errno != EINTR)
			return -errno;
	return read_text(u);
}

static int keep_owner(const struct open_users *u, int fd)
{
	if (!u->exists)
		return fchmod(fd, USERS_FILE_MODE) == 0 ? 0 : -errno;
	struct stat now;
	if (fstat(fd, &now) != 0)
		return -errno;
	bool same = now.st_uid == u->old.st_uid && now.st_gid == u->old.st_gid;
	if (!same && fchown(fd, u->old.st_uid, u->old.st_gid) != 0)
		return -errno;
	return fchmod(fd, u->old.st_mode & 07777) == 0 ? 0 : -errno;
}

/* Fills the new file and puts it in the place of the old one. */
static int fill_and_rename(const struct open_users *u, int fd, const char *new_name, struct span text)
{
	int result = keep_owner(u, fd);
	if (result == 0)
		result = file_write(fd, text);
	if (result >= 0)
		result = fsync(fd) == 0 ? 0 : -errno;
	if (result == 0)
		result = renameat(u->folder, new_name, u->folder, u->name) == 0 ? 0 : -errno;
	if (result == 0)
		result = fsync(u->folder) == 0 ? 0 : -errno;
	return result;
}

static int users_replace(const struct open_users *u, struct span text)
{
	char new_name[NAME_MAX + 1];
	int len = snprintf(new_name, sizeof(new_name), "%s%s", u->name, NEW_SUFFIX);
	if (len < 0 || len > NAME_MAX)
		return -ENAMETOOLONG;
	/* Whoever left one crashed: the lock is ours. */
	unlinkat(u->folder, new_name, 0);
	int fd = openat(u->folder, new_name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	int result = fill_and_rename(u, fd, new_name, text);
	close(fd);
	if (result < 0)
		unlinkat(u->folder, new_name, 0);
	return result;
}

static void print_address(FILE *out, struct span name, struct span domain)
{
	struct buf text;
	buf_init(&text, 4096);
	directory_name_write(&text, name);
	buf_add_byte(&text, '@');
	buf_add(&text, domain);
	struct buf safe;
	buf_init(&safe, 4 * 4096);
	buf_add_escaped(&safe, buf_span(&text));
	fprintf(out, "%.*s", SPAN_FMT(buf_span(&safe)));
	buf_fini(&safe);
	buf_fini(&text);
}

static const char *deed(const struct cli_user_wish *wish)
{
	if (wish->verb != CLI_USER_CLOSE)
		return wish->verb == CLI_USER_ADD ? "added " : "removed ";
	switch (wish->state) {
	case DIRECTORY_OPEN:
		return "switched on ";
	case DIRECTORY_DISABLED:
		return "switched off for now ";
	case DIRECTORY_FORWARDED:
		return "from now on forwarded, and not kept, is mail for ";
	case DIRECTORY_COPIED:
		return "from now on kept, and copied elsewhere, is mail for ";
	case DIRECTORY_GONE:
	case DIRECTORY_MOVED:
		break;
	}
	return "switched off for good ";
}

static enum users_edit edit_text(const struct cli_user_wish *wish, struct span text, const struct users_change *change,
	struct buf *new_text)
{
	switch (wish->verb) {
	case CLI_USER_ADD:
		return users_text_add(text, change, new_text);
	case CLI_USER_REMOVE:
		return users_text_remove(text, change, new_text);
	case CLI_USER_CLOSE:
		break;
	}
	return users_text_close(text, change, wish->state, wish->moved_to, new_text);
}

/* Says what came of it; gives the exit code. */
static int tell(const struct cli_users *users, const struct cli_user_wish *wish, enum users_edit edit)
{
	static const char *const texts[] = {
		[USERS_EDIT_DONE] = "", [USERS_EDIT_EXISTS] = " is there already; nothing was changed",
		[USERS_EDIT_ABSENT] = " is not there; nothing was changed",
		[USERS_EDIT_BAD] = " cannot be the name of a mailbox; nothing was changed",
	};
	bool done = edit == USERS_EDIT_DONE;
	FILE *out = done ? stdout : stderr;
	struct directory_name name;
	fputs(done ? deed(wish) : "waybill: ", out);
	if (directory_name_parse(wish->local, &name))
		print_address(out, directory_name_span(&name), users->domain);
	else
		fputs("this", out);
	fprintf(out, "%s (%s)\n", texts[edit], users->path);
	if (done && wish->verb == CLI_USER_REMOVE)
		fprintf(out, "mail that was delivered before stays where it is\n");
	if (edit == USERS_EDIT_BAD)
		return EXIT_USAGE;
	return done ? 0 : EXIT_NO;
}

int cli_user_change(const struct cli_users *users, const struct cli_user_wish *wish)
{
	struct users_change change = { { wish->local, users->domain }, users->shared, users->exact_case };
	struct open_users u;
	struct buf text;
	int code, error = users_open(&u, users->path);
	buf_init(&text, CLI_USERS_BYTES_MAX);
	enum users_edit edit = USERS_EDIT_BAD;
	if (error == 0) {
		edit = edit_text(wish, buf_span(&u.text), &change, &text);
		if (text.failed)
			error = -EFBIG;
		else if (edit == USERS_EDIT_DONE)
			error = users_replace(&u, buf_span(&text));
	}
	if (error < 0)
		code = complain(users->path, "cannot change the users file; it stays as it was", error);
	else
		code = tell(users, wish, edit);
	buf_fini(&text);
	users_close(&u);
	return code;
}

int cli_user_list(const struct cli_users *users)
{
	struct users_reader reader;
	struct users_item item;
	enum users_item_kind kind;
	struct buf text;
	buf_init(&text, CLI_USERS_BYTES_MAX);
	int error = file_read_path(users->path, &text);
	if (error < 0) {
		buf_fini(&text);
		return complain(users->path, "cannot read the users file", error);
	}
	users_reader_init(&reader, buf_span(&text));
	while ((kind = users_reader_next(&reader, &item)) != USERS_END) {
		if (kind != USERS_USER)
			fprintf(stderr, "%s:%u: %s\n", users->path, item.line, item.problem);
		if (kind != USERS_BAD && (item.domain.len == 0 || span_eq_nocase(item.domain, users->domain))) {
			print_address(stdout, directory_name_span(&item.name), users->domain);
			putchar('\n');
		}
	}
	buf_fini(&text);
	return 0;
}

bool cli_user_parse(int argc, char **argv, struct cli_user_words *words_out)
{
	*words_out = (struct cli_user_words){ 0 };
	if (argc < 1 || argc > 2)
		return false;
	words_out->address = argc == 2 ? span_str(argv[1]) : span_str("");
	words_out->list = strcmp(argv[0], "list") == 0;
	if (words_out->list)
		return true;
	words_out->verb = strcmp(argv[0], "remove") == 0 ? CLI_USER_REMOVE : CLI_USER_ADD;
	return argc == 2 && (words_out->verb == CLI_USER_REMOVE || strcmp(argv[0], "add") == 0);
}
