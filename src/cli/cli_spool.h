/* SPDX-License-Identifier: Apache-2.0 */
/* waybill spool check|export: looks into the store of a server that is not running, and changes nothing. */
#ifndef WAYBILL_CLI_SPOOL_H
#define WAYBILL_CLI_SPOOL_H

/*
 * argv[0] is "spool". The folder is the word after the verb, or `spool_dir` (may be
 * NULL). Exit code: 0 all is well, 1 damage was found or it could not be read, 2
 * wrong use, 75 a server has it open.
 */
int cli_spool(int argc, char **argv, const char *spool_dir);

#endif
