/* SPDX-License-Identifier: Apache-2.0 */
/* Text from the file as a message may show it: escaped, and cut when it is long. */
#ifndef WAYBILL_CONF_CONF_SHOW_H
#define WAYBILL_CONF_CONF_SHOW_H

#include "span.h"

#define CONF_SHOW_BYTES_MAX 48   /* shown of the original ... */
#define CONF_SHOW_TEXT_MAX 200   /* ... each byte of which becomes four at most */

struct conf_show {
	char text[CONF_SHOW_TEXT_MAX];
};

/* Gives show->text. */
const char *conf_show(struct conf_show *show, struct span s);

/*
 * The nearest of the words offered to conf_near_offer: by edit distance, where
 * a swap of neighbours counts once, and only when it is at most a third of the
 * longer word's length (near.h). `best` is NULL when none is near.
 */
struct conf_near {
	struct span word;
	const char *best;
	struct span best_word; /* the same; set by conf_near_offer_word as well */
	size_t distance;
};

void conf_near_init(struct conf_near *near, struct span word);
void conf_near_offer(struct conf_near *near, const char *candidate);
void conf_near_offer_word(struct conf_near *near, struct span candidate);

#endif
