/* SPDX-License-Identifier: Apache-2.0 */
/* Writes and reads drop files; drop_format.h says how they look. */
#include "drop_format.h"

#include "address.h"
#include "crc32c.h"
#include "wire.h"

#define HEAD_CHECKED_BYTES 28

enum { FIELD_ID = 1, FIELD_SENDER = 2, FIELD_RECIPIENT = 3 };

static const struct span magic = SPAN("WBDROP1\n");

void drop_name_write(const char *prefix, const struct id128 *id, char name_out[static DROP_NAME_BYTES + 1])
{
	memcpy(name_out, prefix, 4);
	id128_write(id, name_out + 4);
	name_out[DROP_NAME_BYTES] = 0;
}

bool drop_name_parse(struct span name, const char *prefix, struct id128 *id_out)
{
	char again[DROP_NAME_BYTES + 1];
	if (name.len != DROP_NAME_BYTES || !id128_parse(span_from(name, 4), id_out))
		return false;
	/* One id has one name: no other letter case. */
	drop_name_write(prefix, id_out, again);
	return memcmp(name.ptr, again, DROP_NAME_BYTES) == 0;
}

static void field_write(struct buf *out, uint16_t type, struct span value)
{
	wire_put_u16(out, type);
	wire_put_span(out, value);
}

void drop_envelope_write(struct buf *out, const struct drop_envelope *envelope)
{
	field_write(out, FIELD_ID, span_of(envelope->id.bytes, sizeof(envelope->id.bytes)));
	field_write(out, FIELD_SENDER, envelope->sender);
	for (uint32_t i = 0; i < envelope->recipient_count; i++)
		field_write(out, FIELD_RECIPIENT, envelope->recipients[i]);
}

void drop_head_write(struct buf *out, struct span envelope, uint64_t content_bytes, uint32_t content_crc)
{
	size_t began = out->len;
	buf_add(out, magic);
	wire_put_u32(out, (uint32_t)envelope.len);
	wire_put_u64(out, content_bytes);
	wire_put_u32(out, crc32c(0, envelope));
	wire_put_u32(out, content_crc);
	if (!out->failed)
		wire_put_u32(out, crc32c(0, span_of(out->ptr + began, HEAD_CHECKED_BYTES)));
}

bool drop_head_read(struct span bytes, uint64_t file_bytes, struct drop_head *head_out)
{
	struct wire_reader r = { .rest = span_to(bytes, DROP_HEAD_BYTES) };
	if (bytes.len < DROP_HEAD_BYTES || !span_eq(wire_get_bytes(&r, magic.len), magic))
		return false;
	head_out->envelope_bytes = wire_get_u32(&r);
	head_out->content_bytes = wire_get_u64(&r);
	head_out->envelope_crc = wire_get_u32(&r);
	head_out->content_crc = wire_get_u32(&r);
	uint32_t crc = wire_get_u32(&r);
	return wire_done(&r) && crc == crc32c(0, span_to(bytes, HEAD_CHECKED_BYTES))
		&& head_out->envelope_bytes <= DROP_ENVELOPE_BYTES_MAX
		&& head_out->content_bytes <= DROP_CONTENT_BYTES_MAX
		&& file_bytes == DROP_HEAD_BYTES + head_out->envelope_bytes + head_out->content_bytes;
}

static const char *recipient_read(struct span value, struct span *recipients, struct drop_envelope *e)
{
	struct address address;
	if (e->recipient_count == DROP_RECIPIENTS_MAX)
		return "too many recipients";
	if (!address_parse(value, &address))
		return "a recipient is no mailbox";
	e->utf8 |= address.utf8;
	recipients[e->recipient_count++] = value;
	return NULL;
}

static const char *sender_read(struct span value, bool *seen, struct drop_envelope *e)
{
	struct address address = { .null_path = true };
	if (*seen)
		return "two senders";
	if (value.len > 0 && !address_parse(value, &address))
		return "the sender is no mailbox";
	e->utf8 |= address.utf8;
	e->sender = value;
	*seen = true;
	return NULL;
}

static const char *id_read(struct span value, bool *seen, struct drop_envelope *e)
{
	if (*seen || value.len != sizeof(e->id.bytes))
		return "not one message id";
	memcpy(e->id.bytes, value.ptr, value.len);
	*seen = true;
	return NULL;
}

const char *drop_envelope_read(const struct drop_head *head, struct span bytes, struct span *recipients,
	struct drop_envelope *envelope_out)
{
	struct wire_reader r = { .rest = bytes };
	struct drop_envelope *e = envelope_out;
	bool id_seen = false, sender_seen = false;
	*e = (struct drop_envelope){ .recipients = recipients };
	if (bytes.len != head->envelope_bytes || crc32c(0, bytes) != head->envelope_crc)
		return "the envelope fails its checksum";
	while (r.rest.len > 0) {
		uint16_t type = wire_get_u16(&r);
		struct span value = wire_get_span(&r);
		const char *problem = r.bad ? "the envelope is malformed"
			: type == FIELD_ID ? id_read(value, &id_seen, e)
			: type == FIELD_SENDER ? sender_read(value, &sender_seen, e)
			: type == FIELD_RECIPIENT ? recipient_read(value, recipients, e) : "a field of unknown type";
		if (problem != NULL)
			return problem;
	}
	return !id_seen || !sender_seen || e->recipient_count == 0 ? "the envelope is incomplete" : NULL;
}

const char *drop_content_problem(const struct content_facts *facts)
{
	if (facts->nul)
		return "a NUL in the content";
	if (facts->bare_newline)
		return "a CR or LF in the content that ends no line";
	if (facts->unterminated)
		return "the last line has no end";
	if (facts->line_bytes_longest > DROP_LINE_BYTES_MAX)
		return "a line is too long";
	return NULL;
}
