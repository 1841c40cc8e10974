/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fields are cut at line ends that no white space follows. An address is collected
 * until its comma: what stood before '<' was a display name and is dropped.
 */
#include "header_field.h"

static bool is_name_byte(uint8_t c)
{
	return c > 32 && c < 127 && c != ':';
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

/* Behind the line end at or after `from`, or the text's length. */
static size_t line_end(struct span text, size_t from)
{
	size_t lf = from + span_find(span_from(text, from), '\n');
	return lf < text.len ? lf + 1 : text.len;
}

bool header_field_next(struct span *rest_io, struct header_field *field_out)
{
	struct span text = *rest_io;
	size_t name = 0;
	while (name < text.len && is_name_byte(text.ptr[name]))
		name++;
	size_t colon = name;
	while (colon < text.len && is_blank(text.ptr[colon]))
		colon++;
	if (name == 0 || colon >= text.len || text.ptr[colon] != ':')
		return false;
	size_t end = line_end(text, colon);
	while (end < text.len && is_blank(text.ptr[end]))
		end = line_end(text, end);
	field_out->name = span_to(text, name);
	field_out->whole = span_to(text, end);
	struct span body = span_from(field_out->whole, colon + 1);
	while (body.len > 0 && (body.ptr[body.len - 1] == '\n' || body.ptr[body.len - 1] == '\r'))
		body.len--;
	field_out->body = body;
	*rest_io = span_from(text, end);
	return true;
}

/* One address that is being collected. */
struct collector {
	struct span rest;
	struct buf *out;
	bool gap;         /* white space or a comment came since the last byte that was kept */
	bool broken;      /* two words that nothing joins */
	bool angle, angle_seen;
	bool bad;
};

static bool joins(uint8_t c)
{
	return c == '.' || c == '@';
}

static void keep(struct collector *c, struct span piece)
{
	struct buf *out = c->out;
	if (c->gap && out->len > 0 && !joins(out->ptr[out->len - 1]) && !joins(piece.ptr[0]))
		c->broken = true;
	c->gap = false;
	c->bad |= c->angle_seen;
	buf_add(out, piece);
}

/* Bytes of a quoted string or domain literal up to its `end`; 0: it never ends. */
static size_t quoted_len(struct span text, uint8_t end)
{
	for (size_t i = 1; i < text.len; i++) {
		if (text.ptr[i] == '\\')
			i++;
		else if (text.ptr[i] == end)
			return i + 1;
	}
	return 0;
}

static size_t comment_len(struct span text)
{
	size_t depth = 0;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '\\')
			i++;
		else if (text.ptr[i] == '(')
			depth++;
		else if (text.ptr[i] == ')' && --depth == 0)
			return i + 1;
	}
	return 0;
}

static size_t keep_quoted(struct collector *c, uint8_t end)
{
	size_t len = quoted_len(c->rest, end);
	if (len == 0)
		c->bad = true;
	else
		keep(c, span_to(c->rest, len));
	return len;
}

static size_t skip_comment(struct collector *c)
{
	size_t len = comment_len(c->rest);
	c->bad |= len == 0;
	c->gap = true;
	return len;
}

static void angle_open(struct collector *c)
{
	c->bad |= c->angle || c->angle_seen;
	c->angle = true;
	c->broken = c->gap = false;
	buf_clear(c->out);
}

static void angle_close(struct collector *c)
{
	c->bad |= !c->angle;
	c->angle = false;
	c->angle_seen = true;
}

/* ',' or ':' between angle brackets belongs to a source route, which is dropped. */
static void route_mark(struct collector *c, uint8_t mark)
{
	bool route = c->out->len > 0 && c->out->ptr[0] == '@';
	c->bad |= !route;
	c->gap = false;
	if (mark == ':')
		buf_clear(c->out);
	else
		buf_add_byte(c->out, ',');
}

/* How many bytes it took. */
static size_t step(struct collector *c)
{
	uint8_t byte = c->rest.ptr[0];
	switch (byte) {
	case '(':
		return skip_comment(c);
	case '"':
		return keep_quoted(c, '"');
	case '[':
		return keep_quoted(c, ']');
	case '<':
		angle_open(c);
		return 1;
	case '>':
		angle_close(c);
		return 1;
	case ',':
	case ':':
		route_mark(c, byte);
		return 1;
	case ' ':
	case '\t':
	case '\r':
	case '\n':
		c->gap = true;
		return 1;
	default:
		c->bad |= byte < 32 || byte == 127;
		keep(c, span_to(c->rest, 1));
		return 1;
	}
}

/* Collects up to and with the mark that ends an address: ',' ';' or, of a group's name, ':'; 0 at the end. */
static uint8_t collect(struct collector *c)
{
	while (c->rest.len > 0 && !c->bad) {
		uint8_t byte = c->rest.ptr[0];
		if (!c->angle && (byte == ',' || byte == ';' || byte == ':')) {
			c->rest = span_from(c->rest, 1);
			return byte;
		}
		c->rest = span_from(c->rest, step(c));
	}
	c->bad |= c->angle;
	return 0;
}

/* Whether a group may begin or end here. */
static bool group_mark(struct address_list *list, const struct collector *c, uint8_t mark)
{
	if (mark == ':' && (list->group || c->angle_seen))
		return false;
	if (mark == ';' && !list->group)
		return false;
	if (mark == ':' || mark == ';')
		list->group = mark == ':';
	return true;
}

enum address_list_step address_list_next(struct address_list *list, struct buf *mailbox_out)
{
	while (list->rest.len > 0) {
		struct collector c = { .rest = list->rest, .out = mailbox_out };
		buf_clear(mailbox_out);
		uint8_t mark = collect(&c);
		list->rest = c.rest;
		bool bad = c.bad || mailbox_out->failed || !group_mark(list, &c, mark);
		if (!bad && mark == ':')
			continue;
		if (bad || c.broken || (c.angle_seen && mailbox_out->len == 0)) {
			list->rest = (struct span){ NULL, 0 };
			return ADDRESS_LIST_BAD;
		}
		if (mailbox_out->len > 0)
			return ADDRESS_LIST_MAILBOX;
	}
	return ADDRESS_LIST_END;
}
