/* SPDX-License-Identifier: Apache-2.0 */
/* `waybill explain`: what a reply code, an enhanced code or a key of Waybill means. */
#ifndef WAYBILL_CLI_EXPLAIN_H
#define WAYBILL_CLI_EXPLAIN_H

/* argv[0] is "explain". Returns the exit code: 0 done, 1 nothing is known about it, 2 wrong use. */
int cli_explain(int argc, char **argv);

#endif
