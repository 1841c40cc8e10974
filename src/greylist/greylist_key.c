/* SPDX-License-Identifier: Apache-2.0 */
/* What two attempts must have in common to be the same: the question, and names of origins. */
#include "greylist_private.h"

static struct netblock network_of(const struct netaddr *client)
{
	return netblock_around(client, GREYLIST_V4_BITS, GREYLIST_V6_BITS);
}

/* Appends to the question's text; the span stays where it is. */
static struct span keep(struct buf *text, struct span bytes)
{
	size_t from = text->len;
	buf_add(text, bytes);
	return text->failed ? (struct span){ NULL, 0 } : span_of(text->ptr + from, bytes.len);
}

static struct span keep_network(struct buf *text, const struct netblock *network)
{
	size_t from = text->len;
	netblock_write(text, network);
	return span_of(text->ptr + from, text->len - from);
}

/* The domain that SPF is asked about: the sender's, of a bounce that of the HELO name. */
static struct span claimed_domain(const struct greylist_attempt *attempt, uint8_t out[static ADDRESS_DOMAIN_BYTES_MAX])
{
	struct address sender;
	struct span domain = attempt->helo;
	if (attempt->sender.len > 0) {
		if (!address_parse(attempt->sender, &sender) || sender.literal)
			return (struct span){ NULL, 0 };
		domain = sender.domain;
	}
	if (domain.len == 0 || domain.ptr[0] == '[' || span_find(domain, '/') < domain.len)
		return (struct span){ NULL, 0 };
	return span_of(out, address_domain_ascii(domain, out));
}

static struct span recipient_of(struct span text, uint8_t out[static GREYLIST_ADDRESS_BYTES_MAX])
{
	struct address address;
	struct buf b;
	buf_init_over(&b, out, GREYLIST_ADDRESS_BYTES_MAX);
	if (address_parse(text, &address) && !address.postmaster) {
		uint8_t local[ADDRESS_LOCAL_BYTES_MAX], domain[ADDRESS_DOMAIN_BYTES_MAX];
		buf_add(&b, span_of(local, address_local_canonical(&address, local)));
		buf_add_byte(&b, '@');
		buf_add(&b, span_of(domain, address_domain_ascii(address.domain, domain)));
	} else {
		buf_add(&b, span_to(text, GREYLIST_ADDRESS_BYTES_MAX - 1));
	}
	for (size_t i = 0; i < b.len; i++)
		out[i] = byte_lower(out[i]);
	return buf_span(&b);
}

void greylist_question_make(struct greylist_question *q, const struct greylist_attempt *attempt)
{
	uint8_t domain[ADDRESS_DOMAIN_BYTES_MAX], sender[GREYLIST_ADDRESS_BYTES_MAX];
	uint8_t recipient[GREYLIST_ADDRESS_BYTES_MAX];
	struct buf text;
	buf_init_over(&text, q->text, sizeof(q->text));
	q->network = network_of(&attempt->client);
	q->network_name = keep_network(&text, &q->network);
	q->domain = keep(&text, claimed_domain(attempt, domain));
	q->authenticated = false;
	q->sender = keep(&text, span_of(sender, greylist_sender(attempt->sender, sender)));
	q->recipient = keep(&text, recipient_of(attempt->recipient, recipient));
}

bool greylist_origin_name(struct span text, uint8_t out[static ADDRESS_DOMAIN_BYTES_MAX], size_t *len_out)
{
	struct netblock block;
	struct netaddr addr;
	struct buf b;
	if (address_literal_netaddr(text, &addr) || netaddr_parse(text, &addr)) {
		block = network_of(&addr);
	} else if (netblock_parse(text, &block)) {
		if (block.prefix_bits != (block.addr.family == 4 ? GREYLIST_V4_BITS : GREYLIST_V6_BITS))
			return false;
	} else {
		bool name = text.len > 0 && text.ptr[0] != '[' && span_find(text, '.') < text.len && address_domain_valid(text);
		*len_out = name ? address_domain_ascii(text, out) : 0;
		return *len_out > 0;
	}
	buf_init_over(&b, out, ADDRESS_DOMAIN_BYTES_MAX);
	*len_out = keep_network(&b, &block).len;
	return true;
}
