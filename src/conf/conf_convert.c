/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One value into one member: by the option's type, with its range. Everything
 * that the member points to is copied into the conf's arena.
 */
#include "address.h"
#include "conf_bind.h"
#include "conf_show.h"
#include "conf_value.h"

#define NAME_BYTES_MAX (ADDRESS_LOCAL_BYTES_MAX + 1 + ADDRESS_DOMAIN_BYTES_MAX)

struct span conf_bind_keep(struct conf_bind *bind, struct span text)
{
	static const uint8_t nothing[1];
	uint8_t *copy = text.len > 0 ? arena_alloc(&bind->conf->arena, text.len + 1) : NULL;
	if (copy == NULL) {
		bind->full |= text.len > 0;
		return span_of(nothing, 0);
	}
	memcpy(copy, text.ptr, text.len);
	return span_of(copy, text.len);
}

/* `retry: "5minutes" is not a duration; ...` */
static bool refuse(struct conf_bind *bind, const struct conf_option *option, const struct conf_value *value,
	const char *why)
{
	struct conf_show show;
	/* Nobody needs to see what may hold a password. */
	if (option->type == CONF_TYPE_CONNECTION)
		conf_report_add(bind->report, CONF_ERROR, value->line, "%s: the value %s", option->name, why);
	else
		conf_report_add(bind->report, CONF_ERROR, value->line, "%s: \"%s\" %s", option->name,
			conf_show(&show, value->text), why);
	return false;
}

static bool range_check(struct conf_bind *bind, const struct conf_option *option,
	const struct conf_value *value, uint64_t number)
{
	bool small = number < option->min;
	if (!small && number <= option->max)
		return true;
	struct buf why;
	buf_init(&why, CONF_PROBLEM_BYTES_MAX);
	buf_add_str(&why, small ? "is too small; the least is " : "is too large; the most is ");
	conf_option_write_number(option, small ? option->min : option->max, &why);
	if (small && option->min_source != NULL)
		buf_addf(&why, " (%s)", option->min_source);
	const char *text = buf_cstr(&why);
	refuse(bind, option, value, text != NULL ? text : "is out of range");
	buf_fini(&why);
	return false;
}

static bool number_convert(struct conf_bind *bind, const struct conf_option *option,
	const struct conf_value *value, uint64_t *number_out)
{
	const char *why;
	bool good;
	if (option->type == CONF_TYPE_INTEGER)
		good = conf_value_integer(value->text, number_out, &why);
	else if (option->type == CONF_TYPE_SIZE)
		good = conf_value_size(value->text, number_out, &why);
	else
		good = conf_value_duration(value->text, number_out, &why);
	return good ? range_check(bind, option, value, *number_out) : refuse(bind, option, value, why);
}

/* All of the words; of the many that a list may have, the one that is near. */
static void complain_choice(struct conf_bind *bind, const struct conf_option *option, const struct conf_value *value)
{
	struct buf why;
	struct conf_near near;
	struct span word;
	buf_init(&why, CONF_PROBLEM_BYTES_MAX);
	conf_near_init(&near, value->text);
	for (unsigned n = 0; (word = conf_option_choice(option, n)).len > 0; n++) {
		conf_near_offer_word(&near, word);
		buf_add_str(&why, n == 0 ? "is not known; write " : " or ");
		buf_add(&why, word);
	}
	if (option->type == CONF_TYPE_CHOICES && near.best_word.len > 0) {
		buf_clear(&why);
		buf_addf(&why, "is not known; did you mean \"%.*s\"?", SPAN_FMT(near.best_word));
	}
	const char *text = buf_cstr(&why);
	refuse(bind, option, value, text != NULL ? text : "is not known");
	buf_fini(&why);
}

static bool choice_convert(struct conf_bind *bind, const struct conf_option *option,
	const struct conf_value *value, void *field)
{
	struct span word;
	unsigned n = 0;
	while ((word = conf_option_choice(option, n)).len > 0 && !span_eq(word, value->text))
		n++;
	if (word.len > 0)
		memcpy(field, &n, sizeof(n)); /* an enum counts from 0 as the choices do */
	else
		complain_choice(bind, option, value);
	return word.len > 0;
}
_Static_assert(sizeof(enum conf_newline) == sizeof(unsigned), "choices are written as unsigned");

/* What one item takes in memory; 0: this type is no list. */
static size_t item_bytes(enum conf_type type)
{
	static const size_t bytes[CONF_TYPE_COUNT] = {
		[CONF_TYPE_DURATIONS] = sizeof(uint64_t),
		[CONF_TYPE_NETWORKS] = sizeof(struct netblock),
		[CONF_TYPE_ADDRESSES] = sizeof(struct conf_address),
		[CONF_TYPE_SERVERS] = sizeof(struct conf_address),
		[CONF_TYPE_HOPS] = sizeof(struct conf_hop),
		[CONF_TYPE_CHOICES] = sizeof(unsigned),
		[CONF_TYPE_NAMES] = sizeof(struct span),
		[CONF_TYPE_MAILS] = sizeof(struct span),
	};
	return bytes[type];
}

