/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the subcommands of waybill share: the common options, exit codes that
 * scripts rely on, and the configuration they look at.
 */
#ifndef WAYBILL_CLI_CLI_H
#define WAYBILL_CLI_CLI_H

#include "conf.h"

enum cli_exit {
	CLI_DONE = 0,
	CLI_NO = 1,        /* the answer is no */
	CLI_USAGE = 2,
	CLI_TRY_LATER = 75 /* EX_TEMPFAIL */
};

#define CLI_CONF_PATH_DEFAULT "/etc/waybill/waybill.conf"

struct cli_options {
	const char *conf_path;
	bool json;
};

/* Reads the configuration; prints why and gives NULL when it cannot be used. */
struct conf *cli_conf_load(const char *path);

/*
 * Gives the path of the control socket, also when the file has errors elsewhere: a
 * server that runs with an older version of it can still be asked. Prints why and
 * gives false when the file does not say where the socket is.
 */
bool cli_control_path(const char *conf_path, struct buf *path_out);

/* The subcommands; argv[0] is the subcommand's name. Each gives the exit code. */
int cli_demo(int argc, char **argv);
int cli_status(const struct cli_options *options);
int cli_brake(int argc, char **argv, const struct cli_options *options);
int cli_queue(int argc, char **argv, const struct cli_options *options);
int cli_greylist(int argc, char **argv, const struct cli_options *options);
int cli_send(int argc, char **argv, const struct cli_options *options);
int cli_trace(int argc, char **argv, const struct cli_options *options);
int cli_reload(const struct cli_options *options);
int cli_mailbox(int argc, char **argv, const struct cli_options *options);
int cli_user(int argc, char **argv, const struct cli_options *options);

#endif
