/* SPDX-License-Identifier: Apache-2.0 */
/* Writes and reads drop files; drop_format.h says how they look. */
#include "drop_format.h"

#include "address.h"
#include "crc32c.h"
#include "utf8.h"
#include "wire.h"

#define HEAD_CHECKED_BYTES 28

enum {
	FIELD_ID = 1,
	FIELD_SENDER = 2,
	FIELD_RECIPIENT = 3,
	FIELD_RET = 4,
	FIELD_ENVID = 5,
	FIELD_NOTIFY = 6, /* of the recipient before it */
	FIELD_ORCPT = 7   /* so too */
};

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

static void recipient_write(struct buf *out, const struct drop_envelope *e, uint32_t i)
{
	field_write(out, FIELD_RECIPIENT, e->recipients[i]);
	if (e->notify != NULL && e->notify[i] != 0)
		field_write(out, FIELD_NOTIFY, span_of(&e->notify[i], 1));
	if (e->orcpts != NULL && e->orcpts[i].len > 0)
		field_write(out, FIELD_ORCPT, e->orcpts[i]);
}

void drop_envelope_write(struct buf *out, const struct drop_envelope *envelope)
{
	uint8_t ret = (uint8_t)envelope->ret;
	field_write(out, FIELD_ID, span_of(envelope->id.bytes, sizeof(envelope->id.bytes)));
	field_write(out, FIELD_SENDER, envelope->sender);
	if (envelope->ret != DSN_RET_UNSET)
		field_write(out, FIELD_RET, span_of(&ret, 1));
	if (envelope->envid.len > 0)
		field_write(out, FIELD_ENVID, envelope->envid);
	for (uint32_t i = 0; i < envelope->recipient_count; i++)
		recipient_write(out, envelope, i);
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

/* What was read so far. */
struct reading {
	struct drop_envelope *e;
	const struct drop_lists *lists;
	bool id, sender;
};

static const char *recipient_read(struct span value, struct reading *r)
{
	struct address address;
	uint32_t at = r->e->recipient_count;
	if (at == DROP_RECIPIENTS_MAX)
		return "too many recipients";
	if (!address_parse(value, &address))
		return "a recipient is no mailbox";
	r->e->utf8 |= address.utf8;
	r->lists->recipients[at] = value;
	r->lists->orcpts[at] = (struct span){ NULL, 0 };
	r->lists->notify[at] = 0;
	r->e->recipient_count++;
	return NULL;
}

static const char *notify_read(struct span value, struct reading *r)
{
	const uint8_t others = DSN_NOTIFY_SUCCESS | DSN_NOTIFY_FAILURE | DSN_NOTIFY_DELAY;
	uint32_t count = r->e->recipient_count;
	bool sound = value.len == 1 && value.ptr[0] != 0
		&& (value.ptr[0] == DSN_NOTIFY_NEVER || (value.ptr[0] & ~others) == 0);
	if (!sound || count == 0 || r->lists->notify[count - 1] != 0)
		return "not one NOTIFY of a recipient";
	r->lists->notify[count - 1] = value.ptr[0];
	return NULL;
}

static const char *orcpt_read(struct span value, struct reading *r)
{
	struct dsn_orcpt orcpt;
	uint32_t count = r->e->recipient_count;
	if (count == 0 || r->lists->orcpts[count - 1].len > 0 || dsn_orcpt_parse(value, true, &orcpt) != DSN_PARAM_OK)
		return "not one ORCPT of a recipient";
	r->e->utf8 |= !span_is_ascii(value);
	r->lists->orcpts[count - 1] = value;
	return NULL;
}

static const char *sender_read(struct span value, struct reading *r)
{
	struct address address = { .null_path = true };
	if (r->sender)
		return "two senders";
	if (value.len > 0 && !address_parse(value, &address))
		return "the sender is no mailbox";
	r->e->utf8 |= address.utf8;
	r->e->sender = value;
	r->sender = true;
	return NULL;
}

static const char *id_read(struct span value, struct reading *r)
{
	if (r->id || value.len != sizeof(r->e->id.bytes))
		return "not one message id";
	memcpy(r->e->id.bytes, value.ptr, value.len);
	r->id = true;
	return NULL;
}

static const char *ret_read(struct span value, struct reading *r)
{
	bool sound = value.len == 1 && (value.ptr[0] == DSN_RET_FULL || value.ptr[0] == DSN_RET_HEADERS);
	if (!sound || r->e->ret != DSN_RET_UNSET)
		return "not one RET";
	r->e->ret = (enum dsn_ret)value.ptr[0];
	return NULL;
}

static const char *envid_read(struct span value, struct reading *r)
{
	if (r->e->envid.len > 0 || dsn_envid_check(value) != DSN_PARAM_OK)
		return "not one ENVID";
	r->e->envid = value;
	return NULL;
}

static const char *field_read(uint16_t type, struct span value, struct reading *r)
{
	static const char *(*const readers[])(struct span, struct reading *) = { [FIELD_ID] = id_read,
		[FIELD_SENDER] = sender_read, [FIELD_RECIPIENT] = recipient_read, [FIELD_RET] = ret_read,
		[FIELD_ENVID] = envid_read, [FIELD_NOTIFY] = notify_read, [FIELD_ORCPT] = orcpt_read };
	if (type >= sizeof(readers) / sizeof(readers[0]) || readers[type] == NULL)
		return "a field of unknown type";
	return readers[type](value, r);
}

const char *drop_envelope_read(const struct drop_head *head, struct span bytes, const struct drop_lists *lists,
	struct drop_envelope *envelope_out)
{
	struct wire_reader wire = { .rest = bytes };
	struct reading r = { .e = envelope_out, .lists = lists };
	*envelope_out = (struct drop_envelope){ .recipients = lists->recipients, .notify = lists->notify,
		.orcpts = lists->orcpts };
	if (bytes.len != head->envelope_bytes || crc32c(0, bytes) != head->envelope_crc)
		return "the envelope fails its checksum";
	while (wire.rest.len > 0) {
		uint16_t type = wire_get_u16(&wire);
		struct span value = wire_get_span(&wire);
		const char *problem = wire.bad ? "the envelope is malformed" : field_read(type, value, &r);
		if (problem != NULL)
			return problem;
	}
	return !r.id || !r.sender || envelope_out->recipient_count == 0 ? "the envelope is incomplete" : NULL;
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
