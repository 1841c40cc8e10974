/* SPDX-License-Identifier: Apache-2.0 */
/* Names that DNS lists are asked for, and the meaning of their answers. */
#include "dnslist.h"

#define SUBJECT_BYTES_MAX 100 /* of a name in a sentence; what is longer is cut */

static void octets_reversed(struct buf *out, const uint8_t *bytes)
{
	for (size_t i = 4; i > 0; i--)
		buf_addf(out, "%u.", (unsigned)bytes[i - 1]);
}

static void nibbles_reversed(struct buf *out, const uint8_t *bytes)
{
	for (size_t i = 16; i > 0; i--)
		buf_addf(out, "%x.%x.", bytes[i - 1] & 0xfu, (unsigned)bytes[i - 1] >> 4);
}

bool dnslist_name(struct buf *out, const struct netaddr *client, struct span zone)
{
	size_t from = out->len;
	if (client->family == 4)
		octets_reversed(out, client->bytes);
	else if (client->family == 6)
		nibbles_reversed(out, client->bytes);
	else
		return false;
	buf_add(out, zone);
	return !out->failed && out->len - from <= DNSLIST_NAME_BYTES_MAX;
}

/* Of a name in a zone. */
static bool name_below(struct buf *out, struct span name, struct span zone)
{
	size_t from = out->len;
	if (name.len == 0)
		return false;
	buf_add(out, name);
	buf_add_byte(out, '.');
	buf_add(out, zone);
	return !out->failed && out->len - from <= DNSLIST_NAME_BYTES_MAX;
}

bool dnslist_question(struct buf *out, const struct dnslist_subject *subject, struct span zone)
{
	return subject->of == CONF_DNSLIST_CLIENT ? dnslist_name(out, &subject->client, zone)
		: name_below(out, subject->name, zone);
}

bool dnslist_probe(struct buf *out, const struct dnslist_subject *subject, struct span zone)
{
	static const struct netaddr four = { .family = 4, .bytes = { 127, 0, 0, 1 } };
	static const struct netaddr six = { .family = 6, .bytes = { [10] = 0xff, 0xff, 127, 0, 0, 1 } };
	if (subject->of != CONF_DNSLIST_CLIENT)
		return name_below(out, SPAN("invalid"), zone);
	return dnslist_name(out, subject->client.family == 4 ? &four : &six, zone);
}

enum dnslist_opinion dnslist_code(const struct netaddr *code, const struct conf_networks *codes)
{
	if (code->family != 4 || code->bytes[0] != 127)
		return DNSLIST_NO_OPINION;
	if (code->bytes[1] == 255 && code->bytes[2] == 255)
		return DNSLIST_CLOSED;
	for (size_t i = 0; i < codes->count; i++)
		if (netblock_contains(&codes->blocks[i], code))
			return DNSLIST_LISTED;
	return DNSLIST_NO_OPINION;
}

enum dnslist_opinion dnslist_opinion(bool answered, const struct netaddr *all, size_t count,
	const struct conf_networks *codes, struct netaddr *code_out)
{
	*code_out = (struct netaddr){ 0 };
	if (!answered)
		return DNSLIST_NO_OPINION;
	if (count == 0)
		return DNSLIST_NOT_LISTED;
	enum dnslist_opinion found = DNSLIST_NO_OPINION;
	*code_out = all[0];
	for (size_t i = 0; i < count && found != DNSLIST_LISTED; i++) {
		enum dnslist_opinion opinion = dnslist_code(&all[i], codes);
		if (opinion == DNSLIST_NO_OPINION)
			continue;
		found = opinion;
		*code_out = all[i];
	}
	return found;
}

/* As far as there is room up to `end`. */
static void add_clean(struct buf *out, struct span text, size_t end)
{
	bool space = false;
	for (size_t i = 0; i < text.len && out->len + space < end; i++) {
		uint8_t c = text.ptr[i];
		if (c <= ' ' || c >= 0x7f) {
			space = true;
			continue;
		}
		if (space)
			buf_add_byte(out, ' ');
		space = false;
		buf_add_byte(out, c);
	}
}

void dnslist_text(struct buf *out, const struct dnslist_subject *subject, struct span zone, struct span text)
{
	size_t end = out->len + DNSLIST_TEXT_BYTES_MAX;
	if (subject->of == CONF_DNSLIST_CLIENT)
		netaddr_write(out, &subject->client);
	else
		add_clean(out, subject->name, out->len + SUBJECT_BYTES_MAX);
	buf_add_str(out, " is listed by ");
	add_clean(out, zone, end);
	while (text.len > 0 && (text.ptr[0] <= ' ' || text.ptr[0] >= 0x7f))
		text = span_from(text, 1);
	if (text.len == 0 || out->len + 2 >= end)
		return;
	buf_add_str(out, ": ");
	add_clean(out, text, end);
}
