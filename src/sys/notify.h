/* SPDX-License-Identifier: Apache-2.0 */
/* The service manager's notification protocol (sd_notify), without its library. */
#ifndef WAYBILL_SYS_NOTIFY_H
#define WAYBILL_SYS_NOTIFY_H

/* Sends "READY=1" and the like to $NOTIFY_SOCKET; does nothing when there is none. */
void notify_send(const char *state);

#endif
