/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conversion of messages that were not written for it: other people's samples and
 * random structures. What comes out can pass, converting it again changes nothing,
 * and every leaf decodes to what it was; a decoder of its own, in this file, says so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "content_facts.h"
#include "convert.h"
#include "mime_walk.h"

#define MESSAGE_BYTES_MAX (1 << 22)

/* -- what the leaves say -- */

struct leaves {
	struct buf decoded;   /* of all leaves, each with its number in front */
	struct buf body;      /* of the current leaf, as it stands */
};

static int hex(uint8_t c)
{
	static const char digits[] = "0123456789ABCDEF";
	const char *at = c != 0 ? strchr(digits, c >= 'a' && c <= 'f' ? c - 32 : c) : NULL;
	return at != NULL ? (int)(at - digits) : -1;
}

static size_t blank_tail(struct span s)
{
	size_t len = s.len;
	while (len > 0 && (s.ptr[len - 1] == ' ' || s.ptr[len - 1] == '\t'))
		len--;
	return len;
}

static void decode_qp_line(struct span line, struct buf *out, bool eol)
{
	size_t len = blank_tail(line);
	bool soft = len > 0 && line.ptr[len - 1] == '=';
	line.len = soft ? len - 1 : len;
	for (size_t i = 0; i < line.len; i++) {
		if (line.ptr[i] == '=' && i + 2 < line.len && hex(line.ptr[i + 1]) >= 0 && hex(line.ptr[i + 2]) >= 0) {
			buf_add_byte(out, (uint8_t)(hex(line.ptr[i + 1]) * 16 + hex(line.ptr[i + 2])));
			i += 2;
		} else {
			buf_add_byte(out, line.ptr[i]);
		}
	}
	if (eol && !soft)
		buf_add(out, SPAN("\r\n"));
}

static void decode_qp(struct span s, struct buf *out)
{
	for (size_t at = 0; at < s.len;) {
		size_t end = at;
		while (end + 1 < s.len && (s.ptr[end] != '\r' || s.ptr[end + 1] != '\n'))
			end++;
		bool eol = end + 1 < s.len;
		decode_qp_line(span_of(s.ptr + at, eol ? end - at : s.len - at), out, eol);
		at = eol ? end + 2 : s.len;
	}
}

static void decode_base64(struct span s, struct buf *out)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t bits = 0, have = 0;
	for (size_t i = 0; i < s.len && s.ptr[i] != '='; i++) {
		const char *at = s.ptr[i] != 0 ? strchr(letters, s.ptr[i]) : NULL;
		if (at == NULL)
			continue;
		bits = (bits << 6 | (uint32_t)(at - letters)) & 0xffffff;
		have += 6;
		if (have >= 8) {
			have -= 8;
			buf_add_byte(out, (uint8_t)(bits >> have));
		}
	}
}

static void leaf_end(struct leaves *l, const struct mime_part *part)
{
	struct span body = buf_span(&l->body);
	buf_addf(&l->decoded, "[%u]", part->index);
	if (part->coding == MIME_CODING_QP)
		decode_qp(body, &l->decoded);
	else if (part->coding == MIME_CODING_BASE64)
		decode_base64(body, &l->decoded);
	else
		buf_add(&l->decoded, body);
	buf_clear(&l->body);
}

static void leaf_token(void *context, const struct mime_token *token)
{
	struct leaves *l = context;
	if (token->kind == MIME_TOKEN_BODY || token->kind == MIME_TOKEN_BODY_EOL)
		buf_add(&l->body, token->bytes);
	else if (token->kind == MIME_TOKEN_PART_END)
		leaf_end(l, token->part);
}

static void leaves_read(struct span message, struct buf *decoded_out)
{
	struct leaves l;
	buf_init(&l.decoded, MESSAGE_BYTES_MAX);
	buf_init(&l.body, MESSAGE_BYTES_MAX);
	struct mime_walk *w = mime_walk_new(leaf_token, &l);
	mime_walk_feed(w, message, true);
	mime_walk_free(w);
	buf_fini(&l.body);
	*decoded_out = l.decoded;
}

/* -- the properties -- */

