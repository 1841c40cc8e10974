/* SPDX-License-Identifier: Apache-2.0 */
/* Time-ordered ids and their text form. */
#include "id128.h"

static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

static uint64_t splitmix64(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15u);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

uint64_t id_source_u64(struct id_source *source)
{
	/* Two seeds make 128 bits of state; a guess at one output names neither. */
	return splitmix64(&source->state[0]) ^ (splitmix64(&source->state[1]) << 1 | 1);
}

struct id128 id128_next(struct id_source *source, uint64_t now_ms)
{
	struct id128 id;
	uint64_t high = id_source_u64(source);
	uint64_t low = id_source_u64(source);
	for (int i = 0; i < 6; i++)
		id.bytes[i] = (uint8_t)(now_ms >> (40 - 8 * i));
	memcpy(id.bytes + 6, &high, 2);
	memcpy(id.bytes + 8, &low, 8);
	return id;
}

void id128_write(const struct id128 *id, char text_out[static ID128_TEXT_LEN])
{
	uint64_t high = 0, low = 0;
	for (int i = 0; i < 8; i++) {
		high = high << 8 | id->bytes[i];
		low = low << 8 | id->bytes[8 + i];
	}
	/* From the end, five bits each; the first digit has only three. */
	for (int i = ID128_TEXT_LEN; i-- > 0;) {
		text_out[i] = alphabet[low & 31];
		low = low >> 5 | high << 59;
		high >>= 5;
	}
}

static int digit(uint8_t c)
{
	const char *at = c != 0 ? strchr(alphabet, byte_lower(c)) : NULL;
	return at != NULL ? (int)(at - alphabet) : -1;
}

bool id128_parse(struct span text, struct id128 *id_out)
{
	if (text.len != ID128_TEXT_LEN)
		return false;
	struct id128 id = { { 0 } };
	for (int i = 0; i < ID128_TEXT_LEN; i++) {
		int value = digit(text.ptr[i]);
		if (value < 0 || (i == 0 && value > 7))
			return false;
		for (int bit = 0; bit < 5; bit++) {
			int at = i * 5 + bit - 2;
			if (at >= 0 && (value >> (4 - bit) & 1) != 0)
				id.bytes[at / 8] = (uint8_t)(id.bytes[at / 8] | 1u << (7 - at % 8));
		}
	}
	*id_out = id;
	return true;
}

uint64_t id128_time_ms(const struct id128 *id)
{
	uint64_t ms = 0;
	for (int i = 0; i < 6; i++)
		ms = ms << 8 | id->bytes[i];
	return ms;
}

void id_short_next(struct id_source *source, char text_out[static ID_SHORT_LEN])
{
	uint64_t bits = id_source_u64(source);
	for (int i = 0; i < ID_SHORT_LEN; i++)
		text_out[i] = alphabet[bits >> (5 * i) & 31];
}