/* Whether nothing may be written, meaning "none". */
static bool option_may_be_empty(const struct conf_option *option)
{
	return option->may_be_empty || (option->fallback != NULL && span_eq(span_str(option->fallback), SPAN("\"\"")));
}

/* The types whose text is rewritten on the way: names with letters beyond ASCII. */
static bool name_convert(struct conf_bind *bind, const struct conf_option *option,
	const struct conf_value *value, struct span *field)
{
	struct buf name;
	const char *why;
	buf_init(&name, NAME_BYTES_MAX);
	bool good = value->text.len == 0 && item_bytes(option->type) == 0 && option_may_be_empty(option);
	if (!good && option->type == CONF_TYPE_HOST)
		good = conf_value_host(value->text, &name, &why);
	else if (!good && option->type == CONF_TYPE_NAMES)
		good = conf_value_name_pattern(value->text, &name, &why);
	else if (!good && option->type == CONF_TYPE_MAILS)
		good = conf_value_mail_pattern(value->text, &name, &why);
	else if (!good)
		good = conf_value_mailbox(value->text, &name, &why);
	if (good)
		*field = conf_bind_keep(bind, buf_span(&name));
	else
		refuse(bind, option, value, why);
	buf_fini(&name);
	return good;
}

/* What is said about a directory. */
static bool source_text_valid(const struct conf_option *option, struct span text, const char **why_out)
{
	const size_t first = offsetof(struct conf_source, queries);
	switch (option->type) {
	case CONF_TYPE_CONNECTION:
		return conf_value_connection(text, why_out);
	case CONF_TYPE_LDAP_SERVER:
		return conf_value_ldap_server(text, why_out);
	case CONF_TYPE_SQL:
	case CONF_TYPE_SEARCH:
		return conf_query_fits(text, (enum conf_query_topic)((option->offset - first) / sizeof(struct span)),
			option->type == CONF_TYPE_SEARCH, why_out);
	default:
		return true;
	}
}

/* The types whose text is kept, or a part of it. */
static bool text_convert(struct conf_bind *bind, const struct conf_option *option,
	const struct conf_value *value, struct span *field)
{
	const char *why = "";
	struct span part = { NULL, 0 };
	bool good = true;
	if (value->text.len == 0 && option_may_be_empty(option))
		part = value->text;
	else if (option->type == CONF_TYPE_ACCOUNT)
		good = conf_value_account(value->text, &part, &why);
	else if (option->type == CONF_TYPE_GROUP)
		good = conf_value_group(value->text, &part, &why);
	else if (conf_section_is_source(option->section) && option->type != CONF_TYPE_PATH)
		good = source_text_valid(option, part = value->text, &why);
	else if (option->type == CONF_TYPE_MAILBOXES)
		good = conf_value_mailboxes(value->text, &part, &why);
	else
		good = conf_value_path(value->text, &part, &why);
	if (good && option->type == CONF_TYPE_SOCKET && part.len > CONF_SOCKET_PATH_MAX) {
		why = "is too long for a socket; its path may have 107 bytes";
		good = false;
	}
	if (!good)
		return refuse(bind, option, value, why);
	*field = conf_bind_keep(bind, part);
	return true;
}

static bool table_convert(struct conf_bind *bind, const struct conf_option *option, const struct conf_value *value,
	struct conf_table *table)
{
	const char *why;
	*table = (struct conf_table){ .kind = CONF_NO_SOURCE };
	if ((value->text.len > 0 || !option_may_be_empty(option)) && !conf_value_table(value->text, table, &why))
		return refuse(bind, option, value, why);
	table->path = conf_bind_keep(bind, table->path);
	table->name = conf_bind_keep(bind, table->name);
	return true;
}

static bool hop_convert(struct conf_bind *bind, const struct conf_option *option, const struct conf_value *item,
	struct conf_hop *hop)
{
	struct buf host;
	const char *why;
	buf_init(&host, ADDRESS_DOMAIN_BYTES_MAX);
	bool good = conf_value_hop(item->text, hop, &host, &why);
	if (good) {
		hop->text = conf_bind_keep(bind, hop->text);
		hop->host = conf_bind_keep(bind, hop->host);
		hop->path = conf_bind_keep(bind, hop->path);
		hop->line = item->line;
	} else {
		refuse(bind, option, item, why);
	}
	buf_fini(&host);
	return good;
}

