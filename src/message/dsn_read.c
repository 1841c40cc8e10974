/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the parts of a bounce: multiparts to a depth, a limited number of parts,
 * decoded where they are encoded. Where no delivery-status part is found, the text
 * for people (plain, else what is left of HTML) is read, then a message that is attached, then, for messages whose
 * MIME is broken, whatever follows a line that announces a delivery status.
 */
#include "dsn_read.h"

#include <errno.h>

#include "dsn_parts.h"
#include "dsn_read_parts.h"

#define PARAMETER_BYTES_MAX 200
#define FIELD_BYTES_MAX 2048

struct walk {
	struct dsn_reader_state *state;
	struct span text;      /* the first text/plain part, decoded */
	struct span html;      /* the first text/html part, decoded */
	size_t parts;          /* seen so far */
	bool attached;         /* go into attached messages too */
};

struct entity {
	struct span header, body;
	struct span type;      /* "multipart/report"; empty: not said */
	struct span boundary;
	struct span encoding;
};

bool dsn_line_take(struct span *rest, struct span *line_out)
{
	if (rest->len == 0)
		return false;
	size_t lf = span_find(*rest, '\n');
	struct span line = span_to(*rest, lf);
	*rest = span_from(*rest, lf + 1);
	if (line.len > 0 && line.ptr[line.len - 1] == '\r')
		line.len--;
	*line_out = line;
	return true;
}

bool dsn_line_empty(struct span line)
{
	return span_trim(line).len == 0;
}

static void split(struct span in, struct entity *e)
{
	struct span rest = in, line;
	*e = (struct entity){ .header = in };
	while (rest.len > 0) {
		size_t at = in.len - rest.len;
		dsn_line_take(&rest, &line);
		if (line.len > 0)
			continue;
		e->header = span_to(in, at);
		e->body = rest;
		return;
	}
}

bool dsn_field_find(struct span header, struct span name, struct span *value_out)
{
	struct span rest = header, line;
	bool found = false;
	size_t start = 0;
	while (rest.len > 0) {
		size_t at = header.len - rest.len;
		dsn_line_take(&rest, &line);
		bool fold = line.len > 0 && (line.ptr[0] == ' ' || line.ptr[0] == '\t');
		if (found && !fold) {
			*value_out = span_from(span_to(header, at), start);
			return true;
		}
		if (!found && span_starts_nocase(line, name)) {
			found = true;
			start = at + name.len;
		}
	}
	if (found)
		*value_out = span_from(header, start);
	return found;
}

static bool blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct span skip_blanks(struct span s)
{
	while (s.len > 0 && blank(s.ptr[0]))
		s = span_from(s, 1);
	return s;
}

/* A token, or what stands between quotes (backslashes in boundaries do not occur in practice). */
static struct span parameter_value(struct span s)
{
	if (s.len > 0 && s.ptr[0] == '"') {
		s = span_from(s, 1);
		return span_to(s, span_find(s, '"'));
	}
	size_t len = 0;
	while (len < s.len && !blank(s.ptr[len]) && s.ptr[len] != ';')
		len++;
	return span_to(s, len);
}

static struct span find_boundary(struct span value)
{
	value = span_to(value, FIELD_BYTES_MAX);
	for (size_t at = span_find(value, ';'); at < value.len; at = span_find(value, ';')) {
		value = skip_blanks(span_from(value, at + 1));
		if (!span_starts_nocase(value, SPAN("boundary")))
			continue;
		struct span rest = skip_blanks(span_from(value, 8));
		if (rest.len == 0 || rest.ptr[0] != '=')
			continue;
		struct span found = parameter_value(skip_blanks(span_from(rest, 1)));
		return found.len <= PARAMETER_BYTES_MAX ? found : (struct span){ 0 };
	}
	return (struct span){ 0 };
}

static void read_header(struct entity *e)
{
	struct span value;
	if (dsn_field_find(e->header, SPAN("content-type:"), &value)) {
		e->type = parameter_value(skip_blanks(value));
		e->boundary = find_boundary(value);
	}
	if (dsn_field_find(e->header, SPAN("content-transfer-encoding:"), &value))
		e->encoding = parameter_value(skip_blanks(value));
}

/* The body without its encoding, in the arena where it had one; empty when memory is short. */
static struct span decoded(struct walk *w, const struct entity *e)
{
	bool base64 = span_eq_nocase(e->encoding, SPAN("base64"));
	if (!base64 && !span_eq_nocase(e->encoding, SPAN("quoted-printable")))
		return e->body;
	struct buf plain;
	struct span copy = { 0 };
	buf_init(&plain, e->body.len);
	if (base64)
		dsn_base64_decode(&plain, e->body);
	else
		dsn_qp_decode(&plain, e->body);
	if (plain.failed || !arena_copy(w->state->arena, buf_span(&plain), &copy))
		w->state->no_memory = true;
	buf_fini(&plain);
	return copy;
}

static void walk_entity(struct walk *w, struct span in, unsigned depth);

