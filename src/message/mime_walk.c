/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes become pieces of lines (line_split), pieces go to the header, to a body
 * or to a filler. In a body, a line is held only as long as it may be a boundary:
 * as it begins with two hyphens and is short. The CRLF in front of a boundary
 * belongs to it, so a body's line end waits until the next line has shown itself.
 */
#include "mime_walk.h"

#include <stdlib.h>

/* "--", the boundary, "--" and some padding; a longer line is no boundary. */
#define HOLD_BYTES_MAX 512

enum mode { MODE_HEADER, MODE_BODY, MODE_FILLER };

/* What a boundary line says. */
enum delimiter { DELIMITER_NONE, DELIMITER_OPEN, DELIMITER_CLOSE };

struct frame {
	bool digest;
	uint8_t boundary_len;   /* 0: an embedded message, which has none */
	uint8_t boundary[MIME_BOUNDARY_BYTES_MAX];
};

struct mime_walk {
	mime_sink sink;
	void *context;
	uint8_t mode;
	bool cr;            /* a CR waits for its successor */
	bool line_started;  /* some bytes of the current line were seen */
	bool eol_waits;     /* a CRLF that may belong to a boundary */
	bool holding;       /* the line may be a boundary and is in `hold` */
	bool field_long;    /* the field outgrew its buffer; the rest passes in pieces */
	bool type_broken;
	size_t line_at;     /* where the current line begins in `field` */
	uint32_t part_count;
	struct mime_part part;
	struct mime_type type;
	struct buf field;
	size_t hold_len;
	uint8_t hold[HOLD_BYTES_MAX];
	unsigned depth;
	struct frame frames[MIME_DEPTH_MAX];
};

static void header_begin(struct mime_walk *w, bool root)
{
	uint32_t index = w->part_count < MIME_PARTS_MAX ? w->part_count : MIME_PARTS_MAX;
	w->part = (struct mime_part){ .index = index, .root = root, .kind = MIME_TEXT };
	if (!root && w->depth > 0 && w->frames[w->depth - 1].digest)
		w->part.kind = MIME_MESSAGE;
	w->part_count += w->part_count <= MIME_PARTS_MAX;
	w->type_broken = false;
	w->field_long = false;
	w->line_at = 0;
	buf_clear(&w->field);
	w->mode = MODE_HEADER;
}

void mime_walk_reset(struct mime_walk *w)
{
	w->cr = w->line_started = w->eol_waits = w->holding = false;
	w->hold_len = 0;
	w->depth = 0;
	w->part_count = 0;
	header_begin(w, true);
}

struct mime_walk *mime_walk_new(mime_sink sink, void *context)
{
	struct mime_walk *w = calloc(1, sizeof(*w));
	if (w == NULL)
		return NULL;
	w->sink = sink;
	w->context = context;
	buf_init(&w->field, MIME_FIELD_BYTES_MAX);
	mime_walk_reset(w);
	return w;
}

void mime_walk_free(struct mime_walk *w)
{
	if (w == NULL)
		return;
	buf_fini(&w->field);
	free(w);
}

bool mime_walk_failed(const struct mime_walk *w)
{
	return w->field.failed;
}

static void tell(struct mime_walk *w, enum mime_token_kind kind, struct span bytes)
{
	const struct mime_token token = { .kind = kind, .bytes = bytes, .part = &w->part };
	w->sink(w->context, &token);
}

/* -- boundaries -- */

static bool padding(struct span s)
{
	return span_trim(s).len == 0;
}

static enum delimiter frame_match(const struct frame *f, struct span line)
{
	size_t len = 2 + (size_t)f->boundary_len;
	struct span rest = span_from(line, len);
	if (f->boundary_len == 0 || line.len < len || line.ptr[0] != '-' || line.ptr[1] != '-')
		return DELIMITER_NONE;
	if (memcmp(line.ptr + 2, f->boundary, f->boundary_len) != 0)
		return DELIMITER_NONE;
	if (padding(rest))
		return DELIMITER_OPEN;
	if (rest.len >= 2 && rest.ptr[0] == '-' && rest.ptr[1] == '-' && padding(span_from(rest, 2)))
		return DELIMITER_CLOSE;
	return DELIMITER_NONE;
}

