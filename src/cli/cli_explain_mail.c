/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the replies in what a person hands over: a bounce as a file (RFC 3464 or
 * the plain forms, read by the message room), a log or a letter with reply lines,
 * a bounce in mere words, or one reply. What it finds is classified; what comes from
 * the text is escaped.
 */
#include "cli_explain_mail.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "dsn_read.h"

#define READ_STEP_BYTES 65536
#define SHOWN_BYTES_MAX 300 /* of a reply's words, beside its answer */

static void classified(struct span reply, struct classify_answer *answer)
{
	struct classify_input input;
	classify_input_parse(reply, &input);
	input.now_ms = clock_unix_ms();
	classify_reply(&input, answer);
}

void cli_explain_reply(struct buf *out, struct span reply, const struct explain_style *style)
{
	struct classify_answer answer;
	classified(reply, &answer);
	explain_write_answer(out, &answer, style);
}

void cli_explain_reply_json(struct buf *out, struct span reply)
{
	struct classify_answer answer;
	classified(reply, &answer);
	explain_write_answer_json(out, &answer);
	buf_add_byte(out, '\n');
}

int cli_explain_read(const char *path, struct buf *content)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
	if (file == NULL)
		return -errno;
	size_t got = 1;
	int error = 0;
	while (got > 0 && error == 0 && content->len < CLI_EXPLAIN_FILE_BYTES_MAX) {
		size_t room = CLI_EXPLAIN_FILE_BYTES_MAX - content->len;
		room = room < READ_STEP_BYTES ? room : READ_STEP_BYTES;
		uint8_t *to = buf_reserve(content, room);
		if (to == NULL) {
			error = -ENOMEM;
			break;
		}
		got = fread(to, 1, room, file);
		content->len += got;
		error = ferror(file) != 0 ? -EIO : 0;
	}
	if (file != stdin)
		fclose(file);
	return error;
}

/* Where replies go to: as text or as JSON, with what belongs beside them. */
struct sink {
	struct buf *out;
	const struct explain_style *style; /* NULL: JSON */
	unsigned count;
	const char *action; /* what the reporting server did about it; "" or NULL: not known */
};

/* Words from the text on lines of their own; controls escaped, long ones cut. */
static void theirs_add(struct buf *out, const char *before, struct span words)
{
	buf_add_str(out, before);
	buf_add_escaped(out, span_to(words, SHOWN_BYTES_MAX));
	buf_add_str(out, words.len > SHOWN_BYTES_MAX ? "...\n" : "\n");
}

static void json_string_add(struct buf *out, const char *name, struct span bytes)
{
	struct buf safe;
	buf_init(&safe, 4 * CLASSIFY_TEXT_BYTES_MAX + 1);
	buf_add_escaped(&safe, span_to(bytes, CLASSIFY_TEXT_BYTES_MAX));
	buf_addf(out, "\"%s\":\"", name);
	for (size_t i = 0; i < safe.len; i++) {
		if (safe.ptr[i] == '"' || safe.ptr[i] == '\\')
			buf_add_byte(out, '\\');
		buf_add_byte(out, safe.ptr[i]);
	}
	buf_add_str(out, "\",");
	buf_fini(&safe);
}

/* One reply with whom it is about (may be empty). */
static void sink_add(struct sink *sink, struct span recipient, struct span words, const struct classify_answer *answer)
{
	if (sink->style == NULL) {
		buf_add_str(sink->out, sink->count > 0 ? ",{" : "{");
		json_string_add(sink->out, "recipient", recipient);
		json_string_add(sink->out, "action", span_str(sink->action));
		json_string_add(sink->out, "words", words);
		buf_add_str(sink->out, "\"answer\":");
		explain_write_answer_json(sink->out, answer);
		buf_add_byte(sink->out, '}');
	} else {
		buf_add_str(sink->out, sink->count > 0 ? "\n" : "");
		if (recipient.len > 0)
			theirs_add(sink->out, "", recipient);
		if (sink->action != NULL && sink->action[0] != '\0')
			buf_addf(sink->out, "  the server that reports it says: %s\n", sink->action);
		theirs_add(sink->out, "> ", words);
		explain_write_answer(sink->out, answer, sink->style);
	}
	sink->count++;
}

/* Whether a Status says more than success or failure: not X.0.0. */
static bool status_tells(struct span status)
{
	return status.len > 5 || (status.len == 5 && !span_eq(span_from(status, 1), SPAN(".0.0")));
}

/* The diagnostic's own codes count; the report's Status stands in where it has none. */
static void recipient_add(struct sink *sink, const struct dsn_bounce_recipient *recipient)
{
	struct classify_input input;
	struct classify_answer answer;
	struct span words = recipient->diagnostic.len > 0 ? recipient->diagnostic : recipient->status;
	static const char *const actions[] = { "", "given up", "still being tried", "delivered", "passed on", "passed on" };
	classify_input_parse(words, &input);
	input.now_ms = clock_unix_ms();
	classify_reply(&input, &answer);
	if (answer.enhanced.len == 0 && status_tells(recipient->status)) {
		input.enhanced = recipient->status;
		classify_reply(&input, &answer);
	}
	sink->action = actions[recipient->action];
	sink_add(sink, recipient->recipient, words, &answer);
}

static void bounce_add(struct sink *sink, struct span text)
{
	struct arena arena;
	struct dsn_bounce bounce;
	arena_init(&arena, DSN_READ_ARENA_BYTES);
	if (dsn_read(text, &arena, &bounce) > 0) {
		for (size_t i = 0; i < bounce.count; i++)
			recipient_add(sink, &bounce.recipients[i]);
	}
	arena_reset(&arena);
}