static void pieces(struct convert *c, struct span in, size_t step, struct buf *out)
{
	do {
		struct span piece = span_to(in, step);
		in = span_from(in, piece.len);
		if (out == NULL)
			convert_plan(c, piece, in.len == 0);
		else
			convert_feed(c, piece, in.len == 0, out);
	} while (in.len > 0);
}

static enum convert_verdict convert_whole(struct span in, bool allow_8bit, size_t step, struct buf *out)
{
	struct convert *c = convert_new(allow_8bit);
	pieces(c, in, step, NULL);
	enum convert_verdict verdict = convert_verdict(c);
	if (verdict <= CONVERT_POSSIBLE)
		pieces(c, in, step, out);
	assert_false(out->failed || convert_failed(c));
	convert_free(c);
	return verdict;
}

static void can_pass(const char *name, struct span out, bool allow_8bit)
{
	struct content_scan s;
	content_scan_init(&s);
	content_scan_feed(&s, out);
	content_scan_finish(&s);
	if (content_facts_binary(&s.facts) || (!allow_8bit && (s.facts.body_8bit || s.facts.header_8bit)))
		fail_msg("%s cannot pass: line %u, nul %d, bare %d", name, (unsigned)s.facts.line_bytes_longest,
			s.facts.nul, s.facts.bare_newline);
}

static enum convert_verdict check(const char *name, struct span in, bool allow_8bit)
{
	struct buf out, cut, again, before, after;
	buf_init(&out, MESSAGE_BYTES_MAX);
	buf_init(&cut, MESSAGE_BYTES_MAX);
	buf_init(&again, MESSAGE_BYTES_MAX);
	enum convert_verdict verdict = convert_whole(in, allow_8bit, SIZE_MAX, &out);
	if (convert_whole(in, allow_8bit, 1, &cut) != verdict || !span_eq(buf_span(&out), buf_span(&cut)))
		fail_msg("%s: cutting makes a difference", name);
	if (verdict == CONVERT_NOT_NEEDED && !span_eq(buf_span(&out), in))
		fail_msg("%s: changed without need", name);
	if (verdict <= CONVERT_POSSIBLE) {
		can_pass(name, buf_span(&out), allow_8bit);
		if (convert_whole(buf_span(&out), allow_8bit, 7, &again) != CONVERT_NOT_NEEDED)
			fail_msg("%s: not done after one conversion", name);
		leaves_read(in, &before);
		leaves_read(buf_span(&out), &after);
		if (!span_eq(buf_span(&before), buf_span(&after)))
			fail_msg("%s: the leaves say something else\n%.*s\n---\n%.*s", name, SPAN_FMT(buf_span(&before)),
				SPAN_FMT(buf_span(&after)));
		buf_fini(&before);
		buf_fini(&after);
	}
	buf_fini(&out);
	buf_fini(&cut);
	buf_fini(&again);
	return verdict;
}

/* -- samples -- */

/* The file with CRLF line ends, wherever its own came from. */
static bool file_read(const char *path, bool crlf, struct buf *out)
{
	int c, before = 0;
	FILE *f = fopen(path, "rb");
	if (f == NULL)
		return false;
	while ((c = getc(f)) != EOF) {
		if (c == '\n' && before != '\r' && crlf)
			buf_add_byte(out, '\r');
		buf_add_byte(out, (uint8_t)c);
		before = c;
	}
	fclose(f);
	return !out->failed;
}

static unsigned folder_check(const char *root, const char *folder, unsigned verdicts[6])
{
	char path[1024];
	unsigned count = 0;
	struct dirent *entry;
	snprintf(path, sizeof(path), "%s/mime/%s", root, folder);
	DIR *dir = opendir(path);
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		struct buf message;
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/mime/%s/%s", root, folder, entry->d_name);
		for (int crlf = 0; crlf < 2; crlf++) {
			buf_init(&message, MESSAGE_BYTES_MAX);
			if (file_read(path, crlf != 0, &message)) {
				verdicts[check(entry->d_name, buf_span(&message), false)]++;
				verdicts[check(entry->d_name, buf_span(&message), true)]++;
				count++;
			}
			buf_fini(&message);
		}
	}
	if (dir != NULL)
		closedir(dir);
	return count;
}

