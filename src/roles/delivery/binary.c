/* SPDX-License-Identifier: Apache-2.0 */
/* Two passes over the content through convert.h: one to look, one to write. */
#include "binary.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "convert.h"
#include "crc32c.h"

#define PIECE_BYTES 16384
#define OUT_BYTES_MAX (PIECE_BYTES * (CONVERT_GROWTH_MAX + 1) + CONVERT_HELD_BYTES_MAX)

struct conversion {
	const struct binary_source *source;
	struct convert *convert;
	struct binary_text text;
	struct buf out;
	bool writing; /* the second pass */
	uint32_t read_crc32c; /* of the pass */
	uint8_t piece[PIECE_BYTES];
};

static bool read_piece(struct conversion *c, uint64_t at, struct span *piece_out)
{
	const struct binary_source *from = c->source;
	if (from->fd < 0) {
		*piece_out = span_to(span_from(from->inlined, (size_t)at), PIECE_BYTES);
		return true;
	}
	uint64_t left = from->bytes - at;
	ssize_t got;
	do
		got = pread(from->fd, c->piece, left < PIECE_BYTES ? (size_t)left : PIECE_BYTES, (off_t)(from->offset + at));
	while (got < 0 && errno == EINTR);
	*piece_out = span_of(c->piece, got > 0 ? (size_t)got : 0);
	return got > 0 || left == 0;
}

static bool write_out(struct conversion *c)
{
	struct span rest = buf_span(&c->out);
	c->text.bytes += rest.len;
	c->text.crc32c = crc32c(c->text.crc32c, rest);
	while (rest.len > 0) {
		ssize_t wrote = write(c->text.fd, rest.ptr, rest.len);
		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0)
			return false;
		rest = span_from(rest, (size_t)wrote);
	}
	buf_clear(&c->out);
	return true;
}

/* All of the content once; false: it could not be read, or what came of it not be written. */
static bool pass(struct conversion *c)
{
	uint64_t bytes = c->source->fd < 0 ? c->source->inlined.len : c->source->bytes;
	uint64_t at = 0;
	struct span piece;
	c->read_crc32c = 0;
	do {
		if (!read_piece(c, at, &piece))
			return false;
		at += piece.len;
		c->read_crc32c = crc32c(c->read_crc32c, piece);
		if (!c->writing)
			convert_plan(c->convert, piece, at == bytes);
		else
			convert_feed(c->convert, piece, at == bytes, &c->out);
		if (c->out.failed || !write_out(c))
			return false;
	} while (at < bytes);
	return true;
}

/* What came inline was checked before it was sent. */
static bool sound(const struct conversion *c)
{
	return c->source->fd < 0 || c->read_crc32c == c->source->crc32c;
}

static const char *run(struct conversion *c)
{
	/* 8-bit text can stand in a mailbox as it is. */
	c->convert = convert_new(true);
	c->text.fd = memfd_create("content", MFD_CLOEXEC);
	if (c->convert == NULL || c->text.fd < 0 || !pass(c))
		return "mailbox-io-error";
	if (!sound(c))
		return "content-damaged";
	enum convert_verdict verdict = convert_verdict(c->convert);
	if (verdict == CONVERT_NO_MEMORY)
		return "mailbox-io-error";
	if (verdict != CONVERT_NOT_NEEDED && verdict != CONVERT_POSSIBLE)
		return "conversion-impossible";
	c->writing = true;
	return pass(c) && sound(c) && !convert_failed(c->convert) ? NULL : "mailbox-io-error";
}

const char *binary_convert(const struct binary_source *source, struct binary_text *text_out)
{
	struct conversion c = { .source = source, .text = { .fd = -1 } };
	buf_init(&c.out, OUT_BYTES_MAX);
	const char *refusal = run(&c);
	convert_free(c.convert);
	buf_fini(&c.out);
	if (refusal != NULL && c.text.fd >= 0) {
		close(c.text.fd);
		c.text.fd = -1;
	}
	*text_out = c.text;
	return refusal;
}
