/* SPDX-License-Identifier: Apache-2.0 */
/* One hash table for all kinds; an entry's kind is part of its key. */
#include "policy_list.h"

#include <stdlib.h>

#include "address.h"
#include "arena.h"
#include "conf_value.h"
#include "map.h"

#define LIST_BYTES_MAX ((size_t)512 << 20)
#define KEY_BYTES_MAX (1 + ADDRESS_LOCAL_BYTES_MAX + 1 + 2 + ADDRESS_DOMAIN_BYTES_MAX)
#define PREFIXES_MAX 129

struct entry {
	struct map_link link;
	struct policy_entry view;
	struct span key;
};

struct policy_list {
	struct map map;
	struct arena arena; /* entries and their texts */
	uint64_t hash_key[2];
	size_t counts[POLICY_LISTED_COUNT];
	bool prefixes[2][PREFIXES_MAX]; /* of IPv4 and IPv6 networks that are listed */
};

struct key {
	uint8_t bytes[KEY_BYTES_MAX];
	size_t len;
};

struct policy_list *policy_list_new(const uint64_t hash_key[2])
{
	struct policy_list *list = calloc(1, sizeof(*list));
	if (list == NULL)
		return NULL;
	map_init(&list->map);
	arena_init(&list->arena, LIST_BYTES_MAX);
	list->hash_key[0] = hash_key[0];
	list->hash_key[1] = hash_key[1];
	return list;
}

void policy_list_free(struct policy_list *list)
{
	if (list == NULL)
		return;
	map_fini(&list->map);
	arena_reset(&list->arena);
	free(list);
}

size_t policy_list_count(const struct policy_list *list, enum policy_listed kind)
{
	return list != NULL ? list->counts[kind] : 0;
}

static void key_begin(struct key *key, enum policy_listed kind)
{
	key->bytes[0] = (uint8_t)kind;
	key->len = 1;
}

/* What does not fit is no entry's key either. */
static bool key_add(struct key *key, struct span text)
{
	if (text.len > sizeof(key->bytes) - key->len)
		return false;
	for (size_t i = 0; i < text.len; i++)
		key->bytes[key->len++] = byte_lower(text.ptr[i]);
	return true;
}

static const struct entry *find(const struct policy_list *list, const struct key *key)
{
	struct span wanted = span_of(key->bytes, key->len);
	struct map_link *link = map_first(&list->map, map_hash(list->hash_key, wanted));
	for (; link != NULL; link = map_next(link)) {
		const struct entry *entry = MAP_ENTRY(link, struct entry, link);
		if (span_eq(entry->key, wanted))
			return entry;
	}
	return NULL;
}

static bool give(const struct entry *entry, struct policy_entry *entry_out)
{
	if (entry != NULL)
		*entry_out = entry->view;
	return entry != NULL;
}

/* The first of two that are the same stays. */
static bool insert(struct policy_list *list, const struct key *key, const struct policy_entry *view)
{
	if (find(list, key) != NULL)
		return true;
	struct entry *entry = list->map.count < POLICY_LIST_ENTRIES_MAX ? arena_alloc(&list->arena, sizeof(*entry)) : NULL;
	if (entry == NULL)
		return false;
	entry->view = *view;
	if (!arena_copy(&list->arena, view->text, &entry->view.text)
	    || !arena_copy(&list->arena, span_of(key->bytes, key->len), &entry->key)
	    || !map_insert(&list->map, &entry->link, map_hash(list->hash_key, entry->key)))
		return false;
	list->counts[view->kind]++;
	return true;
}

static void network_key(struct key *key, const struct netblock *block)
{
	key_begin(key, POLICY_LISTED_CLIENT);
	memcpy(key->bytes + key->len, block, sizeof(*block));
	key->len += sizeof(*block);
}

static bool add_network(struct policy_list *list, const struct netblock *block, struct policy_entry *view)
{
	struct key key;
	struct buf text;
	buf_init(&text, 128);
	netblock_write(&text, block);
	view->text = buf_span(&text);
	network_key(&key, block);
	list->prefixes[block->addr.family == 6][block->prefix_bits] = true;
	bool added = !text.failed && insert(list, &key, view);
	buf_fini(&text);
	return added;
}

