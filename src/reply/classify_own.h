/* SPDX-License-Identifier: Apache-2.0 */
/* What a reply of our own means, read from the catalogue's words for it as another server would read it. */
#ifndef WAYBILL_REPLY_CLASSIFY_OWN_H
#define WAYBILL_REPLY_CLASSIFY_OWN_H

#include "classify.h"
#include "reply.h"

/* The answer's spans are empty: the words are not kept. */
void classify_own(enum reply_key key, struct classify_answer *answer_out);

#endif
