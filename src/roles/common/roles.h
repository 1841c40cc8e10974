/* SPDX-License-Identifier: Apache-2.0 */
/* The entry of each role's process; each gives the process's exit code. */
#ifndef WAYBILL_ROLES_ROLES_H
#define WAYBILL_ROLES_ROLES_H

int smtpd_main(unsigned index);
int policy_main(unsigned index);
int queue_main(unsigned index);
int delivery_main(unsigned index);
int relay_main(unsigned index);
int runner_main(unsigned index);
int console_main(unsigned index);

#endif