/* Where in a line a reply begins: three digits of a failure with a space or a hyphen behind them; line.len: nowhere. */
static size_t reply_begin(struct span line)
{
	for (size_t i = 0; i + 4 < line.len; i++) {
		const uint8_t *at = line.ptr + i;
		bool alone = i == 0 || line.ptr[i - 1] == ' ' || line.ptr[i - 1] == '\t' || line.ptr[i - 1] == '(';
		bool code = (at[0] == '4' || at[0] == '5') && at[1] >= '0' && at[1] <= '5' && at[2] >= '0' && at[2] <= '9';
		if (alone && code && (at[3] == '-' || (at[3] == ' ' && at[4] != ' ')))
			return i;
	}
	return line.len;
}

/* Without blanks and line ends around it. */
static struct span bare(struct span s)
{
	while (s.len > 0 && s.ptr[0] <= ' ')
		s = span_from(s, 1);
	while (s.len > 0 && s.ptr[s.len - 1] <= ' ')
		s.len--;
	return s;
}

static struct span line_at(struct span text, size_t at, size_t *next_out)
{
	struct span rest = span_from(text, at);
	size_t len = span_find(rest, '\n');
	*next_out = at + len + 1;
	return span_to(rest, len);
}

/* Reply lines of a text; "550-" goes on in the next line. */
static void lines_add(struct sink *sink, struct span text)
{
	size_t at = 0;
	while (at < text.len && sink->count < CLI_EXPLAIN_REPLIES_MAX) {
		size_t next;
		struct span line = line_at(text, at, &next);
		size_t begin = reply_begin(line);
		size_t from = at + begin, end = at + line.len;
		bool more = begin + 3 < line.len && line.ptr[begin + 3] == '-';
		while (more && next < text.len) {
			struct span following = bare(line_at(text, next, &next));
			more = following.len > 3 && following.ptr[3] == '-';
			end = (size_t)(following.ptr - text.ptr) + following.len;
		}
		if (begin < line.len) {
			struct classify_answer answer;
			struct span words = bare(span_of(text.ptr + from, end - from));
			classified(words, &answer);
			sink_add(sink, span_of(NULL, 0), words, &answer);
		}
		at = next;
	}
}

/* The text behind a message's header; all of it where it begins with none. */
static struct span body_of(struct span text)
{
	size_t next;
	struct span first = line_at(text, 0, &next);
	size_t colon = span_find(first, ':');
	if (colon == first.len || span_find(first, ' ') < colon)
		return text;
	for (size_t at = next; at < text.len; at = next) {
		if (bare(line_at(text, at, &next)).len == 0)
			return span_from(text, next);
	}
	return text;
}

/* A line that repeats the header of the message that came back. */
static bool repeats_header(struct span line)
{
	static const struct span names[] = { SPAN("subject:"), SPAN("from:"), SPAN("to:"), SPAN("cc:"), SPAN("sent:"),
		SPAN("date:") };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (span_starts_nocase(line, names[i]))
			return true;
	}
	return false;
}

static bool names_address(struct span line)
{
	return span_find(line, '@') < line.len;
}

/* How likely a line is to be the reason: it says so or names an address, it stands behind an address, or neither. */
static unsigned line_rank(struct span line, struct span before, bool behind_address)
{
	static const struct span because = SPAN("because:");
	size_t skip = before.len < because.len ? 0 : before.len - because.len;
	bool announced = span_eq_nocase(span_from(before, skip), because);
	if (announced || names_address(line) || span_starts_nocase(line, SPAN("reason:")))
		return 3;
	return behind_address ? 2 : 1;
}

/* Of a bounce without codes the likeliest line whose words a rule knows for certain. */
static void prose_add(struct sink *sink, struct span body)
{
	struct span best = { 0 }, before = { 0 };
	struct classify_answer best_answer = { 0 }, answer;
	unsigned best_rank = 0;
	bool behind_address = false;
	for (size_t at = 0; at < body.len; ) {
		struct span line = bare(line_at(body, at, &at));
		if (dsn_original_begins(line))
			break;
		if (line.len == 0 || repeats_header(line))
			continue;
		unsigned rank = line_rank(line, before, behind_address);
		classified(line, &answer);
		if (rank > best_rank && answer.basis == CLASSIFY_BY_RULE && !answer.vague) {
			best = line;
			best_rank = rank;
			best_answer = answer;
		}
		behind_address = behind_address || names_address(line);
		before = line;
	}
	if (best_rank > 0)
		sink_add(sink, span_of(NULL, 0), best, &best_answer);
}

static void text_add(struct sink *sink, struct span text)
{
	bounce_add(sink, text);
	if (sink->count == 0)
		lines_add(sink, text);
	struct span words = bare(body_of(bare(text)));
	if (sink->count == 0)
		prose_add(sink, words);
	if (sink->count == 0 && words.len > 0) {
		struct classify_answer answer;
		classified(words, &answer);
		sink_add(sink, span_of(NULL, 0), words, &answer);
	}
}

bool cli_explain_text(struct buf *out, struct span text, const struct explain_style *style)
{
	struct sink sink = { .out = out, .style = style };
	text_add(&sink, text);
	return sink.count > 0;
}

bool cli_explain_text_json(struct buf *out, struct span text)
{
	struct sink sink = { .out = out };
	buf_add_str(out, "{\"replies\":[");
	text_add(&sink, text);
	buf_add_str(out, "]}\n");
	return sink.count > 0;
}
