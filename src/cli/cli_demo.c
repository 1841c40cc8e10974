/* SPDX-License-Identifier: Apache-2.0 */
/*
 * waybill demo: writes a small configuration, says what to try, and becomes
 * waybilld, so that the process that was started is the one to signal.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli.h"
#include "demo_world.h"
#include "file.h"
#include "version.h"

#define DEMO_PORT_DEFAULT 2525
#define DEMO_PORT_MAX (65535 - DEMO_WORLD_PORT_OFFSET - DEMO_WORLD_SERVERS)

struct demo {
	const char *dir;           /* as the user wrote it */
	char path[PATH_MAX];       /* absolute */
	char conf_path[PATH_MAX + 16];
	char locked_path[PATH_MAX + 72];
	unsigned port;
	bool port_given;
};

static const char conf_text[] =
	"# The demo's configuration. Change it and run: waybill reload -c %1$s/waybill.conf\n"
	"hostname = \"mx.example.org\"\n"
	"data     = \"%1$s/data\"\n"
	"\n"
	"# Who reads mail to <postmaster>.\n"
	"postmaster = \"alice@example.org\"\n"
	"\n"
	"# Clients from here are trusted: they may ask VRFY and EXPN. All others are strangers.\n"
	"trust = {\"127.0.0.2\", \"127.0.0.5\"}\n"
	"\n"
	"listen \"smtp\" {\n"
	"    address = {\"127.0.0.1:%2$u\"}\n"
	"}\n"
	"\n"
	"domain \"example.org\" {\n"
	"    mailboxes = \"maildir:%1$s/mail/{domain}/{user}\"\n"
	"    users     = \"file:%1$s/users\"\n"
	"    aliases   = \"file:%1$s/aliases\"\n"
	"}\n"
	"\n"
	"# A domain whose mailboxes are one file each. The demo holds a lock of locked's, as a mail program would.\n"
	"domain \"mbox.example.org\" {\n"
	"    mailboxes = \"mbox:%1$s/mail/mbox.example.org/{user}\"\n"
	"    users     = \"file:%1$s/users-mbox\"\n"
	"}\n"
	"mailbox { defer-locked = yes }\n"
	"\n"
	"# Times are short here, so that a retry and a bounce can be watched.\n"
	"queue {\n"
	"    retry = {\"10s\", \"15s\", \"30s\"}\n"
	"    give-up-after = \"50s\"\n"
	"}\n"
	"\n"
	"# Nothing is wanted from here.\n"
	"deny { client = {\"127.0.0.4\"} }\n"
	"\n"
	"# The checks of strangers hold for clients from here alone, so that all others can play.\n"
	"helo          { full-name = yes  only-for = {\"127.0.0.3\"} }\n"
	"sender-domain { full-name = yes  must-exist = yes  only-for = {\"127.0.0.3\"} }\n"
	"rate \"client\" { connections = 30  messages = 20  per = \"1m\"  only-for = {\"127.0.0.3\"} }\n"
	"harvest       { unknown = 5  per = \"1m\"  only-for = {\"127.0.0.3\"} }\n"
	"greylist      { delay = \"10s\"  only-for = {\"127.0.0.3\"} }\n"
	"\n"
	"# Three recipients within an hour are many for the trusted 127.0.0.5.\n"
	"brake { recipients = 3  times = 2  learn = \"0s\"  except = {\"127.0.0.2\"} }\n"
	"\n"
	"# The demo's little internet. Any other domain is looked up in the DNS.\n";
static const char users_text[] =
	"# One user a line. Add one with: waybill user add carol@example.org -c %1$s/waybill.conf\n"
	"alice\n"
	"bob\n"
	"# These take no mail; change that with: waybill mailbox enable disabled@example.org -c %1$s/waybill.conf\n"
	"disabled: disabled\n"
	"gone: gone\n"
	"moved: moved=moved@example.com\n"
	"# Its quota is used up: the first line of mail/example.org/full/maildirsize.\n"
	"full\n";
static const char mbox_users_text[] =
	"# Users of mbox.example.org\n"
	"locked\n"
	"free\n";
static const char aliases_text[] =
	"# name: targets\n"
	"team: alice, bob\n"
	"locked: locked@mbox.example.org\n"
	"postmaster: alice\n";

static int usage(FILE *out, int code)
{
	fprintf(out, "usage: waybill demo [--dir DIR] [--port N]\n"
		"Starts a mail server on 127.0.0.1 to play with; everything it keeps is below DIR (./demo).\n"
		"N is the SMTP port (%d).\n", DEMO_PORT_DEFAULT);
	return code;
}

