/* SPDX-License-Identifier: Apache-2.0 */
/* Showing words of the file, and guessing which word was meant. */
#include "conf_show.h"

#include <stdint.h>

#include "buf.h"

#define NEAR_WORD_MAX 32

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

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;
	return least < c ? least : c;
}

size_t conf_near_distance(struct span a, struct span b)
{
	if (a.len > NEAR_WORD_MAX || b.len > NEAR_WORD_MAX)
		return SIZE_MAX;
	/* d[i][j]: the distance between the first i bytes of a and the first j of b. */
	size_t d[NEAR_WORD_MAX + 1][NEAR_WORD_MAX + 1];
	for (size_t i = 0; i <= a.len; i++)
		d[i][0] = i;
	for (size_t j = 0; j <= b.len; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= a.len; i++)
		for (size_t j = 1; j <= b.len; j++) {
			size_t change = byte_lower(a.ptr[i - 1]) != byte_lower(b.ptr[j - 1]);
			d[i][j] = min3(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + change);
			bool swapped = i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1];
			if (swapped && d[i - 2][j - 2] + 1 < d[i][j])
				d[i][j] = d[i - 2][j - 2] + 1;
		}
	return d[a.len][b.len];
}

void conf_near_init(struct conf_near *near, struct span word)
{
	*near = (struct conf_near){ .word = word, .distance = SIZE_MAX };
}

/* True when this one is nearer than those before. */
static bool offer(struct conf_near *near, struct span other)
{
	size_t longer = near->word.len > other.len ? near->word.len : other.len;
	size_t distance = conf_near_distance(near->word, other);
	if (distance >= near->distance || distance > longer / 3)
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