/* The innermost multipart that the line belongs to; its index in *frame_out. */
static enum delimiter delimiter_find(const struct mime_walk *w, struct span line, unsigned *frame_out)
{
	for (unsigned i = w->depth; i > 0; i--) {
		enum delimiter found = frame_match(&w->frames[i - 1], line);
		if (found != DELIMITER_NONE) {
			*frame_out = i - 1;
			return found;
		}
	}
	return DELIMITER_NONE;
}

static void header_finish(struct mime_walk *w, struct span empty_line);

/* If `line` is a boundary: ends the parts that it ends. `ended`: a CRLF stands behind it. */
static bool delimiter_take(struct mime_walk *w, struct span line, bool ended)
{
	unsigned frame;
	uint8_t bytes[HOLD_BYTES_MAX + 4];
	size_t len = 0;
	enum delimiter found = line.len <= HOLD_BYTES_MAX ? delimiter_find(w, line, &frame) : DELIMITER_NONE;
	if (found == DELIMITER_NONE)
		return false;
	if (w->mode == MODE_HEADER)
		header_finish(w, SPAN(""));
	if (w->mode == MODE_BODY)
		tell(w, MIME_TOKEN_PART_END, SPAN(""));
	if (w->eol_waits) {
		memcpy(bytes, "\r\n", 2);
		len = 2;
	}
	memcpy(bytes + len, line.ptr, line.len);
	len += line.len;
	if (ended) {
		memcpy(bytes + len, "\r\n", 2);
		len += 2;
	}
	tell(w, MIME_TOKEN_BOUNDARY, span_of(bytes, len));
	w->eol_waits = false;
	w->depth = frame + (found == DELIMITER_OPEN ? 1 : 0);
	if (found == DELIMITER_OPEN)
		header_begin(w, false);
	else
		w->mode = MODE_FILLER;
	return true;
}

/* -- header -- */

static enum mime_field field_kind(struct span field, struct span *value_out)
{
	size_t colon = span_find(field, ':');
	struct span name = span_trim(span_to(field, colon));
	*value_out = span_from(field, colon + 1);
	if (colon == field.len)
		return MIME_FIELD_OTHER;
	if (span_eq_nocase(name, SPAN("Content-Type")))
		return MIME_FIELD_TYPE;
	if (span_eq_nocase(name, SPAN("Content-Transfer-Encoding")))
		return MIME_FIELD_CODING;
	return span_eq_nocase(name, SPAN("MIME-Version")) ? MIME_FIELD_VERSION : MIME_FIELD_OTHER;
}

static void field_understand(struct mime_walk *w, enum mime_field kind, struct span value)
{
	struct mime_part *part = &w->part;
	if (kind == MIME_FIELD_VERSION)
		part->has_version = true;
	/* Two types, or two codings: readers would disagree which one counts. */
	if (kind == MIME_FIELD_TYPE) {
		w->type_broken = w->type_broken || part->has_type;
		part->has_type = true;
		mime_type_parse(value, &w->type);
		part->kind = w->type.kind;
	} else if (kind == MIME_FIELD_CODING) {
		w->type_broken = w->type_broken || part->coding != MIME_CODING_NONE;
		part->coding = mime_coding_parse(value);
	}
}

/* The field is complete. */
static void field_flush(struct mime_walk *w)
{
	struct mime_token token = { .kind = MIME_TOKEN_FIELD, .bytes = buf_span(&w->field), .part = &w->part };
	struct span value;
	if (token.bytes.len == 0)
		return;
	enum mime_field kind = field_kind(token.bytes, &value);
	token.field = w->field_long ? MIME_FIELD_OTHER : kind;
	field_understand(w, token.field, value);
	w->sink(w->context, &token);
	buf_clear(&w->field);
}

