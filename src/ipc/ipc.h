/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the schema makes: message numbers, one struct and one codec pair for each
 * message, names, and the schema's hash. Pure. Decoded spans and lists point into
 * the bytes that were decoded.
 */
#ifndef WAYBILL_IPC_H
#define WAYBILL_IPC_H

#include "ipc_console.h"
#include "ipc_schema.h"
#include "netaddr.h"
#include "wire.h"

#define IPC_ENUM(NAME, name) IPC_##NAME,
enum ipc_type { IPC_MESSAGES(IPC_ENUM) IPC_TYPE_COUNT };
#undef IPC_ENUM

enum ipc_role {
	IPC_SUPERVISOR, IPC_SMTPD, IPC_POLICY, IPC_QUEUE, IPC_DELIVERY, IPC_CONSOLE, IPC_RELAY, IPC_RUNNER, IPC_ROLE_COUNT
};

/* What became of a recipient that policy was asked to expand. */
enum ipc_expansion {
	IPC_EXPANSION_MAILBOX,   /* domain and user name a mailbox here */
	IPC_EXPANSION_LIST,      /* targets take the recipient's place */
	IPC_EXPANSION_UNKNOWN,   /* no such mailbox (any more) */
	IPC_EXPANSION_DISABLED,  /* it takes no mail for now */
	IPC_EXPANSION_GONE,      /* ... and never again */
	IPC_EXPANSION_MOVED,     /* ... because its owner has the address of `user` now */
	IPC_EXPANSION_FOREIGN,   /* not a domain of ours, and no route leads there */
	IPC_EXPANSION_ROUTE,     /* kept elsewhere: to the hops, for the domain */
	IPC_EXPANSION_LOOP,      /* aliases lead only to themselves */
	IPC_EXPANSION_TOO_LARGE, /* over the limits for members or depth */
	IPC_EXPANSION_NO_POSTMASTER, /* nobody is named to get postmaster's mail */
	IPC_EXPANSION_UNAVAILABLE,
	IPC_EXPANSION_COUNT
};

/* What the DNS says of a domain as a destination. */
enum ipc_mx_status {
	IPC_MX_OK,
	IPC_MX_TEMPORARY,
	IPC_MX_NO_DOMAIN, /* the name does not exist, or has neither MX nor address */
	IPC_MX_NULL,      /* takes no mail (RFC 7505) */
	IPC_MX_LOOP,      /* leads back to this host */
	IPC_MX_COUNT
};

/* What an attempt says of the destination as a whole. */
enum ipc_destination {
	IPC_DESTINATION_OK,
	IPC_DESTINATION_BUSY, /* it wants fewer connections */
	IPC_DESTINATION_DOWN, /* no host could be spoken with */
	IPC_DESTINATION_NONE, /* nothing was learned */
	IPC_DESTINATION_COUNT
};

/* What became of a relayed recipient; the same order as the client core's. */
enum ipc_relayed {
	IPC_RELAYED_DELIVERED,
	IPC_RELAYED_DEFERRED,
	IPC_RELAYED_FAILED,
	IPC_RELAYED_IN_DOUBT,
	IPC_RELAYED_COUNT
};

typedef uint8_t ipc_u8;
typedef uint16_t ipc_u16;
typedef uint32_t ipc_u32;
typedef uint64_t ipc_u64;
typedef struct id128 ipc_id;
typedef struct span ipc_span;
typedef struct span ipc_list;
typedef struct netaddr ipc_addr;

#define IPC_STRUCT_FIELD(type, name) ipc_##type name;
#define IPC_STRUCT(NAME, name) \
	struct ipc_##name { IPC_FIELDS_##NAME(IPC_STRUCT_FIELD) };
IPC_MESSAGES(IPC_STRUCT)
#undef IPC_STRUCT
#undef IPC_STRUCT_FIELD

/* ipc_put_NAME appends the body; ipc_get_NAME is false when the body is malformed. */
#define IPC_CODEC(NAME, name) \
	void ipc_put_##name(struct buf *out, const struct ipc_##name *message); \
	bool ipc_get_##name(struct span body, struct ipc_##name *message_out);
IPC_MESSAGES(IPC_CODEC)
#undef IPC_CODEC

/* "CHECK_ASK"; "?" for a number that is no message. */
const char *ipc_type_name(unsigned type);
const char *ipc_role_name(unsigned role);
uint64_t ipc_schema_hash(void);

/* Whether a descriptor may come with the message. */
bool ipc_type_carries_fd(unsigned type);

/* Checks any body against the message's schema, for fuzzing and for logs. */
bool ipc_body_valid(unsigned type, struct span body);

/* Appends one item to a list that is being built. */
static inline void ipc_list_add(struct buf *list, struct span item)
{
	wire_put_span(list, item);
}

/* Takes the next item from a decoded list; false at its end. */
bool ipc_list_next(ipc_list *rest, struct span *item_out);

/* How many items there are, counted no further than to `most`. */
uint32_t ipc_list_count(ipc_list list, uint32_t most);

#endif
