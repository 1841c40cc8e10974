/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two sinks under the MIME walk. The first (look_*) counts what stands in each
 * part and decides its action when it ends; the second (write_*) carries the
 * actions out. Parts have the same numbers both times, so the plan is one byte
 * for each part. What stands around parts is no content (RFC 2046 section 5.1.1):
 * bytes that cannot pass there become '?'.
 */
#include "convert.h"

#include <assert.h>
#include <stdlib.h>

#include "content_facts.h"
#include "header_fold.h"
#include "mime_walk.h"
#include "transfer_encode.h"
#include "utf8.h"

enum action {
	ACTION_KEEP,
	ACTION_LABEL,      /* only the name of its coding changes */
	ACTION_QP,
	ACTION_BASE64,
	ACTION_QP_REPAIR,
	ACTION_BASE64_REPAIR
};

#define ACTION_HIGH 0x80 /* a flag: the part has bytes outside ASCII */

/* What was seen of the part that is being looked at. */
struct part_look {
	uint64_t line_bytes, line_bytes_longest, bytes, escapes;
	bool high, nul, bare;
};

struct convert {
	bool allow_8bit;
	bool needed;
	bool fresh;          /* the next feed begins the message */
	enum convert_verdict refused; /* NOT_NEEDED: not refused */
	struct mime_walk *look, *write;
	struct buf actions;  /* enum action of each part, with ACTION_HIGH */
	struct part_look part;
	struct header_fold fold;
	struct transfer_encoder encoder;
	uint32_t filler_column;
	struct buf *out;
};

static void refuse(struct convert *c, enum convert_verdict why)
{
	if (c->refused == CONVERT_NOT_NEEDED)
		c->refused = why;
}

/* -- the look -- */

static bool bytes_bad(const struct convert *c, struct span s)
{
	return (!c->allow_8bit && !span_is_ascii(s)) || span_find(s, 0) < s.len;
}

/* A newline that is not part of a CRLF, in bytes that hold their line ends whole. */
static bool bare_newline_in(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '\r' && i + 1 < s.len && s.ptr[i + 1] == '\n')
			i++;
		else if (s.ptr[i] == '\r' || s.ptr[i] == '\n')
			return true;
	}
	return false;
}

static void look_field(struct convert *c, struct span field)
{
	if (bytes_bad(c, field) || bare_newline_in(field))
		refuse(c, CONVERT_HEADER);
	header_fold_feed(&c->fold, field, NULL);
	if (c->fold.stuck)
		refuse(c, CONVERT_HEADER);
	if (c->fold.folded)
		c->needed = true;
}

static void line_settle(struct part_look *p)
{
	if (p->line_bytes > p->line_bytes_longest)
		p->line_bytes_longest = p->line_bytes;
	p->line_bytes = 0;
}

static void look_body(struct part_look *p, struct span bytes)
{
	p->bytes += bytes.len;
	p->line_bytes += bytes.len;
	for (size_t i = 0; i < bytes.len; i++) {
		uint8_t b = bytes.ptr[i];
		p->high = p->high || b >= 0x80;
		p->nul = p->nul || b == 0;
		p->bare = p->bare || b == '\r' || b == '\n';
		p->escapes += b >= 0x7f || b == '=' || (b < 0x20 && b != '\t');
	}
}

/* Fillers are mended where they stand, so they only tell that there is something to do. */
static void look_filler(struct convert *c, struct span bytes)
{
	c->part.line_bytes += bytes.len;
	if (bytes_bad(c, bytes) || span_find(bytes, '\r') < bytes.len || span_find(bytes, '\n') < bytes.len
		|| c->part.line_bytes > CONTENT_LINE_BYTES_MAX)
		c->needed = true;
}

/* The label promises less than the next hop takes. */
static bool label_passes(const struct convert *c, enum mime_coding coding)
{
	return coding != MIME_CODING_BINARY && (coding != MIME_CODING_8BIT || c->allow_8bit);
}

