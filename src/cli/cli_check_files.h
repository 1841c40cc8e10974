/* SPDX-License-Identifier: Apache-2.0 */
/* The files that a configuration names, looked at by waybill check config. */
#ifndef WAYBILL_CLI_CLI_CHECK_FILES_H
#define WAYBILL_CLI_CLI_CHECK_FILES_H

#include "conf.h"

/*
 * Adds a warning for each table, list or secret whose file is not there, and for postmaster and
 * each catch-all of a domain here that its users and aliases files do not have. Sorts the report.
 */
void cli_check_files(const struct conf *conf, struct conf_report *report);

#endif
