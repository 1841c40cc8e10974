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
#define RECIPIENT_BYTES_MAX 512

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

static void recipients_put(struct buf *out, const struct conf_recipients *list)
{
	for (size_t i = 0; i < list->count; i++)
		wire_put_span(out, list->items[i]);
}

static void words_put(struct buf *out, const struct conf_order *list)
{
	for (size_t i = 0; i < list->count; i++)
		wire_put_u32(out, (uint32_t)list->items[i]);
}

static void value_put(struct buf *out, const struct conf_option *option, const void *field)
{
	uint64_t number;
	struct any_list list;
	switch (option->type) {
	case CONF_TYPE_BOOL:
		wire_put_u8(out, *(const bool *)field);
		return;
	case CONF_TYPE_NETWORKS:
	case CONF_TYPE_RECIPIENTS:
	case CONF_TYPE_CHOICES:
		memcpy(&list, field, sizeof(list));
		wire_put_u32(out, (uint32_t)list.count);
		if (option->type == CONF_TYPE_NETWORKS)
			networks_put(out, field);
		else if (option->type == CONF_TYPE_RECIPIENTS)
			recipients_put(out, field);
		else
			words_put(out, field);
		return;
	default:
		memcpy(&number, field, sizeof(number));
		wire_put_u64(out, number);
		return;
	}
}

void conf_checks_write(const struct conf *conf, struct buf *out)
{
	const uint8_t *base = (const uint8_t *)conf;
	for (size_t i = 0; i < conf_option_count; i++) {
		const struct conf_option *option = &conf_options[i];
		if (!conf_section_is_check(option->section))
			continue;
		wire_put_u32(out, conf->lines[i]);
		value_put(out, option, base + option->offset);
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

static bool recipient_get(struct reading *in, struct span *recipient)
{
	struct span text = wire_get_span(&in->r);
	uint8_t *copy = text.len > 0 && text.len <= RECIPIENT_BYTES_MAX ? arena_alloc(in->arena, text.len) : NULL;
	if (copy == NULL)
		return false;
	memcpy(copy, text.ptr, text.len);
	*recipient = span_of(copy, text.len);
	return true;
}

static size_t item_bytes(const struct conf_option *option)
{
	return option->type == CONF_TYPE_NETWORKS ? sizeof(struct netblock)
		: option->type == CONF_TYPE_RECIPIENTS ? sizeof(struct span) : sizeof(unsigned);
}

static bool item_get(struct reading *in, const struct conf_option *option, void *item)
{
	if (option->type == CONF_TYPE_NETWORKS)
		return network_get(&in->r, item);
	return option->type == CONF_TYPE_RECIPIENTS ? recipient_get(in, item) : word_get(&in->r, option, item);
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
	bool truth;
	switch (option->type) {
	case CONF_TYPE_BOOL:
		truth = wire_get_u8(&in->r) != 0;
		memcpy(field, &truth, sizeof(truth));
		return !in->r.bad;
	case CONF_TYPE_NETWORKS:
	case CONF_TYPE_RECIPIENTS:
	case CONF_TYPE_CHOICES:
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
	uint8_t *base = (uint8_t *)checks_out;
	memset(checks_out, 0, sizeof(*checks_out));
	for (size_t i = 0; i < conf_option_count; i++) {
		const struct conf_option *option = &conf_options[i];
		if (!conf_section_is_check(option->section))
			continue;
		uint32_t line = wire_get_u32(&in.r);
		if (option->line_offset > 0)
			memcpy(base + (option->line_offset - CHECKS_AT), &line, sizeof(line));
		if (!value_get(&in, option, base + (option->offset - CHECKS_AT)))
			return false;
	}
	return wire_done(&in.r);
}