static bool add_networks(struct policy_list *list, const struct conf_networks *networks, uint32_t line)
{
	bool good = true;
	for (size_t i = 0; good && i < networks->count; i++)
		good = add_network(list, &networks->blocks[i],
			&(struct policy_entry){ .kind = POLICY_LISTED_CLIENT, .line = line });
	return good;
}

static bool add_text(struct policy_list *list, struct policy_entry *view)
{
	struct key key;
	key_begin(&key, view->kind);
	return key_add(&key, view->text) && insert(list, &key, view);
}

static bool add_names(struct policy_list *list, enum policy_listed kind, const struct conf_names *names, uint32_t line)
{
	bool good = true;
	for (size_t i = 0; good && i < names->count; i++)
		good = add_text(list, &(struct policy_entry){ .kind = kind, .text = names->items[i], .line = line });
	return good;
}

bool policy_list_add(struct policy_list *list, const struct conf_listed *listed)
{
	return add_networks(list, &listed->clients, listed->clients_line)
		&& add_names(list, POLICY_LISTED_HELO, &listed->helos, listed->helos_line)
		&& add_names(list, POLICY_LISTED_SENDER, &listed->senders, listed->senders_line)
		&& add_names(list, POLICY_LISTED_RECIPIENT, &listed->recipients, listed->recipients_line);
}

struct policy_list *policy_list_of_recipients(const struct conf_names *names, uint32_t line,
	const uint64_t hash_key[2])
{
	struct policy_list *list = policy_list_new(hash_key);
	const struct conf_listed listed = { .recipients = *names, .recipients_line = line };
	if (list != NULL && policy_list_add(list, &listed))
		return list;
	policy_list_free(list);
	return NULL;
}

static const struct {
	struct span word;
	bool (*parse)(struct span text, struct buf *out, const char **why_out); /* NULL: a network */
} forms[POLICY_LISTED_COUNT] = {
	[POLICY_LISTED_CLIENT] = { SPAN("client"), NULL },
	[POLICY_LISTED_HELO] = { SPAN("helo"), conf_value_name_pattern },
	[POLICY_LISTED_SENDER] = { SPAN("sender"), conf_value_mail_pattern },
	[POLICY_LISTED_RECIPIENT] = { SPAN("recipient"), conf_value_mail_pattern },
};

/* Reads one line's entry. NULL: it is in the list; else what is wrong with it. Sets *full without memory. */
static const char *read_entry(struct policy_list *list, struct span word, struct span rest,
	struct policy_entry *view, bool *full)
{
	struct netblock block;
	struct buf text;
	const char *why = NULL;
	unsigned kind = 0;
	while (kind < POLICY_LISTED_COUNT && !span_eq_nocase(word, forms[kind].word))
		kind++;
	if (kind == POLICY_LISTED_COUNT)
		return "begins with another word than client, helo, sender or recipient";
	view->kind = (enum policy_listed)kind;
	if (forms[kind].parse == NULL) {
		if (!conf_value_network(rest, &block, &why))
			return why;
		*full |= !add_network(list, &block, view);
		return NULL;
	}
	buf_init(&text, KEY_BYTES_MAX);
	bool good = forms[kind].parse(rest, &text, &why);
	view->text = buf_span(&text);
	*full |= good && !add_text(list, view);
	buf_fini(&text);
	return good ? NULL : why;
}

static void complain(struct buf *problems, struct span name, uint32_t line, struct span text, const char *why)
{
	buf_addf(problems, "%.*s:%u: \"", SPAN_FMT(name), line);
	buf_add_escaped(problems, span_to(text, 100));
	buf_addf(problems, "\" %s\n", why);
}