/* The field has no more room: it passes in pieces from now on. */
static void field_overflow(struct mime_walk *w)
{
	struct span value;
	enum mime_field kind = field_kind(buf_span(&w->field), &value);
	if (!w->field_long && (kind == MIME_FIELD_TYPE || kind == MIME_FIELD_CODING))
		w->type_broken = true;
	tell(w, MIME_TOKEN_FIELD, buf_span(&w->field));
	buf_clear(&w->field);
	w->line_at = SIZE_MAX; /* the line's start is gone: it is no boundary */
	w->field_long = true;
}

static void message_enter(struct mime_walk *w)
{
	struct frame *f = &w->frames[w->depth++];
	f->boundary_len = 0;
	f->digest = false;
	header_begin(w, true);
}

static void multipart_enter(struct mime_walk *w)
{
	struct frame *f = &w->frames[w->depth++];
	f->digest = w->part.kind == MIME_DIGEST;
	f->boundary_len = (uint8_t)w->type.boundary_len;
	memcpy(f->boundary, w->type.boundary, w->type.boundary_len);
	w->mode = MODE_FILLER;
}

/* The header is over: what follows depends on what it said. */
static void header_finish(struct mime_walk *w, struct span empty_line)
{
	struct mime_part *part = &w->part;
	field_flush(w);
	bool nests = part->kind == MIME_MESSAGE || part->kind == MIME_MULTIPART || part->kind == MIME_DIGEST;
	bool plain = part->coding <= MIME_CODING_BINARY;
	if (nests && !plain)
		part->kind = part->kind == MIME_MESSAGE ? MIME_OTHER : MIME_BROKEN;
	else if (nests && (w->depth == MIME_DEPTH_MAX || part->index == MIME_PARTS_MAX))
		part->kind = MIME_BROKEN;
	if (w->type_broken)
		part->kind = MIME_BROKEN;
	tell(w, MIME_TOKEN_HEADER_END, empty_line);
	if (part->kind == MIME_MESSAGE && empty_line.len > 0)
		message_enter(w);
	else if (part->kind == MIME_MULTIPART || part->kind == MIME_DIGEST)
		multipart_enter(w);
	else
		w->mode = MODE_BODY;
}

static void header_add(struct mime_walk *w, struct span bytes)
{
	while (bytes.len > 0) {
		if (w->field.len == w->field.max)
			field_overflow(w);
		struct span piece = span_to(bytes, w->field.max - w->field.len);
		buf_add(&w->field, piece);
		if (w->field.failed)
			return;
		bytes = span_from(bytes, piece.len);
	}
}

/* A line begins; when it does not continue the field, the field is over. */
static void header_line_begin(struct mime_walk *w, uint8_t first)
{
	bool continues = first == ' ' || first == '\t';
	if (!continues) {
		field_flush(w);
		w->field_long = false;
	}
	w->line_at = w->field.len;
}

/* A boundary in the middle of a header: the part has no body. */
static bool header_cut_short(struct mime_walk *w)
{
	uint8_t copy[HOLD_BYTES_MAX];
	unsigned frame;
	struct span line = span_from(buf_span(&w->field), w->line_at);
	if (line.len > sizeof(copy) || delimiter_find(w, line, &frame) == DELIMITER_NONE)
		return false;
	memcpy(copy, line.ptr, line.len);
	w->field.len = w->line_at;
	return delimiter_take(w, span_of(copy, line.len), true);
}

static void header_piece(struct mime_walk *w, struct span piece, bool eol)
{
	if (!w->line_started && piece.len == 0) {
		header_finish(w, SPAN("\r\n"));
		return;
	}
	if (!w->line_started)
		header_line_begin(w, piece.ptr[0]);
	w->line_started = true;
	header_add(w, piece);
	if (!eol)
		return;
	w->line_started = false;
	if (!header_cut_short(w))
		header_add(w, SPAN("\r\n"));
}

/* -- bodies and fillers -- */

static void text_out(struct mime_walk *w, struct span bytes)
{
	if (bytes.len > 0)
		tell(w, w->mode == MODE_BODY ? MIME_TOKEN_BODY : MIME_TOKEN_FILLER, bytes);
}

/* The line that has begun is no boundary: the line end before it is the body's. */
static void eol_out(struct mime_walk *w)
{
	if (w->eol_waits)
		tell(w, w->mode == MODE_BODY ? MIME_TOKEN_BODY_EOL : MIME_TOKEN_FILLER_EOL, SPAN("\r\n"));
	w->eol_waits = false;
}

