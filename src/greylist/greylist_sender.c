/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sender addresses that change with each message or each recipient, made equal again:
 * signed bounces (BATV), rewritten senders (SRS), recipients and numbers of lists (VERP),
 * and the random words of mail services. Two senders of one origin that become equal by
 * this are let through a little earlier; one that never stays equal would be delayed each
 * time, so in doubt more is taken out than less.
 */
#include "greylist_private.h"

#define RANDOM_BYTES_MIN 4   /* a word of hexadecimal digits from here on is a number */
#define RANDOM_CHANGES_MIN 3 /* and one that changes so often between letters and digits */

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool in_word(uint8_t c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || c >= 0x80;
}

/* Takes out the part up to and including the next `separator`; empty, and the rest unchanged, without one. */
static struct span part_next(struct span *rest, uint8_t separator)
{
	size_t end = span_find(*rest, separator);
	if (end == rest->len)
		return (struct span){ NULL, 0 };
	struct span part = span_to(*rest, end);
	*rest = span_from(*rest, end + 1);
	return part;
}

/* "prvs=1234abcdef=user", "msprvs1=...=user", "btv1==1234==user": what was signed; or all of it. */
static struct span without_signature(struct span local)
{
	static const char *const marks[] = { "prvs=", "msprvs1=", "btv1==" };
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		struct span rest = span_from(local, strlen(marks[i]));
		if (!span_starts_nocase(local, span_str(marks[i])) || part_next(&rest, '=').len == 0)
			continue;
		while (rest.len > 0 && rest.ptr[0] == '=')
			rest = span_from(rest, 1);
		return rest.len > 0 ? rest : local;
	}
	return local;
}

static bool starts_srs(struct span local, uint8_t digit)
{
	return local.len > 5 && span_starts_nocase(local, SPAN("srs")) && local.ptr[3] == digit
		&& (local.ptr[4] == '=' || local.ptr[4] == '+' || local.ptr[4] == '-');
}

/*
 * "SRS0=hash=day=domain=user" becomes "srs0=domain=user"; of "SRS1=hash=forwarder==hash=day=domain=user" the
 * forwarder stays as well. False when it is neither.
 */
static bool write_srs(struct span local, struct buf *out)
{
	struct span rest = span_from(local, 5), forwarder = { NULL, 0 };
	bool second = starts_srs(local, '1');
	if ((!second && !starts_srs(local, '0')) || part_next(&rest, '=').len == 0)
		return false;
	if (second) {
		forwarder = part_next(&rest, '=');
		rest = span_from(rest, 1);
		if (forwarder.len == 0 || part_next(&rest, '=').len == 0)
			return false;
	}
	if (part_next(&rest, '=').len == 0 || span_find(rest, '=') == rest.len)
		return false;
	buf_add_str(out, second ? "srs1=" : "srs0=");
	if (second) {
		buf_add(out, forwarder);
		buf_add_byte(out, '=');
	}
	buf_add(out, rest);
	return true;
}

/* "list+user=example.org", "list-return-42-user=example.org": up to the mark, in which a recipient may follow. */
static struct span without_recipient(struct span local)
{
	size_t plus = span_find(local, '+'), equals = span_find(local, '='), dash = span_find(local, '-');
	if (plus > 0 && plus < local.len)
		return span_to(local, plus);
	if (equals < local.len && span_find(span_from(local, equals), '.') < local.len - equals)
		return span_to(local, dash < equals ? dash : equals);
	return local;
}

static bool is_random(struct span word)
{
	size_t digits = 0, hex = 0, changes = 0;
	for (size_t i = 0; i < word.len; i++) {
		uint8_t c = word.ptr[i];
		digits += is_digit(c);
		hex += is_digit(c) || (c >= 'a' && c <= 'f');
		changes += i > 0 && is_digit(c) != is_digit(word.ptr[i - 1]);
	}
	return digits > 0 && (digits == word.len || changes >= RANDOM_CHANGES_MIN
		|| (hex == word.len && word.len >= RANDOM_BYTES_MIN));
}

/* One '#' for a number or a random word; more of them in a row, with one sign between, are one. */
static void write_number(struct buf *out)
{
	bool follows = out->len >= 2 && out->ptr[out->len - 2] == '#' && !in_word(out->ptr[out->len - 1]);
	if (follows)
		out->len--;
	else if (out->len == 0 || out->ptr[out->len - 1] != '#')
		buf_add_byte(out, '#');
}

static void write_word(struct span word, struct buf *out)
{
	if (is_random(word)) {
		write_number(out);
		return;
	}
	for (size_t i = 0; i < word.len; i++) {
		if (!is_digit(word.ptr[i]))
			buf_add_byte(out, word.ptr[i]);
		else if (i == 0 || !is_digit(word.ptr[i - 1]))
			buf_add_byte(out, '#');
	}
}

static void write_words(struct span text, struct buf *out)
{
	while (text.len > 0) {
		size_t end = 0;
		while (end < text.len && in_word(text.ptr[end]))
			end++;
		write_word(span_to(text, end), out);
		if (end < text.len)
			buf_add_byte(out, text.ptr[end++]);
		text = span_from(text, end);
	}
}

static void write_local(struct span local, struct buf *out)
{
	uint8_t text[ADDRESS_LOCAL_BYTES_MAX + 1];
	struct buf srs;
	buf_init_over(&srs, text, sizeof(text));
	local = without_signature(local);
	if (write_srs(local, &srs)) {
		buf_add(out, buf_span(&srs));
		return;
	}
	size_t before = out->len;
	write_words(without_recipient(local), out);
	/* What is nothing but variable is still not the null sender. */
	if (out->len == before)
		buf_add_byte(out, '=');
}

size_t greylist_sender(struct span sender, uint8_t out[static GREYLIST_ADDRESS_BYTES_MAX])
{
	uint8_t local[ADDRESS_LOCAL_BYTES_MAX], domain[ADDRESS_DOMAIN_BYTES_MAX];
	struct address address;
	struct buf b;
	buf_init_over(&b, out, GREYLIST_ADDRESS_BYTES_MAX);
	if (!address_parse(sender, &address)) {
		buf_add(&b, span_to(sender, GREYLIST_ADDRESS_BYTES_MAX - 1));
		return b.len;
	}
	size_t local_bytes = address_local_canonical(&address, local);
	for (size_t i = 0; i < local_bytes; i++)
		local[i] = byte_lower(local[i]);
	write_local(span_of(local, local_bytes), &b);
	buf_add_byte(&b, '@');
	buf_add(&b, span_of(domain, address_domain_ascii(address.domain, domain)));
	return b.len;
}
