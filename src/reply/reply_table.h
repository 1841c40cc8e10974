/* SPDX-License-Identifier: Apache-2.0 */
/* The generated tables, for this room only. Made by tools/gen_replies.py from catalogue/replies.toml. */
#ifndef WAYBILL_REPLY_TABLE_H
#define WAYBILL_REPLY_TABLE_H

#include "reply.h"

/* In the order of enum reply_key. */
extern const struct reply_entry reply_table[REPLY_KEY_COUNT];

/* Basic codes in numeric order, enhanced codes in no order. */
extern const struct reply_topic reply_codes[];
extern const size_t reply_codes_count;
extern const struct reply_topic reply_enhanced[];
extern const size_t reply_enhanced_count;

#endif