/* Whether a line with these first bytes may still be a boundary. */
static bool may_be_boundary(struct span start)
{
	return (start.len < 1 || start.ptr[0] == '-') && (start.len < 2 || start.ptr[1] == '-');
}

static void hold_release(struct mime_walk *w)
{
	if (!w->holding)
		return;
	w->holding = false;
	eol_out(w);
	text_out(w, span_of(w->hold, w->hold_len));
	w->hold_len = 0;
}

static void body_line_begin(struct mime_walk *w, struct span piece)
{
	w->line_started = true;
	w->holding = w->depth > 0 && may_be_boundary(piece);
	w->hold_len = 0;
	if (!w->holding)
		eol_out(w);
}

static void body_piece(struct mime_walk *w, struct span piece, bool eol)
{
	if (!w->line_started)
		body_line_begin(w, piece);
	if (w->holding) {
		size_t room = sizeof(w->hold) - w->hold_len;
		struct span part = span_to(piece, room);
		if (part.len > 0)
			memcpy(w->hold + w->hold_len, part.ptr, part.len);
		w->hold_len += part.len;
		if (part.len < piece.len || !may_be_boundary(span_of(w->hold, w->hold_len)))
			hold_release(w);
		piece = span_from(piece, part.len);
	}
	if (!w->holding)
		text_out(w, piece);
	if (!eol)
		return;
	w->line_started = false;
	if (w->holding && delimiter_take(w, span_of(w->hold, w->hold_len), true)) {
		w->holding = false;
		w->hold_len = 0;
		return;
	}
	hold_release(w);
	w->eol_waits = true;
}

/* -- lines -- */

/*
 * Splits the next piece off `in`: bytes without their CRLF. A CR at the end waits
 * for the next call. Returns how many bytes were consumed.
 */
static size_t line_split(struct mime_walk *w, struct span in, struct span *piece_out, bool *ended_out)
{
	*piece_out = SPAN("");
	*ended_out = false;
	if (w->cr) {
		w->cr = false;
		*ended_out = in.ptr[0] == '\n';
		if (!*ended_out)
			*piece_out = SPAN("\r");
		return *ended_out ? 1 : 0;
	}
	for (size_t from = 0; from < in.len;) {
		size_t lf = from + span_find(span_from(in, from), '\n');
		if (lf < in.len && lf > 0 && in.ptr[lf - 1] == '\r') {
			*piece_out = span_to(in, lf - 1);
			*ended_out = true;
			return lf + 1;
		}
		from = lf + 1;
	}
	w->cr = in.ptr[in.len - 1] == '\r';
	*piece_out = span_to(in, in.len - (w->cr ? 1 : 0));
	return in.len;
}

static void piece_take(struct mime_walk *w, struct span piece, bool eol)
{
	if (piece.len == 0 && !eol)
		return;
	if (w->mode == MODE_HEADER)
		header_piece(w, piece, eol);
	else
		body_piece(w, piece, eol);
}

static void finish(struct mime_walk *w)
{
	if (w->cr)
		piece_take(w, SPAN("\r"), false);
	w->cr = false;
	if (w->mode == MODE_HEADER)
		header_finish(w, SPAN(""));
	if (w->holding && delimiter_take(w, span_of(w->hold, w->hold_len), false)) {
		w->holding = false;
		w->hold_len = 0;
	}
	hold_release(w);
	eol_out(w);
	if (w->mode == MODE_HEADER)
		header_finish(w, SPAN(""));
	if (w->mode == MODE_BODY)
		tell(w, MIME_TOKEN_PART_END, SPAN(""));
}

void mime_walk_feed(struct mime_walk *w, struct span bytes, bool last)
{
	while (bytes.len > 0 && !w->field.failed) {
		struct span piece;
		bool eol;
		bytes = span_from(bytes, line_split(w, bytes, &piece, &eol));
		piece_take(w, piece, eol);
	}
	if (last && !w->field.failed)
		finish(w);
}
