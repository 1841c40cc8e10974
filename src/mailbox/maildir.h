/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delivery into a Maildir: write tmp/NAME, sync it, rename it to new/, sync new/.
 * Blocking, without globals, safe on any number of threads at once.
 *
 * NAME begins with the message id and a hash of the recipient, so a retry after a
 * crash finds its own copy. Does not lock.
 */
#ifndef WAYBILL_MAILBOX_MAILDIR_H
#define WAYBILL_MAILBOX_MAILDIR_H

#include "mailbox.h"

/*
 * Puts one copy into the Maildir, with Return-Path and Delivered-To in front and
 * without Return-Path fields that the message brings (RFC 5321 section 4.4).
 * Makes the Maildir (mode 0700) with its missing parents below the base folder. After
 * any failure nothing of it is in new/ that a retry with may_exist would not find.
 * MAILBOX_FULL: the quota that the Maildir itself names (Maildir++) has no room for it.
 */
void maildir_deliver(const struct mailbox_delivery *delivery, struct mailbox_result *result_out);

/* Removes files in tmp/ that are older than 36 hours; gives their number or a negative errno. */
int maildir_clean_tmp(const struct mailbox_place *place, uint64_t now_ms);

#endif