bool policy_list_read(struct policy_list *list, struct span text, struct span name, struct buf *problems)
{
	uint32_t number = 0;
	size_t wrong = 0;
	bool full = false;
	while (text.len > 0 && !full) {
		size_t end = span_find(text, '\n');
		struct span line = span_trim(span_to(text, end));
		if (line.len > 0 && line.ptr[line.len - 1] == '\r')
			line = span_trim(span_to(line, line.len - 1));
		text = span_from(text, end + 1);
		number++;
		if (line.len == 0 || line.ptr[0] == '#')
			continue;
		size_t space = span_find(line, ' '), tab = span_find(line, '\t');
		space = tab < space ? tab : space;
		struct policy_entry view = { .line = number, .in_file = true };
		const char *why = line.len <= POLICY_LIST_LINE_BYTES_MAX
			? read_entry(list, span_to(line, space), span_trim(span_from(line, space)), &view, &full)
			: "is too long a line";
		if (why != NULL && ++wrong <= POLICY_LIST_PROBLEMS_MAX)
			complain(problems, name, number, space < line.len ? span_trim(span_from(line, space)) : line, why);
	}
	return !full;
}

bool policy_list_client(const struct policy_list *list, const struct netaddr *client, struct policy_entry *entry_out)
{
	if (policy_list_count(list, POLICY_LISTED_CLIENT) == 0 || client->family == 0)
		return false;
	for (int bits = client->family == 4 ? 32 : 128; bits >= 0; bits--) {
		if (!list->prefixes[client->family == 6][bits])
			continue;
		struct netblock block = netblock_around(client, (unsigned)bits, (unsigned)bits);
		struct key key;
		network_key(&key, &block);
		if (give(find(list, &key), entry_out))
			return true;
	}
	return false;
}

/* The name itself, then "*." and what stands behind each dot. */
static bool find_name(const struct policy_list *list, enum policy_listed kind, struct span name,
	struct policy_entry *entry_out)
{
	struct key key;
	key_begin(&key, kind);
	if (key_add(&key, name) && give(find(list, &key), entry_out))
		return true;
	for (size_t dot = span_find(name, '.'); dot < name.len; dot = span_find(name, '.')) {
		name = span_from(name, dot + 1);
		key_begin(&key, kind);
		if (key_add(&key, SPAN("*.")) && key_add(&key, name) && give(find(list, &key), entry_out))
			return true;
	}
	return false;
}

bool policy_list_helo(const struct policy_list *list, struct span name, struct policy_entry *entry_out)
{
	if (name.len > 0 && name.ptr[name.len - 1] == '.')
		name.len--;
	return policy_list_count(list, POLICY_LISTED_HELO) > 0 && name.len <= ADDRESS_DOMAIN_BYTES_MAX
		&& find_name(list, POLICY_LISTED_HELO, name, entry_out);
}

static bool find_address(const struct policy_list *list, enum policy_listed kind, struct span local, struct span domain,
	struct policy_entry *entry_out)
{
	struct key key;
	key_begin(&key, kind);
	return key_add(&key, local) && key_add(&key, SPAN("@")) && key_add(&key, domain)
		&& give(find(list, &key), entry_out);
}

bool policy_list_address(const struct policy_list *list, enum policy_listed kind, struct span local,
	struct span domain, struct policy_entry *entry_out)
{
	struct address address = { .local = local,
		.quoted = local.len >= 2 && local.ptr[0] == '"' && local.ptr[local.len - 1] == '"' };
	uint8_t canonical[ADDRESS_LOCAL_BYTES_MAX];
	if (policy_list_count(list, kind) == 0 || domain.len > ADDRESS_DOMAIN_BYTES_MAX || local.len > sizeof(canonical))
		return false;
	struct span name = span_of(canonical, address_local_canonical(&address, canonical));
	size_t plus = kind == POLICY_LISTED_RECIPIENT ? span_find(name, '+') : 0;
	return find_address(list, kind, name, domain, entry_out)
		|| (plus > 0 && plus < name.len && find_address(list, kind, span_to(name, plus), domain, entry_out))
		|| find_name(list, kind, domain, entry_out);
}