static enum action leaf_action(struct convert *c, const struct mime_part *part)
{
	const struct part_look *p = &c->part;
	bool bad = (p->high && !c->allow_8bit) || p->nul || p->bare
		|| p->line_bytes_longest > CONTENT_LINE_BYTES_MAX;
	if (!bad)
		return label_passes(c, part->coding) || part->kind == MIME_SEALED ? ACTION_KEEP : ACTION_LABEL;
	c->needed = true;
	if (part->kind == MIME_SEALED)
		refuse(c, CONVERT_SEALED);
	if (part->kind == MIME_BROKEN || part->index >= MIME_PARTS_MAX)
		refuse(c, CONVERT_STRUCTURE);
	if (part->coding == MIME_CODING_BASE64)
		return ACTION_BASE64_REPAIR;
	if (part->coding == MIME_CODING_QP)
		return ACTION_QP_REPAIR;
	/* An escape costs two bytes more, base64 a third of all; text that stays readable may cost more. */
	bool sparse = p->escapes * 2 <= p->bytes;
	return part->kind == MIME_TEXT && sparse ? ACTION_QP : ACTION_BASE64;
}

static void action_set(struct convert *c, const struct mime_part *part, enum action action)
{
	while (c->actions.len <= part->index && !c->actions.failed)
		buf_add_byte(&c->actions, ACTION_KEEP);
	if (!c->actions.failed)
		c->actions.ptr[part->index] = (uint8_t)(action | (c->part.high ? ACTION_HIGH : 0));
}

static void look_header_end(struct convert *c, const struct mime_part *part)
{
	header_fold_flush(&c->fold, NULL);
	header_fold_init(&c->fold);
	c->part = (struct part_look){ 0 };
	bool nests = part->kind == MIME_MULTIPART || part->kind == MIME_DIGEST || part->kind == MIME_MESSAGE;
	action_set(c, part, nests && !label_passes(c, part->coding) ? ACTION_LABEL : ACTION_KEEP);
}

static void look_token(void *context, const struct mime_token *token)
{
	struct convert *c = context;
	switch (token->kind) {
	case MIME_TOKEN_FIELD:
		look_field(c, token->bytes);
		break;
	case MIME_TOKEN_HEADER_END:
		look_header_end(c, token->part);
		break;
	case MIME_TOKEN_BODY:
		look_body(&c->part, token->bytes);
		break;
	case MIME_TOKEN_BODY_EOL:
	case MIME_TOKEN_FILLER_EOL:
		c->part.bytes += 2;
		line_settle(&c->part);
		break;
	case MIME_TOKEN_FILLER:
		look_filler(c, token->bytes);
		break;
	case MIME_TOKEN_PART_END:
		line_settle(&c->part);
		action_set(c, token->part, leaf_action(c, token->part));
		break;
	case MIME_TOKEN_BOUNDARY:
		c->part = (struct part_look){ 0 };
		if (bytes_bad(c, token->bytes))
			refuse(c, CONVERT_STRUCTURE);
		break;
	}
}

/* -- the writing -- */

static enum action action_of(const struct convert *c, const struct mime_part *part)
{
	if (part->index >= c->actions.len)
		return ACTION_KEEP;
	return (enum action)(c->actions.ptr[part->index] & ~ACTION_HIGH);
}

static bool has_high(const struct convert *c, const struct mime_part *part)
{
	return part->index < c->actions.len && (c->actions.ptr[part->index] & ACTION_HIGH) != 0;
}

static void write_label(struct convert *c, const struct mime_part *part, enum action action)
{
	static const char *const names[] = {
		[ACTION_QP] = "quoted-printable", [ACTION_QP_REPAIR] = "quoted-printable",
		[ACTION_BASE64] = "base64", [ACTION_BASE64_REPAIR] = "base64",
	};
	const char *name = action == ACTION_LABEL ? (c->allow_8bit ? "8bit" : "7bit") : names[action];
	if (part->root && !part->has_version)
		buf_add_str(c->out, "MIME-Version: 1.0\r\n");
	/* RFC 1428: what it is was never said. */
	bool high = has_high(c, part) && action != ACTION_LABEL && action != ACTION_BASE64_REPAIR;
	if (part->root && !part->has_type && high)
		buf_add_str(c->out, "Content-Type: text/plain; charset=unknown-8bit\r\n");
	buf_add_str(c->out, "Content-Transfer-Encoding: ");
	buf_add_str(c->out, name);
	buf_add_str(c->out, "\r\n");
}

static void write_header_end(struct convert *c, const struct mime_token *token)
{
	static const enum transfer_coding codings[] = {
		[ACTION_QP] = TRANSFER_QP, [ACTION_QP_REPAIR] = TRANSFER_QP_REPAIR,
		[ACTION_BASE64] = TRANSFER_BASE64, [ACTION_BASE64_REPAIR] = TRANSFER_BASE64_REPAIR,
	};
	enum action action = action_of(c, token->part);
	header_fold_flush(&c->fold, c->out);
	header_fold_init(&c->fold);
	c->filler_column = 0;
	if (action != ACTION_KEEP && token->bytes.len > 0)
		write_label(c, token->part, action);
	if (action >= ACTION_QP)
		transfer_encoder_init(&c->encoder, codings[action]);
	buf_add(c->out, token->bytes);
}