static bool item_convert(struct conf_bind *bind, const struct conf_option *option,
	const struct conf_value *item, void *slot)
{
	const char *why;
	if (option->type == CONF_TYPE_DURATIONS)
		return number_convert(bind, option, item, slot);
	if (option->type == CONF_TYPE_CHOICES)
		return choice_convert(bind, option, item, slot);
	if (item->kind != CONF_VALUE_STRING)
		return refuse(bind, option, item, "must stand in double quotes");
	if (option->type == CONF_TYPE_NETWORKS)
		return conf_value_network(item->text, slot, &why) || refuse(bind, option, item, why);
	if (option->type == CONF_TYPE_HOPS)
		return hop_convert(bind, option, item, slot);
	if (option->type == CONF_TYPE_NAMES || option->type == CONF_TYPE_MAILS)
		return name_convert(bind, option, item, slot);
	struct conf_address *address = slot;
	bool good = option->type == CONF_TYPE_SERVERS ? conf_value_server(item->text, address, &why)
		: conf_value_address(item->text, address, &why);
	if (!good)
		return refuse(bind, option, item, why);
	address->text = conf_bind_keep(bind, address->text);
	address->path = conf_bind_keep(bind, address->path);
	address->line = item->line;
	return true;
}

/* All list members of struct conf are a pointer and a count. */
struct any_list {
	const void *items;
	size_t count;
};
_Static_assert(sizeof(struct any_list) == sizeof(struct conf_networks), "lists have one shape");
_Static_assert(sizeof(struct any_list) == sizeof(struct conf_durations), "lists have one shape");
_Static_assert(sizeof(struct any_list) == sizeof(struct conf_addresses), "lists have one shape");
_Static_assert(sizeof(struct any_list) == sizeof(struct conf_hops), "lists have one shape");
_Static_assert(sizeof(struct any_list) == sizeof(struct conf_order), "lists have one shape");
_Static_assert(sizeof(struct any_list) == sizeof(struct conf_names), "lists have one shape");
_Static_assert(sizeof(struct any_list) == sizeof(struct conf_locks), "lists have one shape");

static bool count_check(struct conf_bind *bind, const struct conf_option *option, const struct conf_value *value,
	size_t count)
{
	size_t most = option->items_max > 0 ? option->items_max : CONF_LIST_ITEMS_MAX;
	if (count == 0 && !option->may_be_empty)
		conf_report_add(bind->report, CONF_ERROR, value->line, "%s: this list is empty", option->name);
	else if (count > most)
		conf_report_add(bind->report, CONF_ERROR, value->line, "%s: this list is too long; %zu values are the most",
			option->name, most);
	else
		return true;
	return false;
}

/* A single value is a list of one. */
static bool list_convert(struct conf_bind *bind, const struct conf_option *option,
	const struct conf_value *value, void *field)
{
	bool is_list = value->kind == CONF_VALUE_LIST;
	const struct conf_value *item = is_list ? value->items : value;
	size_t count = is_list ? value->item_count : 1;
	if (!count_check(bind, option, value, count))
		return false;
	size_t each = item_bytes(option->type);
	uint8_t *slots = arena_alloc(&bind->conf->arena, (count > 0 ? count : 1) * each);
	if (slots == NULL) {
		bind->full = true;
		return false;
	}
	bool good = true;
	for (size_t i = 0; i < count; i++, item = item->next)
		good &= item_convert(bind, option, item, slots + i * each);
	struct any_list list = { slots, count };
	if (good)
		memcpy(field, &list, sizeof(list));
	return good;
}

/* Numbers and words may stand bare or in quotes; free text only in quotes. */
static bool type_is_quoted(enum conf_type type)
{
	return type >= CONF_TYPE_HOST && item_bytes(type) == 0;
}

bool conf_bind_value(struct conf_bind *bind, const struct conf_option *option, const struct conf_value *value,
	void *field)
{
	const char *why;
	if (item_bytes(option->type) > 0)
		return list_convert(bind, option, value, field);
	if (value->kind == CONF_VALUE_LIST) {
		conf_report_add(bind->report, CONF_ERROR, value->line, "%s: one value is wanted, not a list",
			option->name);
		return false;
	}
	if (type_is_quoted(option->type) && value->kind != CONF_VALUE_STRING)
		return refuse(bind, option, value, "must stand in double quotes");
	switch (option->type) {
	case CONF_TYPE_INTEGER:
	case CONF_TYPE_SIZE:
	case CONF_TYPE_DURATION:
		return number_convert(bind, option, value, field);
	case CONF_TYPE_BOOL:
		return conf_value_bool(value->text, field, &why) || refuse(bind, option, value, why);
	case CONF_TYPE_CHOICE:
		return choice_convert(bind, option, value, field);
	case CONF_TYPE_SEPARATOR:
		return conf_value_separator(value->text, field, &why) || refuse(bind, option, value, why);
	case CONF_TYPE_MODE:
		return conf_value_mode(value->text, field, &why) || refuse(bind, option, value, why);
	case CONF_TYPE_SOURCE:
		return conf_value_source(value->text, field, &why) || refuse(bind, option, value, why);
	case CONF_TYPE_TABLE:
		return table_convert(bind, option, value, field);
	case CONF_TYPE_HOST:
	case CONF_TYPE_MAILBOX:
	case CONF_TYPE_ADDRESS:
		return name_convert(bind, option, value, field);
	default:
		return text_convert(bind, option, value, field);
	}
}
