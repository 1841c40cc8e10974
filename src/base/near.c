/* SPDX-License-Identifier: Apache-2.0 */
/* The whole table of distances between beginnings, on the stack: words are short. */
#include "near.h"

#define NEAR_WORD_MAX 32

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;
	return least < c ? least : c;
}

size_t near_distance(struct span a, struct span b)
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

bool near_enough(struct span a, struct span b)
{
	size_t longer = a.len > b.len ? a.len : b.len;
	return near_distance(a, b) <= longer / 3;
}
