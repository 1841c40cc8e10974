/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fields of a delivery-status part (RFC 3464 section 2.1), in groups between
 * empty lines. Tolerated: recipient fields in the first group, empty lines inside
 * a group, missing types, comments, continuation lines that are not indented.
 */
#include "dsn_params.h"
#include "dsn_read_parts.h"

struct field {
	struct span name;
	struct span value;   /* its first line */
};

struct dsn_bounce_recipient *dsn_recipient_new(struct dsn_reader_state *state)
{
	struct dsn_bounce *b = state->bounce;
	if (b->count >= DSN_READ_RECIPIENTS_MAX) {
		b->more = true;
		return NULL;
	}
	b->recipients[b->count] = (struct dsn_bounce_recipient){ 0 };
	return &b->recipients[b->count++];
}

void dsn_value_add(struct dsn_reader_state *state, struct span *value, struct span line)
{
	line = span_trim(line);
	if (line.len == 0)
		return;
	if (value->len == 0) {
		*value = span_to(line, DSN_READ_VALUE_BYTES_MAX);
		return;
	}
	struct buf *b = &state->value;
	if (b->len == 0)
		buf_add(b, *value);
	if (b->len + 1 >= DSN_READ_VALUE_BYTES_MAX)
		return;
	buf_add_byte(b, ' ');
	buf_add(b, span_to(line, DSN_READ_VALUE_BYTES_MAX - b->len));
}

void dsn_value_end(struct dsn_reader_state *state, struct span *value)
{
	struct buf *b = &state->value;
	if (b->len > 0 && (b->failed || !arena_copy(state->arena, buf_span(b), value)))
		state->no_memory = true;
	buf_clear(b);
}

static bool digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* Length of an enhanced code at the beginning, 0 for none. */
static size_t status_len(struct span s)
{
	size_t at = 0;
	for (int part = 0; part < 3; part++) {
		size_t first = at;
		while (at < s.len && digit(s.ptr[at]))
			at++;
		if (at == first || at - first > (part == 0 ? 1u : 3u))
			return 0;
		if (part < 2 && (at >= s.len || s.ptr[at++] != '.'))
			return 0;
	}
	bool goes_on = at + 1 < s.len && s.ptr[at] == '.' && digit(s.ptr[at + 1]);
	return !goes_on && strchr("245", s.ptr[0]) != NULL ? at : 0;
}

struct span dsn_status_find(struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		bool begins = i == 0 || (!digit(text.ptr[i - 1]) && text.ptr[i - 1] != '.');
		size_t len = begins ? status_len(span_from(text, i)) : 0;
		if (len > 0)
			return span_to(span_from(text, i), len);
	}
	return (struct span){ 0 };
}

/* "type; rest": the type is one word; without one, all is rest. */
static struct span take_type(struct span *value)
{
	size_t semicolon = span_find(*value, ';');
	struct span type = span_trim(span_to(*value, semicolon));
	bool word = semicolon < value->len && type.len > 0 && type.len <= DSN_ORCPT_TYPE_BYTES_MAX;
	for (size_t i = 0; i < type.len && word; i++)
		word = type.ptr[i] > ' ' && type.ptr[i] != '@' && type.ptr[i] != '"' && type.ptr[i] != '<';
	if (!word)
		return (struct span){ 0 };
	*value = span_trim(span_from(*value, semicolon + 1));
	return type;
}

/* Without a comment at the end and without angle brackets. */
static struct span bare_address(struct span value)
{
	for (size_t i = 0; i + 1 < value.len; i++)
		if (value.ptr[i] == ' ' && value.ptr[i + 1] == '(' && value.ptr[value.len - 1] == ')')
			value = span_trim(span_to(value, i));
	if (value.len > 2 && value.ptr[0] == '<' && value.ptr[value.len - 1] == '>')
		value = span_to(span_from(value, 1), value.len - 2);
	return value;
}

static struct span address_of(struct dsn_reader_state *state, struct span value)
{
	struct span type = take_type(&value), copy = bare_address(value);
	if (!span_eq_nocase(type, SPAN("utf-8")) || span_find(copy, '\\') == copy.len)
		return copy;
	struct buf plain;
	struct span decoded;
	buf_init(&plain, copy.len);
	if (dsn_utf8_xtext_decode(&plain, copy)) {
		if (!plain.failed && arena_copy(state->arena, buf_span(&plain), &decoded))
			copy = decoded;
		else
			state->no_memory = true;
	}
	buf_fini(&plain);
	return copy;
}

static struct span first_word(struct span value)
{
	size_t len = 0;
	while (len < value.len && value.ptr[len] > ' ' && value.ptr[len] != '(')
		len++;
	return span_to(value, len);
}

static enum dsn_read_action action_of(struct span value)
{
	static const struct span words[] = {
		[DSN_READ_FAILED] = SPAN("failed"), [DSN_READ_DELAYED] = SPAN("delayed"),
		[DSN_READ_DELIVERED] = SPAN("delivered"), [DSN_READ_RELAYED] = SPAN("relayed"),
		[DSN_READ_EXPANDED] = SPAN("expanded"),
	};
	for (int i = DSN_READ_FAILED; i <= DSN_READ_EXPANDED; i++)
		if (span_eq_nocase(first_word(value), words[i]))
			return (enum dsn_read_action)i;
	return DSN_READ_UNKNOWN;
}

