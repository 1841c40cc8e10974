/* SPDX-License-Identifier: Apache-2.0 */
/* The state of a mailbox in words: fields of the users file, and what databases say. */
#ifndef WAYBILL_DIRECTORY_USERS_STATE_H
#define WAYBILL_DIRECTORY_USERS_STATE_H

#include "directory_name.h"

/* The state that a text of one field names, "disabled", "gone", "moved=ADDRESS", "forward=ADDRESSES" or
 * "copy-to=ADDRESSES"; open for an empty one and for "open". NULL when it is understood, else why not. */
const char *users_state_read(struct span text, enum directory_state *state_out, struct span *moved_to_out);

/* Whether a trimmed field names a state; its address, if any, is not looked at. */
bool users_state_parse(struct span field, enum directory_state *state_out, struct span *moved_to_out);

/* NULL, or what is wrong with the address or addresses of a state. */
const char *users_state_problem(enum directory_state state, struct span moved_to);

/*
 * Of a trimmed field that names no state: NULL when it is for other uses, else what is wrong. Where a state must stand,
 * only a password may stand instead ("x", "*", "!", "{SCHEME}..." or "$ID$..."); elsewhere what resembles a state
 * was meant as one.
 */
const char *users_field_problem(struct span field, bool must);

/* Appends ": disabled" and so on. */
void users_state_write(struct buf *out, enum directory_state state, struct span moved_to);

#endif
