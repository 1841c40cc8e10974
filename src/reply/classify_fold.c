/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folds a text for the automaton (see classify_table.h), and reads the codes that
 * stand in it. Codes at line beginnings are left out, so that a phrase can go on
 * in the next line of a reply. The address of a mailbox or of a host becomes one
 * word, for "quota@a.test" says nothing about a quota. The address of a page and a
 * sentence are fenced in, for words that stand on both sides of a fence seldom belong
 * together. Letters of the Latin script lose their accents. Time proportional to the text.
 */
#include "classify_parts.h"

/* The byte in the folded text for what `s` begins with, and how many bytes that is; 0 for what separates words. */
static uint8_t folded_byte(struct span s, size_t *len_out)
{
	uint8_t c = byte_lower(s.ptr[0]);
	*len_out = 1;
	if (c >= 0xc3 && c <= 0xc5 && s.len > 1 && (s.ptr[1] & 0xc0) == 0x80) {
		char letter = classify_latin[(size_t)(c - 0xc3) * 64 + (s.ptr[1] & 0x3f)];
		*len_out = 2;
		return letter == ' ' ? 0 : (uint8_t)letter;
	}
	return (c >= 'a' && c <= 'z') || is_digit(c) || c >= 0x80 ? c : 0;
}

/* Digits that `s` begins with, at most `max`; their value is added up. */
static size_t number_read(struct span s, size_t max, unsigned *value_out)
{
	size_t len = 0;
	*value_out = 0;
	while (len < max && len < s.len && is_digit(s.ptr[len]))
		*value_out = *value_out * 10 + (s.ptr[len++] - '0');
	return len;
}

size_t classify_enhanced_read(struct span s, struct classify_enhanced *enhanced_out)
{
	struct classify_enhanced found;
	if (number_read(s, 1, &found.class_digit) != 1 || s.len < 5 || s.ptr[1] != '.')
		return 0;
	if (found.class_digit != 2 && found.class_digit != 4 && found.class_digit != 5)
		return 0;
	size_t at = 2, digits = number_read(span_from(s, at), 3, &found.subject);
	at += digits;
	if (digits == 0 || at >= s.len || s.ptr[at] != '.')
		return 0;
	digits = number_read(span_from(s, at + 1), 3, &found.detail);
	at += 1 + digits;
	if (digits == 0 || (at < s.len && is_digit(s.ptr[at])))
		return 0;
	if (at + 1 < s.len && s.ptr[at] == '.' && is_digit(s.ptr[at + 1]))
		return 0;
	*enhanced_out = found;
	return at;
}

size_t classify_code_prefix(struct span s, bool line_begins)
{
	unsigned code;
	struct classify_enhanced enhanced;
	size_t at = number_read(s, 3, &code);
	if (at == 3 && code >= 200 && code <= 599 && (s.len == 3 || s.ptr[3] == ' ' || s.ptr[3] == '-')) {
		at = s.len > 3 ? 4 : 3;
		size_t more = classify_enhanced_read(span_from(s, at), &enhanced);
		return more > 0 || line_begins ? at + more : 0;
	}
	return line_begins ? classify_enhanced_read(s, &enhanced) : 0;
}

static void folded_add(struct classify_folded *folded, uint8_t byte, size_t at)
{
	if (byte == ' ' && folded->len > 0 && folded->bytes[folded->len - 1] == ' ')
		return;
	folded->bytes[folded->len] = byte;
	folded->at[folded->len++] = (uint16_t)at;
}

/* Whether a byte stands between the tokens that an address or a page may be. */
static bool separates(uint8_t c)
{
	static const uint64_t below_64 = (1ULL << '"') | (1ULL << '\'') | (1ULL << '(') | (1ULL << ')') | (1ULL << ',')
		| (1ULL << ':') | (1ULL << ';') | (1ULL << '<') | (1ULL << '>') | ((1ULL << (' ' + 1)) - 1);
	return c < 64 ? (below_64 >> c & 1) != 0 : c == '[' || c == ']';
}

/* Bytes of the address of a mailbox that `s` begins with, 0 when it begins with none. */
static size_t address_length(struct span s)
{
	size_t len = 0, at = 0;
	for (; len < s.len && !separates(s.ptr[len]); len++) {
		if (s.ptr[len] == '@')
			at = len;
	}
	return at > 0 && at + 1 < len ? len : 0;
}