static bool line_is_field(struct span line, struct field *field)
{
	size_t colon = span_find(line, ':');
	if (colon == 0 || colon == line.len)
		return false;
	struct span name = span_trim(span_to(line, colon));
	for (size_t i = 0; i < name.len; i++)
		if (byte_lower(name.ptr[i]) < 'a' || byte_lower(name.ptr[i]) > 'z')
			if (name.ptr[i] != '-')
				return false;
	field->name = name;
	field->value = span_to(span_trim(span_from(line, colon + 1)), DSN_READ_VALUE_BYTES_MAX);
	return name.len > 0 && line.ptr[0] != ' ' && line.ptr[0] != '\t';
}

/* The field and the lines that continue it; false at the end of the group. */
static bool take_field(struct dsn_reader_state *state, struct span *group, struct field *field)
{
	struct span line;
	struct field next;
	bool found = false;
	while (!found && dsn_line_take(group, &line))
		found = line_is_field(line, field);
	if (!found)
		return false;
	for (struct span rest = *group; dsn_line_take(&rest, &line) && !line_is_field(line, &next); *group = rest)
		dsn_value_add(state, &field->value, line);
	dsn_value_end(state, &field->value);
	return true;
}

static void message_field(struct dsn_reader_state *state, const struct field *f)
{
	struct span value = f->value;
	if (span_eq_nocase(f->name, SPAN("reporting-mta"))) {
		take_type(&value);
		state->bounce->reporting_mta = first_word(value);
	} else if (span_eq_nocase(f->name, SPAN("original-envelope-id"))) {
		state->bounce->envelope_id = value;
	}
}

static void recipient_field(struct dsn_reader_state *state, struct dsn_bounce_recipient *r,
	const struct field *f)
{
	struct span value = f->value;
	if (span_eq_nocase(f->name, SPAN("final-recipient"))) {
		r->recipient = address_of(state, value);
	} else if (span_eq_nocase(f->name, SPAN("original-recipient"))) {
		r->original = address_of(state, value);
	} else if (span_eq_nocase(f->name, SPAN("status"))) {
		r->status = dsn_status_find(value);
	} else if (span_eq_nocase(f->name, SPAN("action"))) {
		r->action = action_of(value);
	} else if (span_eq_nocase(f->name, SPAN("remote-mta"))) {
		take_type(&value);
		r->remote_mta = first_word(value);
	} else if (span_eq_nocase(f->name, SPAN("diagnostic-code"))) {
		r->diagnostic_type = take_type(&value);
		r->diagnostic = value;
	}
}

static bool names_recipient(const struct field *f)
{
	return span_eq_nocase(f->name, SPAN("final-recipient")) || span_eq_nocase(f->name, SPAN("original-recipient"));
}

static bool about_recipient(const struct field *f)
{
	static const struct span names[] = { SPAN("status"), SPAN("action"), SPAN("remote-mta"),
		SPAN("diagnostic-code") };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (span_eq_nocase(f->name, names[i]))
			return true;
	return names_recipient(f);
}

/* Whether some field of the group names a recipient. */
static bool group_names_recipient(struct span group)
{
	struct span line;
	struct field f;
	while (dsn_line_take(&group, &line))
		if (line_is_field(line, &f) && names_recipient(&f))
			return true;
	return false;
}

static bool repeats(const struct dsn_bounce_recipient *r, const struct field *f)
{
	if (span_eq_nocase(f->name, SPAN("final-recipient")))
		return r->recipient.len > 0;
	return span_eq_nocase(f->name, SPAN("original-recipient")) && r->original.len > 0;
}

/* Returns the recipient that the next group may go on with. */
static struct dsn_bounce_recipient *read_group(struct dsn_reader_state *state, struct span group,
	struct dsn_bounce_recipient *current)
{
	struct field f;
	if (group_names_recipient(group))
		current = NULL;
	while (take_field(state, &group, &f) && !state->no_memory) {
		message_field(state, &f);
		if (!about_recipient(&f))
			continue;
		if (current == NULL || repeats(current, &f))
			current = dsn_recipient_new(state);
		if (current == NULL)
			return NULL;
		recipient_field(state, current, &f);
	}
	return current;
}

/* Entries that say nothing are dropped; one name stands in for the other. */
static void tidy(struct dsn_bounce *b)
{
	size_t kept = 0;
	for (size_t i = 0; i < b->count; i++) {
		struct dsn_bounce_recipient r = b->recipients[i];
		if (r.recipient.len == 0)
			r.recipient = r.original;
		if (r.recipient.len > 0 || r.status.len > 0 || r.diagnostic.len > 0)
			b->recipients[kept++] = r;
	}
	b->count = kept;
	b->machine = kept > 0;
}

void dsn_fields_read(struct dsn_reader_state *state, struct span body)
{
	struct dsn_bounce_recipient *current = NULL;
	struct span rest = body, line;
	size_t start = 0;
	while (!state->no_memory) {
		size_t at = body.len - rest.len;
		bool end = !dsn_line_take(&rest, &line);
		if (!end && !dsn_line_empty(line))
			continue;
		current = read_group(state, span_from(span_to(body, at), start), current);
		if (end)
			break;
		start = body.len - rest.len;
	}
	tidy(state->bounce);
}
