/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers, times, sizes, words and network addresses. */
#include "conf_value.h"

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit duration_units[] = {
	{ "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 },
};

static const struct unit size_units[] = {
	{ "", 1 }, { "B", 1 }, { "KiB", 1u << 10 }, { "MiB", 1u << 20 }, { "GiB", 1u << 30 },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool byte_is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool byte_is_alnum(uint8_t c)
{
	return byte_is_digit(c) || (byte_lower(c) >= 'a' && byte_lower(c) <= 'z');
}

/* Digits, then one of the units; the product must fit. */
static bool united_parse(struct span text, const struct unit *units, size_t unit_count, uint64_t *value_out)
{
	size_t digits = 0;
	while (digits < text.len && byte_is_digit(text.ptr[digits]))
		digits++;
	uint64_t number;
	if (!span_to_u64(span_to(text, digits), UINT64_MAX, &number))
		return false;
	struct span unit = span_from(text, digits);
	for (size_t i = 0; i < unit_count; i++)
		if (span_eq(unit, span_str(units[i].name)) && number <= UINT64_MAX / units[i].factor) {
			*value_out = number * units[i].factor;
			return true;
		}
	return false;
}

bool conf_value_integer(struct span text, uint64_t *value_out, const char **why_out)
{
	*why_out = "is not a number";
	return span_to_u64(text, UINT64_MAX, value_out);
}

bool conf_value_duration(struct span text, uint64_t *ms_out, const char **why_out)
{
	*why_out = "is not a duration; write 5m, 2h or 1d";
	return united_parse(text, duration_units, COUNT(duration_units), ms_out);
}

bool conf_value_size(struct span text, uint64_t *bytes_out, const char **why_out)
{
	*why_out = "is not a size; write 300B, 10KiB or 50MiB";
	return united_parse(text, size_units, COUNT(size_units), bytes_out);
}

bool conf_value_bool(struct span text, bool *value_out, const char **why_out)
{
	*why_out = "is neither yes nor no";
	*value_out = span_eq(text, SPAN("yes"));
	return *value_out || span_eq(text, SPAN("no"));
}

bool conf_value_network(struct span text, struct netblock *block_out, const char **why_out)
{
	struct netaddr addr;
	struct span host = span_to(text, span_find(text, '/'));
	if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
		host = span_of(host.ptr + 1, host.len - 2);
	*why_out = netaddr_parse(host, &addr)
		? "is not a network: bits after the prefix are set, or the prefix is too long"
		: "is not a network; write 192.0.2.0/24 or [2001:db8::]/32";
	return netblock_parse(text, block_out);
}

static bool unix_parse(struct span path, struct conf_address *address, const char **why_out)
{
	if (!conf_value_path(path, &address->path, why_out))
		return false;
	*why_out = "is too long for a socket; its path may have 107 bytes";
	return address->path.len <= CONF_SOCKET_PATH_MAX;
}

bool conf_value_address(struct span text, struct conf_address *address_out, const char **why_out)
{
	struct conf_address address = { .text = text };
	*address_out = address;
	if (span_eq(span_to(text, 5), SPAN("unix:"))) {
		bool good = unix_parse(span_from(text, 5), &address, why_out);
		*address_out = address;
		return good;
	}
	*why_out = "is not an address; write 192.0.2.1:25, [::]:25 or unix:/path";
	size_t colon = text.len;
	while (colon > 0 && text.ptr[colon - 1] != ':')
		colon--;
	uint64_t port;
	if (colon == 0 || !span_to_u64(span_from(text, colon), UINT16_MAX, &port) || port == 0)
		return false;
	struct span host = span_to(text, colon - 1);
	bool in_brackets = host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
	if (in_brackets)
		host = span_of(host.ptr + 1, host.len - 2);
	/* Without brackets the last group of an IPv6 address would be taken for the port. */
	if (in_brackets != (span_find(host, ':') < host.len) || !netaddr_parse(host, &address.addr))
		return false;
	address.port = (uint16_t)port;
	*address_out = address;
	return true;
}

bool conf_value_separator(struct span text, uint8_t *character_out, const char **why_out)
{
	*why_out = "is not one character of + - _ = # % & ! ~ ^ or the empty string";
	*character_out = text.len == 1 ? text.ptr[0] : 0;
	return text.len == 0 || (text.len == 1 && text.ptr[0] != 0 && strchr("+-_=#%&!~^", text.ptr[0]) != NULL);
}

/* Letters, digits and a few signs, not beginning with a sign. */
static bool is_plain_name(struct span text, const char *signs)
{
	if (text.len == 0 || text.len > 32 || !(byte_is_alnum(text.ptr[0]) || text.ptr[0] == '_'))
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (!byte_is_alnum(text.ptr[i]) && (text.ptr[i] == 0 || strchr(signs, text.ptr[i]) == NULL))
			return false;
	return true;
}

bool conf_value_mode(struct span text, uint32_t *mode_out, const char **why_out)
{
	uint32_t mode = 0;
	*why_out = "is not a file's permissions; write 0660 or 0666";
	if (text.len == 4 && text.ptr[0] == '0')
		text = span_from(text, 1);
	if (text.len != 3)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '7')
			return false;
		mode = mode << 3 | (uint32_t)(text.ptr[i] - '0');
	}
	*mode_out = mode;
	return true;
}

bool conf_value_account(struct span text, struct span *name_out, const char **why_out)
{
	*why_out = "is not the name of an account";
	*name_out = text;
	return text.len == 0 || is_plain_name(text, "-_.");
}

bool conf_value_group(struct span text, struct span *name_out, const char **why_out)
{
	bool good = conf_value_account(text, name_out, why_out);
	*why_out = "is not the name of a group";
	return good;
}

bool conf_value_label(struct span text, struct span *label_out, const char **why_out)
{
	*why_out = "is not a title; use up to 32 letters, digits, - _ or .";
	*label_out = text;
	return is_plain_name(text, "-_.");
}