/* Bytes of the IPv4 address or network that `s` begins with, 0 for none, or for a name that looks like one. */
static size_t host_length(struct span s)
{
	size_t at = 0;
	for (int part = 0; part < 4; part++) {
		unsigned value;
		size_t digits = number_read(span_from(s, at), 3, &value);
		if (digits == 0 || value > 255 || (part > 0 && s.ptr[at - 1] != '.'))
			return 0;
		at += digits + (part < 3 && at + digits < s.len ? 1 : 0);
	}
	if (at + 1 < s.len && s.ptr[at] == '/' && is_digit(s.ptr[at + 1])) {
		unsigned bits;
		at += 1 + number_read(span_from(s, at + 1), 2, &bits);
	}
	bool goes_on = at < s.len && (is_digit(s.ptr[at]) || s.ptr[at] == '-'
		|| (s.ptr[at] == '.' && at + 1 < s.len && !separates(s.ptr[at + 1])));
	return goes_on ? 0 : at;
}

/* Bytes of "http://" or "https://" that `s` begins with. */
static size_t scheme_length(struct span s)
{
	if (byte_lower(s.ptr[0]) != 'h')
		return 0;
	if (span_starts_nocase(s, SPAN("https://")))
		return 8;
	return span_starts_nocase(s, SPAN("http://")) ? 7 : 0;
}

static bool page_ends(uint8_t c)
{
	return c <= ' ' || c == '<' || c == '>' || c == '"';
}

/* Where the fold stands in the text. */
struct fold {
	struct classify_folded *folded;
	size_t at;
	bool line_begins, word_begins, token_begins, in_page;
};

/* Over the space that the folded text ends in no phrase with a gap may reach. */
static void fence_set(struct classify_folded *folded)
{
	folded->at[folded->len - 1] |= CLASSIFY_FENCE;
}

static bool sentence_ends(struct span rest)
{
	return (rest.ptr[0] == '.' || rest.ptr[0] == '!') && rest.len > 1 && rest.ptr[1] <= ' ';
}

/* An address becomes a word of two equal bytes, which know its beginning and its end. */
static bool address_add(struct fold *f, uint8_t byte, size_t len)
{
	if (len == 0)
		return false;
	folded_add(f->folded, byte, f->at);
	folded_add(f->folded, byte, f->at + len - 1);
	f->at += len;
	f->line_begins = f->word_begins = f->token_begins = false;
	return true;
}

/* Takes what is not folded byte by byte: codes, addresses, schemes of pages. False when there is none. */
static bool token_fold(struct fold *f, struct span rest)
{
	bool digit = is_digit(rest.ptr[0]);
	size_t len = f->word_begins && digit ? classify_code_prefix(rest, f->line_begins) : 0;
	if (len > 0) {
		f->at += len;
		folded_add(f->folded, ' ', f->at - 1);
		return true;
	}
	if (!f->token_begins || f->in_page)
		return false;
	len = scheme_length(rest);
	if (len == 0)
		return address_add(f, CLASSIFY_ADDRESS, address_length(rest))
			|| (digit && address_add(f, CLASSIFY_HOST, host_length(rest)));
	folded_add(f->folded, ' ', f->at);
	fence_set(f->folded);
	f->in_page = true;
	f->at += len;
	f->line_begins = f->token_begins = false;
	return true;
}

static void byte_fold(struct fold *f, struct span rest)
{
	size_t len;
	uint8_t c = rest.ptr[0], byte = folded_byte(rest, &len);
	if (f->in_page && page_ends(c)) {
		folded_add(f->folded, ' ', f->at);
		fence_set(f->folded);
		f->in_page = false;
	}
	folded_add(f->folded, byte != 0 ? byte : ' ', f->at);
	if (sentence_ends(rest))
		fence_set(f->folded);
	f->word_begins = byte == 0;
	f->token_begins = separates(c);
	f->line_begins = c == '\n' || (f->line_begins && byte == 0);
	f->at += len;
}

void classify_fold(struct span text, struct classify_folded *folded)
{
	struct fold f = { .folded = folded, .line_begins = true, .word_begins = true, .token_begins = true };
	folded->text = text;
	folded->len = 0;
	folded_add(folded, ' ', 0);
	while (f.at < text.len) {
		if (!token_fold(&f, span_from(text, f.at)))
			byte_fold(&f, span_from(text, f.at));
	}
	folded_add(folded, ' ', text.len > 0 ? text.len - 1 : 0);
}
