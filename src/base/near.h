/* SPDX-License-Identifier: Apache-2.0 */
/* How far two words are apart, for messages that guess which one was meant. Knows no words itself. */
#ifndef WAYBILL_BASE_NEAR_H
#define WAYBILL_BASE_NEAR_H

#include "span.h"

/* The edit distance, without regard to letter case, where a swap of neighbours counts once; words over 32 bytes count
 * as far from everything (SIZE_MAX). */
size_t near_distance(struct span a, struct span b);

/* Whether that is at most a third of the longer word's length. */
bool near_enough(struct span a, struct span b);

#endif