static void test_samples_convert_without_loss(void **state)
{
	const char *root = getenv("WAYBILL_CONFORMANCE");
	unsigned verdicts[6] = { 0 };
	(void)state;
	if (root == NULL)
		root = "../shared/conformance";
	unsigned count = folder_check(root, "mime4j-testmsgs", verdicts) + folder_check(root, "rfc-examples", verdicts);
	if (count == 0)
		skip();
	assert_true(verdicts[CONVERT_NOT_NEEDED] > 0);
	assert_true(verdicts[CONVERT_POSSIBLE] > 0);
}

/* -- random structures -- */

static uint64_t random_state;

static uint32_t pick(uint32_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 32) % below;
}

static void random_body(struct buf *out, const char *const *bits, size_t count)
{
	uint32_t len = pick(6) == 0 ? pick(600) : pick(12);
	for (uint32_t i = 0; i < len; i++)
		buf_add_str(out, bits[pick((uint32_t)count)]);
	if (pick(4) == 0)
		buf_add_byte(out, 0);
}

static void random_leaf(struct buf *out)
{
	static const char *const types[] = { "", "Content-Type: text/plain\r\n",
		"Content-Type: image/x\r\n", "Content-Type: text/html;\r\n charset=x\r\n" };
	static const char *const codings[] = { "", "8bit", "binary", "7BIT", "x-odd", "quoted-printable",
		"base64" };
	static const char *const bits[] = { "word ", "\r\n",
		"\xe4", "\xc3\xa4", "=", "--", "-", "--b0", "\r\n--b1x\r\n", " ", "\t", ".", "\r\n\r\n", "\n",
		"\r", "0123456789012345678901234567890123456789" };
	static const char *const qp[] = { "word ", "\r\n", "\xe4", "=3D", "=\r\n",
		"-", " ", "=E4", "0123456789012345678901234567890123456789" };
	static const char *const base64[] = { "AAAA", "abcd", "\r\n", "+/09", "\xe4" "AB" "CD" };
	uint32_t coding = pick(7);
	buf_add_str(out, types[pick(4)]);
	if (coding > 0) {
		buf_add_str(out, "Content-Transfer-Encoding: ");
		buf_add_str(out, codings[coding]);
		buf_add_str(out, "\r\n");
	}
	buf_add_str(out, "\r\n");
	if (coding == 5)
		random_body(out, qp, sizeof(qp) / sizeof(qp[0]));
	else if (coding == 6)
		random_body(out, base64, sizeof(base64) / sizeof(base64[0]));
	else
		random_body(out, bits, sizeof(bits) / sizeof(bits[0]));
}

static void random_entity(struct buf *out, unsigned depth)
{
	uint32_t kind = pick(10);
	if (depth >= 4 || kind < 5) {
		random_leaf(out);
	} else if (kind < 9) {
		buf_addf(out, "Content-Type: multipart/%s; boundary=b%u\r\n%s\r\npreamble \xe4\r\n",
		pick(5) == 0 ? "digest" : "mixed",
			depth, pick(2) == 0 ? "Content-Transfer-Encoding: 8bit\r\n" : "");
		for (uint32_t parts = pick(4); parts > 0; parts--) {
			buf_addf(out, "\r\n--b%u\r\n", depth);
			random_entity(out, depth + 1);
		}
		if (pick(4) != 0)
			buf_addf(out, "\r\n--b%u--\r\n", depth);
	} else {
		buf_add_str(out, "Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n");
		random_entity(out, depth + 1);
	}
}

static void test_random_messages_convert_without_loss(void **state)
{
	unsigned verdicts[6] = { 0 };
	char name[40];
	(void)state;
	for (unsigned seed = 1; seed <= 3000; seed++) {
		struct buf message;
		random_state = seed * UINT64_C(2654435761) + 88172645463325252u;
		pick(2);
		buf_init(&message, MESSAGE_BYTES_MAX);
		buf_add_str(&message, "From: a@b\r\nMIME-Version: 1.0\r\n");
		random_entity(&message, 0);
		snprintf(name, sizeof(name), "seed %u", seed);
		verdicts[check(name, buf_span(&message), seed % 2 == 0)]++;
		buf_fini(&message);
	}
	assert_true(verdicts[CONVERT_NOT_NEEDED] > 100);
	assert_true(verdicts[CONVERT_POSSIBLE] > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples_convert_without_loss),
		cmocka_unit_test(test_random_messages_convert_without_loss),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
