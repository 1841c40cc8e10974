/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The codec that the schema table makes. Every decoder takes hostile bytes: it
 * reads exactly its fields and refuses a body with too few or too many bytes, and a
 * list whose items do not fill it exactly.
 */
#include "ipc.h"

#include "map.h"

/* Field types that the wire room does not have. */
static void wire_put_list(struct buf *out, struct span list)
{
	wire_put_span(out, list);
}

static struct span wire_get_list(struct wire_reader *r)
{
	struct span list = wire_get_span(r);
	struct wire_reader items = { .rest = list };
	while (items.rest.len > 0 && !items.bad)
		wire_get_span(&items);
	r->bad |= items.bad;
	return list;
}

static void wire_put_addr(struct buf *out, struct netaddr addr)
{
	wire_put_u8(out, addr.family);
	buf_add(out, span_of(addr.bytes, sizeof(addr.bytes)));
}

static struct netaddr wire_get_addr(struct wire_reader *r)
{
	struct netaddr addr = { .family = wire_get_u8(r) };
	struct span bytes = wire_get_bytes(r, sizeof(addr.bytes));
	if (addr.family != 0 && addr.family != 4 && addr.family != 6)
		r->bad = true;
	if (!r->bad)
		memcpy(addr.bytes, bytes.ptr, sizeof(addr.bytes));
	return addr;
}

static void put_id(struct buf *out, struct id128 id)
{
	wire_put_id(out, &id);
}
#define wire_put_id put_id

#define PUT_FIELD(type, name) wire_put_##type(out, message->name);
#define GET_FIELD(type, name) message_out->name = wire_get_##type(&r);
#define CODEC(NAME, name) \
	void ipc_put_##name(struct buf *out, const struct ipc_##name *message) \
	{ \
		IPC_FIELDS_##NAME(PUT_FIELD) \
	} \
	bool ipc_get_##name(struct span body, struct ipc_##name *message_out) \
	{ \
		struct wire_reader r = { .rest = body }; \
		IPC_FIELDS_##NAME(GET_FIELD) \
		return wire_done(&r); \
	}
IPC_MESSAGES(CODEC)
#undef CODEC

bool ipc_body_valid(unsigned type, struct span body)
{
	switch (type) {
#define VALID_CASE(NAME, name) \
	case IPC_##NAME: { \
		struct ipc_##name message; \
		return ipc_get_##name(body, &message); \
	}
		IPC_MESSAGES(VALID_CASE)
#undef VALID_CASE
	default:
		return false;
	}
}

const char *ipc_type_name(unsigned type)
{
#define NAME_OF(NAME, name) #NAME,
	static const char *const names[] = { IPC_MESSAGES(NAME_OF) };
#undef NAME_OF
	return type < IPC_TYPE_COUNT ? names[type] : "?";
}

bool ipc_type_carries_fd(unsigned type)
{
	switch (type) {
#define FD_CASE(NAME) case IPC_##NAME:
		IPC_FD_MESSAGES(FD_CASE)
#undef FD_CASE
		return true;
	default:
		return false;
	}
}

const char *ipc_role_name(unsigned role)
{
	static const char *const names[] = { "supervisor", "smtpd", "policy", "queue", "delivery", "console", "relay",
		"runner" };
	return role < IPC_ROLE_COUNT ? names[role] : "?";
}

uint64_t ipc_schema_hash(void)
{
	static const uint64_t key[2] = { 0x77617962696c6c31u, 0x697063u };
#define TEXT_OF_FIELD(type, name) #type " " #name ";"
#define TEXT_OF(NAME, name) #NAME "{" IPC_FIELDS_##NAME(TEXT_OF_FIELD) "}"
	return map_hash(key, SPAN(IPC_MESSAGES(TEXT_OF)));
#undef TEXT_OF
#undef TEXT_OF_FIELD
}

bool ipc_list_next(ipc_list *rest, struct span *item_out)
{
	struct wire_reader r = { .rest = *rest };
	if (rest->len == 0)
		return false;
	*item_out = wire_get_span(&r);
	*rest = r.rest;
	return !r.bad;
}

uint32_t ipc_list_count(ipc_list list, uint32_t most)
{
	struct span item;
	uint32_t count = 0;
	while (count < most && ipc_list_next(&list, &item))
		count++;
	return count;
}
