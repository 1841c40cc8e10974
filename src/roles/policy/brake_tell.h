/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What follows when the brake holds somebody back or lets go: the queue holds what waits
 * there and takes the postmaster's message, the log says it, and holds that are over end.
 * The queue is told until it has said that all of it is on stable storage, and again
 * whenever it is a new process; it holds what is there once, and later only what comes.
 */
#ifndef WAYBILL_ROLES_BRAKE_TELL_H
#define WAYBILL_ROLES_BRAKE_TELL_H

#include "policy_role.h"

void brake_tell_init(struct policy_role *p);

/* Something may have changed: whoever was stopped just now is held. */
void brake_tell(struct policy_role *p);

/* The queue is there, perhaps a new one, or questions are answered from now on. */
void brake_tell_queue_came(struct policy_role *p);

/* brake_keep.c: reads the file in the folder, then keeps it. */
void brake_keep_begin(struct policy_role *p, const char *folder);
/* Somebody was stopped, or let go: that is written at once. */
void brake_keep_soon(struct policy_role *p);
/* Writes what is still to be written, then goes on with greylist_keep_end. */
void brake_keep_end(struct policy_role *p);

/* The console's questions. False: malformed. */
bool brake_list(struct policy_role *p, const struct channel_message *message);
bool brake_release(struct policy_role *p, const struct channel_message *message);

#endif
