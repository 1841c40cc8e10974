/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checks' settings on their way to the policy role: every setting of their sections
 * in the order of the option table, its line and its value. Both ends are one build
 * (the channel's greeting sees to that), so nothing says what comes next. What comes is
 * held against types and ranges all the same.
 */
#include "conf_options.h"
#include "wire.h"

#define CHECKS_AT offsetof(struct conf, checks)
#define PATH_BYTES_MAX 4096
#define NAME_BYTES_MAX 330 /* the longest address, and "*." */

/* Every list is a pointer and a count. */
struct any_list {
	const void *items;
	size_t count;
};

static void networks_put(struct buf *out, const struct conf_networks *list)
{
	for (size_t i = 0; i < list->count; i++) {
		wire_put_u8(out, list->blocks[i].addr.family);
		buf_add(out, span_of(list->blocks[i].addr.bytes, sizeof(list->blocks[i].addr.bytes)));
		wire_put_u8(out, list->blocks[i].prefix_bits);
	}
}

static void names_put(struct buf *out, const struct conf_names *list)
{
	for (size_t i = 0; i < list->count; i++)
		wire_put_span(out, list->items[i]);
}

static void words_put(struct buf *out, const struct conf_order *list)
{
	for (size_t i = 0; i < list->count; i++)
		wire_put_u32(out, (uint32_t)list->items[i]);
}

/* Whom it is about; who connects there has the configuration itself. */
static void addresses_put(struct buf *out, const struct conf_addresses *list)
{
	for (size_t i = 0; i < list->count; i++)
		wire_put_span(out, list->items[i].text);
}

static void value_put(struct buf *out, const struct conf_option *option, const void *field)
{
	uint64_t number;
	struct any_list list;
	struct span text;
	switch (option->type) {
	case CONF_TYPE_BOOL:
		wire_put_u8(out, *(const bool *)field);
		return;
	case CONF_TYPE_PATH:
		memcpy(&text, field, sizeof(text));
		wire_put_span(out, text);
		return;
	case CONF_TYPE_NETWORKS:
	case CONF_TYPE_CHOICES:
	case CONF_TYPE_NAMES:
	case CONF_TYPE_MAILS:
	case CONF_TYPE_ADDRESSES:
		memcpy(&list, field, sizeof(list));
		wire_put_u32(out, (uint32_t)list.count);
		if (option->type == CONF_TYPE_NETWORKS)
			networks_put(out, field);
		else if (option->type == CONF_TYPE_CHOICES)
			words_put(out, field);
		else if (option->type == CONF_TYPE_ADDRESSES)
			addresses_put(out, field);
		else
			names_put(out, field);
		return;
	default:
		memcpy(&number, field, sizeof(number));
		wire_put_u64(out, number);
		return;
	}
}

/* Of a setting that stands in several sections, how many there are. */
static size_t sections_of(const struct conf_option *option, const struct conf_checks *checks)
{
	if (option->section == CONF_SECTION_POLICY_SERVICE)
		return checks->service_count;
	if (option->section == CONF_SECTION_DNSLIST)
		return checks->list_count;
	return option->section == CONF_SECTION_RATE ? CONF_RATE_OF_COUNT : 1;
}

/* Where the n-th section's members lie, against which the option's offsets count. */
static uint8_t *base_of(const struct conf_option *option, const struct conf_checks *checks, size_t n)
{
	uint8_t *at = (uint8_t *)(uintptr_t)checks;
	if (option->section == CONF_SECTION_RATE)
		return at + offsetof(struct conf_checks, rates) + n * sizeof(struct conf_rate);
	if (option->section == CONF_SECTION_POLICY_SERVICE)
		return at + offsetof(struct conf_checks, services) + n * sizeof(struct conf_service);
	if (option->section == CONF_SECTION_DNSLIST)
		return at + offsetof(struct conf_checks, lists) + n * sizeof(struct conf_dnslist);
	return at - CHECKS_AT;
}

void conf_checks_write(const struct conf *conf, struct buf *out)
{
	wire_put_u32(out, (uint32_t)conf->checks.service_count);
	for (size_t i = 0; i < conf->checks.service_count; i++) {
		wire_put_span(out, conf->checks.services[i].name);
		wire_put_u32(out, conf->checks.services[i].line);
	}
	wire_put_u32(out, (uint32_t)conf->checks.list_count);
	for (size_t i = 0; i < conf->checks.list_count; i++) {
		wire_put_span(out, conf->checks.lists[i].zone);
		wire_put_u32(out, conf->checks.lists[i].line);
	}
	for (size_t i = 0; i < conf_option_count; i++) {
		const struct conf_option *option = &conf_options[i];
		for (size_t n = 0; conf_section_is_check(option->section) && n < sections_of(option, &conf->checks); n++) {
			const uint8_t *base = base_of(option, &conf->checks, n);
			uint32_t line = 0;
			if (option->line_offset > 0)
				memcpy(&line, base + option->line_offset, sizeof(line));
			wire_put_u32(out, line);
			value_put(out, option, base + option->offset);
		}
	}
}

struct reading {
	struct wire_reader r;
	struct arena *arena;
};

static bool network_get(struct wire_reader *r, struct netblock *block)
{
	block->addr.family = wire_get_u8(r);
	struct span bytes = wire_get_bytes(r, sizeof(block->addr.bytes));
	block->prefix_bits = wire_get_u8(r);
	if (!r->bad)
		memcpy(block->addr.bytes, bytes.ptr, sizeof(block->addr.bytes));
	return (block->addr.family == 4 && block->prefix_bits <= 32)
		|| (block->addr.family == 6 && block->prefix_bits <= 128);
}

static bool word_get(struct wire_reader *r, const struct conf_option *option, unsigned *word)
{
	*word = wire_get_u32(r);
	return *word < 1000 && conf_option_choice(option, *word).len > 0;
}

static bool name_get(struct reading *in, struct span *name)
{
	struct span text = wire_get_span(&in->r);
	return !in->r.bad && text.len > 0 && text.len <= NAME_BYTES_MAX && arena_copy(in->arena, text, name);
}

static bool address_get(struct reading *in, struct conf_address *address)
{
	*address = (struct conf_address){ 0 };
	return name_get(in, &address->text);
}

static bool services_get(struct reading *in, struct conf_checks *checks)
{
	uint32_t count = wire_get_u32(&in->r);
	if (in->r.bad || count > CONF_SERVICES_MAX)
		return false;
	for (; checks->service_count < count; checks->service_count++) {
		struct conf_service *service = &checks->services[checks->service_count];
		if (!name_get(in, &service->name))
			return false;
		service->line = wire_get_u32(&in->r);
	}
	return !in->r.bad;
}

static bool lists_get(struct reading *in, struct conf_checks *checks)
{
	uint32_t count = wire_get_u32(&in->r);
	if (in->r.bad || count > CONF_DNSLISTS_MAX)
		return false;
	for (; checks->list_count < count; checks->list_count++) {
		struct conf_dnslist *list = &checks->lists[checks->list_count];
		if (!name_get(in, &list->zone))
			return false;
		list->line = wire_get_u32(&in->r);
	}
	return !in->r.bad;
}

static size_t item_bytes(const struct conf_option *option)
{
	if (option->type == CONF_TYPE_ADDRESSES)
		return sizeof(struct conf_address);
	if (option->type == CONF_TYPE_CHOICES)
		return sizeof(unsigned);
	return option->type == CONF_TYPE_NETWORKS ? sizeof(struct netblock) : sizeof(struct span);
}

static bool item_get(struct reading *in, const struct conf_option *option, void *item)
{
	if (option->type == CONF_TYPE_CHOICES)
		return word_get(&in->r, option, item);
	if (option->type == CONF_TYPE_ADDRESSES)
		return address_get(in, item);
	return option->type == CONF_TYPE_NETWORKS ? network_get(&in->r, item) : name_get(in, item);
}

static bool list_get(struct reading *in, const struct conf_option *option, void *field)
{
	size_t most = option->items_max > 0 ? option->items_max : CONF_LIST_ITEMS_MAX;
	size_t each = item_bytes(option);
	struct any_list list = { .count = wire_get_u32(&in->r) };
	if (in->r.bad || list.count > most)
		return false;
	uint8_t *items = arena_alloc(in->arena, (list.count > 0 ? list.count : 1) * each);
	bool good = items != NULL;
	for (size_t i = 0; good && i < list.count; i++)
		good = item_get(in, option, items + i * each);
	list.items = items;
	memcpy(field, &list, sizeof(list));
	return good;
}

static bool value_get(struct reading *in, const struct conf_option *option, void *field)
{
	uint64_t number;
	struct span text;
	bool truth;
	switch (option->type) {
	case CONF_TYPE_BOOL:
		truth = wire_get_u8(&in->r) != 0;
		memcpy(field, &truth, sizeof(truth));
		return !in->r.bad;
	case CONF_TYPE_PATH:
		text = wire_get_span(&in->r);
		if (in->r.bad || text.len > PATH_BYTES_MAX || !arena_copy(in->arena, text, &text))
			return false;
		memcpy(field, &text, sizeof(text));
		return true;
	case CONF_TYPE_NETWORKS:
	case CONF_TYPE_CHOICES:
	case CONF_TYPE_NAMES:
	case CONF_TYPE_MAILS:
	case CONF_TYPE_ADDRESSES:
		return list_get(in, option, field);
	default:
		number = wire_get_u64(&in->r);
		memcpy(field, &number, sizeof(number));
		return !in->r.bad && number >= option->min && number <= option->max;
	}
}

bool conf_checks_read(struct span bytes, struct arena *arena, struct conf_checks *checks_out)
{
	struct reading in = { .r = { .rest = bytes }, .arena = arena };
	memset(checks_out, 0, sizeof(*checks_out));
	if (!services_get(&in, checks_out) || !lists_get(&in, checks_out))
		return false;
	for (size_t i = 0; i < conf_option_count; i++) {
		const struct conf_option *option = &conf_options[i];
		for (size_t n = 0; conf_section_is_check(option->section) && n < sections_of(option, checks_out); n++) {
			uint8_t *base = base_of(option, checks_out, n);
			uint32_t line = wire_get_u32(&in.r);
			if (option->line_offset > 0)
				memcpy(base + option->line_offset, &line, sizeof(line));
			if (!value_get(&in, option, base + option->offset))
				return false;
		}
	}
	return wire_done(&in.r);
}
