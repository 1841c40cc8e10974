/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's program. Started by a person or a service manager it is the
 * supervisor; started by the supervisor with --role it is that role.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "child.h"
#include "roles.h"
#include "supervisor_main.h"
#include "version.h"

#define EXIT_USAGE 2
#define CONF_PATH_DEFAULT "/etc/waybill/waybill.conf"

static const struct {
	const char *name;
	int (*main)(unsigned index);
} roles[] = {
	{ "smtpd", smtpd_main },
	{ "policy", policy_main },
	{ "queue", queue_main },
	{ "delivery", delivery_main },
	{ "relay", relay_main },
	{ "runner", runner_main },
	{ "console", console_main },
};

static int role(const char *name, const char *index)
{
	child_close_inherited(CHILD_LOG_FD + 1);
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (strcmp(roles[i].name, name) == 0)
			return roles[i].main((unsigned)strtoul(index, NULL, 10));
	fprintf(stderr, "waybilld: no role is called %s\n", name);
	return EXIT_USAGE;
}

static int usage(FILE *out, int code)
{
	fprintf(out, "usage: waybilld [-c FILE]\n"
		"Runs the mail server in the foreground. FILE is " CONF_PATH_DEFAULT " unless given.\n"
		"SIGHUP reloads it, SIGTERM ends it. To try it out: waybill demo\n");
	return code;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 },
	};
	const char *conf_path = CONF_PATH_DEFAULT;
	int option;
	if (argc == 4 && strcmp(argv[1], "--role") == 0)
		return role(argv[2], argv[3]);
	child_close_inherited(STDERR_FILENO + 1);
	while ((option = getopt_long(argc, argv, "c:hV", options, NULL)) != -1) {
		if (option == 'c')
			conf_path = optarg;
		else if (option == 'V')
			return puts("waybilld " WAYBILL_VERSION) < 0;
		else
			return usage(option == 'h' ? stdout : stderr, option == 'h' ? EXIT_SUCCESS : EXIT_USAGE);
	}
	if (optind != argc)
		return usage(stderr, EXIT_USAGE);
	return supervisor_main(conf_path);
}
