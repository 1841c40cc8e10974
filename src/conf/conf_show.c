/* SPDX-License-Identifier: Apache-2.0 */
/* Showing words of the file, and guessing which word was meant. */
#include "conf_show.h"

#include <stdint.h>

#include "buf.h"
#include "near.h"

const char *conf_show(struct conf_show *show, struct span s)
{
	struct buf text;
	buf_init(&text, sizeof(show->text) - 1);
	size_t cut = s.len;
	if (cut > CONF_SHOW_BYTES_MAX) {
		cut = CONF_SHOW_BYTES_MAX;
		while (cut > 0 && (s.ptr[cut] & 0xc0) == 0x80)
			cut--;
	}
	buf_add_escaped(&text, span_to(s, cut));
	if (cut < s.len)
		buf_add_str(&text, "...");
	size_t len = text.failed ? 0 : text.len;
	if (len > 0)
		memcpy(show->text, text.ptr, len);
	show->text[len] = 0;
	buf_fini(&text);
	return show->text;
}

void conf_near_init(struct conf_near *near, struct span word)
{
	*near = (struct conf_near){ .word = word, .distance = SIZE_MAX };
}

/* True when this one is nearer than those before. */
static bool offer(struct conf_near *near, struct span other)
{
	size_t distance = near_distance(near->word, other);
	if (distance >= near->distance || !near_enough(near->word, other))
		return false;
	near->best_word = other;
	near->distance = distance;
	return true;
}

void conf_near_offer(struct conf_near *near, const char *candidate)
{
	if (offer(near, span_str(candidate)))
		near->best = candidate;
}

void conf_near_offer_word(struct conf_near *near, struct span candidate)
{
	offer(near, candidate);
}
