/* SPDX-License-Identifier: Apache-2.0 */
/* Writes and reads rewritten senders; see srs.h for their form. */
#include "srs.h"

#include "address.h"
#include "map.h"

#define TAG_BYTES 4       /* "SRS0" */
#define HASH_LETTERS 6
#define DAY_LETTERS 2
#define LETTER_BITS 5
#define DAYS 1024u        /* that two letters can tell apart */
#define DAYS_AHEAD_MAX 1u /* clocks of hosts that share a secret */

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

void srs_key_make(struct span secret, struct srs_key *key_out)
{
	/* Any two keys that differ; they are no secret. */
	static const uint64_t first[2] = { 0x5352532d6b657931, 0x7761796269 }, second[2] = { 0x5352532d6b657932, 0x6c6c };
	*key_out = (struct srs_key){ { map_hash(first, secret), map_hash(second, secret) } };
}

bool srs_keys_read(struct span text, struct srs_rules *rules, uint32_t *short_line_out)
{
	rules->key_count = 0;
	*short_line_out = 0;
	for (uint32_t number = 1; text.len > 0; number++) {
		size_t end = span_find(text, '\n');
		bool cr = end > 0 && text.ptr[end - 1] == '\r';
		struct span line = span_trim(span_to(text, end - cr));
		text = span_from(text, end + 1);
		if (line.len >= SRS_SECRET_BYTES_MIN && rules->key_count == SRS_SECRETS_MAX)
			return false;
		if (line.len >= SRS_SECRET_BYTES_MIN)
			srs_key_make(line, &rules->keys[rules->key_count++]);
		else if (line.len > 0 && *short_line_out == 0)
			*short_line_out = number;
	}
	return true;
}

static uint8_t tag_of(struct span local)
{
	bool mark = local.len > TAG_BYTES
		&& (local.ptr[TAG_BYTES] == '=' || local.ptr[TAG_BYTES] == '+' || local.ptr[TAG_BYTES] == '-');
	bool tag = mark && span_starts_nocase(local, SPAN("SRS")) && (local.ptr[3] == '0' || local.ptr[3] == '1');
	return tag ? local.ptr[3] : 0;
}

bool srs_is_address(struct span local)
{
	return tag_of(local) != 0;
}

static void write_letters(struct buf *out, uint64_t value, unsigned count)
{
	for (unsigned i = count; i-- > 0;)
		buf_add_byte(out, (uint8_t)letters[value >> (i * LETTER_BITS) & 31]);
}

/* The hash of what the address says, letter case left aside. 64 bits; HASH_LETTERS of them count. */
static uint64_t hash_of(const struct srs_key *key, uint8_t tag, struct span day, struct span domain, struct span rest)
{
	struct buf text;
	uint64_t hash = 0;
	buf_init(&text, ADDRESS_PATH_BYTES_MAX * 2);
	buf_add_byte(&text, tag);
	buf_add(&text, day);
	buf_add_byte(&text, '=');
	buf_add(&text, domain);
	buf_add_byte(&text, '=');
	buf_add(&text, rest);
	for (size_t i = 0; !text.failed && i < text.len; i++)
		text.ptr[i] = byte_lower(text.ptr[i]);
	if (!text.failed)
		hash = map_hash(key->key, buf_span(&text));
	buf_fini(&text);
	return hash;
}

/* Behind the tag: HASH=[DAY=]DOMAIN=REST. An SRS1 has no day, and its rest begins with the first one's mark. */
struct parts {
	uint8_t tag;
	struct span hash, day, domain, rest;
};

static bool part_next(struct span *rest, struct span *part_out)
{
	size_t end = span_find(*rest, '=');
	*part_out = span_to(*rest, end);
	if (end == rest->len)
		return false;
	*rest = span_from(*rest, end + 1);
	return true;
}

static bool parts_read(struct span local, struct parts *parts_out)
{
	struct span rest = span_from(local, TAG_BYTES + 1);
	*parts_out = (struct parts){ .tag = tag_of(local) };
	if (parts_out->tag == 0 || local.len > ADDRESS_MAILBOX_BYTES_MAX || !part_next(&rest, &parts_out->hash))
		return false;
	if (parts_out->tag == '0' && (!part_next(&rest, &parts_out->day) || parts_out->day.len != DAY_LETTERS))
		return false;
	if (!part_next(&rest, &parts_out->domain) || parts_out->domain.len == 0 || rest.len == 0)
		return false;
	parts_out->rest = rest;
	if (parts_out->tag == '0')
		return true;
	return rest.len > 1 && (rest.ptr[0] == '=' || rest.ptr[0] == '+' || rest.ptr[0] == '-');
}