static int complain(const char *path, int error)
{
	fprintf(stderr, "waybill: %s: %s\n", path, strerror(-error));
	return CLI_NO;
}

/* Writes the file unless it exists: what the user changed stays. */
static int write_new(const char *path, struct span text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return errno == EEXIST ? 0 : -errno;
	int error = file_write(fd, text);
	close(fd);
	return error;
}

/* A Maildir with a quota (Maildir++) that one message has used up. */
static int write_full_mailbox(const struct demo *d)
{
	static const char *const folders[] = { "tmp", "new", "cur" };
	char path[PATH_MAX + 64];
	int error = 0;
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]) && error >= 0; i++) {
		snprintf(path, sizeof(path), "%s/mail/example.org/full/%s", d->path, folders[i]);
		error = file_make_folders(path, 0700);
	}
	snprintf(path, sizeof(path), "%s/mail/example.org/full/maildirsize", d->path);
	return error < 0 ? error : write_new(path, SPAN("1000S\n1000 1\n"));
}

/* An mbox to be locked, and the users beside it. */
static int write_mboxes(struct demo *d)
{
	char path[PATH_MAX + 64];
	snprintf(path, sizeof(path), "%s/mail/mbox.example.org", d->path);
	int error = file_make_folders(path, 0700);
	snprintf(d->locked_path, sizeof(d->locked_path), "%s/locked", path);
	error = error < 0 ? error : write_new(d->locked_path, SPAN(""));
	snprintf(path, sizeof(path), "%s/users-mbox", d->path);
	return error < 0 ? error : write_new(path, span_str(mbox_users_text));
}

static int write_files(struct demo *d)
{
	char path[PATH_MAX + 16];
	struct buf text;
	int error = file_make_folders(d->dir, 0755);
	if (error < 0 || realpath(d->dir, d->path) == NULL)
		return complain(d->dir, error < 0 ? error : -errno);
	snprintf(d->conf_path, sizeof(d->conf_path), "%s/waybill.conf", d->path);
	buf_init(&text, 65536);
	buf_addf(&text, conf_text, d->path, d->port);
	demo_world_routes(&text, d->port);
	error = write_new(d->conf_path, buf_span(&text));
	buf_clear(&text);
	buf_addf(&text, users_text, d->path);
	snprintf(path, sizeof(path), "%s/users", d->path);
	error = error < 0 ? error : write_new(path, buf_span(&text));
	buf_fini(&text);
	snprintf(path, sizeof(path), "%s/aliases", d->path);
	error = error < 0 ? error : write_new(path, span_str(aliases_text));
	error = error < 0 ? error : write_full_mailbox(d);
	error = error < 0 ? error : write_mboxes(d);
	return error < 0 ? complain(d->path, error) : CLI_DONE;
}

/* Somebody else's server in the same folder: say so before anything else is printed. */
static int check_free(const struct conf *conf)
{
	char path[PATH_MAX];
	int holder = 0;
	const char *data = (const char *)conf->data.ptr;
	snprintf(path, sizeof(path), "%s/waybilld.lock", data);
	if (file_make_folders(data, 0700) < 0)
		return CLI_DONE; /* waybilld says why */
	int fd = file_lock(path, &holder);
	if (fd == -EWOULDBLOCK) {
		fprintf(stderr, "waybill: this folder is in use by another demo (process %d); "
			"stop that one, or use another --dir\n", holder);
		return CLI_NO;
	}
	if (fd >= 0)
		close(fd);
	return CLI_DONE;
}