static void write_body(struct convert *c, const struct mime_token *token)
{
	if (action_of(c, token->part) < ACTION_QP)
		buf_add(c->out, token->bytes);
	else if (token->kind == MIME_TOKEN_BODY_EOL)
		transfer_encode_line_end(&c->encoder, c->out);
	else if (token->kind == MIME_TOKEN_BODY)
		transfer_encode(&c->encoder, token->bytes, c->out);
	else
		transfer_encode_finish(&c->encoder, c->out);
}

static void write_filler(struct convert *c, struct span bytes)
{
	for (size_t i = 0; i < bytes.len; i++) {
		uint8_t b = bytes.ptr[i];
		bool bad = b == 0 || b == '\r' || b == '\n' || (b >= 0x80 && !c->allow_8bit);
		if (c->filler_column == CONTENT_LINE_BYTES_MAX) {
			buf_add(c->out, SPAN("\r\n ")); /* the space: no boundary may come about */
			c->filler_column = 1;
		}
		buf_add_byte(c->out, bad ? '?' : b);
		c->filler_column++;
	}
}

static void write_token(void *context, const struct mime_token *token)
{
	struct convert *c = context;
	switch (token->kind) {
	case MIME_TOKEN_FIELD:
		/* The coding is written anew at the end of the header: only now is it known whether. */
		if (token->field != MIME_FIELD_CODING || action_of(c, token->part) == ACTION_KEEP)
			header_fold_feed(&c->fold, token->bytes, c->out);
		break;
	case MIME_TOKEN_HEADER_END:
		write_header_end(c, token);
		break;
	case MIME_TOKEN_BODY:
	case MIME_TOKEN_BODY_EOL:
	case MIME_TOKEN_PART_END:
		write_body(c, token);
		break;
	case MIME_TOKEN_FILLER:
		write_filler(c, token->bytes);
		break;
	case MIME_TOKEN_FILLER_EOL:
	case MIME_TOKEN_BOUNDARY:
		c->filler_column = 0;
		buf_add(c->out, token->bytes);
		break;
	}
}

/* -- outside -- */

struct convert *convert_new(bool allow_8bit)
{
	struct convert *c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	c->allow_8bit = allow_8bit;
	c->fresh = true;
	buf_init(&c->actions, MIME_PARTS_MAX + 1);
	header_fold_init(&c->fold);
	c->look = mime_walk_new(look_token, c);
	if (c->look == NULL) {
		convert_free(c);
		return NULL;
	}
	return c;
}

void convert_free(struct convert *c)
{
	if (c == NULL)
		return;
	mime_walk_free(c->look);
	mime_walk_free(c->write);
	buf_fini(&c->actions);
	free(c);
}

void convert_plan(struct convert *c, struct span bytes, bool last)
{
	mime_walk_feed(c->look, bytes, last);
	if (mime_walk_failed(c->look) || c->actions.failed)
		c->refused = CONVERT_NO_MEMORY;
}

enum convert_verdict convert_verdict(const struct convert *c)
{
	if (c->refused != CONVERT_NOT_NEEDED)
		return c->refused;
	return c->needed ? CONVERT_POSSIBLE : CONVERT_NOT_NEEDED;
}

void convert_feed(struct convert *c, struct span bytes, bool last, struct buf *out)
{
	assert(c->refused == CONVERT_NOT_NEEDED || c->refused == CONVERT_NO_MEMORY);
	if (c->refused != CONVERT_NOT_NEEDED)
		return;
	if (!c->needed) {
		buf_add(out, bytes);
		return;
	}
	if (c->write == NULL)
		c->write = mime_walk_new(write_token, c);
	if (c->write == NULL) {
		c->refused = CONVERT_NO_MEMORY;
		return;
	}
	if (c->fresh)
		mime_walk_reset(c->write);
	if (c->fresh)
		header_fold_init(&c->fold);
	c->fresh = last;
	c->out = out;
	mime_walk_feed(c->write, bytes, last);
	c->out = NULL;
	if (mime_walk_failed(c->write))
		c->refused = CONVERT_NO_MEMORY;
}

bool convert_failed(const struct convert *c)
{
	return c->refused == CONVERT_NO_MEMORY;
}