static void write_signed(const struct srs_rules *rules, const struct parts *parts, struct buf *out)
{
	uint64_t hash = hash_of(&rules->keys[0], parts->tag, parts->day, parts->domain, parts->rest);
	buf_add_str(out, "SRS");
	buf_add_byte(out, parts->tag);
	buf_add_byte(out, '=');
	write_letters(out, hash, HASH_LETTERS);
	buf_add_byte(out, '=');
	buf_add(out, parts->day);
	if (parts->day.len > 0)
		buf_add_byte(out, '=');
	buf_add(out, parts->domain);
	buf_add_byte(out, '=');
	buf_add(out, parts->rest);
}

bool srs_write(const struct srs_rules *rules, struct span local, struct span domain, uint64_t day, struct buf *out)
{
	struct parts parts = { .tag = '0', .domain = domain, .rest = local };
	struct parts before;
	struct buf day_text;
	size_t len_before = out->len;
	if (rules->key_count == 0 || local.len == 0 || domain.len == 0)
		return false;
	buf_init(&day_text, DAY_LETTERS);
	uint8_t tag = tag_of(local);
	if (tag == '1' && parts_read(local, &before)) {
		/* The server that wrote it is passed over: bounces go to the first one at once. */
		parts = (struct parts){ .tag = '1', .domain = before.domain, .rest = before.rest };
	} else if (tag == '0' && local.len > TAG_BYTES + 1) {
		parts.tag = '1';
		parts.rest = span_from(local, TAG_BYTES);
	} else {
		write_letters(&day_text, day % DAYS, DAY_LETTERS);
		parts.day = buf_span(&day_text);
	}
	write_signed(rules, &parts, out);
	bool good = !out->failed && !day_text.failed && out->len - len_before <= ADDRESS_LOCAL_BYTES_MAX
		&& out->len - len_before + 1 + rules->domain.len <= ADDRESS_MAILBOX_BYTES_MAX;
	if (!good && !out->failed)
		out->len = len_before;
	buf_fini(&day_text);
	return good;
}

/* The value of letters; false when there are others among them. */
static bool letters_value(struct span text, uint64_t *value_out)
{
	*value_out = 0;
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = byte_lower(text.ptr[i]);
		if (c >= 'a' && c <= 'z')
			*value_out = *value_out << LETTER_BITS | (uint64_t)(c - 'a');
		else if (c >= '2' && c <= '7')
			*value_out = *value_out << LETTER_BITS | (uint64_t)(c - '2' + 26);
		else
			return false;
	}
	return true;
}

static bool is_signed(const struct srs_rules *rules, const struct parts *parts)
{
	static const uint64_t mask = ((uint64_t)1 << (HASH_LETTERS * LETTER_BITS)) - 1;
	uint64_t said;
	bool found = false;
	if (parts->hash.len != HASH_LETTERS || !letters_value(parts->hash, &said))
		return false;
	for (size_t i = 0; i < rules->key_count; i++) {
		uint64_t hash = hash_of(&rules->keys[i], parts->tag, parts->day, parts->domain, parts->rest);
		found |= (hash & mask) == said;
	}
	return found;
}

enum srs_verdict srs_read(const struct srs_rules *rules, struct span local, uint64_t day,
	struct srs_origin *origin_out)
{
	struct parts parts;
	uint64_t written = 0;
	*origin_out = (struct srs_origin){ 0 };
	if (!parts_read(local, &parts) || !is_signed(rules, &parts) || !letters_value(parts.day, &written))
		return SRS_FORGED;
	*origin_out = (struct srs_origin){ .local = parts.rest, .domain = parts.domain };
	if (parts.tag == '1') {
		origin_out->mark = parts.rest.ptr[0];
		origin_out->local = span_from(parts.rest, 1);
		return SRS_GOOD;
	}
	uint64_t age = (day % DAYS + DAYS - written) % DAYS;
	return age <= rules->valid_days || age >= DAYS - DAYS_AHEAD_MAX ? SRS_GOOD : SRS_EXPIRED;
}

void srs_origin_write(const struct srs_origin *origin, struct buf *out)
{
	if (origin->mark != 0) {
		buf_add_str(out, "SRS0");
		buf_add_byte(out, origin->mark);
	}
	buf_add(out, origin->local);
}