static void banner(const struct demo *d, const struct conf *conf)
{
	struct span smtp = conf->listens[0].addresses.items[0].text;
	size_t colon = span_find(smtp, ':');
	struct buf world;
	buf_init(&world, 4096);
	printf("waybill " WAYBILL_VERSION " demo in %s  (everything it keeps is below that folder)\n", d->dir);
	printf("  SMTP          %.*s    strangers; from 127.0.0.2: trusted\n", SPAN_FMT(smtp));
	printf("                from 127.0.0.3: strangers that have to pass every check, with small limits;\n"
		"                from 127.0.0.4: denied; from 127.0.0.5: trusted, with a brake that is soon reached\n");
	printf("  mailboxes     alice@example.org, bob@example.org, team@example.org (both)\n");
	printf("                they are Maildirs below %s/mail/example.org\n", d->dir);
	printf("                disabled@, full@, locked@, gone@, moved@example.org take no mail, each for its reason\n");
	printf("  the world     from a trusted client:\n");
	demo_world_describe(&world);
	fwrite(world.ptr, 1, world.len, stdout);
	buf_fini(&world);
	printf("Try:\n");
	printf("  swaks -s %.*s -t alice@example.org\n", SPAN_FMT(smtp));
	printf("  swaks -s %.*s --local-interface 127.0.0.3 --helo there.test -f you@ok.test -t alice@example.org"
		"   (450 for 10 s)\n", SPAN_FMT(smtp));
	printf("  swaks -s %.*s --local-interface 127.0.0.3 --helo there.test -f you@nowhere.test -t alice@example.org"
		"   (no such domain)\n", SPAN_FMT(smtp));
	printf("  printf 'VRFY alice\\r\\nQUIT\\r\\n' | nc %.*s %.*s\n", SPAN_FMT(span_to(smtp, colon)),
		SPAN_FMT(span_from(smtp, colon + 1)));
	printf("  build/waybill send --wait you@greylist.test -c %s/waybill.conf\n", d->dir);
	printf("  swaks -s %.*s --local-interface 127.0.0.3 --helo localhost -t alice@example.org\n", SPAN_FMT(smtp));
	printf("  build/waybill check rcpt alice@example.org --from you@ok.test --client 127.0.0.3 -c %s/waybill.conf\n",
		d->dir);
	printf("  build/waybill trace you@greylist.test -c %s/waybill.conf\n", d->dir);
	printf("  build/waybill explain 252 450\n");
	if (d->port_given) {
		char wanted[32];
		snprintf(wanted, sizeof(wanted), ":%u", d->port);
		if (!span_eq(span_from(smtp, colon), span_str(wanted)))
			printf("Note: %s was there already and says where to listen; --port %u has no effect.\n",
				d->conf_path, d->port);
	}
	fflush(stdout);
}

/* waybilld stands beside this program, or in ../sbin once installed. */
static int become_server(const struct demo *d)
{
	char self[PATH_MAX], path[PATH_MAX + 32];
	char *argv[] = { "waybilld", "-c", (char *)(uintptr_t)d->conf_path, NULL };
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (len > 0) {
		self[len] = 0;
		char *slash = strrchr(self, '/');
		*slash = 0;
		snprintf(path, sizeof(path), "%s/waybilld", self);
		execv(path, argv);
		snprintf(path, sizeof(path), "%s/../sbin/waybilld", self);
		execv(path, argv);
	}
	execvp("waybilld", argv);
	return complain("waybilld", -errno);
}

/* The routes in the file say where the world is; it lies above the first listener's port. */
static void start_world(const struct demo *d, const struct conf *conf)
{
	int error = demo_world_start(conf->listens[0].addresses.items[0].port, d->locked_path);
	if (error < 0)
		printf("Note: the demo's little internet cannot start: %s\n", strerror(-error));
	fflush(stdout);
}

static int read_options(int argc, char **argv, struct demo *d)
{
	static const struct option options[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "port", required_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option;
	uint64_t port = DEMO_PORT_DEFAULT;
	optind = 0;
	while ((option = getopt_long(argc, argv, "d:p:h", options, NULL)) != -1) {
		if (option == 'd') {
			d->dir = optarg;
		} else if (option == 'p') {
			d->port_given = true;
			if (!span_to_u64(span_str(optarg), DEMO_PORT_MAX, &port) || port == 0) {
				fprintf(stderr, "waybill: --port takes a number from 1 to %d\n", DEMO_PORT_MAX);
				return CLI_USAGE;
			}
		} else {
			usage(option == 'h' ? stdout : stderr, 0);
			return option == 'h' ? -1 : CLI_USAGE;
		}
	}
	d->port = (unsigned)port;
	return optind == argc ? CLI_DONE : usage(stderr, CLI_USAGE);
}

int cli_demo(int argc, char **argv)
{
	struct demo d = { .dir = "./demo" };
	int code = read_options(argc, argv, &d);
	if (code != CLI_DONE)
		return code < 0 ? CLI_DONE : code;
	code = write_files(&d);
	if (code != CLI_DONE)
		return code;
	struct conf *conf = cli_conf_load(d.conf_path);
	if (conf == NULL)
		return CLI_NO;
	code = check_free(conf);
	if (code == CLI_DONE)
		banner(&d, conf);
	if (code == CLI_DONE)
		start_world(&d, conf);
	conf_free(conf);
	return code == CLI_DONE ? become_server(&d) : code;
}
