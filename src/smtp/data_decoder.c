/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hot path of receiving. Clean content is looked at eight bytes at a time
 * and copied in runs as long as possible; only a byte that may mean something
 * (CR, LF, NUL, a dot at the start of a line) is looked at alone. Bytes that
 * wait for their successor (a CR, a dot) are held in the state, not in memory.
 */
#include "data_decoder.h"

#include <endian.h>

#include "utf8.h"

enum {
	AT_LINE_START,
	AT_DOT,    /* a dot at the start of the line, already taken out */
	AT_DOT_CR, /* a CR after that dot is held */
	AT_TEXT,
	AT_CR      /* a CR is held */
};

#define ONES UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

struct pass {
	struct data_decoder *d;
	struct buf *out;
	struct span in;
	size_t at;  /* next byte to look at */
	size_t run; /* start of the bytes that are not copied yet */
};

void data_decoder_init(struct data_decoder *d, uint32_t line_bytes_max, bool dots, bool repair)
{
	*d = (struct data_decoder){
		.state = AT_LINE_START, .line_bytes_max = line_bytes_max, .dots = dots, .repair = repair
	};
}

/* Non-zero where a byte of `word` is zero; exact for the lowest such byte. */
static inline uint64_t zero_bytes(uint64_t word)
{
	return (word - ONES) & ~word & HIGHS;
}

/* Where the next CR, LF or NUL stands, or `len`. Collects the high bits of what was passed. */
static size_t special_find(const uint8_t *p, size_t len, uint64_t *high)
{
	size_t at = 0;
	uint64_t seen = 0;
	for (; at + 8 <= len; at += 8) {
		uint64_t word;
		memcpy(&word, p + at, sizeof(word));
		word = le64toh(word);
		/* Quick first: any byte below 14? Then exactly, as a tab is no reason to stop. */
		uint64_t hit = (word - ONES * ('\r' + 1)) & ~word & HIGHS;
		if (hit != 0)
			hit = zero_bytes(word) | zero_bytes(word ^ (ONES * '\r')) | zero_bytes(word ^ (ONES * '\n'));
		if (hit != 0) {
			unsigned bits = (unsigned)__builtin_ctzll(hit) - 7;
			*high |= seen | (bits > 0 ? word << (64 - bits) : 0);
			return at + bits / 8;
		}
		seen |= word;
	}
	*high |= seen;
	for (; at < len && p[at] != '\r' && p[at] != '\n' && p[at] != 0; at++)
		*high |= p[at];
	return at;
}

static void emit(struct pass *p, struct span bytes)
{
	if (p->out != NULL)
		buf_add(p->out, bytes);
}

static void run_flush(struct pass *p)
{
	if (p->at > p->run)
		emit(p, span_of(p->in.ptr + p->run, p->at - p->run));
	p->run = p->at;
}

/* Passes over one input byte without copying it. */
static void byte_drop(struct pass *p)
{
	run_flush(p);
	p->at++;
	p->run = p->at;
}

static void line_grow(struct data_decoder *d, size_t len)
{
	if (len > d->line_bytes_max || d->line_bytes > d->line_bytes_max - len) {
		d->found |= DATA_LINE_TOO_LONG;
		d->line_bytes = d->line_bytes_max;
	} else {
		d->line_bytes += (uint32_t)len;
	}
}

static void line_end(struct data_decoder *d)
{
	line_grow(d, 2);
	d->line_bytes = 0;
}

/* A CR or LF alone at p->at, or a held CR: written as CRLF or left as it is. */
static void bare_newline(struct pass *p)
{
	p->d->found |= DATA_BARE_NEWLINE;
	if (p->d->repair) {
		emit(p, SPAN("\r\n"));
		line_end(p->d);
	}
	p->d->state = AT_TEXT;
}

static void text_step(struct pass *p)
{
	struct data_decoder *d = p->d;
	uint64_t high = 0;
	size_t len = special_find(p->in.ptr + p->at, p->in.len - p->at, &high);
	d->found |= (high & HIGHS) != 0 ? DATA_8BIT : 0;
	line_grow(d, len);
	p->at += len;
	if (p->at == p->in.len)
		return;

	uint8_t c = p->in.ptr[p->at];
	if (c == '\r' && p->at + 1 < p->in.len && p->in.ptr[p->at + 1] == '\n') {
		p->at += 2;
		line_end(d);
		d->state = AT_LINE_START;
	} else if (c == '\r') {
		byte_drop(p);
		d->state = AT_CR;
	} else if (c == '\n' && d->repair) {
		byte_drop(p);
		bare_newline(p);
	} else {
		d->found |= c == '\n' ? DATA_BARE_NEWLINE : DATA_NUL;
		line_grow(d, 1);
		p->at++;
	}
}

/* The byte after a held CR decides what that CR was. */
static void cr_step(struct pass *p)
{
	struct data_decoder *d = p->d;
	uint8_t c = p->in.ptr[p->at];
	if (c == '\n') {
		byte_drop(p);
		emit(p, SPAN("\r\n"));
		line_end(d);
		d->state = AT_LINE_START;
		return;
	}
	d->found |= DATA_BARE_NEWLINE;
	if (c == '\r' && d->repair) {
		byte_drop(p); /* a run of CRs is one line end */
		return;
	}
	if (!d->repair) {
		emit(p, SPAN("\r"));
		line_grow(d, 1);
	}
	bare_newline(p);
}

/* True when the data ends here. */
static bool dot_step(struct pass *p)
{
	struct data_decoder *d = p->d;
	uint8_t c = p->in.ptr[p->at];
	if (d->state == AT_DOT && c == '\r') {
		byte_drop(p);
		d->state = AT_DOT_CR;
	} else if (d->state == AT_DOT) {
		d->state = AT_TEXT;
	} else if (c == '\n') {
		byte_drop(p);
		return true;
	} else {
		d->state = AT_CR;
	}
	return false;
}

static size_t binary_take(struct data_decoder *d, struct span in, struct buf *out)
{
	if (out != NULL)
		buf_add(out, in);
	if (!span_is_ascii(in))
		d->found |= DATA_8BIT;
	return in.len;
}

size_t data_decode(struct data_decoder *d, struct span in, struct buf *out, bool *ended_out)
{
	struct pass p = { .d = d, .out = out, .in = in };
	bool ended = false;
	*ended_out = false;
	if (d->binary)
		return binary_take(d, in, out);
	while (p.at < in.len && !ended) {
		if (d->state == AT_LINE_START && d->dots && in.ptr[p.at] == '.') {
			byte_drop(&p);
			d->state = AT_DOT;
		} else if (d->state == AT_LINE_START || d->state == AT_TEXT) {
			d->state = AT_TEXT;
			text_step(&p);
		} else if (d->state == AT_CR) {
			cr_step(&p);
		} else {
			ended = dot_step(&p);
		}
	}
	run_flush(&p);
	*ended_out = ended;
	return p.at;
}

void data_decoder_finish(struct data_decoder *d, struct buf *out)
{
	struct pass p = { .d = d, .out = out };
	if (d->binary)
		return;
	if (d->state == AT_CR) {
		d->found |= DATA_BARE_NEWLINE;
		emit(&p, SPAN("\r\n"));
	} else if (d->state != AT_LINE_START) {
		emit(&p, SPAN("\r\n"));
	}
	d->state = AT_LINE_START;
}
