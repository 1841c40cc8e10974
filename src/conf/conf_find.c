/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to a finished struct about one name or one address. Nothing is allocated. */
#include "address.h"
#include "conf.h"

/* Domains and routes lie in arrays sorted by a name, which is their first member. */
struct named_array {
	const void *items;
	size_t count, item_bytes;
};
_Static_assert(offsetof(struct conf_domain, name) == 0, "the name comes first");
_Static_assert(offsetof(struct conf_route, pattern) == 0, "the name comes first");

static const void *named_find(const struct named_array *array, struct span name)
{
	size_t from = 0, to = array->count;
	while (from < to) {
		size_t mid = from + (to - from) / 2;
		const struct span *item = (const void *)((const uint8_t *)array->items + mid * array->item_bytes);
		int order = span_cmp(name, *item);
		if (order == 0)
			return item;
		if (order < 0)
			to = mid;
		else
			from = mid + 1;
	}
	return NULL;
}

/* Writes the name in lower case; the empty span when it is longer than any domain. */
static struct span name_lower(struct span name, uint8_t *low)
{
	if (name.len > ADDRESS_DOMAIN_BYTES_MAX)
		return span_of(NULL, 0);
	for (size_t i = 0; i < name.len; i++)
		low[i] = byte_lower(name.ptr[i]);
	return span_of(low, name.len);
}

bool conf_networks_contain(const struct conf_networks *list, const struct netaddr *addr)
{
	for (size_t i = 0; i < list->count; i++)
		if (netblock_contains(&list->blocks[i], addr))
			return true;
	return false;
}

bool conf_trusts(const struct conf *conf, const struct netaddr *client)
{
	return conf_networks_contain(&conf->trust, client);
}

const struct conf_domain *conf_domain_find(const struct conf *conf, struct span name)
{
	uint8_t low[ADDRESS_DOMAIN_BYTES_MAX];
	const struct named_array domains = { conf->domains, conf->domain_count, sizeof(*conf->domains) };
	return named_find(&domains, name_lower(name, low));
}

const struct conf_route *conf_route_find(const struct conf *conf, struct span domain)
{
	uint8_t pattern[1 + ADDRESS_DOMAIN_BYTES_MAX];
	const struct named_array routes = { conf->routes, conf->route_count, sizeof(*conf->routes) };
	struct span name = name_lower(domain, pattern + 1);
	const struct conf_route *found = named_find(&routes, name);
	/* A star takes the place before each dot in turn; what stood there is done with. */
	while (found == NULL && name.len > 0) {
		name = span_from(name, span_find(name, '.'));
		if (name.len == 0)
			break;
		size_t star = (size_t)(name.ptr - pattern) - 1;
		pattern[star] = '*';
		found = named_find(&routes, span_of(&pattern[star], name.len + 1));
		name = span_from(name, 1);
	}
	if (found == NULL)
		found = named_find(&routes, SPAN("*"));
	return found != NULL ? found : &conf->route_default;
}
