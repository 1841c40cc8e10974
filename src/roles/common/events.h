/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events for waybill trace: sent to the console, never waited for. When its channel
 * holds too much that is not sent yet, events are dropped and counted.
 */
#ifndef WAYBILL_ROLES_EVENTS_H
#define WAYBILL_ROLES_EVENTS_H

#include "channel.h"

#define EVENTS_UNSENT_BYTES_MAX (1u << 20)
#define EVENT_TEXT_BYTES_MAX 400u /* of each text; longer ones are cut */

/* Appends recipients as the text of an acceptance has them: "a@b.test, c@d.test", as far as there is room. */
void event_recipients_write(struct buf *out, const struct span *recipients, size_t count);

/* `to` NULL: nobody is there, and the event is dropped. */
void event_send(struct channel *to, uint64_t *dropped_io, const struct ipc_event *event);

#endif