/* Whether the line is a delimiter: 1, the last one: 2, neither: 0. */
static int delimiter(struct span line, struct span boundary)
{
	if (line.len < boundary.len + 2 || line.ptr[0] != '-' || line.ptr[1] != '-')
		return 0;
	if (!span_eq(span_to(span_from(line, 2), boundary.len), boundary))
		return 0;
	struct span tail = span_trim(span_from(line, boundary.len + 2));
	return tail.len == 0 ? 1 : span_eq(tail, SPAN("--")) ? 2 : 0;
}

static bool walk_done(const struct walk *w)
{
	return w->state->bounce->machine || w->state->no_memory;
}

static void walk_multipart(struct walk *w, const struct entity *e, unsigned depth)
{
	struct span rest = e->body, line;
	bool inside = false;
	size_t start = 0;
	while (!walk_done(w)) {
		size_t at = e->body.len - rest.len;
		bool end = !dsn_line_take(&rest, &line);
		int kind = end ? 2 : delimiter(line, e->boundary);
		if (kind == 0)
			continue;
		if (inside)
			walk_entity(w, span_from(span_to(e->body, at), start), depth + 1);
		if (kind == 2)
			return;
		inside = true;
		start = e->body.len - rest.len;
	}
}

static bool type_is_status(struct span type)
{
	return span_eq_nocase(type, SPAN("message/delivery-status")) ||
		span_eq_nocase(type, SPAN("message/global-delivery-status"));
}

/* A status part without an empty line behind its header is read with it: no field of it disturbs. */
static void walk_entity(struct walk *w, struct span in, unsigned depth)
{
	struct entity e;
	if (depth > DSN_READ_DEPTH_MAX || w->parts++ >= DSN_READ_PARTS_MAX) {
		w->state->bounce->more = true;
		return;
	}
	split(in, &e);
	read_header(&e);
	if (type_is_status(e.type))
		dsn_fields_read(w->state, e.encoding.len > 0 || depth == 0 ? decoded(w, &e) : in);
	else if (span_starts_nocase(e.type, SPAN("multipart/")) && e.boundary.len > 0)
		walk_multipart(w, &e, depth);
	else if (w->attached && (span_eq_nocase(e.type, SPAN("message/rfc822")) ||
			span_eq_nocase(e.type, SPAN("message/global"))))
		walk_entity(w, decoded(w, &e), depth + 1);
	else if (w->text.len == 0 && (e.type.len == 0 || span_eq_nocase(e.type, SPAN("text/plain"))))
		w->text = decoded(w, &e);
	else if (w->html.len == 0 && span_eq_nocase(e.type, SPAN("text/html")))
		w->html = decoded(w, &e);
}

/* For broken MIME: the lines between an announced delivery status and the next line that begins with "--". */
static void scan_for_status(struct dsn_reader_state *state, struct span message)
{
	struct span rest = message, line;
	bool announced = false;
	size_t start = 0;
	while (rest.len > 0) {
		size_t at = message.len - rest.len;
		dsn_line_take(&rest, &line);
		if (start > 0 && line.len > 2 && line.ptr[0] == '-' && line.ptr[1] == '-') {
			dsn_fields_read(state, span_from(span_to(message, at), start));
			return;
		}
		if (start == 0 && announced && line.len == 0)
			start = message.len - rest.len;
		struct span type = span_trim(span_from(line, sizeof("content-type:") - 1));
		if (span_starts_nocase(line, SPAN("content-type:")) && type_is_status(span_to(type, span_find(type, ';'))))
			announced = true;
	}
	if (start > 0)
		dsn_fields_read(state, span_from(message, start));
}

static void read_all(struct dsn_reader_state *state, struct span message)
{
	struct entity top;
	struct walk plain = { .state = state }, deep = { .state = state, .attached = true };
	split(message, &top);
	walk_entity(&plain, message, 0);
	if (state->bounce->count == 0 && plain.text.len == 0 && plain.html.len > 0)
		plain.text = dsn_html_text(state, plain.html);
	if (state->bounce->count == 0)
		dsn_text_read(state, top.header, plain.text);
	if (state->bounce->count == 0)
		scan_for_status(state, message);
	if (state->bounce->count == 0)
		walk_entity(&deep, message, 0);
}

int dsn_read(struct span message, struct arena *arena, struct dsn_bounce *bounce_out)
{
	struct dsn_reader_state state = { .arena = arena, .bounce = bounce_out };
	*bounce_out = (struct dsn_bounce){ .more = message.len > DSN_READ_BYTES_MAX };
	bounce_out->recipients = arena_alloc(arena, DSN_READ_RECIPIENTS_MAX * sizeof(*bounce_out->recipients));
	if (bounce_out->recipients == NULL)
		return -ENOMEM;
	buf_init(&state.value, DSN_READ_VALUE_BYTES_MAX);
	message = skip_blanks(span_to(message, DSN_READ_BYTES_MAX));
	read_all(&state, message);
	buf_fini(&state.value);
	if (state.no_memory)
		return -ENOMEM;
	return bounce_out->count > 0 ? (int)bounce_out->count : -ENOMSG;
}
