/* SPDX-License-Identifier: Apache-2.0 */
/* The supervisor's entry. */
#ifndef WAYBILL_ROLES_SUPERVISOR_MAIN_H
#define WAYBILL_ROLES_SUPERVISOR_MAIN_H

/* Serves by the configuration file until it is told to end; the exit code. */
int supervisor_main(const char *conf_path);

#endif
